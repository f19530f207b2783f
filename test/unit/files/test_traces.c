/* Every recorded trace that other people's systems wrote is read, from the folder that CLEW_TEST_TRACES
 * names; and the spans are as many as a count says that knows nothing of the readers. */
#include "collector-bridge/files/input.h"
#include "proto/otlp.h"
#include "test/support.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 2000
#define DEPTH_MAX 256

static char *files[FILES_MAX];
static size_t file_count;

static int add_file(const char *path, const struct stat *info, int kind, struct FTW *place) {
    size_t size = strlen(path);
    (void)info, (void)place;
    if (kind == FTW_F && strcmp(path + size - 3, ".md") != 0 && !strstr(path, "/cases/")) {
        cr_assert_lt(file_count, FILES_MAX);
        files[file_count++] = strdup(path);
    }
    return 0;
}

static void find_files(void) {
    const char *folder = getenv("CLEW_TEST_TRACES");
    if (!folder || !*folder)
        cr_skip_test("CLEW_TEST_TRACES names no folder of recorded traces");
    cr_assert_eq(nftw(folder, add_file, 16, FTW_PHYS), 0);
    cr_assert_gt(file_count, 0, "there are none in %s", folder);
}

static void forget_files(void) {
    for (size_t i = 0; i < file_count; i++)
        free(files[i]);
}

/* The independent count: objects that are elements of a list `spans` which is in no `references`. */
struct level {
    bool is_spans, in_references;
};

static size_t count_in_text(const char *text) {
    struct level levels[DEPTH_MAX] = {{false, false}};
    char name[64] = "";
    size_t depth = 0, count = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '"') {
            const char *begin = c + 1;
            for (c++; *c != '"'; c++)
                c += *c == '\\';
            snprintf(name, sizeof name, "%.*s", (int)(c - begin), begin);
        } else if (*c == '[' || *c == '{') {
            count += *c == '{' && levels[depth].is_spans;
            cr_assert_lt(depth + 1, DEPTH_MAX);
            levels[depth + 1].is_spans =
                *c == '[' && strcmp(name, "spans") == 0 && !levels[depth].in_references;
            levels[depth + 1].in_references = levels[depth].in_references || strcmp(name, "references") == 0;
            depth++;
            *name = 0;
        } else if (*c == ']' || *c == '}') {
            depth--;
        }
    }
    return count;
}

static char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    char *text;
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = calloc(1, (size_t)size + 1);
    cr_assert_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return text;
}

static bool count_spans(void *user, const void *traces, size_t size) {
    struct clew__wire wire = clew__wire_of(traces, size), resource, scope, span;
    cr_assert_eq(clew__wire_check_traces(traces, size, NULL, NULL), CLEW__WIRE_OK);
    while (clew__next_member(&wire, CLEW__TRACES_RESOURCE_SPANS, &resource))
        while (clew__next_member(&resource, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope))
            while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span))
                ++*(size_t *)user;
    return true;
}

Test(traces, every_recorded_trace_is_read, .init = find_files, .fini = forget_files) {
    size_t total = 0;
    for (size_t i = 0; i < file_count; i++) {
        size_t count = 0, wanted;
        const struct clew__input_sink sink = {count_spans, &count};
        char *text = text_of(files[i]);
        wanted = count_in_text(text);
        free(text);
        cr_assert(clew__input_read_path(files[i], &sink, stderr), "%s", files[i]);
        cr_assert_eq(count, wanted, "%s: %zu spans instead of %zu", files[i], count, wanted);
        cr_assert_gt(count, 0, "%s", files[i]);
        total += count;
    }
    cr_log_info("%zu spans in %zu files", total, file_count);
    CLEW_NO_LEAKS();
}

Test(traces, folder_of_them_is_read_as_a_whole, .init = find_files, .fini = forget_files) {
    size_t count = 0, wanted = 0, size;
    const struct clew__input_sink sink = {count_spans, &count};
    char *complaints;
    FILE *errors = open_memstream(&complaints, &size);
    cr_assert(clew__input_read_path(getenv("CLEW_TEST_TRACES"), &sink, errors));
    fclose(errors);
    for (size_t i = 0; i < file_count; i++) {
        char *text = text_of(files[i]);
        wanted += count_in_text(text);
        free(text);
    }
    cr_assert_eq(count, wanted, "%zu spans instead of %zu", count, wanted);
    cr_assert(strstr(complaints, "README.md: neither JSON nor OTLP as protobuf; passed over\n"));
    free(complaints);
    CLEW_NO_LEAKS();
}
