"""Starts the server under test and speaks its contract: JSON commands on stdin, one answer a line on stdout."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading

ANSWER_SECONDS = 10


class SubjectError(Exception):
    """The subject refused a command, or died."""


class Subject:
    """One server under test, with `""` SERVING. Leaving the `with` block ends it."""

    def __init__(self, *arguments: str) -> None:
        """Starts it with further command-line arguments."""
        command = [os.environ["SUBJECT"], "--adapter", os.environ.get("ADAPTER", "hyper"), "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        first = self._answer()
        self.address = str(first["listening"])
        # Where it listens in plaintext beside, if --plain-listen is among the arguments.
        self.plain = str(first.get("plain", ""))

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def reset(self, statuses: dict[str, str]) -> None:
        """Registers exactly these services."""
        self._tell({"reset": statuses})

    def set(self, service: str, status: str) -> None:
        self._tell({"set": {service: status}})

    def remove(self, service: str) -> None:
        self._tell({"remove": service})

    def shutdown(self) -> None:
        self._tell({"shutdown": True})

    def resume(self) -> None:
        self._tell({"resume": True})

    def close(self) -> None:
        self._tell({"close": True})

    def stop(self) -> None:
        """Ends it by the end of its input, as its contract says; a subject that stays is killed and reported."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise SubjectError(f"the subject still ran {ANSWER_SECONDS} s after the end of its input") from None

    def _tell(self, command: dict[str, object]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer != {"ok": True}:
            raise SubjectError(f"the subject answered {json.dumps(command)} with {json.dumps(answer)}")

    def _answer(self) -> dict[str, object]:
        try:
            line = self._lines.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise SubjectError(f"the subject printed no line within {ANSWER_SECONDS} s") from None
        if not line:
            raise SubjectError(f"the subject ended with exit status {self._process.wait(ANSWER_SECONDS)}")
        return json.loads(line)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")
