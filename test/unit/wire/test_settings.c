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
        snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_METRICS_%s", names[i]);
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
    cr_assert(strstr(said, "using 77, of OTEL_EXPORTER_OTLP_TIMEOUT"));
    CLEW_NO_LEAKS();
}

Test(settings, wrong_timeouts_everywhere_leave_the_default) {
    env("TIMEOUT", "soon");
    env("TRACES_TIMEOUT", "later");
    make(NULL);
    cr_assert_eq(settings.timeout_ms, 10000);
    cr_assert_eq(lines_said(), 2);
    cr_assert(strstr(said, "using 10000, the default"));
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

static clew_otlp_protocol protocol_of(const char *text) {
    env("PROTOCOL", text);
    make(NULL);
    clew_otlp_protocol protocol = settings.protocol;
    clew__otlp_settings_fini(&settings);
    return protocol;
}

Test(settings, protocols_are_those_of_the_specification_in_any_case) {
    cr_assert_eq(protocol_of("http/protobuf"), CLEW_OTLP_HTTP_PROTOBUF);
    cr_assert_eq(protocol_of("HTTP/JSON"), CLEW_OTLP_HTTP_JSON);
    cr_assert_eq(protocol_of("gRPC"), CLEW_OTLP_GRPC);
    cr_assert_str_eq(said, "");
    CLEW_NO_LEAKS();
}

Test(settings, wrong_protocol_is_named_and_the_next_best_is_used) {
    env("TRACES_PROTOCOL", "carrier-pigeon");
    cr_assert_eq(protocol_of("grpc"), CLEW_OTLP_GRPC);
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=\"carrier-pigeon\""));
    cr_assert(strstr(said, "using grpc, of OTEL_EXPORTER_OTLP_PROTOCOL"));
    cr_assert_eq(protocol_of("http"), CLEW_OTLP_HTTP_PROTOBUF);
    cr_assert(strstr(said, "PROTOCOL=\"http\" is no protocol of OTLP; using http/protobuf, the default"));
    CLEW_NO_LEAKS();
}

Test(settings, protocol_of_the_signal_beats_the_general_one) {
    env("TRACES_PROTOCOL", "HTTP/Protobuf");
    cr_assert_eq(protocol_of("grpc"), CLEW_OTLP_HTTP_PROTOBUF);
    cr_assert_str_eq(said, "");
    CLEW_NO_LEAKS();
}

Test(settings, protocol_in_code_silences_the_variables) {
    clew_otlp_options options = clew_otlp_options_default();
    env("PROTOCOL", "carrier-pigeon");
    options.protocol = CLEW_OTLP_HTTP_JSON;
    make(&options);
    cr_assert_eq(settings.protocol, CLEW_OTLP_HTTP_JSON);
    cr_assert_str_eq(said, "");
    done();
}

Test(settings, numbers_in_code_that_are_no_choices_are_named) {
    clew_otlp_options options = clew_otlp_options_default();
    options.protocol = (clew_otlp_protocol)99;
    options.compression = (clew_compression)-1;
    make(&options);
    cr_assert_eq(settings.protocol, CLEW_OTLP_HTTP_PROTOBUF);
    cr_assert_eq(settings.compression, CLEW_COMPRESSION_NONE);
    cr_assert_eq(lines_said(), 2);
    done();
}

static clew_compression compression_of(const char *special, const char *general) {
    env("TRACES_COMPRESSION", special);
    env("COMPRESSION", general);
    make(NULL);
    clew_compression compression = settings.compression;
    clew__otlp_settings_fini(&settings);
    return compression;
}

Test(settings, compressions_are_gzip_zstd_and_none) {
    cr_assert_eq(compression_of("", "GZIP"), CLEW_COMPRESSION_GZIP);
    cr_assert_eq(compression_of("", "zstd"), CLEW_COMPRESSION_ZSTD);
    cr_assert_eq(compression_of("None", "gzip"), CLEW_COMPRESSION_NONE);
    cr_assert_str_eq(said, "");
    cr_assert_eq(compression_of("brotli", "gzip"), CLEW_COMPRESSION_GZIP);
    cr_assert(strstr(said, "TRACES_COMPRESSION=\"brotli\""));
    cr_assert(strstr(said, "using gzip, of OTEL_EXPORTER_OTLP_COMPRESSION"));
    CLEW_NO_LEAKS();
}

Test(settings, metrics_have_variables_and_a_path_of_their_own) {
    clew_otlp_options options = clew_otlp_options_default();
    options.signal = CLEW_SIGNAL_METRICS;
    env("TRACES_TIMEOUT", "1");
    env("METRICS_TIMEOUT", "2");
    env("TRACES_HEADERS", "a=1");
    env("TRACES_ENDPOINT", "http://traces/x");
    env("ENDPOINT", "http://c:4318");
    make(&options);
    cr_assert_eq(settings.signal, CLEW_SIGNAL_METRICS);
    cr_assert_str_eq(settings.url, "http://c:4318/v1/metrics");
    cr_assert_eq(settings.timeout_ms, 2);
    cr_assert_eq(settings.header_count, 0);
    done();
}

Test(settings, limit_of_requests_is_64_mebibytes_or_what_the_program_says) {
    clew_otlp_options options = clew_otlp_options_default();
    make(&options);
    cr_assert_eq(settings.max_request_bytes, 67108864);
    clew__otlp_settings_fini(&settings);
    options.max_request_bytes = 1000;
    make(&options);
    cr_assert_eq(settings.max_request_bytes, 1000);
    done();
}

Test(settings, product_stands_before_the_exporter_in_the_user_agent) {
    clew_otlp_options options = clew_otlp_options_default();
    make(&options);
    cr_assert_eq(strncmp(settings.user_agent, "OTel-OTLP-Exporter-C/", 21), 0);
    clew__otlp_settings_fini(&settings);
    options.user_agent = "shop/1.2";
    make(&options);
    cr_assert_eq(strncmp(settings.user_agent, "shop/1.2 OTel-OTLP-Exporter-C/", 30), 0);
    clew__otlp_settings_fini(&settings);
    options.user_agent = "shop\r\nx: y";
    make(&options);
    cr_assert_eq(strncmp(settings.user_agent, "OTel-OTLP-Exporter-C/", 21), 0);
    cr_assert(strstr(said, "user_agent is not used"));
    done();
}

/* ---- gRPC ---- */

static void make_grpc(const char *endpoint) {
    env("PROTOCOL", "grpc");
    env("ENDPOINT", endpoint);
    make(NULL);
}

static void check_grpc(const char *endpoint, const char *host, unsigned port, bool tls) {
    make_grpc(endpoint);
    cr_assert_str_eq(settings.host, host, "%s", endpoint);
    cr_assert_eq(settings.port, port, "%s", endpoint);
    cr_assert_eq(settings.tls, tls, "%s", endpoint);
    cr_assert_null(settings.socket);
    clew__otlp_settings_fini(&settings);
}

Test(settings, grpc_goes_to_port_4317_of_this_machine_by_default) {
    check_grpc("", "localhost", 4317, false);
    cr_assert_str_eq(said, "");
    CLEW_NO_LEAKS();
}

Test(settings, scheme_of_a_grpc_endpoint_decides_about_tls) {
    env("INSECURE", "true");
    check_grpc("https://c:4317", "c", 4317, true);
    check_grpc("HTTPS://c", "c", 443, true);
    env("INSECURE", "false");
    check_grpc("http://c:4317", "c", 4317, false);
    check_grpc("http://c", "c", 80, false);
    cr_assert_str_eq(said, "");
    CLEW_NO_LEAKS();
}

Test(settings, grpc_endpoint_without_a_scheme_has_tls_unless_it_is_insecure) {
    check_grpc("c:4317", "c", 4317, true);
    check_grpc("dns:///c:4317", "c", 4317, true);
    check_grpc("[::1]:4317", "::1", 4317, true);
    env("INSECURE", "TRUE");
    check_grpc("c:4317", "c", 4317, false);
    env("TRACES_INSECURE", "false");
    check_grpc("c:4317", "c", 4317, true);
    cr_assert_str_eq(said, "");
    env("TRACES_INSECURE", "1");
    check_grpc("c:4317", "c", 4317, true);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_TRACES_INSECURE=\"1\" is neither true nor false"));
    CLEW_NO_LEAKS();
}

Test(settings, obsolete_name_of_insecure_is_heeded_after_the_others) {
    env("SPAN_INSECURE", "true");
    check_grpc("c:4317", "c", 4317, false);
    env("INSECURE", "false");
    check_grpc("c:4317", "c", 4317, true);
    unsetenv("OTEL_EXPORTER_OTLP_SPAN_INSECURE");
    CLEW_NO_LEAKS();
}

Test(settings, insecure_in_code_beats_the_variables) {
    clew_otlp_options options = clew_otlp_options_default();
    env("INSECURE", "false");
    options.protocol = CLEW_OTLP_GRPC;
    options.endpoint = "c:4317";
    options.flags = CLEW_OTLP_INSECURE;
    make(&options);
    cr_assert_not(settings.tls);
    cr_assert_str_eq(settings.authority, "c:4317");
    done();
}

Test(settings, unix_sockets_are_endpoints_of_both_protocols) {
    make_grpc("unix:///run/otel.sock");
    cr_assert_str_eq(settings.socket, "/run/otel.sock");
    cr_assert_str_eq(settings.authority, "localhost");
    cr_assert_str_eq(settings.shown, "unix:///run/otel.sock");
    cr_assert_not(settings.tls);
    clew__otlp_settings_fini(&settings);
    make_grpc("unix:otel.sock");
    cr_assert_str_eq(settings.socket, "otel.sock");
    clew__otlp_settings_fini(&settings);
    env("PROTOCOL", "http/json");
    env("TRACES_ENDPOINT", "unix:///run/otel.sock");
    make(NULL);
    cr_assert_str_eq(settings.socket, "/run/otel.sock");
    cr_assert_str_eq(settings.url, "http://localhost/v1/traces");
    cr_assert_str_eq(settings.shown, "unix:///run/otel.sock");
    cr_assert_str_eq(said, "");
    done();
}

static void check_server(const char *protocol, const char *endpoint, const char *address, uint16_t port) {
    env("PROTOCOL", protocol);
    env("TRACES_ENDPOINT", endpoint);
    make(NULL);
    cr_expect_str_eq(settings.server_address, address, "%s", endpoint);
    cr_expect_eq(settings.server_port, port, "%s: %u", endpoint, settings.server_port);
    clew__otlp_settings_fini(&settings);
}

Test(settings, server_of_the_metrics_is_the_host_of_the_endpoint_with_its_port) {
    check_server("http/protobuf", "http://user:secret@c:4318/v1/traces?key=1", "c", 4318);
    check_server("http/json", "https://c", "c", 443);
    check_server("http/protobuf", "http://[::1]/", "::1", 80);
    check_server("grpc", "https://[2001:db8::1]", "2001:db8::1", 443);
    check_server("grpc", "c:4317", "c", 4317);
    check_server("grpc", "unix:///run/otel.sock", "/run/otel.sock", 0);
    check_server("http/protobuf", "unix:///run/otel.sock", "/run/otel.sock", 0);
    CLEW_NO_LEAKS();
}

Test(settings, path_of_a_grpc_endpoint_is_ignored_with_a_warning) {
    check_grpc("http://c:4317/v1/traces", "c", 4317, false);
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "OTEL_EXPORTER_OTLP_ENDPOINT: gRPC has no use for the path"));
    make_grpc("http://c:4317/v1/traces");
    cr_expect_str_eq(settings.shown, "http://c:4317");
    clew__otlp_settings_fini(&settings);
    make_grpc("dns:///c:4317/more");
    cr_expect_str_eq(settings.shown, "dns:///c:4317");
    done();
}

Test(settings, wrong_grpc_endpoint_falls_back_to_the_next_and_says_so) {
    env("TRACES_ENDPOINT", "grpc://c:4317");
    check_grpc("http://general:4317", "general", 4317, false);
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "its scheme is none of http, https, dns and unix"));
    cr_assert(strstr(said, "http://general:4317 of OTEL_EXPORTER_OTLP_ENDPOINT"));
    check_grpc("http://c:99999", "localhost", 4317, false);
    cr_assert(strstr(said, "http://localhost:4317, the default"));
    CLEW_NO_LEAKS();
}

Test(settings, headers_of_grpc_are_lower_case_and_binary_ones_base64) {
    env("HEADERS", "X-Key=Value,trace-BIN=%20a,x=caf%c3%a9");
    make_grpc("http://User:pw@c:4317");
    cr_assert_eq(settings.header_count, 3);
    cr_assert_str_eq(settings.headers[0], "x-key: Value");
    cr_assert_str_eq(settings.headers[1], "trace-bin: IGE=");
    cr_assert_str_eq(settings.headers[2], "authorization: Basic VXNlcjpwdw==");
    cr_assert(strstr(said, "header 3, x is left out: gRPC takes only ASCII"));
    cr_assert_str_eq(settings.shown, "http://c:4317");
    done();
}

Test(settings, headers_that_grpc_sets_itself_are_refused_by_name) {
    static const char *const reserved[] = {"grpc-timeout", "GRPC-Encoding", "te",        "content-type",
                                           "host",         "user-agent",    "connection"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        char list[64];
        snprintf(list, sizeof list, "%s=1,a=2", reserved[i]);
        env("HEADERS", list);
        make_grpc("http://c:4317");
        cr_assert_eq(settings.header_count, 1, "%s", reserved[i]);
        clew__otlp_settings_fini(&settings);
    }
    cr_assert(strstr(said, "header 1, grpc-timeout is left out: the exporter sets it itself"));
    env("HEADERS", ":path=1,a=2");
    make_grpc("http://c:4317");
    cr_assert_eq(settings.header_count, 1);
    done();
}

Test(settings, port_of_the_other_protocol_is_worth_a_hint) {
    env("PROTOCOL", "http/protobuf");
    env("ENDPOINT", "http://c:4317");
    make(NULL);
    cr_assert_eq(lines_said(), 1);
    cr_assert(strstr(said, "port 4317 is usually the one of OTLP/gRPC"));
    cr_assert_str_eq(settings.url, "http://c:4317/v1/traces");
    clew__otlp_settings_fini(&settings);
    said[0] = '\0';
    check_grpc("http://other:4318", "other", 4318, false);
    cr_assert_eq(lines_said(), 0, "one line in ten seconds: %s", said);
    CLEW_NO_LEAKS();
}

Test(settings, grpc_at_the_port_of_http_is_worth_a_hint) {
    check_grpc("http://c:4318", "c", 4318, false);
    cr_assert(strstr(said, "port 4318 is usually the one of OTLP/HTTP"));
    CLEW_NO_LEAKS();
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
    for (int grpc = 0; grpc < 2; grpc++) {
        int error = CLEW_ENOMEM;
        env("PROTOCOL", grpc ? "grpc" : "http/json");
        for (failing = 1; error != CLEW_OK; failing++) {
            allocations = 0;
            error = clew__otlp_settings_init(&settings, NULL);
            cr_assert(error == CLEW_ENOMEM || error == CLEW_OK);
            cr_assert_lt(failing, 100);
        }
        cr_assert_gt(failing, 8);
        clew__otlp_settings_fini(&settings);
    }
    CLEW_NO_LEAKS();
}
