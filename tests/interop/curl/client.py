"""curl as the cases use it: one process a request, its reply taken apart."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import tempfile

from cases import CaseFailed, expect
from subject import Subject

SERVICE = "greet.GreetService"
CHECK = "/grpc.health.v1.Health/Check"
LIST = "/grpc.health.v1.Health/List"
WATCH = "/grpc.health.v1.Health/Watch"
JSON = ("-H", "content-type: application/json")

# Name of the version in a case's title: curl's option.
VERSIONS = {"h1": "--http1.1", "h2": "--http2-prior-knowledge"}

SECONDS = "10"


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    # Headers after the body: HTTP trailers.
    trailers: dict[str, str]

    @property
    def json(self) -> object:
        try:
            return json.loads(self.body)
        except ValueError:
            raise CaseFailed(f"expected JSON, got {self.body[:200]!r}") from None

    def expect(self, status: int, body: bytes | None = None, **headers: str | None) -> Reply:
        """Fails the case unless all of these hold. Header names have `_` for `-`; None: not there."""
        expect(status, self.status, "HTTP status")
        if body is not None:
            expect(body, self.body, "body")
        for name, value in headers.items():
            expect(value, self.headers.get(name.replace("_", "-")), f"header {name}")
        return self


def curl(version: str, subject: Subject, path: str, *options: str, body: bytes | None = None) -> Reply:
    """One request. Fails the case if curl itself does: no reply, a reset, or one too late."""
    return in_a_row(version, subject, [path], *options, body=body)[0]


def in_a_row(version: str, subject: Subject, paths: list[str], *options: str, body: bytes | None = None) -> list[Reply]:
    """The same request to each path in turn, from one curl that reuses its connection where it may."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["curl"]
        if body is not None:
            sent = pathlib.Path(folder, "sent")
            sent.write_bytes(body)
            options = (*options, "--data-binary", f"@{sent}")
        replies = [(pathlib.Path(folder, f"{n}.head"), pathlib.Path(folder, f"{n}.body")) for n in range(len(paths))]
        for number, (path, (head, received)) in enumerate(zip(paths, replies, strict=True)):
            command += ["--next"] if number else []
            command += [VERSIONS[version], "--silent", "--show-error", "--globoff", "--max-time", SECONDS]
            command += ["--dump-header", str(head), "--output", str(received), *options]
            command += [f"http://{subject.address}{path}"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise CaseFailed(f"curl ended with exit status {done.returncode}: {done.stderr.decode().strip()}")
        # curl makes no file for an empty body, and with --head writes the header to the body's file too.
        bodies = [received.read_bytes() if received.exists() else b"" for _, received in replies]
        heads = [head.read_bytes() for head, _ in replies]
        return [_reply(head.decode(), body.removeprefix(head)) for head, body in zip(heads, bodies, strict=True)]


def _reply(head: str, body: bytes) -> Reply:
    blocks = [block.splitlines() for block in head.replace("\r\n", "\n").strip("\n").split("\n\n")]
    # 100 Continue comes before the reply; trailers, which have no status line, after it.
    finals = [n for n, block in enumerate(blocks) if block[0].startswith("HTTP/") and block[0].split()[1] != "100"]
    final = finals[-1]
    trailers = blocks[final + 1] if final + 1 < len(blocks) else []
    status = int(blocks[final][0].split()[1])
    return Reply(status, _fields(blocks[final][1:]), body, _fields(trailers))


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
