/* Reading files in their forms, whole and broken. */
#include "collector-bridge/files/cutter.h"
#include "proto/json.h"
#include "test/unit/files/spans.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define ONE SPAN("0000000000000001", "", "one", "1000", "2000", "")
#define TWO SPAN("0000000000000002", "", "two", "1000", "2000", "")
#define LINE_ONE TRACES(SERVICE("a", ONE))
#define LINE_TWO TRACES(SERVICE("b", TWO))

static const char pretty[] = "{\n  \"resourceSpans\": [\n    {\n"
                             "      \"scopeSpans\": [\n        {\n          \"spans\": [\n" ONE ",\n" TWO "\n"
                             "          ]\n        }\n      ]\n    }\n  ]\n}\n";

/* How many spans are read from the bytes; what is wrong with them must begin with `expected`, or be nothing.
 */
static size_t count_spans(const void *bytes, size_t size, const char *expected) {
    struct spans spans = {0};
    char *complaints;
    bool sound = spans_read(&spans, bytes, size, &complaints);
    cr_assert_eq(sound, *expected == '\0', "%s", complaints);
    cr_assert(strncmp(complaints, expected, *expected ? strlen(expected) : 1) == 0, "got: %s", complaints);
    free(complaints);
    size_t count = spans.span_count;
    return count;
}

static size_t count_text(const char *text, const char *expected) {
    return count_spans(text, strlen(text), expected);
}

static bool no_growth(struct clew__writer *writer, size_t more) {
    (void)writer, (void)more;
    return false;
}

/* A text as protobuf. */
static size_t protobuf_of(const char *text, uint8_t *out, size_t capacity) {
    struct clew__writer writer = {.data = out, .capacity = capacity, .grow = no_growth};
    struct clew__json_fault fault;
    cr_assert(clew__json_read_traces(&writer, text, strlen(text), &fault));
    return writer.size;
}

Test(input, json_lines_are_read) {
    cr_assert_eq(count_text(LINE_ONE LINE_TWO, ""), 2);
    CLEW_NO_LEAKS();
}

Test(input, last_line_needs_no_line_end) {
    char text[] = LINE_ONE LINE_TWO;
    cr_assert_eq(count_spans(text, strlen(text) - 1, ""), 2);
}

Test(input, white_space_between_lines_is_passed_over) {
    cr_assert_eq(count_text("\n  \r\n" LINE_ONE "\r\n\t\n" LINE_TWO "\n\n", ""), 2);
}

Test(input, byte_order_mark_is_passed_over) {
    cr_assert_eq(count_text("\xef\xbb\xbf" LINE_ONE, ""), 1);
}

Test(input, several_objects_on_a_line_are_read) {
    cr_assert_eq(count_text("{\"resourceSpans\":[]} {\"resourceSpans\":[" SERVICE("a", ONE) "]}\n", ""), 1);
}

Test(input, object_over_many_lines_is_read) {
    cr_assert_eq(count_text(pretty, ""), 2);
}

Test(input, brackets_inside_strings_do_not_count) {
    cr_assert_eq(count_text(TRACES(SERVICE("{[\\\"{", ONE)) LINE_TWO, ""), 2);
}

Test(input, records_of_other_signals_are_passed_over) {
    cr_assert_eq(count_text("{\"resourceMetrics\":[]}\n" LINE_ONE "{\"resourceLogs\":[]}\n", ""), 1);
}

Test(input, protobuf_is_recognised) {
    uint8_t bytes[1024];
    size_t size = protobuf_of(LINE_ONE, bytes, sizeof bytes);
    cr_assert_eq(count_spans(bytes, size, ""), 1);
    CLEW_NO_LEAKS();
}

Test(input, empty_stream_is_named) {
    cr_assert_eq(count_text("", "clew: spans: empty\n"), 0);
    CLEW_NO_LEAKS();
}

Test(input, text_without_traces_is_named) {
    cr_assert_eq(count_text("{\"a\":[{\"b\":1}]}", "clew: spans: no traces "), 0);
    cr_assert_eq(count_text(" \n", "clew: spans: no traces "), 0);
    CLEW_NO_LEAKS();
}

Test(input, answers_without_traces_are_not_a_fault) {
    cr_assert_eq(count_text("{}", ""), 0);
    cr_assert_eq(count_text("[]", ""), 0);
    cr_assert_eq(count_text("{\"data\":[],\"total\":0}", ""), 0);
    cr_assert_eq(count_text("{\"resourceSpans\":[]}", ""), 0);
    CLEW_NO_LEAKS();
}

Test(input, bytes_of_another_kind_are_named) {
    cr_assert_eq(count_spans("\x89PNG\r\n\x1a\n\0\0", 10, "clew: spans: neither JSON nor "), 0);
    CLEW_NO_LEAKS();
}

Test(input, malformed_line_is_named_and_the_rest_is_read) {
    cr_assert_eq(count_text(LINE_ONE "{\"resourceSpans\":7}\n" LINE_TWO, "clew: spans: line 2, byte "), 2);
    CLEW_NO_LEAKS();
}

Test(input, span_with_a_fault_is_named_where_it_is_and_the_others_are_read) {
    cr_assert_eq(count_text("\n" TRACES(SERVICE("a", ONE ",\n{\"traceId\":\"1\",\n\"spanId\":7}," TWO)),
                            "clew: spans: line 4, byte "),
                 2);
    cr_assert_eq(count_text("{\"spans\":[{\"traceID\":\"1\",\"spanID\":\"1\"},\n{\"traceID\":\"1\"},\n"
                            "{\"traceID\":\"1\",\"spanID\":\"2\"}],\"processes\":7}",
                            "clew: spans: line 2, byte 40: a span without an id\n"
                            "clew: spans: line 3, byte 99: an object is wanted\n"),
                 2);
    CLEW_NO_LEAKS();
}

Test(input, what_is_cut_off_is_read_that_far_and_told_once) {
    cr_assert_eq(count_text("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" ONE "," TWO ",{\"traceId\":",
                            "clew: spans: line 1, byte 414: the text ends early\n"),
                 2);
    cr_assert_eq(count_text("{\"spans\":[{\"traceID\":\"1\",\"spanID\":\"1\"},{\"traceID\":?\n" LINE_ONE,
                            "clew: spans: line 1, byte 50: a value is wanted\n"),
                 2);
    CLEW_NO_LEAKS();
}

Test(input, malformed_byte_is_counted_from_the_start_of_the_file) {
    cr_assert_eq(count_text("{}\n!\n", "clew: spans: line 2, byte 3: "), 0);
}

Test(input, line_that_is_no_json_is_named) {
    cr_assert_eq(count_text("hello\n" LINE_ONE, "clew: spans: line 1, byte 0: "), 1);
}

Test(input, line_cut_between_members_does_not_swallow_the_next) {
    cr_assert_eq(count_text("{\"resourceSpans\":[{\n" LINE_ONE LINE_TWO, "clew: spans: line "), 2);
}

Test(input, line_cut_in_a_string_does_not_swallow_the_next) {
    cr_assert_eq(count_text("{\"resourceSpans\":[{\"re\n" LINE_ONE LINE_TWO, "clew: spans: line 1, byte "),
                 2);
}

Test(input, last_line_that_is_cut_is_named) {
    cr_assert_eq(count_text(LINE_ONE "{\"resourceSpans\":[{", "clew: spans: line 2, byte "), 1);
}

Test(input, malformed_protobuf_is_named_and_the_next_message_is_read) {
    uint8_t bytes[1024] = {0x0A, 0x03, 0x12, 0x05, 0x00}; /* a scope that runs past its end */
    size_t size = 5 + protobuf_of(LINE_ONE, bytes + 5, sizeof bytes - 5);
    cr_assert_eq(count_spans(bytes, size, "clew: spans: byte "), 1);
    CLEW_NO_LEAKS();
}

Test(input, protobuf_that_is_cut_is_named) {
    uint8_t bytes[1024];
    size_t size = protobuf_of(LINE_ONE, bytes, sizeof bytes);
    for (size_t cut = 10; cut < size; cut++) /* shorter ones are text to the eye */
        cr_assert_eq(count_spans(bytes, cut, "clew: spans: byte "), 0, "cut to %zu", cut);
    CLEW_NO_LEAKS();
}

Test(input, length_of_protobuf_that_no_file_could_have_is_refused) {
    const uint8_t bytes[] = {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x00, 0x00};
    cr_assert_eq(count_spans(bytes, sizeof bytes, "clew: spans: byte 0: "), 0);
    CLEW_NO_LEAKS();
}

Test(input, line_longer_than_a_chunk_is_read) {
    size_t size = sizeof LINE_ONE + 300000;
    char *text = malloc(size);
    cr_assert_not_null(text);
    memset(text, ' ', size); /* white space in front of the object */
    memcpy(text + 300000, LINE_ONE, sizeof LINE_ONE - 1);
    cr_assert_eq(count_spans(text, size - 1, ""), 1);
    free(text);
    CLEW_NO_LEAKS();
}

Test(input, complaints_are_bounded) {
    struct spans spans = {0};
    char text[3 * 1000 + 1], *complaints;
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 3 * i, "{!\n", 4);
    cr_assert_not(spans_read(&spans, text, sizeof text - 1, &complaints));
    size_t lines = 0;
    for (const char *c = complaints; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, 21);
    cr_assert(strstr(complaints, "clew: spans: and 980 more\n"));
    free(complaints);
    CLEW_NO_LEAKS();
}

/* A stream of one endless element, of which as much is enough, and a good line behind it. */
#define ENDLESS ((size_t)4 * 1024 * 1024)
struct endless {
    size_t at;
};

static ssize_t read_endless(void *cookie, char *buffer, size_t size) {
    static const char head[] = "{\"resourceSpans\":[{\"x\":\"", tail[] = "\"}]}\n" LINE_ONE;
    struct endless *endless = cookie;
    size_t done = 0;
    for (; done < size && endless->at < ENDLESS; done++, endless->at++)
        buffer[done] = endless->at < sizeof head - 1 ? head[endless->at] : 'x';
    for (; done < size && endless->at < ENDLESS + sizeof tail - 1; done++, endless->at++)
        buffer[done] = tail[endless->at - ENDLESS];
    return (ssize_t)done;
}

Test(input, piece_over_the_limit_is_named_and_passed_over) {
    const struct clew__input_limits limits = {.element = 1 << 20, .piece = SIZE_MAX};
    struct endless endless = {0};
    struct spans spans = {0};
    const struct clew__input_sink sink = {spans_take, &spans};
    char *complaints;
    size_t size;
    FILE *errors = open_memstream(&complaints, &size);
    FILE *stream = fopencookie(&endless, "rb", (cookie_io_functions_t){.read = read_endless});
    cr_assert_not(clew__input_read_within(&limits, stream, "spans", &sink, errors));
    fclose(stream);
    fclose(errors);
    cr_assert_str_eq(complaints, "clew: spans: line 1, byte 18: " CLEW__CUT_TOO_LONG "\n");
    cr_assert_eq(spans.span_count, 1);
    free(complaints);
    CLEW_NO_LEAKS();
}

static bool take_once(void *user, const void *traces, size_t size) {
    (void)traces, (void)size;
    ++*(int *)user;
    return false;
}

Test(input, sink_can_stop_the_reading) {
    int calls = 0;
    const struct clew__input_sink sink = {take_once, &calls};
    char text[] = LINE_ONE LINE_TWO;
    FILE *stream = fmemopen(text, strlen(text), "rb");
    cr_assert_not(clew__input_read(stream, "spans", &sink, stderr));
    cr_assert_eq(calls, 1);
    fclose(stream);
    CLEW_NO_LEAKS();
}

Test(input, file_that_is_not_there_is_named) {
    const struct clew__input_sink sink = {spans_take, NULL};
    char *complaints;
    size_t size;
    FILE *errors = open_memstream(&complaints, &size);
    cr_assert_not(clew__input_read_path("/nowhere/at all", &sink, errors));
    fclose(errors);
    cr_assert_str_eq(complaints, "clew: /nowhere/at all: No such file or directory\n");
    free(complaints);
    CLEW_NO_LEAKS();
}

/* ---- other forms ---- */

#define JAEGER(id)                                                                                           \
    "{\"traceID\":\"1\",\"spans\":[{\"spanID\":\"" id "\",\"operationName\":\"o\",\"processID\":\"p\"}],"    \
    "\"processes\":{\"p\":{\"serviceName\":\"s\"}}}"
#define ZIPKIN(id) "{\"traceId\":\"1\",\"id\":\"" id "\",\"localEndpoint\":{\"serviceName\":\"s\"}}"

Test(input, jaegers_json_is_recognised) {
    cr_assert_eq(count_text("{\"data\":[" JAEGER("1") "," JAEGER("2") "],\"total\":0}", ""), 2);
    cr_assert_eq(count_text(JAEGER("1"), ""), 1);
    cr_assert_eq(count_text("[" JAEGER("1") "]", ""), 1);
    cr_assert_eq(count_text("{\"data\":" JAEGER("1") "}", ""), 1);
    CLEW_NO_LEAKS();
}

Test(input, zipkins_json_is_recognised) {
    cr_assert_eq(count_text("[" ZIPKIN("1") "," ZIPKIN("2") "]", ""), 2);
    cr_assert_eq(count_text("[[" ZIPKIN("1") "],[" ZIPKIN("2") "]]", ""), 2);
    cr_assert_eq(count_text(ZIPKIN("1") "\n" ZIPKIN("2") "\n", ""), 2);
    CLEW_NO_LEAKS();
}

Test(input, malformed_trace_is_named_where_it_is_and_the_others_are_read) {
    cr_assert_eq(count_text("{\"data\":[" JAEGER("1") ",\n{\"spans\":[\n{\"spanID\":7}]},\n" JAEGER("2") "]}",
                            "clew: spans: line 3, byte 146: a string is wanted\n"),
                 2);
    cr_assert_eq(count_text("[" ZIPKIN("1") ",\n{\"id\":\"1\"}," ZIPKIN("2") "]",
                            "clew: spans: line 2, byte 63: a span without an id\n"),
                 2);
    CLEW_NO_LEAKS();
}

static size_t gzip(const char *text, unsigned char *out, size_t room) {
    z_stream zlib = {.next_in = (Bytef *)(uintptr_t)text,
                     .avail_in = (uInt)strlen(text),
                     .next_out = out,
                     .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&zlib, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    return zlib.total_out;
}

Test(input, each_form_may_be_compressed) {
    unsigned char bytes[2000];
    uint8_t wire[1000];
    size_t size = protobuf_of(LINE_ONE, wire, sizeof wire);
    cr_assert_eq(count_spans(bytes, gzip(LINE_ONE LINE_TWO, bytes, sizeof bytes), ""), 2);
    cr_assert_eq(count_spans(bytes, gzip(JAEGER("1"), bytes, sizeof bytes), ""), 1);
    cr_assert_eq(count_spans(bytes, ZSTD_compress(bytes, sizeof bytes, wire, size, 1), ""), 1);
    CLEW_NO_LEAKS();
}

Test(input, records_with_their_size_are_read) {
    uint8_t bytes[2000] = {0};
    size_t first = protobuf_of(LINE_ONE, bytes + 4, 900), second;
    bytes[2] = (uint8_t)(first >> 8);
    bytes[3] = (uint8_t)first;
    second = protobuf_of(LINE_TWO, bytes + first + 8, 900);
    bytes[first + 6] = (uint8_t)(second >> 8);
    bytes[first + 7] = (uint8_t)second;
    cr_assert_eq(count_spans(bytes, first + second + 8, ""), 2);
    CLEW_NO_LEAKS();
}

Test(input, compressed_file_that_is_cut_off_is_read_that_far) {
    unsigned char bytes[2000];
    size_t size = gzip(LINE_ONE LINE_TWO, bytes, sizeof bytes);
    char expected[200];
    snprintf(expected, sizeof expected, "clew: spans: byte %zu: compressed with gzip, and cut off\n",
             strlen(LINE_ONE LINE_TWO));
    cr_assert_eq(count_spans(bytes, size - 8, expected), 2); /* without the checksum */
    CLEW_NO_LEAKS();
}

Test(input, places_are_counted_in_what_is_expanded) {
    unsigned char bytes[2000];
    cr_assert_eq(count_spans(bytes, gzip(LINE_ONE "{!\n", bytes, sizeof bytes), "clew: spans: line 2, byte "),
                 1);
    CLEW_NO_LEAKS();
}

Test(input, empty_compressed_file_is_empty) {
    unsigned char bytes[100];
    cr_assert_eq(count_spans(bytes, gzip("", bytes, sizeof bytes), "clew: spans: empty\n"), 0);
    CLEW_NO_LEAKS();
}

Test(input, protobuf_message_over_the_limit_is_passed_over) {
    /* 4 MiB that are said and come: bit by bit, so that nothing has to hold them. */
    static const uint8_t head[] = {0x0A, 0x80, 0x80, 0x80, 0x02};
    const struct clew__input_limits limits = {.element = 1 << 20, .piece = SIZE_MAX};
    struct spans spans = {0};
    const struct clew__input_sink sink = {spans_take, &spans};
    char *complaints;
    size_t unused, long_size = sizeof head + (size_t)0x400000;
    FILE *errors = open_memstream(&complaints, &unused), *stream;
    uint8_t *bytes = calloc(1, long_size + 1000);
    memcpy(bytes, head, sizeof head);
    size_t size = long_size + protobuf_of(LINE_ONE, bytes + long_size, 1000);
    stream = fmemopen(bytes, size, "rb");
    cr_assert_not(clew__input_read_within(&limits, stream, "spans", &sink, errors));
    fclose(stream);
    fclose(errors);
    cr_assert_str_eq(complaints, "clew: spans: byte 0: " CLEW__CUT_TOO_LONG "\n");
    cr_assert_eq(spans.span_count, 1);
    free(complaints);
    free(bytes);
    CLEW_NO_LEAKS();
}

/* ---- folders ---- */

static char folder[] = "/tmp/clew-test-input-XXXXXX";

static void make_file(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(void) {
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

/* What `paths` are read as: the names of the spans, in order; and what is complained of. */
static bool read_names(const char *const *paths, size_t count, char *names, char **complaints) {
    struct spans spans = {0};
    const struct clew__input_sink sink = {spans_take, &spans};
    size_t size;
    FILE *errors = open_memstream(complaints, &size);
    bool sound = clew__input_read_paths(paths, count, &sink, errors);
    fclose(errors);
    *names = 0;
    for (size_t i = 0; i < spans.span_count; i++)
        strcat(strcat(names, spans.spans[i].name), " ");
    return sound;
}

Test(input, folder_is_read_by_name_with_what_is_below_it, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints, below[256];
    snprintf(below, sizeof below, "%s/b", folder);
    cr_assert_eq(mkdir(below, 0700), 0);
    make_file("c.json", LINE_ONE);
    make_file("b/x.json", LINE_TWO);
    make_file("a.json", TRACES(SERVICE("a", SPAN("0000000000000003", "", "three", "1", "2", ""))));
    make_file(".hidden.json", LINE_ONE);
    cr_assert(read_names(&path, 1, names, &complaints), "%s", complaints);
    cr_assert_str_eq(names, "three two one ");
    cr_assert_str_eq(complaints, "");
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, folder_without_files_is_named, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints, below[256];
    snprintf(below, sizeof below, "%s/b", folder);
    cr_assert_eq(mkdir(below, 0700), 0);
    make_file(".hidden.json", LINE_ONE);
    cr_assert_not(read_names(&path, 1, names, &complaints));
    cr_assert_not_null(strstr(complaints, folder), "%s", complaints);
    cr_assert_not_null(strstr(complaints, ": a folder without files\n"), "%s", complaints);
    free(complaints);
    make_file("b/x.json", LINE_TWO);
    cr_assert(read_names(&path, 1, names, &complaints), "%s", complaints);
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, other_files_of_a_folder_are_named_and_no_fault, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints;
    make_file("README", "What this is.\n");
    make_file("empty", "");
    make_file("spans.json", LINE_ONE);
    cr_assert(read_names(&path, 1, names, &complaints), "%s", complaints);
    cr_assert_str_eq(names, "one ");
    cr_assert(strstr(complaints, "/README: neither JSON nor OTLP as protobuf; passed over\n"));
    cr_assert(strstr(complaints, "/empty: empty; passed over\n"));
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, broken_file_of_a_folder_is_a_fault, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints;
    make_file("a.json", LINE_ONE "{\"resourceSpans\":[");
    make_file("b.json", LINE_TWO);
    cr_assert_not(read_names(&path, 1, names, &complaints));
    cr_assert_str_eq(names, "one two ");
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, links_to_folders_are_not_followed, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints, link[256];
    make_file("a.json", LINE_ONE);
    snprintf(link, sizeof link, "%s/loop", folder);
    cr_assert_eq(symlink(folder, link), 0);
    snprintf(link, sizeof link, "%s/z.json", folder);
    cr_assert_eq(symlink("a.json", link), 0);
    cr_assert(read_names(&path, 1, names, &complaints), "%s", complaints);
    cr_assert_str_eq(names, "one one ");
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, folders_are_read_to_a_depth, .init = make_folder, .fini = remove_folder) {
    const char *path = folder;
    char names[64], *complaints, below[256] = "";
    for (int i = 0; i < CLEW__INPUT_FOLDERS_MAX; i++) {
        char whole[256];
        strcat(below, "d/");
        snprintf(whole, sizeof whole, "%.100s/%.100s", folder, below);
        cr_assert_eq(mkdir(whole, 0700), 0);
    }
    make_file("d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/in.json", LINE_ONE);
    make_file("d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/out.json", LINE_TWO);
    cr_assert_not(read_names(&path, 1, names, &complaints));
    cr_assert_str_eq(names, "one ");
    cr_assert(strstr(complaints, ": too many folders within one another\n"), "%s", complaints);
    free(complaints);
    CLEW_NO_LEAKS();
}

Test(input, several_paths_are_read_in_their_order, .init = make_folder, .fini = remove_folder) {
    char first[256], second[256], names[64], *complaints;
    snprintf(first, sizeof first, "%s/z", folder);
    snprintf(second, sizeof second, "%s/a", folder);
    const char *paths[] = {first, second};
    make_file("z", LINE_ONE);
    make_file("a", LINE_TWO);
    cr_assert(read_names(paths, 2, names, &complaints));
    cr_assert_str_eq(names, "one two ");
    free(complaints);
    CLEW_NO_LEAKS();
}
