/* Service maps as they are told and drawn. */
#include "collector-bridge/report/layers.h"
#include "collector-bridge/report/map.h"
#include "test/unit/report/written.h"

#define T UINT64_C(1700000000000000000)

/* shop calls bank, 20 ms, of which bank takes 15 and fails; from outside shop takes 30 ms. */
static const struct build_span shop[] = {
    {.id = "a", .start = T, .end = T + 30 * MS, .service = "shop", .operation = "buy", .kind = CLEW_SERVER},
    {.id = "b",
     .parent = "a",
     .start = T + 5 * MS,
     .end = T + 25 * MS,
     .service = "shop",
     .operation = "POST",
     .kind = CLEW_CLIENT,
     .status = CLEW_STATUS_ERROR},
    {.id = "c",
     .parent = "b",
     .start = T + 8 * MS,
     .end = T + 23 * MS,
     .service = "bank",
     .operation = "charge",
     .kind = CLEW_SERVER,
     .status = CLEW_STATUS_ERROR},
};

static clew_service_map *map_of(const struct build_span *spans, size_t count) {
    struct subject subject = subject_of(spans, count);
    clew_service_map *map = clew_service_map_new(NULL);
    cr_assert_eq(clew_service_map_add(map, subject.built.trace, subject.path), CLEW_OK);
    subject_free(&subject);
    return map;
}

#define LATENCY(side, nano)                                                                                  \
    "\"" side "\":{\"count\":\"1\",\"p50Nano\":\"" nano "\",\"p95Nano\":\"" nano "\",\"p99Nano\":\"" nano    \
    "\",\"maxNano\":\"" nano "\"}"

Test(map_report, is_one_json_object) {
    clew_service_map *map = map_of(shop, COUNT(shop));
    struct clew__writer out = clew__buffer_plain();
    clew__report_map_json(&out, clew_service_map_read(map));
    clew_service_map_free(map);
    expect_written(
        &out,
        "{\"nodes\":[{\"service\":\"bank\",\"calls\":\"1\",\"errors\":\"1\",\"selfNano\":\"15000000\","
        "\"criticalNano\":\"15000000\"},{\"service\":\"shop\",\"calls\":\"1\",\"errors\":\"0\",\"selfNano\":"
        "\"15000000\",\"criticalNano\":\"10000000\"},{\"service\":\"user\",\"calls\":\"0\",\"errors\":\"0\","
        "\"selfNano\":\"0\",\"criticalNano\":\"0\"}],\"edges\":[{\"client\":\"shop\",\"server\":\"bank\","
        "\"type\":\"rpc\",\"calls\":\"1\",\"errors\":\"1\",\"clientErrors\":\"1\",\"serverErrors\":\"1\","
        "\"criticalGapNano\":\"5000000\",\"latency\":{" LATENCY("client", "20000000") "," LATENCY(
            "server", "15000000") "," LATENCY("gap",
                                              "5000000") "}},"
                                                         "{\"client\":\"user\",\"server\":\"shop\",\"type\":"
                                                         "\"virtual_node\",\"calls\":\"1\",\"errors\":\"0\","
                                                         "\"clientErrors\":\"0\",\"serverErrors\":\"0\","
                                                         "\"criticalGapNano\":\"0\",\"latency\":{" LATENCY(
                                                             "server",
                                                             "30000000") "}}],\"unresolved\":{\"unpairedIn\":"
                                                                         "\"0\",\"unpairedOut\":\"0\"}}\n");
    CLEW_NO_LEAKS();
}

Test(map_report, is_two_tables) {
    static const struct clew__style plain = {.columns = 0};
    clew_service_map *map = map_of(shop, COUNT(shop));
    struct clew__writer out = clew__buffer_plain();
    struct clew__palette palette = {.count = 0};
    clew__report_map(&out, &plain, &palette, clew_service_map_read(map), 0);
    clew_service_map_free(map);
    expect_written(
        &out, "1 trace, 3 spans, 30.0ms from first to last.\n"
              "\n"
              "Calls\n"
              "client  server  type          calls    errors     p50     p95     p99  gap p95  gap share  on "
              "path\n"
              "shop    bank    rpc               1  1 (100%)  20.0ms  20.0ms  20.0ms   5.00ms      16.7%     "
              "100%\n"
              "user    shop    virtual_node      1            30.0ms  30.0ms  30.0ms                         "
              "100%\n"
              "\n"
              "Services\n"
              "service  calls    errors    self  critical  share\n"
              "bank         1  1 (100%)  15.0ms    15.0ms  50.0%\n"
              "shop         1            15.0ms    10.0ms  33.3%\n");
    CLEW_NO_LEAKS();
}

#define EVIL "\"];x[label=\"\\N<b>&'\n"
static const struct build_span evil[] = {
    {.id = "a", .start = T, .end = T + 9, .service = "s", .operation = "o", .kind = CLEW_CLIENT},
    {.id = "b",
     .parent = "a",
     .start = T,
     .end = T + 9,
     .service = EVIL,
     .operation = "o",
     .kind = CLEW_SERVER},
};

Test(map_report, names_cannot_leave_their_quotes_in_dot) {
    clew_service_map *map = map_of(evil, COUNT(evil));
    struct clew__writer out = clew__buffer_plain();
    clew__report_map_dot(&out, clew_service_map_read(map));
    clew__write_raw(&out, "", 1);
    cr_assert(strstr((char *)out.data, "    \"s\" -> \"\\\"];x[label=\\\"\\\\N<b>&'\\\\n\" [label=\"1 call"),
              "%s", (char *)out.data);
    clew__buffer_fini(&out);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map_report, names_stay_text_in_pictures) {
    clew_service_map *map = map_of(evil, COUNT(evil));
    struct clew__writer out = clew__buffer_plain();
    cr_assert(clew__report_map_svg(&out, clew_service_map_read(map)));
    clew__write_raw(&out, "", 1);
    cr_assert(strstr((char *)out.data, "<title>&quot;];x[label=&quot;\\N&lt;b&gt;&amp;&#39;\\n</title>"));
    cr_assert_null(strstr((char *)out.data, "<b>"));
    clew__buffer_fini(&out);
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(map_report, empty_map_is_well_formed) {
    clew_service_map *map = clew_service_map_new(NULL);
    struct clew__writer out = clew__buffer_plain();
    const clew_map_report *report = clew_service_map_read(map);
    cr_assert(clew__report_map_svg(&out, report));
    out.size = 0;
    clew__report_map_json(&out, report);
    expect_written(&out, "{\"nodes\":[],\"edges\":[],\"unresolved\":{\"unpairedIn\":\"0\",\"unpairedOut\":"
                         "\"0\"}}\n");
    clew_service_map_free(map);
    CLEW_NO_LEAKS();
}

Test(layers, arrows_point_to_the_right) {
    static const struct clew__arrow arrows[] = {{2, 0}, {0, 1}, {2, 1}, {1, 3}, {3, 3}};
    struct clew__layers layers;
    cr_assert(clew__layers_init(&layers, 4, arrows, COUNT(arrows)));
    cr_assert_eq(layers.places[2].layer, 0);
    cr_assert_eq(layers.places[0].layer, 1);
    cr_assert_eq(layers.places[1].layer, 2);
    cr_assert_eq(layers.places[3].layer, 3);
    cr_assert_eq(layers.layer_count, 4);
    cr_assert_eq(layers.row_count, 1);
    clew__layers_fini(&layers);
    CLEW_NO_LEAKS();
}

Test(layers, ring_is_cut) {
    static const struct clew__arrow arrows[] = {{0, 1}, {1, 2}, {2, 0}};
    struct clew__layers layers;
    cr_assert(clew__layers_init(&layers, 3, arrows, COUNT(arrows)));
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(layers.places[i].layer, i);
    clew__layers_fini(&layers);
    CLEW_NO_LEAKS();
}

Test(layers, no_two_nodes_share_a_place) {
    enum { NODES = 200, ARROWS = 600 };
    struct clew__arrow arrows[ARROWS];
    struct clew__layers layers;
    struct random random = {7};
    for (size_t i = 0; i < ARROWS; i++)
        arrows[i] = (struct clew__arrow){(uint32_t)random_below(&random, NODES),
                                         (uint32_t)random_below(&random, NODES)};
    cr_assert(clew__layers_init(&layers, NODES, arrows, ARROWS));
    for (size_t i = 0; i < NODES; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert(layers.places[i].layer != layers.places[k].layer ||
                      layers.places[i].row != layers.places[k].row);
    clew__layers_fini(&layers);
    CLEW_NO_LEAKS();
}
