/* Reading a trace. Any thread, while nobody changes it. */
#include "sdk/traces/model.h"

#include <string.h>

const char *clew_repair_name(clew_repair repair) {
    static const char *const names[] = {
#define REPAIR_NAME(name, text) text,
        CLEW_REPAIRS(REPAIR_NAME)
#undef REPAIR_NAME
    };
    return (unsigned)repair < CLEW_REPAIR_COUNT ? names[repair] : "";
}

/* ---- ids ---- */

static size_t put_hex(char *out, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * size;
}

/* `keep` bytes stay free behind it. */
static size_t put_text(char *out, clew_text text, size_t keep) {
    size_t room = CLEW_ID_TEXT_SIZE - keep, size = text.size < room ? text.size : room;
    while (size > 0 && size < text.size && ((uint8_t)text.data[size] & 0xC0) == 0x80)
        size--;
    memcpy(out, text.data, size);
    return size;
}

static size_t put_suffix(char *out, uint32_t suffix) {
    char digits[10];
    size_t count = 0, size = 0;
    if (suffix == 0)
        return 0;
    if (suffix == CLEW__SUFFIX_SERVER) {
        memcpy(out, "#srv", 4);
        return 4;
    }
    for (; suffix > 0; suffix /= 10)
        digits[count++] = (char)('0' + suffix % 10);
    out[size++] = '#';
    while (count > 0)
        out[size++] = digits[--count];
    return size;
}

#define SUFFIX_MAX 11 /* '#' and ten digits */

size_t clew_trace_id_text(const clew_trace *trace, char text[CLEW_ID_TEXT_SIZE]) {
    size_t size = trace->id_text ? put_text(text, clew__texts_get(trace->texts, trace->id_text), 1)
                                 : put_hex(text, trace->id, sizeof trace->id);
    text[size] = '\0';
    return size;
}

size_t clew_trace_span_id_text(const clew_trace *trace, uint32_t span, char text[CLEW_ID_TEXT_SIZE]) {
    const struct clew__node *node;
    uint8_t bytes[8];
    size_t size;
    if (span >= trace->node_count) {
        text[0] = '\0';
        return 0;
    }
    node = &trace->nodes[span];
    clew_trace_span_id_bytes(trace, span, bytes);
    if (node->record && node->record->id_text)
        size = put_text(text, clew__texts_get(trace->texts, node->record->id_text), SUFFIX_MAX + 1);
    else
        size = put_hex(text, bytes, sizeof bytes);
    size += put_suffix(text + size, node->suffix);
    text[size] = '\0';
    return size;
}

static void put_id(uint8_t out[8], uint64_t id) {
    for (int i = 7; i >= 0; i--, id >>= 8)
        out[i] = (uint8_t)id;
}

void clew_trace_span_id_bytes(const clew_trace *trace, uint32_t span, uint8_t out[8]) {
    const struct clew__node *node = span < trace->node_count ? &trace->nodes[span] : NULL;
    put_id(out, !node ? 0 : node->record ? node->record->id : node->phantom_id);
}

/* ---- spans ---- */

uint32_t clew_trace_span_count(const clew_trace *trace) {
    return trace->node_count;
}

static bool has_remote_parent(const clew_trace *trace, const struct clew__node *node) {
    const struct clew__record *parent;
    if (node->record->flags & CLEW__RECORD_REMOTE_KNOWN)
        return node->record->flags & CLEW__RECORD_REMOTE;
    parent = node->parent == CLEW_NO_SPAN ? NULL : trace->nodes[node->parent].record;
    return parent && parent->service != node->record->service;
}

static void read_record(const clew_trace *trace, const struct clew__node *node, clew_trace_span *out) {
    const struct clew__record *record = node->record;
    out->kind = (clew_span_kind)record->kind;
    out->status = (clew_status)record->status;
    out->is_open = record->flags & CLEW__RECORD_OPEN;
    out->has_remote_parent = has_remote_parent(trace, node);
    out->http_status = record->http_status;
    out->service = clew__texts_get(trace->texts, record->service);
    out->operation = clew__texts_get(trace->texts, record->operation);
    out->host = clew__texts_get(trace->texts, record->host);
    out->error_type = clew__texts_get(trace->texts, record->error_type);
    out->error_message = clew__texts_get(trace->texts, record->error_message);
    out->detail = clew__texts_get(trace->texts, record->detail);
    out->weight = (double)record->weight / (double)CLEW__WEIGHT_ONE;
    out->link_count = record->link_count;
    out->wait_count = record->wait_count;
}

bool clew_trace_span_at(const clew_trace *trace, uint32_t index, clew_trace_span *out) {
    static const clew_text empty = {"", 0};
    const struct clew__node *node;
    memset(out, 0, sizeof *out);
    if (index >= trace->node_count)
        return false;
    node = &trace->nodes[index];
    out->start_unix_nano = node->start;
    out->end_unix_nano = node->end;
    out->skew_nano = node->skew;
    out->parent = node->parent;
    out->first_child = node->child_count > 0 ? trace->children[node->first_child] : CLEW_NO_SPAN;
    out->next_sibling = node->next_sibling;
    out->repairs = node->repairs;
    out->is_phantom = node->record == NULL;
    out->weight = 1;
    out->service = out->operation = out->host = out->error_type = out->error_message = out->detail = empty;
    if (node->record)
        read_record(trace, node, out);
    return true;
}

bool clew_trace_link_at(const clew_trace *trace, uint32_t span, uint32_t index, clew_trace_link *out) {
    const struct clew__record *record = span < trace->node_count ? trace->nodes[span].record : NULL;
    const struct clew__span_link *link;
    memset(out, 0, sizeof *out);
    if (!record || index >= record->link_count)
        return false;
    link = &trace->source->links[record->first_link + index];
    memcpy(out->trace_id, link->trace_id, sizeof out->trace_id);
    put_id(out->span_id, link->span_id);
    out->is_own = memcmp(link->trace_id, trace->id, sizeof trace->id) == 0;
    return true;
}

uint32_t clew_trace_first_root(const clew_trace *trace) {
    return trace->root_count > 0 ? trace->roots[0] : CLEW_NO_SPAN;
}

/* ---- the whole ---- */

uint64_t clew_trace_repairs(const clew_trace *trace, clew_repair repair) {
    return (unsigned)repair < CLEW_REPAIR_COUNT ? trace->repairs[repair] : 0;
}

uint32_t clew_trace_skew_corrected(const clew_trace *trace) {
    return trace->skew_corrected;
}

void clew_trace_bounds(const clew_trace *trace, uint64_t *start_unix_nano, uint64_t *end_unix_nano) {
    uint64_t start = trace->node_count > 0 ? UINT64_MAX : 0, end = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        start = trace->nodes[i].start < start ? trace->nodes[i].start : start;
        end = trace->nodes[i].end > end ? trace->nodes[i].end : end;
    }
    *start_unix_nano = start;
    *end_unix_nano = end;
}
