#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two sessions at once, through asyncio: a watch in one sees what a command writes, and a command of the other is cancelled."""
import asyncio

import sandboxkit.aio


async def main() -> None:
    async with sandboxkit.aio.Engine("sandboxes.db") as engine:
        profile = await engine.create_profile({"name": "pair", "setup_script": "mkdir -p /workspace"})
        version = await profile.publish()
        await version.snapshot.wait()
        async with profile.start_session() as one, profile.start_session() as other:
            endless = asyncio.create_task(other.exec(["sleep", "infinity"]))
            async with one.watch("/workspace") as changes:
                await one.exec(["touch", "/workspace/report"])
                async for change in changes:
                    print(f"{change.name} was {change.change}")
                    break
            endless.cancel()  # and the command is killed
            done, _ = await asyncio.wait([endless])
            print("cancelled:", endless in done and endless.cancelled())
        await profile.delete()


asyncio.run(main())
