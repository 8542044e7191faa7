"""The order of a drain: NOT_SERVING on open streams, then their end."""

from cases import Cases, expect
from grpc_client import SERVICE, Client, Code
from subject import Subject


def declare(cases: Cases) -> None:
    cases.case("shutdown yields NOT_SERVING on streams that stay open")(shutdown_keeps_streams_open)
    cases.case("a set under shutdown shows after resume only")(resume_shows_what_was_set)
    cases.case("close ends the streams with UNAVAILABLE")(close_ends_streams)
    cases.case("close without shutdown sends nothing twice")(close_alone_ends_streams)


def shutdown_keeps_streams_open() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        with client.watch(SERVICE) as before, client.watch("nobody") as unknown:
            before.expect_next("SERVING")
            unknown.expect_next("SERVICE_UNKNOWN")
            subject.shutdown()
            before.expect_next("NOT_SERVING")
            with client.watch(SERVICE) as during:
                during.expect_next("NOT_SERVING")
                during.expect_quiet()
            before.expect_quiet()
            unknown.expect_quiet()


def resume_shows_what_was_set() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        subject.shutdown()
        subject.set(SERVICE, "UNKNOWN")
        with client.watch(SERVICE) as watch:
            watch.expect_next("NOT_SERVING")
            watch.expect_quiet()
            subject.resume()
            watch.expect_next("UNKNOWN")


def close_ends_streams() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        with client.watch(SERVICE) as watch, client.watch("nobody") as unknown:
            watch.expect_next("SERVING")
            unknown.expect_next("SERVICE_UNKNOWN")
            subject.shutdown()
            watch.expect_next("NOT_SERVING")
            subject.close()
            expect("health service closed", watch.expect_end(Code.UNAVAILABLE).details(), "message")
            unknown.expect_end(Code.UNAVAILABLE)
        with client.watch(SERVICE) as after:
            after.expect_end(Code.UNAVAILABLE)


def close_alone_ends_streams() -> None:
    with Subject() as subject, Client(subject.address) as client, client.watch() as watch:
        watch.expect_next("SERVING")
        subject.close()
        watch.expect_end(Code.UNAVAILABLE)
