"""Runs the cases of test/cases through the program `clew` and compares what its --json says.

    cases.py CLEW FOLDER

Prints a line for each that differs; the exit status says whether there was one.
"""
import collections
import json
import random
import re
import subprocess
import sys

MILLISECOND = 1000000
CLOCK_BASE = 1000000 * MILLISECOND
KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


def value(plain):
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    return {"stringValue": plain}


def times_of(case_span):
    """Start and end of a span of a case, in nanoseconds."""
    if "start_us" in case_span:
        return case_span["start_us"] * 1000, case_span["end_us"] * 1000
    if "duration" in case_span:  # of clocks: milliseconds; a child that starts at 0 is one whose start is not known
        start = CLOCK_BASE + case_span["start"] * MILLISECOND
        return start, start + case_span["duration"] * MILLISECOND
    return case_span["start"] * 1000, case_span["end"] * 1000


def span_of(case_span):
    """A span of a case in OTLP/JSON."""
    start, end = times_of(case_span)
    span = {"traceId": case_span.get("trace", "1"), "spanId": case_span["id"],
            "name": case_span.get("op", case_span["id"]),
            "startTimeUnixNano": str(start), "endTimeUnixNano": str(end)}
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
    """What the program says of the spans, as many objects as it printed."""
    resources = collections.defaultdict(list)
    for span in spans:
        resources[(span.get("service", ""), span.get("host", ""))].append(span_of(span))
    document = {"resourceSpans": [
        {"resource": {"attributes": [{"key": key, "value": value(name)}
                                     for key, name in zip(("service.name", "host.name"), names) if name]},
         "scopeSpans": [{"spans": members}]} for names, members in resources.items()]}
    done = subprocess.run([clew, *command, "--json"], input=json.dumps(document) + "\n",
                          capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def printed(span_id):
    """As the program prints the id of a case: numbers are padded."""
    return span_id.lower().zfill(16) if re.fullmatch("[0-9a-fA-F]{1,16}", span_id) else span_id


def path_got(found):
    return [[path["rootSpanId"], [[s["spanId"], int(s["startUnixNano"]), int(s["endUnixNano"])]
                                  for s in path["segments"]]] for path in found["paths"]]


def path_wanted(case):
    return [[printed(root["root"]), [[printed(i), start * 1000, end * 1000] for i, start, end in root["segments"]]]
            for root in case["expected"]]


def path_command(case):
    return ["critical-path"] + (["--eps", "1%"] if case["eps"] else [])


def path_of(clew, case):
    [found] = run(clew, path_command(case) + ["--skew", "off"], case["spans"])
    return path_got(found), path_wanted(case)


def all_paths(clew, cases):
    """All of them in one file, shuffled; the ids of the traces are the names, which are no numbers."""
    for eps in (0, "parent_duration/100"):
        some = [case for case in cases if case["eps"] == eps]
        spans = [dict(span, trace=case["name"]) for case in some for span in case["spans"]]
        random.Random(1).shuffle(spans)
        found = {trace["traceId"]: path_got(trace) for trace in run(clew, path_command(some[0]), spans)}
        yield {"name": f"all together, eps {eps}"}, found, {case["name"]: path_wanted(case) for case in some}


def samples(latency, milliseconds):
    """A list of samples as the vectors have it, of one or none."""
    if not latency:
        return []
    return [int(latency["maxNano"]) / MILLISECOND] if latency["count"] == "1" else milliseconds + ["more"]


def edges_of(clew, case):
    [found] = run(clew, ["service-map", "--skew", "off"], case["spans"])
    got, wanted = [], []
    edges = {(e["client"], e["server"], e["type"]): e for e in found["edges"]}
    for edge in case["ours"]:
        here = edges.pop((edge["client"], edge["server"], edge["type"]), None)
        if here is None:
            return found["edges"], edge
        for key, name in (("calls", "calls"), ("errors", "errors"), ("client_errors", "clientErrors"),
                          ("server_errors", "serverErrors")):
            got.append(int(here[name]) if key in edge else None)
            wanted.append(edge.get(key))
        for side in ("client", "server", "lag"):
            stated = edge.get(side + "_ms")
            got.append(samples(here["latency"].get(side), stated) if stated is not None else None)
            wanted.append(stated)
    unresolved = case.get("unresolved", {})
    got += [list(edges)] + [int(found["unresolved"][key]) for key in ("unpairedIn", "unpairedOut")]
    wanted += [[], unresolved.get("unpaired_in", 0), unresolved.get("unpaired_out", 0)]
    return got, wanted


def clocks_of(clew, case):
    """What the program does without a bound, as Jaeger with one that is not reached."""
    if case["max_adjust_ms"] == 0 and "disabled" in (case["warning"] or "") or "exceeded" in (case["warning"] or ""):
        return None, None
    [found] = run(clew, ["trace", "--skew", "trace"], case["spans"])
    got = {span["spanId"]: int(span["startUnixNano"]) for span in found["spans"]}
    return got, {printed(key): CLOCK_BASE + start * MILLISECOND
                 for key, start in case["expected_start_jaeger"].items()}


def self_times_of(clew, case):
    """As above, children that start at 0 are moved."""
    spans = [{"id": "a", "start": case["parent"][0] + 1000, "end": case["parent"][1] + 1000}]
    spans += [{"id": str(i + 1), "parent": "a", "start": start + 1000, "end": end + 1000}
              for i, (start, end) in enumerate(case["children"])]
    [found] = run(clew, ["trace", "--skew", "off"], spans)
    return ([int(span["selfNano"]) for span in found["spans"] if span["spanId"] == printed("a")],
            [case["self_time"] * 1000])


def read(folder, name):
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        document = json.load(file)
    return document["cases"] if isinstance(document, dict) else document


def main():
    clew, folder = sys.argv[1:]
    results = list(all_paths(clew, read(folder, "critical_path_cases")))
    for name, compare in (("critical_path_cases", path_of), ("service_map_otel_cases", edges_of),
                          ("clock_skew_cases", clocks_of), ("self_time_cases", self_times_of)):
        results += [(case, *compare(clew, case)) for case in read(folder, name)]
    for case, got, wanted in results:
        if got != wanted:
            print(f"{case['name']}\n  got:    {got}\n  wanted: {wanted}")
    sys.exit(any(got != wanted for _, got, wanted in results))


main()
