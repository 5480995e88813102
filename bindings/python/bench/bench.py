#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the Python package costs: bench.py [DIRECTORY]

Prints the median of each measure. Run it alone on an idle machine, with PYTHONPATH=build/release/bindings/python; as root, or
there are no figures of commands. DIRECTORY is where the sandboxes are: a real file system.
"""
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time

import sandboxkit
import sandboxkit.aio


def say(what: str, value: float, unit: str) -> None:
    print(f"{what:<68} {value:10.2f} {unit}")


def import_time() -> None:
    program = "import time; b = time.perf_counter(); import {}; print(time.perf_counter() - b)"
    for module in ("sandboxkit", "asyncio, sandboxkit.aio"):
        command = [sys.executable, "-c", program.format(module)]
        samples = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(21)]
        say(f"import {module}", statistics.median(samples) * 1e3, "ms")


async def pings(store: str) -> None:
    async with sandboxkit.aio.Engine(store) as engine:
        for in_flight in (1, 100, 10_000):
            samples = []
            for _ in range(9):
                rounds = max(1, 10_000 // in_flight)
                begin = time.perf_counter()
                for _ in range(rounds):
                    if in_flight == 1:
                        await engine.ping()
                    else:
                        await asyncio.gather(*(engine.ping() for _ in range(in_flight)))
                samples.append((time.perf_counter() - begin) / (rounds * in_flight))
            say(f"no-op through asyncio, {in_flight} in flight", statistics.median(samples) * 1e6, "us each")
        with sandboxkit.Engine(store) as waiting:
            samples = []
            for _ in range(10_000):
                begin = time.perf_counter()
                waiting.ping()
                samples.append(time.perf_counter() - begin)
            say("no-op without an event loop", statistics.median(samples) * 1e6, "us each")


def commands(store: str) -> None:
    with sandboxkit.Engine(store) as engine:
        profile = engine.create_profile({"name": "bench"})
        profile.publish().snapshot.wait()
        with profile.start_session() as session:
            samples = []
            for _ in range(500):
                begin = time.perf_counter()
                session.exec(["/bin/true"])
                samples.append(time.perf_counter() - begin)
            say("exec of /bin/true", statistics.median(samples) * 1e3, "ms each")
            samples = []
            for _ in range(5):
                begin = time.perf_counter()
                with session.start_process(["head", "-c", str(256 << 20), "/dev/zero"]) as process:
                    assert sum(len(chunk.data) for chunk in process) == 256 << 20
                samples.append((256 << 20) / (time.perf_counter() - begin))
            say("output of a command, iterated over", statistics.median(samples) / 1e6, "MB/s")
        profile.delete()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        store = os.path.join(directory, "sandboxes.db")
        import_time()
        asyncio.run(pings(store))
        if os.geteuid() == 0:
            commands(store)


if __name__ == "__main__":
    main()
