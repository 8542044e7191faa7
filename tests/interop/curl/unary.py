"""Check and List as Connect, Triple and gRPC-Web unary calls."""

import gzip

from cases import Cases, expect
from client import CHECK, JSON, LIST, SERVICE, curl
from subject import Subject

STATUSES = {"": "SERVING", SERVICE: "SERVING", "idle": "UNKNOWN", "down": "NOT_SERVING"}
TRIPLE = ("-H", "triple-protocol-version: 0.1.0")
# protobuf: field 1 is the service's name; in the answer, field 1 is the status.
CHECK_DOWN, NOT_SERVING = b"\x0a\x04down", b"\x08\x02"


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: JSON check of each status")(lambda: json_check(version))
    cases.case(f"{version}: JSON check of an unknown name is 404 not_found")(lambda: json_unknown(version))
    cases.case(f"{version}: protobuf check")(lambda: protobuf_check(version))
    cases.case(f"{version}: JSON list")(lambda: json_list(version))
    cases.case(f"{version}: JSON list of many services, gzip")(lambda: json_list_gzip(version))
    cases.case(f"{version}: gzip request")(lambda: gzip_request(version))
    cases.case(f"{version}: Triple deadline of 0 is 408, Connect's 504")(lambda: deadline(version))


def json_check(version: str) -> None:
    answers = {"SERVING": b'{"status":"SERVING"}', "NOT_SERVING": b'{"status":"NOT_SERVING"}', "UNKNOWN": b"{}"}
    with Subject() as subject:
        subject.reset(STATUSES)
        for service, status in STATUSES.items():
            for marker in ((), TRIPLE):
                reply = curl(version, subject, CHECK, *JSON, *marker, "-d", f'{{"service":"{service}"}}')
                reply.expect(200, answers[status], content_type="application/json")


def json_unknown(version: str) -> None:
    with Subject() as subject:
        for marker in ((), TRIPLE):
            reply = curl(version, subject, CHECK, *JSON, *marker, "-d", '{"service":"nobody"}')
            reply.expect(404, content_type="application/json")
            expect({"code": "not_found", "message": "unknown service"}, reply.json)


def protobuf_check(version: str) -> None:
    with Subject() as subject:
        subject.reset(STATUSES)
        options = ("-H", "content-type: application/proto")
        reply = curl(version, subject, CHECK, *options, body=CHECK_DOWN)
        reply.expect(200, NOT_SERVING, content_type="application/proto")
        curl(version, subject, CHECK, *options, body=b"\x0a\x04idle").expect(200, b"", content_length="0")


def json_list(version: str) -> None:
    with Subject() as subject:
        subject.reset(STATUSES)
        reply = curl(version, subject, LIST, *JSON, "-d", "{}")
        expected = (
            b'{"statuses":{"":{"status":"SERVING"},"down":{"status":"NOT_SERVING"},'
            b'"greet.GreetService":{"status":"SERVING"},"idle":{}}}'
        )
        reply.expect(200, expected, content_encoding=None)


def json_list_gzip(version: str) -> None:
    with Subject() as subject:
        subject.reset({f"acme.inventory.v{number}.InventoryService": "SERVING" for number in range(100)})
        reply = curl(version, subject, LIST, *JSON, "--compressed", "-d", "{}").expect(200, content_encoding="gzip")
        expect(100, len(reply.json["statuses"]), "number of services")
        curl(version, subject, LIST, *JSON, "-d", "{}").expect(200, content_encoding=None)


def gzip_request(version: str) -> None:
    with Subject() as subject:
        subject.reset(STATUSES)
        options = (*JSON, "-H", "content-encoding: gzip")
        reply = curl(version, subject, CHECK, *options, body=gzip.compress(b'{"service":"down"}'))
        reply.expect(200, b'{"status":"NOT_SERVING"}')
        curl(version, subject, CHECK, *options, body=b"not gzip").expect(400)


def deadline(version: str) -> None:
    with Subject() as subject:
        for header, status in (("triple-timeout-ms: 0", 408), ("connect-timeout-ms: 0", 504)):
            reply = curl(version, subject, CHECK, *JSON, "-H", header, "-d", "{}").expect(status)
            expect("deadline_exceeded", reply.json["code"], header)
