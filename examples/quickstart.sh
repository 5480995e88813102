#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job from beginning to end, on this machine: a profile becomes a published version, a snapshot, and two sessions
# that run real work in real sandboxes.
#
#   ./examples/quickstart.sh           sandboxes that show the host's /usr, read-only: no download of an image
#   ./examples/quickstart.sh debian    the same on a Debian root filesystem of its own, made by mmdebstrap
#   ./examples/quickstart.sh --provider docker
#                                      the same Debian in containers of a Docker daemon: the one that the docker command would
#                                      use, or else one of its own, which ends with this script
#
# Everything it makes but packages is in build/: remove that directory and it never happened. Run it again: it goes on with what is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
case "$*" in
'' | '--provider local') example=quickstart groups=build ;;
debian) example=debian groups='build debian' ;;
'--provider docker') example=docker groups='build debian docker' ;;
*) echo "usage: $0 [debian | --provider local | --provider docker]" >&2; exit 2 ;;
esac
work=$root/build/quickstart
mkdir -p "$work"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }
now() { printf '%s' "${EPOCHREALTIME//[!0-9]/}"; }                           # microseconds
seconds() { printf '%d.%02d s' $(($1 / 1000000)) $(($1 / 10000 % 100)); } # of microseconds

# ---------------------------------------------------------------------------------------------------------------------
say "1. Packages and build"
# shellcheck disable=SC2086
cmake/install-packages.sh $groups
cores=$(nproc)
by_memory=$(awk '/^MemTotal:/ { print int($2 / 2097152) }' /proc/meminfo)
jobs=$((by_memory < cores ? by_memory : cores))
[ "$jobs" -ge 1 ] || jobs=1
echo "building the library, the command line and the guest with $jobs jobs; the first time takes some minutes"
cmake --preset release >"$work/configure.log" 2>&1 || { cat "$work/configure.log" >&2; exit 1; }
cmake --build --preset release --parallel "$jobs" --target sandboxkit_cli sandboxkit-guest

# Sandboxes need root (mounts, namespaces, cgroups).
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "sandboxes need root privileges and there is no sudo: run this script as root" >&2; exit 1; }
    echo "using sudo: sandboxes need root privileges"
    as_root=(sudo)
fi
daemon=()
sandboxkit() { "${as_root[@]}" env "${daemon[@]}" "$root/build/release/src/cli/sandboxkit" --store "$work/$example.db" "$@"; }

if [ "$example" = docker ] && ! "${as_root[@]}" docker version >/dev/null 2>&1; then
    echo "there is no Docker daemon here: starting one of its own, with its data in build/quickstart/dockerd"
    trap '"${as_root[@]}" tests/docker/dockerd.sh halt "$work/dockerd"' EXIT
    daemon=("DOCKER_HOST=$("${as_root[@]}" tests/docker/dockerd.sh start "$work/dockerd")")
fi

# ---------------------------------------------------------------------------------------------------------------------
say "2. What this host can do"
sandboxkit doctor

# ---------------------------------------------------------------------------------------------------------------------
say "3. The profile"
# The repository is this checkout, as last committed. What a clone cannot be made of (a shallow checkout, a work tree of
# another repository, a download without history) is committed to a repository of its own.
repository=$root
commit=$(git rev-parse HEAD 2>/dev/null || true)
if [ -n "$commit" ] && [ -d .git ] && [ "$(git rev-parse --is-shallow-repository)" = false ]; then
    [ -z "$(git status --porcelain)" ] || echo "this checkout has changes that are not committed: the sandbox gets the last commit, $commit"
else
    echo "this checkout has no history to clone: taking a copy of its files"
    repository=$work/source
    rm -rf "$repository"
    mkdir -p "$repository"
    tar --exclude=./build --exclude=./.git -cf - . | tar -xf - -C "$repository"
    git -C "$repository" init --quiet --initial-branch main
    git -C "$repository" add --all
    # The same files make the same commit.
    GIT_AUTHOR_DATE=2000-01-01T00:00:00Z GIT_COMMITTER_DATE=2000-01-01T00:00:00Z git -C "$repository" -c user.name=quickstart -c user.email=quickstart@localhost \
        -c commit.gpgsign=false commit --quiet --message 'A copy of the files'
    commit=$(git -C "$repository" rev-parse HEAD)
fi

archive=
if [ "$example" != quickstart ]; then
    . /etc/os-release
    archive=$work/debian-$VERSION_CODENAME.tar
    if [ ! -e "$archive" ]; then
        read -r mirror keyring < <(cmake/debian-archive.sh "$VERSION_CODENAME" | head -n 1) || true
        [ -n "${mirror:-}" ] || { echo "no package source of this host names Debian's main archive" >&2; exit 1; }
        boost=libboost-dev
        [ "$VERSION_CODENAME" != bookworm ] || boost=libboost1.81-dev
        echo "making a root filesystem of Debian $VERSION_CODENAME with a compiler, from $mirror, once: about a minute"
        "${as_root[@]}" mmdebstrap --quiet --format=tar --variant=minbase --skip=output/dev --include="g++,$boost,libssl-dev,doctest-dev,git,ca-certificates" \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
            ${keyring:+--keyring="$keyring"} "$VERSION_CODENAME" "$archive.part" "$mirror" </dev/null
        "${as_root[@]}" mv "$archive.part" "$archive"
    fi
    echo "root filesystem: $archive ($(du -sh "$archive" | cut -f 1))"
fi

profile=$work/$example.json
escape() { printf '%s' "$1" | sed -e 's/[\\"]/\\&/g' -e 's/[&|\\]/\\&/g'; }
sed -e "s|@REPOSITORY@|$(escape "$repository")|" -e "s|@ARCHIVE@|$(escape "$archive")|" "examples/$example.json" >"$profile"
echo "examples/$example.json, with this checkout filled in:"
sed 's/^/    /' "$profile"

# ---------------------------------------------------------------------------------------------------------------------
say "4. A published version, and its snapshot"
# An earlier run left its profile: only a changed one is published again, and only a newer commit makes a new snapshot.
state=$work/$example.state
id='' published='' built_profile='' built_commit='' build_time=0
# shellcheck source=/dev/null
if [ -e "$state" ]; then . "$state"; fi
digest=$(sha256sum <"$profile" | cut -d ' ' -f 1)
remember() { printf '%s=%q\n' id "$id" published "$published" built_profile "$built_profile" built_commit "$built_commit" build_time "$build_time" >"$state"; }
begin=$(now)
if [ -z "$id" ]; then
    id=$(sandboxkit profile create "$profile")
    remember
    echo "profile $id"
elif [ "$published" != "$digest" ]; then
    echo "profile $id, changed since the last run"
    sandboxkit profile edit "$id" "$profile" >/dev/null
fi
fresh=
if [ "$published" != "$digest" ]; then
    echo "publishing it: the repository is cloned, and the setup script runs in a sandbox, once"
    # 67, a conflict: an earlier run published it and was ended before it could remember.
    if sandboxkit profile publish "$id"; then fresh=yes; else [ $? -eq 67 ]; fi
    published=$digest
    remember
fi
if [ -n "$fresh" ]; then
    sandboxkit snapshot status "$id" --wait
elif [ "$built_profile" != "$digest" ] || [ "$built_commit" != "$commit" ]; then
    echo "profile $id is published, and its snapshot failed or is of an older commit: making it again"
    # 67, a conflict: an earlier run left a job on its way, which is as good.
    sandboxkit snapshot refresh "$id" --wait || { [ $? -eq 67 ] && sandboxkit snapshot status "$id" --wait; }
    sandboxkit snapshot status "$id"
else
    echo "profile $id; its snapshot of commit $commit is there from the last run"
    sandboxkit snapshot status "$id"
fi
if [ "$built_profile" != "$digest" ] || [ "$built_commit" != "$commit" ]; then
    build_time=$(($(now) - begin)) built_profile=$digest built_commit=$commit
    remember
fi

# ---------------------------------------------------------------------------------------------------------------------
start_and_work() { # NUMBER
    local begin took session trace=$work/$example-session-$1.trace.json
    begin=$(now)
    session=$(sandboxkit session start "$id")
    took=$(($(now) - begin))
    start_times+=("$took")
    echo "session $session started in $(seconds "$took"), the program's own start included"
    echo "running the test that the setup script compiled:"
    sandboxkit session exec "$session" -- sh -c 'cd /workspace/sandboxkit && git log -1 --format="  at %h: %s" 2>/dev/null; /root/test_plan | tail -n 3'
    echo "where the time went:"
    sandboxkit session timeline "$session" --trace "$trace"
    echo "as a trace: $trace"
    sandboxkit session rm "$session" >/dev/null
}
start_times=()
say "5. A session"
start_and_work 1
say "6. Another session, clean again"
start_and_work 2

# ---------------------------------------------------------------------------------------------------------------------
say "What the snapshot saved"
printf 'clone, compile and capture, once:  %s\n' "$(seconds "$build_time")"
printf 'each session after that:           %s and %s\n' "$(seconds "${start_times[0]}")" "$(seconds "${start_times[1]}")"
printf 'so that a start takes 1/%d of a build\n' $((build_time / start_times[1]))

say "What to try next"
prefix=
[ ${#as_root[@]} -eq 0 ] || prefix="sudo "
cat <<TEXT
Open the traces at https://ui.perfetto.dev, or in Chromium at chrome://tracing.
A shell command in a sandbox of its own, all in one go:
    ${prefix}build/release/src/cli/sandboxkit --store build/quickstart/$example.db run build/quickstart/$example.json -- ls -l /workspace/sandboxkit
Change the setup script in examples/$example.json and run this script again: a new version, and a new snapshot.
TEXT
if [ "$example" = quickstart ]; then
    echo "The same on a Debian of its own: ./examples/quickstart.sh debian"
    echo "The same in containers of Docker: ./examples/quickstart.sh --provider docker"
fi
echo "To remove all that was made: ${prefix}rm -r build/quickstart"
