/* Bottlenecks for people and as JSON. Keeps nothing; one thread. */
#include "collector-bridge/report/bottlenecks.h"

#include "collector-bridge/report/json.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/remarks.h"
#include "collector-bridge/report/table.h"

#include <inttypes.h>

static void say_finding(struct clew__writer *out, const struct clew__style *style,
                        const clew_bottleneck *finding, uint64_t traces, size_t number) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%zu. ", number);
    clew__say_text(&sentence, finding->text);
    clew__sentence_end(&sentence, out, CLEW__BOLD, 3);
    sentence = clew__sentence_begin(style);
    clew__say(&sentence, "   In %" PRIu64 " of %" PRIu64 " traces.", finding->traces, traces);
    for (uint32_t i = 0; i < finding->exemplar_count; i++) {
        char id[CLEW_ID_TEXT_SIZE];
        clew_text given = finding->exemplars[i].trace_id;
        size_t size = given.size < sizeof id ? given.size : sizeof id - 1;
        memcpy(id, given.data, size);
        id[size] = '\0';
        clew__short_id(id);
        clew__say(&sentence, i ? ", " : " See ");
        clew__say_name(&sentence, clew__text_of(id));
    }
    clew__say(&sentence, finding->exemplar_count ? "." : "");
    clew__sentence_end(&sentence, out, CLEW__DIM, 3);
}

void clew__report_bottlenecks(struct clew__writer *out, const struct clew__style *style,
                              const clew_bottlenecks_view *view, uint32_t limit) {
    size_t shown = clew__rows_shown(view->finding_count, limit);
    if (!view->finding_count) {
        struct clew__sentence sentence = clew__sentence_begin(style);
        clew__say(&sentence,
                  "No bottleneck in %" PRIu64
                  " trace%s that is worth a change; `clew critical-path` shows where the time went.",
                  view->traces, view->traces == 1 ? "" : "s");
        clew__sentence_end(&sentence, out, NULL, 0);
    }
    for (size_t i = 0; i < shown; i++)
        say_finding(out, style, &view->findings[i], view->traces, i + 1);
    clew__rows_rest(out, style, view->finding_count, limit);
}

static void finding_json(struct clew__report_json *json, const clew_bottleneck *finding) {
    clew__json_open(json, NULL, '{');
    clew__json_add_word(json, "kind", clew_bottleneck_kind_name(finding->kind));
    clew__json_add_text(json, "service", finding->service);
    clew__json_add_text(json, "operation", finding->operation);
    clew__json_add_text(json, "callerService", finding->caller_service);
    clew__json_add_text(json, "callerOperation", finding->caller_operation);
    clew__json_add_text(json, "text", finding->text);
    clew__json_add_uint64(json, "traces", finding->traces);
    clew__json_add_uint64(json, "savingNano", finding->saving);
    clew__json_add_uint64(json, "savingATraceNano", finding->saving_a_trace);
    clew__json_add_uint64(json, "savingPpm", finding->saving_ppm);
    clew__json_open(json, "evidence", '{');
    for (uint32_t i = 0; i < finding->evidence_count; i++)
        clew__json_add_uint64(json, finding->evidence[i].name, finding->evidence[i].value);
    clew__json_close(json, '}');
    clew__json_add_exemplars(json, finding->exemplars, finding->exemplar_count);
    clew__json_close(json, '}');
}

void clew__report_bottlenecks_json(struct clew__writer *out, const clew_bottlenecks_view *view) {
    struct clew__report_json json = {.out = out};
    clew__json_open(&json, NULL, '{');
    clew__json_add_uint64(&json, "traces", view->traces);
    clew__json_add_uint64(&json, "totalNano", view->total);
    clew__json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < view->finding_count; i++)
        finding_json(&json, &view->findings[i]);
    clew__json_close(&json, ']');
    clew__json_close(&json, '}');
    clew__json_end(&json);
}
