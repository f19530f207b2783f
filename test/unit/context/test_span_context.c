#include "test/support.h"
#include "test/unit/context/headers.h"

#include <string.h>

Test(span_context, needs_both_ids_to_be_valid) {
    clew_span_context context = {0};
    cr_expect_not(clew_span_context_is_valid(NULL));
    cr_expect_not(clew_span_context_is_valid(&context));
    context.trace_id[15] = 1;
    cr_expect_not(clew_span_context_is_valid(&context));
    context.span_id[0] = 1;
    cr_expect(clew_span_context_is_valid(&context));
    context.trace_id[15] = 0;
    cr_expect_not(clew_span_context_is_valid(&context));
}

Test(span_context, writes_ids_as_lower_case_digits) {
    clew_span_context context = example_span_context();
    char trace_id[33], span_id[17];
    clew_trace_id_to_hex(context.trace_id, trace_id);
    clew_span_id_to_hex(context.span_id, span_id);
    cr_expect_str_eq(trace_id, "0af7651916cd43dd8448eb211c80319c");
    cr_expect_str_eq(span_id, "b7ad6b7169203331");
}

Test(span_context, reads_what_it_wrote) {
    uint8_t trace_id[16], span_id[8];
    char hex[33];
    cr_expect_eq(clew_trace_id_from_hex(trace_id, "00ff0123456789abcdef0123456789ab"), CLEW_OK);
    clew_trace_id_to_hex(trace_id, hex);
    cr_expect_str_eq(hex, "00ff0123456789abcdef0123456789ab");
    cr_expect_eq(clew_span_id_from_hex(span_id, "00ff0123456789ab"), CLEW_OK);
    clew_span_id_to_hex(span_id, hex);
    cr_expect_str_eq(hex, "00ff0123456789ab");
}

Test(span_context, reads_digits_of_either_case) {
    uint8_t lower[8], upper[8];
    cr_expect_eq(clew_span_id_from_hex(lower, "abcdef0123456789"), CLEW_OK);
    cr_expect_eq(clew_span_id_from_hex(upper, "ABCDEF0123456789"), CLEW_OK);
    cr_expect_arr_eq(lower, upper, sizeof lower);
}

Test(span_context, refuses_text_that_is_no_id) {
    static const char *const wrong[] = {
        "",
        "0123456789abcde",   /* one too few */
        "0123456789abcdef0", /* one too many */
        "0123456789abcdeg",
        "0123456789abcde ",
        "-123456789abcdef",
        "0x23456789abcdef",
    };
    static const uint8_t zero[8];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t id[8];
        memset(id, 0xaa, sizeof id);
        cr_expect_eq(clew_span_id_from_hex(id, wrong[i]), CLEW_EFORMAT, "'%s'", wrong[i]);
        cr_expect_arr_eq(id, zero, sizeof id, "'%s' left something", wrong[i]);
    }
}

Test(span_context, takes_a_missing_text_for_a_malformed_one) {
    uint8_t id[16];
    cr_expect_eq(clew_trace_id_from_hex(id, NULL), CLEW_EFORMAT);
}
