"""The example `postgres`, and the PostgreSQL that it follows."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from cases import CaseFailed

SCRIPT = Path(__file__).parent.parent / "lib" / "postgres.sh"
LINE_SECONDS = 20

PERIOD = 0.5
JITTER = PERIOD / 10
TIMEOUT = 0.4
FAILURE_THRESHOLD = 3
# What the example promises in its --help: how long until it fails, and until it is back.
DOWN_SECONDS = PERIOD * FAILURE_THRESHOLD + JITTER + TIMEOUT
UP_SECONDS = PERIOD + JITTER
# What a busy machine may add.
SLACK = 0.3


class Postgres:
    """A PostgreSQL in a temporary folder. Leaving the `with` block destroys it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="health-postgres-")
        # It runs as an unprivileged user.
        os.chmod(self._folder.name, 0o755)
        self.port = int(self._control("create"))

    def __enter__(self) -> Postgres:
        return self

    def __exit__(self, *_: object) -> None:
        self._control("destroy")
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        self._control("stop")

    def start(self) -> None:
        self._control("start")

    def pause(self) -> None:
        self._control("pause")

    def resume(self) -> None:
        self._control("resume")

    def _control(self, command: str) -> str:
        folder = str(Path(self._folder.name) / "server")
        return subprocess.run([SCRIPT, command, folder], check=True, stdout=subprocess.PIPE, text=True).stdout


class Example:
    """The program under test. Leaving the `with` block ends it."""

    def __init__(self, postgres: Postgres) -> None:
        command = [os.environ["EXAMPLE"], "--database", postgres.url, "--listen", "127.0.0.1:0"]
        command += ["--period", str(PERIOD), "--timeout", str(TIMEOUT)]
        command += ["--failure-threshold", str(FAILURE_THRESHOLD)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self._lines: queue.Queue[str] = queue.Queue()
        self._skipped: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self.expect_line(r"greet\.GreetService and its health are served on (\S+)\.")

    def __enter__(self) -> Example:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def expect_line(self, pattern: str) -> str:
        """Waits for a line that the pattern matches as a whole; its first group, if it has one."""
        until = time.monotonic() + LINE_SECONDS
        for line in self._skipped:
            if match := re.fullmatch(pattern, line):
                self._skipped.remove(line)
                return match[1] if match.groups() else line
        while True:
            try:
                line = self._lines.get(timeout=until - time.monotonic())
            except (queue.Empty, ValueError):
                raise CaseFailed(f"no line like {pattern!r} but {self._skipped}") from None
            if match := re.fullmatch(pattern, line):
                return match[1] if match.groups() else line
            self._skipped.append(line)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
