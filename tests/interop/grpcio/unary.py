"""Check and List."""

import grpc
from cases import Cases, expect, expect_true
from grpc_client import RPC_SECONDS, SERVICE, Client, Code
from grpc_health.v1 import health_pb2
from subject import Subject

STATUSES = {"": "SERVING", SERVICE: "SERVING", "idle": "UNKNOWN", "down": "NOT_SERVING"}
LIST_LIMIT = 100


def declare(cases: Cases) -> None:
    cases.case("check answers each status")(check_answers_each_status)
    cases.case("check follows set, remove, shutdown and resume")(check_follows_changes)
    cases.case("check of an unknown name is NOT_FOUND with a message")(check_of_an_unknown_name)
    cases.case("list answers every service")(list_answers_every_service)
    cases.case("list over 100 services is RESOURCE_EXHAUSTED, of 100 is whole")(list_has_a_limit)


def check_answers_each_status() -> None:
    with Subject() as subject, Client(subject.address) as client:
        expect("SERVING", client.check(), "the whole server, from the start")
        subject.reset(STATUSES)
        for service, status in STATUSES.items():
            expect(status, client.check(service), f"service {service!r}")


def check_follows_changes() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.set(SERVICE, "SERVING")
        expect("SERVING", client.check(SERVICE), "after set")
        subject.set(SERVICE, "NOT_SERVING")
        expect("NOT_SERVING", client.check(SERVICE), "after a second set")
        subject.set(SERVICE, "SERVING")
        subject.shutdown()
        expect("NOT_SERVING", client.check(SERVICE), "after shutdown")
        expect("NOT_SERVING", client.check(), "the whole server after shutdown")
        subject.resume()
        expect("SERVING", client.check(SERVICE), "after resume")
        subject.remove(SERVICE)
        expect("NOT_FOUND", client.check(SERVICE), "after remove")


def check_of_an_unknown_name() -> None:
    with Subject() as subject, Client(subject.address) as client:
        call = client.stub.Check.future(
            health_pb2.HealthCheckRequest(service="Greet.greetService"), timeout=RPC_SECONDS
        )
        expect(Code.NOT_FOUND, call.code())
        expect("unknown service", call.details(), "message")


def list_answers_every_service() -> None:
    with Subject() as subject, Client(subject.address) as client:
        subject.reset(STATUSES)
        expect(STATUSES, _list(client))


def list_has_a_limit() -> None:
    with Subject() as subject, Client(subject.address) as client:
        names = {f"acme.inventory.v{number}.InventoryService": "SERVING" for number in range(LIST_LIMIT)}
        subject.reset(names)
        expect(names, _list(client))
        subject.set("one.more", "SERVING")
        try:
            _list(client)
        except grpc.RpcError as error:
            expect(Code.RESOURCE_EXHAUSTED, error.code())
        else:
            expect_true(False, f"expected RESOURCE_EXHAUSTED for {LIST_LIMIT + 1} services, got an answer")


def _list(client: Client) -> dict[str, str]:
    reply = client.stub.List(health_pb2.HealthListRequest(), timeout=RPC_SECONDS)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name
    return {service: name(answer.status) for service, answer in reply.statuses.items()}
