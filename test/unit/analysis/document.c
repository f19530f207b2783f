/* JSON files as trees. Numbers by strtod, escapes but for those of Unicode: as much as the cases have. */
#include "test/unit/analysis/document.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct document read_value(const char **at);

static char skip_space(const char **at) {
    while (isspace((unsigned char)**at))
        (*at)++;
    return **at;
}

static void expect(const char **at, char c) {
    cr_assert_eq(skip_space(at), c, "JSON: %c is missing before: %.20s", c, *at);
    (*at)++;
}

static char *read_text(const char **at) {
    expect(at, '"');
    char *text = malloc(strlen(*at) < 4096 ? strlen(*at) + 1 : 4097);
    size_t size = 0;
    cr_assert_not_null(text);
    for (; **at && **at != '"'; (*at)++) {
        *at += **at == '\\';
        cr_assert_lt(size, 4096);
        text[size++] = **at;
    }
    text[size] = '\0';
    expect(at, '"');
    return text;
}

static void read_members(const char **at, struct document *out, char close) {
    size_t room = 0;
    (*at)++;
    while (skip_space(at) != close) {
        if (out->count)
            expect(at, ',');
        if (out->count == room) {
            room = room ? room * 2 : 4;
            out->members = realloc(out->members, room * sizeof *out->members);
            cr_assert_not_null(out->members);
        }
        skip_space(at);
        char *key = close == '}' ? read_text(at) : NULL;
        if (key)
            expect(at, ':');
        out->members[out->count] = read_value(at);
        out->members[out->count++].key = key;
    }
    (*at)++;
}

static struct document read_value(const char **at) {
    struct document out = {.kind = DOCUMENT_NUMBER};
    char first = skip_space(at);
    if (first == '"') {
        out.kind = DOCUMENT_TEXT;
        out.text = read_text(at);
    } else if (first == '[' || first == '{') {
        out.kind = first == '[' ? DOCUMENT_LIST : DOCUMENT_OBJECT;
        read_members(at, &out, first == '[' ? ']' : '}');
    } else if (isalpha((unsigned char)first)) {
        out.kind = first == 'n' ? DOCUMENT_NULL : DOCUMENT_NUMBER;
        out.number = first == 't';
        while (isalpha((unsigned char)**at))
            (*at)++;
    } else {
        char *end;
        out.number = strtod(*at, &end);
        cr_assert(end > *at, "JSON: no value: %.20s", *at);
        *at = end;
    }
    return out;
}

struct document document_read(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", CLEW_TEST_CASES, name);
    return document_read_path(path);
}

struct document document_read_path(const char *path) {
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(size + 1, 1);
    cr_assert_not_null(text);
    cr_assert_eq(fread(text, 1, size, file), size);
    fclose(file);
    const char *at = text;
    struct document document = read_value(&at);
    cr_assert_eq(skip_space(&at), '\0');
    free(text);
    return document;
}

void document_free(struct document *document) {
    for (size_t i = 0; i < document->count; i++)
        document_free(&document->members[i]);
    free(document->members);
    free(document->text);
    free(document->key);
}

const struct document *document_find(const struct document *document, const char *key) {
    for (size_t i = 0; i < document->count; i++)
        if (document->members[i].key && strcmp(document->members[i].key, key) == 0)
            return &document->members[i];
    return NULL;
}

const char *document_text(const struct document *document, const char *key) {
    const struct document *found = document_find(document, key);
    return found && found->text ? found->text : "";
}

uint64_t document_number(const struct document *document, const char *key) {
    const struct document *found = document_find(document, key);
    return found ? (uint64_t)found->number : 0;
}
