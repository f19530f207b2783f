/* The agent that looks things up: searches, and asks the model what to make of it. */
#include "agent.h"

#include <stdio.h>

static void search(const char *query) {
    CLEW_SPAN_WITH(span, "execute_tool search", CLEW_INTERNAL,
                   CLEW_KV("gen_ai.operation.name", "execute_tool"), CLEW_KV("gen_ai.tool.name", "search"));
    clew_set(span, "search.query", query);
    static const char *const shelves[] = {"release notes", "incident reports"};
    for (size_t i = 0; i < sizeof shelves / sizeof shelves[0]; i++) {
        CLEW_SPAN(shelf, "read shelf");
        clew_set(shelf, "search.shelf", shelves[i]);
        agent_work(i == 0 ? 12 : 30);
    }
    CLEW_EVENT(span, "found", CLEW_KV("search.hits", 7));
}

static int research(const char *question, char text[HTTP_TEXT_SIZE]) {
    char prompt[HTTP_TEXT_SIZE];
    struct http_answer insight;

    search(question);
    snprintf(prompt, sizeof prompt, "seven reports on: %.1000s", question);
    if (agent_chat(prompt, &insight) != 200) {
        snprintf(text, HTTP_TEXT_SIZE, "nothing to make of the reports: %.1000s", insight.text);
        return 502;
    }
    snprintf(text, HTTP_TEXT_SIZE, "seven reports say that it began with the release of Tuesday");
    return 200;
}

int main(void) {
    clew_init("researcher");
    return agent_finish("researcher", http_serve("/research", research));
}
