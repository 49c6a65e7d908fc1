"""A server that wants NTLM or Negotiate for each connection, as IIS does, in front of a BITS server.

Arguments: port, port of the BITS server, file for the log, words. The words are the schemes to
offer; `each-request` for a login that holds for one request only; `tls=FILE` for TLS with that
certificate and key, `tls1.2` for that version; `bound=FILE` to take no login that is not bound to
that certificate; and `kerberos` for tickets in place of passwords. The log has a line a
request: connection, packet, what was shown (none, or the scheme), bytes of the body, status, user.
"""

import base64
import http.client
import http.server
import ssl
import sys
import threading

PORT, BACKEND, LOG, WORDS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
SCHEMES = [word for word in WORDS if word in ("NTLM", "Negotiate")]
FILES = dict(word.split("=", 1) for word in WORDS if "=" in word)
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "authorization"}
counter = iter(range(1, 1_000_000))
log_lock = threading.Lock()
tls = None
if "tls" in FILES:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FILES["tls"])
    if "tls1.2" in WORDS:
        tls.maximum_version = ssl.TLSVersion.TLSv1_2


def application_data():
    """What logins must be bound to, or None."""
    if "bound" not in FILES:
        return None
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    with open(FILES["bound"], "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    algorithm = certificate.signature_hash_algorithm
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return b"tls-server-end-point:" + certificate.fingerprint(algorithm)


BOUND = application_data()

if "kerberos" in WORDS:
    import gssapi

    class Acceptor:
        """One login with a ticket."""

        # GSS_C_CHANNEL_BOUND_FLAG: the client's ticket names the same channel.
        IS_BOUND = 2048

        def __init__(self, _):
            bindings = BOUND and gssapi.raw.ChannelBindings(application_data=BOUND)
            self.context = gssapi.SecurityContext(usage="accept", channel_bindings=bindings)

        def step(self, token):
            said = self.context.step(token)
            if self.complete and BOUND and not int(self.context.actual_flags) & self.IS_BOUND:
                raise gssapi.raw.BadChannelBindingsError(0, 0)
            return said

        @property
        def complete(self):
            return self.context.complete

        @property
        def client_principal(self):
            return str(self.context.initiator_name)

    Refused = gssapi.raw.GSSError
else:
    import spnego

    def Acceptor(scheme):
        """One login with a password."""
        bindings = BOUND and spnego.channel_bindings.GssChannelBindings(application_data=BOUND)
        return spnego.server(protocol=scheme, channel_bindings=bindings)

    Refused = spnego.exceptions.SpnegoError


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        if tls:
            self.request = tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.number = next(counter)
        self.user = None
        self.context = None
        self.backend = None

    def finish(self):
        super().finish()
        if self.backend:
            self.backend.close()
        if tls:
            self.request.close()

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
            self.context = Acceptor(scheme.lower())
        try:
            said = self.context.step(token)
        except Refused as error:
            print(f"refused: {error}", flush=True)
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
