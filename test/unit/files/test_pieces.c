/* Elements that become more than is handed on at once. */
#include "proto/json.h"
#include "test/unit/files/spans.h"
#include "test/unit/proto/growing.h"

#include <stdio.h>

#define SPANS 200
#define PIECE ((size_t)4000)

/* All that was handed on: of each span its resource, its scope but for the spans, and itself. */
struct taken {
    struct clew__writer all;
    size_t pieces, spans, longest;
    size_t stop_after; /* pieces; 0: never */
};

static void add_around(struct clew__writer *out, struct clew__wire message, uint32_t but) {
    struct clew__field member;
    enum clew__wire_error error;
    while (clew__wire_next(&message, &member, &error))
        if (member.field != but)
            clew__write_bytes(out, member.field, member.bytes.at,
                              (size_t)(member.bytes.end - member.bytes.at));
}

static bool take(void *user, const void *traces, size_t size) {
    struct taken *taken = user;
    struct clew__wire all = clew__wire_of(traces, size), resource, scope, scopes, spans, span;
    cr_assert_eq(clew__wire_check_traces(traces, size, NULL, NULL), CLEW__WIRE_OK);
    taken->pieces++;
    taken->longest = size > taken->longest ? size : taken->longest;
    while (clew__next_member(&all, CLEW__TRACES_RESOURCE_SPANS, &resource))
        for (scopes = resource; clew__next_member(&scopes, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope);)
            for (spans = scope; clew__next_member(&spans, CLEW__SCOPE_SPANS_SPANS, &span); taken->spans++) {
                add_around(&taken->all, resource, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
                add_around(&taken->all, scope, CLEW__SCOPE_SPANS_SPANS);
                clew__write_bytes(&taken->all, 1, span.at, (size_t)(span.end - span.at));
            }
    return taken->pieces != taken->stop_after;
}

/* Reads the text; what is wrong with it must be `complaints`. */
static struct taken read_in(size_t piece, const void *text, size_t size, const char *complaints) {
    struct clew__input_limits limits = clew__input_limits_default();
    struct taken taken = {.all = growing_writer()};
    const struct clew__input_sink sink = {take, &taken};
    char *said;
    size_t unused;
    FILE *errors = open_memstream(&said, &unused);
    FILE *stream = fmemopen((void *)(uintptr_t)text, size, "rb");
    limits.piece = piece;
    cr_assert_eq(clew__input_read_within(&limits, stream, "spans", &sink, errors), *complaints == '\0');
    fclose(stream);
    fclose(errors);
    cr_assert_str_eq(said, complaints);
    free(said);
    return taken;
}

static void assert_same_in_pieces(const void *text, size_t size, size_t spans) {
    struct taken whole = read_in(SIZE_MAX, text, size, "");
    struct taken pieces = read_in(PIECE, text, size, "");
    cr_assert_eq(whole.pieces, 1);
    cr_assert_eq(whole.spans, spans);
    cr_assert_gt(pieces.pieces, whole.longest / PIECE);
    cr_assert_leq(pieces.longest, PIECE);
    cr_assert_eq(pieces.spans, spans);
    cr_assert_eq(pieces.all.size, whole.all.size);
    cr_assert_eq(memcmp(pieces.all.data, whole.all.data, whole.all.size), 0);
    growing_free(&whole.all);
    growing_free(&pieces.all);
}

/* `head`, SPANS times `form` with an id and a name, with commas between them, `tail`. */
static char *element(const char *head, const char *form, const char *tail) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs(head, out);
    for (unsigned i = 1; i <= SPANS; i++) {
        fputs(i > 1 ? "," : "", out);
        fprintf(out, form, i, i % 2);
    }
    fputs(tail, out);
    fclose(out);
    return text;
}

#define OTLP_SPAN "{\"traceId\":\"1\",\"spanId\":\"%x\",\"name\":\"%u\",\"endTimeUnixNano\":\"5\"}"
#define RESOURCE(name)                                                                                       \
    "\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"" name "\"}}]}"

static char *otlp(void) {
    return element("{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":\"lib\"},\"spans\":[",
                   OTLP_SPAN,
                   "],\"schemaUrl\":\"x\"},{\"spans\":[{\"traceId\":\"1\",\"spanId\":\"aaaa\"}]}]," RESOURCE(
                       "shop") "}]}");
}

Test(pieces, of_otlp_json_are_together_the_whole) {
    char *text = otlp();
    assert_same_in_pieces(text, strlen(text), SPANS + 1);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, of_a_jaeger_trace_are_together_the_whole) {
    char *text =
        element("{\"data\":[{\"traceID\":\"1\",\"spans\":[",
                "{\"spanID\":\"%x\",\"operationName\":\"o\",\"processID\":\"p%u\"}",
                "],\"processes\":{\"p0\":{\"serviceName\":\"a\"},\"p1\":{\"serviceName\":\"b\"}}}]}");
    assert_same_in_pieces(text, strlen(text), SPANS);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, of_a_message_of_protobuf_are_together_the_whole) {
    char *text = otlp();
    struct clew__writer wire = growing_writer();
    cr_assert_gt(clew__json_read_resource_spans(&wire, strchr(text, '[') + 1, strlen(strchr(text, '[') + 1),
                                                NULL, NULL),
                 0);
    assert_same_in_pieces(wire.data, wire.size, SPANS + 1);
    growing_free(&wire);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, what_follows_a_large_element_is_read_and_faults_keep_their_places) {
    char *text =
        element("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[", OTLP_SPAN,
                "]}]},\n{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"1\",\"spanId\":\"1\"},\n{\"name\":"
                "\"none\"}]}]}]}");
    char expected[100];
    snprintf(expected, sizeof expected, "clew: spans: line 3, byte %zu: a span without an id\n",
             strlen(text) - strlen("{\"name\":\"none\"}]}]}]}"));
    struct taken taken = read_in(PIECE, text, strlen(text), expected);
    cr_assert_eq(taken.spans, SPANS + 1);
    growing_free(&taken.all);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, longer_span_is_one_alone) {
    char *text, *name = malloc(2 * PIECE + 1);
    memset(name, 'x', 2 * PIECE);
    name[2 * PIECE] = '\0';
    cr_assert_gt(
        asprintf(&text,
                 "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"1\",\"spanId\":\"1\"},"
                 "{\"traceId\":\"1\",\"spanId\":\"2\",\"name\":\"%s\"},"
                 "{\"traceId\":\"1\",\"spanId\":\"3\"}]}]}]}",
                 name),
        0);
    struct taken taken = read_in(PIECE, text, strlen(text), "");
    cr_assert_eq(taken.pieces, 3);
    cr_assert_eq(taken.spans, 3);
    cr_assert_gt(taken.longest, 2 * PIECE);
    growing_free(&taken.all);
    free(name);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, resource_that_would_fill_each_is_named) {
    char head[PIECE];
    memset(head, 'x', sizeof head);
    memcpy(head, "{\"resourceSpans\":[{\"schemaUrl\":\"", 32);
    strcpy(head + PIECE / 2 + 40, "\",\"scopeSpans\":[{\"spans\":[");
    char *text = element(head, OTLP_SPAN, "]}]}]}");
    struct taken taken =
        read_in(PIECE, text, strlen(text),
                "clew: spans: line 1, byte 18: what is said of a resource or scope is too long\n");
    cr_assert_eq(taken.pieces, 0);
    free(text);
    CLEW_NO_LEAKS();
}

Test(pieces, protobuf_that_cannot_be_cut_is_named) {
    /* a schema URL between two spans */
    static const char spans[] = "\x12\x00\x1a\x01x\x12\x00";
    struct clew__writer wire = growing_writer();
    size_t resource = clew__write_begin(&wire, CLEW__TRACES_RESOURCE_SPANS),
           scope = clew__write_begin(&wire, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    clew__write_raw(&wire, spans, sizeof spans - 1);
    clew__write_end(&wire, scope);
    clew__write_end(&wire, resource);
    struct taken taken = read_in(8, wire.data, wire.size,
                                 "clew: spans: byte 0: too long, and something lies between its spans\n");
    cr_assert_eq(taken.pieces, 0);
    growing_free(&wire);
    CLEW_NO_LEAKS();
}

Test(pieces, sink_can_stop_between_them) {
    struct clew__input_limits limits = {.element = 1 << 20, .piece = PIECE};
    struct taken taken = {.all = growing_writer(), .stop_after = 2};
    const struct clew__input_sink sink = {take, &taken};
    char *text = otlp();
    FILE *stream = fmemopen(text, strlen(text), "rb");
    cr_assert_not(clew__input_read_within(&limits, stream, "spans", &sink, stderr));
    cr_assert_eq(taken.pieces, 2);
    fclose(stream);
    growing_free(&taken.all);
    free(text);
    CLEW_NO_LEAKS();
}
