# SPDX-License-Identifier: Apache-2.0
# Made from _async/client.py by make_sync.py: change that one.
"""Who asks, of which engine."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Optional

from sandboxkit._abi import Document, Event, check, document_string, new, optional_string, string
from sandboxkit._sync.job import Job
from sandboxkit._sync.profile import Profile
from sandboxkit._sync.session import Session
from sandboxkit._sync.waiting import Queue
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from sandboxkit._sync.engine import Engine
    from sandboxkit._types import Validation

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

    def _call(
        self, function: Callable[..., int], *arguments: Any, undo: Optional[Callable[[Event], None]] = None
    ) -> Event:
        queue = Queue.current()
        return queue.call(function, self._native(queue), *arguments, undo=undo)

    def create_profile(self, document: Document, *, client_token: Optional[str] = None) -> Profile:
        """Makes a profile of a document, which is described in docs/profile.md: a mapping, or JSON text.

        The same `client_token` of the same principal again gives the profile that was made first.

        >>> profile = engine.create_profile({"name": "web", "setup_script": "make dependencies"})
        >>> profile.name
        'web'
        """
        event = self._call(lib.sbk_profile_create, *document_string(document), *optional_string(client_token))
        return Profile(self, types.ProfileInfo._read(event.json))

    def profile(self, id: str) -> Profile:
        """A profile by its id, "prf_..."."""
        event = self._call(lib.sbk_profile_get, *string(id))
        return Profile(self, types.ProfileInfo._read(event.json))

    def profiles(self) -> List[Profile]:
        """Those that the principal may see."""
        event = self._call(lib.sbk_profile_list)
        return [Profile(self, types.ProfileInfo._read(json)) for json in event.json]

    def validate(self, document: Document, *, gate: str = "save") -> Validation:
        """Every problem that a gate and those before it would find: "save", "publish" or "start". Stores nothing.

        >>> validation = engine.validate({"name": "web", "colour": "red"})
        >>> [problem.pointer for problem in validation.errors]
        ['/colour']
        """
        event = self._call(lib.sbk_profile_validate, *document_string(document), choice(GATES, gate, "gate"))
        return types.Validation._read(event.json)

    def import_version(self, file: bytes, *, name: Optional[str] = None) -> Profile:
        """A profile with the recipe of an exported version as its draft. Without a name: that in the file."""
        event = self._call(lib.sbk_version_import, *string(file), *optional_string(name))
        return Profile(self, types.ProfileInfo._read(event.json))

    def job(self, id: str) -> Job:
        """The building of a snapshot by its id, "job_..."."""
        event = self._call(lib.sbk_job_get, *string(id))
        return Job(self, types.JobInfo._read(event.json))

    def session(self, id: str) -> Session:
        """A session by its id, "ses_..."."""
        event = self._call(lib.sbk_session_get, *string(id))
        return Session(self, types.SessionInfo._read(event.json))

    def sessions(self, *, ended: bool = False) -> List[Session]:
        """Those that the principal may see; with `ended` also those that are no more."""
        event = self._call(lib.sbk_session_list, ended)
        return [Session(self, types.SessionInfo._read(json)) for json in event.json]

    def reconcile(self) -> None:
        """Compares the store with the providers now, as opening does."""
        self._call(lib.sbk_engine_reconcile)
