/* The sampling threshold in a tracestate (OpenTelemetry: TraceState Probability Sampling). Owns nothing. */
#include "sdk/traces/weight.h"

#include "sdk/traces/model.h"

#define WEIGHT_MAX (UINT64_C(1) << 32) /* so that sums of weighted counts stay within 64 bits */
#define THRESHOLD_DIGITS 14            /* of `th` */

/* The part of `text` before the separator, which is taken off it. */
static struct clew__raw split(struct clew__raw *text, char separator) {
    const uint8_t *found = (const uint8_t *)memchr(text->at, separator, text->size);
    struct clew__raw part = {text->at, found ? (size_t)(found - text->at) : text->size};
    size_t taken = part.size + (found != NULL);
    text->at += taken;
    text->size -= taken;
    return part;
}

static struct clew__raw trim(struct clew__raw text) {
    while (text.size > 0 && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* What a span kept with that rejection threshold stands for: 1 / (1 - threshold / 2^56). */
static uint64_t weight_of_threshold(uint64_t threshold) {
    __extension__ typedef unsigned __int128 wide;
    uint64_t kept = (UINT64_C(1) << 56) - threshold;
    wide weight = (((wide)1 << 56) * CLEW__WEIGHT_ONE + kept / 2) / kept;
    return weight < WEIGHT_MAX * CLEW__WEIGHT_ONE ? (uint64_t)weight : WEIGHT_MAX * CLEW__WEIGHT_ONE;
}

uint64_t clew__weight_of(struct clew__raw tracestate) {
    uint64_t threshold;
    while (tracestate.size > 0) {
        struct clew__raw member = trim(split(&tracestate, ','));
        if (member.size < 3 || memcmp(member.at, "ot=", 3) != 0)
            continue;
        member.at += 3;
        member.size -= 3;
        while (member.size > 0) {
            struct clew__raw part = split(&member, ';');
            if (part.size < 3 || memcmp(part.at, "th:", 3) != 0)
                continue;
            part.at += 3;
            part.size -= 3;
            return clew__raw_hex(part, THRESHOLD_DIGITS, true, &threshold) ? weight_of_threshold(threshold)
                                                                           : CLEW__WEIGHT_ONE;
        }
        return CLEW__WEIGHT_ONE;
    }
    return CLEW__WEIGHT_ONE;
}
