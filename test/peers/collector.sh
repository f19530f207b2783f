# A real Collector, spoken to in every way that it understands; to be sourced by run.sh.

# The ways, as "NAME SCHEME MORE...": MORE is added to the client's environment, as PROTOCOL=grpc for
# OTEL_EXPORTER_OTLP_PROTOCOL. Each has a receiver and a file of its own, as the rich spans are always the same.
collector_ways() {
    local certificates=$1
    cat <<END
http http PROTOCOL=http/protobuf
http-gzip http PROTOCOL=http/protobuf COMPRESSION=gzip
http-zstd http PROTOCOL=http/protobuf COMPRESSION=zstd
http-json http PROTOCOL=http/json
http-unix unix PROTOCOL=http/protobuf
http-mtls https PROTOCOL=http/protobuf CERTIFICATE=$certificates/ca.pem CLIENT_CERTIFICATE=$certificates/client.pem CLIENT_KEY=$certificates/client.key
grpc http PROTOCOL=grpc
grpc-gzip http PROTOCOL=grpc COMPRESSION=gzip
grpc-zstd http PROTOCOL=grpc COMPRESSION=zstd
grpc-unix unix PROTOCOL=grpc
grpc-tls https PROTOCOL=grpc CERTIFICATE=$certificates/ca.pem
grpc-mtls https PROTOCOL=grpc CERTIFICATE=$certificates/ca.pem CLIENT_CERTIFICATE=$certificates/client.pem CLIENT_KEY=$certificates/client.key
END
}

declare -A url_of

# The receiver, the exporter and the pipelines of one way, for the file of the configuration.
receiver_of() {
    local way=$1 endpoint=$2
    echo "  otlp/$way:"
    echo "    protocols:"
    echo "      ${way%%-*}:"
    echo "        endpoint: $endpoint"
    case $way in
        *-unix) echo "        transport: unix" ;;
        http-gzip | http-zstd) echo "        compression_algorithms: [${way#*-}] # takes no other" ;;
        *-tls | *-mtls)
            echo "        tls:"
            echo "          cert_file: $certificates/server.pem"
            echo "          key_file: $certificates/server.key"
            ;;
    esac
    case $way in
        *-mtls) echo "          client_ca_file: $certificates/ca.pem" ;;
    esac
}

exporter_of() {
    printf '  file/%s: {path: "%s", flush_interval: 100ms, append: true}\n' "$1" "$logs/collector-$1.jsonl"
}

pipelines_of() {
    local signal
    for signal in traces metrics; do
        printf '    %s/%s: {receivers: [otlp/%s], exporters: [file/%s]}\n' "$signal" "$1" "$1" "$1"
    done
}

# write_configuration FILE WAY...: for the ways of these names; sets url_of.
write_configuration() {
    local file=$1 way port ports
    shift
    read -r -a ports < <(python3 test/peers/compare.py ports $#)
    for way in "$@"; do
        port=${ports[0]}
        ports=("${ports[@]:1}")
        case $way in
            *-unix) url_of[$way]=unix://$sockets/$way ;;
            *tls) url_of[$way]=https://127.0.0.1:$port ;;
            *) url_of[$way]=http://127.0.0.1:$port ;;
        esac
    done
    {
        echo "receivers:"
        for way in "$@"; do receiver_of "$way" "${url_of[$way]#*://}"; done
        echo "exporters:"
        for way in "$@"; do exporter_of "$way"; done
        echo "service:"
        echo "  telemetry: {metrics: {level: none}}"
        echo "  pipelines:"
        for way in "$@"; do pipelines_of "$way"; done
    } >"$file"
}

# start_collector FILE: with this configuration; its process becomes $collector_process.
start_collector() {
    local log=${1%.yaml}.log
    : >"$log"
    "$peers/otelcol-"* --config "$1" >>"$log" 2>&1 &
    collector_process=$!
    started+=("$collector_process")
    wait_for 30 grep -q "Everything is ready" "$log"
}

send_every_way() {
    local way rest words
    while read -r way _ rest; do
        read -r -a words <<<"$rest"
        check "the Collector takes the rich spans: $way" \
            send_rich "$logs/to-collector-$way" "${url_of[$way]}" "${words[@]}"
    done < <(collector_ways "$certificates")
    check "the Collector takes the agents' spans: http" \
        run_agents "$logs/agents-to-collector-http" "${url_of[http]}"
    check "the Collector takes the agents' spans: grpc" \
        run_agents "$logs/agents-to-collector-grpc" "${url_of[grpc]}" PROTOCOL=grpc
}

# What a wrong or missing certificate leads to; the retries of what might pass end with the time-out.
send_without_trust() {
    local protocol way certificate=CERTIFICATE=$certificates/ca.pem
    for protocol in grpc http/protobuf; do
        way=${protocol%%/*}-mtls
        echo "spans 4" | send "$logs/no-client-certificate-$way" "${url_of[$way]}" PROTOCOL=$protocol TIMEOUT=1500 \
            "$certificate"
        # Over HTTP the server may hang up before libcurl has read why; then nobody knows whether it got the request.
        refused "without a client certificate nothing goes, and a message says so: $way" \
            "$logs/no-client-certificate-$way" \
            "127.0.0.1:[0-9]+.* (refuses clients without a certificate|does it want a client certificate)" '"unknown":4'
        echo "spans 4" | send "$logs/wrong-authority-$way" "${url_of[$way]}" PROTOCOL=$protocol TIMEOUT=1500 \
            CERTIFICATE="$certificates/other-ca.pem" CLIENT_CERTIFICATE="$certificates/client.pem" \
            CLIENT_KEY="$certificates/client.key"
        refused "to a server of another authority nothing goes, and a message says so: $way" \
            "$logs/wrong-authority-$way" "certificate"
        echo "spans 4" | send "$logs/foreign-certificate-$way" "${url_of[$way]}" PROTOCOL=$protocol TIMEOUT=1500 \
            "$certificate" CLIENT_CERTIFICATE="$certificates/other-ca.pem" CLIENT_KEY="$certificates/other-ca.key"
        refused "with a client certificate of another authority nothing goes, and a message says so: $way" \
            "$logs/foreign-certificate-$way" "127.0.0.1:[0-9]+.* our client certificate" '"unknown":4'
        echo "spans 4" | send "$logs/no-tls-$way" "${url_of[$way]/https/http}" PROTOCOL=$protocol TIMEOUT=1500
        same "without TLS to a server with TLS nothing counts as delivered: $way" 0 \
            "$(last_book "$logs/no-tls-$way.json" exported)"
        check "without TLS to a server with TLS a message says where: $way" \
            grep -q "4 spans .*${url_of[$way]#https://}" "$logs/no-tls-$way.log"
    done
    echo "spans 4" | send "$logs/not-compressed" "${url_of[http-gzip]}" TIMEOUT=1500
    refused "the receivers for compressed requests take no others" "$logs/not-compressed" "HTTP 4.. from"
}

# A queue of 64 and 300 spans at once: some are dropped.
send_metrics() {
    local way protocol
    for way in http http-json grpc; do
        protocol=${way/%http/http/protobuf}
        printf 'spans 40\nflush 10000\nspans 300\nflush 10000\nspans 8\n' |
            CLEW_SDK_METRICS=true OTEL_BSP_MAX_QUEUE_SIZE=64 send "$logs/metrics-$way" "${url_of[$way]}" \
                PROTOCOL="${protocol/http-json/http/json}"
    done
}

compare_every_way() {
    local way status
    while read -r way _; do
        grep -E "$rich_trace|$odd_trace" "$logs/collector-$way.jsonl" >"$logs/collector-rich-$way.jsonl"
        compare otlp "the Collector, $way, rich spans" test/peers/rich.json "$logs/collector-rich-$way.jsonl"
    done < <(collector_ways "$certificates")
    compare otlp "the Collector, rich spans and the file" "$logs/to-collector-http/sent.jsonl" \
        "$logs/collector-rich-http.jsonl"
    for way in http grpc; do
        grep '"resourceSpans"' "$logs/collector-$way.jsonl" | grep -v -E "$rich_trace|$odd_trace" |
            grep -v '"stringValue":"send"' >"$logs/collector-agents-$way.jsonl"
        compare otlp "the Collector, $way, agents" "$logs/agents-to-collector-$way/sent.jsonl" \
            "$logs/collector-agents-$way.jsonl"
    done
    for way in http http-json grpc; do
        status=http.response.status_code=200
        [ "$way" != grpc ] || status=rpc.response.status_code=OK
        relay "$python" test/peers/metrics.py "the Collector, $way, metrics" "$logs/metrics-$way.json" \
            "$logs/collector-$way.jsonl" "${url_of[$way]##*:}" "$status"
    done
}

# ---- a Collector that goes and comes back while spans are on their way ----

span_ids() {
    grep -o '"spanId":"[0-9a-f]*"' "$1" | sort
}

# Makes spans for as long as the file $1 is there, so many that one batch or another is always on its way.
spans_while() {
    while [ -e "$1" ]; do
        printf 'spans 2000\nflush 30000\n'
        sleep 0.03
    done
}

# restarts WAY SIGNAL PROTOCOL
restarts() {
    local way=$1 signal=$2 protocol=$3 folder=$logs/restart-$1-$2 sender name
    name="the Collector is restarted ($signal) during an export over $protocol"
    mkdir -p "$folder"
    rm -f "$logs/collector-$way.jsonl"
    write_configuration "$folder/collector.yaml" "$way"
    if ! start_collector "$folder/collector.yaml"; then
        not_ok "$name: it starts"
        return
    fi
    touch "$folder/on"
    spans_while "$folder/on" | send "$folder/books" "${url_of[$way]}" PROTOCOL="$protocol" TIMEOUT=30000 &
    sender=$!
    wait_for 20 exports_more "$folder/books.json" 0
    kill "-$signal" "$collector_process"
    wait "$collector_process" 2>/dev/null
    check "$name: it comes back" start_collector "$folder/collector.yaml"
    check "$name: spans arrive again" wait_for 20 exports_more "$folder/books.json" \
        "$(last_book "$folder/books.json" exported)"
    rm "$folder/on"
    wait "$sender"
    stop_all
    judge_restart "$name" "$signal" "$folder/books.json" "$logs/collector-$way.jsonl"
}

exports_more() {
    [ "$(last_book "$1" exported)" -gt "$2" ]
}

# What was answered is in the file, unless the Collector was killed before it wrote that; the books add up.
judge_restart() {
    local name=$1 signal=$2 books=$3 got=$4 offered exported failed unknown dropped there
    offered=$(last_book "$books" offered)
    exported=$(last_book "$books" exported)
    failed=$(last_book "$books" failed)
    unknown=$(last_book "$books" unknown)
    dropped=$(last_book "$books" dropped_queue_full)
    there=$(span_ids "$got" | uniq | wc -l)
    printf '%s: %s offered, %s exported, %s failed, %s unknown, %s dropped; %s arrived, %s of them twice\n' "$name" \
        "$offered" "$exported" "$failed" "$unknown" "$dropped" "$there" "$(span_ids "$got" | uniq -d | wc -l)" >&2
    same "$name: the books add up" "$offered" "$((exported + failed + unknown + dropped))"
    same "$name: nothing is dropped or fails, for the time is enough to try again" "0 0" "$failed $dropped"
    if [ "$signal" = TERM ]; then
        check "$name: all that counts as delivered is there" [ "$there" -ge "$exported" ]
        check "$name: nothing is there that is not in the books" [ "$there" -le "$((exported + unknown))" ]
    fi
}

collector() {
    local way ways=()
    while read -r way _; do
        ways+=("$way")
    done < <(collector_ways "$certificates")
    write_configuration "$logs/collector.yaml" "${ways[@]}"
    if ! start_collector "$logs/collector.yaml"; then
        not_ok "the Collector starts"
        return
    fi
    ok "the Collector starts"
    send_every_way
    send_without_trust
    send_metrics
    stop_all # which makes it write everything out
    compare_every_way
    restarts grpc TERM grpc
    restarts grpc KILL grpc
    restarts http TERM http/protobuf
}
