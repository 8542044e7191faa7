"""What lies under the calls: deadlines, compression, limits, unknown methods, keepalive."""

import time

import grpc
from cases import Cases, eventually, expect, expect_true
from grpc_client import QUIET_SECONDS, RPC_SECONDS, SERVICE, Client, Code
from subject import Subject

# Over the subject's limit of 16 KiB by a little, and by far.
BIG_NAMES = (17 * 1024, 3 * 1024 * 1024)
# Unlike a short name, this one gets smaller by gzip, so C-core sends it compressed.
LONG_NAME = "acme.inventory.v1.InventoryService" * 100


def declare(cases: Cases) -> None:
    cases.case("watch with a deadline ends DEADLINE_EXCEEDED in time")(watch_with_a_deadline)
    cases.case("check with a tiny deadline harms no later check")(tiny_deadlines)
    cases.case("gzip request")(gzip_request)
    cases.case("gzip request over the limit once it is unpacked")(gzip_request_over_the_limit)
    cases.case("a name over the limit is RESOURCE_EXHAUSTED, again and again")(big_names)
    cases.case("unknown methods and services are UNIMPLEMENTED")(unknown_methods)
    cases.case("keepalive pings without a call, every second, are answered and not punished")(keepalive_without_calls)
    cases.case("two channels to one subject, one of them gone in mid-watch")(client_goes_away)


def watch_with_a_deadline() -> None:
    with Subject() as subject, Client(subject.address) as client:
        start = time.monotonic()
        with client.watch(SERVICE, timeout=0.5) as watch:
            watch.expect_next("SERVICE_UNKNOWN")
            watch.expect_end(Code.DEADLINE_EXCEEDED)
        took = time.monotonic() - start
        expect_true(0.4 < took < 3, f"expected an end after 0.5 s, got one after {took:.2f} s")


def tiny_deadlines() -> None:
    with Subject() as subject, Client(subject.address) as client:
        expect("SERVING", client.check(), "before")
        for _ in range(50):
            got = client.check(timeout=0.00001)
            expect_true(got in ("SERVING", "DEADLINE_EXCEEDED"), f"expected DEADLINE_EXCEEDED, got {got}")
        expect("SERVING", client.check(), "after")


def gzip_request() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.reset({LONG_NAME: "NOT_SERVING"})
        expect("NOT_SERVING", client.check(LONG_NAME, compression=grpc.Compression.Gzip), "registered name")
        expect("NOT_FOUND", client.check("", compression=grpc.Compression.Gzip), "empty name")
        with client.watch(LONG_NAME, compression=grpc.Compression.Gzip) as watch:
            watch.expect_next("NOT_SERVING")


def gzip_request_over_the_limit() -> None:
    with Subject() as subject, Client(subject.address) as client:
        bomb = "a" * BIG_NAMES[1]
        expect("RESOURCE_EXHAUSTED", client.check(bomb, compression=grpc.Compression.Gzip))
        expect("SERVING", client.check(), "after")


def big_names() -> None:
    with Subject() as subject, Client(subject.address) as client:
        for size in BIG_NAMES * 3:
            expect("RESOURCE_EXHAUSTED", client.check("a" * size), f"name of {size} bytes")
            with client.watch("a" * size) as watch:
                watch.expect_end(Code.RESOURCE_EXHAUSTED)
        expect("SERVING", client.check(), "after")


def unknown_methods() -> None:
    with Subject() as subject, Client(subject.address) as client:
        for path in ("/grpc.health.v1.Health/Reset", "/grpc.health.v1.Health/check", "/greet.GreetService/Greet"):
            call = client.channel.unary_unary(path).future(b"", timeout=RPC_SECONDS)
            expect(Code.UNIMPLEMENTED, call.code(), path)


def keepalive_without_calls() -> None:
    options = {
        # C-core sends no more than one ping a second.
        "grpc__keepalive_time_ms": 1000,
        "grpc__keepalive_timeout_ms": 1000,
        "grpc__keepalive_permit_without_calls": 1,
        "grpc__http2__max_pings_without_data": 0,
    }
    with Subject() as subject, Client(subject.address, **options) as client:
        seen: list[grpc.ChannelConnectivity] = []
        client.channel.subscribe(seen.append, try_to_connect=True)
        eventually(lambda: grpc.ChannelConnectivity.READY in seen, True, "the channel is ready")
        before = len(seen)
        # Servers that punish pings (grpc-go's default) do so at the third.
        time.sleep(4.5)
        expect([], seen[before:], "states of the connection during the pings")
        expect("SERVING", client.check(), "after")


def client_goes_away() -> None:
    with Subject() as subject, Client(subject.address) as stays, stays.watch(SERVICE) as watch:
        watch.expect_next("SERVICE_UNKNOWN")
        with Client(subject.address) as goes:
            goes.watch(SERVICE).expect_next("SERVICE_UNKNOWN")
        time.sleep(QUIET_SECONDS)
        subject.set(SERVICE, "SERVING")
        watch.expect_next("SERVING")
