#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints where this host gets Debian's main archive from: debian-archive.sh SUITE
# One line a source that has the suite: its URI, and the keyring that it names, if any. Reads both of apt's formats.
set -euo pipefail
suite=${1:?the name of a suite, such as bookworm}

files=()
for file in /etc/apt/sources.list.d/*.sources; do [ -r "$file" ] && files+=("$file"); done
if [ ${#files[@]} -gt 0 ]; then
    awk -v suite="$suite" '
        function flush(   i, n, words, hit, main) {
            n = split(field["suites"], words); for (i = 1; i <= n; i++) hit = hit || words[i] == suite
            n = split(field["components"], words); for (i = 1; i <= n; i++) main = main || words[i] == "main"
            n = split(field["uris"], words)
            if (hit && main && field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) != "no" && n) print words[1], field["signed-by"]
            delete field; name = ""
        }
        FNR == 1 { flush() }
        /^#/ { next }
        /^[ \t]*$/ { flush(); next }
        /^[ \t]/ { field[name] = field[name] " " $0; next }
        { name = tolower($0); sub(/:.*/, "", name); value = $0; sub(/^[^:]*:[ \t]*/, "", value); field[name] = value }
        END { flush() }' "${files[@]}"
fi
files=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do [ -r "$file" ] && files+=("$file"); done
if [ ${#files[@]} -gt 0 ]; then
    awk -v suite="$suite" '
        $1 != "deb" { next }
        {
            key = ""; rest = $0; sub(/^deb[ \t]+/, "", rest)
            if (match(rest, /^\[[^]]*\]/)) {
                n = split(substr(rest, 2, RLENGTH - 2), options); rest = substr(rest, RLENGTH + 1)
                for (i = 1; i <= n; i++) if (options[i] ~ /^signed-by=/) key = substr(options[i], 11)
            }
            n = split(rest, part); main = 0
            for (i = 3; i <= n; i++) main = main || part[i] == "main"
            if (part[2] == suite && main) print part[1], key
        }' "${files[@]}"
fi
