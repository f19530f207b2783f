/* Attributes of spans: every type, keys, and what setting a key again does. */
#include "kit.h"

#include <math.h>
#include <stdio.h>

Test(attributes, string_is_recorded) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "key", "value");
    clew_span_end(span);
    expect_string(kit_only(&kit), "key", "value");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, strings_of_every_length_are_recorded) {
    struct kit kit = kit_new();
    char value[3000], key[16];
    memset(value, 'v', sizeof value);
    for (size_t size = 0; size < 200; size++) {
        clew_span span = kit_start(&kit, "work");
        clew_span_set_string_n(span, "key", value, size);
        clew_span_set_string_n(span, "large", value, sizeof value - size);
        clew_span_end(span);
    }
    for (size_t size = 0; size < 200; size++) {
        clew_span_view view = clew_memory_exporter_at(kit.memory, size);
        expect_value(view, "key", clew_value_string_n(value, size));
        expect_value(view, "large", clew_value_string_n(value, sizeof value - size));
        (void)key;
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, keys_of_every_length_are_recorded) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    char key[101];
    for (size_t size = 1; size <= 100; size++) {
        memset(key, 'k', size);
        key[size] = '\0';
        clew_span_set_int(span, key, (int64_t)size);
    }
    clew_span_end(span);
    for (size_t size = 1; size <= 100; size++) {
        memset(key, 'k', size);
        key[size] = '\0';
        expect_int(kit_only(&kit), key, (int64_t)size);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, scalars_are_recorded) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_bool(span, "yes", true);
    clew_span_set_bool(span, "no", false);
    clew_span_set_int(span, "least", INT64_MIN);
    clew_span_set_int(span, "most", INT64_MAX);
    clew_span_set_int(span, "zero", 0);
    clew_span_set_int(span, "minus", -1);
    clew_span_set_double(span, "real", 0.1);
    clew_span_set_double(span, "endless", INFINITY);
    clew_span_set_unsigned(span, "small", 7);
    clew_span_set_unsigned(span, "huge", UINT64_MAX);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_value(view, "yes", clew_value_bool(true));
    expect_value(view, "no", clew_value_bool(false));
    expect_int(view, "least", INT64_MIN);
    expect_int(view, "most", INT64_MAX);
    expect_int(view, "zero", 0);
    expect_int(view, "minus", -1);
    expect_value(view, "real", clew_value_double(0.1));
    expect_value(view, "endless", clew_value_double(INFINITY));
    expect_int(view, "small", 7);
    expect_string(view, "huge", "18446744073709551615");
    cr_assert_eq(data_of(view).attribute_count, 10);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, not_a_number_is_recorded) {
    struct kit kit = kit_new();
    clew_value_view value;
    clew_span span = kit_start(&kit, "work");
    clew_span_set_double(span, "nan", NAN);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert(clew_span_view_attribute(&view, "nan", &value));
    cr_assert_eq(value.type, CLEW_TYPE_DOUBLE);
    cr_assert(isnan(value.real));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, empty_values_are_values) {
    struct kit kit = kit_new();
    clew_value_view value;
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "text", "");
    clew_span_set_string(span, "null", NULL);
    clew_span_set_value(span, "empty", clew_value_empty());
    clew_span_set_value(span, "bytes", clew_value_bytes(NULL, 0));
    clew_span_set_value(span, "array", clew_value_array(NULL, 0));
    clew_span_set_value(span, "map", clew_value_map(NULL, 0));
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    static const struct {
        const char *key;
        clew_type type;
    } expected[] = {{"text", CLEW_TYPE_STRING}, {"null", CLEW_TYPE_EMPTY},  {"empty", CLEW_TYPE_EMPTY},
                    {"bytes", CLEW_TYPE_BYTES}, {"array", CLEW_TYPE_ARRAY}, {"map", CLEW_TYPE_MAP}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        cr_assert(clew_span_view_attribute(&view, expected[i].key, &value), "%s", expected[i].key);
        cr_assert_eq(value.type, expected[i].type, "%s", expected[i].key);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, bytes_are_recorded) {
    struct kit kit = kit_new();
    static const uint8_t bytes[] = {0, 1, 0xff, 0};
    clew_value_view value;
    clew_span span = kit_start(&kit, "work");
    clew_span_set_value(span, "key", clew_value_bytes(bytes, sizeof bytes));
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert(clew_span_view_attribute(&view, "key", &value));
    cr_assert_eq(value.type, CLEW_TYPE_BYTES);
    cr_assert_eq(value.data.size, sizeof bytes);
    cr_assert_arr_eq(value.data.data, bytes, sizeof bytes);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, zero_inside_a_string_is_kept) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string_n(span, "key", "a\0b", 3);
    clew_span_end(span);
    expect_value(kit_only(&kit), "key", clew_value_string_n("a\0b", 3));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, invalid_utf8_becomes_bytes) {
    struct kit kit = kit_new();
    clew_value_view value;
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "short", "a\xff");
    clew_span_set_string(span, "surrogate", "\xed\xa0\x80");
    clew_span_set_string(span, "overlong", "\xc0\x80");
    clew_span_set_string(span, "long",
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x80");
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    static const char *const keys[] = {"short", "surrogate", "overlong", "long"};
    for (size_t i = 0; i < 4; i++) {
        cr_assert(clew_span_view_attribute(&view, keys[i], &value), "%s", keys[i]);
        cr_assert_eq(value.type, CLEW_TYPE_BYTES, "%s", keys[i]);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, text_of_other_languages_stays_text) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "Größe");
    clew_span_set_string(span, "schlüssel", "μῆνιν ἄειδε 🧶");
    clew_span_set_int(span, "größe", 3);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_string(view, "schlüssel", "μῆνιν ἄειδε 🧶");
    expect_int(view, "größe", 3);
    cr_assert(text_is(data_of(view).name, "Größe"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, key_that_is_not_utf8_is_repaired) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "a\xff", "text");
    clew_span_set_int(span, "b\xff", 1);
    clew_span_set_bool(span, "c\xff", true);
    clew_span_set_double(span, "d\xff", 2.5);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_string(view, "a\xef\xbf\xbd", "text");
    expect_int(view, "b\xef\xbf\xbd", 1);
    expect_value(view, "c\xef\xbf\xbd", clew_value_bool(true));
    expect_value(view, "d\xef\xbf\xbd", clew_value_double(2.5));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, repaired_key_set_again_replaces) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "a\xff", "first");
    clew_span_set_string(span, "a\xef\xbf\xbd", "second");
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).attribute_count, 1);
    expect_string(kit_only(&kit), "a\xef\xbf\xbd", "second");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, null_or_empty_key_is_ignored_and_counted) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_attribute nameless = clew_attribute_of(NULL, clew_value_int(1));
    clew_span_set_string(span, NULL, "value");
    clew_span_set_string(span, "", "value");
    clew_span_set_int(span, "", 1);
    clew_span_set_value(span, NULL, clew_value_empty());
    clew_span_set_attributes(span, &nameless, 1);
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).attribute_count, 0);
    cr_assert_eq(data_of(kit_only(&kit)).dropped_attributes, 5);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, arrays_and_maps_nest) {
    struct kit kit = kit_new();
    clew_value numbers[] = {clew_value_int(1), clew_value_empty(), clew_value_string("x\"y")};
    clew_attribute inner[] = {CLEW_KV("list", clew_value_array(numbers, 3)), CLEW_KV("no", (bool)false)};
    clew_attribute outer[] = {CLEW_KV("in", clew_value_map(inner, 2)), CLEW_KV("d", 1.5)};
    clew_span span = kit_start(&kit, "work");
    clew_span_set_value(span, "key", clew_value_map(outer, 2));
    clew_span_end(span);
    expect_text(kit_only(&kit), "key", "{\"in\":{\"list\":[1,null,\"x\\\"y\"],\"no\":false},\"d\":1.5}");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, last_of_equal_keys_in_a_map_counts) {
    struct kit kit = kit_new();
    clew_attribute map[] = {CLEW_KV("a", "secret"), CLEW_KV("b", 1), CLEW_KV("a", 2)};
    clew_span span = kit_start(&kit, "work");
    clew_span_set_value(span, "key", clew_value_map(map, 3));
    clew_span_end(span);
    expect_text(kit_only(&kit), "key", "{\"a\":2,\"b\":1}");
    cr_assert_not(contains(kit_only(&kit).span, "secret"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, setting_a_key_again_replaces_the_value) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "key", "one");
    clew_span_set_int(span, "other", 1);
    clew_span_set_double(span, "key", 2.0);
    clew_span_set_bool(span, "other", true);
    clew_span_set_string(span, "key", "three");
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 2);
    expect_string(view, "key", "three");
    expect_value(view, "other", clew_value_bool(true));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

static clew_bytes last_request;

static clew_export_outcome keep_request(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                        clew_export_report *report) {
    clew_bytes request = clew_batch_request(batch);
    (void)self;
    (void)timeout_ms;
    (void)report;
    last_request.data = memcpy(malloc(request.size), request.data, request.size);
    last_request.size = request.size;
    return CLEW_EXPORT_DELIVERED;
}

Test(attributes, replaced_secret_does_not_travel) {
    clew_provider_options options = {.resource = clew_resource_new(NULL, 0, NULL)};
    clew_provider *provider = clew_provider_new(&options);
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL, .export_batch = keep_request};
    clew_value hidden = clew_value_string("in-a-list-hunter2");
    char large[5000];
    memset(large, 'x', sizeof large);
    memcpy(large + 2000, "hunter2", 7);
    cr_assert_eq(clew_provider_add_batch(provider, &exporter, NULL), 0);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    clew_span span = clew_span_start(tracer, "name-hunter2", NULL);
    clew_span_set_string(span, "before", "stays");
    clew_span_set_string(span, "password", "hunter2");
    clew_span_set_string_n(span, "large", large, sizeof large);
    clew_span_set_value(span, "list", clew_value_array(&hidden, 1));
    clew_span_set_status(span, CLEW_STATUS_ERROR, "status-hunter2");
    clew_span_set_string(span, "after", "stays too");
    clew_span_set_string(span, "password", "***");
    clew_span_set_string(span, "large", "small");
    clew_span_set_value(span, "list", clew_value_empty());
    clew_span_set_status(span, CLEW_STATUS_OK, NULL);
    clew_span_update_name(span, "name");
    clew_span_end(span);
    cr_assert_eq(clew_provider_shutdown(provider, 2000).status, 0);
    cr_assert(last_request.size > 0);
    cr_assert(contains(last_request, "stays too"));
    cr_assert(contains(last_request, "***"));
    cr_assert_not(contains(last_request, "hunter2"));
    free((void *)(uintptr_t)last_request.data);
    last_request.data = NULL;
    CLEW_NO_LEAKS();
}

Test(attributes, everything_survives_keys_that_are_set_again) {
    struct kit kit = kit_new();
    clew_span_context other = remote_context(1);
    clew_attribute at_event = CLEW_KV("at", "event");
    clew_span span = kit_start(&kit, "first name");
    clew_span_set_string(span, "a", "a rather long value that will go away");
    clew_span_add_event(span, "event", &at_event, 1, 5);
    clew_span_set_status(span, CLEW_STATUS_ERROR, "broken");
    clew_span_set_string(span, "b", "b");
    clew_span_add_link(span, &other, NULL, 0);
    clew_span_update_name(span, "second");
    clew_span_set_string(span, "a", "A");
    clew_span_set_string(span, "b", "B is longer now");
    clew_span_set_status(span, CLEW_STATUS_ERROR, "still broken");
    clew_span_set_string(span, "a", "AA");
    clew_span_update_name(span, "third name");
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    clew_span_data data = data_of(view);
    expect_string(view, "a", "AA");
    expect_string(view, "b", "B is longer now");
    cr_assert(text_is(data.name, "third name"));
    cr_assert(text_is(data.status_description, "still broken"));
    cr_assert_eq(data.status, CLEW_STATUS_ERROR);
    cr_assert_eq(data.attribute_count, 2);
    cr_assert(text_is(event_at(view, 0).name, "event"));
    cr_assert_eq(data.link_count, 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, a_hundred_and_twenty_eight_keys_are_replaced_each) {
    struct kit kit = kit_new();
    char key[16];
    clew_span span = kit_start(&kit, "work");
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 128; i++) {
            snprintf(key, sizeof key, "key.%d", i);
            clew_span_set_int(span, key, round * 1000 + i);
        }
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 128);
    cr_assert_eq(data_of(view).dropped_attributes, 0);
    for (int i = 0; i < 128; i++) {
        snprintf(key, sizeof key, "key.%d", i);
        expect_int(view, key, 2000 + i);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, thousands_of_keys_fit_where_the_limit_allows) {
    clew_limits limits = clew_limits_default();
    char key[16];
    limits.attribute_count = CLEW_UNLIMITED;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        clew_span_set_int(span, key, i);
    }
    clew_span_set_int(span, "k17", -17);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 4000);
    expect_int(view, "k17", -17);
    expect_int(view, "k3999", 3999);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* The hash looks at the first and the last eight bytes: these keys differ only between them. */
Test(attributes, keys_with_one_hash_are_told_apart) {
    clew_limits limits = clew_limits_default();
    limits.attribute_count = 500;
    struct kit kit = kit_limited(&limits);
    char key[32];
    clew_span span = kit_start(&kit, "work");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            snprintf(key, sizeof key, "aaaaaaaa%03dzzzzzzzz", i);
            clew_span_set_int(span, key, round * 1000 + i);
        }
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 300);
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "aaaaaaaa%03dzzzzzzzz", i);
        expect_int(view, key, 1000 + i);
    }
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, several_at_once_are_the_same_as_one_by_one) {
    struct kit kit = kit_new();
    clew_value two[] = {clew_value_int(1), clew_value_int(2)};
    clew_attribute list[] = {CLEW_KV("s", "text"),     CLEW_KV("i", 5),
                             CLEW_KV("b", (bool)true), CLEW_KV("d", 0.5),
                             CLEW_KV("s", "again"),    CLEW_KV("a", clew_value_array(two, 2))};
    clew_span span = kit_start(&kit, "work");
    clew_span_set_attributes(span, list, 6);
    clew_span_set_attributes(span, NULL, 3);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 5);
    expect_string(view, "s", "again");
    expect_int(view, "i", 5);
    expect_value(view, "b", clew_value_bool(true));
    expect_value(view, "d", clew_value_double(0.5));
    expect_text(view, "a", "[1,2]");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, given_at_the_start_are_recorded) {
    struct kit kit = kit_new();
    clew_attribute list[] = {CLEW_KV("a", 1), CLEW_KV("a", 2), CLEW_KV("b", "x")};
    clew_span_options options = {.attributes = list, .attribute_count = 3};
    clew_span_end(clew_span_start(kit.tracer, "work", &options));
    cr_assert_eq(data_of(kit_only(&kit)).attribute_count, 2);
    expect_int(kit_only(&kit), "a", 2);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(attributes, clew_set_chooses_by_type) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "work");
    char text[] = "chars";
    clew_set(span, "text", text);
    clew_set(span, "int", 3);
    clew_set(span, "long", 4L);
    clew_set(span, "bool", (bool)true);
    clew_set(span, "real", 2.5f);
    clew_set(span, "unsigned", UINT64_MAX);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_string(view, "text", "chars");
    expect_int(view, "int", 3);
    expect_int(view, "long", 4);
    expect_value(view, "bool", clew_value_bool(true));
    expect_value(view, "real", clew_value_double(2.5));
    expect_string(view, "unsigned", "18446744073709551615");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}
