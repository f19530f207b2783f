/* Stage 0: from records in any order to one trace. Everything here is a function of the set of records, never
 * of their order: each choice is made by a total order over what the records say.
 *
 * Ids are found through a table whose hash has a key; the rest is sorting and walks without recursion. Owns
 * its scratch memory for the call; one thread a call. */
#include "sdk/traces/normalize.h"
#include "sdk/base/memory.h"

/* So many records ahead the slots are fetched into the cache. */
#define AHEAD 8u

static void repaired(struct clew__normalizing *work, uint32_t index, clew_repair repair) {
    work->drafts[index].repairs |= (uint16_t)(1u << repair);
    work->repairs[repair]++;
}

/* ---- ids ---- */

static struct clew__id_slot *slot_of_hash(const struct clew__normalizing *work, uint64_t id, uint64_t hash) {
    uint32_t at = (uint32_t)hash & work->slot_mask, tag = (uint32_t)(hash >> 32);
    while (work->slots[at].record &&
           (work->slots[at].tag != tag || work->records[work->slots[at].record - 1].id != id))
        at = (at + 1) & work->slot_mask;
    return &work->slots[at];
}

static struct clew__id_slot *slot_of(const struct clew__normalizing *work, uint64_t id) {
    return slot_of_hash(work, id, clew__hash_number(work->hash_key, id));
}

static void fetch_slot(const struct clew__normalizing *work, uint64_t id) {
    __builtin_prefetch(&work->slots[(uint32_t)clew__hash_number(work->hash_key, id) & work->slot_mask]);
}

static void enter_ids(struct clew__normalizing *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        const struct clew__record *record = &work->records[i];
        uint64_t hash = clew__hash_number(work->hash_key, record->id);
        struct clew__id_slot *slot = slot_of_hash(work, record->id, hash);
        struct clew__draft *first;
        if (i + AHEAD < work->count)
            fetch_slot(work, record[AHEAD].id);
        work->drafts[i] = (struct clew__draft){.start = record->start,
                                               .end = record->end,
                                               .parent = CLEW_NO_SPAN,
                                               .next_same = CLEW_NO_SPAN,
                                               .server = CLEW_NO_SPAN};
        if (!slot->record) {
            *slot = (struct clew__id_slot){i + 1, (uint32_t)(hash >> 32)};
            continue;
        }
        first = &work->drafts[slot->record - 1];
        work->drafts[i].next_same = first->next_same;
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
static uint32_t drop_duplicates(struct clew__normalizing *work, uint32_t count) {
    struct clew__sort_key *keys = work->keys;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        keys[i].first = work->records[keys[i].index].start;
    clew__sort_keys(keys, work->spare, count, clew__compare_states, work);
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__record *record = &work->records[keys[i].index];
        const struct clew__record *before = kept > 0 ? &work->records[keys[kept - 1].index] : NULL;
        bool is_earlier_state = before && clew__record_is_open(record) && record->start == before->start &&
                                clew__compare_origin(work, before, record) == 0;
        if (is_earlier_state || (before && record->start == before->start &&
                                 clew__compare_records(work, keys[kept - 1].index, keys[i].index) == 0)) {
            work->drafts[keys[i].index].is_out = true;
            repaired(work, keys[kept - 1].index, CLEW_REPAIR_DUPLICATE);
        } else {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

/* The one client among the keys, when there is one of each side; else CLEW_NO_SPAN. */
static uint32_t find_pair(const struct clew__normalizing *work, uint32_t count, uint32_t *server) {
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
static uint32_t tell_apart(struct clew__normalizing *work, uint32_t count) {
    uint32_t server = CLEW_NO_SPAN, number = 0, keeper = find_pair(work, count, &server);
    for (uint32_t i = 0; i < count; i++) {
        const struct clew__record *record = &work->records[work->keys[i].index];
        uint64_t length = record->end > record->start ? record->end - record->start : 0;
        work->keys[i].first = record->start;
        work->keys[i].second = clew__record_is_open(record) ? 0 : UINT64_MAX - length;
    }
    clew__sort_keys(work->keys, work->spare, count, clew__compare_records, work);
    if (keeper == CLEW_NO_SPAN) {
        keeper = work->keys[0].index;
        server = CLEW_NO_SPAN;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = work->keys[i].index;
        if (index == keeper)
            continue;
        work->drafts[index].suffix = index == server ? CLEW__SUFFIX_SERVER : ++number;
        repaired(work, index, index == server ? CLEW_REPAIR_SHARED_ID : CLEW_REPAIR_SAME_ID);
    }
    work->drafts[keeper].server = server;
    return keeper;
}

static void resolve_ids(struct clew__normalizing *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t count = 0;
        if (!work->drafts[i].is_many)
            continue;
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = work->drafts[at].next_same)
            work->keys[count++] = (struct clew__sort_key){0, 0, at};
        count = drop_duplicates(work, count);
        slot_of(work, work->records[i].id)->record =
            1 + (count > 1 ? tell_apart(work, count) : work->keys[0].index);
    }
}

/* ---- parents ---- */

static void find_parent(struct clew__normalizing *work, uint32_t index) {
    const struct clew__record *record = &work->records[index];
    struct clew__draft *draft = &work->drafts[index];
    uint32_t keeper;
    if (draft->suffix == CLEW__SUFFIX_SERVER) {
        draft->parent = slot_of(work, record->id)->record - 1;
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
        uint32_t server = work->drafts[keeper].server;
        bool below_server = server != CLEW_NO_SPAN && work->records[server].service == record->service;
        draft->parent = below_server ? server : keeper;
    }
}

static void repair_times(struct clew__normalizing *work, uint32_t index) {
    struct clew__draft *draft = &work->drafts[index];
    if (clew__record_is_open(&work->records[index])) {
        repaired(work, index, CLEW_REPAIR_OPEN);
        work->has_open = true;
    } else if (draft->end < draft->start) {
        repaired(work, index, CLEW_REPAIR_NEGATIVE);
        draft->end = draft->start;
    }
    work->has_no_start |= draft->start == 0;
}

/* The span of a ring where it begins: the earliest. */
static uint32_t first_of_ring(const struct clew__normalizing *work, uint32_t entry) {
    uint32_t first = entry;
    for (uint32_t at = work->drafts[entry].parent; at != entry; at = work->drafts[at].parent) {
        uint64_t start = work->drafts[at].start, earliest = work->drafts[first].start;
        if (start < earliest || (start == earliest && clew__compare_drafts(work, at, first) < 0))
            first = at;
    }
    return first;
}

static void cut_rings(struct clew__normalizing *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t at = i;
        if (work->drafts[i].is_out)
            continue;
        for (; at != CLEW_NO_SPAN && work->drafts[at].node == 0; at = work->drafts[at].parent)
            work->drafts[at].node = i + 1;
        if (at == CLEW_NO_SPAN || work->drafts[at].node != i + 1)
            continue;
        at = first_of_ring(work, at);
        work->drafts[at].parent = CLEW_NO_SPAN;
        repaired(work, at, CLEW_REPAIR_CYCLE);
    }
}

/* From the highest span without a start down, each from its parent. */
static void inherit_starts(struct clew__normalizing *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t depth = 0;
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = work->drafts[at].parent) {
            struct clew__draft *draft = &work->drafts[at];
            if (draft->is_out || draft->start != 0 || draft->is_settled)
                break;
            draft->is_settled = true;
            work->stack[depth++] = at;
        }
        while (depth > 0) {
            struct clew__draft *draft = &work->drafts[work->stack[--depth]];
            uint64_t start = draft->parent == CLEW_NO_SPAN ? 0 : work->drafts[draft->parent].start;
            if (start == 0)
                continue;
            draft->start = start;
            draft->end = draft->end > UINT64_MAX - start ? UINT64_MAX : draft->end + start;
            repaired(work, work->stack[depth], CLEW_REPAIR_NO_START);
        }
    }
}

static void end_open_spans(struct clew__normalizing *work) {
    for (uint32_t i = 0; i < work->count; i++) {
        const struct clew__draft *draft = &work->drafts[i];
        uint64_t end = clew__record_is_open(&work->records[i]) ? draft->start : draft->end;
        if (!draft->is_out && end > work->last)
            work->last = end;
    }
    for (uint32_t i = 0; i < work->count; i++) {
        if (clew__record_is_open(&work->records[i]))
            work->drafts[i].end = work->last;
    }
}

/* ---- the whole ---- */

static struct clew_trace *run(struct clew__normalizing *work) {
    enter_ids(work);
    if (work->has_many)
        resolve_ids(work);
    for (uint32_t i = 0; i < work->count; i++) {
        if (i + AHEAD < work->count)
            fetch_slot(work, work->records[i + AHEAD].parent_id);
        if (!work->drafts[i].is_out) {
            repair_times(work, i);
            find_parent(work, i);
        }
    }
    cut_rings(work);
    if (work->has_no_start)
        inherit_starts(work);
    if (work->has_open)
        end_open_spans(work);
    return clew__normalized_trace(work);
}

/* Phantoms are roots too: at most half as many as orphans. */
static size_t key_count(uint32_t count) {
    return (size_t)count + count / 2 + 1;
}

struct clew_trace *clew__normalize(const struct clew__texts *texts, const struct clew__records *source) {
    struct clew__normalizing work = {.texts = texts,
                                     .source = source,
                                     .records = source->records,
                                     .count = source->count,
                                     .hash_key = clew__texts_key(texts)};
    size_t slots = 4, n = source->count, keys = key_count(source->count), size;
    struct clew_trace *trace;
    uint8_t *scratch;
    while (slots < 2 * n)
        slots *= 2;
    size = (2 * keys + n) * sizeof *work.keys + n * (sizeof *work.drafts + sizeof *work.stack) +
           slots * sizeof *work.slots;
    scratch = (uint8_t *)clew_memory_allocate(size);
    if (!scratch)
        return NULL;
    work.keys = (struct clew__sort_key *)(void *)scratch;
    work.spare = work.keys + keys;
    work.orphans = work.spare + keys;
    work.drafts = (struct clew__draft *)(work.orphans + n);
    work.slots = (struct clew__id_slot *)(work.drafts + n);
    work.stack = (uint32_t *)(work.slots + slots);
    work.slot_mask = (uint32_t)slots - 1;
    memset(work.slots, 0, slots * sizeof *work.slots);
    trace = run(&work);
    clew_memory_release(scratch);
    return trace;
}
