#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs an example, or another program, as a test: run_as_test.sh EXPECTED COMMAND...
# In an empty directory that goes away with it; EXPECTED is a line that the output must have.
set -euo pipefail
expected=$1
shift
if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    echo "SKIPPED: sandboxes need root privileges"
    exit 77
fi
directory=$(mktemp -d "$PWD/example.XXXXXX")
trap 'rm -rf "$directory"' EXIT
cd "$directory"
output=$("$@" </dev/null 2>&1) && code=0 || code=$?
printf '%s\n' "$output"
[ "$code" -eq 0 ] || { echo "it exited with code $code" >&2; exit 1; }
grep -qxF -- "$expected" <<<"$output" || { echo "its output has no line '$expected'" >&2; exit 1; }
