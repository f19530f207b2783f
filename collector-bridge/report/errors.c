/* Errors for people. Keeps nothing; one thread. */
#include "collector-bridge/report/errors.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/remarks.h"
#include "collector-bridge/report/table.h"

#include <inttypes.h>

#define CHAIN_MAX 20u /* spans of a chain that are named */

static void put_origin(struct clew__table *table, struct clew__palette *palette, bool is_other,
                       clew_text service, clew_text operation) {
    if (is_other) {
        clew__table_put(table, CLEW__DIM, "(other)");
        clew__table_put(table, NULL, "");
        return;
    }
    clew__table_name(table, clew__palette_mark(palette, service), clew__service_shown(service));
    clew__table_name(table, NULL, operation);
}

static void types_table(struct clew__writer *out, const struct clew__style *style,
                        struct clew__palette *palette, const clew_errors_view *view, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "requests failed", .is_right = true},
        {.title = "errors", .is_right = true},
        {.title = "handled", .is_right = true},
        {.title = "time lost", .is_right = true, .is_minor = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = "type", .is_flexible = true},
        {.title = "message", .is_flexible = true},
        {.title = "example"},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < clew__rows_shown(view->type_count, limit); i++) {
        const clew_error_type *type = &view->types[i];
        clew__table_count(&table, type->roots_failed ? CLEW__RED : NULL, type->roots_failed);
        clew__table_count(&table, NULL, type->count);
        clew__table_count(&table, NULL, type->handled);
        clew__table_duration(&table, NULL, type->critical_lost);
        put_origin(&table, palette, type->is_other, type->service, type->operation);
        clew__table_name(&table, NULL, type->type);
        if (!type->message.size && type->edges == type->count)
            clew__table_put(&table, CLEW__DIM, "the server saw no error");
        else
            clew__table_name(&table, NULL, type->message);
        clew__table_id(&table, type->exemplar_count ? type->exemplars[0].trace_id : (clew_text){NULL, 0});
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, view->type_count, limit);
}

static void retries_table(struct clew__writer *out, const struct clew__style *style,
                          struct clew__palette *palette, const clew_errors_view *view, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "retries", .is_right = true},
        {.title = "attempts", .is_right = true},
        {.title = "succeeded", .is_right = true},
        {.title = "time wasted", .is_right = true},
        {.title = "waited", .is_right = true, .is_minor = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = "example"},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < clew__rows_shown(view->retry_count, limit); i++) {
        const clew_retry_sum *retry = &view->retries[i];
        clew__table_count(&table, NULL, retry->groups);
        clew__table_count(&table, NULL, retry->attempts);
        clew__table_count(&table, NULL, retry->succeeded);
        clew__table_duration(&table, NULL, retry->wasted_critical);
        clew__table_duration(&table, NULL, retry->waited);
        put_origin(&table, palette, retry->is_other, retry->service, retry->operation);
        clew__table_id(&table, retry->exemplar_count ? retry->exemplars[0].trace_id : (clew_text){NULL, 0});
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, view->retry_count, limit);
}

/* `2 of 10 requests failed (20%), 1 of them because of bank: charge`, or what was handled. */
static void say_failed(struct clew__sentence *sentence, const clew_errors_view *view) {
    const clew_error_type *gravest = view->type_count && !view->types[0].is_other ? view->types : NULL;
    bool is_all;
    if (view->roots_failed) {
        clew__say(sentence, "%" PRIu64 " of %" PRIu64 " request%s failed (", view->roots_failed, view->roots,
                  view->roots == 1 ? "" : "s");
        clew__say_share(sentence, view->roots_failed, view->roots);
        clew__say(sentence, ")");
    } else {
        clew__say(sentence, "No request failed; %" PRIu64 " error%s handled", view->origins,
                  view->origins == 1 ? " was" : "s were");
    }
    if (!gravest)
        return;
    is_all =
        view->roots_failed ? gravest->roots_failed == view->roots_failed : gravest->count == view->origins;
    if (!is_all)
        clew__say(sentence, ", %" PRIu64 " of them",
                  view->roots_failed ? gravest->roots_failed : gravest->count);
    clew__say(sentence, view->roots_failed ? " because of " : " in ");
    clew__say_operation(sentence, gravest->service, gravest->operation);
}

static void headline(struct clew__writer *out, const struct clew__style *style,
                     const clew_errors_view *view) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    if (!view->failed) {
        clew__say(&sentence, "No errors in %" PRIu64 " trace%s.", view->traces, view->traces == 1 ? "" : "s");
    } else {
        say_failed(&sentence, view);
        if (view->critical_lost) {
            clew__say(&sentence, "; ");
            clew__say_share(&sentence, view->critical_lost, view->critical_total);
            clew__say(&sentence, " of the time of all requests went into what failed");
        }
        clew__say(&sentence, ".");
    }
    clew__sentence_end(&sentence, out, CLEW__BOLD, 2);
}

void clew__report_errors(struct clew__writer *out, const struct clew__style *style,
                         struct clew__palette *palette, const clew_errors_view *view, uint32_t limit) {
    if (!style->colours)
        palette = NULL;
    headline(out, style, view);
    if (view->type_count) {
        clew__heading(out, style, false, "Where they begin");
        types_table(out, style, palette, view, limit);
    }
    if (view->retry_count) {
        clew__heading(out, style, false, "Retries");
        retries_table(out, style, palette, view, limit);
    }
}

/* Who got the error and went on. */
static void say_handler(struct clew__sentence *sentence, const clew_trace *trace, uint32_t top) {
    clew_trace_span span;
    if (clew_trace_span_at(trace, top, &span) && clew_trace_span_at(trace, span.parent, &span) &&
        !span.is_phantom) {
        clew__say(sentence, ": handled by ");
        clew__say_operation(sentence, span.service, span.operation);
        clew__say(sentence, ".");
    } else {
        clew__say(sentence, ": handled.");
    }
}

void clew__report_error_chain(struct clew__writer *out, const struct clew__style *style,
                              const clew_trace *trace, const clew_trace_errors *errors, uint32_t origin) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    char id[CLEW_ID_TEXT_SIZE];
    clew_trace_span span;
    uint32_t top = errors->spans[origin].reaches, at = origin, named = 0;
    clew__short_trace_id(trace, id);
    clew__say(&sentence, style->is_markdown ? "- " : "");
    clew__say_name(&sentence, clew__text_of(id));
    clew__say(&sentence, "  ");
    while (clew_trace_span_at(trace, at, &span) && named++ < CHAIN_MAX) {
        clew__say(&sentence, at == origin ? "" : " → ");
        clew__say_operation(&sentence, span.service, span.operation);
        if (at == top)
            break;
        at = span.parent;
    }
    if (named > CHAIN_MAX)
        clew__say(&sentence, " → …");
    else if (errors->spans[origin].reaches_root)
        clew__say(&sentence, ": the request failed.");
    else
        say_handler(&sentence, trace, top);
    clew__sentence_end(&sentence, out, NULL, 9);
}
