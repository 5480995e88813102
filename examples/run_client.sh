#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the client of the C ABI in another language and runs it as a test, where the language's tools are:
# run_client.sh LANGUAGE HEADER-DIRECTORY LIBRARY
# What is built goes to the working directory, and nothing is fetched from anywhere.
set -euo pipefail
language=$1 header=$2 library=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libraries=$(dirname "$library")
out=$PWD/client_$language
mkdir -p "$out"

need() {
    command -v "$1" >/dev/null || {
        echo "SKIPPED: there is no $1 on PATH"
        exit 77
    }
}

case $language in
go)
    need go
    export CGO_ENABLED=1 CGO_CFLAGS="-I$header" CGO_LDFLAGS="-L$libraries -Wl,-rpath,$libraries"
    export GO111MODULE=off GOPROXY=off GOFLAGS='' GOTOOLCHAIN=local GOPATH="$out/path" GOCACHE="$out/cache"
    go build -o "$out/main_job" "$here/go/main.go"
    command=("$out/main_job")
    ;;
rust)
    need rustc
    rustc --edition 2021 -D warnings -L "$libraries" -C "link-arg=-Wl,-rpath,$libraries" -o "$out/main_job" \
        "$here/rust/main.rs"
    command=("$out/main_job")
    ;;
node)
    need node
    headers=$("$here/node/headers.sh") || {
        echo "SKIPPED: Node.js has no node_api.h beside it"
        exit 77
    }
    "${CC:-cc}" -std=gnu11 -Wall -Wextra -Wshadow -Werror -shared -fPIC -I"$header" -I"$headers" -o "$out/sandboxkit.node" \
        "$here/node/addon.c" -L"$libraries" -Wl,-rpath,"$libraries" -lsandboxkit_c
    command=(node "$here/node/main.js" "$out/sandboxkit.node")
    ;;
*)
    echo "there is no client in '$language'" >&2
    exit 2
    ;;
esac
exec "$here/run_as_test.sh" hello "${command[@]}"
