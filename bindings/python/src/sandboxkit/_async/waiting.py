# SPDX-License-Identifier: Apache-2.0
"""How the asyncio form waits: the event loop watches the descriptor of its queue. The other form is _sync/waiting.py."""
from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Coroutine, Generator, Generic, Optional, Protocol, TypeVar

from sandboxkit._abi import BaseQueue, Event, Operation

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")


class _Manager(Protocol):
    async def __aenter__(self) -> Any:
        ...

    async def __aexit__(self, *exception: Any) -> None:
        ...


M = TypeVar("M", bound=_Manager)

_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Queue] = weakref.WeakKeyDictionary()


class Queue(BaseQueue):
    """The queue of an event loop."""

    @classmethod
    def current(cls) -> Queue:
        loop = asyncio.get_running_loop()
        queue = _queues.get(loop)
        if queue is None:
            queue = _queues[loop] = cls()
            loop.add_reader(queue.descriptor, queue.drain)
        return queue

    def check_current(self) -> None:
        """A future of one event loop cannot be waited for in another."""
        self.check_process()
        if _queues.get(asyncio.get_running_loop()) is not self:
            raise RuntimeError("this object belongs to another event loop")

    async def call(
        self,
        function: Callable[..., int],
        target: Any,
        *arguments: Any,
        undo: Optional[Callable[[Event], Awaitable[None]]] = None,
    ) -> Event:
        """Submits, and waits for the completion, which is all that the caller wants to know of.

        A task that is cancelled cancels the operation, and goes on when that has completed; when it did what it should in
        spite of that, `undo` is told.
        """
        operation = self.submit(function, target, *arguments)
        try:
            while not operation.completed:
                await self._wait_for_one_more(operation)
        except BaseException:
            try:
                await self.cancel(operation)
            finally:
                if undo is not None and operation.completed and operation.events[-1].error is None:
                    await undo(operation.events[-1])
            raise
        completion = operation.events.pop()
        error = completion.error
        if error is not None:
            raise error
        return completion

    async def next(self, operation: Operation) -> Optional[Event]:
        """The next event of an operation; None: another task has taken the last.

        A task that is cancelled cancels the operation, and loses no event.
        """
        await self.wait_for_any(operation)
        return operation.events.popleft() if operation.events else None

    async def wait_for_any(self, *operations: Operation) -> None:
        """Until one of the operations has an event. A task that is cancelled cancels them all, and loses no event."""
        try:
            await self._wait(*operations)
        except BaseException:
            for operation in operations:
                await self.cancel(operation)
            raise

    async def cancel(self, operation: Operation) -> None:
        """Cancels an operation and waits for its completion, whatever happens to the task."""
        operation.cancel()
        cancelled: Optional[BaseException] = None
        while not operation.completed:
            try:
                await self._wait_for_one_more(operation)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _wait(self, *operations: Operation) -> None:
        while not any(operation.events or operation.completed for operation in operations):
            await self._wait_for_one_more(*operations)

    async def _wait_for_one_more(self, *operations: Operation) -> None:
        waiter = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        for operation in operations:
            operation.waiters.append(wake)
        try:
            await waiter
        finally:
            for operation in operations:
                operation.waiters.remove(wake)


class Entering(Generic[M]):
    """What is to be awaited, or else entered with `async with`: `await x` and `async with x as y` begin alike."""

    def __init__(self, coroutine: Coroutine[Any, Any, M]) -> None:
        self._coroutine = coroutine
        self._entered: Optional[M] = None

    def __await__(self) -> Generator[Any, None, M]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> M:
        self._entered = await self._coroutine
        await self._entered.__aenter__()
        return self._entered

    async def __aexit__(self, *exception: Any) -> None:
        assert self._entered is not None
        await self._entered.__aexit__(*exception)


def entering(function: Callable[P, Coroutine[Any, Any, M]]) -> Callable[P, Entering[M]]:
    """Of a coroutine function that gives a context manager."""

    def start(*arguments: P.args, **named: P.kwargs) -> Entering[M]:
        return Entering(function(*arguments, **named))

    start.__name__, start.__qualname__, start.__doc__ = function.__name__, function.__qualname__, function.__doc__
    start.__wrapped__ = function  # type: ignore[attr-defined]  # for inspect.signature, and so for help()
    return start
