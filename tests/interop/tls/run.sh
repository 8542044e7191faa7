#!/usr/bin/env bash
# TLS and client certificates made by openssl, with grpcio, curl and grpc-go; certificates that change; and
# the plaintext port beside.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

case ${ADAPTER:-hyper} in
hyper | tonic | actix-web) ;;
*)
    echo "skip tls: the subject serves TLS through hyper, tonic and actix-web, not $ADAPTER"
    exit 0
    ;;
esac
need tls python3 "install Python 3.10 or newer"
need tls openssl "install openssl, for example with apt-get install openssl"
need tls curl "install curl, for example with apt-get install curl"
need tls go "install Go 1.26 or newer"
if ! curl --version | grep -qw HTTP2; then
    echo "skip tls: this curl has no HTTP/2: install one built with nghttp2"
    exit 0
fi
mkdir -p "$PEERS_DIR/tls"
(cd "$here/client" && go build -buildvcs=false -mod=readonly -o "$PEERS_DIR/tls/client" .)
export GO_CLIENT="$PEERS_DIR/tls/client"
# The same environment as the peer grpcio's.
python=$(python_venv grpcio "$here/../grpcio/requirements.txt")
export PYTHONPATH="$here/../lib"
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$here/main.py"
