/* Pieces of pictures. Pure; any thread. */
#include "collector-bridge/report/svg.h"

#include "collector-bridge/report/printable.h"

#include <inttypes.h>
#include <stdio.h>

size_t clew__svg_text(struct clew__writer *out, clew_text text, size_t columns) {
    char printable[CLEW__PRINTABLE_SIZE];
    size_t used = clew__printable(text.data, text.size, columns, printable);
    for (const char *at = printable; *at; at++) {
        if (*at == '&')
            clew__write_text(out, "&amp;");
        else if (*at == '<')
            clew__write_text(out, "&lt;");
        else if (*at == '>')
            clew__write_text(out, "&gt;");
        else if (*at == '"')
            clew__write_text(out, "&quot;");
        else if (*at == '\'')
            clew__write_text(out, "&#39;");
        else
            clew__write_raw(out, at, 1);
    }
    return used;
}

void clew__svg_number(struct clew__writer *out, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    clew__write_text(out, text);
}

void clew__svg_attribute(struct clew__writer *out, const char *name, uint64_t number) {
    clew__write_text(out, " ");
    clew__write_text(out, name);
    clew__write_text(out, "=\"");
    clew__svg_number(out, number);
    clew__write_text(out, "\"");
}
