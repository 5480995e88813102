# SPDX-License-Identifier: Apache-2.0
"""Engines."""
from __future__ import annotations

import atexit
import json
import os
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Iterable, List, Mapping, Optional

from sandboxkit._abi import Path, Struct, new
from sandboxkit._async.answers import Answers, tell
from sandboxkit._async.client import Client, choice
from sandboxkit._async.hosting import AnyProvider, CredentialReleases, Credentials, HostQueue, References
from sandboxkit._async.waiting import Queue
from sandboxkit._later import types
from sandboxkit._sandboxkit import ffi, lib

if TYPE_CHECKING:
    from sandboxkit._types import Check

LOG_LEVELS = {
    "nothing": lib.SBK_LOG_NOTHING,
    "error": lib.SBK_LOG_ERROR,
    "warning": lib.SBK_LOG_WARNING,
    "info": lib.SBK_LOG_INFO,
    "debug": lib.SBK_LOG_DEBUG,
}


class Engine(Client):
    """An engine on a store, which is a file that is made when it is not there. Several programs may have it open.

    What it does it does as a principal who may do everything; `as_principal` is for programs with users. It is open in a `with`
    block, or from `open` to `close`. Sandboxes run on when it is closed.

    >>> async with sandboxkit.aio.Engine("sandboxes.db") as engine:
    ...     await engine.profiles()
    []
    """

    def __init__(
        self,
        store: Path,
        *,
        state_directory: Optional[Path] = None,
        guest: Optional[Path] = None,
        runtime: Optional[str] = None,
        workers: int = 0,
        run_jobs: bool = True,
        credentials: Optional[Credentials] = None,
        credential_releases: Optional[CredentialReleases] = None,
        credential_sources: Optional[Mapping[str, Any]] = None,
        references: Optional[References] = None,
        providers: Iterable[AnyProvider] = (),
        log_level: str = "nothing",
        answer_timeout_ms: int = 0,
        principal: str = "local",
    ) -> None:
        """Says how it is to be opened.

        `state_directory`: of layers, sandboxes and mirrors; without it, beside the store. `guest`: the guest program; without
        it, the one that came with the library. `runtime`: "crun", "runc", "runsc", "kata-runtime" or a path; without it crun,
        else runc. `workers`: threads, 1 to 64; 0: 4. `run_jobs=False`: snapshot jobs are left to other engines.
        `credentials` gives what to clone and pull with, and `credential_releases` is told when that is given back;
        `credential_sources`, in their place, says where it comes from (docs/credentials.md). `references` gives what profiles
        refer to, `providers` run the sandboxes of profiles that name them; all are asked from `open` on, and may take their
        time. `log_level`: "nothing", "error", "warning", "info" or "debug"; lines go to the logger "sandboxkit" of `logging`.
        `answer_timeout_ms`: how long `credentials` and `references` may take; 0: 30,000. `principal`: as whom the engine itself
        acts.
        """
        super().__init__(None, principal, (), (), True, "api")
        options = Struct("sbk_engine_options")
        options.set_string("store", os.fsencode(store))
        options.set_string("state_directory", None if state_directory is None else os.fsencode(state_directory))
        options.set_string("guest", None if guest is None else os.fsencode(guest))
        options.set_string("runtime", None if runtime is None else runtime.encode())
        native = options.native
        native.workers = workers
        native.log_level = choice(LOG_LEVELS, log_level, "log level")
        native.answer_timeout_ms = answer_timeout_ms
        if not run_jobs:
            native.flags |= lib.SBK_ENGINE_NO_JOBS
        if references is not None:
            native.flags |= lib.SBK_ENGINE_ASKS_REFERENCES
        if credentials is not None:
            native.flags |= lib.SBK_ENGINE_ASKS_CREDENTIALS
        if credential_releases is not None:
            native.flags |= lib.SBK_ENGINE_GIVES_CREDENTIALS_BACK
        if credential_sources is not None:
            options.set_string("credential_sources", json.dumps(credential_sources).encode())
        self._options = options
        self._answers = Answers(credentials, credential_releases, references, providers)
        if self._answers.provider_names:
            options.set_string("providers", json.dumps(self._answers.provider_names).encode())
        self._has_host = (
            references is not None
            or credentials is not None
            or credential_releases is not None
            or bool(self._answers.provider_names)
            or native.log_level != lib.SBK_LOG_NOTHING
        )
        self._host_queue: Optional[HostQueue] = None
        self._handle: Any = None

    def __repr__(self) -> str:
        return f"<sandboxkit.Engine on {ffi.string(self._options.native.store).decode('utf-8', 'replace')!r}>"

    def __del__(self) -> None:
        self._abandon()

    async def open(self) -> Engine:
        """Opens or makes the store, takes up or undoes what a dead process left, and returns the engine itself."""
        if self._handle is not None:
            raise ValueError("the engine was opened already")
        host_queue = HostQueue(tell, self._answers.answer) if self._has_host else None
        if host_queue is not None:
            self._options.native.host_queue = host_queue.handle
        queue = Queue.current()
        with _Opening():
            try:
                event = await queue.call(lib.sbk_engine_open, queue.handle, self._options.native)
            except BaseException:
                if host_queue is not None:
                    await host_queue.stop()
                raise
            self._host_queue = host_queue
            self._handle = event.take_engine()
            _open.add(self)
        return self

    async def close(self) -> None:
        """Cancels what is running, waits for it, and ends the engine's threads. Sandboxes run on."""
        if self._handle is None:
            return
        queue = Queue.current()
        try:
            await queue.call(lib.sbk_engine_close, queue.handle, self._handle)
        finally:
            # Closing cannot be cancelled, so that it is closed in any case.
            _open.discard(self)
            host_queue, self._host_queue = self._host_queue, None
            if host_queue is not None:
                await host_queue.stop()

    def _abandon(self) -> None:
        """Closes an engine that nobody closed."""
        if self not in _open:
            return
        _open.discard(self)
        queue = new(lib.sbk_queue_new, "sbk_queue", lib.sbk_queue_free)
        if lib.sbk_engine_close(ffi.NULL, queue, 0, self._handle) != lib.SBK_OK:
            return  # it is the parent's
        warnings.warn(f"unclosed engine {self!r}", ResourceWarning, source=self)
        slot = ffi.new("sbk_event **")
        if lib.sbk_queue_next(slot, queue, -1) == lib.SBK_OK:
            lib.sbk_event_free(slot[0])
        if self._host_queue is not None:
            self._host_queue.end()

    async def __aenter__(self) -> Engine:
        return await self.open() if self._handle is None else self

    async def __aexit__(self, *exception: Any) -> None:
        await self.close()

    def _opened(self) -> Any:
        if self._handle is None:
            raise ValueError("the engine is not open: use it in a with block, or call open()")
        return self._handle

    def as_principal(
        self, id: str, *, roles: Iterable[str] = (), scopes: Iterable[str] = (), every_scope: bool = False, channel: str = "api"
    ) -> Client:
        """A principal whom the host application has authenticated: of 1 to 256 bytes, without control characters.

        `roles` are what access lists name. `scopes`: "sandbox-profiles.read", "sandbox-profiles.manage", "sandbox-profile.use",
        "sandbox-profile.acl.manage" and "sandboxes.administer"; without one it may do nothing. `channel` is the way by which the
        call came, for the activity log: "api", "form", "assistant" or "command_line".

        >>> ada = engine.as_principal("ada", scopes=["sandbox-profiles.read"])
        >>> await ada.create_profile({"name": "web"})
        Traceback (most recent call last):
        ...
        sandboxkit.PermissionDeniedError: ...
        """
        return Client(self, id, roles, scopes, every_scope, channel)

    async def doctor(self) -> List[Check]:
        """Looks at what this host can do. Opens nothing, and needs no open engine.

        >>> checks = await sandboxkit.aio.Engine("sandboxes.db").doctor()
        >>> {check.status for check in checks} <= {"ok", "warning", "missing"}
        True
        """
        queue = Queue.current()
        event = await queue.call(lib.sbk_doctor, queue.handle, self._options.native)
        return [types.Check._read(each) for each in event.json]

    async def ping(self) -> None:
        """Does nothing, on a thread of the engine."""
        queue = Queue.current()
        await queue.call(lib.sbk_engine_ping, queue.handle, self._opened())


_open: weakref.WeakSet[Engine] = weakref.WeakSet()
_openings = 0
_opened = threading.Condition()


class _Opening:
    """An engine is being opened meanwhile."""

    def __enter__(self) -> None:
        global _openings
        with _opened:
            _openings += 1

    def __exit__(self, *exception: Any) -> None:
        global _openings
        with _opened:
            _openings -= 1
            _opened.notify_all()


def _forget_openings() -> None:
    global _openings, _opened
    _openings, _opened = 0, threading.Condition()


os.register_at_fork(after_in_child=_forget_openings)


@atexit.register
def _abandon_all() -> None:
    # No thread of an engine should see the last steps of the interpreter and of the process. What other threads open comes to its
    # end first, unless nobody will ever go on with it: an event loop that does not run any more.
    with _opened:
        _opened.wait_for(lambda: _openings == 0, timeout=5)
    for engine in list(_open):
        engine._abandon()
