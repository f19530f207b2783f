/* Health: each kind of evidence, patience, causes, and the whole. */
#include "test/failing.h"
#include "test/support.h"

#include <clew/analysis/health.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TEXT(text)                                                                                           \
    { text, sizeof(text) - 1 }
#define MS UINT64_C(1000000)

/* A shop that is called by the user, and calls its stock, which calls a database. */
struct world {
    clew_map_node nodes[4]; /* redis, shop, stock, user */
    clew_map_edge edges[3]; /* shop > stock, stock > redis, user > shop */
    clew_map_report map;
};
enum { REDIS, SHOP, STOCK, USER };
enum { SHOP_STOCK, STOCK_REDIS, USER_SHOP };

static void set_calls(struct world *world, uint64_t calls) {
    for (size_t i = 0; i < COUNT(world->nodes); i++)
        world->nodes[i].calls = world->nodes[i].seen_calls = i == USER ? 0 : calls;
    for (size_t i = 0; i < COUNT(world->edges); i++)
        world->edges[i].calls = world->edges[i].seen_calls = calls;
}

static void world_init(struct world *world) {
    *world = (struct world){
        .nodes = {{.service = TEXT("redis"), .is_virtual = true},
                  {.service = TEXT("shop"), .critical_nano = 40},
                  {.service = TEXT("stock"), .critical_nano = 40},
                  {.service = TEXT("user"), .is_virtual = true}},
        .edges = {{.client = TEXT("shop"), .server = TEXT("stock"), .critical_gap_nano = 1},
                  {.client = TEXT("stock"),
                   .server = TEXT("redis"),
                   .type = CLEW_EDGE_DATABASE,
                   .critical_gap_nano = 19},
                  {.client = TEXT("user"), .server = TEXT("shop"), .type = CLEW_EDGE_VIRTUAL_NODE}},
    };
    world->map = (clew_map_report){
        .nodes = world->nodes, .node_count = 4, .edges = world->edges, .edge_count = 3, .spans = 1000};
    world->map.in.spans = world->map.in.paired = 500;
    set_calls(world, 1000);
}

static const clew_health_report *judge(clew_health *health, const clew_map_report *map) {
    const clew_health_input input = {.struct_size = sizeof input, .map = map};
    const clew_health_report *report = clew_health_judge(health, &input);
    cr_assert_not_null(report);
    return report;
}

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static const clew_health_item *find(const clew_health_report *report, const char *client,
                                    const char *service) {
    for (size_t i = 0; i < report->item_count; i++)
        if (is_text(report->items[i].service, service) && is_text(report->items[i].client, client))
            return &report->items[i];
    cr_assert_fail("no %s > %s", client, service);
    return NULL;
}

static const clew_health_finding *finding(const clew_health_item *item, clew_health_reason reason) {
    for (size_t i = 0; i < item->finding_count; i++)
        if (item->findings[i].reason == reason)
            return &item->findings[i];
    return NULL;
}

Test(health, all_is_well_without_errors) {
    struct world world;
    world_init(&world);
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = judge(health, &world.map);
    cr_assert_eq(report->state, CLEW_HEALTH_OK);
    cr_assert_eq(report->item_count, 6); /* without the user */
    for (size_t i = 0; i < report->item_count; i++) {
        cr_assert_eq(report->items[i].state, CLEW_HEALTH_OK);
        cr_assert_eq(report->items[i].finding_count, 0);
        cr_assert(!report->items[i].is_root_cause);
    }
    cr_assert_str_eq(clew_health_state_name(report->state), "ok");
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

/* 8 of 100 may well be less than 5 % in truth; 80 of 1000 may not. */
Test(health, errors_count_as_far_as_they_are_sure) {
    struct world world;
    world_init(&world);
    set_calls(&world, 100);
    world.nodes[STOCK].errors = 8;
    clew_health *health = clew_health_new(NULL);
    const clew_health_item *item = find(judge(health, &world.map), "", "stock");
    cr_assert_eq(item->state, CLEW_HEALTH_WARN);
    cr_assert_float_eq(item->error_rate, 0.08, 1e-9);
    cr_assert_float_eq(item->error_rate_low, 0.0411, 0.0005); /* by hand */
    cr_assert_float_eq(item->error_rate_high, 0.1500, 0.0005);
    cr_assert_not_null(finding(item, CLEW_HEALTH_ERRORS));
    clew_health_free(health);
    set_calls(&world, 1000);
    world.nodes[STOCK].errors = 80;
    health = clew_health_new(NULL);
    cr_assert_eq(find(judge(health, &world.map), "", "stock")->state, CLEW_HEALTH_CRIT);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

/* Weights are no evidence: a thousand calls that stand for ten that were seen are ten. */
Test(health, of_few_calls_nothing_is_said) {
    struct world world;
    world_init(&world);
    world.nodes[STOCK].errors = 1000;
    world.nodes[STOCK].seen_calls = 19;
    clew_health *health = clew_health_new(NULL);
    const clew_health_item *item = find(judge(health, &world.map), "", "stock");
    cr_assert_eq(item->state, CLEW_HEALTH_UNKNOWN);
    cr_assert_not_null(finding(item, CLEW_HEALTH_FEW_CALLS));
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, of_poor_data_nothing_is_said) {
    struct world world;
    world_init(&world);
    world.nodes[STOCK].errors = 1000;
    clew_health_input input = {.struct_size = sizeof input, .map = &world.map, .orphans = 300};
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = clew_health_judge(health, &input);
    cr_assert_eq(report->state, CLEW_HEALTH_UNKNOWN);
    cr_assert_not_null(finding(find(report, "", "stock"), CLEW_HEALTH_DATA_QUALITY));
    world.map.in.unpaired = 200;
    input.orphans = 0;
    cr_assert_eq(clew_health_judge(health, &input)->state, CLEW_HEALTH_UNKNOWN);
    world.map.in.unpaired = 0;
    world.edges[SHOP_STOCK].skewed = 500;
    report = clew_health_judge(health, &input);
    cr_assert_eq(find(report, "shop", "stock")->state, CLEW_HEALTH_UNKNOWN);
    cr_assert_eq(find(report, "", "stock")->state, CLEW_HEALTH_CRIT);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, latency_is_judged_by_the_share_above_its_objective) {
    struct world world;
    world_init(&world);
    clew_sketch *sketch = clew_sketch_new();
    cr_assert_eq(clew_sketch_add(sketch, 10 * MS, 1), 0);
    for (int i = 0; i < 999; i++)
        cr_assert_eq(clew_sketch_add(sketch, (i % 10 ? 10 : 300) * MS, 1), 0);
    const clew_operation row = {.service = TEXT("shop"), .duration = sketch};
    const clew_operations_report operations = {.services = &row, .service_count = 1};
    const clew_health_objective objectives[] = {
        {.service = TEXT("shop"), .latency_nano = 200 * MS},
        {.service = TEXT("stock"), .client = TEXT("shop"), .latency_nano = 400 * MS}};
    world.edges[SHOP_STOCK].client_latency = sketch;
    const clew_health_input input = {.struct_size = sizeof input,
                                     .map = &world.map,
                                     .operations = &operations,
                                     .objectives = objectives,
                                     .objective_count = 2};
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = clew_health_judge(health, &input);
    const clew_health_item *item = find(report, "", "shop");
    cr_assert_eq(item->state, CLEW_HEALTH_CRIT);
    cr_assert_float_eq(finding(item, CLEW_HEALTH_LATENCY)->value, 0.1, 0.002);
    cr_assert_eq(find(report, "shop", "stock")->state, CLEW_HEALTH_OK);
    clew_health_free(health);
    clew_sketch_free(sketch);
    CLEW_NO_LEAKS();
}

Test(health, a_budget_burns_when_it_does_so_in_both_windows) {
    struct world world, longer;
    world_init(&world);
    world_init(&longer);
    const clew_health_options options = {
        .struct_size = sizeof options, .availability = 0.999, .error_warn = 1, .error_crit = 1};
    const clew_health_input input = {.struct_size = sizeof input, .map = &world.map, .longer = &longer.map};
    world.nodes[SHOP].errors = 20;
    longer.nodes[SHOP].errors = 1;
    clew_health *health = clew_health_new(&options);
    cr_assert_eq(find(clew_health_judge(health, &input), "", "shop")->observed, CLEW_HEALTH_OK);
    longer.nodes[SHOP].errors = 8;
    cr_assert_eq(find(clew_health_judge(health, &input), "", "shop")->observed, CLEW_HEALTH_WARN);
    longer.nodes[SHOP].errors = 15;
    const clew_health_item *item = find(clew_health_judge(health, &input), "", "shop");
    cr_assert_eq(item->observed, CLEW_HEALTH_CRIT);
    cr_assert_float_eq(finding(item, CLEW_HEALTH_BURN_RATE)->value, 15, 1e-6);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, traffic_that_stops_is_told_whoever_saw_it_before) {
    struct world before, now;
    world_init(&before);
    world_init(&now);
    now.map.nodes = now.nodes + SHOP; /* no redis */
    now.map.node_count = 3;
    const clew_health_input input = {.struct_size = sizeof input, .map = &now.map, .previous = &before.map};
    clew_health *health = clew_health_new(NULL);
    const clew_health_item *item = find(clew_health_judge(health, &input), "", "redis");
    cr_assert_eq(item->observed, CLEW_HEALTH_CRIT);
    cr_assert_not_null(finding(item, CLEW_HEALTH_NO_TRAFFIC));
    clew_health_free(health);
    health = clew_health_new(NULL);
    judge(health, &before.map);
    for (int i = 0; i < 2; i++)
        judge(health, &now.map);
    item = find(judge(health, &now.map), "", "redis");
    cr_assert_eq(item->state, CLEW_HEALTH_CRIT);
    cr_assert(item->is_root_cause);
    for (int i = 0; i < 10; i++)
        judge(health, &now.map);
    cr_assert_eq(judge(health, &now.map)->item_count, 5); /* forgotten */
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, a_verdict_of_others_counts) {
    struct world world;
    world_init(&world);
    const clew_health_verdict verdict = {.service = TEXT("stock"), .state = CLEW_HEALTH_WARN};
    const clew_health_input input = {
        .struct_size = sizeof input, .map = &world.map, .verdicts = &verdict, .verdict_count = 1};
    clew_health *health = clew_health_new(NULL);
    const clew_health_item *item = find(clew_health_judge(health, &input), "", "stock");
    cr_assert_eq(item->state, CLEW_HEALTH_WARN);
    cr_assert_str_eq(clew_health_reason_name(item->findings[0].reason), "regression");
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

static clew_health_state state_after(clew_health *health, struct world *world, uint64_t errors) {
    world->nodes[STOCK].errors = errors;
    return find(judge(health, &world->map), "", "stock")->state;
}

Test(health, worsens_after_two_intervals_and_recovers_after_three) {
    struct world world;
    world_init(&world);
    clew_health *health = clew_health_new(NULL);
    cr_assert_eq(state_after(health, &world, 0), CLEW_HEALTH_OK);
    cr_assert_eq(state_after(health, &world, 500), CLEW_HEALTH_OK);
    cr_assert_eq(state_after(health, &world, 0), CLEW_HEALTH_OK);
    cr_assert_eq(state_after(health, &world, 500), CLEW_HEALTH_OK);
    cr_assert_eq(state_after(health, &world, 30), CLEW_HEALTH_WARN); /* the lesser of the two */
    cr_assert_eq(state_after(health, &world, 500), CLEW_HEALTH_WARN);
    cr_assert_eq(state_after(health, &world, 500), CLEW_HEALTH_CRIT);
    cr_assert_eq(state_after(health, &world, 0), CLEW_HEALTH_CRIT);
    cr_assert_eq(state_after(health, &world, 0), CLEW_HEALTH_CRIT);
    cr_assert_eq(state_after(health, &world, 0), CLEW_HEALTH_OK);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, the_cause_is_what_calls_nothing_that_is_unwell) {
    struct world world;
    world_init(&world);
    world.nodes[SHOP].errors = world.nodes[STOCK].errors = world.nodes[REDIS].errors = 500;
    for (size_t i = 0; i < 3; i++)
        world.edges[i].errors = 500;
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = judge(health, &world.map);
    size_t causes = 0;
    for (size_t i = 0; i < report->item_count; i++)
        causes += report->items[i].is_root_cause;
    cr_assert_eq(causes, 1);
    cr_assert(find(report, "", "redis")->is_root_cause);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

/* Clients that see errors of a server that sees none: the way between them. */
Test(health, the_cause_may_be_the_way_between_two) {
    struct world world;
    world_init(&world);
    world.nodes[SHOP].errors = world.edges[SHOP_STOCK].errors = 500;
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = judge(health, &world.map);
    cr_assert(find(report, "shop", "stock")->is_root_cause);
    cr_assert(!find(report, "", "shop")->is_root_cause);
    cr_assert(!find(report, "", "stock")->is_root_cause);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, of_a_ring_of_what_is_unwell_one_is_named) {
    struct world world;
    world_init(&world);
    world.edges[STOCK_REDIS].server = (clew_text)TEXT("shop");
    world.edges[STOCK_REDIS].type = CLEW_EDGE_RPC;
    world.nodes[SHOP].errors = world.nodes[STOCK].errors = 500;
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = judge(health, &world.map);
    cr_assert(report->items[0].is_root_cause);
    cr_assert_eq(report->items[0].state, CLEW_HEALTH_CRIT);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

Test(health, what_hardly_counts_on_critical_paths_hardly_counts_for_the_whole) {
    struct world world;
    world_init(&world);
    world.edges[SHOP_STOCK].errors = 500;
    clew_health *health = clew_health_new(NULL);
    cr_assert_eq(judge(health, &world.map)->state, CLEW_HEALTH_WARN);
    clew_health_free(health);
    world.edges[SHOP_STOCK].errors = 0;
    world.edges[USER_SHOP].errors = 500; /* no time, but it is the user */
    health = clew_health_new(NULL);
    cr_assert_eq(judge(health, &world.map)->state, CLEW_HEALTH_CRIT);
    clew_health_free(health);
    CLEW_NO_LEAKS();
}

static void judge_without_memory(const struct world *world) {
    const clew_health_input input = {.struct_size = sizeof input, .map = &world->map};
    clew_health *health = clew_health_new(NULL);
    const clew_health_report *report = health ? clew_health_judge(health, &input) : NULL;
    cr_assert(report || has_failed);
    if (report)
        cr_assert_eq(find(report, "", "stock")->state, CLEW_HEALTH_CRIT);
    clew_health_free(health);
}

Test(health, survives_every_allocation_that_fails) {
    struct world world;
    int allocation = 0;
    cr_assert_eq(failing_install(), 0);
    world_init(&world);
    world.nodes[STOCK].errors = 500;
    do {
        failing_begin(allocation++);
        judge_without_memory(&world);
    } while (failing_end());
    cr_assert_gt(allocation, 8);
    cr_assert_null(clew_health_judge(NULL, NULL));
    CLEW_NO_LEAKS();
}
