# SPDX-License-Identifier: Apache-2.0
# Made from _async/version.py by make_sync.py: change that one.
"""Versions and their snapshots."""
from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from sandboxkit._abi import string
from sandboxkit._sync.job import Job
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from sandboxkit._sync.client import Client
    from sandboxkit._types import Image, Progress, VersionInfo


class Version:
    """A profile as it was published: frozen, but for its snapshot."""

    def __init__(self, client: Client, info: VersionInfo) -> None:
        self._client = client
        self._info = info

    def __repr__(self) -> str:
        return f"<sandboxkit.Version {self.number} of {self._info.profile}>"

    @property
    def number(self) -> int:
        """1, 2, ..."""
        return self._info.version

    @property
    def info(self) -> VersionInfo:
        """As it was when it was read last."""
        return self._info

    @property
    def snapshot(self) -> Snapshot:
        """What sessions start from."""
        return Snapshot(self)

    def reload(self) -> VersionInfo:
        """Reads it anew."""
        event = self._client._call(lib.sbk_version_get, *string(self._info.profile), self.number)
        self._info = types.VersionInfo._read(event.json)
        return self._info

    def export(self) -> bytes:
        """The version as one file, which shows when it was changed on the way. `import_version` is the way back."""
        return (self._client._call(lib.sbk_version_export, *string(self._info.profile), self.number)).contents


class Snapshot:
    """What sessions of a version start from: a file system in which everything is prepared."""

    def __init__(self, version: Version) -> None:
        self._version = version

    def __repr__(self) -> str:
        return f"<sandboxkit.Snapshot {self.state} of version {self._version.number} of {self._version.info.profile}>"

    @property
    def state(self) -> str:
        """ "none", "pending", "ready", "stale" or "failed", as it was when the version was read last."""
        return self._version.info.snapshot

    @property
    def image(self) -> Optional[Image]:
        """As its provider knows it."""
        return self._version.info.image

    def job(self) -> Optional[Job]:
        """The latest that built it. None: it was taken over from another version."""
        info = self._version.reload()
        return None if info.last_job is None else self._job(info.last_job)

    def wait(self, progress: Optional[Callable[[Progress], object]] = None) -> None:
        """Waits until it is built, and raises the error of a build that failed. `progress` is called with what the job tells.

        >>> version.snapshot.wait()
        >>> version.snapshot.state
        'ready'
        """
        job = self.job()
        if job is not None:
            job.wait(progress)
        self._version.reload()

    def refresh(self) -> Job:
        """Queues a job that builds it anew."""
        client = self._version._client
        event = client._call(lib.sbk_snapshot_refresh, *string(self._version.info.profile), self._version.number)
        return Job(client, types.JobInfo._read(event.json))

    def _job(self, id: str) -> Job:
        client = self._version._client
        return Job(client, types.JobInfo._read((client._call(lib.sbk_job_get, *string(id))).json))
