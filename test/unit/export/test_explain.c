/* What libcurl says, in our words. */
#include "collector-bridge/export/explain.h"

#include "collector-bridge/export/settings.h"
#include "test/support.h"

static struct clew__otlp_settings settings = {.shown = "https://there"};

static enum clew__transport_end explain(CURLcode code, const char *error, char *reason, size_t size) {
    struct clew__http http = {.base.settings = &settings, .easy = curl_easy_init()};
    enum clew__transport_end end;
    snprintf(http.error, sizeof http.error, "%s", error);
    end = clew__http_explain(&http, code, reason, size);
    curl_easy_cleanup(http.easy);
    return end;
}

Test(explain, alert_about_certificates_is_final_also_after_the_handshake) {
    char reason[256];
    cr_assert_eq(explain(CURLE_RECV_ERROR,
                         "OpenSSL SSL_read: OpenSSL/3.0.22: error:0A00045C:SSL routines::tlsv13 alert "
                         "certificate required, errno 0",
                         reason, sizeof reason),
                 CLEW__TRANSPORT_HOPELESS);
    cr_assert_str_eq(
        reason, "https://there refuses clients without a certificate: tlsv13 alert certificate required");
    settings.client_key = "key.pem";
    cr_assert_eq(explain(CURLE_SSL_CONNECT_ERROR, "error:0A000418:SSL routines::tlsv1 alert unknown ca",
                         reason, sizeof reason),
                 CLEW__TRANSPORT_HOPELESS);
    cr_assert_str_eq(reason, "https://there refuses our client certificate: tlsv1 alert unknown ca");
}

Test(explain, lost_connections_may_be_tried_again) {
    char reason[256];
    cr_assert_eq(explain(CURLE_RECV_ERROR, "Recv failure: Connection reset by peer", reason, sizeof reason),
                 CLEW__TRANSPORT_BROKEN);
    cr_assert_str_eq(reason, "connection to https://there lost: Recv failure: Connection reset by peer");
    cr_assert_eq(explain(CURLE_SEND_ERROR, "from ::1 to ::2", reason, sizeof reason), CLEW__TRANSPORT_BROKEN);
    cr_assert_str_eq(reason, "connection to https://there lost: from ::1 to ::2");
}

Test(explain, plain_text_where_tls_was_expected_is_told_without_the_words_of_openssl) {
    char reason[256];
    explain(CURLE_SSL_CONNECT_ERROR, "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number",
            reason, sizeof reason);
    cr_assert_str_eq(reason, "what https://there answers is not TLS: http:// may be meant");
    explain(CURLE_SSL_CONNECT_ERROR, "OpenSSL/3.0.22: error:0A000102:SSL routines::unsupported protocol",
            reason, sizeof reason);
    cr_assert_str_eq(reason, "no TLS with https://there: unsupported protocol");
}
