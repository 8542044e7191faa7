"""Connect GET: a Check that a browser's address line can send."""

from cases import Cases, expect
from client import CHECK, LIST, SERVICE, WATCH, curl
from subject import Subject

# {"service":"down"}, and the same in protobuf as unpadded URL base64.
JSON_QUERY = "?connect=v1&encoding=json&message=%7B%22service%22%3A%22down%22%7D"
PROTO_QUERY = "?encoding=proto&base64=1&message=CgRkb3du"


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: Connect GET check, JSON and protobuf")(lambda: check(version))
    cases.case(f"{version}: Connect GET list")(lambda: list_all(version))
    cases.case(f"{version}: Connect GET refusals")(lambda: refusals(version))


def check(version: str) -> None:
    with Subject() as subject:
        subject.reset({"": "SERVING", "down": "NOT_SERVING"})
        reply = curl(version, subject, CHECK + JSON_QUERY)
        reply.expect(200, b'{"status":"NOT_SERVING"}', content_type="application/json", cache_control="no-store")
        expect("accept-encoding", reply.headers.get("vary", "").lower(), "header vary")
        curl(version, subject, CHECK + PROTO_QUERY).expect(200, b"\x08\x02", content_type="application/proto")
        curl(version, subject, CHECK + "?encoding=proto&message=").expect(200, b"\x08\x01")


def list_all(version: str) -> None:
    with Subject() as subject:
        subject.set(SERVICE, "SERVING")
        reply = curl(version, subject, LIST + "?encoding=json&message=%7B%7D").expect(200)
        expect({"statuses": {"": {"status": "SERVING"}, SERVICE: {"status": "SERVING"}}}, reply.json)


def refusals(version: str) -> None:
    with Subject() as subject:
        curl(version, subject, CHECK + "?message=%7B%7D").expect(415)
        curl(version, subject, WATCH + JSON_QUERY).expect(405, b"", allow="POST")
        triple = ("-H", "triple-protocol-version: 0.1.0")
        curl(version, subject, CHECK + JSON_QUERY, *triple).expect(405, b"", allow="GET, POST")
        for query in (
            "?encoding=json",
            "?encoding=json&message=",
            "?encoding=proto&base64=1&message=*",
            JSON_QUERY + "&compression=br",
        ):
            reply = curl(version, subject, CHECK + query)
            expected = (501, "unimplemented") if "br" in query else (400, "invalid_argument")
            expect(expected, (reply.status, reply.json.get("code")), query)
