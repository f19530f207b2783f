/* A provider of its own with a memory exporter, for tests of spans. */
#ifndef CLEW_TEST_TRACE_KIT_H
#define CLEW_TEST_TRACE_KIT_H

#include "test/support.h"

#include <clew/clew.h>
#include <clew/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct kit {
    clew_memory_exporter *memory;
    clew_provider *provider;
    clew_tracer *tracer;
};

static inline struct kit kit_with(const clew_provider_options *options) {
    struct kit kit = {clew_memory_exporter_new(0), clew_provider_new(options), NULL};
    clew_exporter exporter = clew_memory_exporter_as_exporter(kit.memory);
    cr_assert_eq(clew_provider_add_simple(kit.provider, &exporter), 0);
    kit.tracer = clew_provider_tracer(kit.provider, "test", NULL, NULL, NULL, 0);
    return kit;
}

static inline struct kit kit_new(void) {
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
    return kit_with(&options);
}

static inline struct kit kit_limited(const clew_limits *limits) {
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL), .limits = limits};
    return kit_with(&options);
}

static inline struct kit kit_sampled(clew_sampler *sampler) {
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL), .sampler = sampler};
    return kit_with(&options);
}

static inline void kit_end(struct kit *kit) {
    clew_provider_shutdown(kit->provider, 1000);
    clew_memory_exporter_free(kit->memory);
}

static inline clew_span kit_start(struct kit *kit, const char *name) {
    return clew_span_start(kit->tracer, name, NULL);
}

/* The one span that has arrived. */
static inline clew_span_view kit_only(struct kit *kit) {
    cr_assert_eq(clew_memory_exporter_count(kit->memory), 1, "%zu spans arrived",
                 clew_memory_exporter_count(kit->memory));
    return clew_memory_exporter_at(kit->memory, 0);
}

static inline clew_span_view kit_find(struct kit *kit, const char *name) {
    clew_span_view view;
    cr_assert(clew_memory_exporter_find(kit->memory, name, &view), "no span %s", name);
    return view;
}

static inline clew_span_data data_of(clew_span_view view) {
    return clew_span_view_data(&view);
}

static inline bool text_is(clew_text text, const char *expected) {
    return text.size == strlen(expected) && (text.size == 0 || memcmp(text.data, expected, text.size) == 0);
}

static inline clew_stats_data books_of(const struct kit *kit) {
    clew_stats_data data;
    clew_stats_of(kit->provider, &data);
    return data;
}

static inline void expect_value(clew_span_view view, const char *key, clew_value expected) {
    char message[512];
    cr_assert(clew_expect_attribute(&view, key, expected, message, sizeof message), "%s", message);
}
static inline void expect_string(clew_span_view view, const char *key, const char *expected) {
    expect_value(view, key, clew_value_string(expected));
}
static inline void expect_int(clew_span_view view, const char *key, int64_t expected) {
    expect_value(view, key, clew_value_int(expected));
}
static inline void expect_absent(clew_span_view view, const char *key) {
    clew_value_view value;
    cr_assert_not(clew_span_view_attribute(&view, key, &value), "%s is there", key);
}

/* The text form of an attribute of any type. */
static inline void expect_text(clew_span_view view, const char *key, const char *expected) {
    clew_value_view value;
    char text[1024];
    cr_assert(clew_span_view_attribute(&view, key, &value), "no attribute %s", key);
    clew_value_view_text(&value, text, sizeof text);
    cr_assert_str_eq(text, expected);
}

static inline bool contains(clew_bytes bytes, const char *needle) {
    return memmem(bytes.data, bytes.size, needle, strlen(needle)) != NULL;
}

static inline clew_event_view event_at(clew_span_view view, size_t index) {
    clew_iterator events = clew_span_view_events(&view);
    clew_event_view event;
    for (size_t i = 0; i <= index; i++)
        cr_assert(clew_next_event(&events, &event), "no event %zu", index);
    return event;
}

static inline clew_link_view link_at(clew_span_view view, size_t index) {
    clew_iterator links = clew_span_view_links(&view);
    clew_link_view link;
    for (size_t i = 0; i <= index; i++)
        cr_assert(clew_next_link(&links, &link), "no link %zu", index);
    return link;
}

static inline bool find_in(clew_iterator list, const char *key, clew_attribute_view *out) {
    while (clew_next_attribute(&list, out))
        if (text_is(out->key, key))
            return true;
    return false;
}

/* A span context of somebody else's. */
static inline clew_span_context remote_context(uint8_t flags) {
    clew_span_context context = {.trace_flags = flags, .is_remote = true};
    memset(context.trace_id, 0xa1, sizeof context.trace_id);
    memset(context.span_id, 0xb2, sizeof context.span_id);
    return context;
}

#endif
