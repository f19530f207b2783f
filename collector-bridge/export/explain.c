/* Words for what libcurl reports. Owns nothing; the thread of the transport. */
#include "collector-bridge/export/explain.h"

#include "collector-bridge/export/connect_error.h"
#include "collector-bridge/wire/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NANO_PER_MILLI UINT64_C(1000000)

/* As snprintf, for texts that may be cut. */
CLEW_PRINTF(3, 4) static void say(char *out, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, size, format, arguments);
    va_end(arguments);
}

/* What OpenSSL has to say, without the numbers and names that libcurl puts around it. */
static struct clew__slice tls_text(const char *text) {
    static const char before[] = "SSL routines::", after[] = ", errno";
    const char *found = strstr(text, before), *end;
    if (!found)
        return clew__slice_text(text);
    found += sizeof before - 1;
    end = strstr(found, after);
    return clew__slice_of(found, end ? (size_t)(end - found) : strlen(found));
}

/* An alert about our certificate, or that we have none. With TLS 1.3 it comes when the handshake is over and
 * the request may be gone, so that libcurl has only its words for it. */
static bool is_about_our_certificate(const char *text) {
    return strstr(text, " alert ") && (strstr(text, "certificate") || strstr(text, "unknown ca"));
}

static const char *connect_error_text(const struct clew__http *http) {
    long number = 0;
    curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &number);
    return clew__connect_error_text((int)number);
}

static void explain_late(const struct clew__http *http, char *reason, size_t size) {
    const char *shown = http->base.settings->shown;
    uint64_t now = clew_monotonic_nano();
    uint64_t end = now < http->deadline_nano ? now : http->deadline_nano;
    unsigned long long waited = (end - http->started_nano + NANO_PER_MILLI / 2) / NANO_PER_MILLI;
    curl_off_t resolved = 0, uploaded = 0;
    curl_easy_getinfo(http->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    if (http->requests == 0 && resolved == 0)
        say(reason, size, "the name in %s was not resolved within %llu ms", shown, waited);
    else if (http->requests == 0)
        say(reason, size, "no connection to %s within %llu ms", shown, waited);
    else if ((size_t)uploaded < http->request_size)
        say(reason, size, "%s took %llu of %zu bytes within %llu ms", shown, (unsigned long long)uploaded,
            http->request_size, waited);
    else
        say(reason, size, "no answer within %llu ms from %s", waited, shown);
}

/* A server with TLS 1.3 that refuses a certificate, or wants one, may be gone before libcurl reads its alert:
 * what libcurl reports then is that the first request on the connection could not be sent or answered. */
static bool may_be_about_our_certificate(const struct clew__http *http, CURLcode code) {
    curl_off_t hands_shaken = 0;
    long connects = 0;
    if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR)
        return false;
    curl_easy_getinfo(http->easy, CURLINFO_APPCONNECT_TIME_T, &hands_shaken);
    curl_easy_getinfo(http->easy, CURLINFO_NUM_CONNECTS, &connects);
    return hands_shaken > 0 && connects > 0;
}

enum clew__transport_end clew__http_explain(const struct clew__http *http, CURLcode code, char *reason,
                                            size_t size) {
    const char *shown = http->base.settings->shown;
    char detail[80];
    clew__answer_show(tls_text(http->error), NULL, 0, detail, sizeof detail);
    const char *text = detail[0] ? detail : curl_easy_strerror(code);
    if (is_about_our_certificate(http->error)) {
        say(reason, size, "%s refuses %s: %s", shown,
            http->base.settings->client_key ? "our client certificate" : "clients without a certificate",
            text);
        return CLEW__TRANSPORT_HOPELESS;
    }
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        explain_late(http, reason, size);
        return clew_monotonic_nano() + NANO_PER_MILLI < http->deadline_nano ? CLEW__TRANSPORT_BROKEN
                                                                            : CLEW__TRANSPORT_LATE;
    case CURLE_COULDNT_RESOLVE_HOST:
        say(reason, size, "the name in %s cannot be resolved", shown);
        return CLEW__TRANSPORT_BROKEN;
    case CURLE_COULDNT_RESOLVE_PROXY:
        say(reason, size, "the name of the proxy to %s cannot be resolved", shown);
        return CLEW__TRANSPORT_BROKEN;
    case CURLE_COULDNT_CONNECT:
        say(reason, size, "%s %s", connect_error_text(http), shown);
        return CLEW__TRANSPORT_BROKEN;
    case CURLE_GOT_NOTHING:
        say(reason, size, "%s closed the connection without an answer", shown);
        return CLEW__TRANSPORT_BROKEN;
    case CURLE_SSL_CONNECT_ERROR:
        if (strstr(text, "wrong version number"))
            say(reason, size, "what %s answers is not TLS: http:// may be meant", shown);
        else
            say(reason, size, "no TLS with %s: %s", shown, text);
        return CLEW__TRANSPORT_BROKEN;
    case CURLE_OUT_OF_MEMORY:
        say(reason, size, "out of memory while sending to %s", shown);
        return CLEW__TRANSPORT_HOPELESS;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_FAILED_INIT:
        say(reason, size, "%s: %s", shown, text);
        return CLEW__TRANSPORT_HOPELESS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9" */
    case CURLE_WEIRD_SERVER_REPLY:
        if (http->requests == 0) {
            say(reason, size, "%s: %s", shown, text);
            return CLEW__TRANSPORT_HOPELESS;
        }
        say(reason, size, "what %s answers is not HTTP/1.1; is it a port for OTLP/gRPC?", shown);
        return CLEW__TRANSPORT_GARBAGE;
    default:
        if (may_be_about_our_certificate(http, code))
            say(reason, size, "%s hangs up after the TLS handshake: %s", shown,
                http->base.settings->client_key ? "is our client certificate refused?"
                                                : "does it want a client certificate?");
        else
            say(reason, size, "connection to %s lost: %s", shown, text);
        return CLEW__TRANSPORT_BROKEN;
    }
}
