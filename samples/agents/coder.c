/* The agent that writes code: asks the model, again when it is overloaded, and runs the tests in a child
 * process. */
#include "agent.h"

#include <stdio.h>

#define ATTEMPTS 4
#define FIRST_PAUSE_MS 20u

/* Tries again after growing pauses: each attempt is a span of its own, and they are siblings. */
static int write_code(const char *question, struct http_answer *code) {
    char prompt[HTTP_TEXT_SIZE];
    snprintf(prompt, sizeof prompt, "code: %.1000s", question);
    unsigned pause_ms = FIRST_PAUSE_MS;
    for (int attempt = 1;; attempt++) {
        int status = agent_chat(prompt, code);
        if (status != 429 || attempt == ATTEMPTS)
            return status;
        CLEW_EVENT(clew_current_span(), "back off", CLEW_KV("attempt", attempt),
                   CLEW_KV("pause_ms", pause_ms));
        agent_work(pause_ms);
        pause_ms *= 2;
    }
}

static int run_tests(void) {
    CLEW_SPAN_WITH(span, "execute_tool run_tests", CLEW_INTERNAL,
                   CLEW_KV("gen_ai.operation.name", "execute_tool"),
                   CLEW_KV("gen_ai.tool.name", "run_tests"));
    int status = agent_run_program("run_tests");
    clew_set(span, "process.exit.code", status);
    if (status != 0)
        clew_error(span, "tests_failed", "run_tests ended with %d", status);
    return status;
}

static int code(const char *question, char text[HTTP_TEXT_SIZE]) {
    struct http_answer change;
    if (write_code(question, &change) != 200) {
        snprintf(text, HTTP_TEXT_SIZE, "no code: %.1000s", change.text);
        return 502;
    }
    if (run_tests() != 0) {
        snprintf(text, HTTP_TEXT_SIZE, "the change breaks the tests");
        return 500;
    }
    snprintf(text, HTTP_TEXT_SIZE, "a cache of prices brings it back; the tests pass");
    return 200;
}

int main(void) {
    clew_init("coder");
    return agent_finish("coder", http_serve("/code", code));
}
