/* Compression of request bodies and decompression of answers: gzip on ISA-L where there is one and zlib
 * elsewhere, zstd. State is made once and kept; output is charged to the memory budget. One thread at a time
 * for each. */
#ifndef CLEW_EXPORT_COMPRESS_H
#define CLEW_EXPORT_COMPRESS_H

#include <clew/pipeline.h>

enum clew__encoding { CLEW__ENCODING_IDENTITY = 0, CLEW__ENCODING_GZIP, CLEW__ENCODING_ZSTD };

/* As Content-Encoding and grpc-encoding name it. */
const char *clew__encoding_name(enum clew__encoding encoding);

struct clew__compressor;
struct clew__compressor *clew__compressor_new(enum clew__encoding encoding);
void clew__compressor_free(struct clew__compressor *compressor);

/* Compresses all of it into `*out`, a charged buffer of the compressor's own that is valid until the next
 * call. CLEW_ENOMEM when memory or the budget is used up. */
int clew__compress(struct clew__compressor *compressor, const void *data, size_t size, clew_bytes *out);
/* Gives the buffer back when it has grown beyond `keep` bytes. */
void clew__compressor_trim(struct clew__compressor *compressor, size_t keep);

/* Expands a whole answer into charged memory of at most `limit` bytes; the caller gives it back with
 * clew__expanded_free(). CLEW_ELIMIT: it is larger; CLEW_EFORMAT: malformed or cut; CLEW_ENOMEM. Work is
 * bounded by the limit, whatever the input. */
struct clew__expanded {
    uint8_t *data;
    size_t size, charged;
};
int clew__expand(enum clew__encoding encoding, const void *data, size_t size, size_t limit,
                 struct clew__expanded *out);
void clew__expanded_free(struct clew__expanded *expanded);

#endif
