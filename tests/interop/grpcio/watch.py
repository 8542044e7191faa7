"""Watch: what a stream yields, and that it stays open."""

from cases import Cases, eventually, expect
from grpc_client import SERVICE, Client, Code
from subject import Subject

WATCHES_ON_ONE_CONNECTION = 200


def declare(cases: Cases) -> None:
    cases.case("watch yields the status at once and follows sets")(watch_follows_sets)
    cases.case("watch repeats no status")(watch_repeats_no_status)
    cases.case("watch of an unknown name stays open until it registers")(unknown_stays_open)
    cases.case("watch of a removed service yields SERVICE_UNKNOWN and goes on")(removal_goes_on)
    cases.case("200 watches on one connection let a Check through")(many_watches)
    cases.case("a cancelled watch makes room for another")(cancelled_watch_is_given_up)


def watch_follows_sets() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        with client.watch(SERVICE) as watch, client.watch() as overall:
            watch.expect_next("SERVING")
            overall.expect_next("SERVING")
            for status in ("NOT_SERVING", "UNKNOWN", "SERVING"):
                subject.set(SERVICE, status)
                watch.expect_next(status)
            overall.expect_quiet()


def watch_repeats_no_status() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        with client.watch(SERVICE) as watch:
            watch.expect_next("SERVING")
            subject.set(SERVICE, "SERVING")
            subject.set("another.Service", "NOT_SERVING")
            watch.expect_quiet()


def unknown_stays_open() -> None:
    with Subject() as subject, Client(subject.address) as client, client.watch(SERVICE) as watch:
        watch.expect_next("SERVICE_UNKNOWN")
        watch.expect_quiet()
        subject.set(SERVICE, "SERVING")
        watch.expect_next("SERVING")


def removal_goes_on() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "NOT_SERVING")
        with client.watch(SERVICE) as watch:
            watch.expect_next("NOT_SERVING")
            subject.remove(SERVICE)
            watch.expect_next("SERVICE_UNKNOWN")
            watch.expect_quiet()
            subject.set(SERVICE, "SERVING")
            watch.expect_next("SERVING")


def many_watches() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        watches = [client.watch(SERVICE) for _ in range(WATCHES_ON_ONE_CONNECTION)]
        for watch in watches:
            watch.expect_next("SERVING")
        expect("SERVING", client.check(SERVICE), "check beside the watches")
        subject.set(SERVICE, "NOT_SERVING")
        for watch in watches:
            watch.expect_next("NOT_SERVING")


def cancelled_watch_is_given_up() -> None:
    with Subject("--max-watchers", "1") as subject, Client(subject.address) as client:
        with client.watch() as first:
            first.expect_next("SERVING")
            with client.watch() as second:
                second.expect_end(Code.RESOURCE_EXHAUSTED)
        eventually(lambda: _watch_opens(client), True, "a watch opens after the first was cancelled")


def _watch_opens(client: Client) -> bool:
    with client.watch() as watch:
        return watch.take() == "SERVING"
