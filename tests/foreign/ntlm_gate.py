"""An Exchange with NTLM alone: pyspnego accepts the sign-in over TLS, the sandbox's Exchange answers behind it.

Arguments: the hash of the certificate's signature (sha256, sha384, sha512), and what Extended Protection wants: `off`,
`require`, or `proxy` (required, and the certificate that the client sees is not the one that Exchange has).

Prints one line of JSON (`url`, `ca_pem`), serves until its input ends, then prints how many sign-ins were accepted,
refused for their binding, and refused.
"""

import base64
import datetime
import http.client
import json
import os
import pathlib
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import spnego
import spnego._ntlm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadBindingsError, SpnegoError

from common import INFO

HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
HASH = HASHES[sys.argv[1]]
PROTECTION = sys.argv[2]
BEHIND = urlsplit(INFO["exchange"]["http"])

scratch = tempfile.TemporaryDirectory()
folder = pathlib.Path(scratch.name)
counts = {"accepted": 0, "unbound": 0, "refused": 0}
lock = threading.Lock()


def count(what):
    with lock:
        counts[what] += 1


def certificate(name):
    """A key and a certificate for localhost, signed by itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, HASH())
    )
    return key, made


def end_point(made):
    """RFC 5929, as another library computes it."""
    digest = hashes.Hash(made.signature_hash_algorithm)
    digest.update(made.public_bytes(serialization.Encoding.DER))
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())


key, shown = certificate("gate")
_, behind = certificate("exchange")
BINDINGS = {"off": None, "require": end_point(shown), "proxy": end_point(behind)}[PROTECTION]

pem = folder / "server.pem"
pem.write_bytes(
    key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    + shown.public_bytes(serialization.Encoding.PEM)
)
ca_pem = folder / "ca.pem"
ca_pem.write_bytes(shown.public_bytes(serialization.Encoding.PEM))

# Every form of a login that the accounts have.
users = {}
for user in INFO["users"]:
    alias = user["mailbox"].split("@")[0]
    for domain, name in [("CONTOSO", alias), ("", user["exchange_login"])]:
        users[f"{domain}\\{name}" if domain else name] = user
        with open(folder / "users", "a", encoding="utf-8") as store:
            store.write(f"{domain}:{name}:{user['exchange_password']}\n")
os.environ["NTLM_USER_FILE"] = str(folder / "users")


class Gate(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    user = None
    context = None

    def log_message(self, *_):
        pass

    def challenge(self, token=None):
        self.send_response(401)
        value = "NTLM" if token is None else "NTLM " + base64.b64encode(token).decode()
        self.send_header("WWW-Authenticate", value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "NTLM":
            token = base64.b64decode(token)
            if token[8] == 1:
                self.user = None
                self.context = spnego.server(protocol="ntlm", channel_bindings=BINDINGS)
                self.challenge(self.context.step(token))
                return
            try:
                self.context.step(token)
            except BadBindingsError:
                count("unbound")
                self.challenge()
                return
            except SpnegoError as error:
                print(error, file=sys.stderr)
                count("refused")
                self.challenge()
                return
            count("accepted")
            self.user = users[self.context.client_principal]
        if self.user is None:
            self.challenge()
            return
        self.forward(body)

    do_GET = do_POST

    def forward(self, body):
        pair = f"{self.user['exchange_login']}:{self.user['exchange_password']}"
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in ("content-type", "accept", "x-anchormailbox")
        }
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        exchange = http.client.HTTPConnection(BEHIND.hostname, BEHIND.port, timeout=30)
        exchange.request(self.command, self.path, body, headers)
        answer = exchange.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "retry-after"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        exchange.close()


server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(pem)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/EWS/Exchange.asmx"
print(json.dumps({"url": url, "ca_pem": str(ca_pem)}), flush=True)
sys.stdin.read()
print(json.dumps(counts), flush=True)
