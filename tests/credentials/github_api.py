# SPDX-License-Identifier: Apache-2.0
"""The part of GitHub's REST API that apps mint tokens by, as its documentation has it, on a port of its choosing.

usage: github_api.py ROOT      prints the port, serves until its standard input ends

The API is below /api/v3. The app is "Iv1.tester", its public key the file ROOT/public.pem; claims are verified by PyJWT. The
owner of a repository may ask for trouble:
  absent      404: the app is not installed           suspended   403
  limited     403: no requests left until 2030        later       429: retry after 60 s
  moved       301, to where a token would be lost     broken      500
  silent      no answer                               half        JSON that breaks off
  again       installed anew, with another id, whenever the file ROOT/installation has another number
and so may its name: "unpermitted" and "unselected" 422; "long" a token of 60000 characters; "cut" JSON that breaks off in the
token; "odd" a token with a line end in it; "timeless" no time at which it ends.
Each request is a line of JSON in the file ROOT/requests: its method, path, body, and the token that it came with.
"""

import itertools
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

root = sys.argv[1]
lock = threading.Lock()
numbers = itertools.count()
minted = {}  # token -> whether it is still good


def file(name):
    with open(os.path.join(root, name)) as opened:
        return opened.read()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, value=None, headers=()):
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def app(self, token):
        claims = jwt.decode(token, file("public.pem"), algorithms=["RS256"], issuer="Iv1.tester",
                            options={"require": ["iat", "exp", "iss"]})
        if claims["exp"] > time.time() + 600 or claims["iat"] > time.time():
            raise jwt.InvalidTokenError("the claim is for another time")

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with lock, open(os.path.join(root, "requests"), "a") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "body": body, "token": token}) + "\n")
        if self.headers.get("Accept") != "application/vnd.github+json" or not self.headers.get("User-Agent"):
            return self.reply(400, {"message": "Bad request"})
        if self.path == "/api/v3/installation/token" and self.command == "DELETE":
            with lock:
                good = minted.pop(token, False)
            return self.reply(204) if good else self.reply(401, {"message": "Bad credentials " + token})
        try:
            self.app(token)
        except jwt.InvalidTokenError as error:
            return self.reply(401, {"message": f"{error}: {token}"})
        if found := re.fullmatch(r"/api/v3/repos/([^/]+)/([^/]+)/installation", self.path):
            return self.installation(*found.groups(), token)
        if found := re.fullmatch(r"/api/v3/app/installations/(\d+)/access_tokens", self.path):
            return self.access_token(int(found[1]), json.loads(body))
        return self.reply(404, {"message": "Not Found"})

    def installation(self, owner, name, token):
        answers = {
            "absent": (404, {"message": "Not Found"}, []),
            "suspended": (403, {"message": "This installation has been suspended " + token}, []),
            "limited": (403, {"message": "API rate limit exceeded"},
                        [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1893456000")]),
            "later": (429, {"message": "slow down"}, [("Retry-After", "60")]),
            "moved": (301, {"message": "Moved Permanently"}, [("Location", "/api/v3/stolen")]),
            "broken": (500, token.encode(), []),
            "half": (200, b'{"id": 7', []),
            "again": (200, {"id": int(file("installation")) if owner == "again" else 0}, []),
        }
        if owner == "silent":
            time.sleep(3600)
        return self.reply(*answers.get(owner, (200, {"id": 7, "app_id": 1}, [])))

    def access_token(self, installation, wanted):
        if installation not in (7, int(file("installation"))):
            return self.reply(404, {"message": "Not Found"})
        assert len(wanted["repositories"]) == 1 and set(wanted) == {"repositories", "permissions"}
        name = wanted["repositories"][0]
        if name == "unpermitted":
            return self.reply(422, {"message": "The permissions requested are not granted to this installation."})
        if name == "unselected":
            return self.reply(422, {"message": "There is at least one repository that does not exist or is not accessible."})
        with lock:
            token = f"ghs_1_canary.{next(numbers)}-{'x' * (60000 if name == 'long' else 500)}_"
            minted[token] = True
        answer = {"token": token + ("\n" if name == "odd" else ""),
                  "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)),
                  "permissions": wanted["permissions"], "repository_selection": "selected"}
        if name == "timeless":
            answer["expires_at"] = "soon " + token
        return self.reply(201, json.dumps(answer).encode()[:40] if name == "cut" else answer)

    do_GET = do_POST = do_DELETE = serve


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
