"""C-core's own client-side health checking: one channel over two subjects, traffic only to those that are SERVING."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterator

import grpc
from cases import Cases, eventually, expect
from greeter import Greeter, expect_traffic
from grpc_client import QUIET_SECONDS, SERVICE
from subject import Subject
from tap import Tap

WATCH = "/grpc.health.v1.Health/Watch"

SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": SERVICE}}
)


def declare(cases: Cases) -> None:
    cases.case("health checking: traffic to SERVING backends only, and back")(traffic_follows_statuses)
    cases.case("health checking: an unregistered backend gets traffic once it registers")(
        traffic_waits_for_registration
    )
    cases.case("health checking: a backend that drains loses its traffic")(traffic_leaves_a_draining_backend)
    cases.case("health checking: a drain is watched twice at most")(a_drain_is_watched_twice)
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


def a_drain_is_watched_twice() -> None:
    """C-core watches again at once if the stream that ended had a message, and after a second or so if it had none.
    A server that answers the Watches of a drain with NOT_SERVING and an end keeps it in a loop."""
    with subjects("SERVING", "SERVING") as (one, two), Tap(one.port) as tap:
        watches = functools.partial(tap.requests, WATCH)
        with channel(tap.address, two.address) as greeter:
            expect_traffic(greeter, {one.address, two.address}, "both SERVING")
            one.shutdown()
            expect_traffic(greeter, {two.address}, "the first shut down")
            time.sleep(QUIET_SECONDS)
            expect(1, watches(), "watches of the first until it closes")
            one.close()
            eventually(watches, 2, "watches of the first once it has closed")
            time.sleep(QUIET_SECONDS)
            expect(2, watches(), "watches of the first in its drain")


def no_backend() -> None:
    with backends("NOT_SERVING", "NOT_SERVING") as (one, _, greeter):
        expect_traffic(greeter, {"UNAVAILABLE"}, "both NOT_SERVING")
        one.set(SERVICE, "SERVING")
        expect_traffic(greeter, {one.address}, "the first SERVING")


@contextlib.contextmanager
def backends(first: str | None, second: str | None) -> Iterator[tuple[Subject, Subject, Greeter]]:
    """Two subjects in these statuses behind one channel."""
    with subjects(first, second) as (one, two), channel(one.address, two.address) as greeter:
        yield one, two, greeter


@contextlib.contextmanager
def subjects(first: str | None, second: str | None) -> Iterator[tuple[Subject, Subject]]:
    """Two subjects in these statuses (None: not registered)."""
    with Subject("--greeter") as one, Subject("--greeter") as two:
        for subject, status in ((one, first), (two, second)):
            subject.reset({"": "SERVING"} if status is None else {"": "SERVING", SERVICE: status})
        yield one, two


@contextlib.contextmanager
def channel(*addresses: str) -> Iterator[Greeter]:
    """A channel that checks the health of the backends at these addresses."""
    options = [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.use_local_subchannel_pool", 1),
        # Without it C-core sends the whole list of addresses as :authority, which is none.
        ("grpc.default_authority", "greet.example"),
    ]
    with grpc.insecure_channel(f"ipv4:{','.join(addresses)}", options=options) as opened:
        yield Greeter(opened)
