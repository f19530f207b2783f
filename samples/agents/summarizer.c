/* The agent that puts results together. Each line of a question is `TRACEPARENT RESULT`: the summary belongs
 * to the trace of its caller, and links the spans that its material comes from. */
#include "agent.h"

#include <stdio.h>
#include <string.h>

#define RESULTS_MAX 8

struct material {
    const char *results[RESULTS_MAX];
    size_t result_count;
    clew_link sources[RESULTS_MAX];
    size_t source_count;
};

/* Cuts the lines in place. A result may come without its span, from an agent that does not trace. */
static struct material parse_lines(char *lines) {
    struct material material = {.result_count = 0};
    char *rest = lines;
    for (char *line; material.result_count < RESULTS_MAX && (line = strtok_r(rest, "\n", &rest));) {
        size_t size = strcspn(line, " ");
        if (line[size] == '\0')
            continue;
        material.results[material.result_count++] = line + size + 1;
        if (clew_traceparent_parse(line, size, &material.sources[material.source_count].context) == 0)
            material.source_count++;
    }
    return material;
}

static void write_summary(const struct material *material, char text[HTTP_TEXT_SIZE]) {
    const clew_span_options options = {.links = material->sources, .link_count = material->source_count};
    clew_scope scope CLEW_CLEANUP(clew_scope_leave) = clew_scope_enter(NULL, "summarize", &options);
    clew_set(scope.span, "summary.results", material->result_count);

    agent_work(22);
    size_t used = 0;
    for (size_t i = 0; i < material->result_count && used < HTTP_TEXT_SIZE; i++)
        used +=
            (size_t)snprintf(text + used, HTTP_TEXT_SIZE - used, "%s%s", i ? "; " : "", material->results[i]);
}

static int summarize(const char *question, char text[HTTP_TEXT_SIZE]) {
    char lines[HTTP_TEXT_SIZE];
    snprintf(lines, sizeof lines, "%s", question);
    struct material material = parse_lines(lines);
    if (material.result_count == 0) {
        snprintf(text, HTTP_TEXT_SIZE, "expected lines of TRACEPARENT RESULT");
        return 400;
    }
    write_summary(&material, text);
    return 200;
}

int main(void) {
    clew_init("summarizer");
    return agent_finish("summarizer", http_serve("/summarize", summarize));
}
