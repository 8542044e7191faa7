#!/usr/bin/env bash
# Drives real clients and proxies against the subject, the server of health-conformance.
# Contract with a peer's script, tests/interop/PEER/run.sh: see README.md beside this file.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# One peer, with its installation and, for Go, its compilation on a slow machine.
readonly PEER_LIMIT=300s

usage() {
    cat <<EOF
Drives real peers against the health service and prints one line a case.

Usage: tests/interop/run.sh [OPTION]... [PEER]...

Without PEER, every peer runs. Peers are installed once, at pinned versions, into tests/interop/.peers.

Options:
  --adapter NAME   the adapter that the subject serves with (default: hyper)
  --subject PATH   use this subject binary instead of building it
  --list           print the peers' names and exit
  --help           print this and exit

Exit status: 0 if every case passed, 1 if one failed, 2 for wrong arguments.
A peer whose tool (such as Go) is missing is skipped; where CI=true, a skip counts as a failure.
EOF
}

wrong_arguments() {
    printf 'error: %s\nTry tests/interop/run.sh --help.\n' "$1" >&2
    exit 2
}

list_peers() {
    local script
    for script in "$here"/*/run.sh; do
        basename "$(dirname "$script")"
    done
}

build_subject() {
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p health-conformance --bin subject
    local target
    target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    printf '%s/release/subject\n' "$target"
}

passed=0 failed=0 skipped=0

fail() {
    printf 'FAIL %s\n' "$1"
    failed=$((failed + 1))
}

count() {
    case $1 in
    'ok '*) passed=$((passed + 1)) ;;
    'FAIL '*) failed=$((failed + 1)) ;;
    'skip '*)
        skipped=$((skipped + 1))
        if [ "${CI:-}" = true ]; then
            fail "${1#skip } (CI=true: nothing may be skipped)"
        fi
        ;;
    *) return 1 ;;
    esac
}

# Runs one peer, passes its lines on, and counts them. Its stderr goes to a log, shown if it fails.
run_peer() {
    local peer=$1 log="$PEERS_DIR/log/$1.log" line cases=0 status=0 failed_before=$failed
    exec {lines}< <(exec timeout --kill-after=10s "$PEER_LIMIT" bash "$here/$peer/run.sh" 2>"$log" </dev/null)
    running=$!
    while IFS= read -r line <&"$lines"; do
        printf '%s\n' "$line"
        if count "$line"; then cases=$((cases + 1)); fi
    done
    exec {lines}<&-
    wait "$running" || status=$?
    running=

    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        fail "$peer: did not end within $PEER_LIMIT"
    elif [ "$cases" -eq 0 ]; then
        fail "$peer: ended with exit status $status and ran no case"
    elif [ "$status" -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
        fail "$peer: ended with exit status $status although no case failed"
    fi
    if [ "$failed" -ne "$failed_before" ] && [ -s "$log" ]; then
        printf '     last lines of %s:\n' "${log#"$root"/}"
        tail -n 20 "$log" | sed 's/^/     | /'
    fi
}

ADAPTER=hyper SUBJECT='' peers=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --list) list_peers && exit 0 ;;
    --adapter | --subject)
        [ $# -ge 2 ] || wrong_arguments "$1 needs a value"
        if [ "$1" = --adapter ]; then ADAPTER=$2; else SUBJECT=$(realpath -- "$2"); fi
        shift
        ;;
    -*) wrong_arguments "unknown option $1" ;;
    *)
        [ -f "$here/$1/run.sh" ] || wrong_arguments "unknown peer $1; there are: $(list_peers | paste -sd ' ')"
        peers+=("$1")
        ;;
    esac
    shift
done
if [ ${#peers[@]} -eq 0 ]; then mapfile -t peers < <(list_peers); fi
if [ -z "$SUBJECT" ]; then SUBJECT=$(build_subject); fi
[ -x "$SUBJECT" ] || wrong_arguments "$SUBJECT is not a program"

PEERS_DIR="$here/.peers"
mkdir -p "$PEERS_DIR/log"
export ADAPTER SUBJECT PEERS_DIR

running=
trap 'if [ -n "$running" ]; then kill -TERM "$running" 2>/dev/null || true; fi; exit 130' INT TERM
for peer in "${peers[@]}"; do run_peer "$peer"; done

summary="$passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then summary+=", $skipped skipped"; fi
printf '%s\n' "$summary"
[ "$failed" -eq 0 ]
