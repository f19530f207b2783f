/* Resources: copies that stand alone, merging, the wire form. */
#include "sdk/resource/resource.h"

#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>

#include <stdlib.h>

TestSuite(resource, .init = capture_log);

static clew_resource *resource_of(const char *key, const char *value, const char *schema_url) {
    clew_attribute attribute = clew_attribute_of(key, clew_value_string(value));
    return clew_resource_new(&attribute, 1, schema_url);
}

static bool has_text(const clew_resource *resource, const char *key, const char *text) {
    clew_value value = clew_resource_get(resource, key);
    return value.type == CLEW_TYPE_STRING && value.size == strlen(text) && strcmp(value.as.string, text) == 0;
}

/* ---- making ---- */

Test(resource, empty_resource_has_nothing) {
    clew_resource *resource = clew_resource_new(NULL, 5, NULL);
    cr_assert_eq(clew_resource_count(resource), 0);
    cr_assert_null(clew_resource_at(resource, 0).key);
    cr_assert_eq(clew_resource_get(resource, "a").type, CLEW_TYPE_EMPTY);
    cr_assert_str_empty(clew_resource_schema_url(resource));
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, null_resource_reads_as_the_empty_one) {
    cr_assert_eq(clew_resource_count(NULL), 0);
    cr_assert_null(clew_resource_at(NULL, 0).key);
    cr_assert_eq(clew_resource_get(NULL, "a").type, CLEW_TYPE_EMPTY);
    cr_assert_str_empty(clew_resource_schema_url(NULL));
    cr_assert_null(clew_resource_ref(NULL));
    clew_resource_unref(NULL);
}

Test(resource, values_of_every_type_are_copied) {
    char text[] = "text", key[] = "string", bytes[] = {0, 1, 2};
    clew_value numbers[] = {clew_value_int(1), clew_value_int(2)};
    clew_attribute inside[] = {{"deep", clew_value_array(numbers, 2)}, {"flat", clew_value_bool(true)}};
    clew_attribute attributes[] = {
        {key, clew_value_string(text)},        {"bool", clew_value_bool(true)},
        {"int", clew_value_int(INT64_MIN)},    {"double", clew_value_double(0.5)},
        {"bytes", clew_value_bytes(bytes, 3)}, {"array", clew_value_array(numbers, 2)},
        {"map", clew_value_map(inside, 2)},    {"empty", clew_value_empty()},
    };
    clew_resource *resource = clew_resource_new(attributes, 8, "https://example.org/1");
    memset(text, 'x', 4);
    memset(key, 'x', 6);
    memset(bytes, 9, 3);
    memset(numbers, 0, sizeof numbers);
    memset(inside, 0, sizeof inside);
    memset(attributes, 0, sizeof attributes);

    cr_assert_eq(clew_resource_count(resource), 8);
    cr_assert_str_eq(clew_resource_schema_url(resource), "https://example.org/1");
    cr_assert(has_text(resource, "string", "text"));
    cr_assert(clew_resource_get(resource, "bool").as.boolean);
    cr_assert_eq(clew_resource_get(resource, "int").as.integer, INT64_MIN);
    cr_assert_eq(clew_resource_get(resource, "double").as.real, 0.5);
    cr_assert_eq(clew_resource_get(resource, "bytes").size, 3);
    cr_assert_arr_eq(clew_resource_get(resource, "bytes").as.bytes, ((char[]){0, 1, 2}), 3);
    cr_assert_eq(clew_resource_get(resource, "array").as.array[1].as.integer, 2);
    clew_value map = clew_resource_get(resource, "map");
    cr_assert_eq(map.size, 2);
    cr_assert_str_eq(map.as.map[0].key, "deep");
    cr_assert_eq(map.as.map[0].value.size, 2);
    cr_assert_eq(map.as.map[0].value.as.array[0].as.integer, 1);
    cr_assert(map.as.map[1].value.as.boolean);
    cr_assert_str_eq(clew_resource_at(resource, 7).key, "empty");
    cr_assert_eq(clew_resource_at(resource, 7).value.type, CLEW_TYPE_EMPTY);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, of_equal_keys_the_last_counts) {
    clew_attribute attributes[] = {
        {"a", clew_value_int(1)}, {"b", clew_value_int(2)}, {"a", clew_value_int(3)}};
    clew_resource *resource = clew_resource_new(attributes, 3, NULL);
    cr_assert_eq(clew_resource_count(resource), 2);
    cr_assert_str_eq(clew_resource_at(resource, 0).key, "a");
    cr_assert_eq(clew_resource_at(resource, 0).value.as.integer, 3);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, attributes_without_a_key_are_left_out) {
    clew_attribute attributes[] = {
        {NULL, clew_value_int(1)}, {"", clew_value_int(2)}, {"a", clew_value_int(3)}};
    clew_resource *resource = clew_resource_new(attributes, 3, NULL);
    cr_assert_eq(clew_resource_count(resource), 1);
    cr_assert_eq(clew_resource_get(resource, NULL).type, CLEW_TYPE_EMPTY);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, text_with_a_zero_byte_keeps_its_size) {
    clew_attribute attribute = {"a", clew_value_string_n("x\0y", 3)};
    clew_resource *resource = clew_resource_new(&attribute, 1, NULL);
    cr_assert_eq(clew_resource_get(resource, "a").size, 3);
    cr_assert_arr_eq(clew_resource_get(resource, "a").as.string, "x\0y", 4);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, values_that_contradict_themselves_become_empty) {
    clew_value members[] = {clew_value_empty()};
    clew_attribute attributes[] = {{"string", clew_value_string("x")},
                                   {"bytes", clew_value_bytes("x", 1)},
                                   {"array", clew_value_array(members, 1)},
                                   {"unknown", clew_value_int(1)}};
    attributes[0].value.as.string = NULL;
    attributes[1].value.as.bytes = NULL;
    attributes[2].value.as.array = NULL;
    attributes[3].value.type = (clew_type)99;
    clew_resource *resource = clew_resource_new(attributes, 4, NULL);
    cr_assert_eq(clew_resource_get(resource, "string").type, CLEW_TYPE_EMPTY);
    cr_assert_eq(clew_resource_get(resource, "bytes").size, 0);
    cr_assert_eq(clew_resource_get(resource, "array").size, 0);
    cr_assert_eq(clew_resource_get(resource, "unknown").type, CLEW_TYPE_EMPTY);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

/* Arrays (of even levels) and maps (of odd ones) inside one another around a text. */
static clew_value *nested_value(clew_value *values, clew_attribute *members, size_t levels) {
    values[0] = clew_value_string("core");
    for (size_t i = 1; i <= levels; i++) {
        if (i % 2) {
            members[i] = clew_attribute_of("in", values[i - 1]);
            values[i] = clew_value_map(&members[i], 1);
        } else {
            values[i] = clew_value_array(&values[i - 1], 1);
        }
    }
    return &values[levels];
}

static size_t levels_of(clew_value value) {
    size_t levels = 0;
    while ((value.type == CLEW_TYPE_ARRAY || value.type == CLEW_TYPE_MAP) && value.size) {
        value = value.type == CLEW_TYPE_ARRAY ? value.as.array[0] : value.as.map[0].value;
        levels++;
    }
    return value.type == CLEW_TYPE_STRING ? levels : levels + 1000;
}

Test(resource, sixty_four_levels_are_copied_whole) {
    clew_value values[66];
    clew_attribute members[66];
    clew_attribute attribute = {"a", *nested_value(values, members, 64)};
    clew_resource *resource = clew_resource_new(&attribute, 1, NULL);
    cr_assert_eq(levels_of(clew_resource_get(resource, "a")), 64);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, what_is_deeper_becomes_empty) {
    enum { DEEP = 100000 };
    clew_value *values = malloc((DEEP + 1) * sizeof *values);
    clew_attribute *members = malloc((DEEP + 1) * sizeof *members);
    clew_attribute attribute = {"a", *nested_value(values, members, DEEP)};
    clew_resource *resource = clew_resource_new(&attribute, 1, NULL);
    free(values);
    free(members);
    cr_assert_eq(levels_of(clew_resource_get(resource, "a")), 1064, "64 levels, and then an empty value");
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, values_that_share_members_without_bound_are_refused) {
    clew_value pairs[40][2];
    clew_attribute attribute;
    pairs[0][0] = pairs[0][1] = clew_value_int(1);
    for (int i = 1; i < 40; i++)
        pairs[i][0] = pairs[i][1] = clew_value_array(pairs[i - 1], 2);
    attribute = clew_attribute_of("a", pairs[39][0]);
    cr_assert_null(clew_resource_new(&attribute, 1, NULL));
    CLEW_NO_LEAKS();
}

Test(resource, absurd_sizes_are_refused) {
    clew_value member = clew_value_int(1);
    clew_attribute attribute = {"a", clew_value_array(&member, SIZE_MAX / 2)};
    cr_assert_null(clew_resource_new(&attribute, 1, NULL));
    attribute.value = clew_value_string_n("x", SIZE_MAX);
    cr_assert_null(clew_resource_new(&attribute, 1, NULL));
    cr_assert_null(clew_resource_new(&attribute, SIZE_MAX / 2, NULL));
    CLEW_NO_LEAKS();
}

Test(resource, reference_keeps_the_resource) {
    clew_resource *resource = resource_of("a", "1", NULL);
    cr_assert_eq(clew_resource_ref(resource), resource);
    clew_resource_unref(resource);
    cr_assert(has_text(resource, "a", "1"));
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

/* ---- merging ---- */

Test(resource, merge_has_the_attributes_of_both_and_updating_wins) {
    clew_attribute old_attributes[] = {{"a", clew_value_int(1)}, {"b", clew_value_int(2)}};
    clew_attribute new_attributes[] = {{"b", clew_value_string("new")}, {"c", clew_value_int(3)}};
    clew_resource *old = clew_resource_new(old_attributes, 2, NULL);
    clew_resource *updating = clew_resource_new(new_attributes, 2, NULL);
    clew_resource *merged = clew_resource_merge(old, updating);
    clew_resource_unref(updating);
    cr_assert_eq(clew_resource_count(old), 2);
    cr_assert_eq(clew_resource_get(old, "b").as.integer, 2, "the old one does not change");
    clew_resource_unref(old);
    cr_assert_eq(clew_resource_count(merged), 3);
    cr_assert_eq(clew_resource_get(merged, "a").as.integer, 1);
    cr_assert(has_text(merged, "b", "new"));
    cr_assert_eq(clew_resource_get(merged, "c").as.integer, 3);
    clew_resource_unref(merged);
    CLEW_NO_LEAKS();
}

Test(resource, merge_lets_an_empty_value_win_too) {
    clew_attribute attributes[] = {{"a", clew_value_string("")}, {"b", clew_value_empty()}};
    clew_attribute old_attributes[] = {{"a", clew_value_string("x")}, {"b", clew_value_int(1)}};
    clew_resource *old = clew_resource_new(old_attributes, 2, NULL);
    clew_resource *updating = clew_resource_new(attributes, 2, NULL);
    clew_resource *merged = clew_resource_merge(old, updating);
    cr_assert(has_text(merged, "a", ""));
    cr_assert_eq(clew_resource_get(merged, "b").type, CLEW_TYPE_EMPTY);
    clew_resource_unref(old);
    clew_resource_unref(updating);
    clew_resource_unref(merged);
    CLEW_NO_LEAKS();
}

Test(resource, merge_with_null_is_a_copy) {
    clew_resource *one = resource_of("a", "1", "https://example.org/1");
    clew_resource *left = clew_resource_merge(NULL, one), *right = clew_resource_merge(one, NULL);
    clew_resource *nothing = clew_resource_merge(NULL, NULL);
    cr_assert(has_text(left, "a", "1") && has_text(right, "a", "1"));
    cr_assert_str_eq(clew_resource_schema_url(left), "https://example.org/1");
    cr_assert_str_eq(clew_resource_schema_url(right), "https://example.org/1");
    cr_assert_eq(clew_resource_count(nothing), 0);
    cr_assert_eq(captured.lines, 0);
    clew_resource_unref(one);
    clew_resource_unref(left);
    clew_resource_unref(right);
    clew_resource_unref(nothing);
    CLEW_NO_LEAKS();
}

static void expect_schema(const char *old_url, const char *new_url, const char *expected) {
    clew_resource *old = resource_of("a", "1", old_url), *updating = resource_of("b", "2", new_url);
    clew_resource *merged = clew_resource_merge(old, updating);
    cr_assert_str_eq(clew_resource_schema_url(merged), expected);
    cr_assert_eq(clew_resource_count(merged), 2);
    clew_resource_unref(old);
    clew_resource_unref(updating);
    clew_resource_unref(merged);
}

Test(resource, merge_keeps_the_one_schema_url_there_is) {
    expect_schema("https://example.org/1", NULL, "https://example.org/1");
    expect_schema("", "https://example.org/2", "https://example.org/2");
    expect_schema("https://example.org/1", "https://example.org/1", "https://example.org/1");
    cr_assert_eq(captured.lines, 0);
    CLEW_NO_LEAKS();
}

Test(resource, merge_of_different_schema_urls_is_logged_and_has_none) {
    expect_schema("https://example.org/1", "https://example.org/2", "");
    cr_assert(captured_one_warning("https://example.org/1", "https://example.org/2", NULL), "%s",
              captured.all);
    CLEW_NO_LEAKS();
}

/* ---- the wire ---- */

Test(resource, wire_form_is_a_list_of_attributes) {
    static const uint8_t expected[] = {
        0x0a, 0x08, 0x0a, 0x01, 'a', 0x12, 0x03, 0x0a, 0x01, 'x', /* 1 { 1: "a" 2 { 1: "x" } } */
        0x0a, 0x07, 0x0a, 0x01, 'n', 0x12, 0x02, 0x18, 0x05,      /* 1 { 1: "n" 2 { 3: 5 } } */
        0x0a, 0x05, 0x0a, 0x01, 'e', 0x12, 0x00,                  /* 1 { 1: "e" 2 {} } */
    };
    clew_attribute attributes[] = {
        {"a", clew_value_string("x")}, {"n", clew_value_int(5)}, {"e", clew_value_empty()}};
    clew_resource *resource = clew_resource_new(attributes, 3, NULL);
    uint8_t memory[256];
    struct clew__writer writer = {.data = memory, .capacity = sizeof memory};
    cr_assert(clew__resource_encode(resource, &writer));
    cr_assert_eq(writer.size, sizeof expected);
    cr_assert_arr_eq(memory, expected, sizeof expected);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, writer_without_room_is_left_as_it_was) {
    char text[200] = {0};
    uint8_t memory[64];
    struct clew__writer writer = {.data = memory, .size = 5, .capacity = sizeof memory};
    clew_attribute attributes[] = {{"a", clew_value_string("x")},
                                   {"b", clew_value_string_n(text, sizeof text)}};
    clew_resource *resource = clew_resource_new(attributes, 2, NULL);
    cr_assert_not(clew__resource_encode(resource, &writer));
    cr_assert_eq(writer.size, 5);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(resource, null_resource_writes_nothing) {
    uint8_t memory[8];
    struct clew__writer writer = {.data = memory, .capacity = sizeof memory};
    cr_assert(clew__resource_encode(NULL, &writer));
    cr_assert_eq(writer.size, 0);
}

/* ---- what a fork makes stale ---- */

Test(resource, merge_forgets_a_finding_that_the_updating_one_overrides) {
    clew_attribute findings[] = {{"process.pid", clew_value_int(1)},
                                 {"service.instance.id", clew_value_string("x")}};
    clew_resource *found = clew__resource_make(findings, 2, NULL, CLEW__FRESH_PID | CLEW__FRESH_INSTANCE_ID);
    clew_resource *given = resource_of("service.instance.id", "mine", NULL);
    clew_resource *merged = clew_resource_merge(found, given);
    clew_resource *other_way = clew_resource_merge(given, found);
    cr_assert_eq(clew__resource_fresh(merged), CLEW__FRESH_PID);
    cr_assert_eq(clew__resource_fresh(other_way), CLEW__FRESH_PID | CLEW__FRESH_INSTANCE_ID);
    clew_resource_unref(found);
    clew_resource_unref(given);
    clew_resource_unref(merged);
    clew_resource_unref(other_way);
    CLEW_NO_LEAKS();
}

/* ---- without memory ---- */

static unsigned allowed;

static void *allocate_some(void *user, size_t size) {
    (void)user;
    return allowed > 0 ? allowed--, malloc(size) : NULL;
}

static void *reallocate_none(void *user, void *block, size_t size) {
    (void)user, (void)block, (void)size;
    return NULL;
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

Test(resource, each_failed_allocation_gives_null_and_leaves_nothing) {
    static const clew_allocator allocator = {allocate_some, reallocate_none, release, NULL};
    clew_resource *one, *two, *merged;
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    for (allowed = 0; allowed < 2;) {
        unsigned granted = allowed;
        cr_assert_null(resource_of("a", "1", NULL));
        allowed = granted + 1;
    }
    allowed = 4;
    one = resource_of("a", "1", NULL);
    two = resource_of("b", "2", NULL);
    cr_assert_null(clew_resource_merge(one, two));
    allowed = 1;
    cr_assert_null(clew_resource_merge(one, two));
    allowed = 2;
    merged = clew_resource_merge(one, two);
    cr_assert_not_null(merged);
    clew_resource_unref(one);
    clew_resource_unref(two);
    clew_resource_unref(merged);
    CLEW_NO_LEAKS();
}
