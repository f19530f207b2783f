/* Folded stacks. Pure; one thread. */
#include "collector-bridge/report/flame.h"
#include "collector-bridge/report/printable.h"
#include "collector-bridge/report/svg.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME_COLUMNS 120u

/* A semicolon would end the frame. */
static void put_text(struct clew__writer *out, clew_text text) {
    char printable[CLEW__PRINTABLE_SIZE];
    clew__printable(text.data, text.size, NAME_COLUMNS, printable);
    for (char *at = printable; *at; at++) {
        if (*at == ';')
            *at = ',';
    }
    clew__write_text(out, printable);
}

static void put_frame(struct clew__writer *out, const clew_profile_node *node) {
    if (node->kind != CLEW_FRAME_SPAN && node->kind != CLEW_FRAME_EDGE_GAP) {
        clew__write_text(out, "(");
        clew__write_text(out, clew_frame_kind_name(node->kind));
        clew__write_text(out, ")");
        return;
    }
    if (node->kind == CLEW_FRAME_EDGE_GAP)
        clew__write_text(out, "to ");
    put_text(out, clew__service_shown(node->service));
    if (node->operation.size == 0)
        return;
    clew__write_text(out, " ");
    put_text(out, node->operation);
}

static void put_line(struct clew__writer *out, const clew_profile_view *view, uint32_t index, uint64_t time) {
    uint32_t stack[CLEW__FOLDED_DEPTH + 1], depth = 0;
    char text[32];
    for (uint32_t at = index; at != CLEW_NO_SPAN; at = view->nodes[at].parent)
        stack[depth++] = at;
    while (depth > 0) {
        put_frame(out, &view->nodes[stack[--depth]]);
        clew__write_text(out, depth > 0 ? ";" : " ");
    }
    snprintf(text, sizeof text, "%" PRIu64 "\n", time);
    clew__write_text(out, text);
}

void clew__report_folded(struct clew__writer *out, const clew_profile_view *view) {
    for (uint32_t i = 0; i < view->node_count; i++) {
        const clew_profile_node *node = &view->nodes[i];
        uint64_t time = node->depth == CLEW__FOLDED_DEPTH ? node->critical : node->critical_self;
        if (node->depth <= CLEW__FOLDED_DEPTH && time > 0)
            put_line(out, view, i, time);
    }
}
