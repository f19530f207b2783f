/* Stage 0: from records in any order to one trace. Everything here is a function of the set of records, never
 * of their order: each choice is made by a total order over what the records say.
 *
 * Ids are found through a table whose hash has a key; the rest is sorting and walks without recursion. Owns
 * its scratch memory for the call; one thread a call. */
#include "sdk/analysis/model.h"
#include "sdk/analysis/sort.h"
#include "sdk/base/memory.h"

/* A record on its way to a node. */
struct spot {
    uint64_t start, end;
    uint32_t parent;    /* record, or CLEW_NO_SPAN */
    uint32_t next_same; /* record of the same id, or CLEW_NO_SPAN */
    uint32_t server;    /* of a client: the server that shared its id, or CLEW_NO_SPAN */
    uint32_t suffix;
    uint32_t node;       /* at first: who walked here last, as number of the record plus one */
    uint16_t repairs;    /* bits */
    bool is_out : 1;     /* a duplicate */
    bool is_many : 1;    /* first of several with its id */
    bool is_settled : 1; /* where it starts is */
};

/* Who keeps an id. The upper half of the id's hash beside the record saves looking at most wrong ones. */
struct slot {
    uint32_t record; /* plus one; 0: free */
    uint32_t tag;
};

/* So many records ahead the slots are fetched into the cache. */
#define AHEAD 8u

struct work {
    const struct clew__texts *texts;
    const struct clew__records *source;
    const struct clew__record *records;
    struct spot *spots;
    struct slot *slots; /* by id */
    uint32_t slot_mask;
    uint32_t *stack;
    struct clew__sort_key *keys, *spare;
    struct clew__sort_key *orphans; /* first: the id that they name */
    uint32_t count, live, orphan_count, phantom_count;
    uint32_t first_phantom_key; /* in `keys` */
    struct clew__hash_key hash_key;
    uint64_t repairs[CLEW_REPAIR_COUNT];
    uint64_t last; /* the latest time in the trace */
    bool has_many, has_no_start, has_open;
};

static void repaired(struct work *work, uint32_t index, clew_repair repair) {
    work->spots[index].repairs |= (uint16_t)(1u << repair);
    work->repairs[repair]++;
}

/* ---- orders ---- */

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_ids(const struct clew__texts *texts, uint64_t a, clew__text a_text, uint64_t b,
                       clew__text b_text) {
    if (a_text != b_text) {
        if (a_text == 0 || b_text == 0)
            return a_text == 0 ? -1 : 1;
        return clew__texts_compare(texts, a_text, b_text);
    }
    return ORDER(a, b);
}

static int compare_spots(const void *user, uint32_t a, uint32_t b) {
    const struct work *work = (const struct work *)user;
    const struct clew__record *first = &work->records[a], *second = &work->records[b];
    int order = compare_ids(work->texts, first->id, first->id_text, second->id, second->id_text);
    return order ? order : ORDER(work->spots[a].suffix, work->spots[b].suffix);
}

int clew__node_compare_ids(const struct clew_trace *trace, uint32_t a, uint32_t b) {
    const struct clew__node *first = &trace->nodes[a], *second = &trace->nodes[b];
    uint64_t first_id = first->record ? first->record->id : first->phantom_id,
             second_id = second->record ? second->record->id : second->phantom_id;
    int order = compare_ids(trace->texts, first_id, first->record ? first->record->id_text : 0, second_id,
                            second->record ? second->record->id_text : 0);
    return order ? order : ORDER(first->suffix, second->suffix);
}

static int compare_links(const struct clew__records *source, const struct clew__record *a,
                         const struct clew__record *b) {
    int order = ORDER(a->link_count, b->link_count);
    for (uint32_t i = 0; !order && i < a->link_count; i++) {
        const struct clew__span_link *first = &source->links[a->first_link + i],
                                     *second = &source->links[b->first_link + i];
        order = memcmp(first->trace_id, second->trace_id, sizeof first->trace_id);
        if (!order)
            order = ORDER(first->span_id, second->span_id);
        if (!order)
            order = ORDER(first->is_follows_from, second->is_follows_from);
        if (!order)
            order = ORDER(first->is_child_of, second->is_child_of);
    }
    return order;
}

static int compare_waits(const struct clew__records *source, const struct clew__record *a,
                         const struct clew__record *b) {
    int order = ORDER(a->wait_count, b->wait_count);
    for (uint32_t i = 0; !order && i < a->wait_count; i++) {
        const struct clew__span_wait *first = &source->waits[a->first_wait + i],
                                     *second = &source->waits[b->first_wait + i];
        order = ORDER(first->start, second->start);
        if (!order)
            order = ORDER(first->duration, second->duration);
        if (!order)
            order = ORDER(first->target_id, second->target_id);
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
        order = ORDER(pairs[i][0], pairs[i][1]);
    return order;
}

/* Behind start and duration; 0 only for records that are the same in everything. */
static int compare_records(const void *user, uint32_t a, uint32_t b) {
    const struct work *work = (const struct work *)user;
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

static bool is_open(const struct clew__record *record) {
    return record->flags & CLEW__RECORD_OPEN;
}

/* What a span that has not ended yet shares with itself when it has. Behind the start. */
static int compare_origin(const struct work *work, const struct clew__record *a,
                          const struct clew__record *b) {
    int order = ORDER(a->parent_id, b->parent_id);
    if (!order)
        order = ORDER(a->kind, b->kind);
    if (!order)
        order = clew__texts_compare(work->texts, a->service, b->service);
    return order ? order : clew__texts_compare(work->texts, a->operation, b->operation);
}

/* Duplicates side by side; of those that differ in having ended, the ended one first. */
static int compare_states(const void *user, uint32_t a, uint32_t b) {
    const struct work *work = (const struct work *)user;
    const struct clew__record *first = &work->records[a], *second = &work->records[b];
    int order = compare_origin(work, first, second);
    if (!order)
        order = ORDER(is_open(first), is_open(second));
    return order ? order : compare_records(user, a, b);
}

/* ---- ids ---- */

static struct slot *slot_of_hash(const struct work *work, uint64_t id, uint64_t hash) {
    uint32_t at = (uint32_t)hash & work->slot_mask, tag = (uint32_t)(hash >> 32);
    while (work->slots[at].record &&
           (work->slots[at].tag != tag || work->records[work->slots[at].record - 1].id != id))
        at = (at + 1) & work->slot_mask;
    return &work->slots[at];
}

static struct slot *slot_of(const struct work *work, uint64_t id) {
    return slot_of_hash(work, id, clew__hash_number(work->hash_key, id));
}

static void fetch_slot(const struct work *work, uint64_t id) {
    __builtin_prefetch(&work->slots[(uint32_t)clew__hash_number(work->hash_key, id) & work->slot_mask]);
}

static void enter_ids(struct work *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        const struct clew__record *record = &work->records[i];
        uint64_t hash = clew__hash_number(work->hash_key, record->id);
        struct slot *slot = slot_of_hash(work, record->id, hash);
        struct spot *first;
        if (i + AHEAD < work->count)
            fetch_slot(work, record[AHEAD].id);
        work->spots[i] = (struct spot){.start = record->start,
                                       .end = record->end,
                                       .parent = CLEW_NO_SPAN,
                                       .next_same = CLEW_NO_SPAN,
                                       .server = CLEW_NO_SPAN};
        if (!slot->record) {
            *slot = (struct slot){i + 1, (uint32_t)(hash >> 32)};
            continue;
        }
        first = &work->spots[slot->record - 1];
        work->spots[i].next_same = first->next_same;
        first->next_same = i;
        first->is_many = work->has_many = true;
    }
}

static bool is_client(const struct clew__record *record) {
    return record->kind == CLEW_CLIENT || record->kind == CLEW_PRODUCER;
}

static bool is_server(const struct clew__record *record) {
    return record->kind == CLEW_SERVER || record->kind == CLEW_CONSUMER;
}

/* Leaves duplicates out of the keys of one id; returns how many stay. */
static uint32_t drop_duplicates(struct work *work, uint32_t count) {
    struct clew__sort_key *keys = work->keys;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        keys[i].first = work->records[keys[i].index].start;
    clew__sort_keys(keys, work->spare, count, compare_states, work);
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__record *record = &work->records[keys[i].index];
        const struct clew__record *before = kept > 0 ? &work->records[keys[kept - 1].index] : NULL;
        bool is_earlier_state = before && is_open(record) && record->start == before->start &&
                                compare_origin(work, before, record) == 0;
        if (is_earlier_state || (before && record->start == before->start &&
                                 compare_records(work, keys[kept - 1].index, keys[i].index) == 0)) {
            work->spots[keys[i].index].is_out = true;
            repaired(work, keys[kept - 1].index, CLEW_REPAIR_DUPLICATE);
        } else {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

/* The one client among the keys, when there is one of each side; else CLEW_NO_SPAN. */
static uint32_t find_pair(const struct work *work, uint32_t count, uint32_t *server) {
    uint32_t client = CLEW_NO_SPAN, clients = 0, servers = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = work->keys[i].index;
        if (is_client(&work->records[index])) {
            client = index;
            clients++;
        } else if (is_server(&work->records[index])) {
            *server = index;
            servers++;
        }
    }
    return clients == 1 && servers == 1 ? client : CLEW_NO_SPAN;
}

/* Tells the spans of one id apart; returns who keeps it. */
static uint32_t tell_apart(struct work *work, uint32_t count) {
    uint32_t server = CLEW_NO_SPAN, number = 0, keeper = find_pair(work, count, &server);
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__record *record = &work->records[work->keys[i].index];
        uint64_t length = record->end > record->start ? record->end - record->start : 0;
        work->keys[i].first = record->start;
        work->keys[i].second = is_open(record) ? 0 : UINT64_MAX - length;
    }
    clew__sort_keys(work->keys, work->spare, count, compare_records, work);
    if (keeper == CLEW_NO_SPAN) {
        keeper = work->keys[0].index;
        server = CLEW_NO_SPAN;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = work->keys[i].index;
        if (index == keeper)
            continue;
        work->spots[index].suffix = index == server ? CLEW__SUFFIX_SERVER : ++number;
        repaired(work, index, index == server ? CLEW_REPAIR_SHARED_ID : CLEW_REPAIR_SAME_ID);
    }
    work->spots[keeper].server = server;
    return keeper;
}

static void resolve_ids(struct work *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t count = 0;
        if (!work->spots[i].is_many)
            continue;
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = work->spots[at].next_same)
            work->keys[count++] = (struct clew__sort_key){0, 0, at};
        count = drop_duplicates(work, count);
        slot_of(work, work->records[i].id)->record =
            1 + (count > 1 ? tell_apart(work, count) : work->keys[0].index);
    }
}

/* ---- parents ---- */

static void find_parent(struct work *work, uint32_t index) {
    const struct clew__record *record = &work->records[index];
    struct spot *spot = &work->spots[index];
    uint32_t keeper;
    if (spot->suffix == CLEW__SUFFIX_SERVER) {
        spot->parent = slot_of(work, record->id)->record - 1;
        return;
    }
    if (record->parent_id == 0)
        return;
    keeper = slot_of(work, record->parent_id)->record - 1; /* of a free slot: CLEW_NO_SPAN */
    if (keeper == CLEW_NO_SPAN) {
        repaired(work, index, CLEW_REPAIR_MISSING_PARENT);
        work->orphans[work->orphan_count++] = (struct clew__sort_key){record->parent_id, 0, index};
    } else if (keeper == index) {
        repaired(work, index, CLEW_REPAIR_SELF_PARENT);
    } else {
        uint32_t server = work->spots[keeper].server;
        bool below_server = server != CLEW_NO_SPAN && work->records[server].service == record->service;
        spot->parent = below_server ? server : keeper;
    }
}

static void repair_times(struct work *work, uint32_t index) {
    struct spot *spot = &work->spots[index];
    if (is_open(&work->records[index])) {
        repaired(work, index, CLEW_REPAIR_OPEN);
        work->has_open = true;
    } else if (spot->end < spot->start) {
        repaired(work, index, CLEW_REPAIR_NEGATIVE);
        spot->end = spot->start;
    }
    work->has_no_start |= spot->start == 0;
}

/* The span of a ring where it begins: the earliest. */
static uint32_t first_of_ring(const struct work *work, uint32_t entry) {
    uint32_t first = entry;
    for (uint32_t at = work->spots[entry].parent; at != entry; at = work->spots[at].parent) {
        uint64_t start = work->spots[at].start, earliest = work->spots[first].start;
        if (start < earliest || (start == earliest && compare_spots(work, at, first) < 0))
            first = at;
    }
    return first;
}

static void cut_rings(struct work *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t at = i;
        if (work->spots[i].is_out)
            continue;
        for (; at != CLEW_NO_SPAN && work->spots[at].node == 0; at = work->spots[at].parent)
            work->spots[at].node = i + 1;
        if (at == CLEW_NO_SPAN || work->spots[at].node != i + 1)
            continue;
        at = first_of_ring(work, at);
        work->spots[at].parent = CLEW_NO_SPAN;
        repaired(work, at, CLEW_REPAIR_CYCLE);
    }
}

/* From the highest span without a start down, each from its parent. */
static void inherit_starts(struct work *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t depth = 0;
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = work->spots[at].parent) {
            struct spot *spot = &work->spots[at];
            if (spot->is_out || spot->start != 0 || spot->is_settled)
                break;
            spot->is_settled = true;
            work->stack[depth++] = at;
        }
        while (depth > 0) {
            struct spot *spot = &work->spots[work->stack[--depth]];
            uint64_t start = spot->parent == CLEW_NO_SPAN ? 0 : work->spots[spot->parent].start;
            if (start == 0)
                continue;
            spot->start = start;
            spot->end = spot->end > UINT64_MAX - start ? UINT64_MAX : spot->end + start;
            repaired(work, work->stack[depth], CLEW_REPAIR_NO_START);
        }
    }
}

static void end_open_spans(struct work *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        const struct spot *spot = &work->spots[i];
        uint64_t end = is_open(&work->records[i]) ? spot->start : spot->end;
        if (!spot->is_out && end > work->last)
            work->last = end;
    }
    for (uint32_t i = 0; i < work->count; i++) {
        if (is_open(&work->records[i]))
            work->spots[i].end = work->last;
    }
}

/* ---- the trace ---- */

/* Orphans that name the same parent, from one of them on. */
static uint32_t family_end(const struct work *work, uint32_t from) {
    uint32_t to = from + 1;
    while (to < work->orphan_count && work->orphans[to].first == work->orphans[from].first)
        to++;
    return to;
}

static void count_phantoms(struct work *work) {
    clew__sort_keys(work->orphans, work->spare, work->orphan_count, NULL, NULL);
    for (uint32_t from = 0, to; from < work->orphan_count; from = to) {
        to = family_end(work, from);
        work->phantom_count += to - from > 1;
    }
}

static void sort_spots(struct work *work) {
    uint32_t live = 0;
    for (uint32_t i = 0; i < work->count; i++) {
        const struct spot *spot = &work->spots[i];
        if (!spot->is_out)
            work->keys[live++] = (struct clew__sort_key){spot->start, UINT64_MAX - spot->end, i};
    }
    work->live = live;
    clew__sort_keys(work->keys, work->spare, live, compare_spots, work);
    for (uint32_t i = 0; i < live; i++)
        work->spots[work->keys[i].index].node = i;
}

static size_t bytes_of(size_t nodes) {
    return sizeof(struct clew_trace) + nodes * (sizeof(struct clew__node) + sizeof(uint32_t));
}

/* Of two orphans there is at most one phantom. */
size_t clew__trace_bytes_max(uint32_t records) {
    return bytes_of((size_t)records + records / 2);
}

static struct clew_trace *new_trace(const struct work *work) {
    uint32_t nodes = work->live + work->phantom_count;
    struct clew_trace *trace = (struct clew_trace *)clew_memory_allocate(bytes_of(nodes));
    if (!trace)
        return NULL;
    *trace = (struct clew_trace){.texts = work->texts,
                                 .source = work->source,
                                 .id_text = work->source->trace_id_text,
                                 .node_count = nodes,
                                 .phantom_count = work->phantom_count,
                                 .has_open = work->has_open};
    memcpy(trace->id, work->source->trace_id, sizeof trace->id);
    memcpy(trace->repairs, work->repairs, sizeof trace->repairs);
    trace->nodes = (struct clew__node *)(trace + 1);
    trace->children = (uint32_t *)(trace->nodes + nodes); /* and the roots behind them */
    return trace;
}

static void fill_spans(const struct work *work, struct clew_trace *trace) {
    for (uint32_t i = 0; i < work->live; i++) {
        uint32_t index = work->keys[i].index;
        const struct spot *spot = &work->spots[index];
        trace->nodes[i] = (struct clew__node){
            .record = &work->records[index],
            .start = spot->start,
            .end = spot->end,
            .parent = spot->parent == CLEW_NO_SPAN ? CLEW_NO_SPAN : work->spots[spot->parent].node,
            .next_sibling = CLEW_NO_SPAN,
            .suffix = spot->suffix,
            .repairs = spot->repairs,
        };
    }
}

/* A phantom takes the time from its first child's start to its last child's end. */
static struct clew__node phantom_of(const struct work *work, const struct clew_trace *trace, uint32_t from,
                                    uint32_t to) {
    struct clew__node phantom = {
        .start = UINT64_MAX,
        .parent = CLEW_NO_SPAN,
        .next_sibling = CLEW_NO_SPAN,
        .phantom_id = work->orphans[from].first,
    };
    for (uint32_t i = from; i < to; i++) {
        const struct clew__node *child = &trace->nodes[work->spots[work->orphans[i].index].node];
        phantom.start = child->start < phantom.start ? child->start : phantom.start;
        phantom.end = child->end > phantom.end ? child->end : phantom.end;
    }
    return phantom;
}

static int compare_phantoms(const void *user, uint32_t a, uint32_t b) {
    const struct work *work = (const struct work *)user;
    return ORDER(work->orphans[a].first, work->orphans[b].first);
}

/* In order of start, longest, id, behind the spans. The index of a key is the first orphan's. */
static void fill_phantoms(const struct work *work, struct clew_trace *trace) {
    struct clew__sort_key *keys = work->keys;
    uint32_t count = 0;
    for (uint32_t from = 0, to; from < work->orphan_count; from = to) {
        to = family_end(work, from);
        if (to - from > 1) {
            struct clew__node phantom = phantom_of(work, trace, from, to);
            keys[count++] = (struct clew__sort_key){phantom.start, UINT64_MAX - phantom.end, from};
        }
    }
    clew__sort_keys(keys, work->spare, count, compare_phantoms, work);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = keys[i].index, to = family_end(work, from);
        trace->nodes[work->live + i] = phantom_of(work, trace, from, to);
        for (; from < to; from++)
            trace->nodes[work->spots[work->orphans[from].index].node].parent = work->live + i;
    }
}

static int compare_nodes(const void *user, uint32_t a, uint32_t b) {
    return clew__node_compare_ids((const struct clew_trace *)user, a, b);
}

static void sort_roots(struct clew_trace *trace, struct clew__sort_key *keys, struct clew__sort_key *spare) {
    uint32_t count = trace->root_count;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (struct clew__sort_key){trace->nodes[trace->roots[i]].start, 0, trace->roots[i]};
    clew__sort_keys(keys, spare, count, compare_nodes, trace);
    for (uint32_t i = 0; i < count; i++) {
        trace->roots[i] = keys[i].index;
        trace->nodes[keys[i].index].next_sibling = i + 1 < count ? keys[i + 1].index : CLEW_NO_SPAN;
    }
}

/* Spans are in order already, and phantoms are nobody's children: so children are as they come. */
static void gather_children(struct clew_trace *trace, struct clew__sort_key *keys,
                            struct clew__sort_key *spare) {
    struct clew__node *nodes = trace->nodes;
    uint32_t at = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        if (nodes[i].parent != CLEW_NO_SPAN)
            nodes[nodes[i].parent].child_count++;
        else
            trace->root_count++;
    }
    for (uint32_t i = 0; i < trace->node_count; i++) {
        nodes[i].first_child = at;
        at += nodes[i].child_count;
        nodes[i].child_count = 0;
    }
    trace->roots = trace->children + at;
    trace->root_count = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        struct clew__node *parent = nodes[i].parent == CLEW_NO_SPAN ? NULL : &nodes[nodes[i].parent];
        if (!parent) {
            trace->roots[trace->root_count++] = i;
            continue;
        }
        if (parent->child_count > 0)
            nodes[trace->children[parent->first_child + parent->child_count - 1]].next_sibling = i;
        trace->children[parent->first_child + parent->child_count++] = i;
    }
    sort_roots(trace, keys, spare);
}

static struct clew_trace *run(struct work *work) {
    struct clew_trace *trace;
    enter_ids(work);
    if (work->has_many)
        resolve_ids(work);
    for (uint32_t i = 0; i < work->count; i++) {
        if (i + AHEAD < work->count)
            fetch_slot(work, work->records[i + AHEAD].parent_id);
        if (!work->spots[i].is_out) {
            repair_times(work, i);
            find_parent(work, i);
        }
    }
    cut_rings(work);
    if (work->has_no_start)
        inherit_starts(work);
    if (work->has_open)
        end_open_spans(work);
    if (work->orphan_count > 1)
        count_phantoms(work);
    sort_spots(work);
    trace = new_trace(work);
    if (!trace)
        return NULL;
    fill_spans(work, trace);
    if (work->phantom_count > 0)
        fill_phantoms(work, trace);
    gather_children(trace, work->keys, work->spare);
    return trace;
}

/* Phantoms are roots too: at most half as many as orphans. */
static size_t key_count(uint32_t count) {
    return (size_t)count + count / 2 + 1;
}

struct clew_trace *clew__normalize(const struct clew__texts *texts, const struct clew__records *source) {
    struct work work = {.texts = texts,
                        .source = source,
                        .records = source->records,
                        .count = source->count,
                        .hash_key = clew__texts_key(texts)};
    size_t slots = 4, n = source->count, keys = key_count(source->count), size;
    struct clew_trace *trace;
    uint8_t *scratch;
    while (slots < 2 * n)
        slots *= 2;
    size = (2 * keys + n) * sizeof *work.keys + n * (sizeof *work.spots + sizeof *work.stack) +
           slots * sizeof *work.slots;
    scratch = (uint8_t *)clew_memory_allocate(size);
    if (!scratch)
        return NULL;
    work.keys = (struct clew__sort_key *)(void *)scratch;
    work.spare = work.keys + keys;
    work.orphans = work.spare + keys;
    work.spots = (struct spot *)(work.orphans + n);
    work.slots = (struct slot *)(work.spots + n);
    work.stack = (uint32_t *)(work.slots + slots);
    work.slot_mask = (uint32_t)slots - 1;
    memset(work.slots, 0, slots * sizeof *work.slots);
    trace = run(&work);
    clew_memory_release(scratch);
    return trace;
}

void clew__trace_free(struct clew_trace *trace) {
    clew_memory_release(trace);
}

static void sort_children(struct clew_trace *trace, const struct clew__node *parent,
                          struct clew__sort_key *keys, struct clew__sort_key *spare) {
    uint32_t *children = trace->children + parent->first_child;
    uint32_t count = parent->child_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__node *child = &trace->nodes[children[i]];
        keys[i] = (struct clew__sort_key){child->start, UINT64_MAX - child->end, children[i]};
    }
    clew__sort_keys(keys, spare, count, compare_nodes, trace);
    for (uint32_t i = 0; i < count; i++) {
        children[i] = keys[i].index;
        trace->nodes[children[i]].next_sibling = i + 1 < count ? keys[i + 1].index : CLEW_NO_SPAN;
    }
}

void clew__trace_reorder(struct clew_trace *trace, struct clew__sort_key *keys) {
    struct clew__sort_key *spare = keys + trace->node_count;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        if (trace->nodes[i].child_count > 1)
            sort_children(trace, &trace->nodes[i], keys, spare);
    }
    sort_roots(trace, keys, spare);
}
