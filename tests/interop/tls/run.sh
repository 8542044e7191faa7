#!/usr/bin/env bash
# TLS and client certificates made by openssl, with grpcio, curl and grpc-go; certificates that change; and
# the plaintext port beside.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need tls python3 "install Python 3.10 or newer"
    need tls openssl "install openssl, for example with apt-get install openssl"
    need tls curl "install curl, for example with apt-get install curl"
    need tls go "install Go 1.26 or newer"
    if ! curl --version | grep -qw HTTP2; then
        echo "skip tls: this curl has no HTTP/2: install one built with nghttp2"
        exit 0
    fi
    python_venv tls "$here/../grpcio/requirements.txt"
    cd "$here/client"
    go build -buildvcs=false -mod=readonly -o "$PEERS_DIR/tls/client" .
}

run() {
    case $ADAPTER in
    hyper | tonic | actix-web)
        export GO_CLIENT="$PEERS_DIR/tls/client"
        run_python "$PEERS_DIR/tls/bin/python" "$here/main.py"
        ;;
    *) refused ;;
    esac
}

# The subject serves no TLS through the other adapters, and says so.
refused() {
    local said
    if said=$("$SUBJECT" --adapter "$ADAPTER" --listen 127.0.0.1:0 --tls-cert a --tls-key b 2>&1 </dev/null); then
        echo "FAIL tls: TLS is refused by name: the subject started: $said"
        return 1
    elif [[ $said != *--tls-cert* ]]; then
        echo "FAIL tls: TLS is refused by name: $said"
        return 1
    fi
    echo "ok tls: TLS is refused by name"
}

step "$@"
