/* The client half of http.h. Every request has its own handle of libcurl, so any thread may make one. */
#include "http.h"

#include <clew/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 5000L

/* What the span of a request says about its URL. Texts are libcurl's. */
struct target {
    char *host, *port, *path;
};

static void target_free(struct target *target) {
    curl_free(target->host);
    curl_free(target->port);
    curl_free(target->path);
}

static bool target_parse(const char *url, struct target *target) {
    memset(target, 0, sizeof *target);
    CURLU *parts = curl_url();
    bool parsed = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                  curl_url_get(parts, CURLUPART_HOST, &target->host, 0) == CURLUE_OK &&
                  curl_url_get(parts, CURLUPART_PORT, &target->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                  curl_url_get(parts, CURLUPART_PATH, &target->path, 0) == CURLUE_OK;
    curl_url_cleanup(parts);
    return parsed;
}

/* libcurl hands over the body piece by piece; what does not fit is an error. */
static size_t on_body(char *data, size_t one, size_t count, void *argument) {
    struct http_answer *answer = argument;
    size_t used = strlen(answer->text), size = one * count;
    if (size >= sizeof answer->text - used)
        return 0;
    memcpy(answer->text + used, data, size);
    answer->text[used + size] = '\0';
    return size;
}

static CURLcode perform(CURL *curl, const char *url, const char *question, struct http_answer *answer) {
    struct curl_slist *headers = NULL;
    clew_curl_inject(NULL, &headers); /* the context that travels is that of the client span */

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    CURLcode result = curl_easy_perform(curl);
    curl_slist_free_all(headers);

    long status = 0;
    struct curl_header *header;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (curl_easy_header(curl, "traceresponse", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        snprintf(answer->traceparent, sizeof answer->traceparent, "%s", header->value);
    answer->status = result == CURLE_OK ? (int)status : 0;
    return result;
}

/* Status and error of the span, by the semantic conventions of HTTP clients: 4xx and 5xx are errors. */
static void record_result(clew_span span, CURLcode result, const struct http_answer *answer) {
    char type[16];
    if (result != CURLE_OK) {
        clew_span_set_error(span, result == CURLE_OPERATION_TIMEDOUT ? CLEW_ERROR_TIMEOUT : CLEW_ERROR_OTHER,
                            curl_easy_strerror(result));
        return;
    }
    clew_set(span, "http.response.status_code", answer->status);
    if (answer->status >= 400) {
        snprintf(type, sizeof type, "%d", answer->status);
        clew_span_set_error(span, type, NULL); /* the status says it all */
    }
}

static int post(CURL *curl, const char *url, const struct target *target, const char *question,
                struct http_answer *answer) {
    char name[64];
    snprintf(name, sizeof name, "POST %s", target->path);
    CLEW_SPAN_WITH(span, name, CLEW_CLIENT, CLEW_KV("http.request.method", "POST"), CLEW_KV("url.full", url),
                   CLEW_KV("url.template", target->path), CLEW_KV("server.address", target->host),
                   CLEW_KV("server.port", atoi(target->port)));

    CURLcode result = perform(curl, url, question, answer);
    if (result != CURLE_OK)
        snprintf(answer->text, sizeof answer->text, "%s: %s", url, curl_easy_strerror(result));
    record_result(span, result, answer);
    return answer->status;
}

int http_post(const char *url, const char *question, struct http_answer *answer) {
    struct target target;
    CURL *curl = curl_easy_init();
    memset(answer, 0, sizeof *answer);
    if (curl && target_parse(url, &target))
        post(curl, url, &target, question, answer);
    else
        snprintf(answer->text, sizeof answer->text, "%s: %s", url, curl ? "not a URL" : "out of memory");
    target_free(&target);
    curl_easy_cleanup(curl);
    return answer->status;
}
