"""Certificates that are replaced while the server runs."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import time

from by_curl import over_tls
from by_grpcio import credentials
from cases import Cases, eventually, expect
from certificates import Identity, Pki
from grpc_client import Client
from subject import Subject


def declare(cases: Cases, pki: Pki) -> None:
    cases.case("renewal: curl sees the new certificate, and an open watch goes on")(lambda: renewed(pki))
    cases.case("renewal: by a symbolic link, as a Kubernetes volume does it")(lambda: by_symlink(pki))
    cases.case("renewal: files that do not fit keep the old certificate")(lambda: half_renewed(pki))


def renewed(pki: Pki) -> None:
    new = pki.authority.issue("renewed")
    with Copy(pki.server) as files, Subject(*files.arguments) as subject:
        with Client(subject.address, credentials(pki)) as client, client.watch() as watch:
            watch.expect_next("SERVING")
            expect("server", presented(pki, subject), "certificate at the start")
            files.replace(new)
            eventually(lambda: presented(pki, subject), "renewed", "certificate after the renewal")
            watch.expect_quiet()
            subject.shutdown()
            watch.expect_next("NOT_SERVING")


def by_symlink(pki: Pki) -> None:
    new = pki.authority.issue("linked")
    with tempfile.TemporaryDirectory() as folder:
        volume = pathlib.Path(folder)
        for name, identity in (("first", pki.server), ("second", new)):
            (volume / name).mkdir()
            shutil.copy(identity.certificate, volume / name / "tls.crt")
            shutil.copy(identity.key, volume / name / "tls.key")
        data = volume / "..data"
        data.symlink_to("first")
        arguments = ("--tls-cert", str(data / "tls.crt"), "--tls-key", str(data / "tls.key"))
        with Subject(*arguments) as subject:
            expect("server", presented(pki, subject), "certificate at the start")
            (volume / "..data_tmp").symlink_to("second")
            (volume / "..data_tmp").rename(data)
            eventually(lambda: presented(pki, subject), "linked", "certificate after the swap")


def half_renewed(pki: Pki) -> None:
    new = pki.authority.issue("half-renewed")
    with Copy(pki.server) as files, Subject(*files.arguments) as subject:
        files.replace_certificate(new)
        # The subject looks once a second.
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            expect("server", presented(pki, subject), "certificate while the key is the old one")
        files.replace(new)
        eventually(lambda: presented(pki, subject), "half-renewed", "certificate once both are new")
        pathlib.Path(files.key).unlink()
        expect("half-renewed", presented(pki, subject), "certificate while there is no key")


def presented(pki: Pki, subject: Subject) -> str:
    """The name in the certificate that a new connection gets."""
    return over_tls(pki, subject, "/livez").subject


class Copy:
    """The files of an identity, to be replaced."""

    def __init__(self, identity: Identity) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.certificate = str(pathlib.Path(self._folder.name, "tls.crt"))
        self.key = str(pathlib.Path(self._folder.name, "tls.key"))
        self.replace(identity)

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("--tls-cert", self.certificate, "--tls-key", self.key)

    def replace(self, identity: Identity) -> None:
        self.replace_certificate(identity)
        shutil.copy(identity.key, self.key)

    def replace_certificate(self, identity: Identity) -> None:
        shutil.copy(identity.certificate, self.certificate)
