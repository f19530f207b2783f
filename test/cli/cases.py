"""Runs the cases of test/cases through the program `clew` and compares what its --json says.

    cases.py CLEW FOLDER

Prints a line for each that differs; the exit status says whether there was one.
"""
import collections
import json
import re
import subprocess
import sys

KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


def value(plain):
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    return {"stringValue": plain}


def span_of(case_span):
    """A span of a case in OTLP/JSON."""
    start = case_span.get("start", case_span.get("start_us"))
    end = case_span.get("end", case_span.get("end_us"))
    span = {"traceId": case_span.get("trace", "1"), "spanId": case_span["id"],
            "name": case_span.get("op", case_span["id"]),
            "startTimeUnixNano": str(start * 1000), "endTimeUnixNano": str(end * 1000)}
    if case_span.get("parent"):
        span["parentSpanId"] = case_span["parent"]
    if case_span.get("kind") in KINDS:
        span["kind"] = KINDS[case_span["kind"]]
    if case_span.get("error"):
        span["status"] = {"code": 2}
    if case_span.get("tracestate"):
        span["traceState"] = case_span["tracestate"]
    span["attributes"] = [{"key": key, "value": value(v)} for key, v in case_span.get("attributes", {}).items()]
    span["links"] = [link_of(case_span, link) for link in case_span.get("links", [])]
    return span


def link_of(case_span, link):
    if isinstance(link, list):
        return {"traceId": link[0], "spanId": link[1]}
    return {"traceId": link.get("trace", case_span.get("trace")), "spanId": link.get("span", link.get("id"))}


def run(clew, command, spans):
    services = collections.defaultdict(list)
    for span in spans:
        services[span.get("service", "")].append(span_of(span))
    document = {"resourceSpans": [
        {"resource": {"attributes": [{"key": "service.name", "value": value(name)}] if name else []},
         "scopeSpans": [{"spans": members}]} for name, members in services.items()]}
    done = subprocess.run([clew, *command, "--json", "--skew", "off"], input=json.dumps(document) + "\n",
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def printed(span_id):
    """As the program prints the id of a case: numbers are padded."""
    return span_id.lower().zfill(16) if re.fullmatch("[0-9a-fA-F]{1,16}", span_id) else span_id


def path_of(clew, case):
    command = ["critical-path"] + (["--eps", "1%"] if case["eps"] else [])
    found = run(clew, command, case["spans"])
    got = [[[s["spanId"], int(s["startUnixNano"]), int(s["endUnixNano"])] for s in path["segments"]]
           for path in found["paths"]]
    return got, [[[printed(i), start * 1000, end * 1000] for i, start, end in root["segments"]]
                 for root in case["expected"]]


def edges_of(clew, case):
    found = run(clew, ["service-map"], case["spans"])
    got = sorted([e["client"], e["server"], e["type"], int(e["calls"]), int(e["errors"])] for e in found["edges"])
    return got, sorted([e["client"], e["server"], e["type"], e["calls"], e.get("errors", 0)]
                       for e in case["ours"])


def main():
    clew, folder = sys.argv[1:]
    failed = False
    for name, compare in (("critical_path_cases", path_of), ("service_map_otel_cases", edges_of)):
        with open(f"{folder}/{name}.json", encoding="utf-8") as file:
            cases = json.load(file)
        for case in cases["cases"]:
            got, wanted = compare(clew, case)
            if got != wanted:
                failed = True
                print(f"{case['name']}\n  got:    {got}\n  wanted: {wanted}")
    sys.exit(failed)


main()
