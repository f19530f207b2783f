/* Situations of service maps and what is expected of them: service_map_otel_cases of our vectors. Times in
 * microseconds. */
#ifndef CLEW_TEST_ANALYSIS_MAP_CASES_H
#define CLEW_TEST_ANALYSIS_MAP_CASES_H

#include "test/unit/analysis/build.h"

#include <clew/analysis/map.h>

/* Which samples are said. */
enum { SAYS_CLIENT = 1, SAYS_SERVER = 2, SAYS_LAG = 4 };

struct map_case_edge {
    const char *client, *server;
    clew_edge_type type;
    uint64_t calls, errors, client_errors, server_errors;
    unsigned says;
    uint64_t client_us, server_us, lag_us; /* 0: no sample */
    bool says_sides;                       /* client_errors and server_errors */
    bool is_indirect;
};

static const struct map_case {
    const char *name;
    struct build_span spans[5];
    struct map_case_edge edges[3];
    uint64_t unpaired_in, unpaired_out;
} map_cases[] = {
    {
        .name = "pair_same_service",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "some-service",
                 .start = 0,
                 .end = 1000000},
                {.trace = "t1",
                 .id = "s",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "some-service",
                 .start = 0,
                 .end = 2000000},
            },
        .edges =
            {
                {.client = "some-service",
                 .server = "some-service",
                 .type = CLEW_EDGE_RPC,
                 .calls = 1,
                 .errors = 0,
                 .client_us = 1000000,
                 .server_us = 2000000,
                 .says = SAYS_CLIENT | SAYS_SERVER},
            },
    },
    {
        .name = "client_with_peer_service",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "some-client-service",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"peer.service", "AuthTokenCache"}}},
            },
        .edges =
            {
                {.client = "some-client-service",
                 .server = "AuthTokenCache",
                 .type = CLEW_EDGE_VIRTUAL_NODE,
                 .calls = 1,
                 .errors = 0,
                 .client_us = 1000,
                 .says = SAYS_CLIENT | SAYS_SERVER},
            },
    },
    {
        .name = "client_without_peer",
        .spans =
            {
                {.trace = "t1", .id = "c", .kind = CLEW_CLIENT, .service = "a", .start = 0, .end = 1000},
            },
        .unpaired_out = 1,
    },
    {
        .name = "root_server",
        .spans =
            {
                {.trace = "t1", .id = "s", .kind = CLEW_SERVER, .service = "b", .start = 0, .end = 1000},
            },
        .edges =
            {
                {.client = "user",
                 .server = "b",
                 .type = CLEW_EDGE_VIRTUAL_NODE,
                 .calls = 1,
                 .errors = 0,
                 .server_us = 1000,
                 .says = SAYS_CLIENT | SAYS_SERVER},
            },
    },
    {
        .name = "server_client_lost",
        .spans =
            {
                {.trace = "t1",
                 .id = "s",
                 .parent = "gone",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 0,
                 .end = 1000},
            },
        .unpaired_in = 1,
    },
    {
        .name = "error_client_only",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .status = CLEW_STATUS_ERROR},
                {.trace = "t1",
                 .id = "s",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 0,
                 .end = 1000},
            },
        .edges =
            {
                {.client = "a",
                 .server = "b",
                 .type = CLEW_EDGE_RPC,
                 .calls = 1,
                 .errors = 1,
                 .says_sides = true,
                 .client_errors = 1,
                 .server_errors = 0},
            },
    },
    {
        .name = "error_both",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .status = CLEW_STATUS_ERROR},
                {.trace = "t1",
                 .id = "s",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 0,
                 .end = 1000,
                 .status = CLEW_STATUS_ERROR},
            },
        .edges =
            {
                {.client = "a",
                 .server = "b",
                 .type = CLEW_EDGE_RPC,
                 .calls = 1,
                 .errors = 1,
                 .says_sides = true,
                 .client_errors = 1,
                 .server_errors = 1},
            },
    },
    {
        .name = "db_name",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "mythical-server",
                 .start = 0,
                 .end = 23000,
                 .attributes = {{"db.name", "postgres"}}},
            },
        .edges =
            {
                {.client = "mythical-server",
                 .server = "postgres",
                 .type = CLEW_EDGE_DATABASE,
                 .calls = 1,
                 .errors = 0,
                 .client_us = 23000,
                 .says = SAYS_CLIENT | SAYS_SERVER},
            },
    },
    {
        .name = "db_system_only_new_semconv",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"db.system.name", "postgresql"}}},
            },
        .edges =
            {
                {.client = "a", .server = "postgresql", .type = CLEW_EDGE_DATABASE, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "db_naming_precedence",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"db.namespace", "orders"},
                                {"db.name", "legacy"},
                                {"db.system", "postgresql"},
                                {"server.address", "pg-1"},
                                {"server.port", "#5432"},
                                {"peer.service", "orders-db"}}},
            },
        .edges =
            {
                {.client = "a", .server = "orders-db", .type = CLEW_EDGE_DATABASE, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "db_network_peer_port",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"db.system", "mysql"},
                                {"network.peer.address", "10.0.0.7"},
                                {"network.peer.port", "#3306"}}},
            },
        .edges =
            {
                {.client = "a",
                 .server = "10.0.0.7:3306",
                 .type = CLEW_EDGE_DATABASE,
                 .calls = 1,
                 .errors = 0},
            },
    },
    {
        .name = "db_client_with_instrumented_server",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"db.system", "mysql"}, {"db.namespace", "shop"}}},
                {.trace = "t1",
                 .id = "s",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "vitess",
                 .start = 0,
                 .end = 1000},
            },
        .edges =
            {
                {.client = "a", .server = "vitess", .type = CLEW_EDGE_RPC, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "producer_consumer_parent",
        .spans =
            {
                {.trace = "t1", .id = "p", .kind = CLEW_PRODUCER, .service = "req", .start = 0, .end = 68},
                {.trace = "t1",
                 .id = "k",
                 .parent = "p",
                 .kind = CLEW_CONSUMER,
                 .service = "rec",
                 .start = 9950,
                 .end = 10643},
            },
        .edges =
            {
                {.client = "req",
                 .server = "rec",
                 .type = CLEW_EDGE_MESSAGING,
                 .calls = 1,
                 .errors = 0,
                 .lag_us = 9882,
                 .says = SAYS_LAG},
            },
    },
    {
        .name = "producer_consumer_link_other_trace",
        .spans =
            {
                {.trace = "t1", .id = "p", .kind = CLEW_PRODUCER, .service = "req", .start = 0, .end = 68},
                {.trace = "t2",
                 .id = "k",
                 .kind = CLEW_CONSUMER,
                 .service = "rec",
                 .start = 5000,
                 .end = 6000,
                 .links = {{.trace = "t1", .id = "p"}}},
            },
        .edges =
            {
                {.client = "req", .server = "rec", .type = CLEW_EDGE_MESSAGING, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "fan_out_three_consumers",
        .spans =
            {
                {.trace = "t1", .id = "p", .kind = CLEW_PRODUCER, .service = "req", .start = 0, .end = 68},
                {.trace = "t1",
                 .id = "k1",
                 .parent = "p",
                 .kind = CLEW_CONSUMER,
                 .service = "r1",
                 .start = 100,
                 .end = 200},
                {.trace = "t1",
                 .id = "k2",
                 .parent = "p",
                 .kind = CLEW_CONSUMER,
                 .service = "r2",
                 .start = 100,
                 .end = 300},
                {.trace = "t1",
                 .id = "k3",
                 .parent = "p",
                 .kind = CLEW_CONSUMER,
                 .service = "r1",
                 .start = 100,
                 .end = 400},
            },
        .edges =
            {
                {.client = "req", .server = "r1", .type = CLEW_EDGE_MESSAGING, .calls = 2, .errors = 0},
                {.client = "req", .server = "r2", .type = CLEW_EDGE_MESSAGING, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "batch_consumer_two_links",
        .spans =
            {
                {.trace = "t1", .id = "p1", .kind = CLEW_PRODUCER, .service = "a", .start = 0, .end = 10},
                {.trace = "t2", .id = "p2", .kind = CLEW_PRODUCER, .service = "b", .start = 0, .end = 10},
                {.trace = "t3",
                 .id = "k",
                 .kind = CLEW_CONSUMER,
                 .service = "c",
                 .start = 50,
                 .end = 90,
                 .links = {{.trace = "t1", .id = "p1"}, {.trace = "t2", .id = "p2"}}},
            },
        .edges =
            {
                {.client = "a", .server = "c", .type = CLEW_EDGE_MESSAGING, .calls = 1, .errors = 0},
                {.client = "b", .server = "c", .type = CLEW_EDGE_MESSAGING, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "hedged_two_servers",
        .spans =
            {
                {.trace = "t1", .id = "c", .kind = CLEW_CLIENT, .service = "a", .start = 0, .end = 100},
                {.trace = "t1",
                 .id = "s1",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 5,
                 .end = 40},
                {.trace = "t1",
                 .id = "s2",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 10,
                 .end = 90},
            },
        .edges =
            {
                {.client = "a", .server = "b", .type = CLEW_EDGE_RPC, .calls = 2, .errors = 0},
            },
    },
    {
        .name = "client_internal_server",
        .spans =
            {
                {.trace = "t1", .id = "c", .kind = CLEW_CLIENT, .service = "a", .start = 0, .end = 100},
                {.trace = "t1",
                 .id = "i",
                 .parent = "c",
                 .kind = CLEW_INTERNAL,
                 .service = "a",
                 .start = 5,
                 .end = 95},
                {.trace = "t1",
                 .id = "s",
                 .parent = "i",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 10,
                 .end = 90},
            },
        .edges =
            {
                {.client = "a",
                 .server = "b",
                 .type = CLEW_EDGE_RPC,
                 .calls = 1,
                 .errors = 0,
                 .is_indirect = true},
            },
    },
    {
        .name = "no_kinds_cross_service",
        .spans =
            {
                {.trace = "t1", .id = "x", .service = "a", .start = 0, .end = 1000},
                {.trace = "t1", .id = "y", .parent = "x", .service = "b", .start = 0, .end = 1000},
            },
        .edges =
            {
                {.client = "a", .server = "b", .type = CLEW_EDGE_UNKNOWN, .calls = 1, .errors = 0},
            },
    },
    {
        .name = "same_service_internal_children",
        .spans =
            {
                {.trace = "t1", .id = "x", .service = "a", .start = 0, .end = 1000},
                {.trace = "t1", .id = "y", .parent = "x", .service = "a", .start = 0, .end = 1000},
            },
    },
    {
        .name = "root_consumer_external_producer",
        .spans =
            {
                {.trace = "t1",
                 .id = "k",
                 .kind = CLEW_CONSUMER,
                 .service = "internal-consumer",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"peer.service", "external-producer"}}},
            },
        .edges =
            {
                {.client = "external-producer",
                 .server = "internal-consumer",
                 .type = CLEW_EDGE_VIRTUAL_NODE,
                 .calls = 1,
                 .errors = 0},
            },
    },
    {
        .name = "genai_client",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "coding-agent",
                 .start = 0,
                 .end = 1000,
                 .attributes = {{"gen_ai.operation.name", "chat"},
                                {"gen_ai.provider.name", "openai"},
                                {"gen_ai.request.model", "gpt-x"}}},
            },
        .edges =
            {
                {.client = "coding-agent",
                 .server = "openai",
                 .type = CLEW_EDGE_GENAI,
                 .calls = 1,
                 .errors = 0},
            },
    },
    {
        .name = "sampling_weight",
        .spans =
            {
                {.trace = "t1",
                 .id = "c",
                 .kind = CLEW_CLIENT,
                 .service = "a",
                 .start = 0,
                 .end = 1000,
                 .tracestate = "ot=th:8"},
                {.trace = "t1",
                 .id = "s",
                 .parent = "c",
                 .kind = CLEW_SERVER,
                 .service = "b",
                 .start = 0,
                 .end = 1000},
            },
        .edges =
            {
                {.client = "a", .server = "b", .type = CLEW_EDGE_RPC, .calls = 2, .errors = 0},
            },
    },
};

#endif
