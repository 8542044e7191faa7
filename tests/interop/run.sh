#!/usr/bin/env bash
# Drives real clients and proxies against the subject, the server of health-conformance.
# Contract with a peer's script, tests/interop/PEER/run.sh: see README.md beside this file.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# One peer's installation, with its compilation on a slow machine; and its cases over one adapter.
readonly PEER_LIMIT=300s

usage() {
    cat <<HELP
Drives real peers against the health service and prints one line a case.

Usage: tests/interop/run.sh [OPTION]... [PEER]...

Without PEER, every peer runs. Peers are installed once, at pinned versions, into tests/interop/.peers.

Options:
  --adapter NAMES  the adapters that the subject serves with: one name, several with commas between
                   them, or all (default: hyper)
  --jobs N         how many peers run at once, each with one adapter (default: $JOBS)
  --subject PATH   use this subject binary instead of building it
  --list           print the peers' names and exit
  --help           print this and exit

Exit status: 0 if every case passed, 1 if one failed, 2 for wrong arguments.
A peer whose tool (such as Go) is missing is skipped; where CI=true, a skip counts as a failure.
HELP
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

# The adapters' names, as the subject has them in its help.
list_adapters() {
    "$SUBJECT" -h | sed -n 's/.*--adapter.*possible values: \([^]]*\).*/\1/p' | tr -d ' ' | tr ',' '\n'
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

# Shows the end of a log, in one piece though others print at the same time.
show() {
    if [ -s "$1" ]; then
        printf '     last lines of %s:\n%s\n' "${1#"$root"/}" "$(tail -n 20 "$1" | sed 's/^/     | /')"
    fi
}

# Installs one peer: 1 if it cannot run, which is counted.
install_peer() {
    local peer=$1 log="$PEERS_DIR/log/$1.install.log" line status=0
    line=$(timeout --kill-after=10s "$PEER_LIMIT" bash "$here/$peer/run.sh" install 2>"$log" </dev/null) || status=$?
    if [ "$status" -ne 0 ]; then
        fail "$peer: its installation ended with exit status $status"
        show "$log"
    elif [ -n "$line" ]; then
        printf '%s\n' "$line"
        count "$line" || fail "$peer: its installation printed this line"
    else
        return 0
    fi
    return 1
}

# Runs one peer over one adapter, passes its lines on with both names, and counts them.
# Its stderr goes to a log, shown if it fails.
run_peer() {
    local peer=$1 adapter=$2 log="$PEERS_DIR/log/$1.$2.log" line cases=0 status=0
    exec {lines}< <(ADAPTER=$adapter exec timeout --kill-after=10s "$PEER_LIMIT" \
        bash "$here/$peer/run.sh" run 2>"$log" </dev/null)
    running=$!
    while IFS= read -r line <&"$lines"; do
        line=${line/ "$peer": / $peer on $adapter: }
        printf '%s\n' "$line"
        if count "$line"; then cases=$((cases + 1)); fi
    done
    exec {lines}<&-
    wait "$running" || status=$?
    running=

    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        fail "$peer on $adapter: did not end within $PEER_LIMIT"
    elif [ "$cases" -eq 0 ]; then
        fail "$peer on $adapter: ended with exit status $status and ran no case"
    elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        fail "$peer on $adapter: ended with exit status $status although no case failed"
    fi
    if [ "$failed" -gt 0 ]; then show "$log"; fi
}

# The same in the background, with counts of its own, which it leaves in a file.
start_peer() {
    (
        # shellcheck disable=SC2030
        passed=0 failed=0 skipped=0 running=
        trap 'if [ -n "$running" ]; then kill -TERM "$running" 2>/dev/null || true; fi; exit 143' TERM
        run_peer "$1" "$2"
        printf '%d %d %d\n' "$passed" "$failed" "$skipped" >"$counts/$1.$2"
    ) &
}

# Adds up what the runs of one peer and adapter counted.
add_counts() {
    local ok bad left_out
    if ! read -r ok bad left_out 2>/dev/null <"$counts/$1.$2"; then
        fail "$1 on $2: broke off"
        return
    fi
    # shellcheck disable=SC2031
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + left_out))
}

JOBS=$(nproc)
ADAPTERS=hyper SUBJECT='' peers=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --list) list_peers && exit 0 ;;
    --adapter | --jobs | --subject)
        [ $# -ge 2 ] || wrong_arguments "$1 needs a value"
        case $1 in
        --adapter) ADAPTERS=$2 ;;
        --jobs) JOBS=$2 ;;
        --subject)
            SUBJECT=$(realpath -- "$2" 2>/dev/null) || wrong_arguments "--subject: there is no $2; give the path of a built subject"
            ;;
        esac
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
[[ $JOBS =~ ^[1-9][0-9]*$ ]] || wrong_arguments "--jobs takes a whole number from 1"
if [ ${#peers[@]} -eq 0 ]; then mapfile -t peers < <(list_peers); fi
if [ -z "$SUBJECT" ]; then SUBJECT=$(build_subject); fi
[[ -f $SUBJECT && -x $SUBJECT ]] || wrong_arguments "$SUBJECT is not a program"
mapfile -t known < <(list_adapters)
[ ${#known[@]} -gt 0 ] || wrong_arguments "$SUBJECT -h names no adapters"
if [ "$ADAPTERS" = all ]; then adapters=("${known[@]}"); else IFS=, read -ra adapters <<<"$ADAPTERS"; fi
[ ${#adapters[@]} -gt 0 ] || wrong_arguments "--adapter needs a name; there are: ${known[*]}"
for adapter in "${adapters[@]}"; do
    [[ " ${known[*]} " == *" $adapter "* ]] || wrong_arguments "unknown adapter $adapter; there are: ${known[*]}, all"
done

PEERS_DIR="$here/.peers"
mkdir -p "$PEERS_DIR/log"
counts=$(mktemp -d)
export SUBJECT PEERS_DIR

stop() {
    # shellcheck disable=SC2046
    kill -TERM $(jobs -p) 2>/dev/null || true
    exit 130
}
trap 'rm -rf "$counts"' EXIT
trap stop INT TERM

ready=()
for peer in "${peers[@]}"; do
    if install_peer "$peer"; then ready+=("$peer"); fi
done
for peer in ${ready[@]+"${ready[@]}"}; do
    for adapter in "${adapters[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n || true; done
        start_peer "$peer" "$adapter"
    done
done
wait
for peer in ${ready[@]+"${ready[@]}"}; do
    for adapter in "${adapters[@]}"; do add_counts "$peer" "$adapter"; done
done

summary="$passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then summary+=", $skipped skipped"; fi
printf '%s\n' "$summary"
[ "$failed" -eq 0 ]
