/* A request of libcurl that takes its trace along.
 *
 *     propagation_curl [URL]      sends it to the URL; without one, prints the headers that it would send */
#include <clew/clew.h>
#include <clew/curl.h>

static CURLcode get(CURL *curl, const char *url) {
    CLEW_SPAN(span, "GET", CLEW_CLIENT);
    clew_set(span, "http.request.method", "GET");
    clew_set(span, "url.full", url ? url : "http://example.com/");

    struct curl_slist *headers = NULL;
    clew_curl_inject(NULL, &headers); /* NULL: the current context, which is that of the span */

    CURLcode result = CURLE_OK;
    long status = 0;
    if (url) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
        result = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    } else {
        for (struct curl_slist *header = headers; header; header = header->next)
            puts(header->data);
    }
    curl_slist_free_all(headers);

    if (result != CURLE_OK)
        clew_error(span, CLEW_ERROR_OTHER, "%s", curl_easy_strerror(result));
    if (status)
        clew_set(span, "http.response.status_code", status);
    if (status >= 400) {
        char type[24];
        snprintf(type, sizeof type, "%ld", status);
        clew_span_set_error(span, type, NULL);
    }
    return result;
}

int main(int argc, char **argv) {
    CURL *curl = curl_easy_init();
    if (!curl)
        return 1;
    clew_init("propagation-curl");
    CURLcode result = get(curl, argc > 1 ? argv[1] : NULL);
    if (result != CURLE_OK)
        fprintf(stderr, "propagation_curl: %s\n", curl_easy_strerror(result));
    clew_shutdown(1000);
    curl_easy_cleanup(curl);
    return result != CURLE_OK;
}
