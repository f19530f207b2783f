/* What limits do: the first ones stay, the rest is counted and said once a span. */
#include "kit.h"
#include "test/unit/config/captured_log.h"

#include <stdio.h>

Test(limits, attributes_past_the_count_are_dropped_and_counted) {
    clew_limits limits = clew_limits_default();
    limits.attribute_count = 2;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_int(span, "a", 1);
    clew_span_set_int(span, "b", 2);
    clew_span_set_int(span, "c", 3);
    clew_span_set_string(span, "d", "4");
    clew_span_set_int(span, "a", 10);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert_eq(data_of(view).attribute_count, 2);
    cr_assert_eq(data_of(view).dropped_attributes, 2);
    expect_int(view, "a", 10);
    expect_int(view, "b", 2);
    cr_assert_eq(books_of(&kit).dropped_attributes, 2);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, the_default_is_128_of_each) {
    struct kit kit = kit_new();
    clew_span_context other = remote_context(0);
    char key[16];
    clew_span span = kit_start(&kit, "work");
    for (int i = 0; i < 130; i++) {
        snprintf(key, sizeof key, "key.%d", i);
        clew_span_set_int(span, key, i);
        clew_span_add_event(span, key, NULL, 0, 0);
        clew_span_add_link(span, &other, NULL, 0);
    }
    clew_span_end(span);
    clew_span_data data = data_of(kit_only(&kit));
    cr_assert_eq(data.attribute_count, 128);
    cr_assert_eq(data.dropped_attributes, 2);
    cr_assert_eq(data.event_count, 128);
    cr_assert_eq(data.dropped_events, 2);
    cr_assert_eq(data.link_count, 128);
    cr_assert_eq(data.dropped_links, 2);
    cr_assert_eq(books_of(&kit).dropped_events, 2);
    cr_assert_eq(books_of(&kit).dropped_links, 2);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, a_count_of_zero_is_a_limit) {
    clew_limits limits = {.attribute_value_length = CLEW_UNLIMITED, .attribute_value_depth = 64};
    clew_span_context other = remote_context(0);
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_int(span, "a", 1);
    clew_span_add_event(span, "event", NULL, 0, 0);
    clew_span_add_link(span, &other, NULL, 0);
    clew_span_end(span);
    clew_span_data data = data_of(kit_only(&kit));
    cr_assert_eq(data.attribute_count + data.event_count + data.link_count, 0);
    cr_assert_eq(data.dropped_attributes, 1);
    cr_assert_eq(data.dropped_events, 1);
    cr_assert_eq(data.dropped_links, 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, attributes_of_events_and_links_are_counted_there) {
    clew_limits limits = clew_limits_default();
    clew_attribute list[] = {CLEW_KV("a", 1), CLEW_KV("a", 2), CLEW_KV("b", 3), CLEW_KV("c", 4)};
    clew_span_context other = remote_context(0);
    limits.event_attribute_count = 2;
    limits.link_attribute_count = 1;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_add_event(span, "event", list, 4, 0);
    clew_span_add_link(span, &other, list, 4);
    clew_span_end(span);
    clew_event_view event = event_at(kit_only(&kit), 0);
    clew_link_view link = link_at(kit_only(&kit), 0);
    clew_attribute_view found;
    cr_assert_eq(event.dropped_attributes, 1);
    cr_assert(find_in(clew_event_view_attributes(&event), "a", &found));
    cr_assert_eq(found.value.integer, 2);
    cr_assert_not(find_in(clew_event_view_attributes(&event), "c", &found));
    cr_assert_eq(link.dropped_attributes, 2);
    cr_assert_not(find_in(clew_link_view_attributes(&link), "b", &found));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, length_counts_characters_of_text_and_bytes_of_bytes) {
    clew_limits limits = clew_limits_default();
    clew_value inner[] = {clew_value_string("ääää"), clew_value_int(123456)};
    clew_value_view value;
    limits.attribute_value_length = 3;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "a long name is no value");
    clew_span_set_string(span, "ascii", "abcdef");
    clew_span_set_string(span, "short", "abc");
    clew_span_set_string(span, "wide", "ä🧶öü");
    clew_span_set_value(span, "bytes", clew_value_bytes("12345", 5));
    clew_span_set_value(span, "array", clew_value_array(inner, 2));
    clew_span_set_string(span, "broken",
                         "a\xff"
                         "cde");
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_string(view, "ascii", "abc");
    expect_string(view, "short", "abc");
    expect_string(view, "wide", "ä🧶ö");
    expect_text(view, "array", "[\"äää\",123456]");
    cr_assert(clew_span_view_attribute(&view, "bytes", &value));
    cr_assert_eq(value.data.size, 3);
    cr_assert(clew_span_view_attribute(&view, "broken", &value));
    cr_assert_eq(value.data.size, 3);
    cr_assert(text_is(data_of(view).name, "a long name is no value"));
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, length_of_zero_leaves_empty_text) {
    clew_limits limits = clew_limits_default();
    limits.attribute_value_length = 0;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string(span, "key", "value");
    clew_span_end(span);
    expect_string(kit_only(&kit), "key", "");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, what_is_nested_too_deep_becomes_empty) {
    clew_limits limits = clew_limits_default();
    clew_value leaf = clew_value_int(1), third = clew_value_array(&leaf, 1),
               second = clew_value_array(&third, 1);
    limits.attribute_value_depth = 2;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_value(span, "deep", clew_value_array(&second, 1));
    clew_span_set_value(span, "fits", clew_value_array(&leaf, 1));
    clew_span_end(span);
    expect_text(kit_only(&kit), "deep", "[[null]]");
    expect_text(kit_only(&kit), "fits", "[1]");
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, sixty_four_levels_fit_by_default_and_no_more) {
    struct kit kit = kit_new();
    clew_value levels[66];
    char text[1024];
    clew_value_view value;
    levels[0] = clew_value_int(7);
    for (int i = 1; i < 66; i++)
        levels[i] = clew_value_array(&levels[i - 1], 1);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_value(span, "64", levels[64]);
    clew_span_set_value(span, "65", levels[65]);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    cr_assert(clew_span_view_attribute(&view, "64", &value));
    cr_assert_eq(clew_value_view_text(&value, text, sizeof text), 64 + 1 + 64);
    cr_assert_eq(text[64], '7');
    cr_assert(clew_span_view_attribute(&view, "65", &value));
    clew_value_view_text(&value, text, sizeof text);
    cr_assert_eq(strncmp(text + 64, "null", 4), 0, "%s", text);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, one_line_a_span_tells_of_drops) {
    clew_limits limits = {.attribute_value_length = CLEW_UNLIMITED, .attribute_value_depth = 64};
    capture_log();
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    for (int i = 0; i < 10; i++) {
        clew_span_set_int(span, "a", 1);
        clew_span_add_event(span, "event", NULL, 0, 0);
    }
    clew_span_end(span);
    cr_assert_eq(captured.lines, 1, "%s", captured.all);
    cr_assert_eq(captured.level, CLEW_LOG_WARN);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, dropped_attributes_of_an_event_are_told) {
    clew_limits limits = clew_limits_default();
    clew_attribute attribute = CLEW_KV("a", 1);
    limits.event_attribute_count = 0;
    capture_log();
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_add_event(span, "event", &attribute, 1, 0);
    clew_span_end(span);
    cr_assert_eq(captured.lines, 1, "%s", captured.all);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, a_key_given_twice_past_the_limit_counts_once) {
    clew_limits limits = clew_limits_default();
    clew_attribute attributes[] = {CLEW_KV("kept", 1), CLEW_KV("gone", 1), CLEW_KV("gone", 2)};
    clew_event_view event;
    limits.event_attribute_count = 1;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "work");
    clew_span_add_event(span, "event", attributes, 3, 0);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    clew_iterator events = clew_span_view_events(&view);
    cr_assert(clew_next_event(&events, &event));
    cr_assert_eq(event.dropped_attributes, 1);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, a_span_is_at_most_four_mebibytes) {
    struct kit kit = kit_new();
    size_t size = 3 << 20;
    char *large = malloc(size);
    memset(large, 'x', size);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string_n(span, "first", large, size);
    clew_span_set_string_n(span, "second", large, size);
    clew_span_set_int(span, "small", 1);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_value(view, "first", clew_value_string_n(large, size));
    expect_absent(view, "second");
    expect_int(view, "small", 1);
    cr_assert_eq(data_of(view).dropped_attributes, 1);
    free(large);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, past_the_memory_budget_the_span_lives_without_the_attribute) {
    struct kit kit = kit_new();
    size_t size = 2 << 20;
    char *large = calloc(1, size);
    cr_assert_eq(clew_set_memory_limit(1 << 20), 0);
    clew_span span = kit_start(&kit, "work");
    clew_span_set_string_n(span, "large", large, size);
    clew_span_set_int(span, "small", 1);
    clew_span_add_event(span, "huge event", &(clew_attribute){"a", clew_value_string_n(large, size)}, 1, 0);
    clew_span_end(span);
    clew_span_view view = kit_only(&kit);
    expect_absent(view, "large");
    expect_int(view, "small", 1);
    cr_assert_eq(data_of(view).dropped_attributes, 1);
    cr_assert_eq(data_of(view).dropped_events, 1);
    cr_assert(books_of(&kit).memory_used <= 1 << 20);
    free(large);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(limits, two_providers_with_opposite_limits_share_a_process) {
    clew_limits narrow = clew_limits_default(), wide = clew_limits_default();
    narrow.attribute_count = 1;
    narrow.attribute_value_length = 2;
    struct kit one = kit_limited(&narrow), two = kit_limited(&wide);
    for (int i = 0; i < 100; i++) {
        clew_span a = kit_start(&one, "a"), b = kit_start(&two, "b");
        clew_span_set_string(a, "x", "12345");
        clew_span_set_string(b, "x", "12345");
        clew_span_set_string(a, "y", "12345");
        clew_span_set_string(b, "y", "12345");
        clew_span_end(a);
        clew_span_end(b);
    }
    for (size_t i = 0; i < 100; i++) {
        expect_string(clew_memory_exporter_at(one.memory, i), "x", "12");
        expect_absent(clew_memory_exporter_at(one.memory, i), "y");
        expect_string(clew_memory_exporter_at(two.memory, i), "x", "12345");
        expect_string(clew_memory_exporter_at(two.memory, i), "y", "12345");
    }
    kit_end(&one);
    kit_end(&two);
    CLEW_NO_LEAKS();
}
