"""Bodies over the limit: each gets its answer, and the next request its own."""

from cases import Cases, expect
from client import CHECK, JSON, Reply, curl, in_a_row
from subject import Subject

MIB = 1024 * 1024
TEN = 10


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: ten bodies of 1 MiB in a row from ten curls")(lambda: ten_connections(version))
    cases.case(f"{version}: a body of 1 MiB to a path that is not ours")(lambda: big_body_elsewhere(version))
    if version == "h1":
        # Over HTTP/2 curl 7.88 fails by itself in these two, against any server: it cannot send again on a connection
        # that took a large body, and reports a reset stream although the answer came before the reset.
        cases.case(f"{version}: ten bodies of 1 MiB in a row from one curl")(lambda: one_connection(version))
        cases.case(f"{version}: expect: 100-continue, and a body of 64 MiB")(lambda: not_even_read(version))


def ten_connections(version: str) -> None:
    with Subject() as subject:
        for _ in range(TEN):
            expect_refused(curl(version, subject, CHECK, *JSON, body=big_body(MIB)))
        expect_answers(version, subject)


def one_connection(version: str) -> None:
    with Subject() as subject:
        for reply in in_a_row(version, subject, [CHECK] * TEN, *JSON, body=big_body(MIB)):
            expect_refused(reply)
        expect_answers(version, subject)


def big_body_elsewhere(version: str) -> None:
    with Subject() as subject:
        for path, status in (("/nothing", 404), ("/readyz", 405)):
            curl(version, subject, path, *JSON, body=big_body(MIB)).expect(status)
        expect_answers(version, subject)


def not_even_read(version: str) -> None:
    with Subject() as subject:
        expect_refused(curl(version, subject, CHECK, *JSON, "-H", "expect: 100-continue", body=big_body(MIB)))
        expect_refused(curl(version, subject, CHECK, *JSON, body=big_body(64 * MIB)))
        expect_answers(version, subject)


def big_body(size: int) -> bytes:
    return b'{"service":"' + b"a" * size + b'"}'


def expect_refused(reply: Reply) -> None:
    expect((429, "resource_exhausted"), (reply.status, reply.json.get("code")))


def expect_answers(version: str, subject: Subject) -> None:
    curl(version, subject, CHECK, *JSON, "-d", "{}").expect(200, b'{"status":"SERVING"}')
