/* Sums of segments. Pure; any thread. */
#include "collector-bridge/report/shares.h"

#include <clew/extend.h>
#include <stdlib.h>

static int compare_texts(clew_text a, clew_text b) {
    size_t size = a.size < b.size ? a.size : b.size;
    if (a.data == b.data && a.size == b.size) /* a trace keeps equal texts once */
        return 0;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct clew__share clew__share_of(const clew_trace *trace, const clew_path_segment *segment) {
    clew_trace_span span;
    struct clew__share share = {.kind = segment->kind,
                                .is_nothing = segment->span == CLEW_NO_SPAN,
                                .nano = segment->end_unix_nano - segment->start_unix_nano,
                                .segments = 1};
    clew_trace_span_at(trace, segment->span, &span);
    share.service = span.service;
    share.operation = span.operation;
    if (segment->kind == CLEW_SEGMENT_EDGE_GAP)
        share.callee = clew_path_callee(trace, segment);
    share.is_unseen = segment->kind == CLEW_SEGMENT_EDGE_GAP && segment->callee == CLEW_NO_SPAN;
    return share;
}

static int compare_places(const void *left, const void *right) {
    const struct clew__share *a = left, *b = right;
    int order = (int)a->is_nothing - (int)b->is_nothing;
    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    if (order == 0)
        order = (int)a->is_unseen - (int)b->is_unseen;
    if (order == 0)
        order = compare_texts(a->service, b->service);
    if (order == 0)
        order = compare_texts(a->operation, b->operation);
    return order ? order : compare_texts(a->callee, b->callee);
}

bool clew__share_is_same(const struct clew__share *a, const struct clew__share *b) {
    return compare_places(a, b) == 0;
}

static int compare_sizes(const void *left, const void *right) {
    const struct clew__share *a = left, *b = right;
    int order = (b->nano > a->nano) - (b->nano < a->nano);
    return order ? order : compare_places(a, b);
}

struct clew__share *clew__shares_new(const clew_trace *trace, const clew_path_segment *segments,
                                     size_t segment_count, size_t *count) {
    struct clew__share *shares;
    size_t kept = 0;
    *count = segment_count;
    if (segment_count == 0)
        return NULL;
    shares = clew_memory_allocate(segment_count * sizeof *shares);
    if (!shares)
        return NULL;
    for (size_t i = 0; i < segment_count; i++)
        shares[i] = clew__share_of(trace, &segments[i]);
    qsort(shares, segment_count, sizeof *shares, compare_places);
    for (size_t i = 0; i < segment_count; i++) {
        if (kept && clew__share_is_same(&shares[kept - 1], &shares[i])) {
            shares[kept - 1].nano += shares[i].nano;
            shares[kept - 1].segments++;
        } else {
            shares[kept++] = shares[i];
        }
    }
    qsort(shares, kept, sizeof *shares, compare_sizes);
    *count = kept;
    return shares;
}

void clew__say_share_place(struct clew__sentence *sentence, const struct clew__share *share,
                           const struct clew__share *own) {
    if (share->is_nothing) {
        clew__say(sentence, "while nothing ran");
    } else if (share->kind == CLEW_SEGMENT_MISSING) {
        clew__say(sentence, "in spans that are missing");
    } else if (share->is_unseen) {
        clew__say(sentence, "waiting for ");
        clew__say_name(sentence, clew__service_shown(share->callee));
    } else if (share->kind == CLEW_SEGMENT_EDGE_GAP) {
        clew__say(sentence, "between ");
        clew__say_name(sentence, clew__service_shown(share->service));
        clew__say(sentence, " and ");
        clew__say_name(sentence, clew__service_shown(share->callee));
    } else if (own && clew__share_is_same(share, own)) {
        clew__say(sentence, "in its own work");
    } else {
        clew__say(sentence, "in ");
        clew__say_operation(sentence, share->service, share->operation);
    }
}
