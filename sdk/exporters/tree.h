/* Spans as an indented tree of text: what the test kit compares. Any thread. */
#ifndef CLEW_EXPORTERS_TREE_H
#define CLEW_EXPORTERS_TREE_H

#include <clew/view.h>

#include "proto/wire.h"

/* Appends the tree of these spans as <clew/testing.h> describes it, each line with its end. Any spans:
 * parents that are not there, cycles (broken at their earliest span), equal ids (children belong to the
 * first). False when memory runs out. */
bool clew__tree_print(struct clew__writer *writer, const clew_span_view *views, size_t count);

#endif
