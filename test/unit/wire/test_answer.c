#include "collector-bridge/wire/answer.h"

#include "test/support.h"

static char out[64];

static const char *show(const char *text, const char *secret) {
    struct clew__slice secrets[] = {clew__slice_text(secret)};
    clew__answer_show(clew__slice_text(text), secrets, secret ? 1 : 0, out, sizeof out);
    return out;
}

static struct clew__slice message_of(const char *bytes, size_t size) {
    return clew__answer_status_message(bytes, size);
}

Test(answer, message_of_a_status_is_found) {
    const char status[] = "\x08\x03\x12\x05hello\x1a\x02\x0a\x00";
    cr_assert(clew__slice_equals(message_of(status, sizeof status - 1), "hello"));
}

Test(answer, other_bodies_have_no_message) {
    cr_assert_eq(message_of("", 0).size, 0);
    cr_assert_eq(message_of(NULL, 0).size, 0);
    cr_assert_eq(message_of("<html>not found</html>", 22).size, 0);
    cr_assert_eq(message_of("{\"message\":\"no\"}", 16).size, 0);
    cr_assert_eq(message_of("\x12\x7fhello", 7).size, 0);
    cr_assert_eq(message_of("\x12\x05hello\x22", 8).size, 0);
    cr_assert_eq(message_of("\x10\x05", 2).size, 0);
}

Test(answer, plain_text_stays_as_it_is) {
    cr_assert_str_eq(show("quota of team \"x\" used up", NULL), "quota of team \"x\" used up");
}

Test(answer, control_characters_become_spaces) {
    cr_assert_str_eq(show("a\r\nb\x1b[31mc\x7f"
                          "d\n",
                          NULL),
                     "a  b [31mc d");
    cr_assert_str_eq(show("a\xc2\x9b"
                          "31mb",
                          NULL),
                     "a  31mb");
}

Test(answer, malformed_utf8_becomes_spaces) {
    cr_assert_str_eq(show("a\xff\xc3(b\xe2\x82", NULL), "a  (b");
    cr_assert_str_eq(show("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", NULL),
                     "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

Test(answer, text_is_cut_at_a_whole_character) {
    cr_assert_eq(clew__answer_show(clew__slice_text("ab\xe2\x82\xac"), NULL, 0, out, 5), 2);
    cr_assert_str_eq(out, "ab");
    cr_assert_eq(clew__answer_show(clew__slice_text("ab\xe2\x82\xac"), NULL, 0, out, 6), 5);
    cr_assert_eq(clew__answer_show(clew__slice_text("ab"), NULL, 0, out, 1), 0);
    cr_assert_str_eq(out, "");
}

Test(answer, secrets_are_masked_wherever_they_stand) {
    cr_assert_str_eq(show("bad key k-123 (k-123)", "k-123"), "bad key *** (***)");
    cr_assert_str_eq(show("token abcdef unknown", "Bearer abcdef"), "token *** unknown");
    cr_assert_str_eq(show("got 'Bearer abcdef'", "Bearer abcdef"), "got '***'");
    cr_assert_str_eq(show("want Bearer", "Bearer abcdef"), "want Bearer");
}

Test(answer, secret_that_would_be_cut_in_two_is_masked_first) {
    char text[128];
    memset(text, 'x', 58);
    strcpy(text + 58, "secret-token-and-more");
    show(text, "secret-token-and-more");
    cr_assert_null(strstr(out, "s"));
}

Test(answer, short_values_are_no_secrets) {
    cr_assert_str_eq(show("HTTP 123", "1"), "HTTP 123");
}

Test(answer, longest_secret_is_masked_whole) {
    struct clew__slice secrets[] = {clew__slice_text("abcd"), clew__slice_text("abcdefgh")};
    clew__answer_show(clew__slice_text("abcdefgh!"), secrets, 2, out, sizeof out);
    cr_assert_str_eq(out, "***!");
}
