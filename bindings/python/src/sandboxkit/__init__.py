# SPDX-License-Identifier: Apache-2.0
"""Sandboxes for AI coding agents, as a library: no server, no daemon.

The classes here wait; those of `sandboxkit.aio`, with the same names, are for asyncio.
"""
from typing import TYPE_CHECKING as _TYPE_CHECKING, Any as _Any, List as _List

from sandboxkit._abi import publish as _publish, string as _string, text_of as _text_of
from sandboxkit._errors import (
    CommandError, ConflictError, DataLossError, Error, ForkedError, InternalError, InvalidError, MisuseError, NotFoundError,
    OperationCancelledError, OutOfMemoryError, PermissionDeniedError, Problem, QuotaError, TimeoutError, UnavailableError,
    UnsupportedError,
)
from sandboxkit._later import provider_types as _provider_types, types as _types
from sandboxkit._sandboxkit import lib as _lib
from sandboxkit._sync.client import Client
from sandboxkit._sync.engine import Engine
from sandboxkit._sync.hosting import CredentialReleases, Credentials, References
from sandboxkit._sync.job import Job
from sandboxkit._sync.process import Process
from sandboxkit._sync.profile import Profile, Proposal
from sandboxkit._sync.provider import Provider
from sandboxkit._sync.session import Session
from sandboxkit._sync.version import Snapshot, Version
from sandboxkit._sync.watch import Watch

if _TYPE_CHECKING:
    from sandboxkit._provider_types import (
        Capabilities, CaptureResult, CaseResult, CreateRequest, Endpoint, ImageInfo, ImageRequest, ImageTree, Limits, SandboxInfo,
        VolumeInfo, VolumeMount,
    )
    from sandboxkit._types import (
        Activity, Change, Check, Connection, Credential, CredentialRelease, CredentialRequest, Decision, End, Environment,
        ExecResult, FileChange, FileInfo, Host, HostInfo, HostSnapshot, HostStatus, Image, Ingredient, InstructionsInfo,
        JobInfo, Kept, Output, Overview, ProcessInfo, ProfileInfo, Progress, ProposalInfo, SessionInfo, Tree, Validation,
        VersionInfo,
    )

__all__ = [
    "Activity", "Capabilities", "CaptureResult", "CaseResult", "Change", "Check", "Client", "CommandError",
    "ConflictError", "Connection", "CreateRequest", "Credential", "CredentialRelease", "CredentialReleases",
    "CredentialRequest", "Credentials", "DataLossError",
    "Decision", "End", "Endpoint", "Engine", "Environment", "Error", "ExecResult", "FileChange", "FileInfo",
    "ForkedError", "Host", "HostInfo", "HostSnapshot", "HostStatus", "Image", "ImageInfo", "ImageRequest", "ImageTree",
    "Ingredient", "InstructionsInfo", "InternalError", "InvalidError", "Job", "JobInfo", "Kept", "Limits", "MisuseError",
    "NotFoundError", "OperationCancelledError", "OutOfMemoryError", "Output", "Overview", "PermissionDeniedError",
    "Problem", "Process", "ProcessInfo", "Profile", "ProfileInfo", "Progress", "Proposal", "ProposalInfo", "Provider",
    "QuotaError", "References", "SandboxInfo", "Session", "SessionInfo", "Snapshot", "TimeoutError", "Tree",
    "UnavailableError", "UnsupportedError", "Validation", "Version", "VersionInfo", "VolumeInfo", "VolumeMount", "Watch",
    "has_feature", "__version__",
]

_OF_PROVIDERS = {
    "Capabilities", "CaptureResult", "CaseResult", "CreateRequest", "Endpoint", "ImageInfo", "ImageRequest", "ImageTree",
    "Limits", "SandboxInfo", "VolumeInfo", "VolumeMount",
}

#: The version of the library.
__version__: str = _text_of(_lib.sbk_version())


def has_feature(name: str) -> bool:
    """Whether the library has something: "provider.local", "terminals", "trees", "watch", "credentials", "references", "log",
    "providers".

    >>> sandboxkit.has_feature("teleportation")
    False
    """
    return bool(_lib.sbk_has_feature(*_string(name)))


def __getattr__(name: str) -> _Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_provider_types if name in _OF_PROVIDERS else _types, name)


def __dir__() -> _List[str]:
    return __all__


_publish(__name__, (globals()[name] for name in __all__ if name in globals()))
