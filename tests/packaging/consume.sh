#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Uses sandboxkit as someone else's build would: consume.sh WAY SOURCE-DIR BUILD-DIR WORK-DIR
# WAY: install (what the others need first), find_package, pkg_config, add_subdirectory
set -euo pipefail
way=$1 source=$2 build=$3 work=$4
consumer=$source/tests/packaging/consumer
consumer_c=$source/tests/packaging/consumer_c
prefix=$work/prefix

compile() { # BUILD-DIR cmake arguments...
    local out=$1
    shift
    cmake -S "$consumer" -B "$out" -G Ninja "$@"
    cmake --build "$out"
    (cd "$out" && ./consumer && ./core_consumer && ./c_consumer)
}

# The headers that were used are the installed ones.
only_installed() { # BUILD-DIR
    if grep -r --include='*.ninja' -E -- "(-I|-isystem )$source/(include|src|capi)" "$1"; then
        echo "the consumer of an installed sandboxkit looked into its source tree" >&2
        exit 1
    fi
}

case $way in
install)
    rm -rf "$prefix"
    cmake --install "$build" --prefix "$prefix"
    "$prefix/bin/sandboxkit" --help >/dev/null
    test -x "$prefix/libexec/sandboxkit/sandboxkit-guest"
    ;;
find_package)
    rm -rf "$work/find_package"
    compile "$work/find_package" -DCMAKE_PREFIX_PATH="$prefix"
    only_installed "$work/find_package"
    rm -rf "$work/find_package_c"
    cmake -S "$consumer_c" -B "$work/find_package_c" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
    cmake --build "$work/find_package_c"
    (cd "$work/find_package_c" && ./consumer)
    only_installed "$work/find_package_c"
    ;;
pkg_config)
    mkdir -p "$work/pkg_config"
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sandboxkit.pc)")
    export PKG_CONFIG_PATH
    read -ra flags < <(pkg-config --cflags --libs sandboxkit)
    g++ -std=c++20 "$consumer/main.cpp" -o "$work/pkg_config/consumer" "${flags[@]}"
    (cd "$work/pkg_config" && ./consumer)
    read -ra flags < <(pkg-config --static --cflags --libs sandboxkit)
    g++ -std=c++20 "$consumer/main.cpp" -o "$work/pkg_config/consumer_static" "${flags[@]}"
    (cd "$work/pkg_config" && ./consumer_static)
    read -ra flags < <(pkg-config --cflags --libs sandboxkit-c)
    gcc -std=c99 "$consumer_c/main.c" -o "$work/pkg_config/consumer_c" "${flags[@]}"
    (cd "$work/pkg_config" && LD_LIBRARY_PATH=$(pkg-config --variable=libdir sandboxkit-c) ./consumer_c)
    ;;
add_subdirectory)
    # Compiles the library once more, as a part of the consumer and as a shared one; with the flags of the build, so that
    # ccache has all of it already.
    cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
    export CCACHE_NOHASHDIR=1
    launcher=()
    if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache); fi
    type=$(cached CMAKE_BUILD_TYPE)
    compile "$work/add_subdirectory" -DCONSUMER_SOURCE_DIR="$source" -DBUILD_SHARED_LIBS=ON "${launcher[@]}" \
        -DCMAKE_CXX_FLAGS_"${type^^}"="$(cached "CMAKE_CXX_FLAGS_${type^^}")" \
        -DCMAKE_C_FLAGS_"${type^^}"="$(cached "CMAKE_C_FLAGS_${type^^}")" \
        -DCMAKE_BUILD_TYPE="$type" -DCMAKE_CXX_COMPILER="$(cached CMAKE_CXX_COMPILER)" \
        -DCMAKE_C_COMPILER="$(cached CMAKE_C_COMPILER)" -DSANDBOXKIT_WARNINGS_AS_ERRORS="$(cached SANDBOXKIT_WARNINGS_AS_ERRORS)"
    ;;
*)
    echo "there is no way '$way'" >&2
    exit 2
    ;;
esac
