"""What the server refuses, and in which words; CORS preflights."""

from cases import Cases, expect, expect_true
from client import CHECK, JSON, LIST, WATCH, curl
from subject import Subject

GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")
EMPTY_MESSAGE = b"\0\0\0\0\0"
ORIGIN = "https://console.example"


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: 404 for other paths")(lambda: not_found(version))
    cases.case(f"{version}: 405 with Allow")(lambda: methods(version))
    cases.case(f"{version}: 415 with Accept-Post")(lambda: content_types(version))
    cases.case(f"{version}: malformed JSON is 400 invalid_argument")(lambda: bad_json(version))
    cases.case(f"{version}: gRPC, " + ("505 on this version" if version == "h1" else "status in the trailers"))(
        lambda: grpc(version)
    )
    cases.case(f"{version}: CORS preflight and reply, for allowed origins only")(lambda: cors(version))


def not_found(version: str) -> None:
    with Subject() as subject:
        for path in ("/", CHECK + "/", CHECK.lower(), "/grpc.health.v1.Health/Nothing", "/readyzz"):
            curl(version, subject, path, *JSON, "-d", "{}").expect(404, b"")


def methods(version: str) -> None:
    with Subject() as subject:
        for path, allow in ((CHECK, "GET, POST"), (LIST, "GET, POST"), (WATCH, "POST")):
            for method in ("PUT", "DELETE", "OPTIONS"):
                curl(version, subject, path, "-X", method, *JSON).expect(405, b"", allow=allow)
            curl(version, subject, path, "--head").expect(405, b"", allow=allow)


def content_types(version: str) -> None:
    common = [f"application/grpc{kind}" for kind in ("", "+json", "+proto", "-web", "-web+json", "-web+proto")]
    common += ["application/grpc-web-text", "application/grpc-web-text+proto"]
    unary = ", ".join([*common, "application/json", "application/proto"])
    stream = ", ".join(["application/connect+json", "application/connect+proto", *common])
    with Subject() as subject:
        for media_type in (
            "text/plain",
            "application/x-protobuf",
            "application/json; charset=latin1",
            "application/connect+json",
        ):
            curl(version, subject, CHECK, "-H", f"content-type: {media_type}", "-d", "{}").expect(
                415, b"", accept_post=unary
            )
        # -d without a type of its own is a form.
        curl(version, subject, CHECK, "-d", "{}").expect(415, b"", accept_post=unary)
        curl(version, subject, WATCH, *JSON, "-d", "{}").expect(415, b"", accept_post=stream)


def bad_json(version: str) -> None:
    with Subject() as subject:
        for body in ("", "{", "[]", "null", '{"service":1}', '{"service":"a","service":"b"}', "{} {}"):
            reply = curl(version, subject, CHECK, *JSON, "-d", body)
            expect((400, "invalid_argument"), (reply.status, reply.json.get("code")), f"body {body!r}")
        curl(version, subject, CHECK, *JSON, "-d", '{"unknownField":[1]}').expect(200)


def grpc(version: str) -> None:
    with Subject() as subject:
        reply = curl(version, subject, CHECK, *GRPC, body=EMPTY_MESSAGE)
        if version == "h1":
            reply.expect(505, b"", connection="close")
            return
        reply.expect(200, b"\0\0\0\0\x02\x08\x01", content_type="application/grpc")
        expect("0", reply.trailers.get("grpc-status"), "trailer grpc-status")
        # The server's own deadline: curl has none that could come first.
        reply = curl(version, subject, WATCH, *GRPC, "-H", "grpc-timeout: 300m", body=EMPTY_MESSAGE)
        reply.expect(200, b"\0\0\0\0\x02\x08\x01")
        expect("4", reply.trailers.get("grpc-status"), "trailer grpc-status after the deadline")


def cors(version: str) -> None:
    preflight = ("-X", "OPTIONS", "-H", "access-control-request-method: POST")
    with Subject("--cors-allow-origin", ORIGIN, "--cors-allow-header", "X-Trace") as subject:
        reply = curl(version, subject, CHECK, *preflight, "-H", f"origin: {ORIGIN}")
        reply.expect(204, b"", access_control_allow_origin=ORIGIN, access_control_max_age="7200")
        allowed = reply.headers.get("access-control-allow-headers", "").lower().split(", ")
        for name in ("content-type", "x-grpc-web", "connect-protocol-version", "x-trace"):
            expect_true(name in allowed, f"expected {name} in access-control-allow-headers, got {allowed}")
        other = curl(version, subject, CHECK, *preflight, "-H", "origin: https://other.example")
        other.expect(403, access_control_allow_headers=None, access_control_allow_origin=None)
        reply = curl(version, subject, CHECK, *JSON, "-H", f"origin: {ORIGIN}", "-d", "{}")
        reply.expect(200, b'{"status":"SERVING"}', access_control_allow_origin=ORIGIN)
