"""A TCP relay in front of a subject that notes the path of every request over HTTP/2: what a client does by itself,
such as the Watch of its health checking, shows nowhere else."""

from __future__ import annotations

import contextlib
import socket
import threading

from hpack import Decoder
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER = 9


class Tap:
    """Relays every connection to a port of 127.0.0.1. Leaving the `with` block ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._paths: list[str] = []
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._server.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._sockets):
            # A thread that waits in it goes on, which a close alone does not do.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def requests(self, path: str) -> int:
        """How many requests for this path went through."""
        return self._paths.count(path)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += (client, server)
                threading.Thread(target=self._relay, args=(client, server, Requests()), daemon=True).start()
                threading.Thread(target=self._relay, args=(server, client, None), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, requests: Requests | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if requests:
                    self._paths += requests.paths(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class Requests:
    """Reads the requests out of what a client sends on one connection."""

    def __init__(self) -> None:
        self._unread = b""
        self._begun = False
        self._headers = b""
        self._decoder = Decoder()

    def paths(self, data: bytes) -> list[str]:
        """The paths of the requests that these bytes complete."""
        self._unread += data
        if not self._begun:
            if len(self._unread) < len(PREFACE):
                return []
            self._unread = self._unread.removeprefix(PREFACE)
            self._begun = True
        return [value for block in self._blocks() for name, value in self._decoder.decode(block) if name == ":path"]

    def _blocks(self) -> list[bytes]:
        blocks = []
        while len(self._unread) >= FRAME_HEADER:
            frame, length = Frame.parse_frame_header(memoryview(self._unread[:FRAME_HEADER]))
            end = FRAME_HEADER + length
            if len(self._unread) < end:
                break
            frame.parse_body(memoryview(self._unread[FRAME_HEADER:end]))
            self._unread = self._unread[end:]
            if isinstance(frame, HeadersFrame | ContinuationFrame):
                self._headers += frame.data
                if "END_HEADERS" in frame.flags:
                    blocks.append(self._headers)
                    self._headers = b""
        return blocks
