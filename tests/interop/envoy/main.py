"""Envoy against two subjects: who gets the traffic, and what passes through it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from cases import Cases, eventually, expect
from greeter import Greeter, expect_traffic
from grpc_client import SERVICE, Client, Code
from proxy import Envoy
from subject import Subject

cases = Cases("envoy")


@cases.case("gRPC health check: traffic to SERVING upstreams only, and back")
def by_grpc() -> None:
    with upstreams() as (one, two, envoy), Client(envoy.listener("by-grpc")) as client:
        greeter = Greeter(client.channel)
        expect_traffic(greeter, {one.address, two.address}, "both SERVING")
        one.set(SERVICE, "NOT_SERVING")
        expect_traffic(greeter, {two.address}, "the first NOT_SERVING")
        expect({one.address: False, two.address: True}, envoy.health("by-grpc"), "Envoy's view")
        one.set(SERVICE, "SERVING")
        expect_traffic(greeter, {one.address, two.address}, "the first SERVING again")
        two.set(SERVICE, "UNKNOWN")
        expect_traffic(greeter, {one.address}, "the second UNKNOWN")
        one.remove(SERVICE)
        two.set(SERVICE, "SERVING")
        expect_traffic(greeter, {two.address}, "the first not registered")


@cases.case("HTTP check of /readyz: traffic to ready upstreams only, and back")
def by_http() -> None:
    with upstreams() as (one, two, envoy), Client(envoy.listener("by-http")) as client:
        greeter = Greeter(client.channel)
        expect_traffic(greeter, {one.address, two.address}, "both ready")
        one.set("", "NOT_SERVING")
        expect_traffic(greeter, {two.address}, "the first not ready")
        expect({one.address: False, two.address: True}, envoy.health("by-http"), "Envoy's view")
        one.set("", "SERVING")
        expect_traffic(greeter, {one.address, two.address}, "the first ready again")


@cases.case("a draining upstream loses its traffic under both checks")
def draining() -> None:
    with upstreams() as (one, two, envoy):
        one.shutdown()
        for listener in ("by-grpc", "by-http"):
            with Client(envoy.listener(listener)) as client:
                expect_traffic(Greeter(client.channel), {two.address}, f"the first shut down, {listener}")


@cases.case("no healthy upstream is UNAVAILABLE")
def no_upstream() -> None:
    with upstreams() as (one, two, envoy), Client(envoy.listener("by-grpc")) as client:
        greeter = Greeter(client.channel)
        one.set(SERVICE, "NOT_SERVING")
        two.set(SERVICE, "NOT_SERVING")
        expect_traffic(greeter, {"UNAVAILABLE"}, "both NOT_SERVING")
        two.set(SERVICE, "SERVING")
        expect_traffic(greeter, {two.address}, "the second SERVING")


@cases.case("gRPC Check and Watch through Envoy, to the end of a drain")
def watch_through() -> None:
    with upstreams() as (one, two, envoy), Client(envoy.listener("by-http")) as client:
        # Both upstreams have this name: whichever Envoy chose for the stream, it sees the change.
        for subject in (one, two):
            subject.set("inventory", "NOT_SERVING")
        expect("NOT_SERVING", client.check("inventory"), "check")
        expect("NOT_FOUND", client.check("nobody"), "check of an unknown name")
        with client.watch("inventory") as watch:
            watch.expect_next("NOT_SERVING")
            for status in ("SERVING", "UNKNOWN", "SERVING"):
                for subject in (one, two):
                    subject.set("inventory", status)
                watch.expect_next(status)
            for subject in (one, two):
                subject.shutdown()
            watch.expect_next("NOT_SERVING")
            watch.expect_quiet()
            for subject in (one, two):
                subject.close()
            expect("health service closed", watch.expect_end(Code.UNAVAILABLE).details(), "message, from the subject")


@contextlib.contextmanager
def upstreams() -> Iterator[tuple[Subject, Subject, Envoy]]:
    """Two subjects that serve the greeter, and an Envoy that takes both for healthy."""
    with Subject("--greeter") as one, Subject("--greeter") as two:
        for subject in (one, two):
            subject.reset({"": "SERVING", SERVICE: "SERVING"})
        with Envoy(one, two) as envoy:
            healthy = {one.address: True, two.address: True}
            for cluster in ("by-grpc", "by-http"):
                eventually(functools.partial(envoy.health, cluster), healthy, f"Envoy's view of the cluster {cluster}")
            yield one, two, envoy


cases.run()
