/* Any bytes as what a gRPC peer can send: framing in pieces of any size, and the values of its headers. */
#include "collector-bridge/wire/grpc.h"

#include "collector-bridge/wire/retry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void frame(const uint8_t *data, size_t size, size_t step) {
    struct clew__grpc_reader reader = {.limit = 4096};
    size_t seen = 0;
    for (size_t at = 0; at < size; at += step) {
        struct clew__slice part;
        size_t piece = size - at < step ? size - at : step;
        enum clew__grpc_fault fault = clew__grpc_read(&reader, data + at, piece, &part);
        check(part.size <= piece &&
              (part.size == 0 || ((const uint8_t *)part.data >= data + at &&
                                  (const uint8_t *)part.data + part.size <= data + size)));
        seen += part.size;
        check(seen <= reader.limit);
        if (fault)
            return;
    }
    check(!clew__grpc_complete(&reader) || seen == reader.size);
}

static void values(struct clew__slice value) {
    uint8_t *room = malloc(value.size + 1);
    char *text = malloc(3 * value.size + 1);
    uint64_t nano = 17;
    size_t size = 0;
    check(room && text);
    check(clew__grpc_read_status(value) >= 0);
    clew__grpc_says_too_large(CLEW__GRPC_RESOURCE_EXHAUSTED, value);
    if (clew__grpc_read_timeout(value, &nano) && nano != UINT64_MAX && nano < UINT64_MAX / 2) {
        char out[CLEW__GRPC_TIMEOUT_SIZE];
        uint64_t again;
        clew__grpc_write_timeout(nano, out);
        check(clew__grpc_read_timeout(clew__slice_text(out), &again) && again >= nano);
    }
    check(clew__grpc_write_message(value, text, 3 * value.size) <= 3 * value.size);
    check(clew__grpc_write_message(value, text, value.size) <= value.size);
    if (clew__grpc_read_base64(value, room, value.size, &size)) {
        check(size <= value.size);
        if (clew__grpc_read_retry_info(room, size, &nano))
            check(nano <= CLEW__RETRY_AFTER_MAX_NANO);
    }
    if (clew__grpc_read_retry_info(value.data, value.size, &nano))
        check(nano <= CLEW__RETRY_AFTER_MAX_NANO);
    free(room);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    frame(data + 1, size - 1, (size_t)data[0] + 1);
    values(clew__slice_of((const char *)data + 1, size - 1));
    return 0;
}
