"""/livez, /readyz, /startupz and /healthz."""

from cases import Cases, expect
from client import curl
from subject import Subject

TEXT = "text/plain; charset=utf-8"
HEALTH_JSON = "application/health+json"
NOT_READY = b"[-]serving failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n"


def declare(cases: Cases, version: str) -> None:
    cases.case(f"{version}: probes answer ok as text")(lambda: text(version))
    cases.case(f"{version}: probes of a server that is not serving")(lambda: not_serving(version))
    cases.case(f"{version}: probes under shutdown and after resume")(lambda: draining(version))
    cases.case(f"{version}: probe verbose, exclude, and one check alone")(lambda: verbose(version))
    cases.case(f"{version}: probe as application/health+json")(lambda: health_json(version))
    cases.case(f"{version}: probe HEAD, and 405 for the rest")(lambda: methods(version))


def text(version: str) -> None:
    with Subject() as subject:
        for path in ("/livez", "/readyz", "/startupz", "/healthz"):
            reply = curl(version, subject, path)
            reply.expect(200, b"ok", content_type=TEXT, cache_control="no-store", x_content_type_options="nosniff")
            curl(version, subject, path + "/").expect(404)


def not_serving(version: str) -> None:
    with Subject() as subject:
        subject.set("one.service", "NOT_SERVING")
        curl(version, subject, "/readyz").expect(200, b"ok")
        subject.set("", "NOT_SERVING")
        curl(version, subject, "/readyz").expect(503, NOT_READY, content_type=TEXT)
        curl(version, subject, "/healthz").expect(503, NOT_READY.replace(b"readyz", b"healthz"))
        curl(version, subject, "/livez").expect(200, b"ok")
        curl(version, subject, "/startupz").expect(200, b"ok")
        subject.reset({"": "NOT_SERVING"})
        curl(version, subject, "/startupz").expect(503, b"[-]started failed: reason withheld\nstartupz check failed\n")


def draining(version: str) -> None:
    with Subject() as subject:
        subject.shutdown()
        curl(version, subject, "/readyz").expect(503)
        curl(version, subject, "/livez").expect(200, b"ok")
        subject.resume()
        curl(version, subject, "/readyz").expect(200, b"ok")
        # The load balancer sees the drain to its end: close ends streams, not the server.
        subject.shutdown()
        subject.close()
        curl(version, subject, "/readyz").expect(503)


def verbose(version: str) -> None:
    with Subject() as subject:
        curl(version, subject, "/readyz?verbose").expect(200, b"[+]serving ok\n[+]shutdown ok\nreadyz check passed\n")
        curl(version, subject, "/livez?verbose=1").expect(200, b"[+]ping ok\nlivez check passed\n")
        subject.set("", "UNKNOWN")
        excluded = b"[+]serving excluded: ok\n[+]shutdown ok\nreadyz check passed\n"
        curl(version, subject, "/readyz?exclude=serving&verbose").expect(200, excluded)
        curl(version, subject, "/readyz/shutdown").expect(200, b"ok")
        curl(version, subject, "/readyz/serving").expect(503)
        curl(version, subject, "/readyz/nothing").expect(404)


def health_json(version: str) -> None:
    accept = ("-H", f"accept: {HEALTH_JSON}")
    with Subject() as subject:
        subject.reset({"": "SERVING", "down": "NOT_SERVING"})
        expect({"status": "pass"}, curl(version, subject, "/livez", *accept).expect(200, content_type=HEALTH_JSON).json)
        reply = curl(version, subject, "/readyz", *accept).expect(200, content_type=HEALTH_JSON).json
        expect("pass", reply.get("status"), "status")
        down = {"componentType": "component", "observedValue": "NOT_SERVING", "status": "fail"}
        expect({"down:status": [down]}, reply.get("checks"), "checks")
        subject.set("", "NOT_SERVING")
        expect("fail", curl(version, subject, "/readyz", *accept).expect(503).json.get("status"), "status")


def methods(version: str) -> None:
    with Subject() as subject:
        curl(version, subject, "/readyz", "--head").expect(200, b"", content_type=TEXT)
        curl(version, subject, "/readyz", "-d", "x").expect(405, allow="GET, HEAD")
        curl(version, subject, "/livez", "-X", "DELETE").expect(405, allow="GET, HEAD")
        subject.set("", "NOT_SERVING")
        curl(version, subject, "/readyz", "--head").expect(503, b"")
