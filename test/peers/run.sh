#!/bin/bash
# Sends spans to a real Collector and a real Jaeger, reads them back and compares them field by field with what was
# meant (rich.json) or written beside (the OTLP file exporter); and lets the published messages, decoded in another
# runtime, have their say on the bytes.
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
trap stop_all EXIT
trap 'exit 130' INT TERM

python=python3
if ! command -v "$python" >/dev/null; then
    skip "the real peers" "there is no python3 to compare with"
    tap_done
fi

# compare ARGUMENT...: the lines of compare.py as our own
compare() {
    local lines line
    if ! lines=$("$python" test/peers/compare.py "$@"); then
        not_ok "compare.py $1 $2 came to an end"
    fi
    while read -r line; do
        case $line in
            "ok - "*) ok "${line#ok - }" ;;
            "not ok - "*) not_ok "${line#not ok - }" ;;
        esac
    done <<<"$lines"
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

# Runs send_rich into the folder $1, its spans going to the URL $2.
send_rich() {
    mkdir -p "$1"
    OTEL_EXPORTER_OTLP_ENDPOINT=$2 timeout 60 "$build/test/peers/send_rich" "$1" >&2
}

# Runs the agents with their file in the folder $1, their spans going to the URL $2.
run_agents() {
    mkdir -p "$1"
    OTEL_EXPORTER_OTLP_ENDPOINT=$2 OTEL_TRACES_EXPORTER=otlp CLEW_OTLP_FILE=$1/sent.jsonl \
        timeout 120 samples/agents/run "$build/samples/agents" >&2
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

# ---- the Collector ----

start_collector() {
    local port=$1
    cat >"$logs/collector.yaml" <<END
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:$port
exporters:
  file:
    path: $logs/collector.jsonl
    flush_interval: 100ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [file]
END
    "$peers/otelcol-"* --config "$logs/collector.yaml" >"$logs/collector.log" 2>&1 &
    started+=($!)
    wait_for 30 listens "$port"
}

collector() {
    local port=$1
    cat >"$logs/collector.yaml" <<END
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:$port
exporters:
  file:
    path: $logs/collector.jsonl
    flush_interval: 100ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [file]
END
    "$peers/otelcol-"* --config "$logs/collector.yaml" >"$logs/collector.log" 2>&1 &
    started+=($!)
    wait_for 30 listens "$port"
}

# Takes what the Collector has written since the last time into the file $1, once all $2 spans of it are there.
collected() {
    local wanted=$2
    wait_for 20 has_spans "$logs/collector.jsonl" "$wanted"
    mv "$logs/collector.jsonl.part" "$1"
}

count_spans() {
    grep -o '"spanId":"[0-9a-f]*"' "$1" | wc -l
}

collector() {
    local port
    port=$(python3 test/peers/compare.py ports 1)
    if ! start_collector "$port"; then
        not_ok "the Collector starts"
        return
    fi
    ok "the Collector starts"
    check "the Collector takes the rich spans" send_rich "$logs/to-collector" "http://127.0.0.1:$port"
    check "the Collector takes the agents' spans" run_agents "$logs/agents-to-collector" "http://127.0.0.1:$port"
    stop_all # which makes it write everything out
    grep -E "$rich_trace|$odd_trace" "$logs/collector.jsonl" >"$logs/collector-rich.jsonl"
    grep -v -E "$rich_trace|$odd_trace" "$logs/collector.jsonl" >"$logs/collector-agents.jsonl"
    compare otlp "the Collector, rich spans" test/peers/rich.json "$logs/collector-rich.jsonl"
    compare otlp "the Collector, rich spans and the file" "$logs/to-collector/sent.jsonl" "$logs/collector-rich.jsonl"
    compare otlp "the Collector, agents" "$logs/agents-to-collector/sent.jsonl" "$logs/collector-agents.jsonl"
}

# ---- Jaeger ----

start_jaeger() {
    local host=127.0.0.1
    read -r otlp_port query_port p3 p4 p5 p6 p7 p8 p9 p10 p11 < <(python3 test/peers/compare.py ports 11)
    COLLECTOR_OTLP_ENABLED=true OTEL_TRACES_SAMPLER=always_off "$peers/jaeger-"* \
        --collector.otlp.http.host-port "$host:$otlp_port" --query.http-server.host-port "$host:$query_port" \
        --collector.otlp.grpc.host-port "$host:$p3" --query.grpc-server.host-port "$host:$p4" \
        --admin.http.host-port "$host:$p5" --collector.grpc-server.host-port "$host:$p6" \
        --collector.http-server.host-port "$host:$p7" --processor.jaeger-compact.server-host-port "$host:$p8" \
        --processor.jaeger-binary.server-host-port "$host:$p9" --processor.zipkin-compact.server-host-port "$host:$p10" \
        --http-server.host-port "$host:$p11" >"$logs/jaeger.log" 2>&1 &
    started+=($!)
    wait_for 30 listens "$otlp_port" && wait_for 30 listens "$query_port"
}

# Asks for a trace, unadjusted, until Jaeger has as many spans of it as were sent.
ask_jaeger() {
    local id=$1 spans=$2 file=$3
    curl -sS -m 10 -o "$file" "http://127.0.0.1:$query_port/api/traces/$id?raw=true" &&
        [ "$(grep -o '"operationName"' "$file" | wc -l)" -ge "$spans" ]
}

spans_of_trace() {
    grep -o "\"traceId\":\"$2\",\"spanId\":\"[0-9a-f]*\"" "$1" | sort -u | wc -l
}

jaeger() {
    local id
    if ! start_jaeger; then
        not_ok "Jaeger starts"
        return
    fi
    ok "Jaeger starts"
    check "Jaeger takes the rich spans" send_rich "$logs/to-jaeger" "http://127.0.0.1:$otlp_port"
    wait_for 20 ask_jaeger "$rich_trace" 8 "$logs/jaeger-rich.json"
    compare jaeger-losses "Jaeger, rich spans" test/peers/rich.json "$logs/jaeger-rich.json"
    # It has the trace, for it does not say "not found", and fails at writing it down.
    ask_jaeger "$odd_trace" 1 "$logs/jaeger-odd.json"
    check "Jaeger, rich spans: lost: every trace with NaN or an infinity in it" \
        grep -q 'unsupported value' "$logs/jaeger-odd.json"
    check "Jaeger takes the agents' spans" run_agents "$logs/agents-to-jaeger" "http://127.0.0.1:$otlp_port"
    for id in $(trace_ids "$logs/agents-to-jaeger/sent.jsonl"); do
        wait_for 20 ask_jaeger "$id" "$(spans_of_trace "$logs/agents-to-jaeger/sent.jsonl" "$id")" \
            "$logs/jaeger-agents-$id.json"
        compare jaeger "Jaeger, agents" "$logs/agents-to-jaeger/sent.jsonl" "$logs/jaeger-agents-$id.json"
    done
    stop_all
}

third_party_decoder
peers=$(test/peers/build.sh 2> >(tee "$logs/build.log" >&2))
case $? in
    0)
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
