"""grpcio as the cases use it: one channel to one subject, and Watch streams read in the background."""

from __future__ import annotations

import queue
import threading

import grpc
from cases import CaseFailed, expect
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE = "greet.GreetService"

# Enough for a busy machine; no case that passes waits for it.
RPC_SECONDS = 10
# How long a stream that must stay open is looked at.
QUIET_SECONDS = 0.3

Code = grpc.StatusCode


class Client:
    """The health stub on a channel of its own. Leaving the `with` block closes the channel."""

    def __init__(
        self, address: str, credentials: grpc.ChannelCredentials | None = None, **options: object
    ) -> None:
        """Plaintext without credentials. `options` are C-core's channel arguments, with `__` for their dots."""
        arguments = [(name.replace("__", "."), value) for name, value in options.items()]
        # Without its own pool, C-core would share one connection between the cases.
        arguments.append(("grpc.use_local_subchannel_pool", 1))
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=arguments)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=arguments)
        self.stub = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def check(self, service: str = "", **call: object) -> str:
        """The status's name, or the code's name if the call failed."""
        call.setdefault("timeout", RPC_SECONDS)
        try:
            reply = self.stub.Check(health_pb2.HealthCheckRequest(service=service), **call)
        except grpc.RpcError as error:
            return error.code().name
        return _name(reply)

    def watch(self, service: str = "", **call: object) -> Watch:
        return Watch(self.stub.Watch(health_pb2.HealthCheckRequest(service=service), **call))


class Watch:
    """A Watch stream: `next` takes its next status, in order."""

    def __init__(self, call: grpc.Call) -> None:
        self._call = call
        self._items: queue.Queue[str | Code] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._call.cancel()

    def expect_next(self, status: str) -> None:
        expect(status, self.take(), "next status of the Watch")

    def expect_quiet(self) -> None:
        """Nothing more comes for now, and the stream stays open."""
        try:
            item = self._items.get(timeout=QUIET_SECONDS)
        except queue.Empty:
            return
        raise CaseFailed(f"expected an open and quiet Watch, got {item}")

    def expect_end(self, code: Code) -> grpc.Call:
        """The stream ends now, with this code."""
        expect(code, self.take(), "end of the Watch")
        return self._call

    def take(self) -> str | Code:
        """The next status, or the code that ended the stream."""
        try:
            return self._items.get(timeout=RPC_SECONDS)
        except queue.Empty:
            return f"nothing within {RPC_SECONDS} s"

    def _read(self) -> None:
        try:
            for reply in self._call:
                self._items.put(_name(reply))
            self._items.put(Code.OK)
        except grpc.RpcError as error:
            self._items.put(error.code())


def _name(reply: health_pb2.HealthCheckResponse) -> str:
    return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
