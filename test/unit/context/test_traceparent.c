#include "test/support.h"
#include "test/unit/context/headers.h"

#include <string.h>

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

struct good {
    const char *text;
    uint8_t flags;
};

/* Named after what they show; the texts follow the cases of the W3C's own test suite. */
static const struct good good[] = {
    {"00-" IDS "-00", 0},
    {"00-" IDS "-01", CLEW_FLAG_SAMPLED},
    {"00-" IDS "-02", CLEW_FLAG_RANDOM},
    {"00-" IDS "-03", CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM},
    {"00-" IDS "-ff", CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM}, /* unknown bits are accepted and not kept */
    {"00-" IDS "-f8", 0},
    {"cc-" IDS "-01", CLEW_FLAG_SAMPLED}, /* a version of the future */
    {"cc-" IDS "-01-what-the-future-will-be-like", CLEW_FLAG_SAMPLED},
    {"cc-" IDS "-01-", CLEW_FLAG_SAMPLED},
    {"01-" IDS "-01", CLEW_FLAG_SAMPLED},
    {"fe-" IDS "-01", CLEW_FLAG_SAMPLED},
    {" 00-" IDS "-01", CLEW_FLAG_SAMPLED}, /* white space around it */
    {"\t00-" IDS "-01", CLEW_FLAG_SAMPLED},
    {"00-" IDS "-01 ", CLEW_FLAG_SAMPLED},
    {"00-" IDS "-01\t", CLEW_FLAG_SAMPLED},
    {"\t 00-" IDS "-01 \t", CLEW_FLAG_SAMPLED},
};

Test(traceparent, reads_what_the_rules_allow) {
    clew_span_context expected = example_span_context();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        clew_span_context found;
        cr_expect_eq(clew_traceparent_parse(good[i].text, strlen(good[i].text), &found), CLEW_OK, "'%s'",
                     good[i].text);
        cr_expect_arr_eq(found.trace_id, expected.trace_id, 16, "'%s'", good[i].text);
        cr_expect_arr_eq(found.span_id, expected.span_id, 8, "'%s'", good[i].text);
        cr_expect_eq(found.trace_flags, good[i].flags, "'%s' gave flags %x", good[i].text, found.trace_flags);
        cr_expect(found.is_remote);
        cr_expect_null(found.tracestate);
    }
}

static const char *const bad[] = {
    "",
    " ",
    "00-" IDS "-01-what-the-future-will-be-like", /* version 00 has 55 characters */
    "00-" IDS "-01-",
    "00-" IDS "-01.",
    "00-" IDS "-010",
    "cc-" IDS "-01.what-the-future-will-not-be-like",
    "cc-" IDS "-010",
    "ff-" IDS "-01", /* the version that is none */
    "FF-" IDS "-01",
    "CC-" IDS "-01",
    ".0-" IDS "-01", /* characters that are no digits */
    "0.-" IDS "-01",
    "000-" IDS "-01", /* sizes */
    "0-" IDS "-01",
    "-" IDS "-01",
    IDS "-01",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01", /* zero */
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319.-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-.7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", /* capitals */
    "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
    "00-" IDS "-0A",
    "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", /* too short and too long */
    "00-0af7651916cd43dd8448eb211c80319c0-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033310-01",
    "00-" IDS "-0",
    "00-" IDS "-1",
    "00-" IDS "-",
    "00-" IDS,
    "00-" IDS "-.0",
    "00-" IDS "-0.",
    "00_" IDS "-01", /* separators */
    "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
    "00-" IDS "_01",
    "00-" IDS "-01,00-" IDS "-01", /* two in one */
    "cc-" IDS "-01,00-" IDS "-01",
    "00-" IDS "-01\n",
    "\r00-" IDS "-01",
};

Test(traceparent, refuses_what_breaks_a_rule_and_leaves_the_context_zero) {
    static const clew_span_context zero;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clew_span_context found;
        memset(&found, 0xaa, sizeof found);
        cr_expect_eq(clew_traceparent_parse(bad[i], strlen(bad[i]), &found), CLEW_EFORMAT, "'%s'", bad[i]);
        cr_expect_eq(memcmp(&found, &zero, sizeof zero), 0, "'%s' left something", bad[i]);
    }
}

Test(traceparent, refuses_every_text_that_is_cut) {
    static const char text[] = EXAMPLE_TRACEPARENT;
    clew_span_context found;
    for (size_t size = 0; size < sizeof text - 1; size++)
        cr_expect_eq(clew_traceparent_parse(text, size, &found), CLEW_EFORMAT, "%zu", size);
    cr_expect_eq(clew_traceparent_parse(text, sizeof text, &found), CLEW_EFORMAT, "with its terminator");
    cr_expect_eq(clew_traceparent_parse(NULL, 55, &found), CLEW_EFORMAT, "NULL");
}

Test(traceparent, writes_version_zero_with_known_flags_only) {
    clew_span_context context = example_span_context();
    char text[CLEW_TRACEPARENT_SIZE];
    context.trace_flags = 0xfd;
    clew_traceparent_format(&context, text);
    cr_expect_str_eq(text, "00-" IDS "-01");
}

Test(traceparent, keeps_the_random_flag_as_it_came) {
    clew_span_context context;
    char text[CLEW_TRACEPARENT_SIZE];
    clew_traceparent_parse("cc-" IDS "-02-x", 57, &context);
    clew_traceparent_format(&context, text);
    cr_expect_str_eq(text, "00-" IDS "-02");
}

Test(traceparent, is_empty_text_for_an_invalid_context) {
    clew_span_context context = example_span_context();
    char text[CLEW_TRACEPARENT_SIZE] = "unchanged";
    memset(context.span_id, 0, sizeof context.span_id);
    clew_traceparent_format(&context, text);
    cr_expect_str_eq(text, "");
    text[0] = 'x';
    clew_traceparent_format(NULL, text);
    cr_expect_str_eq(text, "");
}
