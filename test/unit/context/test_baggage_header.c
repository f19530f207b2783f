#include "sdk/context/baggage.h"
#include "test/support.h"

#include <clew/extend.h>

#include <stdio.h>
#include <string.h>

static clew_baggage *parse(const char *text) {
    struct clew__baggage_reader reader = {0};
    clew__baggage_read(&reader, text, strlen(text));
    return clew__baggage_finish(&reader);
}

/* "name=value;metadata" of every entry, decoded, with | between them. */
static const char *show(const clew_baggage *baggage, char *text, size_t size) {
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < clew_baggage_count(baggage) && used < size; i++) {
        clew_baggage_entry entry = clew_baggage_at(baggage, i);
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s=%s%s%s", i ? "|" : "", entry.name, entry.value,
                             entry.metadata ? ";" : "", entry.metadata ? entry.metadata : "");
    }
    return text;
}

struct header_case {
    const char *header;
    const char *expected;
};

Test(baggage_header, reads_members_and_leaves_out_malformed_ones) {
    static const struct header_case cases[] = {
        {"", ""},
        {" , ,", ""},
        {"a=1", "a=1"},
        {"a=1,b=2", "a=1|b=2"},
        {" a\t=\t1 , b = 2 ", "a=1|b=2"}, /* white space around names and values */
        {"a=", "a="},
        {"a=1=2=", "a=1=2="}, /* only the first = counts */
        {"a=!#$&'()*+-./:<=>?@[]^_`{|}~", "a=!#$&'()*+-./:<=>?@[]^_`{|}~"},
        {"a=%20%2C%3b%25%22%5C", "a= ,;%\"\\"},
        {"a=%C3%A4%e2%82%ac", "a=ä€"},
        {"a=x%FFy", "a=x\xef\xbf\xbdy"}, /* what is not UTF-8 is replaced */
        {"a=%C3", "a=\xef\xbf\xbd"},
        {"a=%FF%FF%FF%FF%C3%A4", "a=\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdä"},
        {"a=%e2%82", "a=\xef\xbf\xbd"},
        {"a%20b=1", "a%20b=1"}, /* a name is not encoded */
        {"!#$%&'*+-.^_`|~09azAZ=1", "!#$%&'*+-.^_`|~09azAZ=1"},
        {"a=1;p", "a=1;p"}, /* metadata is kept as it is */
        {"a=1; p=%20;q = x y ;;r ", "a=1;p=%20;q = x y ;;r"},
        {"a=1;", "a=1"},
        {"a=1 ; ", "a=1"},
        {"a=1;b=2,c=3", "a=1;b=2|c=3"},
        {"a=1,b=2,a=3", "a=3|b=2"}, /* the last one counts */
        {"a=1;m,a=2", "a=2"},
        {"a=1,A=2", "a=1|A=2"},
        {"a", ""}, /* malformed */
        {"=1", ""},
        {" =1", ""},
        {";a=1", ""},
        {"a;b=1", ""},
        {"a b=1", ""},
        {"a(b)=1", ""},
        {"\xc3\xa4=1", ""},
        {"a=1 2", ""},
        {"a=\"1\"", ""},
        {"a=b\\c", ""},
        {"a=\xc3\xa4", ""},
        {"a=1\n", ""},
        {"a=%", ""},
        {"a=%2", ""},
        {"a=%2x", ""},
        {"a=%x2", ""},
        {"a=1%", ""},
        {"a=%00", ""},
        {"a=1%00b", ""},
        {"a=1;\x01", ""},
        {"a=1;\xc3\xa4", ""},
        {"x=1,a,y=2", "x=1|y=2"}, /* and alone */
        {"x=1,=2,y=2", "x=1|y=2"},
        {"x=1,a=%zz,y=2", "x=1|y=2"},
        {"x=1,a b=1,y=2", "x=1|y=2"},
        {"x=1,a=\x01;m,y=2", "x=1|y=2"},
        {"x=1,x=%zz", "x=1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char shown[256];
        clew_baggage *baggage = parse(cases[i].header);
        cr_expect_str_eq(show(baggage, shown, sizeof shown), cases[i].expected, "'%s' gave '%s'",
                         cases[i].header, shown);
        clew_baggage_unref(baggage);
    }
    CLEW_NO_LEAKS();
}

Test(baggage_header, ends_where_its_size_says) {
    struct clew__baggage_reader reader = {0};
    clew__baggage_read(&reader, "a=%41,b=2", 4);
    cr_expect_null(clew__baggage_finish(&reader), "an escape that is cut");
    CLEW_NO_LEAKS();
}

Test(baggage_header, combines_several_values) {
    struct clew__baggage_reader reader = {0};
    char shown[64];
    clew__baggage_read(&reader, "a=1,b=2", 7);
    clew__baggage_read(&reader, "", 0);
    clew__baggage_read(&reader, "c=3,a=4", 7);
    clew_baggage *baggage = clew__baggage_finish(&reader);
    cr_expect_str_eq(show(baggage, shown, sizeof shown), "a=4|b=2|c=3");
    clew_baggage_unref(baggage);
    CLEW_NO_LEAKS();
}

/* `count` members of `size` bytes each, with their commas. */
static char *members(char *text, unsigned count, size_t size) {
    char *end = text;
    for (unsigned i = 0; i < count; i++) {
        if (i)
            *end++ = ',';
        memset(end, 'v', size);
        end[0] = (char)('a' + i / 10);
        end[1] = (char)('0' + i % 10);
        end[2] = '=';
        end += size;
    }
    *end = '\0';
    return text;
}

Test(baggage_header, reads_64_members_and_no_more) {
    char text[1024];
    clew_baggage *all = parse(members(text, 64, 5));
    clew_baggage *more = parse(members(text, 65, 5));
    strcpy(text + 64 * 6, "a0=again");
    clew_baggage *again = parse(text);
    cr_expect_eq(clew_baggage_count(all), 64);
    cr_expect_eq(clew_baggage_count(more), 64);
    cr_expect_null(clew_baggage_get(more, "g4"));
    cr_expect_str_eq(clew_baggage_get(again, "a0"), "again", "a name that is there already needs no room");
    clew_baggage_unref(all);
    clew_baggage_unref(more);
    clew_baggage_unref(again);
    CLEW_NO_LEAKS();
}

Test(baggage_header, reads_8192_bytes_and_no_part_of_a_member_beyond) {
    static char text[CLEW__BAGGAGE_SIZE_MAX + 512];
    members(text, 31, 256);
    strcat(text, ",z=");
    size_t used = strlen(text);
    memset(text + used, 'v', CLEW__BAGGAGE_SIZE_MAX - used);
    text[CLEW__BAGGAGE_SIZE_MAX] = '\0';
    clew_baggage *full = parse(text);
    strcat(text, "v");
    clew_baggage *cut = parse(text);
    cr_expect_eq(clew_baggage_count(full), 32);
    cr_expect_not_null(clew_baggage_get(full, "z"));
    cr_expect_eq(clew_baggage_count(cut), 31);
    cr_expect_null(clew_baggage_get(cut, "z"));
    clew_baggage_unref(full);
    clew_baggage_unref(cut);
    CLEW_NO_LEAKS();
}

Test(baggage_header, counts_the_bytes_of_all_values) {
    static char text[CLEW__BAGGAGE_SIZE_MAX + 512];
    struct clew__baggage_reader reader = {0};
    members(text, 31, 256);
    clew__baggage_read(&reader, text, strlen(text));
    clew__baggage_read(&reader, "y=1", 3);
    memset(text, 'v', 300);
    memcpy(text, "z=", 2);
    clew__baggage_read(&reader, text, 300);
    clew__baggage_read(&reader, "x=1", 3);
    clew_baggage *baggage = clew__baggage_finish(&reader);
    cr_expect_str_eq(clew_baggage_get(baggage, "y"), "1");
    cr_expect_null(clew_baggage_get(baggage, "z"));
    cr_expect_null(clew_baggage_get(baggage, "x"), "what comes behind what does not fit is beyond, too");
    clew_baggage_unref(baggage);
    CLEW_NO_LEAKS();
}

static char *format(const clew_baggage *baggage) {
    char *text;
    cr_expect_eq(clew__baggage_format(baggage, &text), CLEW_OK);
    return text;
}

Test(baggage_header, writes_what_can_be_sent) {
    static const struct {
        const char *name, *value, *metadata, *expected;
    } cases[] = {
        {"a", "1", NULL, "a=1"},
        {"a", "", NULL, "a="},
        {"a", "1", "p=1;q", "a=1;p=1;q"},
        {"a", " ,;%\"\\", NULL, "a=%20%2C%3B%25%22%5C"},
        {"a", "ä€", NULL, "a=%C3%A4%E2%82%AC"},
        {"a", "\x01\x7f\r\n", NULL, "a=%01%7F%0D%0A"},
        {"a", "!#$&'()*+-./:<=>?@[]^_`{|}~", NULL, "a=!#$&'()*+-./:<=>?@[]^_`{|}~"},
        {"a b", "1", NULL, NULL}, /* no token */
        {"ä", "1", NULL, NULL},
        {"a=b", "1", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clew_baggage *baggage = clew_baggage_set(NULL, cases[i].name, cases[i].value, cases[i].metadata);
        char *text = format(baggage);
        if (cases[i].expected)
            cr_expect_str_eq(text, cases[i].expected);
        else
            cr_expect_null(text, "'%s'", cases[i].name);
        clew_memory_release(text);
        clew_baggage_unref(baggage);
    }
    cr_expect_null(format(NULL));
    CLEW_NO_LEAKS();
}

static clew_baggage *with(clew_baggage *baggage, const char *name, const char *value) {
    clew_baggage *more = clew_baggage_set(baggage, name, value, NULL);
    clew_baggage_unref(baggage);
    return more;
}

Test(baggage_header, skips_names_that_are_no_tokens) {
    clew_baggage *baggage = with(with(with(NULL, "a b", "1"), "c", "2"), "d", "3");
    char *text = format(baggage);
    cr_expect_str_eq(text, "c=2,d=3");
    clew_memory_release(text);
    clew_baggage_unref(baggage);
    CLEW_NO_LEAKS();
}

Test(baggage_header, writes_64_members_and_no_more) {
    clew_baggage *baggage = NULL;
    unsigned commas = 0;
    for (unsigned i = 0; i < 70; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%02u", i);
        baggage = with(baggage, name, "1");
    }
    char *text = format(baggage);
    for (const char *c = text; *c; c++)
        commas += *c == ',';
    cr_expect_eq(commas, 63);
    clew_memory_release(text);
    clew_baggage_unref(baggage);
    CLEW_NO_LEAKS();
}

Test(baggage_header, writes_8192_bytes_and_no_part_of_a_member_beyond) {
    static char value[CLEW__BAGGAGE_SIZE_MAX + 1];
    memset(value, 'v', CLEW__BAGGAGE_SIZE_MAX - 2);
    clew_baggage *full = clew_baggage_set(NULL, "a", value, NULL);
    char *text = format(full);
    cr_expect_eq(strlen(text), CLEW__BAGGAGE_SIZE_MAX);
    clew_memory_release(text);
    clew_baggage_unref(full);

    strcat(value, "v");
    clew_baggage *long_one = with(with(NULL, "a", value), "b", "1");
    text = format(long_one);
    cr_expect_str_eq(text, "b=1");
    clew_memory_release(text);
    clew_baggage_unref(long_one);
    CLEW_NO_LEAKS();
}
