"""grpc-health-probe against the subject: its lines and exit codes."""

from __future__ import annotations

import os
import subprocess

from cases import Cases, expect, expect_true
from subject import Subject

SERVICE = "greet.GreetService"
HEALTHY, CONNECT_FAILED, RPC_FAILED, UNHEALTHY = 0, 2, 3, 4

cases = Cases("grpc-health-probe")


@cases.case("SERVING is exit 0, for the server and for a service")
def serving() -> None:
    with Subject() as subject:
        expect((HEALTHY, "status: SERVING"), probe(subject.address))
        subject.set(SERVICE, "SERVING")
        expect((HEALTHY, "status: SERVING"), probe(subject.address, "-service", SERVICE))


@cases.case("NOT_SERVING and UNKNOWN are exit 4")
def not_serving() -> None:
    with Subject() as subject:
        for status in ("NOT_SERVING", "UNKNOWN"):
            subject.set(SERVICE, status)
            expected = (UNHEALTHY, f'service unhealthy (responded with "{status}")')
            expect(expected, probe(subject.address, "-service", SERVICE))
        subject.shutdown()
        expect((UNHEALTHY, 'service unhealthy (responded with "NOT_SERVING")'), probe(subject.address))
        subject.resume()
        expect((HEALTHY, "status: SERVING"), probe(subject.address))


@cases.case("an unknown service is exit 3")
def unknown() -> None:
    with Subject() as subject:
        code, line = probe(subject.address, "-service", "nobody")
        expect(RPC_FAILED, code, "exit status")
        expect("error: health rpc failed: rpc error: code = NotFound desc = unknown service", line)


@cases.case("gzip, a header, a user agent and verbose")
def options() -> None:
    with Subject() as subject:
        subject.set(SERVICE, "SERVING")
        flags = ("-gzip", "-rpc-header", "x-trace: 1", "-user-agent", "interop", "-service", SERVICE)
        expect((HEALTHY, "status: SERVING"), probe(subject.address, *flags))
        code, lines = probe(subject.address, "-v", *flags)
        expect(HEALTHY, code, "exit status with -v")
        expect_true("time elapsed: connect=" in lines, f"expected the time elapsed, got {lines!r}")


@cases.case("a server that is gone is exit 2")
def gone() -> None:
    with Subject() as subject:
        address = subject.address
    code, line = probe(address)
    expect(CONNECT_FAILED, code, "exit status")
    expect(f'timeout: failed to connect service "{address}" within 1s', line)


def probe(address: str, *flags: str) -> tuple[int, str]:
    """Its exit status and what it said."""
    command = [os.environ["PROBE"], "-addr", address, *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


cases.run()
