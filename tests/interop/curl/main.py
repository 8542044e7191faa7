"""Every case of curl against the subject, over HTTP/1.1 and HTTP/2."""

import bodies
import get
import probes
import refusals
import streams
import unary
from cases import Cases
from client import VERSIONS

cases = Cases("curl")
for module in (unary, get, probes, refusals, bodies, streams):
    for version in VERSIONS:
        module.declare(cases, version)
cases.run()
