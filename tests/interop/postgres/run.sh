#!/usr/bin/env bash
# A real PostgreSQL, from Debian's package, behind the example `postgres`: a status that follows it.
# Unlike other peers it drives what a user would run, which hyper serves, and not the subject.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

install() {
    need postgres python3 "install Python 3.10 or newer"
    if ! "$here/../lib/postgres.sh" install; then
        echo 'skip postgres: PostgreSQL is not installed: run apt-get install postgresql'
        exit 0
    fi
    python_venv grpcio "$here/../grpcio/requirements.txt"
    # Not for release: `cargo test` has built this one, and it waits most of the time.
    cargo build --quiet --manifest-path "$root/Cargo.toml" -p health-examples --bin postgres
}

run() {
    local target
    target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    export EXAMPLE="$target/debug/postgres"
    run_python "$PEERS_DIR/grpcio/bin/python" "$here/main.py"
}

step "$@"
