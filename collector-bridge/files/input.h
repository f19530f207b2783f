/* Reads traces from files, folders and streams, whatever their form, and hands them on as OTLP. One thread.
 */
#ifndef CLEW_FILES_INPUT_H
#define CLEW_FILES_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How far down the folders of a folder are read. */
#define CLEW__INPUT_FOLDERS_MAX 16
/* How many faults of a file are told; of the others the number is. */
#define CLEW__INPUT_FAULTS_MAX 20

struct clew__input_limits {
    size_t element; /* the longest that is read: a ResourceSpans, a trace of Jaeger, a span of Zipkin */
    size_t piece;   /* an element that becomes more bytes of protobuf than that is handed on in pieces */
};
/* 2 GiB, or a quarter of the memory where that is less, but at least 64 MiB; 16 MiB. */
struct clew__input_limits clew__input_limits_default(void);

/* The bytes of memory that the machine has; 2 GiB where it does not say. */
uint64_t clew__input_memory(void);

/* What is done with what is read: `traces` is a well-formed TracesData, valid for the call, and within
 * clew__wire_limits_default(). False stops the reading, of all that is still to come. */
struct clew__input_sink {
    bool (*take)(void *user, const void *traces, size_t size);
    void *user;
};

/* Reads the whole stream. What it is, is recognised by its content: OTLP as protobuf, as JSON or as JSON
 * lines, Jaeger's JSON, Zipkin's JSON of version 2; each also compressed with gzip or zstd. What is malformed
 * is named on `errors`, with `name`, line and byte of the expanded content and the reason, and passed over:
 * of JSON the span, or what is behind the damage in an element; of protobuf the message. So is what is longer
 * than the limits, and that there is nothing. While `errors` is a terminal, it shows how far a long file is
 * read. Memory: that of one element and of what it becomes, whatever the size of the file.
 *
 * Returns true when all of it was read and well-formed, and the sink did not stop it. */
bool clew__input_read(FILE *stream, const char *name, const struct clew__input_sink *sink, FILE *errors);
/* The same within other limits. */
bool clew__input_read_within(const struct clew__input_limits *limits, FILE *stream, const char *name,
                             const struct clew__input_sink *sink, FILE *errors);

/* The same for a path; NULL and "-" are standard input. Of a folder all files are read in the order of their
 * names, and so are those of its folders, down to CLEW__INPUT_FOLDERS_MAX; but none whose name starts with a
 * dot, and no folder behind a symbolic link. A file that is found there and is empty or holds something else
 * is named, which is no fault; that there is no file at all is one. */
bool clew__input_read_path(const char *path, const struct clew__input_sink *sink, FILE *errors);

/* The same for several paths, one after the other; without any, standard input. */
bool clew__input_read_paths(const char *const *paths, size_t count, const struct clew__input_sink *sink,
                            FILE *errors);

#endif
