# SPDX-License-Identifier: Apache-2.0
"""sandboxkit for asyncio: the classes of `sandboxkit`, whose functions are coroutines.

Cancelling a task cancels the operation that it waits for.
"""
from sandboxkit._abi import publish as _publish
from sandboxkit._async.client import Client
from sandboxkit._async.engine import Engine
from sandboxkit._async.hosting import CredentialReleases, Credentials, References
from sandboxkit._async.job import Job
from sandboxkit._async.process import Process
from sandboxkit._async.profile import Profile, Proposal
from sandboxkit._async.provider import Provider
from sandboxkit._async.session import Session
from sandboxkit._async.version import Snapshot, Version
from sandboxkit._async.watch import Watch

__all__ = [
    "Client", "CredentialReleases", "Credentials", "Engine", "Job", "Process", "Profile", "Proposal", "Provider",
    "References", "Session", "Snapshot", "Version", "Watch",
]

_publish(__name__, (globals()[name] for name in __all__))
