"""Every case of TLS against the subject."""

import tempfile

import by_curl
import by_grpc_go
import by_grpcio
import renewal
from cases import Cases
from certificates import Pki

cases = Cases("tls")
with tempfile.TemporaryDirectory() as folder:
    pki = Pki(folder)
    for module in (by_grpcio, by_grpc_go, by_curl, renewal):
        module.declare(cases, pki)
    cases.run()
