#!/usr/bin/env bash
# curl over HTTP/1.1 and HTTP/2 by prior knowledge: what a person types, and what scripts and load balancers send.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need curl python3 "install Python 3.10 or newer"
    need curl curl "install curl, for example with apt-get install curl"
    if ! curl --version | grep -qw HTTP2; then
        echo "skip curl: this curl has no HTTP/2: install one built with nghttp2"
    fi
}

run() {
    run_python python3 "$here/main.py"
}

step "$@"
