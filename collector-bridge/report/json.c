/* JSON of reports. Keeps nothing; one thread each. */
#include "collector-bridge/report/json.h"

#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>

static void put(struct clew__report_json *json, const char *text) {
    clew__write_raw(json->out, text, strlen(text));
}

static void begin(struct clew__report_json *json, const char *name) {
    if (json->follows)
        put(json, ",");
    json->follows = true;
    if (!name)
        return;
    put(json, "\"");
    put(json, name);
    put(json, "\":");
}

void clew__json_open(struct clew__report_json *json, const char *name, char bracket) {
    begin(json, name);
    clew__write_raw(json->out, &bracket, 1);
    json->follows = false;
}

void clew__json_close(struct clew__report_json *json, char bracket) {
    clew__write_raw(json->out, &bracket, 1);
    json->follows = true;
}

void clew__json_add_text(struct clew__report_json *json, const char *name, clew_text text) {
    begin(json, name);
    clew__json_put_string(json->out, text.data, text.size);
}

void clew__json_add_word(struct clew__report_json *json, const char *name, const char *word) {
    clew__json_add_text(json, name, (clew_text){word, strlen(word)});
}

void clew__json_add_uint64(struct clew__report_json *json, const char *name, uint64_t value) {
    char text[32];
    begin(json, name);
    snprintf(text, sizeof text, "\"%" PRIu64 "\"", value);
    put(json, text);
}

void clew__json_add_int64(struct clew__report_json *json, const char *name, int64_t value) {
    char text[32];
    begin(json, name);
    snprintf(text, sizeof text, "\"%" PRId64 "\"", value);
    put(json, text);
}

void clew__json_add_uint32(struct clew__report_json *json, const char *name, uint32_t value) {
    char text[32];
    begin(json, name);
    snprintf(text, sizeof text, "%" PRIu32, value);
    put(json, text);
}

void clew__json_add_double(struct clew__report_json *json, const char *name, double value) {
    begin(json, name);
    clew__json_put_double(json->out, value);
}

void clew__json_add_bool(struct clew__report_json *json, const char *name, bool value) {
    begin(json, name);
    put(json, value ? "true" : "false");
}

void clew__json_add_sketch(struct clew__report_json *json, const char *name, const clew_sketch *sketch) {
    static const struct {
        const char *name;
        double quantile;
    } values[] = {{"p50Nano", 0.5}, {"p95Nano", 0.95}, {"p99Nano", 0.99}, {"maxNano", 1}};
    uint64_t nano;
    if (!clew_sketch_max(sketch, &nano))
        return;
    clew__json_open(json, name, '{');
    clew__json_add_uint64(json, "count", clew_sketch_count(sketch));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (clew_sketch_quantile(sketch, values[i].quantile, &nano))
            clew__json_add_uint64(json, values[i].name, nano);
    clew__json_close(json, '}');
}

void clew__json_add_exemplar(struct clew__report_json *json, const char *name,
                             const clew_exemplar *exemplar) {
    if (!exemplar->trace_id.size)
        return;
    clew__json_open(json, name, '{');
    clew__json_add_text(json, "traceId", exemplar->trace_id);
    clew__json_add_text(json, "spanId", exemplar->span_id);
    clew__json_add_uint64(json, "startUnixNano", exemplar->start_unix_nano);
    clew__json_add_uint64(json, "durationNano", exemplar->duration);
    clew__json_close(json, '}');
}

void clew__json_add_exemplars(struct clew__report_json *json, const clew_exemplar *exemplars, size_t count) {
    if (!count)
        return;
    clew__json_open(json, "exemplars", '[');
    for (size_t i = 0; i < count; i++)
        clew__json_add_exemplar(json, NULL, &exemplars[i]);
    clew__json_close(json, ']');
}

void clew__json_end(struct clew__report_json *json) {
    put(json, "\n");
    json->follows = false;
}
