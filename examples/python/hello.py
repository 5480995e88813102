#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job: a profile, a version with its snapshot, a session, a command, and a process that is talked to."""
import sandboxkit

with sandboxkit.Engine("sandboxes.db") as engine:
    profile = engine.create_profile({"name": "hello", "setup_script": "echo hello > /root/greeting"})
    version = profile.publish()  # frozen, and a snapshot job queued
    version.snapshot.wait(progress=print)  # the setup script ran, and was captured
    with profile.start_session() as session:  # removed at the end of the block
        print(session.exec(["cat", "/root/greeting"]).text, end="")
        with session.start_process(["sh", "-c", "read name; echo hello, $name"], stdin=True) as process:
            process.write("process\n")
            for chunk in process:
                print(chunk.data.decode(), end="")
    profile.delete()
