"""Compares spans as different programs hand them back, field by field. Prints a TAP line a field, without a plan.

    compare.py otlp TITLE EXPECTED GOT      two files of OTLP/JSON: a document, or one a line
    compare.py decode TITLE EXPECTED FILE…  FILEs are request bytes, read with the package opentelemetry-proto
    compare.py jaeger TITLE EXPECTED GOT    GOT: an answer of Jaeger's /api/traces/{id}
    compare.py jaeger-losses TITLE EXPECTED GOT   the same, and what of rich.json Jaeger cannot hold
    compare.py traces FILE                  prints the trace ids of a file of OTLP/JSON
    compare.py ports N                      prints N free ports
"""

import base64
import json
import math
import socket
import struct
import sys

# Fields of a span that one line each answers for, in this order.
FIELDS = [
    "traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano",
    "endTimeUnixNano", "status", "attributes", "droppedAttributesCount", "events", "droppedEventsCount", "links",
    "droppedLinksCount", "resource", "resource schemaUrl", "scope", "scope schemaUrl",
]


# ---- one form for all: values become tuples that compare exactly ----

def double(value):
    number = float(value)
    return ("double", "nan" if math.isnan(number) else struct.pack(">d", number).hex())


def value_of(value):
    """An AnyValue of OTLP/JSON. A double's sign and bits count; what NaN looks like inside does not."""
    if not value:
        return ("empty",)
    (kind, content), = value.items()
    if kind == "stringValue":
        return ("string", content)
    if kind == "boolValue":
        return ("bool", content)
    if kind == "intValue":
        return ("int", int(content))
    if kind == "doubleValue":
        return double(content)
    if kind == "bytesValue":
        return ("bytes", base64.b64decode(content or "").hex())
    if kind == "arrayValue":
        return ("array", tuple(value_of(member) for member in content.get("values", [])))
    if kind == "kvlistValue":
        return ("map", attributes_of(content.get("values", [])))
    raise ValueError("an unknown kind of value: " + kind)


def attributes_of(attributes):
    pairs = [(pair["key"], value_of(pair.get("value"))) for pair in attributes or []]
    if len(set(key for key, _ in pairs)) != len(pairs):
        raise ValueError("a key occurs twice in %r" % (pairs,))
    return tuple(sorted(pairs))


def event_of(event):
    return (event.get("name", ""), int(event.get("timeUnixNano", 0)), attributes_of(event.get("attributes")),
            int(event.get("droppedAttributesCount", 0)))


def link_of(link):
    return (link.get("traceId", ""), link.get("spanId", ""), link.get("traceState", ""), int(link.get("flags", 0)),
            attributes_of(link.get("attributes")), int(link.get("droppedAttributesCount", 0)))


def span_of(span, scope_spans, resource_spans):
    status = span.get("status") or {}
    scope = scope_spans.get("scope") or {}
    resource = resource_spans.get("resource") or {}
    return {
        "traceId": span["traceId"],
        "spanId": span["spanId"],
        "parentSpanId": span.get("parentSpanId", ""),
        "traceState": span.get("traceState", ""),
        "flags": int(span.get("flags", 0)),
        "name": span.get("name", ""),
        "kind": int(span.get("kind", 0)),
        "startTimeUnixNano": int(span["startTimeUnixNano"]),
        "endTimeUnixNano": int(span["endTimeUnixNano"]),
        "status": (int(status.get("code", 0)), status.get("message", "")),
        "attributes": attributes_of(span.get("attributes")),
        "droppedAttributesCount": int(span.get("droppedAttributesCount", 0)),
        "events": tuple(event_of(event) for event in span.get("events", [])),
        "droppedEventsCount": int(span.get("droppedEventsCount", 0)),
        "links": tuple(link_of(link) for link in span.get("links", [])),
        "droppedLinksCount": int(span.get("droppedLinksCount", 0)),
        "resource": (attributes_of(resource.get("attributes")), int(resource.get("droppedAttributesCount", 0))),
        "resource schemaUrl": resource_spans.get("schemaUrl", ""),
        "scope": (scope.get("name", ""), scope.get("version", ""), attributes_of(scope.get("attributes")),
                  int(scope.get("droppedAttributesCount", 0))),
        "scope schemaUrl": scope_spans.get("schemaUrl", ""),
    }


def spans_of(documents):
    """All spans of OTLP/JSON documents by (trace id, span id); one that comes twice is an error."""
    spans = {}
    for document in documents:
        for resource_spans in document.get("resourceSpans", []):
            for scope_spans in resource_spans.get("scopeSpans", []):
                for span in scope_spans.get("spans", []):
                    key = (span["traceId"], span["spanId"])
                    if key in spans:
                        raise ValueError("span %s comes twice" % (key,))
                    spans[key] = span_of(span, scope_spans, resource_spans)
    return spans


def integer(text):
    """A number without a point: Python's own reader would lose the sign of `-0`."""
    return -0.0 if text == "-0" else int(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return spans_of([json.loads(text, parse_int=integer)])
    except json.JSONDecodeError:
        return spans_of(json.loads(line, parse_int=integer) for line in text.splitlines() if line.strip())


# ---- a second opinion on the bytes: the published messages, in another runtime ----

def decode(paths):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    def value(any_value):
        kind = any_value.WhichOneof("value")
        if kind is None:
            return {}
        name = {"string_value": "stringValue", "bool_value": "boolValue", "int_value": "intValue",
                "double_value": "doubleValue"}.get(kind)
        if name:
            return {name: getattr(any_value, kind)}
        if kind == "bytes_value":
            return {"bytesValue": base64.b64encode(any_value.bytes_value).decode()}
        if kind == "array_value":
            return {"arrayValue": {"values": [value(member) for member in any_value.array_value.values]}}
        if kind == "kvlist_value":
            return {"kvlistValue": {"values": pairs(any_value.kvlist_value.values)}}
        raise ValueError("an unknown kind of value: " + kind)

    def pairs(attributes):
        return [{"key": pair.key, "value": value(pair.value)} for pair in attributes]

    def event(message):
        return {"name": message.name, "timeUnixNano": message.time_unix_nano, "attributes": pairs(message.attributes),
                "droppedAttributesCount": message.dropped_attributes_count}

    def link(message):
        return {"traceId": message.trace_id.hex(), "spanId": message.span_id.hex(), "traceState": message.trace_state,
                "flags": message.flags, "attributes": pairs(message.attributes),
                "droppedAttributesCount": message.dropped_attributes_count}

    def span(message):
        return {
            "traceId": message.trace_id.hex(), "spanId": message.span_id.hex(),
            "parentSpanId": message.parent_span_id.hex(), "traceState": message.trace_state, "flags": message.flags,
            "name": message.name, "kind": message.kind, "startTimeUnixNano": message.start_time_unix_nano,
            "endTimeUnixNano": message.end_time_unix_nano,
            "status": {"code": message.status.code, "message": message.status.message},
            "attributes": pairs(message.attributes), "droppedAttributesCount": message.dropped_attributes_count,
            "events": [event(member) for member in message.events],
            "droppedEventsCount": message.dropped_events_count,
            "links": [link(member) for member in message.links], "droppedLinksCount": message.dropped_links_count,
        }

    def holder(message):
        return {"attributes": pairs(message.attributes), "droppedAttributesCount": message.dropped_attributes_count}

    documents = []
    for path in paths:
        request = ExportTraceServiceRequest()
        with open(path, "rb") as file:
            request.ParseFromString(file.read())
        unknown = unknown_fields(request)
        result(not unknown, "has no field that the published messages do not know", unknown)
        documents.append({"resourceSpans": [{
            "resource": holder(resource_spans.resource), "schemaUrl": resource_spans.schema_url,
            "scopeSpans": [{
                "scope": dict(holder(scope_spans.scope), name=scope_spans.scope.name,
                              version=scope_spans.scope.version),
                "schemaUrl": scope_spans.schema_url,
                "spans": [span(message) for message in scope_spans.spans],
            } for scope_spans in resource_spans.scope_spans],
        } for resource_spans in request.resource_spans]})
    return spans_of(documents)


def unknown_fields(message):
    """The numbers of fields that the messages do not know, at any depth."""
    from google.protobuf.unknown_fields import UnknownFieldSet
    found = ["%s.%d" % (message.DESCRIPTOR.name, field.field_number) for field in UnknownFieldSet(message)]
    for descriptor, content in message.ListFields():
        if descriptor.message_type is not None:
            members = [content] if isinstance(content, type(message)) or hasattr(content, "DESCRIPTOR") else content
            for member in members:
                found += unknown_fields(member)
    return found


# ---- results ----

title = ""


def result(right, name, difference=None):
    print("%s - %s: %s" % ("ok" if right else "not ok", title, name))
    if not right and difference is not None:
        print("%s: %s:\n  %s" % (title, name, difference), file=sys.stderr)


def difference(expected, got):
    """The members of two long lists that differ; other values as they are."""
    if not isinstance(expected, tuple) or not isinstance(got, tuple):
        return expected, got
    return (tuple(member for member in expected if member not in got),
            tuple(member for member in got if member not in expected))


def compare(expected, got, fields):
    missing = sorted(set(expected) - set(got))
    extra = sorted(set(got) - set(expected))
    result(not missing and not extra, "the same %d spans" % len(expected),
           "missing %s, not expected %s" % (missing, extra))
    result(len(expected) > 0, "there are spans at all")
    both = sorted(set(expected) & set(got))
    for field in fields:
        different = ["span %s\n    expected %r\n    got      %r" % ((key[1],) + difference(
            expected[key][field], got[key][field])) for key in both if expected[key][field] != got[key][field]]
        result(not different, field, "\n  ".join(different))


# ---- Jaeger ----

KINDS = {2: "server", 3: "client", 4: "producer", 5: "consumer"}


def text_of(value):
    """What Jaeger makes of a value that its own model has no type for: JSON text."""
    kind = value[0]
    if kind == "empty":
        return None
    if kind == "double":
        number = struct.unpack(">d", bytes.fromhex(value[1]))[0]
        return int(number) if number == int(number) else number
    if kind == "bytes":
        return base64.b64encode(bytes.fromhex(value[1])).decode()
    if kind == "array":
        return [text_of(member) for member in value[1]]
    if kind == "map":
        return dict((key, text_of(member)) for key, member in value[1])
    return value[1]


def tags_of(tags):
    return dict((tag["key"], (tag["type"], tag["value"])) for tag in tags)


def as_tag(value):
    """The tag that Jaeger's documentation promises for an attribute; None where it promises none."""
    kind = value[0]
    if kind == "string":
        return ("string", value[1])
    if kind == "bool":
        return ("bool", value[1])
    if kind == "int":
        return ("int64", value[1])
    if kind == "double" and value[1] != "nan":
        number = struct.unpack(">d", bytes.fromhex(value[1]))[0]
        return ("float64", number) if not math.isinf(number) else None
    if kind == "bytes":
        return ("binary", base64.b64encode(bytes.fromhex(value[1])).decode())
    return None


def same_tag(expected, got):
    # JSON has one kind of number, and a double without fraction may come without its point.
    if got is None:
        return False
    if expected == ("binary", "") and got == ("binary", None):
        return True
    if expected[0] in ("int64", "float64"):
        return got[0] == expected[0] and float(got[1]) == float(expected[1]) and (
            expected[0] == "float64" or int(got[1]) == expected[1])
    return expected == got


def differing_tags(attributes, tags, where):
    """Scalars must be there with their type; the rest must be there as text."""
    wrong = []
    for key, value in attributes:
        expected = as_tag(value)
        if expected is not None and not same_tag(expected, tags.get(key)):
            wrong.append("%s: %s: expected %r, got %r" % (where, key, expected, tags.get(key)))
    return wrong


def jaeger(expected, answer):
    if not answer.get("data"):
        result(False, "answers", answer.get("errors"))
        sys.exit(0)
    trace = answer["data"][0]
    got = dict(((span["traceID"].rjust(32, "0"), span["spanID"].rjust(16, "0")), span) for span in trace["spans"])
    expected = dict((key, span) for key, span in expected.items() if key[0] == trace["traceID"].rjust(32, "0"))
    result(set(expected) == set(got), "the same %d spans" % len(expected),
           "expected %s, got %s" % (sorted(expected), sorted(got)))
    both = [(expected[key], got[key]) for key in sorted(set(expected) & set(got))]

    def each(name, differences):
        found = [text for span, theirs in both for text in differences(span, theirs)]
        result(not found, name, "\n  ".join(found))

    def differs(span, what, wanted, found):
        return [] if wanted == found else ["span %s %s: expected %r, got %r" % (span["spanId"], what, wanted, found)]

    def process(theirs):
        return trace["processes"][theirs["processID"]]

    def references(theirs, kind):
        return [(ref["traceID"].rjust(32, "0"), ref["spanID"].rjust(16, "0"))
                for ref in theirs["references"] if ref["refType"] == kind]

    each("name", lambda span, theirs: differs(span, "name", span["name"], theirs["operationName"]))
    each("start, in microseconds", lambda span, theirs: differs(
        span, "start", span["startTimeUnixNano"] // 1000, theirs["startTime"]))
    each("duration, in microseconds", lambda span, theirs: differs(
        span, "duration", (span["endTimeUnixNano"] - span["startTimeUnixNano"]) // 1000, theirs["duration"]))
    each("parent", lambda span, theirs: differs(
        span, "parent", [(span["traceId"], span["parentSpanId"])] if span["parentSpanId"] else [],
        references(theirs, "CHILD_OF")))
    each("kind", lambda span, theirs: differs(
        span, "kind", KINDS.get(span["kind"], "internal"), tags_of(theirs["tags"]).get("span.kind", (0, "internal"))[1]))

    def status(span, theirs):
        tags = tags_of(theirs["tags"])
        code, message = span["status"]
        return (differs(span, "status", {0: None, 1: "OK", 2: "ERROR"}[code], tags.get("otel.status_code", (0, None))[1])
                + differs(span, "error", code == 2, tags.get("error", (0, False))[1])
                + differs(span, "message", message, tags.get("otel.status_description", (0, ""))[1]))

    each("status", status)
    each("trace state", lambda span, theirs: differs(
        span, "trace state", span["traceState"], tags_of(theirs["tags"]).get("w3c.tracestate", (0, ""))[1]))
    each("scalar and binary attributes", lambda span, theirs: differing_tags(
        span["attributes"], tags_of(theirs["tags"]), span["spanId"]))
    each("links", lambda span, theirs: differs(
        span, "links", [link[:2] for link in span["links"]], references(theirs, "FOLLOWS_FROM")))

    def events(span, theirs):
        logs = sorted(theirs["logs"], key=lambda log: log["timestamp"])
        ours = sorted(span["events"], key=lambda event: event[1])
        if len(logs) != len(ours):
            return ["span %s: %d events, %d logs" % (span["spanId"], len(ours), len(logs))]
        wrong = []
        for event, log in zip(ours, logs):
            fields = tags_of(log["fields"])
            wrong += differs(span, "time of an event", event[1] // 1000, log["timestamp"])
            wrong += differs(span, "name of an event", event[0], fields.get("event", (0, ""))[1])
            wrong += differing_tags(event[2], fields, span["spanId"] + " event " + event[0])
        return wrong

    each("events", events)
    each("service name", lambda span, theirs: differs(
        span, "service", dict(span["resource"][0])["service.name"][1], process(theirs)["serviceName"]))
    each("scalar attributes of the resource", lambda span, theirs: differing_tags(
        [pair for pair in span["resource"][0] if pair[0] != "service.name"], tags_of(process(theirs)["tags"]),
        span["spanId"] + " resource"))

    def scope(span, theirs):
        tags = tags_of(theirs["tags"])
        name = tags.get("otel.scope.name", tags.get("otel.library.name", (0, "")))[1]
        version = tags.get("otel.scope.version", tags.get("otel.library.version", (0, "")))[1]
        return differs(span, "scope", span["scope"][:2], (name, version))

    each("name and version of the scope", scope)
    return trace, both


def jaeger_loses(trace, both):
    """What Jaeger 1.62 cannot hold. If one of these lines fails, Jaeger has learnt it: ask for the value itself."""
    text = json.dumps(trace, ensure_ascii=False)
    tags = dict((span["spanId"], tags_of(theirs["tags"])) for span, theirs in both)

    def attributes(kind):
        return [(span["spanId"], key, value) for span, _ in both for key, value in span["attributes"]
                if value[0] == kind]

    def kept(kind, what):
        members = attributes(kind)
        wrong = ["%s %r: got %r" % (key, value, tags[span].get(key)) for span, key, value in members
                 if tags[span].get(key, (None,))[0] != "string" or not what(value, tags[span][key][1])]
        result(members and not wrong, "turned into text: attributes of type %s" % kind, "\n  ".join(wrong))

    kept("array", lambda value, got: json.loads(got) == text_of(value))
    kept("map", lambda value, got: json.loads(got) == text_of(value))
    kept("empty", lambda value, got: got == "")
    for name, found in [
            ("attributes of links", "link.number"), ("attributes of scopes", "scope.number"),
            ("schema URL of resources", "https://example.test/resource/1"),
            ("schema URL of scopes", "https://example.test/scope/1"), ("dropped counts", "ropped")]:
        result(found not in text, "lost: " + name, "found %s" % found)
    empty = [tags[span][key] for span, key, value in attributes("bytes") if value[1] == ""]
    result(empty == [("binary", None)], "turned into null: empty bytes", empty)
    links = [link for span, _ in both for link in span["links"]]
    states = [ref for _, theirs in both for ref in theirs["references"] if set(ref) - {"refType", "traceID", "spanID"}]
    result(links and not states, "lost: trace state and flags of links", states)
    flags = [(span["flags"], theirs.get("flags")) for span, theirs in both]
    result(all(ours != theirs for ours, theirs in flags), "lost: flags of spans", flags)
    nano = [theirs["startTime"] for span, theirs in both if span["startTimeUnixNano"] % 1000]
    result(nano and all(isinstance(start, int) for start in nano), "lost: nanoseconds below a microsecond", nano)


def main(arguments):
    global title
    command = arguments[0]
    if command == "ports":
        sockets = [socket.socket() for _ in range(int(arguments[1]))]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        print(" ".join(str(one.getsockname()[1]) for one in sockets))
        return
    if command == "traces":
        print("\n".join(sorted(set(key[0] for key in read(arguments[1])))))
        return
    title = arguments[1]
    if command == "otlp":
        compare(read(arguments[2]), read(arguments[3]), FIELDS)
    elif command == "decode":
        compare(read(arguments[2]), decode(arguments[3:]), FIELDS)
    elif command in ("jaeger", "jaeger-losses"):
        with open(arguments[3], encoding="utf-8") as file:
            trace, both = jaeger(read(arguments[2]), json.load(file))
        if command == "jaeger-losses":
            jaeger_loses(trace, both)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
