/* Endpoints of gRPC, and Unix sockets: every part lies inside the text. */
#include "collector-bridge/wire/target.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct clew__slice part, struct clew__slice text) {
    if (part.size && (part.data < text.data || part.data + part.size > text.data + text.size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__target target;
    struct clew__slice text = clew__slice_of((const char *)data, size);
    if (clew__target_read(text, &target) != CLEW__ENDPOINT_OK)
        return 0;
    check_inside(target.user, text);
    check_inside(target.host, text);
    check_inside(target.socket, text);
    check_inside(target.ignored, text);
    if (!target.host.size == !target.socket.size)
        abort();
    return 0;
}
