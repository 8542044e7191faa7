# shellcheck shell=bash
# Functions for the peers' scripts; sourced, never run.

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# So that a failed installation ends the script although it ran in $(..).
shopt -s inherit_errexit

# step install|run: the last line of a peer's script, which has a function of either name.
step() {
    case ${1:-} in
    install | run) "$1" ;;
    *)
        printf 'error: this script takes install or run, and is called by tests/interop/run.sh\n' >&2
        exit 2
        ;;
    esac
}

# need PEER TOOL HINT: without TOOL, skips the peer.
need() {
    if ! command -v "$2" >/dev/null; then
        printf 'skip %s: %s is not installed: %s\n' "$1" "$2" "$3"
        exit 0
    fi
}

# python_venv NAME REQUIREMENTS...: makes (or reuses) the virtual environment $PEERS_DIR/NAME. It is made anew
# when the pinned versions or the interpreter changed.
python_venv() {
    local venv="$PEERS_DIR/$1" stamp file install=()
    shift
    stamp="$(python3 --version) $(cat "$@")"
    if [ ! -f "$venv/.stamp" ] || [ "$(cat "$venv/.stamp")" != "$stamp" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" >&2
        for file in "$@"; do install+=(--requirement "$file"); done
        "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check "${install[@]}" >&2
        printf '%s\n' "$stamp" >"$venv/.stamp"
    fi
}

# run_python PYTHON SCRIPT: becomes the script, which finds what is in this folder.
run_python() {
    export PYTHONPATH="$lib_dir"
    export PYTHONDONTWRITEBYTECODE=1
    exec "$1" "$2"
}
