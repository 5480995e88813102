#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a wheel with an installed library, installs it into a clean virtual environment where there is no compiler, and uses it:
# test_wheel.sh PYTHON PREFIX WORK-DIR
set -euo pipefail
python=$1 prefix=$2 work=$3
source=$(cd "$(dirname "$0")/.." && pwd)
for module in scikit_build_core pip venv; do
    "$python" -c "import $module" 2>/dev/null || { echo "SKIPPED: $python has no module $module"; exit 77; }
done
rm -rf "$work"
mkdir -p "$work/empty"
"$python" -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir "$work" \
    --config-settings=build-dir="$work/build" --config-settings=cmake.define.SANDBOXKIT_INSTALLED=ON \
    --config-settings=cmake.define.CMAKE_PREFIX_PATH="$prefix" --config-settings=cmake.define.SANDBOXKIT_PYTHON="$python" "$source"
wheel=$(ls "$work"/sandboxkit-*-cp39-abi3-linux_*.whl)
ls -l "$wheel"

# cffi itself is the system's; a package index is not needed.
"$python" -m venv --system-site-packages "$work/venv"
"$work/venv/bin/pip" install --quiet --no-index --no-deps "$wheel"

# Nothing of the tree and of the prefix, and no compiler.
cd "$work/empty"
run() { env -i PATH="$work/venv/bin" HOME="$work/empty" "$work/venv/bin/python" -X dev "$@"; }
run - "$work/venv" <<'PROGRAM'
import asyncio, os, pathlib, shutil, sys
import sandboxkit, sandboxkit.aio
assert shutil.which("cc") is None and shutil.which("gcc") is None
package = pathlib.Path(sandboxkit.__file__).parent
assert package.is_relative_to(sys.argv[1]), package
assert (package / "py.typed").exists()
with open("/proc/self/maps") as maps:
    loaded = {line.split()[-1] for line in maps if "sandboxkit" in line.split()[-1]}
assert loaded and all(each.startswith(str(package)) for each in loaded), loaded
guest = package / "libexec" / "sandboxkit" / "sandboxkit-guest"
assert os.access(guest, os.X_OK), guest
with sandboxkit.Engine("sandboxes.db", run_jobs=False) as engine:
    assert engine.create_profile({"name": "hello"}).publish().number == 1
async def main():
    async with sandboxkit.aio.Engine("sandboxes.db", run_jobs=False) as engine:
        await engine.ping()
asyncio.run(main())
print("the wheel works:", sandboxkit.__version__)
PROGRAM
