#include "collector-bridge/wire/endpoint.h"

#include "test/support.h"

#include <stdio.h>

static char url[CLEW__ENDPOINT_MAX];

static const char *base(const char *text) {
    enum clew__endpoint_fault fault =
        clew__endpoint_from_base(clew__slice_text(text), "v1/traces", url, sizeof url);
    return fault ? clew__endpoint_fault_text(fault) : url;
}

static const char *whole(const char *text) {
    enum clew__endpoint_fault fault = clew__endpoint_from_url(clew__slice_text(text), url, sizeof url);
    return fault ? clew__endpoint_fault_text(fault) : url;
}

static enum clew__endpoint_fault fault_of(const char *text) {
    return clew__endpoint_from_url(clew__slice_text(text), url, sizeof url);
}

static const char *shown(const char *text) {
    clew__endpoint_show(clew__slice_text(text), url, 64);
    return url;
}

Test(endpoint, base_gets_the_path_of_the_signal_with_one_slash) {
    cr_assert_str_eq(base("http://c:4318"), "http://c:4318/v1/traces");
    cr_assert_str_eq(base("http://c:4318/"), "http://c:4318/v1/traces");
    cr_assert_str_eq(base("http://c:4318/my"), "http://c:4318/my/v1/traces");
    cr_assert_str_eq(base("http://c:4318/my/"), "http://c:4318/my/v1/traces");
    cr_assert_str_eq(base("https://c/my/?key=1"), "https://c/my/v1/traces?key=1");
    cr_assert_str_eq(base("https://c?key=a/b"), "https://c/v1/traces?key=a/b");
}

Test(endpoint, whole_url_is_used_as_it_is) {
    cr_assert_str_eq(whole("http://c:4318/v1/traces"), "http://c:4318/v1/traces");
    cr_assert_str_eq(whole("http://c:4318/my/"), "http://c:4318/my/");
    cr_assert_str_eq(whole("http://c/a/../b//c/./d"), "http://c/a/../b//c/./d");
    cr_assert_str_eq(whole("HTTPS://C.Example/Pa%20th"), "HTTPS://C.Example/Pa%20th");
}

Test(endpoint, empty_path_of_a_whole_url_becomes_a_slash) {
    cr_assert_str_eq(whole("http://c:4318"), "http://c:4318/");
    cr_assert_str_eq(whole("http://c?x=1"), "http://c/?x=1");
}

Test(endpoint, no_port_is_filled_in) {
    cr_assert_str_eq(whole("http://c/x"), "http://c/x");
    cr_assert_str_eq(base("https://c"), "https://c/v1/traces");
}

Test(endpoint, fragment_is_left_out) {
    cr_assert_str_eq(base("http://c/a#b/c?d"), "http://c/a/v1/traces");
}

Test(endpoint, addresses_of_both_families_are_hosts) {
    cr_assert_str_eq(base("http://[::1]:4318"), "http://[::1]:4318/v1/traces");
    cr_assert_str_eq(base("http://[fe80::1%25eth0]"), "http://[fe80::1%25eth0]/v1/traces");
    cr_assert_str_eq(base("http://10.0.0.1:80"), "http://10.0.0.1:80/v1/traces");
}

Test(endpoint, other_schemes_and_plain_hosts_are_named_as_such) {
    cr_assert_eq(fault_of("localhost:4318"), CLEW__ENDPOINT_NO_SCHEME);
    cr_assert_eq(fault_of("grpc://c:4317"), CLEW__ENDPOINT_NO_SCHEME);
    cr_assert_eq(fault_of("ftp://c"), CLEW__ENDPOINT_NO_SCHEME);
    cr_assert_eq(fault_of("file:///etc/passwd"), CLEW__ENDPOINT_NO_SCHEME);
    cr_assert_eq(fault_of("http:/c"), CLEW__ENDPOINT_NO_SCHEME);
    cr_assert_eq(fault_of(""), CLEW__ENDPOINT_NO_SCHEME);
}

Test(endpoint, malformed_urls_are_refused) {
    cr_assert_eq(fault_of("http://"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http:///v1"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http://:4318"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http://user:pw@:4318"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http://[]:1"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http://[::1"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(fault_of("http://[::1]x"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(fault_of("http://::1:4318/"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(fault_of("http://fe80::1/"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(fault_of("http://{host}/"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(fault_of("http://c d/"), CLEW__ENDPOINT_BAD_CHARACTER);
    cr_assert_eq(fault_of("http://c/\r\nX: y"), CLEW__ENDPOINT_BAD_CHARACTER);
    cr_assert_eq(fault_of("http://c/\x7f"), CLEW__ENDPOINT_BAD_CHARACTER);
}

Test(endpoint, ports_are_numbers_from_1_to_65535) {
    cr_assert_eq(fault_of("http://c:1/"), CLEW__ENDPOINT_OK);
    cr_assert_eq(fault_of("http://c:65535/"), CLEW__ENDPOINT_OK);
    cr_assert_eq(fault_of("http://c:0/"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(fault_of("http://c:65536/"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(fault_of("http://c:4294967297/"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(fault_of("http://c:/"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(fault_of("http://c:43a/"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(fault_of("http://c:-1/"), CLEW__ENDPOINT_BAD_PORT);
}

Test(endpoint, url_fits_exactly_or_is_too_long) {
    struct clew__slice text = clew__slice_text("http://c");
    size_t size = strlen("http://c/v1/traces") + 1;
    cr_assert_eq(clew__endpoint_from_base(text, "v1/traces", url, size), CLEW__ENDPOINT_OK);
    cr_assert_str_eq(url, "http://c/v1/traces");
    for (size_t less = 0; less < size; less++)
        cr_assert_eq(clew__endpoint_from_base(text, "v1/traces", url, less), CLEW__ENDPOINT_TOO_LONG, "%zu",
                     less);
}

Test(endpoint, user_and_password_are_taken_out) {
    char user[64] = "";
    char text[] = "http://me:pa%40ss@c:1/x@y?z";
    cr_assert(clew__endpoint_take_user(text, user));
    cr_assert_str_eq(user, "me:pa%40ss");
    cr_assert_str_eq(text, "http://c:1/x@y?z");
    cr_assert_not(clew__endpoint_take_user(text, user));
}

Test(endpoint, messages_show_no_secrets) {
    cr_assert_str_eq(shown("http://me:secret@c:1/x"), "http://c:1/x");
    cr_assert_str_eq(shown("http://me:sec/ret@c:1/x"), "http://c:1/x");
    cr_assert_str_eq(shown("http://me:sec@ret@c:1/x"), "http://c:1/x");
    cr_assert_str_eq(shown("http://c/x?api-key=secret"), "http://c/x");
    cr_assert_str_eq(shown("me:secret@c"), "c");
    cr_assert_str_eq(shown("localhost:4318"), "localhost:4318");
    cr_assert_str_eq(shown("a\r\nb\x1b[0m"), "a??b?[0m");
    cr_assert_str_eq(shown(""), "");
}

Test(endpoint, messages_are_cut_to_their_room) {
    clew__endpoint_show(clew__slice_text("http://abc"), url, 9);
    cr_assert_str_eq(url, "http://a");
    clew__endpoint_show(clew__slice_text("http://abc"), url, 1);
    cr_assert_str_eq(url, "");
}

Test(endpoint, loopback_is_this_machine_only) {
    cr_assert(clew__endpoint_is_loopback(clew__slice_text("http://localhost:4318/")));
    cr_assert(clew__endpoint_is_loopback(clew__slice_text("http://LOCALHOST")));
    cr_assert(clew__endpoint_is_loopback(clew__slice_text("http://127.0.0.1/")));
    cr_assert(clew__endpoint_is_loopback(clew__slice_text("http://127.9.9.9/")));
    cr_assert(clew__endpoint_is_loopback(clew__slice_text("http://[::1]:1/")));
    cr_assert_not(clew__endpoint_is_loopback(clew__slice_text("http://localhost.example/")));
    cr_assert_not(clew__endpoint_is_loopback(clew__slice_text("http://127.0.0.1.example/")));
    cr_assert_not(clew__endpoint_is_loopback(clew__slice_text("http://localhost@example/")));
    cr_assert_not(clew__endpoint_is_loopback(clew__slice_text("http://10.0.0.1/")));
}

/* ---- header lists ---- */

/* The list as `position name=value` and `position fault name`, one entry a line. */
static const char *entries(const char *text) {
    static char out[2048];
    struct clew__slice list = clew__slice_text(text);
    struct clew__header header = {0};
    size_t used = 0;
    out[0] = '\0';
    while (clew__header_next(&list, &header)) {
        char value[512];
        size_t size = clew__percent_decode(header.value, value);
        int name = (int)header.name.size;
        if (header.fault)
            used += (size_t)snprintf(out + used, sizeof out - used, "%u !%d %.*s\n", header.position,
                                     (int)header.fault, name, name ? header.name.data : "");
        else
            used += (size_t)snprintf(out + used, sizeof out - used, "%u %.*s=%.*s\n", header.position, name,
                                     header.name.data, (int)size, value);
    }
    return out;
}

Test(header_list, entries_are_split_and_trimmed) {
    cr_assert_str_eq(entries("k1=v1,k2=v2"), "1 k1=v1\n2 k2=v2\n");
    cr_assert_str_eq(entries(" k1 = v1 \t,\tk2= v 2 "), "1 k1=v1\n2 k2=v 2\n");
    cr_assert_str_eq(entries(""), "");
}

Test(header_list, values_may_have_equals_signs_and_semicolons) {
    cr_assert_str_eq(entries("auth=Basic dTpw==,c=a=b; d=e"), "1 auth=Basic dTpw==\n2 c=a=b; d=e\n");
}

Test(header_list, values_are_percent_decoded_once) {
    cr_assert_str_eq(entries("a=x%20y%2Cz,b=%2520,c=a+b"), "1 a=x y,z\n2 b=%20\n3 c=a+b\n");
}

Test(header_list, empty_values_are_values_and_empty_entries_are_nothing) {
    cr_assert_str_eq(entries("a=,,b=1,"), "1 a=\n3 b=1\n");
}

Test(header_list, bad_entry_does_not_harm_the_others) {
    cr_assert_str_eq(entries("a=1,secret,b=2"), "1 a=1\n2 !1 \n3 b=2\n");
}

Test(header_list, what_may_be_a_secret_is_no_name) {
    cr_assert_str_eq(entries("authorization: Bearer abc=="), "1 !2 \n");
    cr_assert_str_eq(entries("=abc"), "1 !2 \n");
    cr_assert_str_eq(entries("a b=c"), "1 !2 \n");
    cr_assert_str_eq(entries("a%20b=c"), "1 a%20b=c\n"); /* names are taken as they are; % is a token's */
}

Test(header_list, control_characters_in_values_are_refused) {
    cr_assert_str_eq(entries("a=x%0d%0aEvil: 1"), "1 !3 a\n");
    cr_assert_str_eq(entries("a=x\r\ny"), "1 !3 a\n");
    cr_assert_str_eq(entries("a=%00"), "1 !3 a\n");
    cr_assert_str_eq(entries("a=%7F"), "1 !3 a\n");
    cr_assert_str_eq(entries("a=\x01"), "1 !3 a\n");
}

Test(header_list, line_ends_in_names_are_refused) {
    cr_assert_str_eq(entries("a\r\nb=c"), "1 !2 \n");
}

Test(header_list, malformed_escapes_are_refused) {
    cr_assert_str_eq(entries("a=%,b=%4,c=%zz,d=100%"), "1 !3 a\n2 !3 b\n3 !3 c\n4 !3 d\n");
}

Test(header_list, headers_of_the_transport_are_refused) {
    cr_assert_str_eq(entries("accept-encoding=br"), "1 !4 accept-encoding\n"); /* ours stands there already */
    cr_assert_str_eq(entries("Content-Length=0,TRANSFER-ENCODING=chunked,content-type=a/b"),
                     "1 !4 Content-Length\n2 !4 TRANSFER-ENCODING\n3 !4 content-type\n");
}

Test(header_list, non_ascii_values_pass_as_they_are) {
    cr_assert_str_eq(entries("a=gr\xc3\xbc\xc3\x9f,b=%C3%BC"), "1 a=gr\xc3\xbc\xc3\x9f\n2 b=\xc3\xbc\n");
}

Test(base64, is_that_of_the_rfc) {
    const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                                    {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe", "//4="}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char out[16];
        clew__base64_encode(pairs[i][0], strlen(pairs[i][0]), out);
        cr_assert_str_eq(out, pairs[i][1]);
    }
}
