#!/usr/bin/env bash
# Asks the conditions of real servers: PostgreSQL and Redis from Debian's packages, installed if they are
# missing (which takes root). Each test has a server of its own, as an unprivileged user, on a free port.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

"$root/tests/interop/lib/postgres.sh" install
"$root/adapters/conditions/tests/redis.sh" install
cargo test --manifest-path "$root/Cargo.toml" -p health-conditions --all-features --test servers -- --ignored "$@"
