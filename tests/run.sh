#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs every test.
#
#   ./tests/run.sh                        all of it
#   ./tests/run.sh release|asan|tsan...   parts:
#       release   everything, optimized: tests, examples, benchmark, installed packages
#       asan      every unit and real test under AddressSanitizer and UndefinedBehaviorSanitizer, compiled by clang
#       tsan      the tests with threads in them, under ThreadSanitizer
#
# The last line is "N passed, N failed, N skipped"; the exit code is 0 when nothing failed. Every skip is listed with its
# reason. With CI=true a skip counts as a failure unless tests/allowed-skips.txt says that a machine may lack that thing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(release asan tsan)
for part in "${parts[@]}"; do
    case $part in release | asan | tsan) ;; *) echo "usage: $0 [release|asan|tsan]..." >&2; exit 2 ;; esac
done

cmake/install-packages.sh build tests

# A unit with Beast and coroutines in it takes up to 1.5 GB of memory to compile.
cores=$(nproc)
by_memory=$(awk '/^MemTotal:/ { print int($2 / 2097152) }' /proc/meminfo)
jobs=$((by_memory < cores ? by_memory : cores))
[ "$jobs" -ge 1 ] || jobs=1

# Lets the same unit of another build directory come from the cache.
export CCACHE_NOHASHDIR=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# The tests that make sandboxes need root. Without it they say so and are skipped.
as_root=()
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
    as_root=(sudo -n -E)
    echo "tests that need root run with sudo"
fi

reports=()
run_tests() { # PRESET INCLUDED-LABELS EXCLUDED-LABELS: regular expressions, empty for none
    local preset=$1 report include=() exclude="$3" wrapper=()
    [ -z "$2" ] || include=(-L "$2")
    # A sanitized program needs its addresses laid out in a way that newer kernels only use when told to.
    if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then wrapper=(setarch "$(uname -m)" -R); fi

    run_ctest() { # NAME command prefix... -- further ctest arguments...
        report="build/$preset/report-$1.xml"
        shift
        local prefix=()
        while [ "$1" != -- ]; do prefix+=("$1"); shift; done
        shift
        rm -f "$report"
        reports+=("$preset=$report")
        # A failure is told by the report, at the end, together with those of the other parts.
        "${prefix[@]}" "${wrapper[@]}" ctest --test-dir "build/$preset" --parallel "$jobs" --output-on-failure --no-tests=error \
            --test-output-size-passed 200000 --output-junit "$PWD/$report" "$@" </dev/null || true
    }
    if [ ${#as_root[@]} -eq 0 ]; then
        run_ctest all -- "${include[@]}" ${exclude:+-LE "$exclude"}
    else
        run_ctest user -- "${include[@]}" -LE "${exclude:+$exclude|}^(real|root)$"
        run_ctest root "${as_root[@]}" -- "${include[@]}" -L '^(real|root)$' ${exclude:+-LE "$exclude"}
    fi
}

for part in "${parts[@]}"; do
    printf '\n== %s: build with %s jobs ==\n' "$part" "$jobs"
    begin=$SECONDS
    cmake --preset "$part"
    targets=()
    [ "$part" != tsan ] || targets=(--target threaded_tests)
    cmake --build --preset "$part" --parallel "$jobs" "${targets[@]}"
    printf '\n== %s: built in %s s; tests ==\n' "$part" $((SECONDS - begin))
    case $part in
    release) run_tests release '' '' ;;
    asan) run_tests asan '' '^(packaging|example|bench|house|sdk)$' ;;
    tsan) run_tests tsan '^threads$' '' ;;
    esac
    printf '== %s: %s s in all ==\n' "$part" $((SECONDS - begin))
done

printf '\n== Summary ==\n'
exec python3 tests/summary.py "${reports[@]}"
