# SPDX-License-Identifier: Apache-2.0
"""Errors: a class for each class of the library's, which is all that a program needs to decide what to do."""
from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Optional, Sequence, Tuple, Type

if TYPE_CHECKING:
    from sandboxkit._types import ExecResult

__all__ = [
    "CommandError", "ConflictError", "DataLossError", "Error", "ForkedError", "InternalError", "InvalidError", "MisuseError",
    "NotFoundError", "OperationCancelledError", "OutOfMemoryError", "PermissionDeniedError", "Problem", "QuotaError",
    "TimeoutError", "UnavailableError", "UnsupportedError",
]


class Problem(NamedTuple):
    """One fault of a document."""

    pointer: str  #: where: a JSON pointer into the document
    code: str  #: stable, for programs
    message: str  #: one line for people
    remedy: str  #: what to do, or empty


class Error(Exception):
    """What went wrong. Its subclass is the class of the error, `code` says precisely what, both for programs.

    >>> try:
    ...     raise sandboxkit.NotFoundError("profile_not_found", "there is no profile prf_1", remedy="list the profiles")
    ... except sandboxkit.Error as error:
    ...     print(error.code, "-", error)
    profile_not_found - there is no profile prf_1; list the profiles
    """

    #: The name of the class in the library: "not_found".
    name = "unknown"

    code: str  #: stable: "profile_not_found"
    message: str  #: one line for people
    remedy: str  #: what to do, or empty
    detail: str  #: what a peer or a library said; not to be trusted
    problems: Tuple[Problem, ...]  #: every fault of a document at once

    def __init__(
        self, code: str, message: str, *, remedy: str = "", detail: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.detail = detail
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [f"{self.message}; {self.remedy}" if self.remedy else self.message]
        for problem in self.problems:
            line = f"  {problem.pointer or '/'}: {problem.message}"
            lines.append(f"{line}; {problem.remedy}" if problem.remedy else line)
        return "\n".join(lines)

    def __reduce__(self) -> Tuple[Any, ...]:
        # With all that it says through pickle, and so from one process of multiprocessing to another.
        state = {"remedy": self.remedy, "detail": self.detail, "problems": self.problems}
        return type(self), (self.code, self.message), state


class InvalidError(Error):
    """The request or document is wrong; repeating it unchanged fails again."""

    name = "invalid"


class NotFoundError(Error):
    """The named object does not exist."""

    name = "not_found"


class ConflictError(Error):
    """The object is in a state, or at a revision, that does not allow this."""

    name = "conflict"


class PermissionDeniedError(Error):
    """The principal, or this process, may not do this."""

    name = "permission"


class UnavailableError(Error):
    """A peer or resource is not reachable now; may be retried."""

    name = "unavailable"


class QuotaError(Error):
    """A limit was reached: disk, memory, processes, size."""

    name = "quota"


class TimeoutError(Error, builtins.TimeoutError):
    """The time allowed for the operation ran out."""

    name = "timeout"


class OperationCancelledError(Error):
    """Somebody else cancelled the operation: the engine was closed, a job was cancelled.

    Of a task that is cancelled asyncio's own CancelledError comes, and of Ctrl-C KeyboardInterrupt.
    """

    name = "cancelled"


class DataLossError(Error):
    """Stored data is damaged, or from a version that this build cannot read."""

    name = "data_loss"


class UnsupportedError(Error):
    """This build or the chosen provider does not do this, said by name."""

    name = "unsupported"


class InternalError(Error):
    """A defect of the library, or a peer that broke its own protocol."""

    name = "internal"


class OutOfMemoryError(Error, MemoryError):
    """This process has no memory left."""

    name = "no_memory"


class MisuseError(Error, ValueError):
    """A value out of its range, or one that the call does not allow: a defect of the calling program."""

    name = "misuse"


class ForkedError(Error):
    """The object belongs to the parent of this process: open an engine of its own after fork()."""

    name = "forked"


class CommandError(Exception):
    """A command ended otherwise than with exit code 0, and `check=True` was asked for."""

    result: ExecResult  #: what it printed, and how it ended

    def __init__(self, message: str, result: ExecResult) -> None:
        super().__init__(message, result)
        self.result = result

    def __str__(self) -> str:
        return str(self.args[0])


_CLASSES: Mapping[str, Type[Error]] = {
    error.name: error
    for error in (
        InvalidError, NotFoundError, ConflictError, PermissionDeniedError, UnavailableError, QuotaError, TimeoutError,
        OperationCancelledError, DataLossError, UnsupportedError, InternalError, OutOfMemoryError, MisuseError, ForkedError,
    )
}


def problem_from(document: Mapping[str, Any]) -> Problem:
    return Problem(document["pointer"], document["code"], document["message"], document.get("remedy") or "")


def error_of(name: str, code: str, message: str, remedy: str = "") -> Error:
    """An error of a class by its name in the library; of a class that is newer than this package, an Error."""
    return _CLASSES.get(name, Error)(code, message, remedy=remedy)


def error_from(document: Optional[Mapping[str, Any]], name: str) -> Error:
    """The exception of an Error in JSON; `name` is its class, for one that has no JSON."""
    if document is None:
        return error_of(name, name, name.replace("_", " "))
    return _CLASSES.get(document["class"], Error)(
        document["code"],
        document["message"],
        remedy=document.get("remedy") or "",
        detail=document.get("detail") or "",
        problems=[problem_from(problem) for problem in document.get("problems") or ()],
    )
