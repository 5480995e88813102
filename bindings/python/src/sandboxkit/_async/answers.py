# SPDX-License-Identifier: Apache-2.0
"""What an engine asks its host application, answered by the functions that it brought; and what it logs."""
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from sandboxkit._abi import Event, text_of
from sandboxkit._async.hosting import Credentials, References, check_callable, resolved
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

    def __init__(self, credentials: Optional[Credentials], references: Optional[References]) -> None:
        if credentials is not None:
            check_callable(credentials, "credentials")
        if references is not None:
            for name in ("connection", "environment", "host"):
                check_callable(getattr(references, name, None), f"references.{name}")
        self._credentials = credentials
        self._references = references

    async def answer(self, event: Event) -> None:
        """Answers a request. What a function raises is the error of the operation that wanted to know."""
        try:
            answer = await self._ask(event.json)
            status = event.respond(json.dumps(None if answer is None else answer._write()).encode())
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
        if what in ("connection", "environment", "host") and self._references is not None:
            return await resolved(getattr(self._references, what)(request["id"]))
        raise NotImplementedError(f"nobody answers a request for {what}")
