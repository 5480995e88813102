#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, says which, and does nothing when none is.
#
#   cmake/install-packages.sh build            what building and using sandboxkit needs
#   cmake/install-packages.sh build tests      and what its tests need
#   cmake/install-packages.sh build debian     and what the Debian example needs
#   cmake/install-packages.sh build docker     and what a Docker daemon of one's own needs
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'packages: %s\n' "$*"; }
fail() { printf 'packages: %s\n' "$*" >&2; exit 1; }

[ $# -gt 0 ] || fail "name at least one of: build tests debian docker"
[ -r /etc/os-release ] || fail "there is no /etc/os-release: this script knows Debian 12 and 13; README.md lists the dependencies"
. /etc/os-release
[ "${ID:-}" = debian ] || fail "this is ${PRETTY_NAME:-an unknown system}; this script knows Debian 12 and 13; README.md lists the dependencies"

# Debian 12 has two versions of Boost; the default, 1.74, is too old. Its clang has no package of the sanitizers' runtime
# without a version in its name.
if [ "${VERSION_CODENAME:-}" = bookworm ]; then boost=1.81 clang_runtime=libclang-rt-14-dev; else boost='' clang_runtime=libclang-rt-dev; fi
minimum_libgit2=1.7
# With the docker command, which Debian 13 has in a package of its own.
docker=(docker.io iptables curl)
[ "${VERSION_CODENAME:-}" = bookworm ] || docker+=(docker-cli)

wanted=()
for group in "$@"; do
    case $group in
    build)
        wanted+=(g++ cmake ninja-build ccache pkg-config "libboost$boost-dev" "libboost-json$boost-dev" libgit2-dev libsoci-dev
            libsqlite3-dev libarchive-dev libssl-dev libseccomp-dev libre2-dev zlib1g-dev libcli11-dev doctest-dev crun runc slirp4netns iproute2 git
            openssh-client ca-certificates python3) ;;
    tests) wanted+=(clang "$clang_runtime" openssh-server haproxy mmdebstrap busybox-static zstd xz-utils sqlite3 procps
        nodejs npm python3-jsonschema python3-jwt python3-cryptography golang-go rustc libnode-dev python3-cffi python3-dev
        python3-pip python3-venv python3-scikit-build-core mypy abigail-tools
        "${docker[@]}" docker-registry) ;;
    debian) wanted+=(mmdebstrap) ;;
    docker) wanted+=("${docker[@]}") ;;
    *) fail "there is no group '$group'; there are: build tests debian docker" ;;
    esac
done

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

is_satisfied() {
    case $1 in
    # Docker's containerd.io brings a runc of its own and conflicts with Debian's package.
    runc) is_installed runc || command -v runc >/dev/null ;;
    # Of whatever origin: tests/sdk says when it is too old.
    nodejs) is_installed nodejs || command -v node >/dev/null ;;
    npm) is_installed npm || command -v npm >/dev/null ;;
    # A Node.js of other origin brings its headers, and conflicts with Debian's package.
    libnode-dev) is_installed libnode-dev || "$here/../examples/node/headers.sh" >/dev/null 2>&1 ;;
    golang-go) is_installed golang-go || command -v go >/dev/null ;;
    rustc) is_installed rustc || command -v rustc >/dev/null ;;
    # Docker's own packages conflict with Debian's.
    docker.io) is_installed docker.io || command -v dockerd >/dev/null ;;
    docker-cli) is_installed docker-cli || command -v docker >/dev/null ;;
    pkg-config) is_installed pkg-config || is_installed pkgconf ;;
    libgit2-dev)
        is_installed libgit2-dev &&
            dpkg --compare-versions "$(dpkg-query -W -f='${Version}' libgit2-dev)" ge "$minimum_libgit2" ;;
    *) is_installed "$1" ;;
    esac
}

missing=()
for package in "${wanted[@]}"; do
    is_satisfied "$package" || [[ " ${missing[*]} " == *" $package "* ]] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    say "all ${#wanted[@]} are installed"
    exit 0
fi
say "to install: ${missing[*]}"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "installing needs root privileges and there is no sudo; as root, run: $0 $*"
    as_root=(sudo)
    say "using sudo"
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=5 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"; }

log=$(mktemp)
policy=
clean_up() {
    rm -f "$log"
    if [ -n "$policy" ]; then "${as_root[@]}" rm -f "$policy"; fi
}
trap clean_up EXIT

quietly() { # shows the output only when the command fails
    "$@" >"$log" 2>&1 </dev/null || { cat "$log" >&2; return 1; }
}

# The newest version of libgit2-dev that apt knows, whatever the suite.
newest_libgit2() { apt-cache madison libgit2-dev 2>/dev/null | awk -F' *[|] *' '{ print $2 }' | sort -V | tail -n 1; }

say "refreshing the package lists"
quietly apt update || say "apt-get update failed; going on with the lists that are there"

add_backports() { # WHY
    [ "${VERSION_CODENAME:-}" = bookworm ] || fail "$1"
    read -r uri keyring < <("$here/debian-archive.sh" "$VERSION_CODENAME" | head -n 1) || true
    [ -n "${uri:-}" ] || fail "$1; it is in bookworm-backports, but no source of this host names Debian's main archive; add bookworm-backports by hand"
    say "$1: adding bookworm-backports of $uri"
    say "  (in /etc/apt/sources.list.d/sandboxkit-backports.sources; nothing else is upgraded from it)"
    {
        printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\n' "$uri"
        case ${keyring:-} in /*) printf 'Signed-By: %s\n' "$keyring" ;; esac
    } | "${as_root[@]}" tee /etc/apt/sources.list.d/sandboxkit-backports.sources >/dev/null
    quietly apt update || fail "apt-get update failed after adding bookworm-backports"
}

if [[ " ${missing[*]} " == *" libgit2-dev "* ]]; then
    newest=$(newest_libgit2)
    if ! dpkg --compare-versions "${newest:-0}" ge "$minimum_libgit2"; then
        add_backports "libgit2-dev $minimum_libgit2 or newer is needed, and apt knows ${newest:-none}"
        newest=$(newest_libgit2)
        dpkg --compare-versions "${newest:-0}" ge "$minimum_libgit2" || fail "bookworm-backports has no libgit2-dev $minimum_libgit2 or newer"
    fi
    # Backports are never chosen by themselves: the version is named.
    for i in "${!missing[@]}"; do
        if [ "${missing[$i]}" = libgit2-dev ]; then missing[i]="libgit2-dev=$newest"; fi
    done
fi

# What has to come from backports together with what it depends on: apt looks there for a dependency only when told to.
from_backports=()
if [ "${VERSION_CODENAME:-}" = bookworm ] && [[ " ${missing[*]} " == *" python3-scikit-build-core "* ]]; then
    apt-cache show python3-scikit-build-core >/dev/null 2>&1 || add_backports "python3-scikit-build-core is needed"
    from_backports=(python3-scikit-build-core)
    for i in "${!missing[@]}"; do
        if [ "${missing[$i]}" = python3-scikit-build-core ]; then unset "missing[$i]"; fi
    done
fi

# Test servers are wanted, not services of this machine.
services=()
for package in openssh-server haproxy docker.io docker-registry; do
    if [[ " ${missing[*]} " == *" $package "* ]]; then services+=("$package"); fi
done
if [ ${#services[@]} -gt 0 ]; then
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
        policy=/usr/sbin/policy-rc.d
        "${as_root[@]}" chmod 755 "$policy"
    fi
fi

say "installing"
[ ${#missing[@]} -eq 0 ] || quietly apt install -y --no-install-recommends "${missing[@]}" || fail "apt-get install failed"
[ ${#from_backports[@]} -eq 0 ] ||
    quietly apt install -y --no-install-recommends -t bookworm-backports "${from_backports[@]}" || fail "apt-get install from backports failed"
if command -v systemctl >/dev/null; then
    for package in "${services[@]}"; do
        case $package in
        openssh-server) units=(ssh.service ssh.socket) ;;
        docker.io) units=(docker.service docker.socket containerd.service) ;;
        *) units=("$package.service") ;;
        esac
        "${as_root[@]}" systemctl disable "${units[@]}" >/dev/null 2>&1 || true
        say "$package is for the tests: its service was not started and is disabled"
    done
fi
say "installed $((${#missing[@]} + ${#from_backports[@]}))"
