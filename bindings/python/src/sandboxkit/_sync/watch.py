# SPDX-License-Identifier: Apache-2.0
# Made from _async/watch.py by make_sync.py: change that one.
"""Watched directories."""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Optional

from sandboxkit._abi import COMPLETION, Operation
from sandboxkit._sync.waiting import Queue
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from sandboxkit._types import FileChange


class Watch:
    """An iterator over what happens to the files below a directory. It goes on until it is closed."""

    def __init__(self, queue: Queue, operation: Operation) -> None:
        self._queue = queue
        self._operation: Optional[Operation] = operation

    def __del__(self) -> None:
        if self._operation is not None:
            if not self._operation.completed:
                warnings.warn("unclosed watch", ResourceWarning, source=self)
            self._operation.abandon()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __iter__(self) -> Watch:
        return self

    def _begin(self) -> None:
        """Until every change from then on is told."""
        assert self._operation is not None
        event = self._queue.next(self._operation)
        if event is not None and event.error is not None:
            self._operation = None
            raise event.error

    def __next__(self) -> FileChange:
        self._queue.check_current()
        while self._operation is not None:
            event = self._queue.next(self._operation)
            if event is None:  # another thread has taken the last
                break
            if event.kind == lib.SBK_EVENT_CHANGE:
                change = types.FileChange._read(event.json)
                event.free()
                return change
            if event.kind == COMPLETION:
                self._operation = None
                if event.error is not None:
                    raise event.error
        raise StopIteration

    def close(self) -> None:
        """Ends the watch."""
        operation, self._operation = self._operation, None
        if operation is not None:
            self._queue.check_current()
            self._queue.cancel(operation)
