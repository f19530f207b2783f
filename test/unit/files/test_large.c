/* Streams that are larger than what may be kept of them: 64 MB in each form, 1 GB with CLEW_TEST_SCALE=large.
 */
#include "collector-bridge/files/input.h"
#include "proto/json.h"
#include "proto/otlp.h"
#include "test/support.h"
#include "test/unit/proto/growing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#define MIB ((size_t)1024 * 1024)
#define GROWTH_MAX (48 * MIB) /* buffers are below 4 MiB; the rest is what sanitizers and zstd keep */

/* `head`, as many times `element` as make up `size` bytes, `tail`. */
struct form {
    const char *head, *element, *tail;
    size_t head_size, element_size, tail_size; /* 0: up to its end */
    size_t spans;                              /* in an element */
};

struct endless {
    struct form form;
    size_t elements; /* that are still to come */
    size_t at;       /* in what comes now */
    enum { HEAD, ELEMENTS, TAIL } part;
};

static ssize_t read_endless(void *cookie, char *buffer, size_t room) {
    struct endless *endless = cookie;
    size_t done = 0;
    while (done < room) {
        const char *text = endless->part == HEAD       ? endless->form.head
                           : endless->part == ELEMENTS ? endless->form.element
                                                       : endless->form.tail;
        size_t size = endless->part == HEAD       ? endless->form.head_size
                      : endless->part == ELEMENTS ? endless->form.element_size
                                                  : endless->form.tail_size;
        size_t part = size - endless->at < room - done ? size - endless->at : room - done;
        memcpy(buffer + done, text + endless->at, part);
        done += part;
        endless->at += part;
        if (endless->at < size)
            break;
        endless->at = 0;
        if (endless->part == TAIL && size == 0)
            break;
        if (endless->part == HEAD)
            endless->part = ELEMENTS;
        else if (endless->part == TAIL)
            endless->form.tail_size = 0;
        else if (--endless->elements == 0)
            endless->part = TAIL;
    }
    return (ssize_t)done;
}

static size_t peak_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static bool count_spans(void *user, const void *traces, size_t size) {
    struct clew__wire wire = clew__wire_of(traces, size), resource, scope, span;
    while (clew__next_member(&wire, CLEW__TRACES_RESOURCE_SPANS, &resource))
        while (clew__next_member(&resource, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope))
            while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span))
                ++*(size_t *)user;
    return true;
}

/* Reads so many bytes of expanded content in that form. */
static void assert_streams(struct form form, size_t expanded) {
    const char *scale = getenv("CLEW_TEST_SCALE");
    size_t total = scale && strcmp(scale, "large") == 0 ? 1000000000 : 64000000, spans = 0, before;
    const struct clew__input_sink sink = {count_spans, &spans};
    struct endless endless = {.form = form, .elements = total / expanded + 1};
    FILE *stream = fopencookie(&endless, "rb", (cookie_io_functions_t){.read = read_endless});
    before = peak_memory();
    cr_assert(clew__input_read(stream, "large", &sink, stderr));
    fclose(stream);
    cr_assert_eq(spans, (total / expanded + 1) * form.spans);
    cr_assert_leq(peak_memory() - before, GROWTH_MAX, "%zu bytes more", peak_memory() - before);
}

static struct form form_of(const char *head, const char *element, const char *tail, size_t spans) {
    return (struct form){head, element, tail, strlen(head), strlen(element), strlen(tail), spans};
}

#define SPAN                                                                                                 \
    "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00f067aa0ba902b7\",\"name\":\"GET /\","  \
    "\"kind\":2,\"startTimeUnixNano\":\"1655753768523213000\",\"endTimeUnixNano\":\"1655753768525213000\","  \
    "\"attributes\":[{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}}]}"
#define RESOURCE_SPANS                                                                                       \
    "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}}]},"      \
    "\"scopeSpans\":[{\"spans\":[" SPAN "," SPAN "," SPAN "," SPAN "]}]}"
#define LINE "{\"resourceSpans\":[" RESOURCE_SPANS "]}\n"

Test(large, json_lines_stream) {
    assert_streams(form_of("", LINE, "", 4), strlen(LINE));
    CLEW_NO_LEAKS();
}

Test(large, one_json_object_streams) {
    assert_streams(form_of("{\"resourceSpans\":[{},", RESOURCE_SPANS ",\n", "{}]}", 4),
                   strlen(RESOURCE_SPANS));
    CLEW_NO_LEAKS();
}

Test(large, answer_of_jaeger_streams) {
    static const char trace[] =
        "{\"traceID\":\"1\",\"spans\":[{\"traceID\":\"1\",\"spanID\":\"2\",\"operationName\":\"GET /\","
        "\"references\":[],\"startTime\":1655753768523213,\"duration\":2000,\"tags\":[{\"key\":\"span.kind\","
        "\"type\":\"string\",\"value\":\"server\"}],\"logs\":[],\"processID\":\"p1\",\"warnings\":null}],"
        "\"processes\":{\"p1\":{\"serviceName\":\"shop\",\"tags\":[]}}},";
    assert_streams(form_of("{\"data\":[", trace, "{\"spans\":[]}]}", 1), strlen(trace));
    CLEW_NO_LEAKS();
}

Test(large, list_of_zipkin_streams) {
    static const char span[] =
        "{\"traceId\":\"1\",\"id\":\"2\",\"name\":\"get\",\"kind\":\"SERVER\",\"timestamp\":1655753768523213,"
        "\"duration\":2000,\"localEndpoint\":{\"serviceName\":\"shop\"},\"tags\":{\"http.method\":\"GET\"}},";
    assert_streams(form_of("[", span, "null]", 1), strlen(span));
    CLEW_NO_LEAKS();
}

static struct clew__writer protobuf_of_line(void) {
    struct clew__writer wire = growing_writer();
    struct clew__json_fault fault;
    cr_assert_gt(clew__json_read_traces(&wire, LINE, strlen(LINE), &fault), 0);
    return wire;
}

Test(large, protobuf_streams) {
    struct clew__writer wire = protobuf_of_line();
    struct form form = {"", (char *)wire.data, "", 0, wire.size, 0, 4};
    assert_streams(form, wire.size);
    growing_free(&wire);
    CLEW_NO_LEAKS();
}

#define LINES 1000

static char *many_lines(void) {
    char *text = malloc(LINES * strlen(LINE) + 1), *at = text;
    for (int i = 0; i < LINES; i++)
        at += strlen(strcpy(at, LINE));
    return text;
}

Test(large, members_of_gzip_stream) {
    char *text = many_lines();
    size_t room = strlen(text);
    char *packed = malloc(room);
    z_stream zlib = {.next_in = (Bytef *)text,
                     .avail_in = (uInt)strlen(text),
                     .next_out = (Bytef *)packed,
                     .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    assert_streams((struct form){"", packed, "", 0, zlib.total_out, 0, 4 * LINES}, strlen(text));
    free(packed);
    free(text);
    CLEW_NO_LEAKS();
}

Test(large, frames_of_zstd_stream) {
    char *text = many_lines();
    size_t room = ZSTD_compressBound(strlen(text));
    char *packed = malloc(room);
    size_t size = ZSTD_compress(packed, room, text, strlen(text), 3);
    cr_assert_not(ZSTD_isError(size));
    assert_streams((struct form){"", packed, "", 0, size, 0, 4 * LINES}, strlen(text));
    free(packed);
    free(text);
    CLEW_NO_LEAKS();
}
