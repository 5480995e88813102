# SPDX-License-Identifier: Apache-2.0
"""What a provider is asked, what it answers, and what a check of it says, as values."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from sandboxkit._abi import publish
from sandboxkit._types import Ingredient

__all__ = [
    "Capabilities", "CaptureResult", "CaseResult", "CreateRequest", "Endpoint", "ImageInfo", "ImageRequest", "ImageTree",
    "Limits", "SandboxInfo", "VolumeInfo", "VolumeMount",
]

_Json = Mapping[str, Any]


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do on this host, now. The engine refuses the rest before anything is made."""

    capture: bool = False  #: a sandbox's file system becomes an image
    capture_attributes: bool = False  #: `capture` keeps extended attributes of files
    capture_holes: bool = False  #: `capture` leaves sparse files sparse
    stop_and_resume: bool = False  #: `stop` keeps the writable layer, `start` brings the compute back
    read_only_paths: bool = False  #: those of a request hold against root in the sandbox
    egress_none: bool = False
    egress_open: bool = False
    cpu_limit: bool = False
    memory_limit: bool = False
    process_limit: bool = False
    disk_limit: bool = False
    volumes: bool = False
    image_kinds: Tuple[str, ...] = ()  #: "host", "directory", "archive", "oci"
    identity: str = ""  #: of what stands behind the provider, a daemon say; empty: there is but one
    facts: Mapping[str, str] = field(default_factory=dict)  #: for people: {"runtime": "runc 1.1.5"}

    def _write(self) -> Dict[str, Any]:
        return {
            "capture": self.capture, "capture_attributes": self.capture_attributes,
            "capture_holes": self.capture_holes, "stop_and_resume": self.stop_and_resume, "read_only_paths": self.read_only_paths,
            "egress_none": self.egress_none, "egress_open": self.egress_open, "cpu_limit": self.cpu_limit,
            "memory_limit": self.memory_limit, "process_limit": self.process_limit, "disk_limit": self.disk_limit,
            "volumes": self.volumes, "image_kinds": list(self.image_kinds), "identity": self.identity,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True)
class ImageTree:
    """A directory of this machine that becomes a part of an image. Its contents may be taken away."""

    source: str
    target: str  #: in the image; absolute

    @classmethod
    def _read(cls, json: _Json) -> ImageTree:
        return cls(json["source"], json["target"])


@dataclass(frozen=True)
class ImageRequest:
    """An image to be made of a base and trees."""

    image: str  #: as the profile says it, "directory:/base", or the id of an image of this provider
    digest: Optional[str]  #: "sha256:..." that the base has to have, else `InvalidError("image_digest_mismatch", ...)`
    trees: Tuple[ImageTree, ...]
    labels: Mapping[str, str]

    @classmethod
    def _read(cls, json: _Json) -> ImageRequest:
        return cls(json["image"], json["digest"], tuple(map(ImageTree._read, json["trees"])), json["labels"])


@dataclass(frozen=True)
class ImageInfo:
    """An image of a provider."""

    id: str
    labels: Mapping[str, str]  #: as they were given
    ingredients: Tuple[Ingredient, ...] = ()  #: the base, with its digest
    stale: bool = False  #: an ingredient without a fixed digest has changed since

    def _write(self) -> Dict[str, Any]:
        ingredients = [
            {"kind": each.kind, "name": each.name, "digest": each.digest, "branch": each.branch} for each in self.ingredients
        ]
        return {"id": self.id, "labels": dict(self.labels), "ingredients": ingredients, "stale": self.stale}


@dataclass(frozen=True)
class VolumeMount:
    """A volume in a sandbox."""

    volume_id: str
    path: str  #: in the sandbox; absolute
    read_only: bool

    @classmethod
    def _read(cls, json: _Json) -> VolumeMount:
        return cls(json["volume_id"], json["path"], json["read_only"])


@dataclass(frozen=True)
class Limits:
    """What a sandbox may use. What is not enforced is named in `SandboxInfo.unenforced`."""

    cpus: float
    memory_bytes: int
    processes: int
    disk_bytes: Optional[int]

    @classmethod
    def _read(cls, json: _Json) -> Limits:
        return cls(json["cpus"], json["memory_bytes"], json["processes"], json["disk_bytes"])


@dataclass(frozen=True)
class CreateRequest:
    """A sandbox to be made."""

    token: str  #: the same one again returns the same sandbox
    image_id: str
    labels: Mapping[str, str]  #: `list` filters by them
    limits: Limits
    egress: str  #: "none" or "open"
    read_only_paths: Tuple[str, ...]
    hostname: str
    volumes: Tuple[VolumeMount, ...]

    @classmethod
    def _read(cls, json: _Json) -> CreateRequest:
        return cls(
            json["token"], json["image_id"], json["labels"], Limits._read(json["limits"]), json["egress"],
            tuple(json["read_only_paths"]), json["hostname"], tuple(map(VolumeMount._read, json["volumes"])),
        )


@dataclass(frozen=True)
class SandboxInfo:
    """A sandbox of a provider."""

    id: str
    token: str
    state: str  #: "created": never started, or stopped; "running"; "ended": by itself, its files are kept
    labels: Mapping[str, str]  #: as they were given
    unenforced: Tuple[str, ...] = ()  #: limits asked for that this host does not enforce: "cpus", "memory", "processes", "disk"

    def _write(self) -> Dict[str, Any]:
        return {
            "id": self.id, "token": self.token, "state": self.state, "labels": dict(self.labels),
            "unenforced": list(self.unenforced),
        }


@dataclass(frozen=True)
class Endpoint:
    """Where the guest program of a sandbox answers: at a Unix socket of this machine, or at a host and port.

    Its token is not shown by repr().
    """

    unix_socket: Optional[str] = None  #: an absolute path
    host: Optional[str] = None  #: name or address
    port: Optional[int] = None
    tls: bool = False  #: with `host`, whose certificate is always verified
    tls_ca: str = ""  #: PEM: the authorities trusted; empty: the system's
    headers: Mapping[str, str] = field(default_factory=dict)  #: added to every request
    access_token: str = field(default="", repr=False)  #: a secret; empty: none
    token_in_the_clear: bool = False  #: send it without TLS to a host that is not this machine

    def _write(self) -> Dict[str, Any]:
        # What was not said is left out: of two places at once the library says that they are two.
        said = {"unix_socket": self.unix_socket, "host": self.host, "port": self.port}
        return {
            **{name: value for name, value in said.items() if value is not None},
            **({"tls": self.tls, "tls_ca": self.tls_ca, "token_in_the_clear": self.token_in_the_clear} if self.host else {}),
            "headers": dict(self.headers), "access_token": self.access_token,
        }


@dataclass(frozen=True)
class CaptureResult:
    """What became of a sandbox that was captured."""

    image: ImageInfo
    sealed_us: int = 0  #: ending the compute and setting its files aside, in microseconds
    synced_us: int = 0  #: making them durable

    def _write(self) -> Dict[str, Any]:
        return {"image": self.image._write(), "sealed_us": self.sealed_us, "synced_us": self.synced_us}


@dataclass(frozen=True)
class VolumeInfo:
    """What outlives sandboxes and is seen by those that it is attached to."""

    id: str
    labels: Mapping[str, str]  #: as they were given first

    def _write(self) -> Dict[str, Any]:
        return {"id": self.id, "labels": dict(self.labels)}


@dataclass(frozen=True)
class CaseResult:
    """What became of one case of a check of a provider."""

    group: str
    name: str
    verdict: str  #: "passed", "failed", "not_applicable": it does not claim what it is about, or "skipped": something is missing
    message: str  #: of a failure: what was expected, and what came
    taken_ms: int

    @classmethod
    def _read(cls, json: _Json) -> CaseResult:
        return cls(json["group"], json["name"], json["verdict"], json["message"], json["taken_ms"])


publish("sandboxkit", (globals()[name] for name in __all__))
