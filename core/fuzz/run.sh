#!/usr/bin/env bash
# Fuzzes health-core: every target in turn.
set -euo pipefail

usage() {
    cat <<EOF
Fuzzes every target of core/fuzz in turn. Needs a nightly toolchain; installs cargo-fuzz if it is missing.

Usage: core/fuzz/run.sh [SECONDS] [TARGET]...

Each target runs for SECONDS (default: 60). Without TARGET, every target runs. New inputs go to
core/fuzz/corpus-found/TARGET, which is not committed; an input that breaks a property goes to
core/fuzz/artifacts/TARGET. Once it is fixed, put that input into core/fuzz/corpus/TARGET, under a name
that says what was wrong: core/tests/corpus.rs replays what is there.

Options:
  --help   print this and exit

Exit status: 0 if nothing was found, 1 if something was, 2 for wrong arguments.
EOF
}

wrong_arguments() {
    printf 'error: %s\nTry core/fuzz/run.sh --help.\n' "$1" >&2
    exit 2
}

readonly TARGETS=(envelope http_request registry_ops schedule_ops)

# Longer inputs are no likelier to find anything, and slower.
readonly MAX_INPUT_BYTES=4096

fuzz() {
    local target=$1 seconds=$2
    local options=(-max_total_time="$seconds" -max_len="$MAX_INPUT_BYTES" -timeout=10 -print_final_stats=1)
    local corpora=("corpus-found/$target" "corpus/$target")
    case $target in
    envelope)
        options+=(-dict=http.dict)
        # Requests for the other target are requests for this one.
        corpora+=(corpus/http_request)
        ;;
    http_request) options+=(-dict=http.dict) ;;
    esac
    mkdir -p "corpus-found/$target"
    cargo +nightly fuzz run "$target" "${corpora[@]}" -- "${options[@]}"
}

seconds=60 targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    -*) wrong_arguments "unknown option $1" ;;
    [0-9]*)
        [[ $1 =~ ^[1-9][0-9]*$ ]] || wrong_arguments "SECONDS must be a whole number above 0, not $1"
        seconds=$1
        ;;
    *)
        [[ " ${TARGETS[*]} " = *" $1 "* ]] || wrong_arguments "unknown target $1; there are: ${TARGETS[*]}"
        targets+=("$1")
        ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || targets=("${TARGETS[@]}")

cd "$(dirname "${BASH_SOURCE[0]}")"
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

found=()
for target in "${targets[@]}"; do
    fuzz "$target" "$seconds" || found+=("$target")
done
if [ ${#found[@]} -gt 0 ]; then
    printf 'fuzz: FAILED: %s; see above and core/fuzz/artifacts\n' "${found[*]}" >&2
    exit 1
fi
printf 'fuzz: %s: %s s each, nothing found\n' "${targets[*]}" "$seconds"
