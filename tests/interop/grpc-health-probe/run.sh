#!/usr/bin/env bash
# grpc-health-probe: the program that Kubernetes and others run to check a gRPC server.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

version=v0.4.61
folder="$PEERS_DIR/grpc-health-probe-$version"

install() {
    need grpc-health-probe python3 "install Python 3.10 or newer"
    need grpc-health-probe go "install Go 1.26 or newer"
    if [ ! -x "$folder/grpc-health-probe" ]; then
        GOBIN="$folder" go install -buildvcs=false "github.com/grpc-ecosystem/grpc-health-probe@$version"
    fi
}

run() {
    export PROBE="$folder/grpc-health-probe"
    run_python python3 "$here/main.py"
}

step "$@"
