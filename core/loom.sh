#!/usr/bin/env bash
# Runs the loom models of health-core (tests/loom.rs).
set -euo pipefail

usage() {
    cat <<EOF
Checks every order in which the threads of core/tests/loom.rs can run.

Usage: core/loom.sh [OPTION] [MODEL]

With MODEL, only the models whose name contains it run. It builds into target/loom, beside the caches
of other builds. Where a model takes too long, LOOM_MAX_PREEMPTIONS=3 bounds what loom tries; a failing
one is told in steps with LOOM_LOG=trace LOOM_LOCATION=1.

Options:
  --help   print this and exit

Exit status: 0 if every model holds, 1 if one does not, 2 for wrong arguments.
EOF
}

case ${1:-} in
--help | -h) usage && exit 0 ;;
-*) printf 'error: unknown option %s\nTry core/loom.sh --help.\n' "$1" >&2 && exit 2 ;;
esac
[ $# -le 1 ] || { printf 'error: one MODEL at most\nTry core/loom.sh --help.\n' >&2 && exit 2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

models() {
    RUSTFLAGS="${RUSTFLAGS:-} --cfg loom" CARGO_TARGET_DIR="$root/target/loom" \
        cargo test --package health-core --no-default-features --test loom --release -- "$@"
}

count=$(models --list "$@" | grep -c ': test$' || true)
if [ "$count" -eq 0 ]; then
    printf 'loom: FAILED: no model was built%s\n' "${1:+ whose name contains $1}" >&2
    exit 1
fi
if models "$@"; then
    printf 'loom: ok, models run: %s\n' "$count"
else
    printf 'loom: FAILED, see above\n' >&2
    exit 1
fi
