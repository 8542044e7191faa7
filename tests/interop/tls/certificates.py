"""Certificates as an operator makes them, with openssl."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess

EXTENSIONS = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[leaf]
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth, clientAuth
"""
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
RSA = ("-newkey", "rsa:2048")


@dataclasses.dataclass(frozen=True)
class Identity:
    """The files of a certificate and its key."""

    certificate: str
    key: str

    def read(self) -> tuple[bytes, bytes]:
        return pathlib.Path(self.certificate).read_bytes(), pathlib.Path(self.key).read_bytes()


class Authority:
    """A CA with files of its own; `file` is its certificate."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self._folder = folder
        self._extensions = folder / "extensions.cnf"
        self._extensions.write_text(EXTENSIONS, encoding="utf-8")
        self._own = Identity(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
        self.file = self._own.certificate
        self._request(EC, f"/CN={name}", self._own, "-x509", "-extensions", "authority", "-days", "30")

    def read(self) -> bytes:
        return pathlib.Path(self.file).read_bytes()

    def issue(self, name: str, key: tuple[str, ...] = EC) -> Identity:
        """A certificate for 127.0.0.1 and localhost, to serve or to call with."""
        identity = Identity(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))
        self._request(key, f"/CN={name}", identity)
        authority = ("-CA", self._own.certificate, "-CAkey", self._own.key, "-CAcreateserial", "-days", "30")
        extensions = ("-extfile", str(self._extensions), "-extensions", "leaf")
        request = identity.certificate
        _openssl("x509", "-req", "-in", request, "-out", f"{request}.signed", *authority, *extensions)
        pathlib.Path(f"{request}.signed").rename(request)
        return identity

    def _request(self, key: tuple[str, ...], subject: str, files: Identity, *options: str) -> None:
        files_of_it = ("-out", files.certificate, "-keyout", files.key)
        config = ("-config", str(self._extensions))
        _openssl("req", "-new", *key, "-nodes", "-subj", subject, *config, *files_of_it, *options)


class Pki:
    """What the cases share: a known authority, a strange one, and identities of both."""

    def __init__(self, folder: str) -> None:
        known, strange = pathlib.Path(folder, "known"), pathlib.Path(folder, "strange")
        known.mkdir()
        strange.mkdir()
        self.authority = Authority(known, "authority")
        self.server = self.authority.issue("server", RSA)
        self.client = self.authority.issue("client")
        self.stranger = Authority(strange, "stranger")
        self.strange_client = self.stranger.issue("strange-client")

    @property
    def tls(self) -> tuple[str, ...]:
        """The subject's arguments for TLS."""
        return ("--tls-cert", self.server.certificate, "--tls-key", self.server.key)

    @property
    def mutual_tls(self) -> tuple[str, ...]:
        """The same where clients need a certificate, and a plaintext port beside."""
        return (*self.tls, "--tls-client-ca", self.authority.file, "--plain-listen", "127.0.0.1:0")


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
