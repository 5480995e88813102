#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A Docker daemon of its own, for tests and for the quickstart: private socket, data, runtime state and containerd; no bridge of the machine is touched.
#
#   dockerd.sh start DIR [option of dockerd...]   starts it and prints what DOCKER_HOST has to be; 77 when it cannot run here
#   dockerd.sh halt DIR                           ends it: processes and mounts; its data stays in DIR for another start
#   dockerd.sh stop DIR                           ends it and removes all it made: containers, networks and DIR too
set -eu

usage() {
    echo "usage: dockerd.sh start DIR [option...] | halt DIR | stop DIR" >&2
    exit 64
}

skip() {
    echo "SKIPPED: $1"
    exit 77
}

alive() { [ -s "$directory/pid" ] && kill -0 "$(cat "$directory/pid")" 2>/dev/null; }

start() {
    [ "$(id -u)" = 0 ] || skip "a private dockerd needs root"
    PATH=$PATH:/usr/sbin:/sbin
    for program in dockerd containerd runc iptables; do
        command -v $program >/dev/null || skip "$program is not installed"
    done
    mkdir -p "$directory"
    directory=$(cd "$directory" && pwd -P)
    # Another config than the machine's own: that one may name other directories.
    echo '{}' >"$directory/daemon.json"
    setsid dockerd --config-file "$directory/daemon.json" -H "unix://$directory/docker.sock" --data-root "$directory/data" \
        --exec-root "$directory/exec" --pidfile "$directory/pid" --bridge none "$@" >"$directory/log" 2>&1 </dev/null &
    child=$!
    tries=0
    while ! curl -fs --max-time 5 --unix-socket "$directory/docker.sock" http://docker/_ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 $child 2>/dev/null || [ $tries -ge 300 ]; then
            tail -n 20 "$directory/log" >&2
            stop
            echo "dockerd does not start" >&2
            exit 1
        fi
        sleep 0.1
    done
    echo "unix://$directory/docker.sock"
}

# Containers and networks, which have interfaces on this host.
empty() {
    if alive && [ -S "$directory/docker.sock" ] && command -v docker >/dev/null; then
        DOCKER_HOST=unix://$directory/docker.sock
        export DOCKER_HOST
        containers=$(docker ps -aq 2>/dev/null || true)
        [ -z "$containers" ] || docker rm -fv $containers >/dev/null 2>&1 || true
        docker network prune -f >/dev/null 2>&1 || true
    fi
}

# What the daemon started and did not end itself, too: shims, mounts.
halt() {
    if alive; then
        pid=$(cat "$directory/pid")
        kill "$pid" 2>/dev/null || true
        tries=0
        while kill -0 "$pid" 2>/dev/null && [ $tries -lt 200 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    fi
    # A daemon that was killed leaves its containerd and the shims: they name the directory.
    for process in /proc/[0-9]*; do
        [ "$process" != "/proc/$$" ] || continue
        if cat "$process/cmdline" 2>/dev/null | tr "\\0" " " | grep -qE "^[^ ]*(dockerd|containerd|containerd-shim[^ ]*) .*$directory/"; then
            kill -9 "${process#/proc/}" 2>/dev/null || true
        fi
    done
    tries=0
    while mounts=$(awk -v d="$directory/" 'index($2, d) == 1 { print $2 }' /proc/self/mounts | sort -r) && [ -n "$mounts" ]; do
        for mount in $mounts; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || true; done
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { echo "something is still mounted below $directory" >&2; exit 1; }
    done
}

stop() {
    empty
    halt
    rm -rf --one-file-system "$directory"
}

[ $# -ge 2 ] || usage
command=$1
directory=$2
shift 2
case $command in
start) start "$@" ;;
halt | stop)
    [ -d "$directory" ] || exit 0
    directory=$(cd "$directory" && pwd -P)
    $command
    ;;
*) usage ;;
esac
