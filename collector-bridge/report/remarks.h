/* What is said of ids, and of spans and traces that were not as they should be. Pure; any thread. */
#ifndef CLEW_REPORT_REMARKS_H
#define CLEW_REPORT_REMARKS_H

#include "collector-bridge/report/line.h"

#include <clew/analysis/trace.h>

/* Digits of an id as it is shown, as git and Jaeger do. */
#define CLEW__SHORT_ID 7u

/* Cuts a hexadecimal id to its first seven digits, leading zeros apart when there are as many (ids of 64
 * bits); what tells it apart (`#srv`) stays. Any other text stays as it is. */
void clew__short_id(char text[CLEW_ID_TEXT_SIZE]);
void clew__short_trace_id(const clew_trace *trace, char text[CLEW_ID_TEXT_SIZE]);
void clew__short_span_id(const clew_trace *trace, uint32_t span, char text[CLEW_ID_TEXT_SIZE]);

/* Whether an id, as text, is the one that `given` begins: `given` may leave leading zeros out, and be in
 * capitals. */
bool clew__id_begins_with(const char *text, const char *given);

/* What a repair of a span says beside it; NULL: nothing, for what is no span's that is left. */
const char *clew__repair_remark(clew_repair repair);

/* One sentence about the repairs of a trace; nothing when there are none. */
void clew__report_repairs(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace);

/* `{"duplicate":"1"}`: the repairs that there were. */
struct clew__report_json;
void clew__json_repairs(struct clew__report_json *json, const clew_trace *trace);

#endif
