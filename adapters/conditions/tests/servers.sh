#!/usr/bin/env bash
# Asks the conditions of real servers.
set -euo pipefail

usage() {
    cat <<EOF
Asks the conditions of a real PostgreSQL and a real Redis, those of Debian's packages. Each test has a
server of its own, on a free port of 127.0.0.1 and as an unprivileged user.

Usage: adapters/conditions/tests/servers.sh [TEST]

Runs the tests whose name contains TEST; without it, all of them. Servers that are missing are installed
first, which takes root.

Options:
  --help   print this and exit

Exit status: 0 if all tests passed, 2 for wrong arguments, anything else if a test failed or a server
could not be installed.
EOF
}

wrong_arguments() {
    printf 'error: %s\nTry adapters/conditions/tests/servers.sh --help.\n' "$1" >&2
    exit 2
}

for argument in "$@"; do
    case $argument in
    --help | -h) usage && exit 0 ;;
    -*) wrong_arguments "unknown option $argument" ;;
    esac
done
[ $# -le 1 ] || wrong_arguments "one TEST at most, not $#"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
"$root/tests/interop/lib/postgres.sh" install
"$root/adapters/conditions/tests/redis.sh" install
cargo test --manifest-path "$root/Cargo.toml" -p health-conditions --all-features --test servers -- --ignored "$@"
