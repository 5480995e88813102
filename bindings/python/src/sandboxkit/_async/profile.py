# SPDX-License-Identifier: Apache-2.0
"""Profiles, and what is proposed for them."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

from sandboxkit._abi import Document, Event, document_string, optional_string, string
from sandboxkit._async.job import Job
from sandboxkit._async.session import Session, start
from sandboxkit._async.version import Version
from sandboxkit._async.waiting import entering
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from datetime import timedelta

    from sandboxkit._async.client import Client
    from sandboxkit._types import Activity, Change, InstructionsInfo, Kept, Overview, ProfileInfo, ProposalInfo


def _revision(expected: Optional[int]) -> int:
    return -1 if expected is None else expected


class Profile:
    """A profile: what a sandbox is. From `create_profile`, `profile` and `profiles` of an engine."""

    def __init__(self, client: Client, info: ProfileInfo) -> None:
        self._client = client
        self._info = info

    def __repr__(self) -> str:
        return f"<sandboxkit.Profile {self.id}>"

    @property
    def id(self) -> str:
        """ "prf_..." """
        return self._info.id

    @property
    def name(self) -> str:
        """For people."""
        return self._info.name

    @property
    def info(self) -> ProfileInfo:
        """As it was when it was read last."""
        return self._info

    async def reload(self) -> ProfileInfo:
        """Reads it anew."""
        event = await self._client._call(lib.sbk_profile_get, *string(self.id))
        self._info = types.ProfileInfo._read(event.json)
        return self._info

    def _kept(self, event: Event) -> Kept:
        kept = types.Kept._read(event.json)
        self._info = kept.profile
        return kept

    async def draft(self) -> Dict[str, Any]:
        """The draft as a whole document; without a draft, of the newest version."""
        event = await self._client._call(lib.sbk_profile_draft, *string(self.id))
        document: Dict[str, Any] = event.json
        return document

    async def overview(self) -> Overview:
        """The profile at a glance: what is in use, running, open, and was done lately."""
        return types.Overview._read((await self._client._call(lib.sbk_profile_overview, *string(self.id))).json)

    async def duplicate(self, *, name: Optional[str] = None) -> Profile:
        """A new profile with the draft, or else the newest version, of this one. Without a name: this one's, and " (copy)"."""
        event = await self._client._call(lib.sbk_profile_duplicate, *string(self.id), *optional_string(name))
        return Profile(self._client, types.ProfileInfo._read(event.json))

    async def delete(self, *, force: bool = False) -> None:
        """Deletes it; with `force` its sessions first, without which those are a ConflictError."""
        await self._client._call(lib.sbk_profile_delete, *string(self.id), force)

    async def edit(self, document: Document, *, expected_revision: Optional[int] = None) -> Kept:
        """Replaces the draft. A profile that is not at `expected_revision` any more is a ConflictError.

        >>> kept = await profile.edit({"name": "web", "setup_script": "make all"}, expected_revision=profile.info.revision)
        >>> [change.pointer for change in kept.changes]
        ['/setup_script']
        """
        return self._kept(
            await self._client._call(
                lib.sbk_profile_edit, *string(self.id), *document_string(document), _revision(expected_revision)
            )
        )

    async def edit_section(
        self, section: str, members: Mapping[str, Any], *, expected_revision: Optional[int] = None
    ) -> Kept:
        """Replaces one section; members that are left out take their defaults."""
        return self._kept(
            await self._client._call(
                lib.sbk_profile_edit_section, *string(self.id), *string(section), *document_string(members),
                _revision(expected_revision),
            )
        )

    async def propose(self, section: str, members: Mapping[str, Any], *, expected_revision: Optional[int] = None) -> Proposal:
        """Checks the edit of a section, and stores it for somebody to keep or discard."""
        event = await self._client._call(
            lib.sbk_proposal_create, *string(self.id), *string(section), *document_string(members), _revision(expected_revision)
        )
        return Proposal(self, types.ProposalInfo._read(event.json))

    async def proposals(self) -> List[Proposal]:
        """The open ones, oldest first."""
        event = await self._client._call(lib.sbk_proposal_list, *string(self.id))
        return [Proposal(self, types.ProposalInfo._read(each)) for each in event.json]

    async def instructions(self) -> List[InstructionsInfo]:
        """The history of the agent instructions, newest first."""
        event = await self._client._call(lib.sbk_instructions_list, *string(self.id))
        return [types.InstructionsInfo._read(each) for each in event.json]

    async def instructions_text(self, revision: int) -> str:
        """The agent instructions of one revision."""
        return (await self._client._call(lib.sbk_instructions_get, *string(self.id), revision)).contents.decode()

    async def restore_instructions(self, revision: int) -> Kept:
        """Makes the agent instructions of an older revision the newest."""
        return self._kept(await self._client._call(lib.sbk_instructions_restore, *string(self.id), revision))

    async def activity(self, *, limit: int = 100, before: Optional[int] = None) -> List[Activity]:
        """What was done to it, newest first; only what has a smaller sequence than `before`."""
        event = await self._client._call(
            lib.sbk_profile_activity, *string(self.id), limit, -1 if before is None else before
        )
        return [types.Activity._read(each) for each in event.json]

    async def publish(self) -> Version:
        """Freezes the draft as a version, and queues the job that builds a snapshot unless one can be reused.

        >>> version = await profile.publish()
        >>> version.number
        1
        """
        event = await self._client._call(lib.sbk_version_publish, *string(self.id))
        return Version(self._client, types.VersionInfo._read(event.json))

    async def version(self, number: int) -> Version:
        """A version by its number: 1, 2, ..."""
        event = await self._client._call(lib.sbk_version_get, *string(self.id), number)
        return Version(self._client, types.VersionInfo._read(event.json))

    async def versions(self) -> List[Version]:
        """All that were published, newest last."""
        event = await self._client._call(lib.sbk_version_list, *string(self.id))
        return [Version(self._client, types.VersionInfo._read(each)) for each in event.json]

    async def diff(self, before: int, after: int) -> Tuple[Change, ...]:
        """The fields in which the recipes of two versions differ."""
        event = await self._client._call(lib.sbk_version_diff, *string(self.id), before, after)
        return tuple(types.Change._read(each) for each in event.json)

    async def jobs(self) -> List[Job]:
        """The building of its snapshots."""
        event = await self._client._call(lib.sbk_job_list, *string(self.id))
        return [Job(self._client, types.JobInfo._read(each)) for each in event.json]

    @entering
    async def start_session(
        self,
        *,
        version: Optional[int] = None,
        client_token: Optional[str] = None,
        idle_limit: Union[int, timedelta, None] = None,
        time_limit: Union[int, timedelta, None] = None,
    ) -> Session:
        """Starts a session from a version: the newest that has a usable snapshot, unless one is named.

        `idle_limit`, in seconds: stopped after so long without a call or process; `time_limit`: so long after its start. A
        second start with the same `client_token` gives the session of the first. At the end of a `with` block the session is
        removed.

        >>> async with profile.start_session(idle_limit=600) as session:
        ...     print((await session.exec(["cat", "/root/greeting"])).text, end="")
        hello
        """
        return await start(self._client, self.id, version or 0, client_token, idle_limit, time_limit)


class Proposal:
    """An edit of one section that waits for somebody to keep or discard it."""

    def __init__(self, profile: Profile, info: ProposalInfo) -> None:
        self._profile = profile
        self._info = info

    def __repr__(self) -> str:
        return f"<sandboxkit.Proposal {self.id}>"

    @property
    def id(self) -> str:
        """ "edt_..." """
        return self._info.id

    @property
    def info(self) -> ProposalInfo:
        """As it was when it was read last."""
        return self._info

    async def keep(self) -> Kept:
        """Does what it proposes. A ConflictError when it would no longer change what it showed."""
        return self._profile._kept(await self._profile._client._call(lib.sbk_proposal_keep, *string(self.id)))

    async def discard(self) -> ProposalInfo:
        """Closes it."""
        event = await self._profile._client._call(lib.sbk_proposal_discard, *string(self.id))
        self._info = types.ProposalInfo._read(event.json)
        return self._info
