/* Findings in words. Pure; any thread. */
#include "sdk/analysis/bottlenecks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Names of strangers take no more of a sentence than this. */
#define NAME_MAX 80u
/* What lacks less than this part of a unit would be a thousand of the next smaller one. */
#define ROUNDED_UP 2000u

struct sentence {
    char *data;
    size_t size;
};

CLEW_PRINTF(2, 3)
static void say(struct sentence *sentence, const char *format, ...) {
    size_t room = CLEW__SENTENCE_SIZE - sentence->size;
    va_list list;
    int size;
    va_start(list, format);
    size = vsnprintf(sentence->data + sentence->size, room, format, list);
    va_end(list);
    if (size > 0)
        sentence->size += (size_t)size < room ? (size_t)size : room - 1;
}

/* Cut at a border of UTF-8. */
static void say_name(struct sentence *sentence, clew_text name) {
    size_t size = name.size < NAME_MAX ? name.size : NAME_MAX;
    while (size > 0 && size < name.size && ((uint8_t)name.data[size] & 0xC0) == 0x80)
        size--;
    if (size > CLEW__SENTENCE_SIZE - 1 - sentence->size)
        return;
    if (size > 0)
        memcpy(sentence->data + sentence->size, name.data, size);
    sentence->size += size;
    if (size < name.size)
        say(sentence, "…");
}

/* "shop GET /cart"; what has no name is said to have none. */
static void say_operation(struct sentence *sentence, clew_text service, clew_text operation) {
    if (service.size > 0)
        say_name(sentence, service);
    else
        say(sentence, "(no service)");
    if (operation.size == 0)
        return;
    say(sentence, " ");
    say_name(sentence, operation);
}

/* How many parts of a unit, rounded. */
static uint64_t parts_of(uint64_t nano, uint64_t unit, uint64_t parts) {
    return nano / unit * parts + (nano % unit * parts + unit / 2) / unit;
}

/* Three digits: 950ns, 1.23ms, 12.3s. */
static void say_duration(struct sentence *sentence, uint64_t nano) {
    static const struct {
        uint64_t size;
        const char *name;
    } units[] = {{UINT64_C(1000000000), "s"}, {1000000, "ms"}, {1000, "µs"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        uint64_t hundredths, tenths;
        if (nano < units[i].size - units[i].size / ROUNDED_UP)
            continue;
        hundredths = parts_of(nano, units[i].size, 100);
        tenths = parts_of(nano, units[i].size, 10);
        if (hundredths < 1000)
            say(sentence, "%" PRIu64 ".%02" PRIu64 "%s", hundredths / 100, hundredths % 100, units[i].name);
        else if (tenths < 1000)
            say(sentence, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, units[i].name);
        else
            say(sentence, "%" PRIu64 "%s", parts_of(nano, units[i].size, 1), units[i].name);
        return;
    }
    say(sentence, "%" PRIu64 "ns", nano);
}

static void say_percent(struct sentence *sentence, uint64_t ppm) {
    uint64_t tenths = (ppm + 500) / 1000;
    if (tenths >= 100)
        say(sentence, "%" PRIu64 "%%", (ppm + 5000) / 10000);
    else
        say(sentence, "%" PRIu64 ".%" PRIu64 "%%", tenths / 10, tenths % 10);
}

static uint64_t proof(const clew_bottleneck *finding, const char *name) {
    for (uint32_t i = 0; i < finding->evidence_count; i++) {
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    }
    return 0;
}

static void say_call(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->caller_service, finding->caller_operation);
    say(sentence, " calls ");
    say_operation(sentence, finding->service, finding->operation);
}

static void say_saving(struct sentence *sentence, const char *how, const clew_bottleneck *finding) {
    say(sentence, "%s would save ", how);
    say_duration(sentence, finding->saving_a_trace);
    say(sentence, " of each such trace (");
    say_percent(sentence, finding->saving_ppm);
    say(sentence, " of all).");
}

static void say_n_plus_one(struct sentence *sentence, const clew_bottleneck *finding) {
    say_call(sentence, finding);
    say(sentence, " %" PRIu64 " times in a row; ", proof(finding, "callsEach"));
    say_saving(sentence, "asking once for all of it", finding);
}

static void say_fan_out(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " makes %" PRIu64 " calls one after another, never two at once; ",
        proof(finding, "callsEach"));
    say_saving(sentence, "making them at once, if none needs another's answer,", finding);
}

static void say_edge(struct sentence *sentence, const clew_bottleneck *finding) {
    say(sentence, "Of the calls from ");
    say_operation(sentence, finding->caller_service, finding->caller_operation);
    say(sentence, " to ");
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, ", ");
    say_percent(sentence, proof(finding, "sharePpm"));
    say(sentence, " of the time is spent between the two (network, queues, connections); ");
    say_saving(sentence, "closing that gap", finding);
}

static void say_queue(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " often begins late: before its first call pass ");
    say_duration(sentence, proof(finding, "p90Nano"));
    say(sentence, " in one of ten, ");
    say_duration(sentence, proof(finding, "usualNano"));
    say(sentence, " when all is well (a lock, a pool, a queue?); ");
    say_saving(sentence, "beginning at once", finding);
}

static void say_cold(struct sentence *sentence, const clew_bottleneck *finding) {
    say(sentence, "The first call of ");
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " took ");
    say_duration(sentence, proof(finding, "firstNano"));
    say(sentence, ", the others ");
    say_duration(sentence, proof(finding, "medianNano"));
    say(sentence, "; warming up before the first request would save it ");
    say_duration(sentence, finding->saving);
    say(sentence, ".");
}

static void say_retries(struct sentence *sentence, const clew_bottleneck *finding) {
    say_call(sentence, finding);
    say(sentence, " again after failures, %" PRIu64 " attempts in %" PRIu64 " retries; ",
        proof(finding, "calls"), proof(finding, "groups"));
    say_saving(sentence, "succeeding at once", finding);
}

static void say_over_fetch(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " takes ");
    say_duration(sentence, finding->saving_a_trace);
    say(sentence, " a trace and is on the path of ");
    say_percent(sentence, proof(finding, "onPathPpm"));
    say(sentence, " of them: if its result is not needed, leaving it out saves work, not time.");
}

static void say_tail(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " takes ");
    say_duration(sentence, proof(finding, "p50Nano"));
    say(sentence, " in the median and ");
    say_duration(sentence, proof(finding, "p99Nano"));
    say(sentence, " at the 99th percentile; ");
    say_saving(sentence, "bringing the slowest twentieth to the 95th", finding);
}

static void say_split(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " has two speeds: ");
    say_duration(sentence, proof(finding, "fastNano"));
    say(sentence, ", and ");
    say_duration(sentence, proof(finding, "slowNano"));
    say(sentence, " in ");
    say_percent(sentence, proof(finding, "slowSharePpm"));
    say(sentence, " of the calls (a cache that misses?); ");
    say_saving(sentence, "making all of them fast", finding);
}

static void say_dominant(struct sentence *sentence, const clew_bottleneck *finding) {
    say_operation(sentence, finding->service, finding->operation);
    say(sentence, " alone is ");
    say_percent(sentence, proof(finding, "sharePpm"));
    say(sentence, " of what requests wait for; ");
    say_saving(sentence, "making it twice as fast", finding);
}

size_t clew__bottleneck_say(const clew_bottleneck *finding, char out[CLEW__SENTENCE_SIZE]) {
    static void (*const sayings[])(struct sentence *, const clew_bottleneck *) = {
        [CLEW_BOTTLENECK_N_PLUS_ONE] = say_n_plus_one, [CLEW_BOTTLENECK_SERIAL_FAN_OUT] = say_fan_out,
        [CLEW_BOTTLENECK_SLOW_EDGE] = say_edge,        [CLEW_BOTTLENECK_QUEUE_WAIT] = say_queue,
        [CLEW_BOTTLENECK_COLD_START] = say_cold,       [CLEW_BOTTLENECK_RETRY_STORM] = say_retries,
        [CLEW_BOTTLENECK_OVER_FETCH] = say_over_fetch, [CLEW_BOTTLENECK_LONG_TAIL] = say_tail,
        [CLEW_BOTTLENECK_CACHE_SPLIT] = say_split,     [CLEW_BOTTLENECK_SINGLE_DOMINANT] = say_dominant,
    };
    struct sentence sentence = {out, 0};
    sayings[finding->kind](&sentence, finding);
    return sentence.size;
}
