#!/bin/bash
# Sends spans to a real Collector, a real Jaeger and a server of @grpc/grpc-js, in every way that they understand;
# reads them back and compares them field by field with what was meant (rich.json) or written beside (the OTLP file
# exporter); and lets the published messages, decoded in another runtime, have their say on the bytes.
#
#   test/peers/run.sh [BUILD]     BUILD: build/release
cd "$(dirname "$0")/../.." || exit 1
. test/tap.sh
build=$(cd "${1:-${CLEW_BUILD:-build/release}}" && pwd) || exit 1
logs=${CLEW_CHECK_LOGS:-$PWD/build/check-logs}/peers-files
cache=${CLEW_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/clew}
proto_version=1.45.2
rich_trace=0af7651916cd43dd8448eb211c80319c # of rich.json
odd_trace=0ec1c1c1c1c1c1c1c1c1c1c1c1c1c101  # the one with numbers that JSON lacks
rm -rf "$logs"
mkdir -p "$logs" "$cache"
logs=$(cd "$logs" && pwd)

started=()
stop_all() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null
    done
    started=()
}
sockets=$(mktemp -d) # their paths must be short
trap 'stop_all; rm -rf "$sockets"' EXIT
trap 'exit 130' INT TERM

python=python3
if ! command -v "$python" >/dev/null; then
    skip "the real peers" "there is no python3 to compare with"
    tap_done
fi

# relay COMMAND...: the lines of TAP that it prints as our own
relay() {
    local lines line
    if ! lines=$("$@"); then
        not_ok "$* came to an end"
    fi
    while read -r line; do
        case $line in
            "ok - "*) ok "${line#ok - }" ;;
            "not ok - "*) not_ok "${line#not ok - }" ;;
        esac
    done <<<"$lines"
}

compare() {
    relay "$python" test/peers/compare.py "$@"
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

listens() {
    (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null
}

# Runs send_rich into the folder $1, its spans going to the URL $2; what follows is more of the environment, each
# OTEL_EXPORTER_OTLP_ left out: PROTOCOL=grpc.
send_rich() {
    local folder=$1 url=$2
    shift 2
    mkdir -p "$folder"
    env "OTEL_EXPORTER_OTLP_ENDPOINT=$url" "${@/#/OTEL_EXPORTER_OTLP_}" \
        timeout 60 "$build/test/peers/send_rich" "$folder" >&2
}

# Likewise the agents, with their file in the folder $1.
run_agents() {
    local folder=$1 url=$2
    shift 2
    mkdir -p "$folder"
    env "OTEL_EXPORTER_OTLP_ENDPOINT=$url" "${@/#/OTEL_EXPORTER_OTLP_}" OTEL_TRACES_EXPORTER=otlp \
        "CLEW_OTLP_FILE=$folder/sent.jsonl" timeout 120 samples/agents/run "$build/samples/agents" >&2
}

# Likewise the program `send`, which does what standard input says; its lines go to $1.json, its messages to $1.log.
send() {
    local file=$1 url=$2
    shift 2
    env "OTEL_EXPORTER_OTLP_ENDPOINT=$url" "${@/#/OTEL_EXPORTER_OTLP_}" \
        timeout 60 "$build/test/peers/send" >"$file.json" 2>"$file.log"
}

# refused NAME FILE PATTERN [OR]: of the four spans that `send` had all have failed, or OR is in its books, and its
# messages say why.
refused() {
    if grep -q '"exported":0,"rejected":0' "$2.json" && grep -q -E "\"failed\":4${4:+|$4}" "$2.json" &&
        grep -q -E "$3" "$2.log"; then
        ok "$1"
    else
        not_ok "$1"
        cat "$2.json" "$2.log" >&2
    fi
}

# last_book FILE NAME: a number of the last line of `send`
last_book() {
    tail -n 1 "$1" | sed -E "s/.*\"$2\":([0-9]+).*/\1/"
}

trace_ids() {
    "$python" test/peers/compare.py traces "$1"
}

# ---- the bytes, as the published messages read them ----

third_party_decoder() {
    local venv=$cache/python-opentelemetry-proto-$proto_version
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        skip "the published messages decode the bytes" "there is no python3-venv"
        return
    fi
    if [ ! -x "$venv/bin/python" ]; then
        rm -rf "$venv.new"
        if ! { python3 -m venv "$venv.new" &&
            "$venv.new/bin/pip" install -q --disable-pip-version-check "opentelemetry-proto==$proto_version"; } >&2; then
            not_ok "the package opentelemetry-proto $proto_version is installed"
            return
        fi
        mv "$venv.new" "$venv"
    fi
    # Nobody listens on port 1: this run is about the bytes alone.
    mkdir -p "$logs/bytes"
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 OTEL_EXPORTER_OTLP_TIMEOUT=500 timeout 60 "$build/test/peers/send_rich" "$logs/bytes" >&2
    compare otlp "the file exporter" test/peers/rich.json "$logs/bytes/sent.jsonl"
    python=$venv/bin/python compare decode "the published messages" test/peers/rich.json "$logs"/bytes/request-*.bin
    python=$venv/bin/python compare decode "the published messages and the file" "$logs/bytes/sent.jsonl" \
        "$logs"/bytes/request-*.bin
}

. test/peers/certificates.sh
. test/peers/collector.sh
. test/peers/jaeger.sh
. test/peers/grpc_js.sh

third_party_decoder
grpc_js
peers=$(test/peers/build.sh 2> >(tee "$logs/build.log" >&2))
case $? in
    0)
        make_certificates "$logs/certificates"
        collector
        jaeger
        ;;
    77)
        skip "a real Collector gets every field" "$(tail -n 1 "$logs/build.log")"
        skip "a real Jaeger gets every field that it can hold" "$(tail -n 1 "$logs/build.log")"
        ;;
    *) not_ok "the real Collector and Jaeger build" ;;
esac
tap_done
