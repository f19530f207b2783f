/* Ids and repairs in words. Pure; any thread. */
#include "collector-bridge/report/remarks.h"

#include "collector-bridge/report/json.h"

#include <inttypes.h>

/* ---- ids ---- */

/* The digits of a hexadecimal id; 0 for any other text. */
static size_t digits_of(const char *text) {
    size_t digits = strspn(text, "0123456789abcdef");
    bool is_id = digits == 16 || digits == 32;
    return is_id && (!text[digits] || text[digits] == '#') ? digits : 0;
}

void clew__short_id(char text[CLEW_ID_TEXT_SIZE]) {
    size_t digits = digits_of(text), zeros = strspn(text, "0"), first = 0;
    if (digits == 0)
        return;
    if (zeros >= CLEW__SHORT_ID)
        first = zeros < digits - CLEW__SHORT_ID ? zeros : digits - CLEW__SHORT_ID;
    memmove(text, text + first, CLEW__SHORT_ID);
    memmove(text + CLEW__SHORT_ID, text + digits, strlen(text + digits) + 1);
}

void clew__short_trace_id(const clew_trace *trace, char text[CLEW_ID_TEXT_SIZE]) {
    clew_trace_id_text(trace, text);
    clew__short_id(text);
}

void clew__short_span_id(const clew_trace *trace, uint32_t span, char text[CLEW_ID_TEXT_SIZE]) {
    clew_trace_span_id_text(trace, span, text);
    clew__short_id(text);
}

static bool begins_with(const char *text, const char *given) {
    for (; *given; text++, given++) {
        char c = *given >= 'A' && *given <= 'F' ? (char)(*given - 'A' + 'a') : *given;
        if (*text != *given && *text != c)
            return false;
    }
    return true;
}

bool clew__id_begins_with(const char *text, const char *given) {
    const char *number = given + strspn(given, "0");
    if (begins_with(text, given))
        return true;
    return *number && digits_of(text) && begins_with(text + strspn(text, "0"), number);
}

/* ---- repairs ---- */

const char *clew__repair_remark(clew_repair repair) {
    switch (repair) {
    case CLEW_REPAIR_SHARED_ID:
        return "shares its id with its client";
    case CLEW_REPAIR_SAME_ID:
        return "its id occurs more than once";
    case CLEW_REPAIR_NEGATIVE:
        return "ended before its start";
    case CLEW_REPAIR_NO_START:
        return "had no start";
    case CLEW_REPAIR_SELF_PARENT:
        return "is its own parent";
    case CLEW_REPAIR_CYCLE:
        return "its parent closes a cycle";
    case CLEW_REPAIR_OPEN:
        return "has not ended";
    case CLEW_REPAIR_MISSING_PARENT:
        return "its parent is missing";
    case CLEW_REPAIR_DUPLICATE:
    case CLEW_REPAIR_COUNT:
        break;
    }
    return NULL;
}

void clew__report_repairs(struct clew__writer *out, const struct clew__style *style,
                          const clew_trace *trace) {
    static const char *const nouns[CLEW_REPAIR_COUNT][2] = {
        [CLEW_REPAIR_DUPLICATE] = {"duplicate left out", "duplicates left out"},
        [CLEW_REPAIR_SHARED_ID] = {"id shared by client and server", "ids shared by client and server"},
        [CLEW_REPAIR_SAME_ID] = {"span with the id of another", "spans with the id of another"},
        [CLEW_REPAIR_NEGATIVE] = {"span that ended before its start", "spans that ended before their start"},
        [CLEW_REPAIR_NO_START] = {"span without a start", "spans without a start"},
        [CLEW_REPAIR_SELF_PARENT] = {"span that was its own parent", "spans that were their own parents"},
        [CLEW_REPAIR_CYCLE] = {"cycle of parents cut", "cycles of parents cut"},
        [CLEW_REPAIR_MISSING_PARENT] = {"span whose parent is missing", "spans whose parents are missing"},
        [CLEW_REPAIR_OPEN] = {"span that has not ended", "spans that have not ended"},
    };
    struct clew__sentence sentence;
    bool any = false;
    for (unsigned i = 0; i < CLEW_REPAIR_COUNT; i++) {
        uint64_t count = clew_trace_repairs(trace, (clew_repair)i);
        if (!count)
            continue;
        if (!any)
            sentence = clew__sentence_begin(style);
        clew__say(&sentence, "%s%" PRIu64 " %s", any ? ", " : "Repaired: ", count, nouns[i][count > 1]);
        any = true;
    }
    if (!any)
        return;
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, out, CLEW__DIM, 2);
}

void clew__json_repairs(struct clew__report_json *json, const clew_trace *trace) {
    clew__json_open(json, "repairs", '{');
    for (unsigned i = 0; i < CLEW_REPAIR_COUNT; i++) {
        uint64_t count = clew_trace_repairs(trace, (clew_repair)i);
        if (count)
            clew__json_add_uint64(json, clew_repair_name((clew_repair)i), count);
    }
    clew__json_close(json, '}');
}
