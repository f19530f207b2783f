#!/bin/bash
# Builds the real peers, Jaeger all-in-one and the OpenTelemetry Collector, from the Go module proxy into
# ${CLEW_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/clew}/peers. Prints that directory. What is there already stays.
# Exit status: 0 built, 77 no Go to build them with (the reason on stderr), 1 the build failed.
set -euo pipefail

jaeger_version=1.62.0
collector_version=0.159.0
go_oldest=1.25
work=

cache=${CLEW_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/clew}
peers=$cache/peers
jaeger=$peers/jaeger-$jaeger_version
collector=$peers/otelcol-$collector_version

say() { printf '%s\n' "$*" >&2; }

find_go() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go/bin/go; do
        [ -n "$candidate" ] && [ -x "$candidate" ] && { printf '%s\n' "$candidate"; return; }
    done
    return 1
}

finish() {
    mkdir -p "$peers"
    mv -f "$1" "$2.new"
    mv -f "$2.new" "$2"
}

build_jaeger() {
    local work=$1
    say "building Jaeger all-in-one $jaeger_version (about two minutes)"
    mkdir -p "$work/jaeger"
    cd "$work/jaeger"
    "$go" mod init peer.test/jaeger
    "$go" get -tool "github.com/jaegertracing/jaeger/cmd/all-in-one@v$jaeger_version"
    "$go" build -o jaeger github.com/jaegertracing/jaeger/cmd/all-in-one
    finish jaeger "$jaeger"
}

build_collector() {
    local work=$1
    local core=go.opentelemetry.io/collector contrib=github.com/open-telemetry/opentelemetry-collector-contrib
    say "building the OpenTelemetry Collector $collector_version (about two minutes)"
    mkdir -p "$work/collector"
    cd "$work/collector"
    cat >manifest.yaml <<END
dist:
  name: otelcol
  description: the Collector that Clew's tests speak to
  output_path: $work/collector/out
  version: $collector_version
receivers:
  - gomod: $core/receiver/otlpreceiver v$collector_version
processors:
  - gomod: $core/processor/batchprocessor v$collector_version
exporters:
  - gomod: $core/exporter/otlpexporter v$collector_version
  - gomod: $core/exporter/otlphttpexporter v$collector_version
  - gomod: $core/exporter/debugexporter v$collector_version
  - gomod: $core/exporter/nopexporter v$collector_version
  - gomod: $contrib/exporter/fileexporter v$collector_version
END
    GOBIN=$work/bin "$go" install "go.opentelemetry.io/collector/cmd/builder@v$collector_version"
    PATH=$(dirname "$go"):$PATH "$work/bin/builder" --config manifest.yaml
    finish "$work/collector/out/otelcol" "$collector"
}

main() {
    local version
    if [ ! -x "$jaeger" ] || [ ! -x "$collector" ]; then
        go=$(find_go) || { say "no Go toolchain"; exit 77; }
        version=$("$go" env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//')
        if [ "$(printf '%s\n' "$go_oldest" "$version" | sort -V | head -n 1)" != "$go_oldest" ]; then
            say "Go $version is older than $go_oldest"
            exit 77
        fi
        export GOFLAGS=-modcacherw GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0
        mkdir -p "$peers"
        work=$(mktemp -d "$peers/build.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        [ -x "$jaeger" ] || (build_jaeger "$work") >&2
        [ -x "$collector" ] || (build_collector "$work") >&2
    fi
    printf '%s\n' "$peers"
}

main
