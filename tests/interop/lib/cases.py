"""Runs a peer's cases and prints the lines that `run.sh` counts."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

# One case, servers and clients included; a case waits a few seconds at most.
CASE_SECONDS = 40


class CaseFailed(Exception):
    """What was expected did not come; the text says what came."""


def expect(expected: object, got: object, what: str = "") -> None:
    """Fails the case unless the two are equal."""
    if expected != got:
        raise CaseFailed(
            f"{what}: expected {expected!r}, got {got!r}" if what else f"expected {expected!r}, got {got!r}"
        )


def expect_true(condition: object, failure: str) -> None:
    """Fails the case with `failure` unless the condition holds."""
    if not condition:
        raise CaseFailed(failure)


def eventually(question: Callable[[], object], expected: object, what: str, seconds: float = 10) -> None:
    """Asks again and again until the answer is the expected one."""
    until = time.monotonic() + seconds
    got = question()
    while got != expected:
        if time.monotonic() > until:
            raise CaseFailed(f"{what}: expected {expected!r} within {seconds:g} s, got {got!r}")
        time.sleep(0.02)
        got = question()


class Cases:
    """The cases of one peer, in the order in which they were declared."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._cases: list[tuple[str, Callable[[], str | None]]] = []

    def case(self, name: str) -> Callable[[Callable[[], str | None]], Callable[[], str | None]]:
        """Declares a case: `@cases.case("check of a named service")`. A figure that it returns is printed."""

        def declare(body: Callable[[], str | None]) -> Callable[[], str | None]:
            self._cases.append((name, body))
            return body

        return declare

    def run(self) -> NoReturn:
        """Runs every case and exits, with 1 if one failed."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGALRM, _too_long)
        failures = [name for name, body in self._cases if not self._run_one(name, body)]
        sys.exit(1 if failures else 0)

    def _run_one(self, name: str, body: Callable[[], str | None]) -> bool:
        signal.alarm(CASE_SECONDS)
        try:
            figure = body()
        except CaseFailed as failure:
            return self._failed(name, str(failure))
        except Exception as error:
            traceback.print_exc()
            return self._failed(name, f"{type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
        print(f"ok {self._peer}: {name}" + (f" ({figure})" if figure else ""), flush=True)
        return True

    def _failed(self, name: str, text: str) -> bool:
        print(f"FAIL {self._peer}: {name}: {' '.join(text.split())}", flush=True)
        return False


def _too_long(*_: object) -> NoReturn:
    raise CaseFailed(f"did not end within {CASE_SECONDS} s")
