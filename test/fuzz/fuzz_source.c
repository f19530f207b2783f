/* Any bytes as a file that may be compressed: expanded as a stream, up to a limit, whatever they are; with a
 * magic number before them, too. */
#include <stdlib.h>
#include <string.h>

#include "collector-bridge/files/source.h"

#define EXPANDED_MAX ((size_t)4 * 1024 * 1024)

static void expand(const void *data, size_t size) {
    static char out[65536];
    FILE *stream = fmemopen((void *)(uintptr_t)data, size, "rb");
    struct clew__source *source = stream ? clew__source_new(stream) : NULL;
    size_t total = 0, got;
    if (!source)
        abort();
    do {
        got = clew__source_read(source, out, sizeof out);
        total += got;
    } while (got > 0 && total < EXPANDED_MAX);
    if (got == 0 && !clew__source_fault(source) && clew__source_taken(source) != size)
        abort();
    clew__source_free(source);
    fclose(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    uint8_t *copy;
    if (size == 0)
        return 0;
    expand(data, size);
    copy = malloc(size + sizeof gzip);
    if (!copy)
        abort();
    memcpy(copy, gzip, sizeof gzip);
    memcpy(copy + sizeof gzip, data, size);
    expand(copy, size + sizeof gzip);
    memcpy(copy, zstd, sizeof zstd);
    memcpy(copy + sizeof zstd, data, size);
    expand(copy, size + sizeof zstd);
    free(copy);
    return 0;
}
