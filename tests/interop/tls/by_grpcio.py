"""gRPC C-core over TLS, with and without a client certificate."""

from __future__ import annotations

import grpc
from cases import Cases, expect
from certificates import Identity, Pki
from grpc_client import SERVICE, Client, Code
from subject import Subject


def declare(cases: Cases, pki: Pki) -> None:
    cases.case("grpcio: check, watch and drain over TLS")(lambda: over_tls(pki))
    cases.case("grpcio: a server of an unknown authority is not called")(lambda: unknown_authority(pki))
    cases.case("grpcio: mutual TLS lets in who has a certificate, and no other")(lambda: mutual(pki))


def over_tls(pki: Pki) -> None:
    with Subject(*pki.tls) as subject, Client(subject.address, credentials(pki)) as client:
        follows_the_status(subject, client)


def follows_the_status(subject: Subject, client: Client) -> None:
    """Check and a Watch, to the end of a drain."""
    expect("SERVING", client.check(), "the whole server")
    expect("NOT_FOUND", client.check(SERVICE), "before it is registered")
    with client.watch(SERVICE) as watch:
        watch.expect_next("SERVICE_UNKNOWN")
        subject.set(SERVICE, "SERVING")
        watch.expect_next("SERVING")
        expect("SERVING", client.check(SERVICE))
        subject.shutdown()
        watch.expect_next("NOT_SERVING")
        watch.expect_quiet()
        subject.close()
        watch.expect_end(Code.UNAVAILABLE)


def unknown_authority(pki: Pki) -> None:
    mistrusting = grpc.ssl_channel_credentials(pki.stranger.read())
    with Subject(*pki.tls) as subject:
        with Client(subject.address, mistrusting) as client:
            expect("UNAVAILABLE", client.check())
        with Client(subject.address) as client:
            expect("UNAVAILABLE", client.check(), "plaintext to the TLS port")
        with Client(subject.address, credentials(pki)) as client:
            expect("SERVING", client.check(), "afterwards")


def mutual(pki: Pki) -> None:
    with Subject(*pki.mutual_tls) as subject:
        for refused in (None, pki.strange_client):
            with Client(subject.address, credentials(pki, refused)) as client:
                expect("UNAVAILABLE", client.check(), f"with {refused}")
        with Client(subject.plain) as probe:
            expect("SERVING", probe.check(), "the plaintext port")
            with Client(subject.address, credentials(pki, pki.client)) as client:
                follows_the_status(subject, client)
            expect("NOT_SERVING", probe.check(), "the plaintext port after the drain")


def credentials(pki: Pki, identity: Identity | None = None) -> grpc.ChannelCredentials:
    if identity is None:
        return grpc.ssl_channel_credentials(pki.authority.read())
    certificate, key = identity.read()
    return grpc.ssl_channel_credentials(pki.authority.read(), key, certificate)
