#!/usr/bin/env bash
# Counts the instructions that one gRPC Check over the wire costs the server, for this project's
# server and its alternatives, beside the least that a hyper server can do.
set -euo pipefail

usage() {
    cat <<'HELP'
Counts the instructions that one gRPC Check over the wire costs each server.

Usage: tests/benches/instructions.sh [OPTIONS]

Each server runs under callgrind twice, for CALLS and for BASE sequential Checks over one connection;
the difference, divided by the calls it is made of, leaves out start, connection and stop.
The ratio is to the floor: a hyper server that reads the body and answers a constant.
Exit code: 1 when a gate is missed, 2 when it cannot be measured. The gates, where both sides are
measured:

  health_hyper      at most 1.10 of the floor
  health_tonic      at most 0.90 of tonic_health, in the same router
  health_actix_web  at most 1.20 of floor_actix_web, which serves no App: the floor, built beside
                    actix-web, whose dependencies make hyper log more

Options:
  --calls N             Checks in the longer run (default 5000)
  --base N              Checks in the shorter run (default 1000)
  --smoke               the same as --calls 300 --base 100
  --only NAME           measure only this server beside the floor (may be repeated):
                        health_hyper, health_tonic, health_actix_web, tonic_health,
                        connectrpc_health
  --grpc-timeout VALUE  send this grpc-timeout with every Check, such as 1S
  --target NAME=RATIO   the highest ratio that passes for this server (may be repeated)
  --no-gate             report only: a missed gate does not fail
  --profile             then list, a file for each server, where its instructions go
  -h, --help            print this

Needs cargo and valgrind. Counts and builds are kept in tests/benches/.out.
HELP
}

fail() {
    echo "instructions.sh: $*" >&2
    exit 2
}

# What each is measured against, and the highest ratio that passes.
declare -A against=([health_hyper]=floor [health_tonic]=tonic_health [health_actix_web]=floor_actix_web)
declare -A target=([health_hyper]=1.10 [health_tonic]=0.90 [health_actix_web]=1.20)

calls=5000 base=1000 gate=yes profile=no
servers=() client_options=() targets=()
while (($#)); do
    case $1 in
        --calls | --base | --only | --grpc-timeout | --target)
            (($# >= 2)) || fail "$1 needs a value; see --help"
            ;;&
        --calls) calls=$2 && shift ;;
        --base) base=$2 && shift ;;
        --smoke) calls=300 base=100 ;;
        --only) servers+=("$2") && shift ;;
        --grpc-timeout) client_options+=(--grpc-timeout "$2") && shift ;;
        --target) targets+=("$2") && shift ;;
        --no-gate) gate=no ;;
        --profile) profile=yes ;;
        -h | --help) usage && exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    shift
done
[[ $calls =~ ^[0-9]+$ && $base =~ ^[0-9]+$ ]] || fail "--calls and --base take whole numbers"
# A leading zero would have bash read them in octal.
calls=$((10#$calls)) base=$((10#$base))
((calls > base && base > 0)) || fail "--calls must be above --base, and --base above 0"
for given in ${targets[@]+"${targets[@]}"}; do
    [[ $given =~ ^([a-z_]+)=([0-9]+(\.[0-9]+)?)$ && -v target[${BASH_REMATCH[1]}] ]] ||
        fail "--target takes a server that has a gate and a number, such as health_hyper=1.10"
    target[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
done
((${#servers[@]})) ||
    servers=(health_hyper health_tonic health_actix_web tonic_health connectrpc_health)
for server in "${servers[@]}"; do
    case $server in
        health_hyper | health_tonic | health_actix_web | tonic_health | connectrpc_health) ;;
        *) fail "no server is named '$server'; see --help" ;;
    esac
done
command -v valgrind >/dev/null ||
    fail "valgrind is missing; install it with 'apt-get install valgrind' (or 'dnf install valgrind')"

cd "$(dirname "${BASH_SOURCE[0]}")"
# What is built beside actix-web counts more: it turns on the feature `log` of tracing for all. So it has a
# floor of its own, built beside it.
binaries=(--bin client --bin floor)
for server in "${servers[@]}"; do
    [[ $server == health_actix_web ]] || binaries+=(--bin "$server")
done
cargo build --release --quiet "${binaries[@]}"
programs=.out/target/release
if [[ " ${servers[*]} " == *" health_actix_web "* ]]; then
    cargo build --release --quiet --features actix-web --target-dir .out/target/actix-web \
        --bin floor --bin health_actix_web
    cp .out/target/actix-web/release/health_actix_web "$programs/health_actix_web"
    cp .out/target/actix-web/release/floor "$programs/floor_actix_web"
fi
counts=.out/callgrind
mkdir -p "$counts"

# run SERVER CALLS FILE: one server's life under callgrind, with its counts in FILE.
run() {
    local server=$1 calls=$2 file=$3 address input output pid
    rm -f "$file"
    # The server ends with its standard input, so none is left behind, however this script ends.
    coproc SERVER {
        exec valgrind --quiet --tool=callgrind --callgrind-out-file="$file" \
            --log-file="$file.log" "$programs/$server" --listen 127.0.0.1:0
    }
    pid=$SERVER_PID output=${SERVER[0]} input=${SERVER[1]}
    read -r -t 60 address <&"$output" ||
        fail "$server did not start within 60 s; see $PWD/$file.log"
    "$programs/client" "$address" --calls "$calls" ${client_options[@]+"${client_options[@]}"} ||
        fail "$server did not answer as it must (above)"
    exec {input}>&-
    wait "$pid" || fail "$server ended with exit code $?; see $PWD/$file.log"
    [[ -s $file ]] || fail "callgrind wrote no counts for $server; see $PWD/$file.log"
}

# instructions FILE: the total of one run.
instructions() {
    awk '$1 == "totals:" { print $2; found = 1 } END { exit !found }' "$1" ||
        fail "no total in $PWD/$1"
}

# per_check SERVER: instructions a Check, from two runs.
per_check() {
    local server=$1 long short
    run "$server" "$base" "$counts/$server.$base"
    run "$server" "$calls" "$counts/$server.$calls"
    long=$(instructions "$counts/$server.$calls")
    short=$(instructions "$counts/$server.$base")
    measured=$(((long - short) / (calls - base)))
}

# ratio SERVER OTHER: of what the two cost.
ratio() {
    awk -v a="${cost[$1]}" -v b="${cost[$2]}" 'BEGIN { printf "%.3f", a / b }'
}

printf 'Instructions of the server for one gRPC Check (callgrind, %d calls minus %d calls)\n\n' \
    "$calls" "$base"
printf '%-20s %12s %8s\n' server instructions ratio
declare -A cost floor_of=([health_actix_web]=floor_actix_web)
for server in floor "${servers[@]}"; do
    if [[ $server == health_actix_web ]]; then
        per_check floor_actix_web
        cost[floor_actix_web]=$measured
    fi
    per_check "$server"
    cost[$server]=$measured
    printf '%-20s %12d %8.2f\n' "$server" "$measured" "$(ratio "$server" "${floor_of[$server]:-floor}")"
done

if [[ $profile == yes ]]; then
    echo
    listing() {
        callgrind_annotate --threshold=100 --auto=no "$counts/$1"
    }
    for server in "${servers[@]}"; do
        awk -v server="$server" -v per=$((calls - base)) -f profile.awk \
            of=server sign=1 <(listing "$server.$calls") sign=-1 <(listing "$server.$base") \
            of=floor sign=1 <(listing "floor.$calls") sign=-1 <(listing "floor.$base") \
            >"$counts/$server.profile.txt"
        echo "where they go: tests/benches/$counts/$server.profile.txt"
    done
fi

echo
missed=no
for server in "${servers[@]}"; do
    [[ -v against[$server] ]] || continue
    other=${against[$server]} highest=${target[$server]}
    [[ -v cost[$other] ]] || continue
    found=$(ratio "$server" "$other")
    if awk -v a="$found" -v b="$highest" 'BEGIN { exit !(a <= b) }'; then
        echo "ok    $server: $found of $other, at most $highest"
    else
        echo "FAIL  $server: $found of $other, at most $highest"
        missed=yes
    fi
done
[[ $missed == no || $gate == no ]]
