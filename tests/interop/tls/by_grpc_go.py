"""grpc-go over TLS, with and without a client certificate; its program is in `client/`."""

from __future__ import annotations

import os
import queue
import subprocess
import threading

from cases import Cases, expect, expect_true
from certificates import Pki
from subject import Subject

# Enough for a busy machine; no case that passes waits for it.
SECONDS = 10
SERVICE = "greet.GreetService"


def declare(cases: Cases, pki: Pki) -> None:
    cases.case("grpc-go: check, watch and drain over TLS")(lambda: over_tls(pki))
    cases.case("grpc-go: mutual TLS lets in who has a certificate, and no other")(lambda: mutual(pki))
    cases.case("grpc-go: a prober without TLS is answered on the plaintext port")(lambda: plaintext(pki))


def over_tls(pki: Pki) -> None:
    with Subject(*pki.tls) as subject:
        subject.set(SERVICE, "SERVING")
        with GoClient(subject.address, "-ca", pki.authority.file) as client:
            follows_the_status(subject, client)
        with GoClient(subject.address, "-ca", pki.stranger.file) as client:
            client.expect_refused("certificate signed by unknown authority")


def follows_the_status(subject: Subject, client: GoClient) -> None:
    """From SERVING to the end of a drain."""
    client.expect_next("check SERVING")
    client.expect_next("watch SERVING")
    subject.set(SERVICE, "NOT_SERVING")
    client.expect_next("watch NOT_SERVING")
    subject.set(SERVICE, "SERVING")
    client.expect_next("watch SERVING")
    subject.shutdown()
    client.expect_next("watch NOT_SERVING")
    subject.close()
    expect_true(client.take().startswith("watch Unavailable"), "expected the end of the Watch")


def mutual(pki: Pki) -> None:
    with Subject(*pki.mutual_tls) as subject:
        subject.set(SERVICE, "SERVING")
        ca = ("-ca", pki.authority.file)
        with GoClient(subject.address, *ca) as client:
            client.expect_refused("tls: ")
        strange = ("-cert", pki.strange_client.certificate, "-key", pki.strange_client.key)
        with GoClient(subject.address, *ca, *strange) as client:
            client.expect_refused("tls: ")
        known = ("-cert", pki.client.certificate, "-key", pki.client.key)
        with GoClient(subject.address, *ca, *known) as client:
            follows_the_status(subject, client)


def plaintext(pki: Pki) -> None:
    with Subject(*pki.mutual_tls) as subject:
        subject.set(SERVICE, "SERVING")
        with GoClient(subject.plain) as probe:
            follows_the_status(subject, probe)
        with GoClient(subject.address) as probe:
            client_line = probe.take()
            expect_true(client_line.startswith("check Unavailable"), f"expected a refusal, got {client_line!r}")


class GoClient:
    """One run of the program, which checks and watches `SERVICE` and prints a line for each status."""

    def __init__(self, address: str, *options: str) -> None:
        command = [os.environ["GO_CLIENT"], "-address", address, "-service", SERVICE, *options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> GoClient:
        return self

    def __exit__(self, *_: object) -> None:
        """The end of its input ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def expect_next(self, line: str) -> None:
        expect(line, self.take(), "next line of grpc-go")

    def expect_refused(self, why: str) -> None:
        line = self.take()
        expect_true(line.startswith("check Unavailable") and why in line, f"expected a refusal by {why!r}, got {line!r}")

    def take(self) -> str:
        try:
            return self._lines.get(timeout=SECONDS)
        except queue.Empty:
            return f"nothing within {SECONDS} s"

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("(the end)")
