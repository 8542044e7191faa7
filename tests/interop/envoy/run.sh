#!/usr/bin/env bash
# Envoy in front of two subjects: active health checks over gRPC and HTTP, and gRPC streams through it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need envoy python3 "install Python 3.10 or newer"
    python_venv envoy "$here/requirements.txt" "$here/../grpcio/requirements.txt"
}

run() {
    local python="$PEERS_DIR/envoy/bin/python"
    ENVOY="$("$python" -c 'import importlib.resources as r; print(r.files("envoy") / "_bin" / "envoy")')"
    export ENVOY
    run_python "$python" "$here/main.py"
}

step "$@"
