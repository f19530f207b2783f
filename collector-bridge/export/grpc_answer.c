/* Answers of gRPC. Owns the memory of one; one thread at a time. */
#include "collector-bridge/export/grpc_answer.h"

#include "collector-bridge/wire/endpoint.h"
#include "collector-bridge/wire/retry.h"
#include "sdk/base/buffer.h"

#include <stdio.h>
#include <string.h>

/* What HTTP/2 adds to each member of a header when it counts (RFC 9113, 6.5.2). */
#define MEMBER_OVERHEAD 32u

/* ---- headers ---- */

/* A final header comes after interim ones, and begins with :status. */
static void begin_header(struct clew__grpc_answer *answer, struct clew__slice status) {
    answer->is_grpc = answer->has_code = answer->has_retry_info = false;
    answer->known_encoding = true;
    answer->encoding = CLEW__ENCODING_IDENTITY;
    answer->message_size = 0;
    answer->http_status = 0;
    for (size_t i = 0; i < status.size && i < 3; i++) /* nghttp2 lets three digits through */
        answer->http_status = answer->http_status * 10 + (status.data[i] - '0');
}

/* application/grpc, with `+proto` or parameters behind it; application/grpc-web is something else. */
static bool is_grpc_type(struct clew__slice value) {
    static const char type[] = "application/grpc";
    struct clew__slice taken = clew__slice_take(&value, sizeof type - 1);
    return clew__slice_equals(taken, type) &&
           (value.size == 0 || value.data[0] == '+' || value.data[0] == ';');
}

static void read_message(struct clew__grpc_answer *answer, struct clew__slice value) {
    answer->message_size =
        clew__percent_decode(clew__slice_take(&value, sizeof answer->message), answer->message);
}

static void read_details(struct clew__grpc_answer *answer, struct clew__slice value) {
    size_t size;
    if (clew__grpc_read_base64(value, answer->details, sizeof answer->details, &size))
        answer->has_retry_info = clew__grpc_read_retry_info(answer->details, size, &answer->retry_delay_nano);
}

/* Servers answer in the encoding of the request. */
static void read_encoding(struct clew__grpc_answer *answer, struct clew__slice value) {
    answer->known_encoding = false;
    for (enum clew__encoding each = CLEW__ENCODING_IDENTITY; each <= CLEW__ENCODING_ZSTD; each++) {
        if (!clew__slice_equals(value, clew__encoding_name(each)))
            continue;
        answer->encoding = each;
        answer->known_encoding = true;
    }
}

bool clew__grpc_answer_header(struct clew__grpc_answer *answer, struct clew__slice name,
                              struct clew__slice value) {
    answer->header_size += name.size + value.size + MEMBER_OVERHEAD;
    if (answer->header_size > CLEW__ANSWER_HEADERS_MAX) {
        answer->too_large = true;
        return false;
    }
    if (clew__slice_equals(name, ":status")) {
        begin_header(answer, value);
    } else if (clew__slice_equals(name, "content-type")) {
        answer->is_grpc = is_grpc_type(value);
    } else if (clew__slice_equals(name, "grpc-encoding")) {
        read_encoding(answer, value);
    } else if (clew__slice_equals(name, "grpc-status")) {
        answer->has_code = true;
        answer->code = clew__grpc_read_status(value);
    } else if (clew__slice_equals(name, "grpc-message")) {
        read_message(answer, value);
    } else if (clew__slice_equals(name, "grpc-status-details-bin")) {
        read_details(answer, value);
    }
    return true;
}

/* ---- the message ---- */

bool clew__grpc_answer_data(struct clew__grpc_answer *answer, const void *data, size_t size) {
    struct clew__slice part;
    answer->data_size += size;
    if (answer->data_size > CLEW__ANSWER_MAX + CLEW__GRPC_PREFIX) {
        answer->too_large = true;
        return false;
    }
    if (!answer->is_grpc || answer->malformed || size == 0)
        return true;
    answer->reader.limit = CLEW__ANSWER_MAX;
    enum clew__grpc_fault fault = clew__grpc_read(&answer->reader, data, size, &part);
    if (!answer->kept.grow)
        answer->kept = clew__buffer_charged();
    /* Without memory the rest is read and forgotten. */
    clew__write_raw(&answer->kept, part.data, part.size);
    answer->too_large = fault == CLEW__GRPC_TOO_LARGE;
    answer->malformed = fault != CLEW__GRPC_FRAMED;
    return !answer->too_large;
}

bool clew__grpc_answer_is_foreign(const struct clew__grpc_answer *answer) {
    return answer->header_ended && (answer->http_status != 200 || !answer->is_grpc);
}

/* ---- what it means ---- */

static void too_large(const char *shown, struct clew__transport_result *result) {
    result->end = CLEW__TRANSPORT_TOO_LARGE;
    result->retryable = false;
    snprintf(result->reason, sizeof result->reason, "the answer of %s is larger than the limit", shown);
}

static void read_accepted(struct clew__grpc_answer *answer, const char *shown,
                          struct clew__transport_result *result) {
    result->accepted = true;
    result->answer_cut = answer->kept.failed || answer->malformed || !clew__grpc_complete(&answer->reader) ||
                         !answer->known_encoding;
    if (result->answer_cut)
        return;
    result->answer = answer->kept.data;
    result->answer_size = answer->kept.size;
    if (!answer->reader.compressed)
        return;
    result->answer = NULL;
    result->answer_size = 0;
    int error = answer->encoding ? clew__expand(answer->encoding, answer->kept.data, answer->kept.size,
                                                CLEW__ANSWER_MAX, &answer->expanded)
                                 : CLEW_EFORMAT;
    if (error == CLEW_ELIMIT)
        too_large(shown, result);
    if (error) {
        result->answer_cut = true;
        return;
    }
    result->answer = answer->expanded.data;
    result->answer_size = answer->expanded.size;
}

/* The receiver itself has not said how it went. */
static void read_foreign(struct clew__grpc_answer *answer, const char *shown,
                         struct clew__transport_result *result) {
    result->status = clew__grpc_code_of_http(answer->http_status);
    if (answer->http_status == 200) {
        result->end = CLEW__TRANSPORT_GARBAGE;
        snprintf(result->reason, sizeof result->reason, "%s answers %s", shown,
                 answer->is_grpc ? "without a grpc-status" : "something else than gRPC");
        return;
    }
    result->end = CLEW__TRANSPORT_ANSWERED;
    result->retryable = clew__retry_code(result->status, false);
    answer->message_size = (size_t)snprintf(answer->message, sizeof answer->message,
                                            "HTTP status %d, no gRPC", (int)answer->http_status);
    result->message = clew__slice_of(answer->message, answer->message_size);
}

static void read_code(struct clew__grpc_answer *answer, const char *shown,
                      struct clew__transport_result *result) {
    result->end = CLEW__TRANSPORT_ANSWERED;
    result->status = answer->code;
    if (answer->code == CLEW__GRPC_OK) {
        read_accepted(answer, shown, result);
        return;
    }
    result->message = clew__slice_of(answer->message, answer->message_size);
    result->request_too_large = clew__grpc_says_too_large(answer->code, result->message);
    result->retryable = !result->request_too_large && clew__retry_code(answer->code, answer->has_retry_info);
    result->told = result->retryable && answer->has_retry_info && answer->retry_delay_nano;
    result->told_nano = result->told ? answer->retry_delay_nano : 0;
}

void clew__grpc_answer_read(struct clew__grpc_answer *answer, const char *shown,
                            struct clew__transport_result *result) {
    result->status = -1;
    if (answer->has_code)
        read_code(answer, shown, result);
    else if (answer->header_ended && !answer->too_large)
        read_foreign(answer, shown, result);
    if (answer->too_large)
        too_large(shown, result);
}

void clew__grpc_answer_free(struct clew__grpc_answer *answer) {
    clew__expanded_free(&answer->expanded);
    clew__buffer_fini(&answer->kept);
    memset(answer, 0, sizeof *answer);
}
