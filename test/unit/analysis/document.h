/* JSON files as trees, for tests that read cases of their own folder: files that are trusted and small. */
#ifndef CLEW_TEST_ANALYSIS_DOCUMENT_H
#define CLEW_TEST_ANALYSIS_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

enum document_kind { DOCUMENT_NULL, DOCUMENT_NUMBER, DOCUMENT_TEXT, DOCUMENT_LIST, DOCUMENT_OBJECT };

struct document {
    enum document_kind kind; /* true and false are numbers */
    char *key;               /* of a member of an object */
    char *text;
    double number;
    struct document *members; /* of a list or an object */
    size_t count;
};

/* A file of test/cases; fails the test when it cannot be read. */
struct document document_read(const char *name);
/* Any file that is trusted and small. */
struct document document_read_path(const char *path);
void document_free(struct document *document);

/* A member; NULL: there is none. */
const struct document *document_find(const struct document *document, const char *key);
/* Of a member; "" or 0 when there is none. */
const char *document_text(const struct document *document, const char *key);
uint64_t document_number(const struct document *document, const char *key);

#endif
