# SPDX-License-Identifier: Apache-2.0
"""How the asyncio form takes what an engine tells and asks its host: in the event loop. The other form is _sync/hosting.py."""
from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Coroutine, Optional, Protocol, Set, Union

from sandboxkit._abi import Event, new
from sandboxkit._sandboxkit import ffi, lib

if TYPE_CHECKING:
    from sandboxkit._async.provider import Provider
    from sandboxkit._sync.provider import Provider as WaitingProvider
    from sandboxkit._types import Connection, Credential, CredentialRelease, CredentialRequest, Environment, Host

#: Gives the credential for a request, or None. A function, which must not block, or a coroutine function.
Credentials = Callable[["CredentialRequest"], Union[Optional["Credential"], Awaitable[Optional["Credential"]]]]

#: Is told that a credential is given back. As above.
CredentialReleases = Callable[["CredentialRelease"], Union[None, Awaitable[None]]]

#: A provider whose functions are coroutine functions, or one whose functions block.
AnyProvider = Union["Provider", "WaitingProvider"]


class References(Protocol):
    """What profiles refer to by id and the host application owns. None: there is no such thing.

    Each is called in the event loop in which the engine was opened, and may be a coroutine function.
    """

    def connection(self, id: str) -> Union[Optional[Connection], Awaitable[Optional[Connection]]]:
        """A connection: to a Git server, say."""

    def environment(self, id: str) -> Union[Optional[Environment], Awaitable[Optional[Environment]]]:
        """An environment that profiles bind to."""

    def host(self, id: str) -> Union[Optional[Host], Awaitable[Optional[Host]]]:
        """A host that sandboxes can run on."""


def check_callable(function: Any, name: str) -> None:
    if not callable(function):
        raise TypeError(f"{name} is not callable")


async def resolved(value: Any) -> Any:
    """What a function of the host application returned, which may be a coroutine function."""
    return await value if inspect.isawaitable(value) else value


async def provided(function: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation of a provider gives: of a coroutine function in the event loop, of another, which blocks, in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def tell(result: Any, error: Optional[BaseException]) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, raised = None, None
        try:
            result = function(*arguments)
        except BaseException as error:
            raised = error
        try:
            loop.call_soon_threadsafe(tell, result, raised)
        except RuntimeError:
            pass  # the loop is closed, and nobody waits any more

    # One of its own, as in the other form: it does not hold up the end of the interpreter.
    threading.Thread(target=run, name="sandboxkit provider", daemon=True).start()
    return await future


class HostQueue:
    """The queue of what an engine tells and asks its host: taken by the event loop in which the engine was opened."""

    def __init__(self, tell: Callable[[Event], None], answer: Callable[[Event], Coroutine[Any, Any, None]]) -> None:
        self.handle = new(lib.sbk_queue_new, "sbk_queue", lib.sbk_queue_free)
        self._descriptor: int = lib.sbk_queue_descriptor(self.handle)
        self._tell = tell
        self._answer = answer
        self._tasks: Set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._drain)

    def _drain(self) -> None:
        slot = ffi.new("sbk_event **")
        while lib.sbk_queue_next(slot, self.handle, 0) == lib.SBK_OK:
            event = Event(slot[0])
            if event.kind == lib.SBK_EVENT_REQUEST:
                task = self._loop.create_task(self._answer(event))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._tell(event)

    def end(self) -> None:
        """After the engine was closed, by whatever thread. The loop lets go of the queue when it is closed itself."""

    async def stop(self) -> None:
        """After the engine was closed: tells what is left, and answers nothing any more."""
        self._drain()
        if self._loop is asyncio.get_running_loop():
            self._loop.remove_reader(self._descriptor)
        for task in list(self._tasks):
            task.cancel()
