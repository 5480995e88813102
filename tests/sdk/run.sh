#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the clients at their pinned versions, and runs a test of one against a sandbox.
#
#   run.sh TEST SANDBOXKIT DIRECTORY      test_TEST.mjs, the command line, and where to install and work
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$1 sandboxkit=$2 directory=$3

skip() { echo "SKIPPED: $*"; exit 77; }

[ "$(id -u)" -eq 0 ] || skip "sandboxes need root"
version=$(node --version 2>/dev/null || true)
printf 'v20.18.1\n%s\n' "${version:-v0}" | sort -VC || skip "Node.js is ${version:-missing}, and the SDK wants 20.18.1 or newer"
command -v npm >/dev/null || skip "npm is missing"

mkdir -p "$directory"
cd "$directory"
if [ ! -e node_modules/.package-lock.json ] || ! cmp -s "$here/package-lock.json" package-lock.json; then
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" .
    npm ci --fetch-retries=5 --no-audit --no-fund || skip "the npm registry cannot be reached"
fi
cp "$here"/*.mjs .
exec node --test-reporter spec "test_$name.mjs" "$sandboxkit"
