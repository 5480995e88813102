# SPDX-License-Identifier: Apache-2.0
"""The C ABI in Python's terms: events, strings, and queues whose events go to the operations that they belong to."""
from __future__ import annotations

import itertools
import json
import os
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from sandboxkit._errors import Error, error_from, error_of
from sandboxkit._sandboxkit import ffi, lib

if TYPE_CHECKING:
    from datetime import timedelta

Document = Union[str, bytes, Mapping[str, Any]]
Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

COMPLETION: int = lib.SBK_EVENT_COMPLETION

_forks = 0  # how many there were between the first process and this one


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


def publish(module: str, values: Iterable[Any]) -> None:
    """Makes a module the one that its classes name: tracebacks say sandboxkit.NotFoundError."""
    for value in values:
        if isinstance(value, type):
            value.__module__ = module


def text_of(pointer: Any) -> str:
    """A string of the library that lives for ever."""
    text: bytes = ffi.string(pointer)
    return text.decode()


def string(value: Union[str, bytes]) -> Tuple[Any, int]:
    """Pointer and length."""
    if isinstance(value, str):
        value = value.encode()
    elif not isinstance(value, bytes):
        raise TypeError(f"a string is expected, not {type(value).__name__}")
    return value, len(value)


def optional_string(value: Optional[str]) -> Tuple[Any, int]:
    return (ffi.NULL, 0) if value is None else string(value)


def path_string(value: Path) -> Tuple[Any, int]:
    """A path, or an argument of a command: bytes, which Python has as strings with surrogates."""
    return string(os.fsencode(value))


def document_string(document: Document) -> Tuple[Any, int]:
    """JSON. Text is handed on as it is, so that the library sees what a person wrote: members that come twice, say."""
    return string(json.dumps(document) if isinstance(document, Mapping) else document)


def status_error(status: int, what: str) -> Error:
    """The exception of a call that the library refused at once."""
    name = text_of(lib.sbk_status_name(status))
    if status == lib.SBK_FORKED:
        return error_of(name, name, "the object belongs to the parent of this process", "open an engine of its own after fork()")
    if status == lib.SBK_MISUSE:
        return error_of(name, name, f"{what}: a value is out of its range, or not one that this call allows")
    return error_of(name, name, f"{what}: {name.replace('_', ' ')}")


def check(status: int, what: str) -> None:
    if status != lib.SBK_OK:
        raise status_error(status, what)


def new(function: Callable[..., int], kind: str, free: Callable[[Any], None], *arguments: Any) -> Any:
    """What a function gives through its first parameter, and `free` takes back."""
    result = ffi.new(f"{kind} **")
    check(function(result, *arguments), function.__name__)
    return ffi.gc(result[0], free)


class Event:
    """An event that was taken from a queue."""

    __slots__ = ("_handle", "kind")

    def __init__(self, handle: Any) -> None:
        self._handle = ffi.gc(handle, lib.sbk_event_free)
        self.kind: int = lib.sbk_event_get_kind(handle)

    def free(self) -> None:
        """Now, and not when the last reference goes: the library counts output as taken only then."""
        ffi.release(self._handle)

    @property
    def tag(self) -> int:
        tag: int = lib.sbk_event_tag(self._handle)
        return tag

    @property
    def json(self) -> Any:
        size = ffi.new("size_t *")
        text = lib.sbk_event_json(self._handle, size)
        if text == ffi.NULL:
            return None
        # Names of a sandbox's files are bytes, which Python has as strings with surrogates.
        return json.loads(ffi.unpack(text, size[0]).decode("utf-8", "surrogateescape"))

    @property
    def contents(self) -> bytes:
        return self._contents(lib.sbk_event_bytes)

    @property
    def error_contents(self) -> bytes:
        return self._contents(lib.sbk_event_error_bytes)

    def _contents(self, function: Callable[..., Any]) -> bytes:
        size = ffi.new("size_t *")
        result: bytes = ffi.unpack(function(self._handle, size), size[0])
        return result

    @property
    def stream(self) -> str:
        return "stderr" if lib.sbk_event_stream(self._handle) == lib.SBK_STANDARD_ERROR else "stdout"

    @property
    def offset(self) -> int:
        offset: int = lib.sbk_event_offset(self._handle)
        return offset

    @property
    def error(self) -> Optional[Error]:
        """Of a completion: why the operation failed; None when it did not."""
        status = lib.sbk_event_status(self._handle)
        return None if status == lib.SBK_OK else error_from(self.json, text_of(lib.sbk_status_name(status)))

    @property
    def cancelled(self) -> bool:
        cancelled: bool = lib.sbk_event_status(self._handle) == lib.SBK_CANCELLED
        return cancelled

    def take_engine(self) -> Any:
        return new(lib.sbk_event_take_engine, "sbk_engine", lib.sbk_engine_free, self._handle)

    def take_process(self) -> Any:
        return new(lib.sbk_event_take_process, "sbk_process", lib.sbk_process_free, self._handle)

    def respond(self, answer: bytes) -> int:
        status: int = lib.sbk_event_respond(self._handle, answer, len(answer))
        return status

    def refuse(self, status: int, message: str) -> int:
        result: int = lib.sbk_event_refuse(self._handle, status, *string(message))
        return result


class Operation:
    """A submission, and its events that nobody has taken yet. The last of them is the completion."""

    __slots__ = ("_handle", "events", "completed", "abandoned", "waiters")

    def __init__(self) -> None:
        self._handle: Any = None
        self.events: Deque[Event] = deque()
        self.completed = False
        self.abandoned = False
        self.waiters: List[Callable[[], None]] = []  # of those who wait for the next

    def put(self, event: Event) -> None:
        if not self.abandoned:
            self.events.append(event)
        if event.kind == COMPLETION:
            self.completed = True  # last: another thread that sees it sees the event, too
        for wake in self.waiters:
            wake()

    def cancel(self) -> None:
        lib.sbk_operation_cancel(self._handle)  # which does nothing after the completion

    def abandon(self) -> None:
        """Cancels it, and nobody wants to know what becomes of it."""
        self.abandoned = True
        self.events.clear()
        self.cancel()


class BaseQueue:
    """A queue, and the operations whose events come to it. How to wait for them is of the derived classes."""

    def __init__(self) -> None:
        self.handle = new(lib.sbk_queue_new, "sbk_queue", lib.sbk_queue_free)
        self.descriptor: int = lib.sbk_queue_descriptor(self.handle)
        self._operations: Dict[int, Operation] = {}
        self._tags = itertools.count(1)
        self._forks = _forks
        #: The sbk_client of each principal: it has the queue that its answers come to.
        self.clients: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def check_process(self) -> None:
        """Before waiting: in a forked child nothing will ever come."""
        if self._forks != _forks:
            raise status_error(lib.SBK_FORKED, "waiting")

    def submit(self, function: Callable[..., int], target: Any, *arguments: Any) -> Operation:
        operation, tag = Operation(), next(self._tags)
        result = ffi.new("sbk_operation **")
        # Before the submission: another thread may take the completion at once.
        self._operations[tag] = operation
        status = function(result, target, tag, *arguments)
        if status != lib.SBK_OK:
            del self._operations[tag]
            raise status_error(status, function.__name__)
        operation._handle = ffi.gc(result[0], lib.sbk_operation_free)
        return operation

    def drain(self) -> None:
        """Hands out all events that are there."""
        slot = ffi.new("sbk_event **")
        while lib.sbk_queue_next(slot, self.handle, 0) == lib.SBK_OK:
            event = Event(slot[0])
            tag = event.tag
            operation = self._operations.pop(tag, None) if event.kind == COMPLETION else self._operations.get(tag)
            if operation is not None:
                operation.put(event)


def milliseconds(time: Union[float, timedelta, None]) -> int:
    """0, which means never, of None: no time at all cannot be told."""
    if time is None:
        return 0
    value = round(1000 * (time if isinstance(time, (int, float)) else time.total_seconds()))
    if value <= 0:
        raise ValueError("a timeout is at least a millisecond")
    return value


def seconds(time: Union[int, timedelta, None]) -> int:
    """0, which means never, of None."""
    if time is None:
        return 0
    value = time if isinstance(time, (int, float)) else time.total_seconds()
    if value < 1 or value != int(value):
        raise ValueError("a limit is at least a second, and whole seconds")
    return int(value)


def command(
    argv: Sequence[Path],
    env: Optional[Mapping[str, str]],
    cwd: Optional[Path],
    user: Optional[str],
    timeout_ms: int,
    stdin: bool,
    terminal: Optional[Tuple[int, int]],
) -> Any:
    """An sbk_command."""
    if isinstance(argv, (str, bytes)):
        raise TypeError("a command is a list of its program and arguments; for a shell's: ['sh', '-c', '...']")
    result = new(lib.sbk_command_new, "sbk_command", lib.sbk_command_free)
    for argument in argv:
        check(lib.sbk_command_add_argument(result, *path_string(argument)), "sbk_command_add_argument")
    for name, value in (env or {}).items():
        check(lib.sbk_command_set_environment(result, *path_string(name), *path_string(value)), "sbk_command_set_environment")
    if cwd is not None:
        check(lib.sbk_command_set_directory(result, *path_string(cwd)), "sbk_command_set_directory")
    if user is not None:
        check(lib.sbk_command_set_user(result, *string(user)), "sbk_command_set_user")
    check(lib.sbk_command_set_timeout(result, timeout_ms), "sbk_command_set_timeout")
    check(lib.sbk_command_set_standard_input(result, stdin), "sbk_command_set_standard_input")
    if terminal is not None:
        check(lib.sbk_command_set_terminal(result, *terminal), "sbk_command_set_terminal")
    return result


class Struct:
    """A struct of options, with its size, and the strings that it points to."""

    def __init__(self, name: str) -> None:
        self.native = ffi.new(f"{name} *")
        self.native.struct_size = ffi.sizeof(name)
        self._strings: List[Any] = []

    def set_string(self, name: str, value: Optional[bytes]) -> None:
        if value is not None:
            copy = ffi.new("char[]", value)
            self._strings.append(copy)
            setattr(self.native, name, copy)
            setattr(self.native, f"{name}_size", len(value))


def tree_limits(entries: int, bytes: int, file_size: int) -> Any:
    limits = Struct("sbk_tree_limits").native
    limits.entries, limits.bytes, limits.file_size = entries, bytes, file_size
    return limits
