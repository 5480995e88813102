# SPDX-License-Identifier: Apache-2.0
"""Clones of a private repository, whose credential a function of the host application gives."""
import asyncio
import base64
import http.server
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import sandboxkit
import sandboxkit.aio
from support import needs_root

SECRET = "hush"


class Handler(http.server.BaseHTTPRequestHandler):
    """Git's own server behind a password."""

    root = ""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        body = self.body()
        wanted = base64.b64encode(f"ada:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_USER": "ada",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "CONTENT_LENGTH": str(len(body)),
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        answer = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while True:
            size = int(self.rfile.readline(), 16)
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                return b"".join(chunks)


@needs_root
class Credentials(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        work = self.directory / "work"
        git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.invalid"]
        subprocess.run([*git, "init", "-q", "-b", "main", work], check=True)
        (work / "README").write_text("private\n")
        subprocess.run([*git, "-C", work, "add", "README"], check=True)
        subprocess.run([*git, "-C", work, "commit", "-q", "-m", "one"], check=True)
        subprocess.run([*git, "clone", "-q", "--bare", work, self.directory / "repositories" / "app.git"], check=True)
        handler = type("Handler", (Handler,), {"root": str(self.directory / "repositories")})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/app.git"
        self.document = {"name": "app", "repositories": [{"url": self.url, "branch": "main"}]}
        self.requests = []

    def credentials(self, request):
        self.requests.append(request)
        return sandboxkit.Credential("ada", SECRET, 1893456000)

    def check_request(self, version):
        (request,) = self.requests
        self.assertEqual((request.purpose, request.url, request.connection), ("clone", self.url, None))
        self.assertEqual((request.profile, request.version), (version.info.profile, 1))
        self.assertEqual((request.repository, request.role), ("app", "primary"))
        self.assertRegex(request.job, "^job_")
        self.assertEqual(request.session, "")

    def test_a_function(self):
        with sandboxkit.Engine(self.directory / "sandboxes.db", credentials=self.credentials) as engine:
            profile = engine.create_profile(self.document)
            version = profile.publish()
            version.snapshot.wait()
            self.check_request(version)
            with profile.start_session() as session:
                self.assertEqual(session.read_file("/workspace/app/README"), b"private\n")
            profile.delete()

    def test_it_is_given_back(self):
        releases = []
        options = {"credentials": self.credentials, "credential_releases": releases.append}
        with sandboxkit.Engine(self.directory / "sandboxes.db", **options) as engine:
            profile = engine.create_profile(self.document)
            profile.publish().snapshot.wait()
            self.assertEqual(releases, [sandboxkit.CredentialRelease(self.requests[0], over=True, refused=False)])
            use = next(each for each in profile.activity() if each.action == "credential.use")
            self.assertEqual(use.detail["expires"], "2030-01-01T00:00:00.000Z")
            profile.delete()

    def test_a_document(self):
        (self.directory / "token").write_text(SECRET)
        secret = {"file": str(self.directory / "token")}
        sources = {"sources": [{"kind": "token", "url": self.url, "username": "ada", "secret": secret}]}
        with sandboxkit.Engine(self.directory / "sandboxes.db", credential_sources=sources) as engine:
            profile = engine.create_profile(self.document)
            profile.publish().snapshot.wait()
            profile.delete()
        with self.assertRaises(sandboxkit.InvalidError) as caught:
            sandboxkit.Engine(self.directory / "other.db", credential_sources={"sources": [1]}).open()
        self.assertEqual(caught.exception.problems[0].pointer, "/credential_sources/sources/0")

    def test_a_coroutine_function(self):
        async def credentials(request):
            await asyncio.sleep(0)
            return self.credentials(request)

        async def main():
            async with sandboxkit.aio.Engine(self.directory / "sandboxes.db", credentials=credentials) as engine:
                profile = await engine.create_profile(self.document)
                version = await profile.publish()
                await version.snapshot.wait()
                self.check_request(version)
                await profile.delete()

        asyncio.run(main())

    def test_none(self):
        for function in (None, lambda _: None):
            with sandboxkit.Engine(self.directory / "sandboxes.db", credentials=function) as engine:
                profile = engine.create_profile(self.document)
                version = profile.publish()
                with self.assertRaises(sandboxkit.Error) as caught:
                    version.snapshot.wait()
                self.assertNotIn(SECRET, str(caught.exception))
                profile.delete(force=True)
