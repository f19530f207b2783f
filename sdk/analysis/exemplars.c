/* Keeping examples. One thread at a time. */
#include "sdk/analysis/exemplars.h"

#include <string.h>

#define TRACE_DIGITS 32u
#define SPAN_DIGITS 16u

static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False when the text is not just so many hexadecimal digits. */
static bool read_id(const char *text, size_t size, size_t digits, uint8_t *id) {
    if (size != digits)
        return false;
    for (size_t i = 0; i < digits; i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        id[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void print_id(const uint8_t *id, size_t digits, char *out) {
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[i % 2 ? id[i / 2] & 15 : id[i / 2] >> 4];
}

static void number_bytes(uint64_t number, uint8_t bytes[8]) {
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t bytes_number(const uint8_t bytes[8]) {
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* 0 when it cannot be kept. */
static clew__text keep_text(struct clew__texts *texts, uint32_t *text_count, clew_text text) {
    uint32_t count = clew__texts_count(texts);
    clew__text kept = clew__texts_find(texts, text.data, text.size);
    if (kept != CLEW__TEXT_FAILED)
        return kept;
    if (*text_count >= CLEW__EXEMPLAR_TEXTS)
        return 0;
    kept = clew__texts_add(texts, text.data, text.size);
    if (kept == CLEW__TEXT_FAILED)
        return 0;
    *text_count += clew__texts_count(texts) - count;
    return kept;
}

void clew__exemplar_begin(struct clew__exemplar_source *source, struct clew__texts *texts,
                          uint32_t *text_count, const clew_trace *trace) {
    char text[CLEW_ID_TEXT_SIZE];
    size_t size = clew_trace_id_text(trace, text);
    *source = (struct clew__exemplar_source){.texts = texts, .text_count = text_count, .trace = trace};
    source->is_usable = true;
    if (read_id(text, size, TRACE_DIGITS, source->trace_id))
        return;
    memset(source->trace_id, 0, sizeof source->trace_id);
    source->trace_text = keep_text(texts, text_count, (clew_text){text, size});
    source->is_usable = source->trace_text != 0;
}

static int order(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static bool same_trace(const struct clew__exemplar *a, const struct clew__exemplar *b) {
    return a->trace_text == b->trace_text && memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) == 0;
}

/* A total order: the slowest first. */
static bool comes_before(const struct clew__texts *texts, const struct clew__exemplar *a,
                         const struct clew__exemplar *b) {
    int by = order(b->duration, a->duration);
    by = by ? by : order(a->start, b->start);
    by = by ? by : memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    by = by ? by : clew__texts_compare(texts, a->trace_text, b->trace_text);
    by = by ? by : order(a->span_id, b->span_id);
    return (by ? by : clew__texts_compare(texts, a->span_text, b->span_text)) < 0;
}

static void keep(struct clew__exemplars *exemplars, const struct clew__texts *texts,
                 const struct clew__exemplar *offered) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < exemplars->count; i++) {
        if (!same_trace(&exemplars->kept[i], offered))
            continue;
        if (!comes_before(texts, offered, &exemplars->kept[i]))
            return;
        exemplars->count--;
        memmove(&exemplars->kept[i], &exemplars->kept[i + 1],
                (exemplars->count - i) * sizeof exemplars->kept[0]);
        break;
    }
    while (at < exemplars->count && comes_before(texts, &exemplars->kept[at], offered))
        at++;
    if (at == CLEW_EXEMPLAR_MAX)
        return;
    if (exemplars->count < CLEW_EXEMPLAR_MAX)
        exemplars->count++;
    memmove(&exemplars->kept[at + 1], &exemplars->kept[at],
            (exemplars->count - at - 1) * sizeof exemplars->kept[0]);
    exemplars->kept[at] = *offered;
}

static bool is_hopeless(const struct clew__exemplars *exemplars, uint64_t duration) {
    return exemplars->count == CLEW_EXEMPLAR_MAX &&
           duration < exemplars->kept[CLEW_EXEMPLAR_MAX - 1].duration;
}

void clew__exemplar_offer(struct clew__exemplars *exemplars, struct clew__exemplar_source *source,
                          uint32_t span, uint64_t start, uint64_t duration) {
    struct clew__exemplar offered = {.start = start, .duration = duration};
    char text[CLEW_ID_TEXT_SIZE];
    uint8_t id[8];
    size_t size;
    if (!source->is_usable || is_hopeless(exemplars, duration))
        return;
    memcpy(offered.trace_id, source->trace_id, sizeof offered.trace_id);
    offered.trace_text = source->trace_text;
    size = clew_trace_span_id_text(source->trace, span, text);
    if (read_id(text, size, SPAN_DIGITS, id)) {
        offered.span_id = bytes_number(id);
    } else {
        offered.span_text = keep_text(source->texts, source->text_count, (clew_text){text, size});
        if (offered.span_text == 0)
            return;
    }
    keep(exemplars, source->texts, &offered);
}

static bool move_text(clew__text *text, struct clew__texts *texts, uint32_t *text_count,
                      const struct clew__texts *from_texts) {
    if (*text == 0 || texts == from_texts)
        return true;
    *text = keep_text(texts, text_count, clew__texts_get(from_texts, *text));
    return *text != 0;
}

void clew__exemplar_merge(struct clew__exemplars *into, struct clew__texts *texts, uint32_t *text_count,
                          const struct clew__exemplars *from, const struct clew__texts *from_texts) {
    for (uint32_t i = 0; i < from->count; i++) {
        struct clew__exemplar offered = from->kept[i];
        if (is_hopeless(into, offered.duration))
            return;
        if (move_text(&offered.trace_text, texts, text_count, from_texts) &&
            move_text(&offered.span_text, texts, text_count, from_texts))
            keep(into, texts, &offered);
    }
}

static clew_text show_id(struct clew__arena *arena, const struct clew__texts *texts, clew__text text,
                         const uint8_t *id, size_t digits) {
    char printed[TRACE_DIGITS];
    if (text != 0)
        return clew__arena_text(arena, clew__texts_get(texts, text));
    print_id(id, digits, printed);
    return clew__arena_text(arena, (clew_text){printed, digits});
}

bool clew__exemplar_show(const struct clew__exemplars *exemplars, const struct clew__texts *texts,
                         struct clew__arena *arena, clew_exemplar out[CLEW_EXEMPLAR_MAX], uint32_t *count) {
    *count = exemplars->count;
    for (uint32_t i = 0; i < exemplars->count; i++) {
        const struct clew__exemplar *from = &exemplars->kept[i];
        uint8_t id[8];
        number_bytes(from->span_id, id);
        out[i].trace_id = show_id(arena, texts, from->trace_text, from->trace_id, TRACE_DIGITS);
        out[i].span_id = show_id(arena, texts, from->span_text, id, SPAN_DIGITS);
        out[i].start_unix_nano = from->start;
        out[i].duration = from->duration;
        if (!out[i].trace_id.data || !out[i].span_id.data)
            return false;
    }
    return true;
}

bool clew__exemplar_copy(struct clew__arena *arena, clew_exemplar *out, const clew_exemplar *from,
                         uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = from[i];
        out[i].trace_id = clew__arena_text(arena, from[i].trace_id);
        out[i].span_id = clew__arena_text(arena, from[i].span_id);
        if (!out[i].trace_id.data || !out[i].span_id.data)
            return false;
    }
    return true;
}
