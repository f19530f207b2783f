#include "collector-bridge/wire/target.h"

#include "test/support.h"

#include <stdio.h>

static struct clew__target target;

static enum clew__endpoint_fault read(const char *text) {
    return clew__target_read(clew__slice_text(text), &target);
}

static void check(const char *text, const char *host, unsigned port, bool url, bool tls) {
    cr_assert_eq(read(text), CLEW__ENDPOINT_OK, "%s", text);
    cr_assert(clew__slice_equals(target.host, host), "%s", text);
    cr_assert_eq(target.port, port, "%s", text);
    cr_assert_eq(target.url, url, "%s", text);
    cr_assert_eq(target.tls, tls, "%s", text);
    cr_assert_eq(target.socket.size, 0);
}

Test(target, urls_say_whether_there_is_tls) {
    check("http://c:4317", "c", 4317, true, false);
    check("https://c.example", "c.example", 0, true, true);
    check("HtTpS://c:1", "c", 1, true, true);
    check("https://[2001:db8::1]:4317/", "[2001:db8::1]", 4317, true, true);
    cr_assert_eq(target.ignored.size, 0);
}

Test(target, names_of_grpc_say_nothing_about_it) {
    check("c:4317", "c", 4317, false, false);
    check("c", "c", 0, false, false);
    check("10.0.0.1:4317", "10.0.0.1", 4317, false, false);
    check("[::1]:4317", "[::1]", 4317, false, false);
    check("dns:///c:4317", "c", 4317, false, false);
    check("dns:c:4317", "c", 4317, false, false);
    check("dns:///[::1]:4317", "[::1]", 4317, false, false);
}

Test(target, path_is_set_aside) {
    check("http://c:4317/v1/traces?x=1", "c", 4317, true, false);
    cr_assert(clew__slice_equals(target.ignored, "/v1/traces?x=1"));
    check("c:4317/x", "c", 4317, false, false);
    cr_assert(clew__slice_equals(target.ignored, "/x"));
}

Test(target, user_is_set_aside) {
    check("http://user:p%40w@c:4317", "c", 4317, true, false);
    cr_assert(clew__slice_equals(target.user, "user:p%40w"));
}

Test(target, unix_sockets_are_paths) {
    cr_assert_eq(read("unix:///run/otel.sock"), CLEW__ENDPOINT_OK);
    cr_assert(clew__slice_equals(target.socket, "/run/otel.sock"));
    cr_assert_eq(read("unix:/run/otel.sock"), CLEW__ENDPOINT_OK);
    cr_assert(clew__slice_equals(target.socket, "/run/otel.sock"));
    cr_assert_eq(read("unix:a b"), CLEW__ENDPOINT_OK);
    cr_assert(clew__slice_equals(target.socket, "a b"));
}

Test(target, what_is_no_target_is_refused) {
    char long_path[200] = "unix:";
    memset(long_path + 5, 'x', 108);
    cr_assert_eq(read(long_path), CLEW__ENDPOINT_TOO_LONG);
    long_path[5 + 107] = '\0';
    cr_assert_eq(read(long_path), CLEW__ENDPOINT_OK);
    cr_assert_eq(read("unix:"), CLEW__ENDPOINT_NO_PATH);
    cr_assert_eq(read("unix://"), CLEW__ENDPOINT_NO_PATH);
    cr_assert_eq(read("unix://host/path"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(read("unix:/a\nb"), CLEW__ENDPOINT_BAD_CHARACTER);
    cr_assert_eq(read("grpc://c:4317"), CLEW__ENDPOINT_BAD_SCHEME);
    cr_assert_eq(read("dns://8.8.8.8/c:4317"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(read("http://"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(read(":4317"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(read(""), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(read("::1"), CLEW__ENDPOINT_NO_HOST);
    cr_assert_eq(read("fe80::1"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(read("[::1"), CLEW__ENDPOINT_BAD_HOST);
    cr_assert_eq(read("c:0"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(read("c:65536"), CLEW__ENDPOINT_BAD_PORT);
    cr_assert_eq(read("c d:4317"), CLEW__ENDPOINT_BAD_CHARACTER);
}
