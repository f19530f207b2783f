/* JSON of reports, in the dialect of OTLP/JSON: names in lowerCamelCase, 64-bit integers as strings, 32-bit
 * ones as numbers. One line; commas come by themselves. */
#ifndef CLEW_REPORT_JSON_H
#define CLEW_REPORT_JSON_H

#include "proto/wire.h"

#include <clew/analysis/exemplar.h>
#include <clew/analysis/sketch.h>

struct clew__report_json {
    struct clew__writer *out;
    bool follows; /* a value stands before, in the same brackets */
};

/* `name` is NULL within lists and at the top. */
void clew__json_open(struct clew__report_json *json, const char *name, char bracket); /* { or [ */
void clew__json_close(struct clew__report_json *json, char bracket);                  /* } or ] */
void clew__json_add_text(struct clew__report_json *json, const char *name, clew_text text);
void clew__json_add_word(struct clew__report_json *json, const char *name, const char *word);
void clew__json_add_uint64(struct clew__report_json *json, const char *name, uint64_t value);
void clew__json_add_int64(struct clew__report_json *json, const char *name, int64_t value);
void clew__json_add_uint32(struct clew__report_json *json, const char *name, uint32_t value);
void clew__json_add_double(struct clew__report_json *json, const char *name, double value);
void clew__json_add_bool(struct clew__report_json *json, const char *name, bool value);
/* `{"count","p50Nano","p95Nano","p99Nano","maxNano"}`; nothing at all of what was not measured. */
void clew__json_add_sketch(struct clew__report_json *json, const char *name, const clew_sketch *sketch);
/* `{"traceId","spanId","startUnixNano","durationNano"}`; nothing at all of an empty one. */
void clew__json_add_exemplar(struct clew__report_json *json, const char *name, const clew_exemplar *exemplar);
/* `"exemplars":[…]`; nothing at all when there are none. */
void clew__json_add_exemplars(struct clew__report_json *json, const clew_exemplar *exemplars, size_t count);
/* The end of a line. */
void clew__json_end(struct clew__report_json *json);

#endif
