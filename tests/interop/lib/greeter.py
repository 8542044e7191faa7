"""Calls through a channel or proxy that has several subjects behind it, and who answers them."""

from __future__ import annotations

import grpc
from cases import eventually, expect
from google.protobuf import wrappers_pb2
from grpc_client import RPC_SECONDS, SERVICE

# Enough to reach every backend that takes part, by turns or, in a proxy with two backends, by chance but for 1 in 2^15.
CALLS = 16


class Greeter:
    """Calls `greet.GreetService/Greet` and learns which backend answered.

    `StringValue` is `GreetRequest` and `GreetResponse` on the wire: a string in field 1.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._greet = channel.unary_unary(
            f"/{SERVICE}/Greet",
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.StringValue.FromString,
        )

    def answers(self) -> set[str]:
        """Who answered a row of calls: backends' addresses, or codes of failed calls."""
        return {self._answer() for _ in range(CALLS)}

    def _answer(self) -> str:
        try:
            return self._greet(wrappers_pb2.StringValue(value="interop"), timeout=RPC_SECONDS).value
        except grpc.RpcError as error:
            return error.code().name


def expect_traffic(greeter: Greeter, expected: set[str], when: str) -> None:
    """The calls move to exactly these backends, and stay there."""
    eventually(greeter.answers, expected, f"traffic with {when}")
    expect(expected, greeter.answers(), f"traffic with {when}, afterwards")
