#!/usr/bin/env bash
# gRPC C-core, through Python's grpcio and the official client stubs of grpcio-health-checking.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need grpcio python3 "install Python 3.10 or newer"
    python_venv grpcio "$here/requirements.txt"
}

run() {
    run_python "$PEERS_DIR/grpcio/bin/python" "$here/main.py"
}

step "$@"
