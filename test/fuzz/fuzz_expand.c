/* Any bytes as a compressed answer: the result stays within the limit, and whatever is compressed expands to
 * itself. */
#include "collector-bridge/export/compress.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 65536u

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static void expand(enum clew__encoding encoding, const uint8_t *data, size_t size) {
    struct clew__expanded expanded;
    int status = clew__expand(encoding, data, size, LIMIT, &expanded);
    REQUIRE(expanded.size <= LIMIT && expanded.charged <= LIMIT);
    REQUIRE(status == CLEW_OK || expanded.data == NULL);
    clew__expanded_free(&expanded);
}

static void round_trip(enum clew__encoding encoding, const uint8_t *data, size_t size) {
    static struct clew__compressor *compressors[CLEW__ENCODING_ZSTD + 1];
    struct clew__expanded expanded;
    clew_bytes packed;
    if (!compressors[encoding])
        compressors[encoding] = clew__compressor_new(encoding);
    REQUIRE(clew__compress(compressors[encoding], data, size, &packed) == CLEW_OK);
    REQUIRE(clew__expand(encoding, packed.data, packed.size, size, &expanded) == CLEW_OK);
    REQUIRE(expanded.size == size && (size == 0 || memcmp(expanded.data, data, size) == 0));
    clew__expanded_free(&expanded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (enum clew__encoding encoding = CLEW__ENCODING_GZIP; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        expand(encoding, data, size);
        round_trip(encoding, data, size);
    }
    return 0;
}
