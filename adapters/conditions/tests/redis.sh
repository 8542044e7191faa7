#!/usr/bin/env bash
# A Redis of its own in a folder, for a test that starts and stops it.
#
#   redis.sh install          makes sure that the server is installed (Debian's package)
#   redis.sh create FOLDER    makes an empty server in the new FOLDER, starts it, prints its port
#   redis.sh start FOLDER     starts it again, and returns once it answers
#   redis.sh stop FOLDER      stops it, and returns once it is gone
#   redis.sh pause FOLDER     lets it hang: connections are taken, and nothing is answered
#   redis.sh resume FOLDER    lets it go on
#   redis.sh destroy FOLDER   stops it and removes the folder
#   redis.sh --help           prints this
#
# It listens on 127.0.0.1 alone, keeps nothing on disk, and asks for no password.
set -euo pipefail

unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi
}

install_server() {
    command -v redis-server >/dev/null && return
    if [ "$(id -u)" -ne 0 ]; then
        echo 'Redis is not installed: run apt-get install redis-server' >&2
        return 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
} >&2

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

ask() {
    redis-cli -h 127.0.0.1 -p "$(cat "$folder/port")" "$@"
}

# eventually COMMAND...: within 30 s.
eventually() {
    local until=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || { echo "not within 30 s: $*" >&2 && return 1; }
        sleep 0.05
    done
}

create() {
    install_server
    mkdir "$folder"
    free_port >"$folder/port"
    if [ "$(id -u)" -eq 0 ]; then chown -R nobody "$folder"; fi
    start
    cat "$folder/port"
}

start() {
    unprivileged redis-server --bind 127.0.0.1 --port "$(cat "$folder/port")" --dir "$folder" --save '' \
        --daemonize yes --pidfile "$folder/pid" --logfile "$folder/log" >&2
    eventually ask ping
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

stop() {
    local pid
    pid=$(cat "$folder/pid")
    kill -s TERM "$pid"
    eventually gone "$pid"
}

destroy() {
    if [ -f "$folder/pid" ]; then
        kill -s CONT "$(cat "$folder/pid")" || true
        stop || true
    fi
    rm -rf "$folder"
}

usage() {
    sed -n 's/^# \?//; 2,13p' "$0"
}

case ${1:-} in
--help | -h) usage && exit 0 ;;
install) [ $# -eq 1 ] || { usage >&2; exit 2; } ;;
*) [ $# -eq 2 ] || { usage >&2; exit 2; } ;;
esac
folder=${2:-}
case $1 in
install) install_server ;;
create) create ;;
start) start ;;
stop) stop ;;
pause) kill -s STOP "$(cat "$folder/pid")" ;;
resume) kill -s CONT "$(cat "$folder/pid")" ;;
destroy) destroy ;;
*) echo "unknown command $1" >&2 && exit 2 ;;
esac
