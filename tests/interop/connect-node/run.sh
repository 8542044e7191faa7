#!/usr/bin/env bash
# Connect's Node client: Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2, in protobuf and JSON.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../node/stage.sh
source "$here/../node/stage.sh"

install() {
    stage connect-node
    generate connect-node
}

run() {
    exec node "$PEERS_DIR/connect-node/main.mjs"
}

step "$@"
