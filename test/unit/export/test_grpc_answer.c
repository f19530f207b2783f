/* Answers of gRPC whose message is compressed. */
#include "collector-bridge/export/grpc_answer.h"

#include "sdk/base/memory.h"
#include "test/support.h"

#define MESSAGE "\x0a\x04\x12\x02hi" /* a partial success that says "hi" */

static void say(struct clew__grpc_answer *answer, const char *name, const char *value) {
    cr_assert(clew__grpc_answer_header(answer, clew__slice_text(name), clew__slice_text(value)));
}

/* A call that went well, and the message in that encoding. */
static void answer_in(struct clew__grpc_answer *answer, enum clew__encoding encoding, const char *name,
                      struct clew__transport_result *result) {
    struct clew__compressor *compressor = clew__compressor_new(encoding);
    uint8_t prefix[CLEW__GRPC_PREFIX] = {encoding != CLEW__ENCODING_IDENTITY};
    clew_bytes packed;
    say(answer, ":status", "200");
    say(answer, "content-type", "application/grpc");
    say(answer, "grpc-encoding", name);
    cr_assert_eq(clew__compress(compressor, MESSAGE, sizeof MESSAGE - 1, &packed), CLEW_OK);
    prefix[CLEW__GRPC_PREFIX - 1] = (uint8_t)packed.size;
    cr_assert(clew__grpc_answer_data(answer, prefix, sizeof prefix));
    cr_assert(clew__grpc_answer_data(answer, packed.data, packed.size));
    say(answer, "grpc-status", "0");
    clew__grpc_answer_read(answer, "nobody", result);
    clew__compressor_free(compressor);
}

Test(grpc_answer, messages_are_read_in_every_encoding_that_requests_have) {
    for (enum clew__encoding each = CLEW__ENCODING_IDENTITY; each <= CLEW__ENCODING_ZSTD; each++) {
        struct clew__grpc_answer answer = {0};
        struct clew__transport_result result = {0};
        answer_in(&answer, each, clew__encoding_name(each), &result);
        cr_assert(result.accepted && !result.answer_cut, "%s", clew__encoding_name(each));
        cr_assert_eq(result.answer_size, sizeof MESSAGE - 1);
        cr_assert(memcmp(result.answer, MESSAGE, sizeof MESSAGE - 1) == 0);
        clew__grpc_answer_free(&answer);
        cr_assert_eq(clew__budget_used(), 0);
    }
    CLEW_NO_LEAKS();
}

Test(grpc_answer, message_in_an_unknown_encoding_is_left_unread) {
    struct clew__grpc_answer answer = {0};
    struct clew__transport_result result = {0};
    answer_in(&answer, CLEW__ENCODING_GZIP, "snappy", &result);
    cr_assert(result.accepted && result.answer_cut);
    clew__grpc_answer_free(&answer);
    CLEW_NO_LEAKS();
}
