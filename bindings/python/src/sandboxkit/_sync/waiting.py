# SPDX-License-Identifier: Apache-2.0
"""How the form without an event loop waits: with poll() on a queue's descriptor, which a signal interrupts.

The other form is _async/waiting.py.
"""
from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from sandboxkit._abi import BaseQueue, Event, Operation

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


class _Local(threading.local):
    queue: Optional[Queue] = None


_local = _Local()


def _forget_queues() -> None:
    global _local
    _local = _Local()


os.register_at_fork(after_in_child=_forget_queues)


class Queue(BaseQueue):
    """The queue of a thread. Others wait in it for what the thread has begun and handed on to them: a process, say."""

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)
        # One of those who wait polls, and hands out events for all.
        self._turn = threading.Condition(threading.Lock())
        self._leader = 0

    @classmethod
    def current(cls) -> Queue:
        queue = _local.queue
        if queue is None:
            queue = _local.queue = cls()
        return queue

    def check_current(self) -> None:
        """Any thread may wait in any queue, but no other process."""
        self.check_process()

    def call(
        self, function: Callable[..., int], target: Any, *arguments: Any, undo: Optional[Callable[[Event], None]] = None
    ) -> Event:
        """Submits, and waits for the completion, which is all that the caller wants to know of.

        A signal whose handler raises, as that of Ctrl-C does, cancels the operation, and the exception goes on when that has
        completed; when it did what it should in spite of that, `undo` is told.
        """
        operation = self.submit(function, target, *arguments)
        try:
            self._wait(lambda: operation.completed)
        except BaseException:
            try:
                self.cancel(operation)
            finally:
                if undo is not None and operation.completed and operation.events[-1].error is None:
                    undo(operation.events[-1])
            raise
        completion = operation.events.pop()
        error = completion.error
        if error is not None:
            raise error
        return completion

    def next(self, operation: Operation) -> Optional[Event]:
        """The next event of an operation; None: another thread has taken the last.

        A signal whose handler raises cancels the operation, and loses no event.
        """
        while True:
            self.wait_for_any(operation)
            try:
                return operation.events.popleft()
            except IndexError:
                if operation.completed:
                    return None

    def wait_for_any(self, *operations: Operation) -> None:
        """Until one of the operations has an event. A signal whose handler raises cancels them all, and loses no event."""
        try:
            self._wait(lambda: any(operation.events or operation.completed for operation in operations))
        except BaseException:
            for operation in operations:
                self.cancel(operation)
            raise

    def cancel(self, operation: Operation) -> None:
        """Cancels an operation and waits for its completion."""
        operation.cancel()
        self._wait(lambda: operation.completed)

    def _wait(self, ready: Callable[[], bool]) -> None:
        self.check_process()
        me = threading.get_ident()
        while not ready():
            with self._turn:
                # An exception of a signal's handler may have left this thread as the leader.
                while not ready() and self._leader not in (0, me):
                    self._turn.wait()
                if ready():
                    return
                self._leader = me
            try:
                self._poll.poll()
                self.drain()
            finally:
                with self._turn:
                    self._leader = 0
                    self._turn.notify_all()


def entering(function: Callable[P, T]) -> Callable[P, T]:
    """Of a function that gives a context manager: it can be entered as it is."""
    return function
