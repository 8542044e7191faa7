#!/usr/bin/env bash
# A PostgreSQL of its own in a folder, for a test that starts and stops it.
#
#   postgres.sh install          makes sure that the server is installed (Debian's package)
#   postgres.sh create FOLDER    makes an empty cluster in the new FOLDER, starts it, prints its port
#   postgres.sh start FOLDER     starts it again, and returns once it answers
#   postgres.sh stop FOLDER      stops it at once, sessions or not
#   postgres.sh pause FOLDER     lets it hang: connections are taken, and nothing is answered
#   postgres.sh resume FOLDER    lets it go on
#   postgres.sh destroy FOLDER   stops it and removes the folder
#
# It listens on 127.0.0.1 alone; everybody is let in as the user postgres, without a password.
set -euo pipefail

# The server refuses to run as root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi
}

# Where Debian keeps the newest server; its programs are not on the PATH.
programs() {
    local found
    found=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/pg_ctl' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] && dirname "$found"
}

install_server() {
    programs >/dev/null && return
    if [ "$(id -u)" -ne 0 ]; then
        echo 'PostgreSQL is not installed: run apt-get install postgresql' >&2
        return 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
} >&2

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

control() {
    unprivileged "$(programs)/pg_ctl" --pgdata "$folder/data" --silent --timeout 30 "$@" >>"$folder/log" 2>&1 || {
        tail -n 20 "$folder/log" >&2
        return 1
    }
}

create() {
    install_server
    mkdir "$folder"
    free_port >"$folder/port"
    : >"$folder/log"
    if [ "$(id -u)" -eq 0 ]; then chown -R nobody "$folder"; fi
    unprivileged "$(programs)/initdb" --pgdata "$folder/data" --username postgres --auth trust --no-sync >>"$folder/log"
    start
    cat "$folder/port"
}

start() {
    local options
    options="-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -p $(cat "$folder/port")"
    control start --log "$folder/server.log" --options "$options"
}

# The postmaster and the processes that it started.
send() {
    local postmaster
    postmaster=$(head -n 1 "$folder/data/postmaster.pid")
    # shellcheck disable=SC2046
    kill -s "$1" "$postmaster" $(ps -o pid= --ppid "$postmaster")
}

destroy() {
    if [ -f "$folder/data/postmaster.pid" ]; then
        send CONT || true
        control stop --mode immediate || true
    fi
    rm -rf "$folder"
}

[ "${1:-}" = install ] || [ $# -eq 2 ] || { sed -n 's/^# \?//; 2,12p' "$0" >&2; exit 2; }
folder=${2:-}
case $1 in
install) install_server ;;
create) create ;;
start) start ;;
stop) control stop --mode fast ;;
pause) send STOP ;;
resume) send CONT ;;
destroy) destroy ;;
*) echo "unknown command $1" >&2 && exit 2 ;;
esac
