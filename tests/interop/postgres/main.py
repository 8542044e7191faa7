"""A status that follows a real PostgreSQL: how long it takes, what Watch brings, and who learns the reason."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from cases import Cases, expect, expect_true
from example import DOWN_SECONDS, SLACK, UP_SECONDS, Example, Postgres
from grpc_client import RPC_SECONDS, SERVICE, Client, Watch
from grpc_health.v1 import health_pb2

cases = Cases("postgres")


@cases.case("stopped: NOT_SERVING within period x failure threshold + jitter + timeout; started: SERVING again")
def stopped_and_started() -> str:
    with scene() as (postgres, _, client, watch):
        down = measure(postgres.stop, watch, "NOT_SERVING")
        expect("NOT_SERVING", client.check(SERVICE), "Check without the database")
        expect_true(down <= DOWN_SECONDS + SLACK, f"NOT_SERVING only {down:.2f} s after the database stopped")
        up = measure(postgres.start, watch, "SERVING")
        expect("SERVING", client.check(SERVICE), "Check with the database again")
        expect_true(up <= UP_SECONDS + SLACK, f"SERVING only {up:.2f} s after the database answers again")
        return f"{down:.2f} s of at most {DOWN_SECONDS:.2f} s, {up:.2f} s of at most {UP_SECONDS:.2f} s"


@cases.case("hanging: NOT_SERVING within period x failure threshold + jitter + timeout; going on: SERVING again")
def hanging() -> str:
    with scene() as (postgres, example, client, watch):
        down = measure(postgres.pause, watch, "NOT_SERVING")
        expect_true(down <= DOWN_SECONDS + SLACK, f"NOT_SERVING only {down:.2f} s after the database hung")
        example.expect_line(r'"greet.GreetService": SERVING -> NOT_SERVING after \S+s: .*timed? ?out.*')
        up = measure(postgres.resume, watch, "SERVING")
        expect("SERVING", client.check(SERVICE), "Check with the database again")
        expect_true(up <= UP_SECONDS + SLACK, f"SERVING only {up:.2f} s after the database goes on")
        return f"{down:.2f} s of at most {DOWN_SECONDS:.2f} s, {up:.2f} s of at most {UP_SECONDS:.2f} s"


@cases.case("the reason and the time are printed, and not sent over RPC")
def reason() -> None:
    with scene() as (postgres, example, client, watch):
        example.expect_line(r'"greet.GreetService": UNKNOWN -> SERVING after \S+s: .*')
        postgres.stop()
        watch.expect_next("NOT_SERVING")
        example.expect_line(
            r'"greet.GreetService": SERVING -> NOT_SERVING after \S+s: '
            rf".*postgres 127\.0\.0\.1:{postgres.port}/postgres.*Connection refused.*"
        )
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        reply, call = client.stub.Check.with_call(request, timeout=RPC_SECONDS)
        expect(b"\x08\x02", reply.SerializeToString(), "the whole answer")
        sent = str([*call.initial_metadata(), *call.trailing_metadata(), call.details()]).lower()
        expect_true("refused" not in sent and "postgres" not in sent, f"the reason is sent: {sent}")
        postgres.start()
        watch.expect_next("SERVING")
        example.expect_line(r'"greet.GreetService": NOT_SERVING -> SERVING after \S+s: .*')


@contextlib.contextmanager
def scene() -> Iterator[tuple[Postgres, Example, Client, Watch]]:
    """A database, the service that follows it, and a Watch of that; SERVING so far."""
    with Postgres() as postgres, Example(postgres) as example, Client(example.address) as client:
        with client.watch(SERVICE) as watch:
            status = watch.take()
            expect("SERVING", watch.take() if status == "UNKNOWN" else status, "first status of the Watch")
            yield postgres, example, client, watch


def measure(change: Callable[[], None], watch: Watch, status: str) -> float:
    """How many seconds after the change was complete the Watch brings the status."""
    change()
    done = time.monotonic()
    watch.expect_next(status)
    return time.monotonic() - done


cases.run()
