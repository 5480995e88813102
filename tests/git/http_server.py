# SPDX-License-Identifier: Apache-2.0
"""A real git server over HTTP: git http-backend behind Python's own HTTP server, on a port of its choosing.

usage: http_server.py ROOT [CERTIFICATE KEY]      prints the port, serves until its standard input ends; with TLS if they are given

The first part of a path may ask for trouble:
  /auth/...   401 to whoever comes        /page/...   a web page, not a repository
  /private/...   401 to who does not come with what the file ROOT/login holds, "user:secret"
  /parrot/...    what the client came with as the kind of the answer, after a 401
  /moved/...     to /private/... of this host          /elsewhere/...   to /private/... of another name of it
  /inside/...    as /elsewhere/, but to who may see /private/...
  /half/...   half of the pack, then silence            /drop/...   half of the pack, then the end
  /mute/...   no answer to the first request            /deaf/...   none to the second, what is wanted
  /flip/...   one bit of the pack is another           /hide/...   403, and /lose/... 404, to who comes as ROOT/login says
  /peel/...   a branch with an impossible name is advertised, ending as what a tag is of does
Any path is served as /half/ while the file ROOT/halt exists.
Of every request, what came as its host, path and authorization is a line of the file ROOT/requests. It is a proxy for itself,
with "proxied" as the host.
"""

import base64
import os
import re
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

root = sys.argv[1]


def login():
    with open(os.path.join(root, "login")) as file:
        return file.read()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return data

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        request = self.body()
        host = self.headers["Host"]
        if self.path.startswith("http://"):
            self.path = self.path[self.path.index("/", 7) :]
            host = "proxied"
        path, _, query = self.path.partition("?")
        trouble = path.split("/")[1]
        authorization = self.headers.get("Authorization", "")
        with open(os.path.join(root, "requests"), "a") as file:
            file.write(f"{host} {self.path} {authorization}\n")
        challenge = [("WWW-Authenticate", 'Basic realm="test"')]
        if trouble == "auth" or trouble == "parrot" and not authorization:
            return self.reply(401, challenge, b"")
        if trouble == "parrot":
            return self.reply(200, [("Content-Type", authorization + " " + login())], b"")
        if trouble in ("private", "inside") and authorization != "Basic " + base64.b64encode(login().encode()).decode():
            return self.reply(401, challenge, b"")
        if trouble in ("moved", "elsewhere", "inside"):
            to = host if trouble == "moved" else f"localhost:{server.server_address[1]}"
            return self.reply(301, [("Location", f"http://{to}" + self.path.replace(trouble, "private", 1))], b"")
        if trouble == "private":
            path = path[8:]
        if trouble == "page":
            return self.reply(200, [("Content-Type", "text/html")], b"<html>hello</html>")
        if trouble in ("hide", "lose"):
            return self.reply(403 if trouble == "hide" else 404, [], b"") if authorization else self.reply(401, challenge, b"")
        if (trouble, self.command) in (("mute", "GET"), ("deaf", "POST")):
            self.close_connection = True
            return self.rfile.read(1)  # until the client leaves
        if trouble in ("half", "drop", "peel", "deaf", "flip"):
            path = path[5:]
        if os.path.exists(os.path.join(root, "halt")):
            trouble = "half"
        environment = dict(
            os.environ,
            GIT_PROJECT_ROOT=root,
            GIT_HTTP_EXPORT_ALL="1",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0="safe.directory",
            GIT_CONFIG_VALUE_0="*",
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            CONTENT_LENGTH=str(len(request)),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
        )
        answer = subprocess.run(
            ["git", "http-backend"], input=request, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout
        head, _, body = answer.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        if trouble == "peel" and self.command == "GET":
            oid = re.search(rb"[0-9a-f]{40}", body)[0]
            name = b"refs/heads/evil x\n" + oid + b" refs/heads/../../../pwn^{}"
            body = body[:-4] + b"%04x%s %s\n" % (4 + 40 + 1 + len(name) + 1, oid, name) + b"0000"
        if trouble == "flip" and self.command == "POST":
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        if trouble not in ("half", "drop") or self.command == "GET":
            return self.reply(status, headers, body)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if trouble == "half":
            self.rfile.read(1)  # until the client leaves
        self.close_connection = True

    do_GET = do_POST = serve


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.daemon_threads = True
server.handle_error = lambda *args: None  # clients that leave in the middle are what this is for
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
