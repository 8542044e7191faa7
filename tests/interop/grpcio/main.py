"""Every case of grpcio against the subject."""

import drain
import health_checking
import transport
import unary
import watch
from cases import Cases

cases = Cases("grpcio")
for module in (unary, watch, drain, transport, health_checking):
    module.declare(cases)
cases.run()
