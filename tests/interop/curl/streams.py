"""Watch in the protocols that curl can speak by hand: Connect streaming and gRPC-Web."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile

from cases import CaseFailed, Cases, eventually, expect
from client import SERVICE, VERSIONS, WATCH, curl
from subject import Subject

SERVING, NOT_SERVING, SERVICE_UNKNOWN = (
    f'{{"status":"{name}"}}'.encode() for name in ("SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
)
END_STREAM = 2
WEB_TRAILERS = 0x80
CONNECT = ("-H", "content-type: application/connect+json")


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: Connect Watch follows sets, message by message")(lambda: connect_watch(version))
    cases.case(f"{version}: Connect Watch ends at its deadline")(lambda: connect_deadline(version))
    cases.case(f"{version}: Connect Watch ends with unavailable on close")(lambda: connect_close(version))
    cases.case(f"{version}: gRPC-Web Watch, binary and text, to its deadline")(lambda: grpc_web(version))


def connect_watch(version: str) -> None:
    with Subject() as subject, Stream(version, subject, envelope(request(SERVICE))) as stream:
        stream.expect([(0, SERVICE_UNKNOWN)])
        subject.set(SERVICE, "SERVING")
        stream.expect([(0, SERVICE_UNKNOWN), (0, SERVING)])
        subject.shutdown()
        stream.expect([(0, SERVICE_UNKNOWN), (0, SERVING), (0, NOT_SERVING)])


def connect_deadline(version: str) -> None:
    with Subject() as subject:
        reply = curl(version, subject, WATCH, *CONNECT, "-H", "connect-timeout-ms: 300", body=envelope(b"{}"))
        reply.expect(200, content_type="application/connect+json")
        first, last = frames(reply.body)
        expect((0, SERVING), first)
        expect_end(last, "deadline_exceeded")


def connect_close(version: str) -> None:
    with Subject() as subject:
        with Stream(version, subject, envelope(b"{}")) as stream:
            stream.expect([(0, SERVING)])
            subject.shutdown()
            stream.expect([(0, SERVING), (0, NOT_SERVING)])
            subject.close()
            expect_end(frames(stream.finish())[-1], "unavailable")
        reply = curl(version, subject, WATCH, *CONNECT, body=envelope(b"{}")).expect(200)
        [last] = frames(reply.body)
        expect_end(last, "unavailable")


def grpc_web(version: str) -> None:
    message = envelope(b"")
    for media_type, sent in (("grpc-web+proto", message), ("grpc-web-text+proto", base64.b64encode(message))):
        with Subject() as subject:
            headers = ("-H", f"content-type: application/{media_type}", "-H", "grpc-timeout: 300m")
            reply = curl(version, subject, WATCH, *headers, body=sent).expect(
                200, content_type=f"application/{media_type}"
            )
            first, (flags, trailers) = frames(unpadded(reply.body) if "text" in media_type else reply.body)
            expect((0, b"\x08\x01"), first)
            expect(WEB_TRAILERS, flags, "flags of the trailers")
            expect("grpc-status: 4", trailers.decode().split("\r\n")[0].lower())


class Stream:
    """A Connect Watch that is read while it is open, from the file that curl writes."""

    def __init__(self, version: str, subject: Subject, body: bytes) -> None:
        self._folder = tempfile.TemporaryDirectory()
        sent, self._received = (pathlib.Path(self._folder.name, name) for name in ("sent", "received"))
        sent.write_bytes(body)
        options = [VERSIONS[version], "--silent", "--no-buffer", *CONNECT, "--data-binary", f"@{sent}"]
        url = f"http://{subject.address}{WATCH}"
        self._curl = subprocess.Popen(["curl", *options, "--output", str(self._received), url])

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._curl.poll() is None:
            os.kill(self._curl.pid, signal.SIGTERM)
            self._curl.wait()
        self._folder.cleanup()

    def expect(self, expected: list[tuple[int, bytes]]) -> None:
        """These frames have come so far, and the stream is open."""
        eventually(lambda: frames(self._so_far()), expected, "frames")
        expect(None, self._curl.poll(), "curl's exit status while the stream is open")

    def finish(self) -> bytes:
        """The whole body, once the server has ended it."""
        expect(0, self._curl.wait(10), "curl's exit status")
        return self._so_far()

    def _so_far(self) -> bytes:
        return self._received.read_bytes() if self._received.exists() else b""


def request(service: str) -> bytes:
    return json.dumps({"service": service}).encode()


def envelope(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Flags and payload of each whole frame."""
    found = []
    while len(body) >= 5:
        end = 5 + int.from_bytes(body[1:5], "big")
        if len(body) < end:
            break
        found.append((body[0], body[5:end]))
        body = body[end:]
    return found


def unpadded(text: bytes) -> bytes:
    """gRPC-Web text: pieces of base64, each with its own padding."""
    return b"".join(base64.b64decode(text[start : start + 4]) for start in range(0, len(text), 4))


def expect_end(frame: tuple[int, bytes], code: str) -> None:
    flags, payload = frame
    expect(END_STREAM, flags, "flags of the last frame")
    try:
        expect(code, json.loads(payload)["error"]["code"], "code of the EndStream message")
    except (ValueError, KeyError):
        raise CaseFailed(f"expected an EndStream message with {code}, got {payload!r}") from None
