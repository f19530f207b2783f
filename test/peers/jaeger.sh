# A real Jaeger, spoken to in every way that it understands; to be sourced by run.sh.

# start_jaeger OPTION...: with these options beside its own; its process is the last of $started.
start_jaeger() {
    local host=127.0.0.1
    read -r http_port grpc_port query_port p4 p5 p6 p7 p8 p9 p10 p11 < <(python3 test/peers/compare.py ports 11)
    COLLECTOR_OTLP_ENABLED=true OTEL_TRACES_SAMPLER=always_off "$peers/jaeger-"* \
        --collector.otlp.http.host-port "$host:$http_port" --collector.otlp.grpc.host-port "$host:$grpc_port" \
        --query.http-server.host-port "$host:$query_port" --query.grpc-server.host-port "$host:$p4" \
        --admin.http.host-port "$host:$p5" --collector.grpc-server.host-port "$host:$p6" \
        --collector.http-server.host-port "$host:$p7" --processor.jaeger-compact.server-host-port "$host:$p8" \
        --processor.jaeger-binary.server-host-port "$host:$p9" --processor.zipkin-compact.server-host-port "$host:$p10" \
        --http-server.host-port "$host:$p11" "$@" >>"$logs/jaeger.log" 2>&1 &
    started+=($!)
    wait_for 30 listens "$http_port" && wait_for 30 listens "$grpc_port" && wait_for 30 listens "$query_port"
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

# rich_to_jaeger WAY URL MORE...: the rich spans, sent and read back
rich_to_jaeger() {
    local way=$1
    check "Jaeger takes the rich spans: $way" send_rich "$logs/to-jaeger-$way" "${@:2}"
    wait_for 20 ask_jaeger "$rich_trace" 8 "$logs/jaeger-rich-$way.json"
    compare jaeger-losses "Jaeger, $way, rich spans" test/peers/rich.json "$logs/jaeger-rich-$way.json"
    # It has the trace, for it does not say "not found", and fails at writing it down.
    ask_jaeger "$odd_trace" 1 "$logs/jaeger-odd-$way.json"
    check "Jaeger, $way, rich spans: lost: every trace with NaN or an infinity in it" \
        grep -q 'unsupported value' "$logs/jaeger-odd-$way.json"
}

# agents_to_jaeger WAY URL MORE...
agents_to_jaeger() {
    local way=$1 id
    check "Jaeger takes the agents' spans: $way" run_agents "$logs/agents-to-jaeger-$way" "${@:2}"
    for id in $(trace_ids "$logs/agents-to-jaeger-$way/sent.jsonl"); do
        wait_for 20 ask_jaeger "$id" "$(spans_of_trace "$logs/agents-to-jaeger-$way/sent.jsonl" "$id")" \
            "$logs/jaeger-agents-$id.json"
        compare jaeger "Jaeger, $way, agents" "$logs/agents-to-jaeger-$way/sent.jsonl" "$logs/jaeger-agents-$id.json"
    done
}

# jaeger_way WAY MORE...: the rich spans are always the same, so every way has a Jaeger of its own.
jaeger_way() {
    local way=$1 options=() url
    shift
    case $way in
        *-mtls)
            options=("--collector.otlp.${way%-mtls}.tls.enabled" "--collector.otlp.${way%-mtls}.tls.cert"
                "$certificates/server.pem" "--collector.otlp.${way%-mtls}.tls.key" "$certificates/server.key"
                "--collector.otlp.${way%-mtls}.tls.client-ca" "$certificates/ca.pem")
            ;;
    esac
    if ! start_jaeger "${options[@]}"; then
        not_ok "Jaeger starts: $way"
        stop_all
        return
    fi
    ok "Jaeger starts: $way"
    case $way in
        grpc-mtls) url=https://127.0.0.1:$grpc_port ;;
        http-mtls) url=https://127.0.0.1:$http_port ;;
        grpc*) url=http://127.0.0.1:$grpc_port ;;
        http*) url=http://127.0.0.1:$http_port ;;
    esac
    rich_to_jaeger "$way" "$url" "$@"
    case $way in
        http | grpc) agents_to_jaeger "$way" "$url" "$@" ;;
    esac
    stop_all
}

jaeger() {
    local ours=(CERTIFICATE="$certificates/ca.pem" CLIENT_CERTIFICATE="$certificates/client.pem"
        CLIENT_KEY="$certificates/client.key")
    jaeger_way http PROTOCOL=http/protobuf
    jaeger_way http-json PROTOCOL=http/json
    jaeger_way http-mtls PROTOCOL=http/protobuf "${ours[@]}"
    jaeger_way grpc PROTOCOL=grpc
    jaeger_way grpc-gzip PROTOCOL=grpc COMPRESSION=gzip
    jaeger_way grpc-mtls PROTOCOL=grpc "${ours[@]}"
}
