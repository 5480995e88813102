# SPDX-License-Identifier: Apache-2.0
"""What a program with types looks like to mypy: it is checked, not run."""
import asyncio
from typing import List, Optional

import sandboxkit
import sandboxkit.aio


def sync() -> List[bytes]:
    with sandboxkit.Engine("sandboxes.db", credentials=lambda request: sandboxkit.Credential("git", request.url)) as engine:
        profile = engine.create_profile({"name": "hello"})
        version: sandboxkit.Version = profile.publish()
        version.snapshot.wait(progress=print)
        with profile.start_session(idle_limit=60) as session:
            text: str = session.exec(["true"]).text
            with session.start_process(["cat"], stdin=True) as process:
                process.write(text)
                chunks = [chunk.data for chunk in process]
                end: Optional[sandboxkit.End] = process.end
                assert end is not None and end == process.wait()
            with session.watch("/workspace") as changes:
                names: List[str] = [change.name for change in changes]
                assert names
        return chunks


async def credentials(request: sandboxkit.CredentialRequest) -> Optional[sandboxkit.Credential]:
    await asyncio.sleep(0)
    return None


async def aio() -> int:
    async with sandboxkit.aio.Engine("sandboxes.db", credentials=credentials) as engine:
        profile = await engine.create_profile({"name": "hello"})
        version: sandboxkit.aio.Version = await profile.publish()
        async for progress in await version.snapshot.refresh():
            print(progress.phase)
        async with profile.start_session() as session:
            async with session.start_process(["cat"], stdin=True) as process:
                sizes: List[int] = [len(chunk.data) async for chunk in process]
        other: sandboxkit.aio.Session = await profile.start_session()
        await other.remove()
        return sum(sizes)
