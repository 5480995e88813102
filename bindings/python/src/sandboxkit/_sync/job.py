# SPDX-License-Identifier: Apache-2.0
# Made from _async/job.py by make_sync.py: change that one.
"""Jobs: the building of snapshots."""
from __future__ import annotations

from typing import TYPE_CHECKING, Generator, Iterator, Callable, Optional

from sandboxkit._abi import COMPLETION, string
from sandboxkit._sync.waiting import Queue
from sandboxkit._errors import OperationCancelledError
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from sandboxkit._sync.client import Client
    from sandboxkit._types import JobInfo, Progress


class Job:
    """The building of a snapshot. An iterator over it tells what it does until it has ended, whoever runs it.

    >>> job = version.snapshot.refresh()
    >>> for progress in job:
    ...     assert progress.phase
    >>> job.info.state
    'succeeded'
    """

    def __init__(self, client: Client, info: JobInfo) -> None:
        self._client = client
        self._info = info

    def __repr__(self) -> str:
        return f"<sandboxkit.Job {self.id}>"

    @property
    def id(self) -> str:
        """ "job_..." """
        return self._info.id

    @property
    def info(self) -> JobInfo:
        """As it was when it was read last."""
        return self._info

    def reload(self) -> JobInfo:
        """Reads it anew."""
        event = self._client._call(lib.sbk_job_get, *string(self.id))
        self._info = types.JobInfo._read(event.json)
        return self._info

    def __iter__(self) -> Iterator[Progress]:
        return self._follow()

    def _follow(self) -> Generator[Progress, None, None]:
        queue = Queue.current()
        operation = queue.submit(lib.sbk_job_wait, self._client._native(queue), *string(self.id))
        try:
            while True:
                event = queue.next(operation)
                assert event is not None  # nobody else knows of the operation
                if event.kind == COMPLETION:
                    break
                if event.kind == lib.SBK_EVENT_PROGRESS:
                    yield types.Progress._read(event.json, event.contents)
        finally:
            queue.cancel(operation)
        if event.error is not None:
            raise event.error
        self._info = types.JobInfo._read(event.json)

    def wait(self, progress: Optional[Callable[[Progress], object]] = None) -> JobInfo:
        """Waits until it has ended, and raises the error of one that failed. `progress` is called with what it tells.

        To stop waiting does not stop the job.
        """
        steps = self._follow()
        try:
            for step in steps:
                if progress is not None:
                    progress(step)
        finally:
            steps.close()
        if self._info.error is not None:
            raise self._info.error
        if self._info.state == "cancelled":
            raise OperationCancelledError("job_cancelled", f"the job {self.id} was cancelled")
        return self._info

    def log(self) -> bytes:
        """What the build printed: at most 1 MiB, the middle left out with a marker."""
        return (self._client._call(lib.sbk_job_log, *string(self.id))).contents

    def cancel(self) -> JobInfo:
        """Cancels it."""
        event = self._client._call(lib.sbk_job_cancel, *string(self.id))
        self._info = types.JobInfo._read(event.json)
        return self._info
