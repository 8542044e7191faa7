"""C-core's own client-side health checking: one channel over two subjects, traffic only to those that are SERVING."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import grpc
from cases import Cases
from greeter import Greeter, expect_traffic
from grpc_client import SERVICE
from subject import Subject

SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": SERVICE}}
)


def declare(cases: Cases) -> None:
    cases.case("health checking: traffic to SERVING backends only, and back")(traffic_follows_statuses)
    cases.case("health checking: an unregistered backend gets traffic once it registers")(
        traffic_waits_for_registration
    )
    cases.case("health checking: a backend that drains loses its traffic")(traffic_leaves_a_draining_backend)
    cases.case("health checking: no SERVING backend is UNAVAILABLE")(no_backend)


def traffic_follows_statuses() -> None:
    with backends("SERVING", "SERVING") as (one, two, greeter):
        expect_traffic(greeter, {one.address, two.address}, "both SERVING")
        one.set(SERVICE, "NOT_SERVING")
        expect_traffic(greeter, {two.address}, "the first NOT_SERVING")
        one.set(SERVICE, "SERVING")
        expect_traffic(greeter, {one.address, two.address}, "the first SERVING again")
        two.set(SERVICE, "UNKNOWN")
        expect_traffic(greeter, {one.address}, "the second UNKNOWN")


def traffic_waits_for_registration() -> None:
    with backends("SERVING", None) as (one, two, greeter):
        expect_traffic(greeter, {one.address}, "the second not registered")
        two.set(SERVICE, "SERVING")
        expect_traffic(greeter, {one.address, two.address}, "both registered")
        one.remove(SERVICE)
        expect_traffic(greeter, {two.address}, "the first removed")


def traffic_leaves_a_draining_backend() -> None:
    with backends("SERVING", "SERVING") as (one, two, greeter):
        expect_traffic(greeter, {one.address, two.address}, "both SERVING")
        one.shutdown()
        expect_traffic(greeter, {two.address}, "the first shut down")
        one.close()
        expect_traffic(greeter, {two.address}, "the first closed")


def no_backend() -> None:
    with backends("NOT_SERVING", "NOT_SERVING") as (one, _, greeter):
        expect_traffic(greeter, {"UNAVAILABLE"}, "both NOT_SERVING")
        one.set(SERVICE, "SERVING")
        expect_traffic(greeter, {one.address}, "the first SERVING")


@contextlib.contextmanager
def backends(first: str | None, second: str | None) -> Iterator[tuple[Subject, Subject, Greeter]]:
    """Two subjects in these statuses (None: not registered) behind one channel."""
    with Subject("--greeter") as one, Subject("--greeter") as two:
        for subject, status in ((one, first), (two, second)):
            subject.reset({"": "SERVING"} if status is None else {"": "SERVING", SERVICE: status})
        options = [
            ("grpc.service_config", SERVICE_CONFIG),
            ("grpc.use_local_subchannel_pool", 1),
            # Without it C-core sends the whole list of addresses as :authority, which is none.
            ("grpc.default_authority", "greet.example"),
        ]
        with grpc.insecure_channel(f"ipv4:{one.address},{two.address}", options=options) as channel:
            yield one, two, Greeter(channel)
