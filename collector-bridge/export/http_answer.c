/* The answer to the request under way: its bytes, charged to the budget, and what they mean. The transport's
 * thread. */
#include "collector-bridge/export/http.h"

#include "collector-bridge/export/explain.h"
#include "collector-bridge/wire/answer.h"
#include "collector-bridge/wire/answer_json.h"
#include "collector-bridge/wire/endpoint.h"
#include "collector-bridge/wire/retry.h"
#include "sdk/base/buffer.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#define STATUS_BAD_REQUEST 400
/* 413 Content Too Large */
#define STATUS_TOO_LARGE 413

/* libcurl has connected and is about to send the request: more than once when it finds that a kept connection
 * was closed by the peer meanwhile. */
static int on_request(void *user, char *primary_ip, char *local_ip, int primary_port, int local_port) {
    struct clew__http *http = user;
    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    http->requests++;
    return CURL_PREREQFUNC_OK;
}

/* Takes `name`, which ends in a colon, off the front of a header line. */
static bool take_name(struct clew__slice *line, const char *name) {
    size_t size = strlen(name);
    if (line->size < size || strncasecmp(line->data, name, size) != 0)
        return false;
    clew__slice_take(line, size);
    *line = clew__slice_trim(*line);
    return true;
}

static bool is_type(struct clew__slice value, const char *type) {
    struct clew__slice name = clew__slice_trim(clew__slice_split(&value, ';'));
    return name.size == strlen(type) && strncasecmp(name.data, type, name.size) == 0;
}

static void read_header(struct clew__http *http, struct clew__slice line) {
    if (take_name(&line, "retry-after:")) {
        if (clew__retry_after(line, (int64_t)time(NULL), &http->retry_after_nano))
            http->retry_after = true;
    } else if (take_name(&line, "content-type:")) {
        if (is_type(line, "application/json"))
            http->body_json = true;
        else if (is_type(line, "application/x-protobuf"))
            http->body_json = false;
    } else if (take_name(&line, "content-encoding:")) {
        http->body_gzip = is_type(line, "gzip");
        http->body_strange = !http->body_gzip && !is_type(line, "identity");
    }
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
    struct clew__http *http = user;
    struct clew__slice line = {data, size * count};
    http->header_size += line.size;
    if (http->header_size > CLEW__ANSWER_HEADERS_MAX) {
        http->too_large = true;
        return 0;
    }
    while (line.size && (line.data[line.size - 1] == '\r' || line.data[line.size - 1] == '\n'))
        line.size--;
    if (line.size == 0) {
        long status = 0;
        curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
        http->headers_complete = status >= 200; /* below: an interim answer */
    } else if (!http->headers_complete) {
        read_header(http, line);
    }
    return size * count;
}

void clew__http_answer_free(struct clew__http *http) {
    clew__expanded_free(&http->expanded);
    http->expanded = (struct clew__expanded){NULL, 0, 0};
    clew__buffer_fini(&http->body);
    http->body_size = 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    struct clew__http *http = user;
    size *= count;
    if (size > CLEW__ANSWER_MAX - http->body_size) {
        http->too_large = true;
        return 0;
    }
    /* Without memory the rest is read and forgotten. The size goes on, for the limit. */
    clew__write_raw(&http->body, data, size);
    http->body_size += size;
    return size;
}

bool clew__http_answer_hooks(CURL *easy, struct clew__http *http) {
    return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, http) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, http) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

void clew__http_answer_begin(struct clew__http *http) {
    clew__http_answer_free(http);
    http->body = clew__buffer_charged();
    http->requests = 0;
    http->header_size = 0;
    http->headers_complete = http->too_large = http->retry_after = false;
    http->body_gzip = http->body_strange = false;
    http->body_json = http->base.settings->protocol == CLEW_OTLP_HTTP_JSON;
    http->error[0] = '\0';
}

/* ---- what it means ---- */

/* The body as the receiver meant it. NULL with a size of 0, and false, when it cannot be had. */
static bool body_of(struct clew__http *http, bool whole, uint8_t **out, size_t *size) {
    *out = NULL;
    *size = 0;
    if (!whole || http->body.failed || http->body_strange)
        return false;
    if (!http->body_gzip || http->body.size == 0) {
        *out = http->body.data;
        *size = http->body.size;
        return true;
    }
    int error = clew__expand(CLEW__ENCODING_GZIP, http->body.data, http->body.size, CLEW__ANSWER_MAX,
                             &http->expanded);
    if (error == CLEW_ELIMIT)
        http->too_large = true;
    if (error)
        return false;
    *out = http->expanded.data;
    *size = http->expanded.size;
    return true;
}

/* The common servers say so in plain words. */
static bool wants_tls(const struct clew__http *http, const uint8_t *body, size_t size) {
    return size && !clew__endpoint_is_https(clew__slice_text(http->base.settings->url)) &&
           memmem(body, size, "HTTPS", 5);
}

static void interpret(struct clew__transport_result *result, const struct clew__http *http, uint8_t *body,
                      size_t size, bool readable) {
    result->end = CLEW__TRANSPORT_ANSWERED;
    result->accepted = result->status < 300;
    if (result->accepted) {
        result->answer_cut = !readable;
        result->answer = body;
        result->answer_size = size;
        result->answer_json = http->body_json;
        return;
    }
    result->request_too_large = result->status == STATUS_TOO_LARGE;
    result->retryable = clew__retry_status(result->status);
    result->told = result->retryable && http->retry_after;
    result->told_nano = http->retry_after_nano;
    if (result->status == STATUS_BAD_REQUEST && wants_tls(http, body, size))
        result->message = clew__slice_text("the port wants TLS; https:// may be meant");
    else
        result->message = http->body_json ? clew__answer_json_status_message(body, size)
                                          : clew__answer_status_message(body, size);
}

void clew__http_result(struct clew__http *http, CURLcode code, struct clew__transport_result *result) {
    curl_off_t uploaded = 0;
    uint8_t *body = NULL;
    size_t size = 0;
    long status = -1;
    memset(result, 0, sizeof *result);
    curl_easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    /* A second beginning: a kept connection died with the request on it, and libcurl took a new one by
     * itself. */
    result->sent = http->requests > 1 || (http->requests == 1 && (size_t)uploaded >= http->request_size);
    if (http->headers_complete)
        curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = (int32_t)status;
    bool readable = http->headers_complete && body_of(http, code == CURLE_OK, &body, &size);
    if (http->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        result->end = CLEW__TRANSPORT_TOO_LARGE;
        snprintf(result->reason, sizeof result->reason, "the answer of %s is larger than the limit",
                 http->base.settings->shown);
    } else if (http->headers_complete) {
        interpret(result, http, body, size, readable);
    } else {
        code = code == CURLE_OK ? CURLE_GOT_NOTHING : code;
        result->end = clew__http_explain(http, code, result->reason, sizeof result->reason);
        result->retryable = result->end == CLEW__TRANSPORT_BROKEN;
        result->memory = code == CURLE_OUT_OF_MEMORY;
        /* Who is refused by TLS, even after the request, is not listened to. */
        if (result->end == CLEW__TRANSPORT_HOPELESS && !result->memory)
            result->sent = http->requests > 1;
    }
}
