/* Owns what is remembered of health from interval to interval, and puts the report together. One thread at a
 * time. */
#include "sdk/analysis/health.h"

#include "sdk/base/struct_size.h"
#include "sdk/containers/keys.h"
#include "sdk/containers/names.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

/* What is remembered; of what is beyond, every interval is judged by itself. */
#define NAMES_MAX 65536u
#define MEMORIES_MAX 131072u
/* How long something that has fallen silent is told of. */
#define SILENT_INTERVALS 10u
#define NODE_TYPE CLEW_EDGE_TYPE_COUNT /* in keys: of a node */

/* Of a service or edge. */
struct memory {
    clew_health_state state;   /* what is told */
    clew_health_state pending; /* what it would become, … */
    uint32_t intervals;        /* …if it lasts: for so many it did */
    uint32_t silent;           /* intervals without calls */
    uint64_t seen_in;          /* the interval in which it was last judged */
    uint32_t item;             /* in that interval's report */
    bool is_told;              /* `state` is valid */
    bool had_traffic;
};

struct clew_health {
    clew_health_options options;
    struct clew__names names;
    struct clew__keys keys;
    struct memory *memories; /* by number of key */
    uint32_t memory_capacity;
    uint64_t interval;
    clew_health_item *items;
    uint32_t *numbers; /* of items: their keys */
    size_t item_capacity;
    clew_health_report report;
};

/* ---- names ---- */

const char *clew_health_state_name(clew_health_state state) {
    static const char *const names[] = {
#define STATE_NAME(name, text) text,
        CLEW_HEALTH_STATES(STATE_NAME)
#undef STATE_NAME
    };
    return (unsigned)state < CLEW_HEALTH_STATE_COUNT ? names[state] : "";
}

const char *clew_health_reason_name(clew_health_reason reason) {
    static const char *const names[] = {
#define REASON_NAME(name, text) text,
        CLEW_HEALTH_REASONS(REASON_NAME)
#undef REASON_NAME
    };
    return (unsigned)reason < CLEW_HEALTH_REASON_COUNT ? names[reason] : "";
}

/* ---- life ---- */

static void use_default(double *value, double standard) {
    if (!(*value > 0))
        *value = standard;
}

static clew_health_options options_of(const clew_health_options *given) {
    clew_health_options options = {0};
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    if (options.calls_min == 0)
        options.calls_min = 20;
    use_default(&options.error_warn, 0.01);
    use_default(&options.error_crit, 0.05);
    use_default(&options.slow_warn, 0.01);
    use_default(&options.slow_crit, 0.05);
    use_default(&options.burn_warn, 6);
    use_default(&options.burn_crit, 14.4);
    use_default(&options.quality_warn, 0.2);
    use_default(&options.critical_share, 0.05);
    if (options.intervals_worse == 0)
        options.intervals_worse = 2;
    if (options.intervals_better == 0)
        options.intervals_better = 3;
    return options;
}

clew_health *clew_health_new(const clew_health_options *options) {
    struct clew_health *health = clew_memory_allocate(sizeof *health);
    if (!health)
        return NULL;
    *health = (struct clew_health){.options = options_of(options)};
    if (clew__names_init(&health->names))
        return health;
    clew_memory_release(health);
    return NULL;
}

void clew_health_free(clew_health *health) {
    if (!health)
        return;
    clew__names_fini(&health->names);
    clew__keys_fini(&health->keys);
    clew_memory_release(health->memories);
    clew_memory_release(health->items);
    clew_memory_release(health->numbers);
    clew_memory_release(health);
}

/* ---- what is remembered ---- */

static uint32_t add_memory(struct clew_health *health, struct clew__key key) {
    if (health->keys.count >= MEMORIES_MAX)
        return CLEW__NO_KEY;
    if (health->keys.count == health->memory_capacity) {
        uint32_t capacity = health->memory_capacity ? health->memory_capacity * 2 : 16;
        struct memory *grown = clew_memory_reallocate(health->memories, capacity * sizeof *grown);
        if (!grown)
            return CLEW__NO_KEY;
        health->memories = grown;
        health->memory_capacity = capacity;
    }
    uint32_t number = clew__keys_add(&health->keys, key);
    if (number != CLEW__NO_KEY)
        health->memories[number] = (struct memory){0};
    return number;
}

/* What is remembered of a service (`client` empty) or an edge; CLEW__NO_KEY: no memory, or too much of it. */
static uint32_t memory_of(struct clew_health *health, clew_text service, clew_text client,
                          clew_edge_type type) {
    struct clew__key key = {clew__names_add(&health->names, service, NAMES_MAX),
                            clew__names_add(&health->names, client, NAMES_MAX), (uint32_t)type};
    if (key.a >= CLEW__NAME_LIMIT || key.b >= CLEW__NAME_LIMIT)
        return CLEW__NO_KEY;
    uint32_t number = clew__keys_find(&health->keys, key);
    return number == CLEW__NO_KEY ? add_memory(health, key) : number;
}

/* A change is told when it lasted; of what it was meanwhile, the least change. */
static clew_health_state settle(struct memory *memory, clew_health_state observed,
                                const clew_health_options *options) {
    bool is_worse = observed > memory->state, was_worse = memory->pending > memory->state;
    if (!memory->is_told || memory->state == CLEW_HEALTH_UNKNOWN || observed == memory->state) {
        memory->is_told = true;
        memory->intervals = 0;
        return memory->state = observed;
    }
    if (memory->intervals == 0 || is_worse != was_worse) {
        memory->intervals = 0;
        memory->pending = observed;
    }
    if (is_worse ? observed < memory->pending : observed > memory->pending)
        memory->pending = observed;
    if (++memory->intervals >= (is_worse ? options->intervals_worse : options->intervals_better)) {
        memory->state = memory->pending;
        memory->intervals = 0;
    }
    return memory->state;
}

/* ---- looking things up: reports are in order ---- */

static int compare_node(const void *key, const void *member) {
    return clew__text_compare(*(const clew_text *)key, ((const clew_map_node *)member)->service);
}

static int compare_edge(const void *key, const void *member) {
    const clew_map_edge *a = key, *b = member;
    int order = clew__text_compare(a->client, b->client);
    if (order == 0)
        order = clew__text_compare(a->server, b->server);
    return order ? order : (int)a->type - (int)b->type;
}

static int compare_service(const void *key, const void *member) {
    return clew__text_compare(*(const clew_text *)key, ((const clew_operation *)member)->service);
}

static const clew_map_node *find_node(const clew_map_report *map, clew_text service) {
    if (!map || map->node_count == 0)
        return NULL;
    return bsearch(&service, map->nodes, map->node_count, sizeof *map->nodes, compare_node);
}

static const clew_map_edge *find_edge(const clew_map_report *map, const clew_map_edge *like) {
    if (!map || map->edge_count == 0)
        return NULL;
    return bsearch(like, map->edges, map->edge_count, sizeof *map->edges, compare_edge);
}

static bool is_same(clew_text a, clew_text b) {
    return clew__text_compare(a, b) == 0;
}

static uint64_t objective_of(const clew_health_input *input, clew_text service, clew_text client) {
    for (size_t i = 0; i < input->objective_count; i++)
        if (is_same(input->objectives[i].service, service) && is_same(input->objectives[i].client, client))
            return input->objectives[i].latency_nano;
    return 0;
}

static clew_health_state verdict_of(const clew_health_input *input, clew_text service, clew_text client) {
    for (size_t i = 0; i < input->verdict_count; i++)
        if (is_same(input->verdicts[i].service, service) && is_same(input->verdicts[i].client, client))
            return input->verdicts[i].state;
    return CLEW_HEALTH_UNKNOWN;
}

/* ---- the evidence ---- */

static bool is_user(const clew_map_node *node) {
    static const char user[] = CLEW_MAP_USER;
    return node->is_virtual && is_same(node->service, (clew_text){user, sizeof user - 1});
}

struct judging {
    struct clew_health *health;
    const clew_health_input *input;
    double poor_share;     /* of all data */
    double critical_total; /* 0: without paths */
};

static double share_of(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

static double poor_share(const clew_health_input *input) {
    const clew_map_report *map = input->map;
    double missing = share_of(input->orphans + input->dropped, map->spans + input->dropped);
    double unpaired = share_of(map->in.unpaired + map->out.unpaired, map->in.spans + map->out.spans);
    return missing > unpaired ? missing : unpaired;
}

static double critical_total(const clew_map_report *map) {
    double total = (double)map->missing_nano + (double)map->unattributed_gap_nano;
    for (size_t i = 0; i < map->node_count; i++)
        total += (double)map->nodes[i].critical_nano;
    for (size_t i = 0; i < map->edge_count; i++)
        total += (double)map->edges[i].critical_gap_nano;
    return total;
}

static double critical_share(const struct judging *judging, uint64_t nano) {
    return judging->critical_total > 0 ? (double)nano / judging->critical_total : 0;
}

/* Fills in what the memory and the caller know, judges, and settles the state. */
static void judge(struct judging *judging, clew_health_item item, struct clew__health_evidence evidence) {
    struct clew_health *health = judging->health;
    size_t index = health->report.item_count++;
    uint32_t number = memory_of(health, item.service, item.client, item.is_edge ? item.type : NODE_TYPE);
    struct memory *memory = number == CLEW__NO_KEY ? NULL : &health->memories[number];
    evidence.objective_nano = objective_of(judging->input, item.service, item.client);
    evidence.verdict = verdict_of(judging->input, item.service, item.client);
    if (judging->poor_share > evidence.poor_share)
        evidence.poor_share = judging->poor_share;
    evidence.has_stopped = memory && memory->had_traffic && evidence.seen_calls == 0;
    clew__health_judge_item(&item, &evidence, &health->options);
    item.state = item.observed;
    if (memory) {
        item.state = settle(memory, item.observed, &health->options);
        memory->seen_in = health->interval;
        memory->item = (uint32_t)index;
        memory->silent = evidence.seen_calls ? 0 : memory->silent + 1;
        memory->had_traffic = memory->silent < SILENT_INTERVALS &&
                              (memory->had_traffic || evidence.seen_calls >= health->options.calls_min);
        item.service = clew__names_get(&health->names, health->keys.keys[number].a);
        item.client = clew__names_get(&health->names, health->keys.keys[number].b);
    }
    health->items[index] = item;
    health->numbers[index] = number;
}

static void judge_node(struct judging *judging, const clew_map_node *node) {
    const clew_health_input *input = judging->input;
    const clew_operations_report *operations = input->operations;
    const clew_map_node *longer = find_node(input->longer, node->service);
    clew_health_item item = {.service = node->service,
                             .client = {"", 0},
                             .is_virtual = node->is_virtual,
                             .critical_share = critical_share(judging, node->critical_nano)};
    struct clew__health_evidence evidence = {
        .seen_calls = node->seen_calls, .calls = node->calls, .errors = node->errors};
    if (operations && operations->service_count) {
        const clew_operation *row = bsearch(&node->service, operations->services, operations->service_count,
                                            sizeof *operations->services, compare_service);
        evidence.latency = row ? row->duration : NULL;
    }
    if (longer) {
        evidence.longer_seen = longer->seen_calls;
        evidence.longer_calls = longer->calls;
        evidence.longer_errors = longer->errors;
    }
    judge(judging, item, evidence);
}

static void judge_edge(struct judging *judging, const clew_map_edge *edge) {
    const clew_map_edge *longer = find_edge(judging->input->longer, edge);
    clew_health_item item = {.service = edge->server,
                             .client = edge->client,
                             .type = edge->type,
                             .is_edge = true,
                             .critical_share = critical_share(judging, edge->critical_gap_nano)};
    struct clew__health_evidence evidence = {
        .seen_calls = edge->seen_calls,
        .calls = edge->calls,
        .errors = edge->errors,
        .latency = edge->client_latency ? edge->client_latency : edge->server_latency,
        .poor_share = share_of(edge->skewed, edge->calls),
    };
    if (longer) {
        evidence.longer_seen = longer->seen_calls;
        evidence.longer_calls = longer->calls;
        evidence.longer_errors = longer->errors;
    }
    judge(judging, item, evidence);
}

/* What was there before, and is not in the map any more. */
static void judge_silent(struct judging *judging, uint32_t number) {
    struct clew_health *health = judging->health;
    const struct clew__key *key = &health->keys.keys[number];
    if (health->memories[number].seen_in == health->interval || !health->memories[number].had_traffic)
        return;
    clew_health_item item = {.service = clew__names_get(&health->names, key->a),
                             .client = clew__names_get(&health->names, key->b),
                             .is_edge = key->c != (uint32_t)NODE_TYPE,
                             .type = key->c != (uint32_t)NODE_TYPE ? (clew_edge_type)key->c : CLEW_EDGE_RPC};
    judge(judging, item, (struct clew__health_evidence){0});
}

/* The interval before, as another one saw it. */
static void remember_previous(struct clew_health *health, const clew_map_report *previous) {
    for (size_t i = 0; i < previous->node_count; i++) {
        const clew_map_node *node = &previous->nodes[i];
        uint32_t number = node->seen_calls < health->options.calls_min || is_user(node)
                              ? CLEW__NO_KEY
                              : memory_of(health, node->service, (clew_text){"", 0}, NODE_TYPE);
        if (number != CLEW__NO_KEY && health->memories[number].silent == 0)
            health->memories[number].had_traffic = true;
    }
    for (size_t i = 0; i < previous->edge_count; i++) {
        const clew_map_edge *edge = &previous->edges[i];
        uint32_t number = edge->seen_calls < health->options.calls_min
                              ? CLEW__NO_KEY
                              : memory_of(health, edge->server, edge->client, edge->type);
        if (number != CLEW__NO_KEY && health->memories[number].silent == 0)
            health->memories[number].had_traffic = true;
    }
}

/* ---- causes, and the whole ---- */

static bool is_unwell(const clew_health_item *item) {
    return item->state >= CLEW_HEALTH_WARN;
}

/* The item of a service in this report; NULL. `name`: of the memory. */
static clew_health_item *node_item(struct clew_health *health, clew__text name) {
    uint32_t number = clew__keys_find(&health->keys, (struct clew__key){name, 0, (uint32_t)NODE_TYPE});
    if (number == CLEW__NO_KEY || health->memories[number].seen_in != health->interval)
        return NULL;
    return &health->items[health->memories[number].item];
}

/* Not well, and none of what it calls is unwell: first everything unwell is suspected, then whoever calls
 * something unwell is not. */
static void find_causes(struct clew_health *health) {
    for (size_t i = 0; i < health->report.item_count; i++)
        health->items[i].is_root_cause = is_unwell(&health->items[i]);
    for (size_t i = 0; i < health->report.item_count; i++) {
        clew_health_item *edge = &health->items[i];
        uint32_t number = health->numbers[i];
        if (!edge->is_edge || number == CLEW__NO_KEY)
            continue;
        const struct clew__key *key = &health->keys.keys[number];
        clew_health_item *server = node_item(health, key->a), *client = node_item(health, key->b);
        bool is_server_unwell = server && is_unwell(server);
        if (is_server_unwell)
            edge->is_root_cause = false;
        if (client && client != server && (is_unwell(edge) || is_server_unwell))
            client->is_root_cause = false;
    }
}

/* Whether the user notices at once. */
static bool is_entry(const clew_map_report *map, const clew_health_item *item) {
    const clew_map_edge like = {.client = {CLEW_MAP_USER, sizeof CLEW_MAP_USER - 1},
                                .server = item->service,
                                .type = CLEW_EDGE_VIRTUAL_NODE};
    if (item->is_edge)
        return is_same(item->client, like.client);
    return find_edge(map, &like) != NULL;
}

static clew_health_state state_of_all(const struct clew_health *health, const clew_map_report *map,
                                      bool has_paths) {
    clew_health_state worst = CLEW_HEALTH_UNKNOWN;
    for (size_t i = 0; i < health->report.item_count; i++) {
        const clew_health_item *item = &health->items[i];
        clew_health_state state = item->state;
        bool is_minor = has_paths && item->critical_share < health->options.critical_share;
        if (is_unwell(item) && is_minor && !is_entry(map, item))
            state = (clew_health_state)(state - 1);
        if (state > worst)
            worst = state;
    }
    return worst;
}

static int compare_items(const void *left, const void *right) {
    const clew_health_item *a = left, *b = right;
    if (a->state != b->state)
        return a->state < b->state ? 1 : -1;
    if (a->critical_share < b->critical_share || a->critical_share > b->critical_share)
        return a->critical_share < b->critical_share ? 1 : -1;
    int order = clew__text_compare(a->service, b->service);
    if (order == 0)
        order = clew__text_compare(a->client, b->client);
    return order ? order : (int)a->type - (int)b->type;
}

/* When all that is unwell calls something unwell, in a ring: the one that weighs most. */
static void name_one_cause(struct clew_health *health) {
    for (size_t i = 0; i < health->report.item_count; i++)
        if (health->items[i].is_root_cause)
            return;
    if (health->report.item_count > 0)
        health->items[0].is_root_cause = is_unwell(&health->items[0]);
}

/* ---- an interval ---- */

static bool reserve(struct clew_health *health, size_t count) {
    if (count <= health->item_capacity)
        return true;
    clew_memory_release(health->items);
    clew_memory_release(health->numbers);
    health->item_capacity = 0;
    health->items = clew_memory_allocate(count * sizeof *health->items);
    health->numbers = clew_memory_allocate(count * sizeof *health->numbers);
    if (!health->items || !health->numbers)
        return false;
    health->item_capacity = count;
    return true;
}

static void judge_all(struct judging *judging) {
    struct clew_health *health = judging->health;
    const clew_map_report *map = judging->input->map;
    uint32_t remembered = health->keys.count;
    for (size_t i = 0; i < map->node_count; i++)
        if (!is_user(&map->nodes[i]))
            judge_node(judging, &map->nodes[i]);
    for (size_t i = 0; i < map->edge_count; i++)
        judge_edge(judging, &map->edges[i]);
    for (uint32_t i = 0; i < remembered; i++)
        judge_silent(judging, i);
}

const clew_health_report *clew_health_judge(clew_health *health, const clew_health_input *input) {
    clew_health_input used = {0};
    if (!health || !input)
        return NULL;
    clew__options_copy(&used, sizeof used, input, sizeof used);
    if (!used.map)
        return NULL;
    if (used.previous)
        remember_previous(health, used.previous);
    if (!reserve(health, used.map->node_count + used.map->edge_count + health->keys.count + 1))
        return NULL;
    struct judging judging = {health, &used, poor_share(&used), critical_total(used.map)};
    health->interval++;
    health->report = (clew_health_report){.items = health->items};
    judge_all(&judging);
    find_causes(health);
    health->report.state = state_of_all(health, used.map, judging.critical_total > 0);
    if (health->report.item_count > 1)
        qsort(health->items, health->report.item_count, sizeof *health->items, compare_items);
    name_one_cause(health);
    return &health->report;
}
