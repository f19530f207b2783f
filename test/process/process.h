/* What the tests of processes share: files of spans that several processes write, and how to read them back.
 */
#ifndef CLEW_TEST_PROCESS_H
#define CLEW_TEST_PROCESS_H

#include "test/tap.h"

#include <clew/clew.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The name of a new empty file; static storage. */
static inline const char *new_file(void) {
    static char path[64];
    int descriptor;
    strcpy(path, "/tmp/clew-test-XXXXXX");
    descriptor = mkstemp(path);
    if (descriptor >= 0)
        close(descriptor);
    return path;
}

/* What is in the file, terminated; to be freed. */
static inline char *content_of(const char *path) {
    FILE *file = fopen(path, "r");
    size_t size = 0, capacity = 1 << 16, got;
    char *text = malloc(capacity);
    while (file && (got = fread(text + size, 1, capacity - size - 1, file)) > 0) {
        size += got;
        if (capacity - size < 2)
            text = realloc(text, capacity *= 2);
    }
    if (file)
        fclose(file);
    text[size] = '\0';
    return text;
}

static inline unsigned count_in(const char *text, const char *what) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* How often the file has a span of that name. */
static inline unsigned spans_named(const char *path, const char *name) {
    char *text = content_of(path), what[128];
    unsigned count;
    snprintf(what, sizeof what, "\"name\":\"%s\"", name);
    count = count_in(text, what);
    free(text);
    return count;
}

static inline void hex_of(const uint8_t span_id[8], char hex[17]) {
    clew_span_id_to_hex(span_id, hex);
}

/* From here on nothing but a full batch goes before it is asked for, so that what waits at a flush or a
 * shutdown, which count nothing else, is known: all, when it is less than a batch. */
static inline void only_full_batches_go(void) {
    setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
}

/* Whether so many spans ended and all of them were exported, by the books of a provider (NULL: the global
 * one): also those with which the worker was quicker than a flush or a shutdown. */
static inline bool all_exported(const clew_provider *provider, uint64_t count) {
    clew_stats_data data;
    clew_stats_of(provider, &data);
    const clew_pipeline_stats *books = &data.pipelines[0];
    return books->offered == count && books->exported == count && books->pending == 0;
}

/* The exit status of a child: 0 to 255, or 1000 and the signal. */
static inline int status_of(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline unsigned milliseconds_since(uint64_t before) {
    return (unsigned)((clew_monotonic_nano() - before) / 1000000u);
}

#endif
