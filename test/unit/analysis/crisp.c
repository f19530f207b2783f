/* Reading CRISP's reference traces. */
#include "test/unit/analysis/crisp.h"

#include "proto/jaeger_json.h"
#include "sdk/base/buffer.h"

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "r");
    char *text;
    cr_assert_not_null(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    text = calloc(*size + 1, 1);
    cr_assert_not_null(text);
    cr_assert_eq(fread(text, 1, *size, file), *size);
    fclose(file);
    return text;
}

struct analysed analyse_jaeger(const char *path) {
    struct clew__writer writer = clew__buffer_plain(), scratch = clew__buffer_plain();
    struct clew__json_fault fault = {0, NULL};
    struct analysed analysed;
    size_t size;
    char *text = read_file(path, &size), *data = strstr(text, "\"data\""), *trace;
    trace = strchr(data ? data : text, '{');
    cr_assert_not_null(trace);
    cr_assert_neq(
        clew__jaeger_json_read(&writer, &scratch, trace, size - (size_t)(trace - text), &fault, NULL), 0,
        "%s: %s", path, fault.reason);
    analysed.built = build_from_bytes((clew_bytes){writer.data, writer.size}, NULL);
    analysed.path = clew_critical_path_new(analysed.built.trace, NULL);
    cr_assert_not_null(analysed.path);
    clew__buffer_fini(&writer);
    clew__buffer_fini(&scratch);
    free(text);
    return analysed;
}

bool crisp_read(const char *name, struct crisp *out) {
    const char *folder = getenv("CLEW_TEST_TRACES");
    const clew_path_options options = {.eps_ppm = CRISP_EPS_PPM};
    char path[4096];
    if (!folder || !*folder)
        return false;
    snprintf(path, sizeof path, "%s/crisp/%s.json", folder, name);
    out->document = document_read_path(path);
    out->analysed = analyse_jaeger(path);
    clew_critical_path_free(out->analysed.path);
    out->analysed.path = clew_critical_path_new(out->analysed.built.trace, &options);
    cr_assert_not_null(out->analysed.path);
    return true;
}

void crisp_free(struct crisp *crisp) {
    document_free(&crisp->document);
    analysed_free(&crisp->analysed);
}

char *crisp_call_path(const struct crisp *crisp, uint32_t span) {
    char *text = calloc(1, 1);
    for (uint32_t at = span; at != CLEW_NO_SPAN;) {
        clew_trace_span found;
        char *longer = NULL;
        clew_trace_span_at(crisp->analysed.built.trace, at, &found);
        cr_assert_geq(asprintf(&longer, "[" TEXT_FORMAT "] " TEXT_FORMAT "%s%s", TEXT_OF(found.service),
                               TEXT_OF(found.operation), *text ? "->" : "", text),
                      0);
        free(text);
        text = longer;
        at = found.parent;
    }
    return text;
}
