"""curl over TLS: what is agreed on, the probes, and who is refused."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import time

from cases import Cases, expect, expect_true
from certificates import Pki
from subject import Subject

SECONDS = "10"
CHECK = "/grpc.health.v1.Health/Check"
JSON = ("-H", "content-type: application/json", "-d", "{}")
# curl's option: the version that its %{http_version} then says.
VERSIONS = {"--http1.1": "1.1", "--http2": "2"}

# Of curl(1), EXIT CODES.
OK, CANNOT_VERIFY = 0, 60


def declare(cases: Cases, pki: Pki) -> None:
    for option, version in VERSIONS.items():
        cases.case(f"curl: HTTP/{version} by ALPN: probes and a check")(lambda o=option: by_alpn(pki, o))
        cases.case(f"curl: HTTP/{version} under mutual TLS")(lambda o=option: mutual(pki, o))
    cases.case("curl: without ALPN, HTTP/1.1")(lambda: without_alpn(pki))
    cases.case("curl: TLS 1.2 and TLS 1.3, and nothing older")(lambda: versions_of_tls(pki))
    cases.case("curl: a server of an unknown authority is refused")(lambda: unknown_authority(pki))
    cases.case("curl: plaintext to the TLS port is closed at once")(lambda: plaintext(pki))


@dataclasses.dataclass
class Reply:
    """How curl ended, and what it got."""

    exit: int
    http: str
    status: int
    body: str
    # With -v.
    said: str

    def expect(self, http: str, status: int, body: str | None = None) -> None:
        expect((OK, http, status), (self.exit, self.http, self.status), f"reply ({self.said.strip()})")
        if body is not None:
            expect(body, self.body, "body")

    @property
    def subject(self) -> str:
        """The common name of the certificate that the server presented."""
        found = re.search(r"subject: CN *= *(\S+)", self.said)
        return found.group(1) if found else f"none in {self.said!r}"


def curl(url: str, *options: str) -> Reply:
    command = ["curl", "--silent", "--show-error", "--max-time", SECONDS, "--verbose", *options]
    command += ["--write-out", "\n%{http_version} %{http_code}", url]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    body, _, last = done.stdout.rpartition("\n")
    http, _, status = last.partition(" ")
    return Reply(done.returncode, http, int(status), body, done.stderr)


def over_tls(pki: Pki, subject: Subject, path: str, *options: str) -> Reply:
    return curl(f"https://{subject.address}{path}", "--cacert", pki.authority.file, *options)


def by_alpn(pki: Pki, option: str) -> None:
    with Subject(*pki.tls) as subject:
        over_tls(pki, subject, "/readyz", option).expect(VERSIONS[option], 200, "ok")
        over_tls(pki, subject, CHECK, option, *JSON).expect(VERSIONS[option], 200, '{"status":"SERVING"}')
        subject.shutdown()
        over_tls(pki, subject, "/readyz", option).expect(VERSIONS[option], 503)
        over_tls(pki, subject, "/livez", option).expect(VERSIONS[option], 200)


def mutual(pki: Pki, option: str) -> None:
    known = ("--cert", pki.client.certificate, "--key", pki.client.key)
    strange = ("--cert", pki.strange_client.certificate, "--key", pki.strange_client.key)
    with Subject(*pki.mutual_tls) as subject:
        for refused in ((), strange):
            reply = over_tls(pki, subject, "/livez", option, *refused)
            expect_true(reply.exit != OK and "(IN), TLS alert" in reply.said, f"expected a refusal, got {reply}")
        over_tls(pki, subject, "/readyz", option, *known).expect(VERSIONS[option], 200, "ok")
        curl(f"http://{subject.plain}/readyz").expect("1.1", 200, "ok")
        subject.shutdown()
        over_tls(pki, subject, "/readyz", option, *known).expect(VERSIONS[option], 503)
        curl(f"http://{subject.plain}/readyz").expect("1.1", 503)


def without_alpn(pki: Pki) -> None:
    with Subject(*pki.tls) as subject:
        over_tls(pki, subject, "/readyz", "--no-alpn").expect("1.1", 200, "ok")


def versions_of_tls(pki: Pki) -> None:
    with Subject(*pki.tls) as subject:
        for version in ("1.2", "1.3"):
            reply = over_tls(pki, subject, "/readyz", f"--tlsv{version}", "--tls-max", version)
            expect((OK, 200), (reply.exit, reply.status), f"TLS {version}")
            expect_true(f"TLSv{version}" in reply.said, f"expected TLS {version}, curl says {reply.said}")
        # Without its security level, so that it is the server that refuses.
        old = ("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
        reply = over_tls(pki, subject, "/readyz", *old)
        expect_true(reply.exit != OK and "(IN), TLS alert" in reply.said, f"expected a refusal, got {reply}")


def unknown_authority(pki: Pki) -> None:
    with Subject(*pki.tls) as subject:
        reply = curl(f"https://{subject.address}/livez", "--cacert", pki.stranger.file)
        expect(CANNOT_VERIFY, reply.exit, "exit status")
        over_tls(pki, subject, "/livez").expect("2", 200)


def plaintext(pki: Pki) -> None:
    with Subject(*pki.tls) as subject:
        for option in ("--http1.1", "--http2-prior-knowledge"):
            start = time.monotonic()
            reply = curl(f"http://{subject.address}/livez", option)
            took = time.monotonic() - start
            expect_true(reply.exit != OK and reply.status != 200, f"expected no answer, got {reply}")
            expect_true(took < 5, f"expected an end at once, got one after {took:.1f} s")
        over_tls(pki, subject, "/livez").expect("2", 200)
