# SPDX-License-Identifier: Apache-2.0
# Made from _async/provider.py by make_sync.py: change that one.
"""Providers that the host application brings: what runs sandboxes."""
from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Tuple

from sandboxkit._errors import UnsupportedError
from sandboxkit._later import provider_types

if TYPE_CHECKING:
    from sandboxkit._provider_types import (
        Capabilities, CaptureResult, CreateRequest, Endpoint, ImageInfo, ImageRequest, SandboxInfo, VolumeInfo,
    )


class Provider(abc.ABC):
    """What makes images and runs sandboxes: compute, images and volumes, nothing else. Derive from it and give it to an engine.

    A profile names it in "provider". Its functions are called several at once, and may be called with what is there already or
    is gone: creation is idempotent by its token, and removing what does not exist succeeds. What they raise is the error of the
    operation that asked: raise an `Error`, `NotFoundError("sandbox_not_found", ...)` say. Labels are kept with what they were
    given for, durably, since a later engine finds its sandboxes by them. In each sandbox runs sandboxkit-guest.

    >>> class Nothing(sandboxkit.Provider):
    ...     name = "nothing"
    >>> Nothing()
    Traceback (most recent call last):
    ...
    TypeError: Can't instantiate abstract class Nothing ...
    """

    name: str  #: as profiles name it

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do on this host, now."""

    @abc.abstractmethod
    def prepare_image(self, request: ImageRequest) -> ImageInfo:
        """Makes an image from a base and trees; durable when it returns."""

    @abc.abstractmethod
    def inspect_image(self, image_id: str) -> ImageInfo:
        """An image that is there."""

    @abc.abstractmethod
    def list_images(self) -> List[ImageInfo]:
        """All of them."""

    @abc.abstractmethod
    def remove_image(self, image_id: str) -> None:
        """Removes an image. One that sandboxes use is a `ConflictError`."""

    @abc.abstractmethod
    def create(self, request: CreateRequest) -> SandboxInfo:
        """Makes a sandbox and its labels durable, starts nothing."""

    @abc.abstractmethod
    def start(self, sandbox_id: str) -> None:
        """Starts the compute; returns when the guest program accepts connections."""

    @abc.abstractmethod
    def stop(self, sandbox_id: str) -> None:
        """Ends the compute, keeps the files."""

    @abc.abstractmethod
    def destroy(self, sandbox_id: str) -> None:
        """Removes the sandbox and all it held."""

    @abc.abstractmethod
    def inspect(self, sandbox_id: str) -> SandboxInfo:
        """A sandbox that is there."""

    @abc.abstractmethod
    def list(self, labels: Mapping[str, str]) -> List[SandboxInfo]:
        """Those whose labels contain all of `labels`, half-made ones included."""

    @abc.abstractmethod
    def endpoint(self, sandbox_id: str) -> Endpoint:
        """Where the guest program of a running sandbox answers."""

    @abc.abstractmethod
    def capture(self, sandbox_id: str, labels: Mapping[str, str]) -> CaptureResult:
        """Ends the compute and makes a durable image of the files; the sandbox is only good for `destroy` then."""

    def ensure_volume(self, token: str, labels: Mapping[str, str]) -> VolumeInfo:
        """Makes a volume; the same token again returns the same one, with the labels it was made with."""
        raise _no_volumes()

    def remove_volume(self, volume_id: str) -> None:
        """Removes a volume. One that sandboxes use is a `ConflictError`."""
        raise _no_volumes()

    def list_volumes(self, labels: Mapping[str, str]) -> List[VolumeInfo]:
        """Those whose labels contain all of `labels`."""
        raise _no_volumes()


def _no_volumes() -> UnsupportedError:
    return UnsupportedError("volumes_not_supported", "this provider has no volumes")


def _same(*names: str) -> Callable[[Mapping[str, Any]], Tuple[Any, ...]]:
    return lambda request: tuple(request[name] for name in names)


#: What each operation takes of a request.
OPERATIONS: Dict[str, Callable[[Mapping[str, Any]], Tuple[Any, ...]]] = {
    "capabilities": _same(),
    "prepare_image": lambda request: (provider_types.ImageRequest._read(request),),
    "inspect_image": _same("image_id"),
    "list_images": _same(),
    "remove_image": _same("image_id"),
    "create": lambda request: (provider_types.CreateRequest._read(request),),
    "start": _same("sandbox_id"),
    "stop": _same("sandbox_id"),
    "destroy": _same("sandbox_id"),
    "inspect": _same("sandbox_id"),
    "list": _same("labels"),
    "endpoint": _same("sandbox_id"),
    "capture": _same("sandbox_id", "labels"),
    "ensure_volume": _same("token", "labels"),
    "remove_volume": _same("volume_id"),
    "list_volumes": _same("labels"),
}
