#include "sdk/context/tracestate.h"
#include "test/support.h"

#include <stdio.h>
#include <string.h>

static clew_tracestate *parse(const char *text) {
    return clew_tracestate_parse(text, strlen(text));
}

static void expect_text(const clew_tracestate *state, const char *expected, const char *about) {
    clew_text text = clew_tracestate_text(state);
    cr_expect_str_eq(text.data, expected, "%s: got '%s'", about, text.data);
    cr_expect_eq(text.size, strlen(expected), "%s", about);
}

static void expect_value(const clew_tracestate *state, const char *key, const char *expected) {
    clew_text value = clew_tracestate_get(state, key);
    cr_expect(value.data && value.size == strlen(expected) && memcmp(value.data, expected, value.size) == 0,
              "%s is '%.*s'", key, (int)value.size, value.data ? value.data : "");
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define TEXT_240 SIXTY SIXTY SIXTY SIXTY
#define TEXT_256 TEXT_240 "0123456789abcdef"

struct text_case {
    const char *text;
    const char *expected;
};

static const struct text_case good[] = {
    {"foo=1", "foo=1"},
    {"foo=1,bar=2", "foo=1,bar=2"},
    {"foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"}, /* white space around members */
    {"foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3"},
    {" foo=1", "foo=1"},
    {"\tfoo=1", "foo=1"},
    {"foo=1 ", "foo=1"},
    {"foo=1\t", "foo=1"},
    {"\t foo=1 \t", "foo=1"},
    {"foo=  1  ,bar=2", "foo=  1,bar=2"}, /* space before a value belongs to it */
    {"foo=1 2", "foo=1 2"},
    {"foo=1,", "foo=1"}, /* empty members */
    {",foo=1", "foo=1"},
    {"foo=1,,,bar=2", "foo=1,bar=2"},
    {" , foo=1 , \t, ", "foo=1"},
    {"foo=1,foo=1", "foo=1"}, /* of duplicates the first */
    {"foo=1,foo=2", "foo=1"},
    {"foo=1,bar=3,foo=2", "foo=1,bar=3"},
    {"0=1", "0=1"}, /* keys */
    {"z_-*/@=1", "z_-*/@=1"},
    {"foo@=1", "foo@=1"},
    {"foo@@bar=1", "foo@@bar=1"},
    {"foo@bar@baz=1", "foo@bar@baz=1"},
    {SIXTY SIXTY SIXTY SIXTY "01@v=1", SIXTY SIXTY SIXTY SIXTY "01@v=1"},
    {"t@" TEN TEN "=1", "t@" TEN TEN "=1"},
    {TEXT_256 "=1", TEXT_256 "=1"},
    {"foo=" TEXT_256, "foo=" TEXT_256}, /* values */
    {"foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", "foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"},
};

Test(tracestate, reads_what_the_rules_allow) {
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        clew_tracestate *state = parse(good[i].text);
        expect_text(state, good[i].expected, good[i].text);
        clew_tracestate_unref(state);
    }
    CLEW_NO_LEAKS();
}

static const char *const bad[] = {
    "",
    " ",
    ",",
    " , ,\t",
    "foo",
    "=",
    "=1",
    "foo=",
    "foo= ",
    "foo=,bar=3",
    "bar=3,foo=",
    "foo=bar=baz",
    "foo=1,bar",
    "foo =1",
    "foo\t=1",
    "FOO=1",
    "foo.bar=1",
    "fOo=1",
    "@foo=1",
    "_foo=1",
    "-foo=1",
    "*foo=1",
    "/foo=1",
    "foo=\t1",
    "foo=1\t2",
    "foo=1\n",
    "foo=\x7f",
    "foo=\xc3\xa4",
    "f\xc3\xa4=1",
    "foo=1;bar=2,x",
    "foo$=1",
    "foo=1,=2",
    TEXT_256 "0=1",
    "foo=" TEXT_256 "0",
    "foo=1,bar=2," TEXT_256 "0=3",
};

Test(tracestate, discards_everything_when_one_member_breaks_a_rule) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_null(parse(bad[i]), "'%s'", bad[i]);
    cr_expect_null(clew_tracestate_parse("foo=1\0", 6), "a zero byte");
    cr_expect_null(clew_tracestate_parse("f\0o=1", 5), "a zero byte in a key");
    cr_expect_null(clew_tracestate_parse(NULL, 0));
    cr_expect_null(clew_tracestate_parse(NULL, 5));
    CLEW_NO_LEAKS();
}

/* "m00=1,m01=1,…" */
static void members(char *text, unsigned count) {
    *text = '\0';
    for (unsigned i = 0; i < count; i++)
        text += sprintf(text, "%sm%02u=1", i ? "," : "", i);
}

Test(tracestate, holds_32_members_and_no_more) {
    char text[512];
    members(text, 32);
    clew_tracestate *state = parse(text);
    expect_text(state, text, "32 members");
    clew_tracestate_unref(state);
    members(text, 33);
    cr_expect_null(parse(text));
    CLEW_NO_LEAKS();
}

Test(tracestate, does_not_count_empty_members) {
    char text[512], padded[600];
    members(text, 32);
    snprintf(padded, sizeof padded, ",,%s,,", text);
    clew_tracestate *state = parse(padded);
    expect_text(state, text, "32 members and empty ones");
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

/* 24 members of 310 bytes, a comma after each, and the rest as the last three: `size` bytes in all. */
static void long_text(char *text, size_t size) {
    for (unsigned i = 0; size; i++) {
        size_t member = i < 24 ? 311 : size > 350 ? 200 : size;
        memset(text, 'v', member);
        text[0] = "abcdefghijklmnopqrstuvwxyz0123"[i];
        text[member > 150 ? 100 : 1] = '=';
        text += member;
        size -= member;
        if (size)
            text[-1] = ',';
    }
    *text = '\0';
}

Test(tracestate, takes_8192_bytes_and_no_more) {
    static char text[CLEW__TRACESTATE_SIZE_MAX + 2];
    long_text(text, CLEW__TRACESTATE_SIZE_MAX);
    clew_tracestate *state = parse(text);
    expect_text(state, text, "the longest");
    clew_tracestate_unref(state);
    long_text(text, CLEW__TRACESTATE_SIZE_MAX + 1);
    cr_expect_null(parse(text));
    cr_expect_null(clew_tracestate_parse("foo=1", SIZE_MAX), "an impossible size is refused unread");
    CLEW_NO_LEAKS();
}

Test(tracestate, joins_several_values_in_order) {
    struct clew__tracestate_reader reader = {0};
    clew__tracestate_read(&reader, "foo=1,bar=2", 11);
    clew__tracestate_read(&reader, "", 0);
    clew__tracestate_read(&reader, " ", 1);
    clew__tracestate_read(&reader, "rojo=1,foo=3", 12);
    clew__tracestate_read(&reader, "congo=2", 7);
    clew_tracestate *state = clew__tracestate_finish(&reader);
    expect_text(state, "foo=1,bar=2,rojo=1,congo=2", "three values");
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

Test(tracestate, discards_all_values_when_one_is_broken) {
    struct clew__tracestate_reader reader = {0};
    clew__tracestate_read(&reader, "foo=1", 5);
    clew__tracestate_read(&reader, "bar", 3);
    clew__tracestate_read(&reader, "baz=1", 5);
    cr_expect_null(clew__tracestate_finish(&reader));
    CLEW_NO_LEAKS();
}

Test(tracestate, limits_hold_for_all_values_together) {
    static char text[CLEW__TRACESTATE_SIZE_MAX + 2];
    struct clew__tracestate_reader many = {0}, large = {0};
    members(text, 20);
    clew__tracestate_read(&many, text, strlen(text));
    clew__tracestate_read(&many, text, strlen(text));
    cr_expect_null(clew__tracestate_finish(&many), "40 members in two values");
    long_text(text, CLEW__TRACESTATE_SIZE_MAX - 3);
    clew__tracestate_read(&large, text, strlen(text));
    clew__tracestate_read(&large, "z=1", 3);
    cr_expect_null(clew__tracestate_finish(&large), "one byte too many, with the comma");
    CLEW_NO_LEAKS();
}

Test(tracestate, finds_values_by_key) {
    clew_tracestate *state = parse("foo=1,foobar=22,o= x");
    expect_value(state, "foo", "1");
    expect_value(state, "foobar", "22");
    expect_value(state, "o", " x");
    cr_expect_null(clew_tracestate_get(state, "fo").data);
    cr_expect_null(clew_tracestate_get(state, "").data);
    cr_expect_null(clew_tracestate_get(state, NULL).data);
    cr_expect_null(clew_tracestate_get(NULL, "foo").data);
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

struct set_case {
    const char *before, *key, *value, *after;
};

Test(tracestate, puts_what_is_set_in_front) {
    static const struct set_case cases[] = {
        {"", "foo", "1", "foo=1"},
        {"bar=2", "foo", "1", "foo=1,bar=2"},
        {"bar=2,foo=3,baz=4", "foo", "1", "foo=1,bar=2,baz=4"},
        {"foo=3", "foo", "1", "foo=1"},
        {"bar=2", "foo", " 1", "foo= 1,bar=2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int error = 1;
        clew_tracestate *before = parse(cases[i].before);
        clew_tracestate *after = clew_tracestate_set(before, cases[i].key, cases[i].value, &error);
        expect_text(after, cases[i].after, cases[i].after);
        expect_text(before, cases[i].before, "the old one stays as it is");
        cr_expect_eq(error, CLEW_OK);
        clew_tracestate_unref(before);
        clew_tracestate_unref(after);
    }
    CLEW_NO_LEAKS();
}

Test(tracestate, gives_the_old_state_back_when_what_is_set_breaks_a_rule) {
    static const struct set_case cases[] = {
        {NULL, "", "1", NULL},      {NULL, NULL, "1", NULL},           {NULL, "foo", "", NULL},
        {NULL, "foo", NULL, NULL},  {NULL, "Foo", "1", NULL},          {NULL, "foo", "1 ", NULL},
        {NULL, "foo", "1,2", NULL}, {NULL, "foo", "a=b", NULL},        {NULL, "foo", "\t1", NULL},
        {NULL, "f oo", "1", NULL},  {NULL, "foo", TEXT_256 "0", NULL}, {NULL, TEXT_256 "0", "1", NULL},
    };
    clew_tracestate *before = parse("bar=2");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int error = 0;
        clew_tracestate *after = clew_tracestate_set(before, cases[i].key, cases[i].value, &error);
        cr_expect_eq(after, before);
        cr_expect_eq(error, CLEW_EINVAL, "case %zu", i);
        clew_tracestate_unref(after);
    }
    cr_expect_null(clew_tracestate_set(NULL, "Foo", "1", NULL));
    clew_tracestate_unref(before);
    CLEW_NO_LEAKS();
}

Test(tracestate, drops_the_rightmost_for_a_33rd_member) {
    char text[512];
    members(text, 32);
    clew_tracestate *full = parse(text);
    clew_tracestate *more = clew_tracestate_set(full, "new", "1", NULL);
    expect_value(more, "new", "1");
    expect_value(more, "m30", "1");
    cr_expect_null(clew_tracestate_get(more, "m31").data);
    clew_tracestate *changed = clew_tracestate_set(full, "m15", "2", NULL);
    expect_value(changed, "m31", "1");
    expect_value(changed, "m15", "2");
    clew_tracestate_unref(full);
    clew_tracestate_unref(more);
    clew_tracestate_unref(changed);
    CLEW_NO_LEAKS();
}

Test(tracestate, drops_long_members_when_it_would_be_too_long) {
    static char text[CLEW__TRACESTATE_SIZE_MAX + 2];
    long_text(text, CLEW__TRACESTATE_SIZE_MAX - 4);
    strcat(text, ",z=1");
    clew_tracestate *full = parse(text);
    clew_tracestate *more = clew_tracestate_set(full, "new", TEXT_256, NULL);
    clew_text all = clew_tracestate_text(more);
    cr_assert_not_null(full);
    cr_expect_leq(all.size, CLEW__TRACESTATE_SIZE_MAX);
    expect_value(more, "new", TEXT_256);
    expect_value(more, "z", "1"); /* short ones stay, wherever they are */
    clew_tracestate *again = clew_tracestate_parse(all.data, all.size);
    expect_text(again, all.data, "what set makes can be read");
    clew_tracestate_unref(full);
    clew_tracestate_unref(more);
    clew_tracestate_unref(again);
    CLEW_NO_LEAKS();
}

Test(tracestate, removes_a_member) {
    clew_tracestate *state = parse("foo=1,bar=2,baz=3");
    clew_tracestate *middle = clew_tracestate_remove(state, "bar");
    clew_tracestate *first = clew_tracestate_remove(state, "foo");
    clew_tracestate *missing = clew_tracestate_remove(state, "ba");
    clew_tracestate *only = parse("foo=1");
    expect_text(middle, "foo=1,baz=3", "middle");
    expect_text(first, "bar=2,baz=3", "first");
    cr_expect_eq(missing, state);
    cr_expect_null(clew_tracestate_remove(only, "foo"));
    cr_expect_null(clew_tracestate_remove(NULL, "foo"));
    cr_expect_eq(clew_tracestate_remove(only, NULL), only);
    clew_tracestate_unref(only);
    clew_tracestate_unref(only);
    clew_tracestate_unref(missing);
    clew_tracestate_unref(first);
    clew_tracestate_unref(middle);
    clew_tracestate_unref(state);
    CLEW_NO_LEAKS();
}

Test(tracestate, takes_null_for_the_empty_one) {
    expect_text(NULL, "", "NULL");
    cr_expect_null(clew_tracestate_ref(NULL));
    clew_tracestate_unref(NULL);
}
