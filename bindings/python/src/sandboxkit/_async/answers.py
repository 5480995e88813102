# SPDX-License-Identifier: Apache-2.0
"""What an engine asks its host application, answered by the functions that it brought; and what it logs."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional

from sandboxkit._abi import Event, text_of
from sandboxkit._async.hosting import AnyProvider, CredentialReleases, Credentials, References, check_callable, provided, resolved
from sandboxkit._async.provider import OPERATIONS
from sandboxkit._errors import Error
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from logging import Logger

_LEVELS = {"error": 40, "warning": 30, "info": 20, "debug": 10}  # those of logging
_CLASSES: Dict[str, int] = {
    text_of(lib.sbk_status_name(status)): status for status in range(lib.SBK_INVALID, lib.SBK_INTERNAL + 1)
}


def _logger() -> Logger:
    from logging import getLogger  # which takes long to import, and is needed by few

    return getLogger("sandboxkit")


def tell(event: Event) -> None:
    """Hands a line of the engine's log on to logging."""
    line = event.json
    event.free()
    _logger().log(
        _LEVELS.get(line["level"], _LEVELS["info"]),
        "%s",
        line["message"],
        extra={"event": line["event"], "fields": line["fields"], "at": line["at"], "dropped": line["dropped"]},
    )


class Answers:
    """The functions of the host application."""

    def __init__(
        self,
        credentials: Optional[Credentials],
        credential_releases: Optional[CredentialReleases],
        references: Optional[References],
        providers: Iterable[AnyProvider],
    ) -> None:
        if credentials is not None:
            check_callable(credentials, "credentials")
        if credential_releases is not None:
            check_callable(credential_releases, "credential_releases")
        if references is not None:
            for name in ("connection", "environment", "host"):
                check_callable(getattr(references, name, None), f"references.{name}")
        self._credentials = credentials
        self._credential_releases = credential_releases
        self._references = references
        self._providers: Dict[str, AnyProvider] = {}
        for provider in providers:
            for operation in OPERATIONS:
                check_callable(getattr(provider, operation, None), f"{type(provider).__name__}.{operation}")
            called = getattr(provider, "name", None)
            if not isinstance(called, str):
                raise TypeError(f"{type(provider).__name__}.name is not a string")
            if called in self._providers:
                raise ValueError(f"there are two providers with the name {called!r}")
            self._providers[called] = provider

    @property
    def provider_names(self) -> List[str]:
        return list(self._providers)

    async def answer(self, event: Event) -> None:
        """Answers a request. What a function raises is the error of the operation that wanted to know."""
        try:
            request = event.json
            answer = await (self._operate(request) if request["request"] == "provider" else self._ask(request))
            status = event.respond(json.dumps(_written(answer)).encode())
            if status == lib.SBK_INVALID:
                event.refuse(lib.SBK_INTERNAL, f"the host application's answer is none to its request: {type(answer).__name__}")
        except Exception as error:
            if isinstance(error, Error):
                event.refuse(_CLASSES.get(error.name, lib.SBK_INTERNAL), error.message)
            else:
                # Only here is it known where it was raised.
                _logger().exception("a function of the host application failed")
                event.refuse(lib.SBK_UNAVAILABLE, f"{type(error).__name__}: {error}")
        finally:
            event.free()

    async def _ask(self, request: Mapping[str, Any]) -> Any:
        what = request["request"]
        if what == "credential" and self._credentials is not None:
            return await resolved(self._credentials(types.CredentialRequest._read(request)))
        if what == "credential_release" and self._credential_releases is not None:
            return await resolved(self._credential_releases(types.CredentialRelease._read(request)))
        if what in ("connection", "environment", "host") and self._references is not None:
            return await resolved(getattr(self._references, what)(request["id"]))
        raise NotImplementedError(f"nobody answers a request for {what}")

    async def _operate(self, request: Mapping[str, Any]) -> Any:
        provider, operation = self._providers[request["provider"]], request["operation"]
        if operation not in OPERATIONS:
            raise NotImplementedError(f"this package knows no operation {operation} of a provider")
        try:
            return await provided(getattr(provider, operation), *OPERATIONS[operation](request))
        except Error as error:
            return error  # with all that it says, which a refusal does not


def _written(answer: Any) -> Any:
    """As JSON, what a function returned: a value of this package, several, or None."""
    if answer is None:
        return None
    if isinstance(answer, Error):
        said = {"code": answer.code, "message": answer.message, "remedy": answer.remedy, "detail": answer.detail}
        return {"error": {"class": answer.name if answer.name in _CLASSES else "internal", **said}}
    if isinstance(answer, (list, tuple)):
        return [each._write() for each in answer]
    return answer._write()
