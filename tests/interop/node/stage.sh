# shellcheck shell=bash
# What the peers share for the scripts of the peers that run on Node; sourced, never run.

node_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$node_dir/../lib/peer.sh"

# stage PEER: copies PEER's scripts to $PEERS_DIR/PEER and installs what its package-lock.json pins beside them.
# Node looks for packages beside the importing file, and the source tree stays free of them.
stage() {
    local peer=$1 dir="$PEERS_DIR/$1" stamp
    need "$peer" node "install Node.js 20 or newer"
    need "$peer" npm "install npm 10 or newer"
    mkdir -p "$dir" "$PEERS_DIR/node"
    cp "$node_dir"/*.mjs "$PEERS_DIR/node/"
    find "$dir" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .stamp -exec rm -rf {} +
    cp -R "$node_dir/../$peer/." "$dir/"
    stamp="$(node --version) $(cat "$dir/package-lock.json")"
    if [ ! -f "$dir/.stamp" ] || [ "$(cat "$dir/.stamp")" != "$stamp" ]; then
        (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund >&2)
        printf '%s\n' "$stamp" >"$dir/.stamp"
    fi
}

# generate PEER: writes the schema as JavaScript to gen/ in the staged folder.
# Connect clients send GET only for methods that say NO_SIDE_EFFECTS. The official schema does not say it of Check and
# List, so they are generated from a copy that does.
generate() {
    local dir="$PEERS_DIR/$1" official="$node_dir/../../../proto/proto" schema
    schema=grpc/health/v1/health.proto
    mkdir -p "$dir/proto/$(dirname "$schema")"
    sed -E 's/^( *rpc (Check|List)\(.*\) returns \(.*\));$/\1 { option idempotency_level = NO_SIDE_EFFECTS; }/' \
        "$official/$schema" >"$dir/proto/$schema"
    if [ "$(grep -c NO_SIDE_EFFECTS "$dir/proto/$schema")" -ne 2 ]; then
        printf 'error: %s: expected Check and List on a line each, to mark them NO_SIDE_EFFECTS\n' "$schema" >&2
        return 1
    fi
    (cd "$dir" && PATH="$PWD/node_modules/.bin:$PATH" buf generate proto --template \
        '{"version":"v2","plugins":[{"local":"protoc-gen-es","out":"gen","opt":["target=js"]}]}' >&2)
}
