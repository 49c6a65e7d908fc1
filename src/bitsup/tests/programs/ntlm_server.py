"""A server that wants NTLM or Negotiate for each connection, as IIS does, in front of a BITS server.

Arguments: port, port of the BITS server, file for the log, words. The words are the schemes to
offer, and `each-request` for a login that holds for one request only. The log has a line a
request: connection, packet, what was shown (none, or the scheme), bytes of the body, status, user.
"""

import base64
import http.client
import http.server
import sys
import threading

import spnego

PORT, BACKEND, LOG, WORDS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
SCHEMES = [word for word in WORDS if word != "each-request"]
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "authorization"}
counter = iter(range(1, 1_000_000))
log_lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.number = next(counter)
        self.user = None
        self.context = None
        self.backend = None

    def finish(self):
        super().finish()
        if self.backend:
            self.backend.close()

    def log_message(self, *_):
        pass

    def do_BITS_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        shown = self.headers.get("Authorization")
        challenge = [f"{scheme}" for scheme in SCHEMES]
        final = None
        if shown:
            scheme, _, token = shown.partition(" ")
            challenge, final = self.step(scheme, base64.b64decode(token))
        if self.user:
            self.forward(body, shown, final)
        else:
            self.answer(body, shown, challenge)

    do_HEAD = do_GET = do_BITS_POST

    def step(self, scheme, token):
        """One step of a login: what to ask with, or what to say at its end."""
        self.user = None
        if self.context is None or self.context.complete:
            self.context = spnego.server(protocol=scheme.lower())
        try:
            said = self.context.step(token)
        except spnego.exceptions.SpnegoError:
            self.context = None
            return [f"{scheme}" for scheme in SCHEMES], None
        said = base64.b64encode(said or b"").decode()
        if self.context.complete:
            self.user = self.context.client_principal
            return None, f"{scheme} {said}" if said else None
        return [f"{scheme} {said}"], None

    def answer(self, body, shown, challenge):
        text = b"<html>Who are you?</html>"
        self.send_response(401)
        for value in challenge:
            self.send_header("WWW-Authenticate", value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        self.note(body, shown, 401)

    def forward(self, body, shown, final):
        if self.backend is None:
            self.backend = http.client.HTTPConnection("127.0.0.1", BACKEND)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        self.backend.request(self.command, self.path, body, headers)
        answer = self.backend.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if final:
            self.send_header("WWW-Authenticate", final)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.note(body, shown, answer.status)
        if "each-request" in WORDS:
            self.user = None

    def note(self, body, shown, status):
        packet = self.headers.get("BITS-Packet-Type", self.command)
        scheme = shown.split(" ")[0] if shown else "none"
        line = f"{self.number} {packet} {scheme} {len(body)} {status} {self.user or '-'}\n"
        with log_lock, open(LOG, "a") as log:
            log.write(line)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


Server(("127.0.0.1", PORT), Handler).serve_forever()
