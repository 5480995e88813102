#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the directory of node_api.h of the Node.js on PATH, and fails when there is none: Debian has it in libnode-dev, others
# beside the program.
set -euo pipefail
node=$(readlink -f "$(command -v node)")
for directory in "$(dirname "$(dirname "$node")")/include/node" /usr/include/node; do
    if [ -e "$directory/node_api.h" ]; then
        printf '%s\n' "$directory"
        exit 0
    fi
done
exit 1
