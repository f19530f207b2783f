#include "collector-bridge/export/settings.h"

#include "test/support.h"

#include <clew/diagnostics.h>
#include <stdio.h>
#include <stdlib.h>

static char said[8192];
static struct clew__otlp_settings settings;

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(said, message, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static void clear_environment(void) {
    static const char *const names[] = {"ENDPOINT",           "HEADERS",     "TIMEOUT",
                                        "PROTOCOL",           "COMPRESSION", "CERTIFICATE",
                                        "CLIENT_CERTIFICATE", "CLIENT_KEY",  "INSECURE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s", names[i]);
        unsetenv(name);
        snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_TRACES_%s", names[i]);
        unsetenv(name);
    }
    said[0] = '\0';
    clew_set_log_callback(on_message, NULL);
}

static void env(const char *suffix, const char *value) {
    char name[64];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s", suffix);
    setenv(name, value, 1);
}

static void make(const clew_otlp_options *options) {
    cr_assert_eq(clew__otlp_settings_init(&settings, options), CLEW_OK);
}

static void done(void) {
    clew__otlp_settings_fini(&settings);
    CLEW_NO_LEAKS();
}

static unsigned lines_said(void) {
    unsigned count = 0;
    for (const char *at = said; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

TestSuite(settings, .init = clear_environment);

Test(settings, defaults_are_those_of_the_specification) {
    make(NULL);
    cr_assert_str_eq(settings.url, "http://localhost:4318/v1/traces");
    cr_assert_eq(settings.timeout_ms, 10000);
    cr_assert_eq(settings.header_count, 0);
    cr_assert_null(settings.certificate);
    cr_assert_null(settings.client_certificate);
    cr_assert_null(settings.client_key);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, general_endpoint_is_a_base) {
    env("ENDPOINT", "http://c:4318/my/");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://c:4318/my/v1/traces");
    done();
}

Test(settings, endpoint_of_the_signal_beats_the_general_one_and_is_used_as_it_is) {
    env("ENDPOINT", "http://general");
    env("TRACES_ENDPOINT", "http://c:4318");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://c:4318/");
    done();
}

Test(settings, options_beat_the_environment) {
    clew_otlp_options options = clew_otlp_options_default();
    env("TRACES_ENDPOINT", "http://c:4318");
    env("TRACES_TIMEOUT", "7");
    env("TRACES_HEADERS", "a=1");
    options.endpoint = "http://o/x";
    options.timeout_ms = 0;
    options.headers = "b=2";
    make(&options);
    cr_assert_str_eq(settings.url, "http://o/x");
    cr_assert_eq(settings.timeout_ms, 0);
    cr_assert_eq(settings.header_count, 1);
    cr_assert_str_eq(settings.headers[0], "b: 2");
    done();
}

Test(settings, empty_is_unset) {
    env("TRACES_ENDPOINT", "");
    env("ENDPOINT", "http://c");
    env("TRACES_TIMEOUT", "");
    env("TIMEOUT", "5");
    env("TRACES_HEADERS", " ");
    env("HEADERS", "a=1");
    env("PROTOCOL", "");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://c/v1/traces");
    cr_assert_eq(settings.timeout_ms, 5);
    cr_assert_eq(settings.header_count, 1);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, wrong_endpoint_falls_back_to_the_next_and_says_so) {
    env("TRACES_ENDPOINT", "localhost:4318");
    env("ENDPOINT", "http://c:4318");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://c:4318/v1/traces");
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=\"localhost:4318\""));
    cr_assert(strstr(said, "http://c:4318/v1/traces of OTEL_EXPORTER_OTLP_ENDPOINT"));
    done();
}

Test(settings, wrong_endpoints_everywhere_leave_the_default) {
    env("TRACES_ENDPOINT", "grpc://c");
    env("ENDPOINT", "http://");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://localhost:4318/v1/traces");
    cr_assert_eq(lines_said(), 2);
    cr_assert(strstr(said, "http://localhost:4318/v1/traces, the default"));
    done();
}

Test(settings, password_of_a_wrong_endpoint_is_not_shown) {
    env("ENDPOINT", "ftp://user:hunter2@c/x?key=hunter2");
    make(NULL);
    cr_assert(strstr(said, "ENDPOINT"));
    cr_assert_null(strstr(said, "hunter2"));
    done();
}

Test(settings, user_and_password_of_an_endpoint_travel_as_a_header) {
    env("TRACES_ENDPOINT", "http://Aladdin:open%20sesame@c/x");
    make(NULL);
    cr_assert_str_eq(settings.url, "http://c/x");
    cr_assert_str_eq(settings.shown, "http://c/x");
    cr_assert_eq(settings.header_count, 1);
    cr_assert_str_eq(settings.headers[0], "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    done();
}

Test(settings, authorization_header_beats_the_user_of_the_endpoint) {
    env("TRACES_ENDPOINT", "http://user:pw@c/x");
    env("HEADERS", "authorization=Bearer%20t");
    make(NULL);
    cr_assert_eq(settings.header_count, 1);
    cr_assert_str_eq(settings.headers[0], "authorization: Bearer t");
    done();
}

Test(settings, timeout_of_the_signal_beats_the_general_one) {
    env("TIMEOUT", "1");
    env("TRACES_TIMEOUT", "2");
    make(NULL);
    cr_assert_eq(settings.timeout_ms, 2);
    done();
}

Test(settings, wrong_timeout_falls_back_to_the_general_one) {
    static const char *const wrong[] = {"-1",   "10s", "1e3", "2147483648", "99999999999999999999999",
                                        "0x10", "1 0"};
    env("TIMEOUT", "77");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        env("TRACES_TIMEOUT", wrong[i]);
        make(NULL);
        cr_assert_eq(settings.timeout_ms, 77, "%s", wrong[i]);
        clew__otlp_settings_fini(&settings);
    }
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=\"-1\""));
    cr_assert(strstr(said, "77 ms is used, of OTEL_EXPORTER_OTLP_TIMEOUT"));
    CLEW_NO_LEAKS();
}

Test(settings, wrong_timeouts_everywhere_leave_the_default) {
    env("TIMEOUT", "soon");
    env("TRACES_TIMEOUT", "later");
    make(NULL);
    cr_assert_eq(settings.timeout_ms, 10000);
    cr_assert_eq(lines_said(), 2);
    cr_assert(strstr(said, "10000 ms is used, the default"));
    done();
}

Test(settings, zero_and_the_largest_timeout_are_right) {
    env("TIMEOUT", "0");
    make(NULL);
    cr_assert_eq(settings.timeout_ms, 0);
    clew__otlp_settings_fini(&settings);
    env("TIMEOUT", "2147483647");
    make(NULL);
    cr_assert_eq(settings.timeout_ms, 2147483647);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, headers_of_the_signal_replace_the_general_ones) {
    env("HEADERS", "a=1,b=2");
    env("TRACES_HEADERS", "c=x%20y");
    make(NULL);
    cr_assert_eq(settings.header_count, 1);
    cr_assert_str_eq(settings.headers[0], "c: x y");
    cr_assert(clew__slice_equals(clew__otlp_settings_header_value(settings.headers[0]), "x y"));
    done();
}

Test(settings, last_of_two_headers_of_one_name_counts) {
    env("HEADERS", "a=1,b=2,A=3");
    make(NULL);
    cr_assert_eq(settings.header_count, 2);
    cr_assert_str_eq(settings.headers[0], "A: 3");
    cr_assert_str_eq(settings.headers[1], "b: 2");
    done();
}

Test(settings, empty_header_is_written_as_libcurl_wants_it) {
    env("HEADERS", "a=");
    make(NULL);
    cr_assert_str_eq(settings.headers[0], "a;");
    cr_assert_eq(clew__otlp_settings_header_value(settings.headers[0]).size, 0);
    done();
}

Test(settings, bad_headers_are_left_out_and_never_shown) {
    env("HEADERS", "x-key=hunter2%0d,a=1,hunter2,authorization: hunter2=,b=2");
    make(NULL);
    cr_assert_eq(settings.header_count, 2);
    cr_assert_str_eq(settings.headers[0], "a: 1");
    cr_assert_str_eq(settings.headers[1], "b: 2");
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_HEADERS: header 1, x-key"));
    cr_assert(strstr(said, "3 left out in all"));
    cr_assert_null(strstr(said, "hunter2"));
    done();
}

Test(settings, more_headers_than_the_limit_are_left_out) {
    char list[4096] = "";
    for (int i = 0; i < CLEW__OTLP_HEADERS_MAX + 5; i++) {
        char entry[16];
        snprintf(entry, sizeof entry, "h%d=v,", i);
        strcat(list, entry);
    }
    env("HEADERS", list);
    make(NULL);
    cr_assert_eq(settings.header_count, CLEW__OTLP_HEADERS_MAX);
    cr_assert(strstr(said, "5 left out in all"));
    done();
}

Test(settings, other_protocols_are_named_and_http_protobuf_is_used) {
    env("PROTOCOL", "grpc");
    make(NULL);
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_PROTOCOL=\"grpc\""));
    cr_assert(strstr(said, "http/protobuf is used"));
    cr_assert_str_eq(settings.url, "http://localhost:4318/v1/traces");
    done();
}

Test(settings, protocol_of_the_signal_beats_the_general_one) {
    env("PROTOCOL", "grpc");
    env("TRACES_PROTOCOL", "HTTP/Protobuf");
    make(NULL);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, protocol_in_code_silences_the_variables) {
    clew_otlp_options options = clew_otlp_options_default();
    env("PROTOCOL", "carrier-pigeon");
    options.protocol = CLEW_OTLP_HTTP_PROTOBUF;
    make(&options);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, gzip_is_named_as_not_supported) {
    env("COMPRESSION", "gzip");
    make(NULL);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_COMPRESSION=\"gzip\" is not supported yet"));
    done();
}

Test(settings, no_compression_is_silent_and_an_unknown_one_is_named) {
    env("TRACES_COMPRESSION", "None");
    env("COMPRESSION", "gzip");
    make(NULL);
    cr_assert_str_eq(said, "");
    clew__otlp_settings_fini(&settings);
    env("TRACES_COMPRESSION", "brotli");
    env("COMPRESSION", "none");
    make(NULL);
    cr_assert(strstr(said, "TRACES_COMPRESSION=\"brotli\""));
    done();
}

Test(settings, client_key_and_certificate_are_used_together) {
    env("CLIENT_KEY", "/dev/null");
    env("TRACES_CLIENT_CERTIFICATE", "/dev/zero");
    env("CERTIFICATE", "/dev/full");
    make(NULL);
    cr_assert_str_eq(settings.client_key, "/dev/null");
    cr_assert_str_eq(settings.client_certificate, "/dev/zero");
    cr_assert_str_eq(settings.certificate, "/dev/full");
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, client_key_without_certificate_is_not_used) {
    env("TRACES_CLIENT_KEY", "/dev/null");
    make(NULL);
    cr_assert_null(settings.client_key);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY is set, but no client certificate"));
    done();
}

Test(settings, certificate_that_cannot_be_read_is_kept_and_named) {
    env("CERTIFICATE", "/nowhere/ca.pem");
    make(NULL);
    cr_assert_str_eq(settings.certificate, "/nowhere/ca.pem");
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_CERTIFICATE=\"/nowhere/ca.pem\""));
    done();
}

Test(settings, insecure_concerns_grpc_only) {
    env("INSECURE", "true");
    env("ENDPOINT", "https://c");
    make(NULL);
    cr_assert_str_eq(settings.url, "https://c/v1/traces");
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, options_of_the_first_release_need_no_size) {
    clew_otlp_options options = {.endpoint = "http://o/x", .timeout_ms = CLEW_TIMEOUT_DEFAULT};
    make(&options);
    cr_assert_str_eq(settings.url, "http://o/x");
    cr_assert_eq(settings.timeout_ms, 10000);
    done();
}

Test(settings, options_that_are_too_small_to_be_any_are_refused) {
    clew_otlp_options options = {.struct_size = 4};
    cr_assert_eq(clew__otlp_settings_init(&settings, &options), CLEW_EINVAL);
    CLEW_NO_LEAKS();
}

Test(settings, control_characters_of_a_variable_do_not_reach_messages) {
    env("TIMEOUT", "1\x1b[31m\n2");
    make(NULL);
    cr_assert_eq(lines_said(), 1);
    cr_assert_null(strchr(said, '\x1b'));
    done();
}

/* ---- every allocation fails in turn ---- */

static unsigned allocations, failing;

static void *allocate(void *user, size_t size) {
    (void)user;
    return ++allocations == failing ? NULL : malloc(size);
}

static void *reallocate(void *user, void *block, size_t size) {
    (void)user;
    return ++allocations == failing ? NULL : realloc(block, size);
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

Test(settings, failed_allocation_is_an_error_and_leaks_nothing) {
    clew_allocator allocator = {allocate, reallocate, release, NULL};
    cr_assert_eq(clew_set_allocator(&allocator), CLEW_OK);
    env("ENDPOINT", "http://user:pw@c");
    env("HEADERS", "a=1,b=2");
    env("CERTIFICATE", "/dev/null");
    env("CLIENT_KEY", "/dev/null");
    env("CLIENT_CERTIFICATE", "/dev/null");
    int error = CLEW_ENOMEM;
    for (failing = 1; error != CLEW_OK; failing++) {
        allocations = 0;
        error = clew__otlp_settings_init(&settings, NULL);
        cr_assert(error == CLEW_ENOMEM || error == CLEW_OK);
        cr_assert_lt(failing, 100);
    }
    cr_assert_gt(failing, 8);
    done();
}
