#!/usr/bin/env bash
# A real browser across origins: Connect's web client and Google's grpc-web, in Chromium.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../node/stage.sh
source "$here/../node/stage.sh"

install() {
    if ! command -v chromium >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update >&2
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium >&2
    fi
    need chromium chromium "install it with: apt-get install chromium"
    stage chromium
    generate chromium
    cd "$PEERS_DIR/chromium"
    node_modules/.bin/esbuild page.mjs --bundle --format=iife --log-level=warning --outfile=gen/page.js >&2
}

run() {
    cd "$PEERS_DIR/chromium"
    exec node main.mjs
}

step "$@"
