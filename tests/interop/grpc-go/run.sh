#!/usr/bin/env bash
# grpc-go, the client that most servers meet.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need grpc-go go "install Go 1.26 or newer"
    mkdir -p "$PEERS_DIR/grpc-go"
    cd "$here"
    go build -buildvcs=false -mod=readonly -o "$PEERS_DIR/grpc-go/cases" .
}

run() {
    exec "$PEERS_DIR/grpc-go/cases"
}

step "$@"
