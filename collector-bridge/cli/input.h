/* Reads OTLP traces from files, whatever their form. */
#ifndef CLEW_CLI_INPUT_H
#define CLEW_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Longest line, longest JSON object, and longest protobuf message that is read. */
#define CLEW__INPUT_MAX ((size_t)64 * 1024 * 1024)

/* What is done with what is read: `traces` is a well-formed TracesData, valid for the call. False stops the
 * reading. */
struct clew__input_sink {
    bool (*take)(void *user, const void *traces, size_t size);
    void *user;
};

/* Reads the whole stream and recognises by its content what it is: JSON lines (what the OTLP file exporters
 * of Clew and of the Collector write), one JSON object over many lines, or protobuf. What is malformed is
 * named on `errors`, with `name`, line and byte, and passed over; at most 20 times. Memory: one line or
 * message.
 *
 * Returns true when all of it was read and well-formed. */
bool clew__input_read(FILE *stream, const char *name, const struct clew__input_sink *sink, FILE *errors);

/* The same for a path; NULL and "-" are standard input. */
bool clew__input_read_path(const char *path, const struct clew__input_sink *sink, FILE *errors);

#endif
