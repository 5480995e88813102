# SPDX-License-Identifier: Apache-2.0
"""How the form without an event loop takes what an engine tells and asks its host: in a thread.

The other form is _async/hosting.py.
"""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from sandboxkit._abi import Event, new
from sandboxkit._sandboxkit import ffi, lib

if TYPE_CHECKING:
    from sandboxkit._sync.provider import Provider
    from sandboxkit._types import Connection, Credential, CredentialRelease, CredentialRequest, Environment, Host

#: Gives the credential for a request, or None. Called in a thread of the engine's own, and may block.
Credentials = Callable[["CredentialRequest"], Optional["Credential"]]

#: Is told that a credential is given back. As above.
CredentialReleases = Callable[["CredentialRelease"], None]

#: A provider whose functions block.
AnyProvider = Union["Provider"]


class References(Protocol):
    """What profiles refer to by id and the host application owns. None: there is no such thing.

    Each is called in a thread of the engine's own, and may block.
    """

    def connection(self, id: str) -> Optional[Connection]:
        """A connection: to a Git server, say."""

    def environment(self, id: str) -> Optional[Environment]:
        """An environment that profiles bind to."""

    def host(self, id: str) -> Optional[Host]:
        """A host that sandboxes can run on."""


def check_callable(function: Any, name: str) -> None:
    if not callable(function):
        raise TypeError(f"{name} is not callable")
    import inspect  # which takes long to import, and is needed by few

    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is a coroutine function, which needs sandboxkit.aio")


def resolved(value: Any) -> Any:
    """What a function of the host application returned."""
    return value


def provided(function: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation of a provider gives. In a thread of its own: see HostQueue."""
    return function(*arguments)


class HostQueue:
    """The queue of what an engine tells and asks its host: taken by a thread."""

    def __init__(self, tell: Callable[[Event], None], answer: Callable[[Event], None]) -> None:
        self.handle = new(lib.sbk_queue_new, "sbk_queue", lib.sbk_queue_free)
        self._tell = tell
        self._answer = answer
        self._answering = False
        # It does not hold up the end of the interpreter while a function of the host application is at work.
        self._thread = threading.Thread(target=self._run, name="sandboxkit host", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        slot = ffi.new("sbk_event **")
        while lib.sbk_queue_next(slot, self.handle, -1) == lib.SBK_OK:
            event = Event(slot[0])
            if event.kind == lib.SBK_EVENT_POSTED:
                return
            if event.kind == lib.SBK_EVENT_REQUEST and event.json["request"] == "provider":
                # It may take minutes, in which others are asked for.
                threading.Thread(target=self._answer, args=(event,), name="sandboxkit provider", daemon=True).start()
            elif event.kind == lib.SBK_EVENT_REQUEST:
                self._answering = True
                self._answer(event)
                self._answering = False
            else:
                self._tell(event)

    def end(self) -> None:
        """After the engine was closed: the thread ends when it has told what is left."""
        lib.sbk_queue_post(self.handle, 0)

    def stop(self) -> None:
        """Waits for that, too, but not for a function of the host application."""
        self.end()
        if not self._answering:
            self._thread.join()
