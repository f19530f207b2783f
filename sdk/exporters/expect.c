/* The assertions of the test kit: what is, against what was expected, and the difference as text. Owns
 * nothing; any thread. */
#include <clew/extend.h>
#include <clew/testing.h>

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/base/slice.h"
#include "sdk/base/value.h"
#include "sdk/exporters/print.h"
#include "sdk/trace/view.h"

#include <math.h>
#include <string.h>

/* Cuts what was written to the caller's message, and frees it. */
static void hand_over(struct clew__writer *text, char *message, size_t capacity) {
    static const char no_memory[] = "out of memory";
    const char *from = text->failed || !text->data ? no_memory : (const char *)text->data;
    size_t size = text->failed || !text->data ? sizeof no_memory - 1 : text->size;

    if (message && capacity) {
        size = clew__text_cut(from, size, capacity - 1);
        memcpy(message, from, size);
        message[size] = '\0';
    }
    clew__buffer_fini(text);
}

static bool agree(char *message, size_t capacity) {
    if (message && capacity)
        message[0] = '\0';
    return true;
}

/* ---- trees ---- */

static size_t indent_of(struct clew__slice text) {
    size_t spaces = 0;
    while (spaces < text.size && text.data[spaces] == ' ')
        spaces++;
    return spaces;
}

/* The text of one line, without the indentation that all have. */
static struct clew__slice take_line(struct clew__slice *text, size_t indent) {
    struct clew__slice line = clew__slice_split(text, '\n');
    size_t spaces = indent_of(line);
    clew__slice_take(&line, spaces < indent ? spaces : indent);
    return line;
}

static void print_slice(struct clew__writer *text, struct clew__slice slice) {
    clew__write_raw(text, slice.data, slice.size);
}

static void print_line(struct clew__writer *text, const char *label, bool is_there, struct clew__slice line) {
    clew__print(text, label);
    if (is_there)
        print_slice(text, line);
    else
        clew__print(text, "(no line)");
    clew__print(text, "\n");
}

static void print_tree(struct clew__writer *text, const char *label, struct clew__slice tree, size_t indent) {
    clew__print(text, label);
    while (tree.size)
        print_line(text, "    ", true, take_line(&tree, indent));
}

/* Whether the trees are equal; else the difference is in `text`. */
static bool compare_trees(struct clew__slice expected, struct clew__slice actual, struct clew__writer *text) {
    struct clew__slice rest = expected, actual_rest = actual;
    size_t indent = indent_of(expected);

    for (unsigned number = 1; rest.size || actual_rest.size; number++) {
        bool is_expected = rest.size != 0, is_there = actual_rest.size != 0;
        struct clew__slice line = take_line(&rest, indent);
        struct clew__slice actual_line = clew__slice_split(&actual_rest, '\n');
        if (is_expected == is_there && line.size == actual_line.size &&
            (line.size == 0 || memcmp(line.data, actual_line.data, line.size) == 0))
            continue;
        clew__print_format(text, "the span trees differ in line %u:\n", number);
        print_line(text, "  expected: ", is_expected, line);
        print_line(text, "  recorded: ", is_there, actual_line);
        print_tree(text, "the tree expected:\n", expected, indent);
        print_tree(text, "the tree recorded:\n", actual, 0);
        return false;
    }
    return true;
}

bool clew_expect_tree(clew_memory_exporter *exporter, const char *expected, char *message, size_t capacity) {
    struct clew__writer text = clew__buffer_plain();
    char *tree = clew_memory_exporter_tree(exporter);
    bool equal = false;

    if (tree)
        equal = compare_trees(clew__slice_text(expected ? expected : ""), clew__slice_text(tree), &text);
    clew_testing_text_free(tree);
    if (equal)
        return agree(message, capacity);
    hand_over(&text, message, capacity);
    return false;
}

/* ---- attributes ---- */

static const char *type_name(clew_type type) {
    static const char *const names[] = {"the empty value", "string", "bool",  "int",
                                        "double",          "bytes",  "array", "map"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "an unknown type";
}

static void describe(struct clew__writer *text, const clew_value_view *value) {
    clew__print(text, type_name(value->type));
    if (value->type == CLEW_TYPE_EMPTY)
        return;
    clew__print(text, value->type == CLEW_TYPE_STRING ? " \"" : " ");
    clew__print_value(text, value);
    clew__print(text, value->type == CLEW_TYPE_STRING ? "\"" : "");
}

/* 1 when their texts are equal, 0 when not, -1 when memory runs out. */
static int have_equal_text(const clew_value_view *a, const clew_value_view *b) {
    struct clew__writer texts[2] = {clew__buffer_plain(), clew__buffer_plain()};
    int equal = -1;

    clew__print_value(&texts[0], a);
    clew__print_value(&texts[1], b);
    if (!texts[0].failed && !texts[1].failed)
        equal = texts[0].size == texts[1].size && texts[0].size &&
                memcmp(texts[0].data, texts[1].data, texts[0].size) == 0;
    clew__buffer_fini(&texts[0]);
    clew__buffer_fini(&texts[1]);
    return equal;
}

static int are_equal(const clew_value_view *a, const clew_value_view *b) {
    if (a->type != b->type)
        return 0;
    switch (a->type) {
    case CLEW_TYPE_BOOL:
        return a->boolean == b->boolean;
    case CLEW_TYPE_INT:
        return a->integer == b->integer;
    case CLEW_TYPE_DOUBLE: /* any NaN is as good as another */
        return isnan(a->real) ? isnan(b->real)
                              : !(a->real < b->real) && !(a->real > b->real) && !isnan(b->real);
    case CLEW_TYPE_STRING:
    case CLEW_TYPE_BYTES:
        return a->data.size == b->data.size && memcmp(a->data.data, b->data.data, a->data.size) == 0;
    default:
        return have_equal_text(a, b);
    }
}

/* The expected value as the recorder would have written it, so that both are read alike. False: out of
 * memory. */
static bool as_recorded(struct clew__writer *bytes, const clew_value *expected, clew_value_view *out) {
    clew_span_view span = {0};
    clew_attribute_view attribute;
    clew_iterator attributes;

    if (!clew__write_attribute(bytes, CLEW__SPAN_ATTRIBUTES, "expected", 8, expected, NULL) || bytes->failed)
        return false;
    span.span.data = bytes->data;
    span.span.size = bytes->size;
    attributes = clew_span_view_attributes(&span);
    if (!clew_next_attribute(&attributes, &attribute))
        return false;
    *out = attribute.value;
    return true;
}

static void describe_difference(struct clew__writer *text, const char *key, const clew_value_view *expected,
                                const clew_value_view *actual) {
    clew_text name = {key, strlen(key)};

    clew__print(text, "attribute ");
    clew__print_text(text, name);
    clew__print(text, ": expected ");
    if (expected)
        describe(text, expected);
    else
        clew__print(text, "none");
    clew__print(text, ", recorded ");
    if (actual)
        describe(text, actual);
    else
        clew__print(text, "none");
}

bool clew_expect_attribute(const clew_span_view *span, const char *key, clew_value expected, char *message,
                           size_t capacity) {
    struct clew__writer text = clew__buffer_plain();
    struct clew__writer bytes = clew__buffer_plain();
    clew_value_view wanted = {0}, actual = {0};
    bool is_wanted = expected.type != CLEW_TYPE_EMPTY;
    bool is_there = clew_span_view_attribute(span, key, &actual);
    int equal = -1;

    if (!is_wanted)
        equal = !is_there;
    else if (as_recorded(&bytes, &expected, &wanted))
        equal = is_there ? are_equal(&wanted, &actual) : 0;
    if (equal == 0)
        describe_difference(&text, key, is_wanted ? &wanted : NULL, is_there ? &actual : NULL);
    clew__buffer_fini(&bytes);
    if (equal == 1)
        return agree(message, capacity);
    hand_over(&text, message, capacity);
    return false;
}
