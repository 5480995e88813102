# SPDX-License-Identifier: Apache-2.0
"""Who asks, of which engine."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Iterable, List, Optional, Sequence, Union

from sandboxkit._abi import Document, Event, Path, check, document_string, milliseconds, new, optional_string, string
from sandboxkit._async.job import Job
from sandboxkit._async.profile import Profile
from sandboxkit._async.session import Session
from sandboxkit._async.waiting import Queue
from sandboxkit._later import provider_types, types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from datetime import timedelta

    from sandboxkit._async.engine import Engine
    from sandboxkit._provider_types import CaseResult
    from sandboxkit._types import HostInfo, HostStatus, Validation

CHANNELS = {
    "api": lib.SBK_CHANNEL_API,
    "form": lib.SBK_CHANNEL_FORM,
    "assistant": lib.SBK_CHANNEL_ASSISTANT,
    "command_line": lib.SBK_CHANNEL_COMMAND_LINE,
}
GATES = {"save": lib.SBK_GATE_SAVE, "publish": lib.SBK_GATE_PUBLISH, "start": lib.SBK_GATE_START}


def choice(values: Any, name: str, what: str) -> Any:
    try:
        return values[name]
    except KeyError:
        raise ValueError(f"{name!r} is no {what}; there are: {', '.join(values)}") from None


class Client:
    """A principal at an engine, whom the host application has authenticated. An `Engine` is one, who may do everything.

    From `Engine.as_principal`. Cheap: make one a user, or one a request.
    """

    def __init__(
        self, engine: Optional[Engine], id: str, roles: Iterable[str], scopes: Iterable[str], every_scope: bool, channel: str
    ) -> None:
        self._engine = engine  # None: it is the engine itself
        self._id = id
        self._roles = tuple(roles)
        self._scopes = tuple(scopes)
        self._every_scope = every_scope
        self._channel = choice(CHANNELS, channel, "channel")

    def __repr__(self) -> str:
        return f"<sandboxkit.Client {self._id!r}>"

    @property
    def principal(self) -> str:
        """The id of the principal."""
        return self._id

    def _opened(self) -> Any:
        """The sbk_engine."""
        assert self._engine is not None
        return self._engine._opened()

    def _native(self, queue: Queue) -> Any:
        """The sbk_client whose answers come to a queue."""
        client = queue.clients.get(self)
        if client is None:
            client = new(
                lib.sbk_client_new, "sbk_client", lib.sbk_client_free, self._opened(), queue.handle, *string(self._id)
            )
            for role in self._roles:
                check(lib.sbk_client_add_role(client, *string(role)), "sbk_client_add_role")
            for scope in self._scopes:
                status = lib.sbk_client_add_scope(client, *string(scope))
                if status == lib.SBK_INVALID:
                    raise ValueError(f"there is no scope {scope!r}")
                check(status, "sbk_client_add_scope")
            if self._every_scope:
                check(lib.sbk_client_add_every_scope(client), "sbk_client_add_every_scope")
            check(lib.sbk_client_set_channel(client, self._channel), "sbk_client_set_channel")
            queue.clients[self] = client
        return client

    async def _call(
        self, function: Callable[..., int], *arguments: Any, undo: Optional[Callable[[Event], Awaitable[None]]] = None
    ) -> Event:
        queue = Queue.current()
        return await queue.call(function, self._native(queue), *arguments, undo=undo)

    async def create_profile(self, document: Document, *, client_token: Optional[str] = None) -> Profile:
        """Makes a profile of a document, which is described in docs/profile.md: a mapping, or JSON text.

        The same `client_token` of the same principal again gives the profile that was made first.

        >>> profile = await engine.create_profile({"name": "web", "setup_script": "make dependencies"})
        >>> profile.name
        'web'
        """
        event = await self._call(lib.sbk_profile_create, *document_string(document), *optional_string(client_token))
        return Profile(self, types.ProfileInfo._read(event.json))

    async def profile(self, id: str) -> Profile:
        """A profile by its id, "prf_..."."""
        event = await self._call(lib.sbk_profile_get, *string(id))
        return Profile(self, types.ProfileInfo._read(event.json))

    async def profiles(self) -> List[Profile]:
        """Those that the principal may see."""
        event = await self._call(lib.sbk_profile_list)
        return [Profile(self, types.ProfileInfo._read(json)) for json in event.json]

    async def validate(self, document: Document, *, gate: str = "save") -> Validation:
        """Every problem that a gate and those before it would find: "save", "publish" or "start". Stores nothing.

        >>> validation = await engine.validate({"name": "web", "colour": "red"})
        >>> [problem.pointer for problem in validation.errors]
        ['/colour']
        """
        event = await self._call(lib.sbk_profile_validate, *document_string(document), choice(GATES, gate, "gate"))
        return types.Validation._read(event.json)

    async def import_version(self, file: bytes, *, name: Optional[str] = None) -> Profile:
        """A profile with the recipe of an exported version as its draft. Without a name: that in the file."""
        event = await self._call(lib.sbk_version_import, *string(file), *optional_string(name))
        return Profile(self, types.ProfileInfo._read(event.json))

    async def job(self, id: str) -> Job:
        """The building of a snapshot by its id, "job_..."."""
        event = await self._call(lib.sbk_job_get, *string(id))
        return Job(self, types.JobInfo._read(event.json))

    async def session(self, id: str) -> Session:
        """A session by its id, "ses_..."."""
        event = await self._call(lib.sbk_session_get, *string(id))
        return Session(self, types.SessionInfo._read(event.json))

    async def sessions(self, *, ended: bool = False) -> List[Session]:
        """Those that the principal may see; with `ended` also those that are no more."""
        event = await self._call(lib.sbk_session_list, ended)
        return [Session(self, types.SessionInfo._read(json)) for json in event.json]

    async def add_host(self, definition: Document) -> HostInfo:
        """Registers a host on which sandboxes can run: "name", "provider", "endpoint", and perhaps "labels", "tls" and "ssh".

        Files with credentials are named by absolute paths, and read at each use. Nobody is reached: `test_host` does that.

        >>> host = await engine.add_host({"name": "build", "provider": "docker", "endpoint": "ssh://build.example"})
        >>> host.endpoint
        'ssh://build.example'
        >>> await engine.remove_host("build")
        """
        event = await self._call(lib.sbk_host_add, *document_string(definition))
        return types.HostInfo._read(event.json)

    async def host(self, name: str) -> HostInfo:
        """A host by its name."""
        return types.HostInfo._read((await self._call(lib.sbk_host_get, *string(name))).json)

    async def hosts(self) -> List[HostInfo]:
        """The managed ones, then the registered."""
        return [types.HostInfo._read(json) for json in (await self._call(lib.sbk_host_list)).json]

    async def test_host(self, name: str) -> HostStatus:
        """Asks a host whether it can be used. That it cannot is an answer, too; it comes within ten seconds."""
        return types.HostStatus._read((await self._call(lib.sbk_host_test, *string(name))).json)

    async def accept_host(self, name: str) -> None:
        """Takes a host whose state is "replaced" as it is now; the sessions and snapshots that were there are given up."""
        await self._call(lib.sbk_host_accept, *string(name))

    async def set_default_host(self, name: Optional[str]) -> None:
        """Where profiles run that name no host. None: each on the managed host of its provider."""
        await self._call(lib.sbk_host_set_default, *optional_string(name))

    async def remove_host(self, name: str, *, force: bool = False) -> None:
        """Forgets a registered host. With `force` its sessions and snapshots are given up, and stay on the host itself."""
        await self._call(lib.sbk_host_remove, *string(name), force)

    async def reconcile(self) -> None:
        """Compares the store with the providers now, as opening does."""
        await self._call(lib.sbk_engine_reconcile)

    async def check_provider(
        self,
        provider: str,
        *,
        image: str,
        scratch: Path,
        only: Sequence[str] = (),
        probe: Optional[Path] = None,
        patience: Union[float, timedelta, None] = None,
    ) -> List[CaseResult]:
        """Runs the cases that every provider has to pass against one of the engine's: "local", or one of one's own.

        They make images and sandboxes beside what is there, and remove them. `image`: what sandboxes are made of, with a shell
        and the usual tools; `scratch`: an empty directory on a real file system; `only`: of these groups, or "group/name", else
        all; `probe`: a static program that tries to get out, else those cases are skipped; `patience`: how long one operation
        may take, in seconds, else two minutes.

        >>> import os
        >>> os.mkdir("scratch")
        >>> only = ["lifecycle/unknown_ids"]
        >>> [case.verdict for case in await engine.check_provider("local", image="host", scratch="scratch", only=only)]
        ['passed']
        """
        options: Dict[str, Any] = {"image": image, "scratch": os.fsdecode(scratch), "only": list(only)}
        if probe is not None:
            options["probe"] = os.fsdecode(probe)
        if patience is not None:
            options["patience_ms"] = milliseconds(patience)
        event = await self._call(lib.sbk_engine_check_provider, *string(provider), *document_string(options))
        return [provider_types.CaseResult._read(json) for json in event.json]
