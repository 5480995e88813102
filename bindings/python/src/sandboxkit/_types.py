# SPDX-License-Identifier: Apache-2.0
"""What the library tells, as values. Members of its JSON that this package does not know are ignored."""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from json import loads
from typing import Any, Dict, List, Mapping, Optional, Tuple

from sandboxkit._abi import publish
from sandboxkit._errors import Error, Problem, error_from, problem_from

__all__ = [
    "Activity", "Change", "Check", "Connection", "Credential", "CredentialRelease", "CredentialRequest", "Decision",
    "End", "Environment", "ExecResult", "FileChange", "FileInfo", "Host", "HostInfo", "HostSnapshot", "HostStatus",
    "Image", "Ingredient", "InstructionsInfo", "JobInfo", "Kept", "Output", "Overview", "ProcessInfo", "ProfileInfo",
    "Progress", "ProposalInfo", "SessionInfo", "Tree", "Validation", "VersionInfo",
]

_Json = Mapping[str, Any]


def _time(text: str) -> datetime:
    # Before Python 3.11 it reads no Z, and fractions of three or six digits only; a file's time has nine.
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")


def _embedded(text: str) -> Any:
    """JSON in a string of JSON; empty: there is none."""
    return loads(text) if text else None


def _optional_time(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else _time(text)


@dataclass(frozen=True)
class Check:
    """What `doctor()` found out about one thing."""

    name: str  #: "overlayfs", "runtime", ...
    status: str  #: "ok", "warning" or "missing"
    message: str  #: one line
    remedy: str  #: what to do; empty when it is ok

    @classmethod
    def _read(cls, json: _Json) -> Check:
        return cls(json["name"], json["status"], json["message"], json["remedy"])


@dataclass(frozen=True)
class ProfileInfo:
    """A profile as it was when it was read."""

    id: str  #: "prf_..."
    name: str
    description: str
    created: datetime
    created_by: str  #: the id of a principal
    revision: int  #: grows by one with every kept edit
    has_draft: bool
    draft_revision: int  #: the revision at which the draft was saved last; 0: there is no draft
    latest_version: Optional[int]  #: the newest that was published
    usable_version: Optional[int]  #: the newest that has a usable snapshot
    instructions_revision: int  #: the newest of the agent instructions; 0: there never were any

    @classmethod
    def _read(cls, json: _Json) -> ProfileInfo:
        return cls(
            json["id"], json["name"], json["description"], _time(json["created"]), json["created_by"], json["revision"],
            json["has_draft"], json["draft_revision"], json["latest_version"], json["usable_version"],
            json["instructions_revision"],
        )


@dataclass(frozen=True)
class Change:
    """One field in which two documents differ."""

    pointer: str  #: a JSON pointer: "/setup_script"
    class_: str  #: what it means for the snapshot: "snapshot_relevant", ...
    before: Any  #: None: there was nothing
    after: Any  #: None: there is nothing
    reason: str  #: why it matters for the snapshot, or does not; one line

    @classmethod
    def _read(cls, json: _Json) -> Change:
        return cls(json["pointer"], json["class"], _embedded(json["before"]), _embedded(json["after"]), json["reason"])


def _changes(json: List[_Json]) -> Tuple[Change, ...]:
    return tuple(Change._read(change) for change in json)


@dataclass(frozen=True)
class Kept:
    """What an edit did."""

    profile: ProfileInfo  #: as it is afterwards
    changes: Tuple[Change, ...]  #: empty: the edit changed nothing

    @classmethod
    def _read(cls, json: _Json) -> Kept:
        return cls(ProfileInfo._read(json["profile"]), _changes(json["changes"]))


@dataclass(frozen=True)
class ProposalInfo:
    """An edit of one section that waits for somebody to keep or discard it."""

    id: str  #: "edt_..."
    profile: str
    section: str
    members: Mapping[str, Any]  #: what it would write
    changes: Tuple[Change, ...]
    base_revision: int
    proposed_by: str
    channel: str
    proposed: datetime
    state: str  #: "open", ...

    @classmethod
    def _read(cls, json: _Json) -> ProposalInfo:
        return cls(
            json["id"], json["profile"], json["section"], json["members"], _changes(json["changes"]), json["base_revision"],
            json["proposed_by"], json["channel"], _time(json["proposed"]), json["state"],
        )


@dataclass(frozen=True)
class InstructionsInfo:
    """One revision of the agent instructions."""

    revision: int
    digest: str  #: "sha256:..."
    bytes: int
    principal: str
    at: datetime

    @classmethod
    def _read(cls, json: _Json) -> InstructionsInfo:
        return cls(json["revision"], json["digest"], json["bytes"], json["principal"], _time(json["at"]))


@dataclass(frozen=True)
class Activity:
    """One thing that was done to a profile."""

    sequence: int
    at: datetime
    principal: str
    channel: str
    action: str  #: "profile.create", ...
    section: str
    detail: Mapping[str, Any]

    @classmethod
    def _read(cls, json: _Json) -> Activity:
        return cls(
            json["sequence"], _time(json["at"]), json["principal"], json["channel"], json["action"], json["section"],
            json["detail"],
        )


@dataclass(frozen=True)
class Validation:
    """What is wrong with a document, and what is only suspicious."""

    errors: Tuple[Problem, ...]
    warnings: Tuple[Problem, ...]

    @classmethod
    def _read(cls, json: _Json) -> Validation:
        return cls(tuple(map(problem_from, json["errors"])), tuple(map(problem_from, json["warnings"])))


@dataclass(frozen=True)
class Image:
    """A captured snapshot, as its provider knows it."""

    provider: str
    id: str

    @classmethod
    def _read(cls, json: _Json) -> Image:
        return cls(json["provider"], json["id"])


@dataclass(frozen=True)
class Ingredient:
    """One thing that a snapshot was made of."""

    kind: str
    name: str
    digest: str
    branch: str = ""

    @classmethod
    def _read(cls, json: _Json) -> Ingredient:
        return cls(json["kind"], json["name"], json["digest"], json["branch"])


@dataclass(frozen=True)
class Decision:
    """Whether a version took over the snapshot of the one before, and why."""

    reuse: bool
    reason: str
    changes: Tuple[Change, ...]

    @classmethod
    def _read(cls, json: _Json) -> Decision:
        return cls(json["reuse"], json["reason"], _changes(json["changes"]))


@dataclass(frozen=True)
class HostSnapshot:
    """A version's snapshot on one host."""

    host: str
    state: str  #: "none", "pending", "ready", "stale" or "failed"
    image: Optional[Image]  #: None: there is no usable one
    ingredients: Tuple[Ingredient, ...]
    made: Optional[datetime]
    last_job: Optional[str]

    @classmethod
    def _read(cls, json: _Json) -> HostSnapshot:
        return cls(
            json["host"], json["state"], None if json["image"] is None else Image._read(json["image"]),
            tuple(map(Ingredient._read, json["ingredients"] or ())), _optional_time(json["made"]), json["last_job"],
        )


@dataclass(frozen=True)
class HostInfo:
    """Where sandboxes run: a managed host, which comes with the engine, or one that was registered."""

    name: str
    provider: str
    endpoint: Optional[str]  #: None: it is managed
    labels: Mapping[str, str]
    tls: Optional[Mapping[str, Optional[str]]]  #: paths of files: "ca", "certificate" and "key"
    ssh: Optional[Mapping[str, Optional[str]]]  #: paths of files: "identity" and "known_hosts"
    registered: bool
    is_default: bool  #: profiles run here that name no host
    identity: Optional[str]  #: of what answered there first; None: nothing did, or there is but one
    created: Optional[datetime]
    created_by: Optional[str]

    @classmethod
    def _read(cls, json: _Json) -> HostInfo:
        return cls(
            json["name"], json["provider"], json["endpoint"], json["labels"], json["tls"], json["ssh"], json["registered"],
            json["is_default"], json["identity"], _optional_time(json["created"]), json["created_by"],
        )


@dataclass(frozen=True)
class HostStatus:
    """What became of asking a host whether it can be used."""

    state: str  #: "usable", "down", "slow", "full", "replaced" or "refused"
    message: str  #: one line
    remedy: str  #: what to do; empty when it is usable
    facts: Mapping[str, str]  #: what it says of itself
    latency_ms: int

    @classmethod
    def _read(cls, json: _Json) -> HostStatus:
        return cls(json["state"], json["message"], json["remedy"], json["facts"], json["latency_ms"])


@dataclass(frozen=True)
class VersionInfo:
    """A version as it was when it was read. What it says about the snapshot changes, all else is frozen."""

    profile: str
    version: int  #: 1, 2, ...
    digest: str  #: "sha256:..." of the canonical recipe
    recipe: Mapping[str, Any]
    published: datetime
    published_by: str
    snapshot: str  #: "none", "pending", "ready", "stale" or "failed"
    image: Optional[Image]
    ingredients: Tuple[Ingredient, ...]  #: what the usable snapshot was made of
    decision: Decision
    last_job: Optional[str]
    snapshots: Tuple[HostSnapshot, ...]  #: of each host on which there is one, or was to be

    @classmethod
    def _read(cls, json: _Json) -> VersionInfo:
        return cls(
            json["profile"], json["version"], json["digest"], json["recipe"], _time(json["published"]), json["published_by"],
            json["snapshot"], None if json["image"] is None else Image._read(json["image"]),
            tuple(map(Ingredient._read, json["ingredients"] or ())), Decision._read(json["decision"]), json["last_job"],
            tuple(map(HostSnapshot._read, json["snapshots"])),
        )


@dataclass(frozen=True)
class Overview:
    """A profile at a glance."""

    profile: ProfileInfo
    in_use: Optional[VersionInfo]  #: that new sessions start from
    latest: Optional[VersionInfo]
    record: Mapping[str, Any]
    sessions: Mapping[str, int]  #: how many, by state
    active_jobs: int
    proposals: Tuple[ProposalInfo, ...]
    activity: Tuple[Activity, ...]  #: the latest ten, newest first
    test: str  #: "not_yet_tested", "passed" or "failed"

    @classmethod
    def _read(cls, json: _Json) -> Overview:
        def version(name: str) -> Optional[VersionInfo]:
            return None if json[name] is None else VersionInfo._read(json[name])

        return cls(
            ProfileInfo._read(json["profile"]), version("in_use"), version("latest"), json["record"], json["sessions"],
            json["active_jobs"], tuple(map(ProposalInfo._read, json["proposals"])), tuple(map(Activity._read, json["activity"])),
            json["test"],
        )


@dataclass(frozen=True)
class JobInfo:
    """The building of a snapshot as it was when it was read."""

    id: str  #: "job_..."
    profile: str
    version: int
    host: str  #: that the snapshot is for
    trigger: str  #: "publish", ...
    state: str  #: "queued", "running", "succeeded", "failed" or "cancelled"
    phase: str  #: of a failed job: where it failed
    attempt: int
    error: Optional[Error]  #: why it failed
    created: datetime
    started: Optional[datetime]
    finished: Optional[datetime]

    @classmethod
    def _read(cls, json: _Json) -> JobInfo:
        error = json["error"]
        return cls(
            json["id"], json["profile"], json["version"], json["host"], json["trigger"], json["state"], json["phase"],
            json["attempt"], None if error is None else error_from(error, ""), _time(json["created"]),
            _optional_time(json["started"]), _optional_time(json["finished"]),
        )


@dataclass(frozen=True)
class Progress:
    """What a job tells while it runs."""

    phase: str  #: "image", "setup", ...
    message: str  #: one line, or empty
    done: int
    total: int  #: 0: not known
    output: bytes  #: a chunk of what the setup script prints, or empty

    @classmethod
    def _read(cls, json: _Json, output: bytes) -> Progress:
        return cls(json["phase"], json["message"], json["done"], json["total"], output)

    def __str__(self) -> str:
        text = self.message or self.output.decode("utf-8", "replace").rstrip("\n")
        amount = f" ({self.done} of {self.total})" if self.total else ""
        return f"{self.phase}: {text}{amount}" if text else f"{self.phase}{amount}"


@dataclass(frozen=True)
class SessionInfo:
    """A session as it was when it was read."""

    id: str  #: "ses_..."
    profile: str
    version: int
    instructions_revision: int  #: of the agent instructions that it was made with; 0: none
    state: str  #: "starting", "running", "stopped", "removing", "removed" or "failed"
    host: str  #: where it runs, resumed or not
    provider: str
    sandbox_id: str
    owner: str
    created: datetime
    idle_deadline: Optional[datetime]
    deadline: Optional[datetime]
    notes: Tuple[str, ...]  #: what a user should know: limits that are not enforced, a stale snapshot
    error: Optional[Error]  #: why it failed, or why it was stopped
    timeline: Mapping[str, Any]  #: where the time of its latest start went

    @classmethod
    def _read(cls, json: _Json) -> SessionInfo:
        error = json["error"]
        return cls(
            json["id"], json["profile"], json["version"], json["instructions_revision"], json["state"], json["host"],
            json["provider"], json["sandbox_id"], json["owner"], _time(json["created"]), _optional_time(json["idle_deadline"]),
            _optional_time(json["deadline"]), tuple(json["notes"]),
            None if error is None else error_from(error, ""), json["timeline"],
        )


@dataclass(frozen=True)
class End:
    """How a process ended."""

    exit_code: int  #: -1 when a signal ended it
    signal: int  #: 0: none
    timed_out: bool
    shell_code: int  #: as a shell reports it: 128 + signal

    @classmethod
    def _read(cls, json: _Json) -> End:
        return cls(json["exit_code"], json["signal"], json["timed_out"], json["shell_code"])

    def __str__(self) -> str:
        if self.timed_out:
            return "ran out of time"
        return f"was ended by signal {self.signal}" if self.signal else f"ended with exit code {self.exit_code}"


@dataclass(frozen=True)
class ExecResult:
    """What a command printed, and how it ended. Output is bytes: nobody knows what a sandbox prints."""

    stdout: bytes
    stderr: bytes
    end: End
    dropped_bytes: int  #: of output past the limit

    @property
    def exit_code(self) -> int:
        """The exit code; -1 when a signal ended the command."""
        return self.end.exit_code

    @property
    def text(self) -> str:
        """The standard output as text, with U+FFFD for what is not UTF-8."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """The standard error as text, with U+FFFD for what is not UTF-8."""
        return self.stderr.decode("utf-8", "replace")


@dataclass(frozen=True)
class Output:
    """A chunk of a process's output."""

    stream: str  #: "stdout" or "stderr"; of a terminal always "stdout"
    data: bytes
    #: Where it begins in all the output, in bytes. More than the end of the chunk before: what is between was dropped.
    offset: int


@dataclass(frozen=True)
class ProcessInfo:
    """A process that somebody started and that runs."""

    id: str  #: "cmd_...", for `attach`
    pid: int  #: in the sandbox
    argv: Tuple[str, ...]

    @classmethod
    def _read(cls, json: _Json) -> ProcessInfo:
        return cls(json["id"], json["pid"], tuple(json["argv"]))


@dataclass(frozen=True)
class FileInfo:
    """A file of a sandbox."""

    name: str
    path: str
    type: str  #: "file", "directory", "symlink" or "other"
    size: int
    mode: int  #: the permission bits: 0o644
    permissions: str  #: "-rw-r--r--"
    owner: str
    group: str
    symlink_target: str
    modified: datetime

    @classmethod
    def _read(cls, json: _Json) -> FileInfo:
        return cls(
            json["name"], json["path"], json["type"], json["size"], json["mode"], json["permissions"], json["owner"],
            json["group"], json["symlink_target"], _time(json["modified"]),
        )


@dataclass(frozen=True)
class FileChange:
    """What happened to a file of a watched directory."""

    change: str  #: "created", "written", "removed", "renamed" or "attributes"
    name: str  #: from the directory that is watched: "a/b"

    @classmethod
    def _read(cls, json: _Json) -> FileChange:
        return cls(json["change"], json["name"])


@dataclass(frozen=True)
class Tree:
    """How much was uploaded or downloaded."""

    entries: int
    bytes: int

    @classmethod
    def _read(cls, json: _Json) -> Tree:
        return cls(json["entries"], json["bytes"])


# What the library asks of its host, and what the host answers.


@dataclass(frozen=True)
class CredentialRequest:
    """What a credential is wanted for."""

    purpose: str  #: "clone", or "pull": of a base image from its registry
    url: str  #: of the repository; to pull: "https://" and the registry
    connection: Optional[str]  #: the id of the Git connection, if the profile names one
    profile: str
    version: int
    repository: str  #: to clone: its identifier in the profile
    role: str  #: "primary", "context" or "reference"
    job: str  #: that clones or pulls; empty: a session asks
    session: str = ""  #: whose git fetches or pushes
    lease: int = 0  #: the number of this request; what it gave is given back by it

    @classmethod
    def _read(cls, json: _Json) -> CredentialRequest:
        return cls(
            json["purpose"], json["url"], json["connection"], json["profile"], json["version"], json["repository"], json["role"],
            json["job"], json["session"], json["lease"],
        )


@dataclass(frozen=True)
class CredentialRelease:
    """What a credential was wanted for, and what came of it."""

    request: CredentialRequest
    over: bool  #: nothing will use it any more: it may be revoked
    refused: bool  #: its server did not take it

    @classmethod
    def _read(cls, json: _Json) -> CredentialRelease:
        return cls(CredentialRequest._read(json), json["over"], json["refused"])


@dataclass(frozen=True)
class Credential:
    """What to log in with. Its secret is not shown by repr()."""

    username: str  #: empty: that of servers which look at the secret alone
    secret: str
    expires: Optional[int] = None  #: when it stops being taken, in seconds since 1970, in UTC

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, secret=...)"

    def _write(self) -> Dict[str, Any]:
        return {"username": self.username, "secret": self.secret, "expires": self.expires}


@dataclass(frozen=True)
class Connection:
    """A connection of the host application that profiles name by its id."""

    kind: str  #: "model_provider", "git", "connector" or "sandbox_provider"
    name: str = ""  #: for people
    protocols: Tuple[str, ...] = ()  #: of a model provider: what it speaks; of a sandbox provider: whose credentials it has
    provider: str = ""  #: of a Git connection: who serves it, for people
    repositories: Mapping[str, str] = field(default_factory=dict)  #: of a Git connection: URLs by identifier
    url_template: str = ""  #: and of all others: "https://git.example/team/{identifier}.git"

    def _write(self) -> Dict[str, Any]:
        return {
            "kind": self.kind, "name": self.name, "protocols": list(self.protocols), "provider": self.provider,
            "repositories": dict(self.repositories), "url_template": self.url_template,
        }


@dataclass(frozen=True)
class Environment:
    """An environment of the host application that profiles bind to."""

    name: str = ""  #: for people
    change_policy: str = ""  #: the host application's own name of its policy; handed on, never read

    def _write(self) -> Dict[str, Any]:
        return {"name": self.name, "change_policy": self.change_policy}


@dataclass(frozen=True)
class Host:
    """A host that sandboxes can run on."""

    provider: str  #: as profiles name it
    registered: bool = False  #: by a user, who operates it
    reachable: bool = True
    storage_backend: Optional[str] = None  #: where persistent paths are kept; None: nowhere
    workspace_volumes: bool = False  #: whether a working volume can be kept between runs

    def _write(self) -> Dict[str, Any]:
        return {
            "provider": self.provider, "registered": self.registered, "reachable": self.reachable,
            "storage_backend": self.storage_backend, "workspace_volumes": self.workspace_volumes,
        }


publish("sandboxkit", (globals()[name] for name in __all__))
