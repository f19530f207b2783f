#include "test/support.h"

#include <clew/baggage.h>

#include <string.h>

Test(baggage, holds_what_is_set) {
    clew_baggage *one = clew_baggage_set(NULL, "tenant", "acme", NULL);
    clew_baggage *two = clew_baggage_set(one, "Größe", "ä,;=% \"", "ttl=60");
    cr_expect_eq(clew_baggage_count(one), 1);
    cr_expect_eq(clew_baggage_count(two), 2);
    cr_expect_str_eq(clew_baggage_get(two, "tenant"), "acme");
    cr_expect_str_eq(clew_baggage_get(two, "Größe"), "ä,;=% \"");
    cr_expect_null(clew_baggage_get(one, "Größe"), "the old one stays as it is");
    cr_expect_str_eq(clew_baggage_at(two, 1).name, "Größe");
    cr_expect_str_eq(clew_baggage_at(two, 1).metadata, "ttl=60");
    cr_expect_null(clew_baggage_at(two, 0).metadata);
    cr_expect_null(clew_baggage_at(two, 2).name);
    clew_baggage_unref(one);
    cr_expect_str_eq(clew_baggage_get(two, "tenant"), "acme", "it needs the old one no more");
    clew_baggage_unref(two);
    CLEW_NO_LEAKS();
}

Test(baggage, has_a_name_once) {
    clew_baggage *one = clew_baggage_set(NULL, "name", "1", "old");
    clew_baggage *two = clew_baggage_set(one, "name", "2", NULL);
    cr_expect_eq(clew_baggage_count(two), 1);
    cr_expect_str_eq(clew_baggage_get(two, "name"), "2");
    cr_expect_null(clew_baggage_at(two, 0).metadata);
    clew_baggage_unref(one);
    clew_baggage_unref(two);
    CLEW_NO_LEAKS();
}

Test(baggage, tells_upper_from_lower_case) {
    clew_baggage *one = clew_baggage_set(NULL, "name", "1", NULL);
    clew_baggage *two = clew_baggage_set(one, "Name", "2", NULL);
    cr_expect_str_eq(clew_baggage_get(two, "name"), "1");
    cr_expect_str_eq(clew_baggage_get(two, "Name"), "2");
    cr_expect_null(clew_baggage_get(two, "NAME"));
    clew_baggage_unref(one);
    clew_baggage_unref(two);
    CLEW_NO_LEAKS();
}

Test(baggage, refuses_what_is_invalid) {
    cr_expect_null(clew_baggage_set(NULL, "", "1", NULL));
    cr_expect_null(clew_baggage_set(NULL, NULL, "1", NULL));
    cr_expect_null(clew_baggage_set(NULL, "name", NULL, NULL));
    cr_expect_null(clew_baggage_set(NULL, "\xff", "1", NULL));
    cr_expect_null(clew_baggage_set(NULL, "name", "\xc3", NULL));
    cr_expect_null(clew_baggage_set(NULL, "name", "1", "a,b=c"));
    cr_expect_null(clew_baggage_set(NULL, "name", "1", "a\r\nEvil: yes"));
    cr_expect_null(clew_baggage_set(NULL, "name", "1", "\xc3\xa4"));
    CLEW_NO_LEAKS();
}

Test(baggage, takes_an_empty_value_and_no_empty_metadata) {
    clew_baggage *baggage = clew_baggage_set(NULL, "name", "", " ");
    cr_expect_str_eq(clew_baggage_get(baggage, "name"), "");
    cr_expect_null(clew_baggage_at(baggage, 0).metadata);
    clew_baggage_unref(baggage);
    CLEW_NO_LEAKS();
}

Test(baggage, loses_what_is_removed) {
    clew_baggage *one = clew_baggage_set(NULL, "a", "1", NULL);
    clew_baggage *two = clew_baggage_set(one, "b", "2", "m");
    clew_baggage *rest = clew_baggage_remove(two, "a");
    clew_baggage *same = clew_baggage_remove(two, "c");
    cr_expect_eq(clew_baggage_count(rest), 1);
    cr_expect_str_eq(clew_baggage_get(rest, "b"), "2");
    cr_expect_str_eq(clew_baggage_at(rest, 0).metadata, "m");
    cr_expect_eq(same, two);
    cr_expect_null(clew_baggage_remove(one, "a"), "nothing is left");
    cr_expect_null(clew_baggage_remove(NULL, "a"));
    clew_baggage_unref(one);
    clew_baggage_unref(two);
    clew_baggage_unref(same);
    clew_baggage_unref(rest);
    CLEW_NO_LEAKS();
}

Test(baggage, takes_null_for_the_empty_one) {
    cr_expect_null(clew_baggage_ref(NULL));
    clew_baggage_unref(NULL);
    cr_expect_eq(clew_baggage_count(NULL), 0);
    cr_expect_null(clew_baggage_get(NULL, "a"));
    cr_expect_null(clew_baggage_at(NULL, 0).name);
}

Test(baggage, lives_in_contexts) {
    clew_baggage *baggage = clew_baggage_set(NULL, "a", "1", NULL);
    clew_context *context = clew_context_with_baggage(NULL, baggage);
    clew_baggage_unref(baggage);
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(context), "a"), "1");
    cr_expect_null(clew_context_baggage(NULL), "nothing is current");
    clew_token token = clew_context_attach(context);
    cr_expect_eq(clew_context_baggage(NULL), clew_context_baggage(context));
    clew_context_detach(token);
    clew_context *cleared = clew_context_with_baggage(context, NULL);
    cr_expect_null(clew_context_baggage(cleared));
    clew_context_unref(cleared);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}
