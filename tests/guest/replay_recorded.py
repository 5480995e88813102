#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the guest what a client once sent to a real envd, and compares the answers by meaning.

usage: replay_recorded.py GUEST RECORDING | --self-test
"""
import ast
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

# Where the guest answers otherwise, and means to: its own part (None: it has none), and why.
NOT_E2B = "it is no sandbox of E2B"
EVERY_TAG = "envd finds only one tag when several processes have one"
DELIBERATE = {
    ("health", "sandboxkit-extensions"): ("1", "tells its own clients that they may ask for more"),
    ("envs before init", "body/E2B_SANDBOX"): (None, NOT_E2B),
    ("envs", "body/E2B_SANDBOX"): (None, NOT_E2B),
    ("Start of a program that is not there", "body/1/data/stderr"):
        (b"sandboxkit-guest: '/no/such': No such file or directory\n", "envd starts programs through nice(1), which complains"),
    ("a process that is killed", "body/1/event/end/signal"): (9, "clients need not read the number out of a sentence"),
    ("bad json", "body/message"): ("unmarshal message: syntax error: syntax error", "the words are another parser's"),
    ("Update of tb", "status"): (200, EVERY_TAG),
    ("Update of tb", "body/code"): (None, EVERY_TAG),
    ("Update of tb", "body/message"): (None, EVERY_TAG),
    ("Update of tc", "status"): (200, EVERY_TAG),
    ("Update of tc", "body/code"): (None, EVERY_TAG),
    ("Update of tc", "body/message"): (None, EVERY_TAG),
}

# Fields of a reply's head that say nothing about its meaning here.
UNCOMPARED = {
    "date", "content-length", "transfer-encoding",
    "vary",  # envd answers other origins; the guest is on a Unix socket, which no page reaches
    "accept-encoding", "connect-accept-encoding",  # an offer of compression, which the guest takes only in /files
    "accept-post",  # an offer of other protocols
}

# What differs from one run to the next, by the name of its member.
CHANGING = {"pid", "modifiedTime", "watcherId", "ts", "cpu_count", "cpu_used_pct", "mem_total", "mem_used", "mem_cache",
            "mem_total_mib", "mem_used_mib", "disk_used", "disk_total"}

# Processes that the client started beside, before it sent the request of that name: their streams by name.
BESIDE = {
    "List with a process": {"the stream of cat1": {"process": {"cmd": "/bin/cat"}, "tag": "cat1"}},
    "Update of ta": {tag: {"process": {"cmd": "/bin/sleep", "args": ["1000"]}, "tag": tag} for tag in ("ta", "tb", "tc")},
}


def read_recording(text):
    """Each exchange as its name, its request (None: the stream of a process beside) and its reply."""
    for block in text.split("===== ")[1:]:
        name, *lines = block.rstrip().split("\n")
        said = {line[:3]: ast.literal_eval(line[4:]) for line in lines}
        yield name, said.get("-->"), said["<--"]


def without_chunks(body):
    whole = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            return whole
        whole, body = whole + body[:size], body[size + 2:]


def masked(value):
    """JSON without what changes from run to run; that it is there, and of which type, stays."""
    if isinstance(value, list):
        return [masked(each) for each in value]
    if not isinstance(value, dict):
        return value
    # How large a directory is depends on its file system.
    changing = CHANGING | {"size"} if value.get("type") == "FILE_TYPE_DIRECTORY" else CHANGING
    number = (int, float)
    return {name: ("a number" if isinstance(each, number) else "a text") if name in changing else masked(each)
            for name, each in value.items()}


def events(body):
    """The messages of a Connect stream; data that come one after the other are joined, by output: how the outputs are cut,
    and which of two is read first, are chance."""
    joined = []
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        message, body = masked(json.loads(body[5:5 + size])), body[5 + size:]
        assert not (flags & 2 and body), "something follows the end of the stream"
        outputs = message.get("event", {}).get("data")
        if outputs is None:
            joined.append({"end of the stream": message} if flags & 2 else message)
            continue
        if "data" not in joined[-1]:
            joined.append({"data": {}})
        data = joined[-1]["data"]
        for output, text in outputs.items():
            data[output] = data.get(output, b"") + base64.b64decode(text, validate=True)
    return joined


def leaves(value, path):
    """Every part of a value by its path; that something is an object or an array is a part, too."""
    if isinstance(value, (dict, list)):
        yield path, type(value).__name__
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, f"{path}/{name}")
    else:
        yield path, value


def meaning(reply):
    """The parts of a reply that are compared, by name."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if value}
    if fields.get("transfer-encoding") == "chunked":
        body = without_chunks(body)
    parts = {"status": int(status.split()[1])}
    for name, value in fields.items():
        if name == "last-modified":
            value = "a date"
        if name == "content-disposition":  # the quotes of a plain name may be left out
            value = value.replace('"', "")
        if name not in UNCOMPARED:
            parts[name] = value
    if fields.get("content-type") == "application/connect+json":
        content = events(body)
    else:
        try:
            content = masked(json.loads(body))
        except ValueError:
            content = body
    return parts | dict(leaves(content, "body"))


class Guest:
    """A guest that is process 1 of a namespace of its own, with an empty /tmp, as the recorded paths are there."""

    def __init__(self, program, directory):
        self.path = os.path.join(directory, "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            script = 'mount -t tmpfs tmpfs /tmp && exec "$@"'
            # Its standard output is open as long as anything of it is there.
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh",
                 program, "--listen-fd", str(listener.fileno())],
                pass_fds=[listener.fileno()], stdout=subprocess.PIPE,
                # It is not dumpable, so the leak check, which traces the process, cannot run in it.
                env={"ASAN_OPTIONS": "detect_leaks=0", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def send(self, request):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(self.path)
        connection.sendall(request)
        return connection

    def start_beside(self, message):
        """The connection, and what came until the process runs."""
        body = json.dumps(message).encode()
        body = struct.pack(">BI", 0, len(body)) + body
        head = ("POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Access-Token: ea_tok\r\n"
                f"Content-Type: application/connect+json\r\nContent-Length: {len(body)}\r\n\r\n")
        connection, came = self.send(head.encode() + body), b""
        while b'"start"' not in came:
            came += receive(connection)
        return connection, came


def receive(connection):
    piece = connection.recv(65536)
    assert piece, "the guest closed the connection too early"
    return piece


def read_to_end(connection, came=b""):
    with connection:
        while piece := connection.recv(65536):
            came += piece
    return came


def faults_of(name, recorded, answered):
    """What differs from the recording and is not deliberate, and what is said to differ and does not."""
    for part in sorted(recorded.keys() | answered.keys()):
        theirs, ours = recorded.get(part), answered.get(part)
        if (name, part) in DELIBERATE:
            expected, reason = DELIBERATE[name, part]
            if ours == theirs:
                yield f"{name}, {part}: no longer differs; remove it from the table ({reason})"
                continue
            theirs = expected
        if ours != theirs:
            yield f"{name}, {part}: {ours!r} came, and not {theirs!r}"


def replay(program, recording):
    exchanges = list(read_recording(recording))
    unknown = {name for name, _ in DELIBERATE} - {name for name, _, _ in exchanges}
    faults = [f"{name}: the table has it, and the recording does not" for name in sorted(unknown)]
    with tempfile.TemporaryDirectory() as directory, Guest(program, directory) as guest:
        streams = {}
        for name, request, reply in exchanges:
            for process, message in BESIDE.get(name, {}).items():
                streams[process] = guest.start_beside(message)
            answer = read_to_end(guest.send(request)) if request else read_to_end(*streams.pop(name))
            faults.extend(faults_of(name, meaning(reply), meaning(answer)))
        for connection, _ in streams.values():
            connection.close()
    print(f"{len(exchanges)} exchanges, {len(faults)} faults")
    print("\n".join(faults))
    return 1 if faults or len(exchanges) < 40 else 0


def self_test():
    """The comparison sees what differs, and only that."""
    def stream(*messages):
        sent = [b"%c" % flags + struct.pack(">I", len(text)) + text.encode() for flags, text in messages]
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in [*sent, b""]))

    def data(output, text):
        return 0, json.dumps({"event": {"data": {output: base64.b64encode(text).decode()}}})

    def found(one, other):
        return [fault.split(":")[0] for fault in faults_of("x", meaning(one), meaning(other))]

    start, end = (0, '{"event":{"start":{"pid":7}}}'), (2, "{}")
    one = stream(start, data("stdout", b"ab"), data("stderr", b"c"), end)
    assert not found(one, stream((0, '{"event": {"start": {"pid": 8}}}'), data("stderr", b"c"), data("stdout", b"a"),
                                 data("stdout", b"b"), end))
    assert found(one, stream(start, data("stdout", b"abc"), end)) == ["x, body/1/data/stderr", "x, body/1/data/stdout"]
    assert "x, body/2/end of the stream" in found(one, stream(start, data("stdout", b"ab"), data("stderr", b"c")))
    assert found(one, stream((0, '{"event":{"start":{"pid":"7"}}}'), *(data("stdout", b"ab"), data("stderr", b"c")), end))
    plain = b'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: application/json\r\n\r\n{"a":1}'
    assert not found(plain, plain.replace(b"now", b"then").replace(b":1", b": 1"))
    assert found(plain, plain.replace(b"200 OK", b"404 No").replace(b":1", b":2")) == ["x, body/a", "x, status"]
    assert found(plain, plain.replace(b"application", b"text")) == ["x, content-type"]
    DELIBERATE["x", "body/a"] = 2, "a reason"
    assert not found(plain, plain.replace(b":1", b":2"))
    assert found(plain, plain.replace(b":1", b":3")) == ["x, body/a"] == found(plain, plain)
    print("the comparison found the planted differences")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    program, recording = arguments
    if os.geteuid() != 0:
        print("SKIPPED: namespaces and the users of the recording need root")
        return 77
    with open(recording, encoding="ascii") as file:
        return replay(program, file.read())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
