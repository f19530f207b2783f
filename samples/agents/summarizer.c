/* The agent that puts results together. Each line of a question is `TRACEPARENT RESULT`: the summary belongs
 * to the trace of its caller, and links the spans that its material comes from. */
#include "agent.h"

#include <stdio.h>
#include <string.h>

#define RESULTS_MAX 8

/* Cuts the lines into results and the span contexts they come from. Returns how many; -1 when a line has
 * none. */
static int parse_results(char *lines, const char *results[RESULTS_MAX], clew_link sources[RESULTS_MAX]) {
    int count = 0;
    char *rest = lines;
    for (char *line; count < RESULTS_MAX && (line = strtok_r(rest, "\n", &rest)); count++) {
        size_t size = strcspn(line, " ");
        if (line[size] == '\0' || clew_traceparent_parse(line, size, &sources[count].context) != 0)
            return -1;
        results[count] = line + size + 1;
    }
    return count;
}

static void write_summary(const char *const *results, const clew_link *sources, int count,
                          char text[HTTP_TEXT_SIZE]) {
    const clew_span_options options = {.links = sources, .link_count = (size_t)count};
    clew_scope scope CLEW_CLEANUP(clew_scope_leave) = clew_scope_enter(NULL, "summarize", &options);
    clew_set(scope.span, "summary.sources", count);

    agent_work(22);
    size_t used = 0;
    for (int i = 0; i < count && used < HTTP_TEXT_SIZE; i++)
        used += (size_t)snprintf(text + used, HTTP_TEXT_SIZE - used, "%s%s", i ? "; " : "", results[i]);
}

static int summarize(const char *question, char text[HTTP_TEXT_SIZE]) {
    char lines[HTTP_TEXT_SIZE];
    const char *results[RESULTS_MAX];
    clew_link sources[RESULTS_MAX] = {0};

    snprintf(lines, sizeof lines, "%s", question);
    int count = parse_results(lines, results, sources);
    if (count <= 0) {
        snprintf(text, HTTP_TEXT_SIZE, "expected lines of TRACEPARENT RESULT");
        return 400;
    }
    write_summary(results, sources, count, text);
    return 200;
}

int main(void) {
    clew_init("summarizer");
    return agent_finish("summarizer", http_serve("/summarize", summarize));
}
