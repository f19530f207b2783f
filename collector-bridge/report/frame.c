/* Names of frames. Pure; any thread. */
#include "collector-bridge/report/frame.h"

#include "collector-bridge/report/line.h"

#include <stdio.h>

#define PART 220 /* bytes of a service or operation in a label */

static int cut(clew_text text) {
    return (int)(text.size < PART ? text.size : PART);
}

static const char *word_of(clew_frame_kind kind) {
    switch (kind) {
    case CLEW_FRAME_MISSING:
        return "(missing)";
    case CLEW_FRAME_TRACE:
        return "(trace)";
    case CLEW_FRAME_OTHER:
        return "(other)";
    case CLEW_FRAME_SPAN:
    case CLEW_FRAME_EDGE_GAP:
        break;
    }
    return NULL;
}

void clew__frame_label(clew_frame_kind kind, clew_text service, clew_text operation, clew_text caller,
                       char label[CLEW__FRAME_LABEL]) {
    clew_text shown = clew__service_shown(service);
    if (word_of(kind))
        snprintf(label, CLEW__FRAME_LABEL, "%s", word_of(kind));
    else if (kind == CLEW_FRAME_EDGE_GAP)
        snprintf(label, CLEW__FRAME_LABEL, "%.*s%s→ %.*s", cut(caller), caller.data ? caller.data : "",
                 caller.size ? " " : "", cut(shown), shown.data);
    else
        snprintf(label, CLEW__FRAME_LABEL, "%.*s: %.*s", cut(shown), shown.data, cut(operation),
                 operation.data ? operation.data : "");
}

void clew__frame_cells(struct clew__table *table, struct clew__palette *palette, clew_frame_kind kind,
                       clew_text service, clew_text operation, clew_text caller) {
    char label[CLEW__FRAME_LABEL];
    if (kind == CLEW_FRAME_EDGE_GAP) {
        clew__frame_label(kind, service, operation, caller, label);
        clew__table_name(table, clew__palette_mark(palette, caller), clew__text_of(label));
        clew__table_put(table, CLEW__DIM, "on the way");
    } else if (word_of(kind)) {
        clew__table_put(table, CLEW__DIM, word_of(kind));
        clew__table_put(table, NULL, "");
    } else {
        clew__table_name(table, clew__palette_mark(palette, service), clew__service_shown(service));
        clew__table_name(table, NULL, operation);
    }
}

void clew__say_frame(struct clew__sentence *sentence, clew_frame_kind kind, clew_text service,
                     clew_text operation, clew_text caller) {
    if (kind == CLEW_FRAME_EDGE_GAP) {
        clew__say(sentence, "between ");
        clew__say_name(sentence, clew__service_shown(caller));
        clew__say(sentence, " and ");
        clew__say_name(sentence, clew__service_shown(service));
    } else if (kind == CLEW_FRAME_MISSING) {
        clew__say(sentence, "in spans that are missing");
    } else if (kind == CLEW_FRAME_TRACE) {
        clew__say(sentence, "while nothing ran");
    } else if (kind == CLEW_FRAME_OTHER) {
        clew__say(sentence, "in operations beyond the limit");
    } else {
        clew__say(sentence, "in ");
        clew__say_operation(sentence, service, operation);
    }
}
