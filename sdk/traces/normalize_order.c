/* Total orders over what records say: none knows in what order they came. Owns nothing. */
#include "sdk/traces/normalize.h"

static int compare_ids(const struct clew__texts *texts, uint64_t a, clew__text a_text, uint64_t b,
                       clew__text b_text) {
    if (a_text != b_text) {
        if (a_text == 0 || b_text == 0)
            return a_text == 0 ? -1 : 1;
        return clew__texts_compare(texts, a_text, b_text);
    }
    return CLEW__ORDER(a, b);
}

int clew__compare_drafts(const void *user, uint32_t a, uint32_t b) {
    const struct clew__normalizing *work = (const struct clew__normalizing *)user;
    const struct clew__record *first = &work->records[a], *second = &work->records[b];
    int order = compare_ids(work->texts, first->id, first->id_text, second->id, second->id_text);
    return order ? order : CLEW__ORDER(work->drafts[a].suffix, work->drafts[b].suffix);
}

int clew__node_compare_ids(const struct clew_trace *trace, uint32_t a, uint32_t b) {
    const struct clew__node *first = &trace->nodes[a], *second = &trace->nodes[b];
    uint64_t first_id = first->record ? first->record->id : first->phantom_id,
             second_id = second->record ? second->record->id : second->phantom_id;
    int order = compare_ids(trace->texts, first_id, first->record ? first->record->id_text : 0, second_id,
                            second->record ? second->record->id_text : 0);
    return order ? order : CLEW__ORDER(first->suffix, second->suffix);
}

static int compare_links(const struct clew__records *source, const struct clew__record *a,
                         const struct clew__record *b) {
    int order = CLEW__ORDER(a->link_count, b->link_count);
    for (uint32_t i = 0; !order && i < a->link_count; i++) {
        const struct clew__span_link *first = &source->links[a->first_link + i],
                                     *second = &source->links[b->first_link + i];
        order = memcmp(first->trace_id, second->trace_id, sizeof first->trace_id);
        if (!order)
            order = CLEW__ORDER(first->span_id, second->span_id);
        if (!order)
            order = CLEW__ORDER(first->is_follows_from, second->is_follows_from);
        if (!order)
            order = CLEW__ORDER(first->is_child_of, second->is_child_of);
    }
    return order;
}

static int compare_waits(const struct clew__records *source, const struct clew__record *a,
                         const struct clew__record *b) {
    int order = CLEW__ORDER(a->wait_count, b->wait_count);
    for (uint32_t i = 0; !order && i < a->wait_count; i++) {
        const struct clew__span_wait *first = &source->waits[a->first_wait + i],
                                     *second = &source->waits[b->first_wait + i];
        order = CLEW__ORDER(first->start, second->start);
        if (!order)
            order = CLEW__ORDER(first->duration, second->duration);
        if (!order)
            order = CLEW__ORDER(first->target_id, second->target_id);
    }
    return order;
}

static int compare_texts(const struct clew__texts *texts, const struct clew__record *a,
                         const struct clew__record *b) {
    const clew__text pairs[][2] = {
        {a->host, b->host},
        {a->peer, b->peer},
        {a->provider, b->provider},
        {a->error_type, b->error_type},
        {a->error_message, b->error_message},
        {a->detail, b->detail},
        {a->id_text, b->id_text},
    };
    int order = 0;
    for (size_t i = 0; !order && i < sizeof pairs / sizeof *pairs; i++)
        order = clew__texts_compare(texts, pairs[i][0], pairs[i][1]);
    return order;
}

static int compare_numbers(const struct clew__record *a, const struct clew__record *b) {
    const uint64_t pairs[][2] = {
        {a->end, b->end},       {a->parent_id, b->parent_id},     {a->kind, b->kind},
        {a->status, b->status}, {a->http_status, b->http_status}, {a->flags, b->flags},
        {a->weight, b->weight},
    };
    int order = 0;
    for (size_t i = 0; !order && i < sizeof pairs / sizeof *pairs; i++)
        order = CLEW__ORDER(pairs[i][0], pairs[i][1]);
    return order;
}

int clew__compare_records(const void *user, uint32_t a, uint32_t b) {
    const struct clew__normalizing *work = (const struct clew__normalizing *)user;
    const struct clew__record *first = &work->records[a], *second = &work->records[b];
    int order = clew__texts_compare(work->texts, first->service, second->service);
    if (!order)
        order = clew__texts_compare(work->texts, first->operation, second->operation);
    if (!order)
        order = compare_numbers(first, second);
    if (!order)
        order = compare_texts(work->texts, first, second);
    if (!order)
        order = compare_links(work->source, first, second);
    return order ? order : compare_waits(work->source, first, second);
}

int clew__compare_origin(const struct clew__normalizing *work, const struct clew__record *a,
                         const struct clew__record *b) {
    int order = CLEW__ORDER(a->parent_id, b->parent_id);
    if (!order)
        order = CLEW__ORDER(a->kind, b->kind);
    if (!order)
        order = clew__texts_compare(work->texts, a->service, b->service);
    return order ? order : clew__texts_compare(work->texts, a->operation, b->operation);
}

int clew__compare_states(const void *user, uint32_t a, uint32_t b) {
    const struct clew__normalizing *work = (const struct clew__normalizing *)user;
    const struct clew__record *first = &work->records[a], *second = &work->records[b];
    int order = clew__compare_origin(work, first, second);
    if (!order)
        order = CLEW__ORDER(clew__record_is_open(first), clew__record_is_open(second));
    return order ? order : clew__compare_records(user, a, b);
}
