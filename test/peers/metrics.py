"""Compares Clew's metrics about itself, as a Collector has written them, with the books that the same program printed
(send.c). Prints a TAP line for each metric, without a plan.

    metrics.py TITLE BOOKS GOT PORT STATUS

BOOKS: the lines of `send`; the last counts. GOT: a file of the Collector's file exporter, in which the last report
counts. PORT: where the spans went. STATUS: the key and value of the status that the exports ended with, as
rpc.response.status_code=OK.
"""

import json
import sys

CUMULATIVE = 2
COUNTER, UP_DOWN_COUNTER, HISTOGRAM = "counter", "up-down counter", "histogram"


def result(title, name, expected, got):
    right = expected == got
    print("%s - %s: %s" % ("ok" if right else "not ok", title, name))
    if not right:
        print("%s: %s:\n  expected %r\n  got      %r" % (title, name, expected, got), file=sys.stderr)


def value_of(value):
    (kind, content), = value.items()
    return int(content) if kind == "intValue" else content


def attributes_of(pairs):
    return tuple(sorted((pair["key"], value_of(pair["value"])) for pair in pairs or []))


def reading(metric):
    """(kind, unit, {attributes: value}); of a histogram the value is its count, if the rest of it is sound."""
    if "histogram" in metric:
        data, kind = metric["histogram"], HISTOGRAM
    else:
        data = metric["sum"]
        kind = COUNTER if data.get("isMonotonic") else UP_DOWN_COUNTER
    if data["aggregationTemporality"] != CUMULATIVE:
        kind += ", not cumulative"
    points = {}
    for point in data["dataPoints"]:
        key = attributes_of(point.get("attributes"))
        if key in points:
            raise ValueError("two points with %r" % (key,))
        if int(point["startTimeUnixNano"]) >= int(point["timeUnixNano"]):
            kind += ", times out of order"
        if kind != HISTOGRAM:
            points[key] = int(point["asInt"])
            continue
        sound = not point.get("explicitBounds") and point["sum"] > 0 and point["bucketCounts"] == [point["count"]]
        points[key] = int(point["count"]) if sound else point
    return kind, metric["unit"], points


def last_report(path):
    with open(path, encoding="utf-8") as file:
        documents = [json.loads(line) for line in file if '"resourceMetrics"' in line]
    (resource_metrics,) = documents[-1]["resourceMetrics"]
    (scope_metrics,) = resource_metrics["scopeMetrics"]
    metrics = dict((metric["name"], reading(metric)) for metric in scope_metrics["metrics"])
    return dict(attributes_of(resource_metrics["resource"]["attributes"])), scope_metrics["scope"]["name"], metrics


def expected_of(books, port, status, operations):
    pipeline = books["pipeline"]
    processor = [("otel.component.type", "batching_span_processor"),
                 ("otel.component.name", "batching_span_processor/0")]
    exporter = [("otel.component.type", pipeline["name"]), ("otel.component.name", pipeline["name"] + "/0"),
                ("server.address", "127.0.0.1"), ("server.port", port)]

    def point(component, *more):
        return tuple(sorted(component + list(more)))

    def started(origin):
        return point([], ("otel.span.parent.origin", origin), ("otel.span.sampling_result", "RECORD_AND_SAMPLE"))

    # send.c makes every second span a child.
    children = books["started"] // 2
    handed = pipeline["exported"] + pipeline["rejected"] + pipeline["failed"] + pipeline["unknown"]
    return {
        "otel.sdk.span.started": (COUNTER, "{span}", {
            started("none"): books["started"] - children, started("local"): children}),
        "otel.sdk.span.live": (UP_DOWN_COUNTER, "{span}", {
            point([], ("otel.span.sampling_result", "RECORD_ONLY")): 0,
            point([], ("otel.span.sampling_result", "RECORD_AND_SAMPLE")): books["open"]}),
        "otel.sdk.processor.span.queue.size": (UP_DOWN_COUNTER, "{span}", {point(processor): pipeline["pending"]}),
        "otel.sdk.processor.span.queue.capacity": (UP_DOWN_COUNTER, "{span}", {point(processor): 64}),
        "otel.sdk.processor.span.processed": (COUNTER, "{span}", {
            point(processor): handed,
            point(processor, ("error.type", "queue_full")): pipeline["dropped_queue_full"]}),
        "otel.sdk.exporter.span.inflight": (UP_DOWN_COUNTER, "{span}", {point(exporter): 0}),
        "otel.sdk.exporter.span.exported": (COUNTER, "{span}", {point(exporter): pipeline["exported"]}),
        "otel.sdk.exporter.operation.duration": (HISTOGRAM, "s", {point(exporter, status): operations}),
    }


def main(title, books_path, got_path, port, status):
    with open(books_path, encoding="utf-8") as file:
        books = json.loads(file.read().splitlines()[-1])
    resource, scope, got = last_report(got_path)
    key, value = status.split("=")
    durations = got.get("otel.sdk.exporter.operation.duration", (None, None, {}))[2]
    operations = sum(count for count in durations.values() if isinstance(count, int))
    expected = expected_of(books, int(port), (key, int(value) if value.isdigit() else value), operations)
    result(title, "the resource of the spans", "send", resource.get("service.name"))
    result(title, "the scope", "clew", scope)
    result(title, "these metrics and no others", sorted(expected), sorted(got))
    result(title, "there were spans, some dropped, and exports", (True, True, True), (
        books["pipeline"]["exported"] > 0, books["pipeline"]["dropped_queue_full"] > 0, operations > 0))
    for name in sorted(set(expected) & set(got)):
        result(title, name, expected[name], got[name])


if len(sys.argv) != 6:
    sys.exit(__doc__)
main(*sys.argv[1:])
