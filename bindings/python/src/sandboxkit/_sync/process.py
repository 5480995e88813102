# SPDX-License-Identifier: Apache-2.0
# Made from _async/process.py by make_sync.py: change that one.
"""Processes of sessions."""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Union

from sandboxkit._abi import COMPLETION, Event, Operation, string
from sandboxkit._sync.waiting import Queue
from sandboxkit._later import types
from sandboxkit._sandboxkit import ffi, lib

if TYPE_CHECKING:
    from sandboxkit._types import End, ExecResult, Output

# A sandbox refuses what is too much to keep until a process reads it.
_PIECE = 1 << 20


class Process:
    """A command that runs in a session: an iterator over its output, to its end.

    At the end of a `with` block it is let go of, and runs on if it has not ended: `Session.attach` finds it again.
    """

    def __init__(self, queue: Queue, event: Event, window: int) -> None:
        json = event.json
        self._id: str = json["id"]
        self._pid: int = json["pid"]
        self._queue = queue
        self._window = window
        self._handle: Any = event.take_process()
        self._following: Optional[Operation] = None
        self._interrupted = False
        self._end: Optional[End] = None

    def __repr__(self) -> str:
        return f"<sandboxkit.Process {self._id}>"

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            if self._end is None:
                warnings.warn(f"unclosed process {self._id}", ResourceWarning, source=self)
            self._let_go()

    @property
    def id(self) -> str:
        """ "cmd_..." """
        return self._id

    @property
    def pid(self) -> int:
        """Its number in the sandbox."""
        return self._pid

    @property
    def end(self) -> Optional[End]:
        """How it ended. None: nobody has iterated to its end, or waited for it."""
        return self._end

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __iter__(self) -> Process:
        return self

    def __next__(self) -> Output:
        self._queue.check_current()
        while self._end is None:
            if self._following is None:
                self._following = self._submit(lib.sbk_process_follow, self._window)
            try:
                event = self._queue.next(self._following)
            except BaseException:
                # Following has stopped, and loses nothing: what has come is told by the next call, which follows again.
                self._interrupted = True
                raise
            if event is None:  # another thread iterates, too
                continue
            if event.kind == lib.SBK_EVENT_OUTPUT:
                return _output(event)
            if event.kind != COMPLETION:
                continue
            self._following = None
            error = event.error
            if error is None:
                self._end = types.End._read(event.json)
            elif not self._interrupted:
                raise error
            self._interrupted = False
        raise StopIteration

    def wait(self) -> End:
        """Waits for its end. Output that was not iterated over is lost."""
        for _ in self:
            pass
        assert self._end is not None
        return self._end

    def write(self, data: Union[str, bytes]) -> None:
        """To its standard input or its terminal; returns when that has taken it.

        In pieces of 1 MiB, between which those of another thread may come.
        """
        contents, _ = string(data)
        for begin in range(0, len(contents), _PIECE):
            self._call(lib.sbk_process_write, *string(contents[begin : begin + _PIECE]))

    def close_input(self) -> None:
        """Closes its standard input. To a terminal, write what its user would type: "\\x04"."""
        self._call(lib.sbk_process_close_input)

    def resize(self, columns: int, rows: int) -> None:
        """The size of its terminal."""
        self._call(lib.sbk_process_resize, columns, rows)

    def signal(self, number: int) -> None:
        """To its process group: `signal.SIGTERM`, say."""
        self._call(lib.sbk_process_signal, number)

    def close(self) -> None:
        """Lets go of it. It runs on if it has not ended."""
        if self._handle is not None:
            following, self._following = self._following, None
            if following is not None:
                self._queue.check_current()
                self._queue.cancel(following)
            self._let_go()

    def _let_go(self) -> None:
        if self._following is not None:
            self._following.abandon()
        handle, self._handle = self._handle, None
        ffi.release(handle)

    def _submit(self, function: Callable[..., int], *arguments: Any) -> Operation:
        if self._handle is None:
            raise ValueError(f"the process {self._id} was closed")
        return self._queue.submit(function, self._handle, *arguments)

    def _call(self, function: Callable[..., int], *arguments: Any) -> None:
        self._queue.check_current()
        if self._handle is None:
            raise ValueError(f"the process {self._id} was closed")
        self._queue.call(function, self._handle, *arguments)

    def _feed(self, input: bytes) -> Iterator[Operation]:
        """Submits all of an input, one piece after another, and the end of it."""
        for begin in range(0, len(input), _PIECE):
            yield self._submit(lib.sbk_process_write, *string(input[begin : begin + _PIECE]))
        yield self._submit(lib.sbk_process_close_input)

    def _communicate(self, input: bytes, limit: int) -> ExecResult:
        """Writes all of its input while it takes the output, and kills it when it is interrupted."""
        pieces = self._feed(input)
        feeding: Optional[Operation] = next(pieces)
        following = self._submit(lib.sbk_process_follow, 0)
        stdout, stderr = _Collected(limit), _Collected(limit)
        try:
            while True:
                self._queue.wait_for_any(*(each for each in (feeding, following) if each is not None))
                if feeding is not None and feeding.events:
                    # It need not read all of it, so that an error here, after which there is no more, is none of the whole.
                    failed = feeding.events.popleft().error is not None
                    feeding = None if failed else next(pieces, None)
                while following.events:
                    event = following.events.popleft()
                    if event.kind == lib.SBK_EVENT_OUTPUT:
                        chunk = _output(event)
                        (stderr if chunk.stream == "stderr" else stdout).add(chunk.data)
                    if event.kind != COMPLETION:
                        continue
                    if event.error is not None:
                        raise event.error
                    self._end = types.End._read(event.json)
                    return types.ExecResult(stdout.bytes(), stderr.bytes(), self._end, stdout.dropped + stderr.dropped)
        except BaseException:
            self._call(lib.sbk_process_signal, 9)
            raise
        finally:
            if feeding is not None:
                self._queue.cancel(feeding)
            self._queue.cancel(following)


class _Collected:
    def __init__(self, limit: int) -> None:
        self._chunks: List[bytes] = []
        self._left = limit
        self.dropped = 0

    def add(self, data: bytes) -> None:
        kept = data[: self._left]
        self._chunks.append(kept)
        self._left -= len(kept)
        self.dropped += len(data) - len(kept)

    def bytes(self) -> bytes:
        return b"".join(self._chunks)


def _output(event: Event) -> Output:
    output = types.Output(event.stream, event.contents, event.offset)
    event.free()
    return output
