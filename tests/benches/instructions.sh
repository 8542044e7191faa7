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
Exit code: 1 when the ratio of health_hyper is above the target, 2 when it cannot be measured.

Options:
  --calls N             Checks in the longer run (default 5000)
  --base N              Checks in the shorter run (default 1000)
  --smoke               the same as --calls 300 --base 100
  --only NAME           measure only this server beside the floor (may be repeated):
                        health_hyper, tonic_health, connectrpc_health
  --grpc-timeout VALUE  send this grpc-timeout with every Check, such as 1S
  --target RATIO        the highest ratio that passes for health_hyper (default 1.10)
  --no-gate             report only: a ratio above the target does not fail
  --profile             then list, a file for each server, where its instructions go
  -h, --help            print this

Needs cargo and valgrind. Counts and builds are kept in tests/benches/.out.
HELP
}

fail() {
    echo "instructions.sh: $*" >&2
    exit 2
}

calls=5000 base=1000 target=1.10 gate=yes profile=no
servers=() client_options=()
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
        --target) target=$2 && shift ;;
        --no-gate) gate=no ;;
        --profile) profile=yes ;;
        -h | --help) usage && exit 0 ;;
        *) fail "unknown option '$1'; see --help" ;;
    esac
    shift
done
[[ $calls =~ ^[0-9]+$ && $base =~ ^[0-9]+$ ]] || fail "--calls and --base take whole numbers"
((calls > base && base > 0)) || fail "--calls must be above --base, and --base above 0"
[[ $target =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "--target takes a number such as 1.10"
((${#servers[@]})) || servers=(health_hyper tonic_health connectrpc_health)
for server in "${servers[@]}"; do
    case $server in
        health_hyper | tonic_health | connectrpc_health) ;;
        *) fail "no server is named '$server'; see --help" ;;
    esac
done
command -v valgrind >/dev/null ||
    fail "valgrind is missing; install it with 'apt-get install valgrind' (or 'dnf install valgrind')"

cd "$(dirname "${BASH_SOURCE[0]}")"
binaries=(--bin client --bin floor)
for server in "${servers[@]}"; do
    binaries+=(--bin "$server")
done
cargo build --release --quiet "${binaries[@]}"
programs=.out/target/release
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

printf 'Instructions of the server for one gRPC Check (callgrind, %d calls minus %d calls)\n\n' \
    "$calls" "$base"
printf '%-20s %12s %8s\n' server instructions ratio
per_check floor
floor=$measured
printf '%-20s %12d %8s\n' floor "$floor" 1.00
ours=
for server in "${servers[@]}"; do
    per_check "$server"
    ratio=$(awk -v a="$measured" -v b="$floor" 'BEGIN { printf "%.3f", a / b }')
    printf '%-20s %12d %8.2f\n' "$server" "$measured" "$ratio"
    [[ $server == health_hyper ]] && ours=$ratio
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

[[ -n $ours ]] || exit 0
echo
if awk -v ours="$ours" -v target="$target" 'BEGIN { exit !(ours <= target) }'; then
    echo "health_hyper is within the target: $ours <= $target"
else
    echo "health_hyper is above the target: $ours > $target"
    [[ $gate == no ]] || exit 1
fi
