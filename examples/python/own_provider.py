#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A provider of one's own: sandboxes by an OCI runtime, of images that are directories.

own_provider.py BASE GUEST runs a session in one whose image is a copy of BASE, with the program sandboxkit-guest at GUEST.

What it cannot do is absent from its capabilities: it limits nothing, has no network but none, and no volumes. All that it knows
is in its directory and in the runtime's, so that another process finds its sandboxes.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import time
from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, Union

import sandboxkit
from sandboxkit import CaptureResult, CreateRequest, Endpoint, ImageInfo, ImageRequest, Ingredient, SandboxInfo

GUEST = "/dev/sandboxkit-guest"  # in the sandbox, where no image has anything
KEPT_CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
]
REFUSED_CALLS = [
    "acct", "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
    "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "kexec_file_load", "kexec_load", "keyctl",
    "lookup_dcookie", "mount", "mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "perf_event_open",
    "pivot_root", "quotactl", "reboot", "request_key", "setdomainname", "sethostname", "setns", "settimeofday", "swapoff",
    "swapon", "syslog", "umount", "umount2", "unshare", "userfaultfd", "vhangup",
]
NEW_NAMESPACES = 0x7E020000  # flags of clone()
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class DirectoryProvider(sandboxkit.Provider):
    """Images and sandboxes are directories below one, each with its record."""

    name = "directory"

    def __init__(self, directory: Union[str, os.PathLike[str]], guest: Union[str, os.PathLike[str]]) -> None:
        runtime = shutil.which("runc") or shutil.which("crun")
        if runtime is None:
            raise sandboxkit.UnsupportedError("no_runtime", "there is no runc and no crun", remedy="install one of them")
        self.directory = pathlib.Path(directory).resolve()
        self.guest = os.fspath(pathlib.Path(guest).resolve(strict=True))
        self.runtime = [runtime, "--root", os.fspath(self.directory / "runtime")]
        for name in ("images", "sandboxes", "locks", "making"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def capabilities(self) -> sandboxkit.Capabilities:
        return sandboxkit.Capabilities(
            capture=True, stop_and_resume=True, egress_none=True, image_kinds=("directory",),
            facts={"runtime": os.path.basename(self.runtime[0])},
        )

    # ---- Images: images/<id>/rootfs and images/<id>/record.json. They appear whole, by a rename.

    def prepare_image(self, request: ImageRequest) -> ImageInfo:
        if request.image.startswith("directory:/"):
            base = pathlib.Path(request.image[len("directory:"):])
            if not base.is_dir():
                raise sandboxkit.NotFoundError("image_not_found", f"there is no directory {base}")
            ingredients = [["base_image", request.image, fingerprint(base)]]
        else:
            base, ingredients = self._image(request.image) / "rootfs", self._image_record(request.image)["ingredients"]
        if request.digest is not None:
            raise sandboxkit.InvalidError("image_digest_mismatch", "a directory has no digest", remedy="leave the digest out")
        with self._making() as making:
            copy(base, making / "rootfs")
            for tree in request.trees:
                add_tree(making / "rootfs", tree.source, tree.target)
            write_record(making, {"labels": dict(request.labels), "ingredients": ingredients})
            return self._publish(making)

    def inspect_image(self, image_id: str) -> ImageInfo:
        record = self._image_record(image_id)
        ingredients = [Ingredient(*each) for each in record["ingredients"]]
        stale = any(fingerprint(pathlib.Path(each.name[len("directory:"):])) != each.digest for each in ingredients)
        return ImageInfo(image_id, record["labels"], tuple(ingredients), stale)

    def list_images(self) -> List[ImageInfo]:
        images = []
        for path in sorted((self.directory / "images").iterdir()):
            with contextlib.suppress(sandboxkit.NotFoundError):  # removed since
                images.append(self.inspect_image(path.name))
        return images

    def remove_image(self, image_id: str) -> None:
        with self._locked("images"):
            with contextlib.suppress(sandboxkit.NotFoundError):
                image = self._image(image_id)
                if any(record["image_id"] == image_id for record in self._records()):
                    raise sandboxkit.ConflictError("image_in_use", f"sandboxes use the image {image_id}")
                gone = self.directory / "making" / secrets.token_hex(8)
                image.rename(gone)
                shutil.rmtree(gone)

    def _image(self, image_id: str) -> pathlib.Path:
        path = self.directory / "images" / image_id
        if re.fullmatch("img-[0-9a-f]{16}", image_id) is None or not path.is_dir():
            raise sandboxkit.NotFoundError("image_not_found", f"there is no image {image_id!r}")
        return path

    def _image_record(self, image_id: str) -> Dict[str, Any]:
        return read_record(self._image(image_id), sandboxkit.NotFoundError("image_not_found", f"there is no image {image_id}"))

    @contextlib.contextmanager
    def _making(self) -> Iterator[pathlib.Path]:
        making = self.directory / "making" / secrets.token_hex(8)
        making.mkdir()
        try:
            yield making
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _publish(self, making: pathlib.Path) -> ImageInfo:
        os.sync()
        image_id = f"img-{secrets.token_hex(8)}"
        making.rename(self.directory / "images" / image_id)
        return self.inspect_image(image_id)

    # ---- Sandboxes: sandboxes/<id>/record.json first, so that half-made ones are listed; then rootfs.

    def create(self, request: CreateRequest) -> SandboxInfo:
        check_request(request)
        # Of the token: creation is idempotent by it.
        sandbox_id = "box-" + hashlib.sha256(request.token.encode()).hexdigest()[:32]
        path = self.directory / "sandboxes" / sandbox_id
        with self._locked(sandbox_id):
            with self._locked("images"):  # from here on it uses the image
                image = self._image(request.image_id) if not path.exists() else None
                if image is not None:
                    path.mkdir(mode=0o700)
                    unenforced = ["cpus", "memory", "processes"] + ["disk"] * (request.limits.disk_bytes is not None)
                    write_record(path, {
                        "token": request.token, "image_id": request.image_id, "labels": dict(request.labels),
                        "hostname": request.hostname, "unenforced": unenforced,
                    })
            if not (path / "rootfs").exists() and not (path / "captured").exists():
                shutil.rmtree(path / "making", ignore_errors=True)
                copy(self._image(request.image_id) / "rootfs", path / "making")
                add_hosts(path / "making")
                (path / "making").rename(path / "rootfs")
            return self.inspect(sandbox_id)

    def start(self, sandbox_id: str) -> None:
        path = self._sandbox(sandbox_id)
        with self._locked(sandbox_id):
            if not (path / "rootfs").exists():
                raise sandboxkit.ConflictError("sandbox_not_whole", f"the sandbox {sandbox_id} was captured, or never finished")
            if self._state(sandbox_id).get("status") == "running":
                return
            self._end(sandbox_id)  # what ended by itself
            (path / "config.json").write_text(json.dumps(configuration(self._record(sandbox_id)["hostname"], self.guest)))
            with listening(path / "socket") as listener, open(path / "log", "wb") as log:
                self._launch(sandbox_id, path, listener, log)
            wait_for_guest(path / "socket", path / "log")

    def stop(self, sandbox_id: str) -> None:
        self._sandbox(sandbox_id)
        with self._locked(sandbox_id):
            self._end(sandbox_id)

    def destroy(self, sandbox_id: str) -> None:
        with contextlib.suppress(sandboxkit.NotFoundError):
            path = self._sandbox(sandbox_id)
            with self._locked(sandbox_id):
                self._end(sandbox_id)
                for each in ("rootfs", "making"):
                    shutil.rmtree(path / each, ignore_errors=True)
                shutil.rmtree(path, ignore_errors=True)  # with its record

    def inspect(self, sandbox_id: str) -> SandboxInfo:
        record = self._record(sandbox_id)
        state = {"running": "running", "stopped": "ended"}.get(str(self._state(sandbox_id).get("status")), "created")
        return SandboxInfo(sandbox_id, record["token"], state, record["labels"], tuple(record["unenforced"]))

    def list(self, labels: Mapping[str, str]) -> List[SandboxInfo]:
        return [self.inspect(record["id"]) for record in self._records() if labels.items() <= record["labels"].items()]

    def endpoint(self, sandbox_id: str) -> Endpoint:
        path = self._sandbox(sandbox_id)
        if self._state(sandbox_id).get("status") != "running":
            raise sandboxkit.ConflictError("sandbox_not_running", f"the sandbox {sandbox_id} does not run")
        return Endpoint(unix_socket=os.fspath(path / "socket"))

    def capture(self, sandbox_id: str, labels: Mapping[str, str]) -> CaptureResult:
        path = self._sandbox(sandbox_id)
        with self._locked(sandbox_id):
            if not (path / "rootfs").exists():
                raise sandboxkit.ConflictError("sandbox_not_whole", f"the sandbox {sandbox_id} was captured already")
            began = time.monotonic()
            ingredients = self._image_record(self._record(sandbox_id)["image_id"])["ingredients"]
            self._end(sandbox_id)
            (path / "captured").touch()
            with self._making() as making:
                write_record(making, {"labels": dict(labels), "ingredients": ingredients})
                (path / "rootfs").rename(making / "rootfs")  # nothing is copied: the sandbox is only good for destroy() now
                sealed = time.monotonic()
                image = self._publish(making)
            synced = time.monotonic()
        return CaptureResult(image, round((sealed - began) * 1e6), round((synced - sealed) * 1e6))

    def _sandbox(self, sandbox_id: str) -> pathlib.Path:
        path = self.directory / "sandboxes" / sandbox_id
        if re.fullmatch("box-[0-9a-f]{32}", sandbox_id) is None or not path.is_dir():
            raise sandboxkit.NotFoundError("sandbox_not_found", f"there is no sandbox {sandbox_id!r}")
        return path

    def _record(self, sandbox_id: str) -> Dict[str, Any]:
        missing = sandboxkit.NotFoundError("sandbox_not_found", f"there is no sandbox {sandbox_id}")
        return read_record(self._sandbox(sandbox_id), missing)

    def _records(self) -> List[Dict[str, Any]]:
        records = []
        for path in sorted((self.directory / "sandboxes").iterdir()):
            with contextlib.suppress(sandboxkit.NotFoundError):
                records.append({**self._record(path.name), "id": path.name})
        return records

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Against other threads and other processes. Two sandboxes may share a lock."""
        with open(self.directory / "locks" / name[:6], "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # ---- The runtime

    def _launch(self, sandbox_id: str, path: pathlib.Path, listener: socket.socket, log: BinaryIO) -> None:
        command = [*self.runtime, "run", "--detach", "--bundle", os.fspath(path), "--preserve-fds", "1", sandbox_id]
        # The guest gets its socket as descriptor 3, and no other: those of Python close by themselves.
        process = os.posix_spawn(command[0], command, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            (os.POSIX_SPAWN_DUP2, listener.fileno(), 3),
        ])
        if os.waitpid(process, 0)[1] != 0:
            raise sandboxkit.UnavailableError(
                "runtime_failed", f"the runtime could not start the sandbox {sandbox_id}", detail=tail(path / "log")
            )

    def _run(self, *arguments: str) -> str:
        """What the runtime says; nothing of a sandbox that it does not know."""
        done = subprocess.run(
            [*self.runtime, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return done.stdout if done.returncode == 0 else ""

    def _state(self, sandbox_id: str) -> Dict[str, Any]:
        state: Dict[str, Any] = json.loads(self._run("state", sandbox_id) or "{}")
        return state

    def _end(self, sandbox_id: str) -> None:
        state = self._state(sandbox_id)
        if state.get("status") == "running":
            with contextlib.suppress(ProcessLookupError):
                process = os.pidfd_open(state["pid"])  # the first of its PID namespace: the others end before it
                try:
                    self._run("kill", sandbox_id, "KILL")
                    select.select([process], [], [])
                finally:
                    os.close(process)
        if state:
            self._run("delete", "--force", sandbox_id)


def configuration(hostname: str, guest: str) -> Dict[str, Any]:
    """Of the OCI runtime."""
    def mount(destination: str, kind: str, source: str, *options: str) -> Dict[str, Any]:
        return {"destination": destination, "type": kind, "source": source, "options": list(options)}

    quiet = ("nosuid", "noexec", "nodev")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": [GUEST, "--listen-fd", "3"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "noNewPrivileges": True,
            "capabilities": {each: KEPT_CAPABILITIES for each in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": hostname,
        "mounts": [
            mount("/proc", "proc", "proc", *quiet),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
            mount("/dev/shm", "tmpfs", "shm", *quiet, "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", *quiet),
            mount("/sys", "sysfs", "sysfs", *quiet, "ro"),
            mount(GUEST, "bind", guest, "bind", "ro", "nosuid", "nodev"),
        ],
        "linux": {
            "namespaces": [{"type": each} for each in ("pid", "mount", "ipc", "uts", "network", "cgroup")],
            "rootfsPropagation": "private",
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},  # and the usual ones, which the runtime adds
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats", "/proc/scsi", "/sys/firmware",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
                "syscalls": [
                    {"names": REFUSED_CALLS, "action": "SCMP_ACT_ERRNO"},
                    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},  # its arguments are in memory
                    *(
                        {"names": ["clone"], "action": "SCMP_ACT_ERRNO",
                         "args": [{"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"}]}
                        for flag in (1 << bit for bit in range(32)) if flag & NEW_NAMESPACES
                    ),
                    {"names": ["socket"], "action": "SCMP_ACT_ERRNO",
                     "args": [{"index": 0, "value": socket.AF_NETLINK, "op": "SCMP_CMP_GT"}]},
                ],
            },
        },
    }


def check_request(request: CreateRequest) -> None:
    """What cannot be is refused before anything is made."""
    paths = list(request.read_only_paths)
    wrong = (
        "there is no token" if not request.token
        else "this is no host name" if HOSTNAME.fullmatch(request.hostname) is None
        else "a path is not absolute and normalized" if any(
            not path.startswith("/") or os.path.normpath(path) != path for path in paths)
        else "there are more than 32 labels" if len(request.labels) > 32
        else "a label is longer than 256 bytes" if any(
            len(text.encode()) > 256 for pair in request.labels.items() for text in pair)
        else None
    )
    if wrong is not None:
        raise sandboxkit.InvalidError("bad_request", wrong)
    if paths or request.volumes or request.egress != "none":
        raise sandboxkit.UnsupportedError("not_supported", "this provider has no read-only paths, no volumes and no network")


def copy(source: Union[str, pathlib.Path], target: pathlib.Path) -> None:
    """With owners, times, links, attributes and holes."""
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--sparse=auto", "--", source, target], stderr=subprocess.PIPE, text=True, errors="replace"
    )
    if done.returncode != 0:
        raise sandboxkit.UnavailableError("copy_failed", f"{source} could not be copied", detail=done.stderr[-4000:])


def add_tree(root: pathlib.Path, source: str, target: str) -> None:
    """Puts a tree into an image, as root's. A link on the way could lead out of the image."""
    path = root
    for part in pathlib.PurePosixPath(target).parts[1:]:
        path = path / part
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise sandboxkit.InvalidError("tree_target", f"{target} does not lead to a directory in the image")
        if not path.exists():
            path.mkdir(mode=0o755)
            os.chmod(path, 0o755)
    tree = root.with_name("tree")
    copy(pathlib.Path(source), tree)
    for directory, names, files in os.walk(tree):
        for name in [*names, *files]:
            os.chown(os.path.join(directory, name), 0, 0, follow_symlinks=False)
    copy(f"{tree}/.", path)  # into it
    shutil.rmtree(tree)


def add_hosts(root: pathlib.Path) -> None:
    """A sandbox knows itself, also where its image says nothing of that."""
    etc = root / "etc"
    if etc.is_symlink() or not etc.is_dir():
        return
    with contextlib.suppress(FileExistsError), open(etc / "hosts", "x") as hosts:
        hosts.write("127.0.0.1\tlocalhost\n::1\tlocalhost\n")


def fingerprint(directory: pathlib.Path) -> str:
    """Of names, kinds, sizes and times: what changes when a file is written."""
    digest = hashlib.sha256()
    for path, names, files in os.walk(directory):
        names.sort()
        for name in sorted(names + files):
            found = os.lstat(os.path.join(path, name))
            line = f"{os.path.join(path, name)}\0{found.st_mode}\0{found.st_size}\0{found.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return f"fingerprint:{digest.hexdigest()}"


def tail(path: pathlib.Path) -> str:
    return path.read_text(errors="replace")[-4000:]


def read_record(directory: pathlib.Path, missing: Exception) -> Dict[str, Any]:
    try:
        record: Dict[str, Any] = json.loads((directory / "record.json").read_text())
        return record
    except FileNotFoundError:
        raise missing from None


def write_record(directory: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Whole or not at all, and durable."""
    with open(directory / "record.new", "w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    (directory / "record.new").rename(directory / "record.json")


@contextlib.contextmanager
def listening(path: pathlib.Path) -> Iterator[socket.socket]:
    """The socket is made outside of the sandbox, which has no name for it: nobody in there can put another in its place."""
    path.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{directory}/{path.name}")  # the path of a socket has 107 bytes at most
            listener.listen(128)
            yield listener
    finally:
        os.close(directory)


def wait_for_guest(path: pathlib.Path, log: pathlib.Path) -> None:
    directory = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(f"/proc/self/fd/{directory}/{path.name}")
            client.sendall(b"GET /health HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n")
            if client.recv(1):
                return
    except OSError:
        pass
    finally:
        os.close(directory)
    raise sandboxkit.UnavailableError(
        "guest_died", "the guest program ended at once", detail=tail(log)
    )


def main() -> None:
    base, guest = sys.argv[1:]
    provider = DirectoryProvider("provider", guest)
    with sandboxkit.Engine("sandboxes.db", providers=[provider]) as engine:
        profile = engine.create_profile({
            "name": "own", "provider": provider.name, "image": f"directory:{base}", "network": {"egress": "none"},
            "setup_script": "echo hello > /root/greeting",
        })
        profile.publish().snapshot.wait(progress=print)
        with profile.start_session() as session:
            print(session.exec(["cat", "/root/greeting"]).text, end="")
        profile.delete()


if __name__ == "__main__":
    main()
