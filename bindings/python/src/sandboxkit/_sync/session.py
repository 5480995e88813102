# SPDX-License-Identifier: Apache-2.0
# Made from _async/session.py by make_sync.py: change that one.
"""Sessions: sandboxes that were started from a snapshot."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

from sandboxkit._abi import Event, Path, Struct, command, milliseconds, path_string, seconds, string, tree_limits
from sandboxkit._sync.process import Process
from sandboxkit._sync.waiting import Queue, entering
from sandboxkit._sync.watch import Watch
from sandboxkit._errors import CommandError
from sandboxkit._later import types
from sandboxkit._sandboxkit import lib

if TYPE_CHECKING:
    from datetime import timedelta

    from sandboxkit._sync.client import Client
    from sandboxkit._types import ExecResult, FileInfo, ProcessInfo, SessionInfo, Tree


def start(
    client: Client,
    profile: str,
    version: int,
    client_token: Optional[str],
    idle_limit: Union[int, timedelta, None],
    time_limit: Union[int, timedelta, None],
) -> Session:
    options = Struct("sbk_session_options")
    options.set_string("profile", profile.encode())
    options.set_string("client_token", None if client_token is None else client_token.encode())
    options.native.version = version
    options.native.idle_limit_s = seconds(idle_limit)
    options.native.time_limit_s = seconds(time_limit)

    def undo(event: Event) -> None:
        # Nobody would know of it. With a token, a second start finds it.
        if client_token is None:
            Session(client, types.SessionInfo._read(event.json)).remove()

    event = client._call(lib.sbk_session_start, options.native, undo=undo)
    return Session(client, types.SessionInfo._read(event.json))


class Session:
    """A sandbox. At the end of a `with` block it is removed, with all that it holds."""

    def __init__(self, client: Client, info: SessionInfo) -> None:
        self._client = client
        self._info = info

    def __repr__(self) -> str:
        return f"<sandboxkit.Session {self.id}>"

    @property
    def id(self) -> str:
        """ "ses_..." """
        return self._info.id

    @property
    def info(self) -> SessionInfo:
        """As it was when it was read last."""
        return self._info

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._info.state != "removed":
            self.remove()

    def _call(
        self, function: Callable[..., int], *arguments: Any, undo: Optional[Callable[[Event], None]] = None
    ) -> Event:
        return self._client._call(function, *string(self.id), *arguments, undo=undo)

    def _become(self, function: Callable[..., int]) -> SessionInfo:
        self._info = types.SessionInfo._read((self._call(function)).json)
        return self._info

    def reload(self) -> SessionInfo:
        """Reads it anew."""
        return self._become(lib.sbk_session_get)

    def stop(self) -> SessionInfo:
        """Ends its compute and keeps its files: it can be resumed."""
        return self._become(lib.sbk_session_stop)

    def resume(self) -> SessionInfo:
        """Starts the compute of a stopped session again, with its files."""
        return self._become(lib.sbk_session_resume)

    def remove(self) -> SessionInfo:
        """Ends it, and removes all that it held."""
        return self._become(lib.sbk_session_remove)

    # Commands

    def exec(
        self,
        argv: Sequence[Path],
        *,
        input: Union[str, bytes, None] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        user: Optional[str] = None,
        timeout: Union[float, timedelta, None] = None,
        output_limit: int = 0,
        check: bool = False,
    ) -> ExecResult:
        """Runs a command and collects its output, at most `output_limit` bytes a stream; 0: 16 MiB.

        There is no shell around it: name one where one is wanted. `input` is what it reads; `env` comes on top of the session's
        environment; `user` is a name of the sandbox, without which it is root; after `timeout`, in seconds, its process group
        is killed. With `check` any end but exit code 0 is a CommandError.

        >>> result = session.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        >>> result.stdout, result.stderr, result.exit_code
        (b'out\\n', b'err\\n', 3)
        >>> (session.exec(["tr", "a-z", "A-Z"], input="hello")).text
        'HELLO'
        """
        native = command(argv, env, cwd, user, milliseconds(timeout), input is not None, None)
        if input is None:
            event = self._call(lib.sbk_session_exec, native, output_limit)
            json = event.json
            result = types.ExecResult(event.contents, event.error_contents, types.End._read(json["end"]), json["dropped_bytes"])
        else:
            process = self._start(native, 0)
            try:
                result = process._communicate(input.encode() if isinstance(input, str) else input, output_limit or 16 << 20)
            finally:
                process.close()
        if check and result.exit_code != 0:
            message = f"{argv[0]!r} {result.end}"
            last = result.error_text.strip().splitlines()[-1:]
            raise CommandError(f"{message}: {last[0]}" if last else message, result)
        return result

    @entering
    def start_process(
        self,
        argv: Sequence[Path],
        *,
        stdin: bool = False,
        terminal: Optional[Tuple[int, int]] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
        user: Optional[str] = None,
        timeout: Union[float, timedelta, None] = None,
        window: int = 0,
    ) -> Process:
        """Starts a command. What is named is as for `exec`.

        With `stdin` it has a pipe to read from, else nothing. `terminal` is one of so many columns and rows, in place of all
        three pipes. Of its output at most `window` bytes (0: 1 MiB) are kept here; then it is held back.

        >>> with session.start_process(["cat"], stdin=True) as process:
        ...     process.write("hello")
        ...     process.close_input()
        ...     for chunk in process:
        ...         print(chunk.stream, chunk.data)
        stdout b'hello'
        """
        return self._start(command(argv, env, cwd, user, milliseconds(timeout), stdin, terminal), window)

    def _start(self, native: Any, window: int) -> Process:
        queue = Queue.current()

        def undo(event: Event) -> None:
            # Nobody would know of it.
            process = Process(queue, event, window)
            try:
                process.signal(9)
            finally:
                process.close()

        event = self._call(lib.sbk_process_start, native, undo=undo)
        return Process(queue, event, window)

    @entering
    def attach(self, process: str, *, offset: Optional[int] = None, window: int = 0) -> Process:
        """A process by its id, "cmd_...", whoever started it, also from another program.

        `offset`: its output from there on, 0 being all that is kept; without it, what nobody has read yet.

        >>> process = session.start_process(["echo", "hello"])
        >>> process.close()  # it runs on
        >>> with session.attach(process.id, offset=0) as process:
        ...     [chunk for chunk in process]
        [Output(stream='stdout', data=b'hello\\n', offset=0)]
        """
        queue = Queue.current()
        event = self._call(lib.sbk_process_attach, *string(process), -1 if offset is None else offset)
        return Process(queue, event, window)

    def processes(self) -> List[ProcessInfo]:
        """Those that somebody started and that run."""
        return [types.ProcessInfo._read(each) for each in (self._call(lib.sbk_session_processes)).json]

    def signal(self, process: str, number: int) -> None:
        """Sends a signal to the process group of a process by its id."""
        self._call(lib.sbk_session_signal, *string(process), number)

    # Files, as root of the sandbox. Paths are absolute.

    def read_file(self, path: Path) -> bytes:
        """The contents of a file of at most 64 MiB.

        >>> session.write_file("/workspace/greeting", "hello")
        >>> session.read_file("/workspace/greeting")
        b'hello'
        """
        return (self._call(lib.sbk_file_read, *path_string(path))).contents

    def write_file(self, path: Path, contents: Union[str, bytes]) -> None:
        """Writes a file, and makes the directories above it that are missing."""
        self._call(lib.sbk_file_write, *path_string(path), *string(contents))

    def stat(self, path: Path) -> FileInfo:
        """What a file is.

        >>> (session.stat("/root")).type
        'directory'
        """
        return types.FileInfo._read((self._call(lib.sbk_file_info, *path_string(path))).json)

    def list_directory(self, path: Path, *, depth: int = 1) -> List[FileInfo]:
        """What is in a directory, without an order, and in those below it to the depth of `depth`; 1: only its own."""
        return [types.FileInfo._read(each) for each in (self._call(lib.sbk_file_list, *path_string(path), depth)).json]

    def make_directory(self, path: Path) -> FileInfo:
        """Makes a directory, and those above it that are missing. One that is there is a ConflictError."""
        return types.FileInfo._read((self._call(lib.sbk_file_make_directory, *path_string(path))).json)

    def move(self, source: Path, target: Path) -> FileInfo:
        """Moves a file or a directory."""
        return types.FileInfo._read((self._call(lib.sbk_file_move, *path_string(source), *path_string(target))).json)

    def remove_file(self, path: Path) -> None:
        """Removes a file, or a directory with all that it holds; what is not there, too."""
        self._call(lib.sbk_file_remove, *path_string(path))

    @entering
    def watch(self, path: Path, *, recursive: bool = False) -> Watch:
        """Tells what happens to the files below a directory, from when this has returned; `recursive`: in those below it, too.

        >>> with session.watch("/workspace") as changes:
        ...     session.write_file("/workspace/new", "")
        ...     for change in changes:
        ...         print(change.change, change.name)
        ...         break
        created new
        """
        queue = Queue.current()
        operation = queue.submit(
            lib.sbk_file_watch, self._client._native(queue), *string(self.id), *path_string(path), recursive
        )
        watch = Watch(queue, operation)
        watch._begin()
        return watch

    def upload(self, source: Path, directory: Path) -> Tree:
        """The tree below a path of this machine, or the one file that it is, into a directory of the sandbox."""
        return types.Tree._read((self._call(lib.sbk_tree_upload, *path_string(source), *path_string(directory))).json)

    def download(
        self, source: Path, directory: Path, *, entries: int = 0, bytes: int = 0, file_size: int = 0
    ) -> Tree:
        """The tree below a path of the sandbox into a directory of this machine.

        At most so many `entries` (0: 10 million), `bytes` (0: 1 TiB), and bytes of one file, `file_size` (0: 16 TiB).
        """
        event = self._call(
            lib.sbk_tree_download, *path_string(source), *path_string(directory), tree_limits(entries, bytes, file_size)
        )
        return types.Tree._read(event.json)
