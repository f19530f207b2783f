/* A language model, or what passes for one here: it answers every prompt after some milliseconds. */
#include "agent.h"

#include <stdio.h>
#include <string.h>

/* Room for one coder at a time: the first prompt about code meets a full house. */
static bool is_overloaded(const char *prompt) {
    static unsigned code_prompts;
    return strncmp(prompt, "code:", 5) == 0 && code_prompts++ == 0;
}

static void generate(const char *prompt, char text[HTTP_TEXT_SIZE]) {
    CLEW_SPAN(span, "generate");
    clew_set(span, "gen_ai.request.model", "tiny-model");
    agent_work(25);
    clew_span_add_event(span, "first token", NULL, 0, 0);
    agent_work(15);
    snprintf(text, HTTP_TEXT_SIZE, "thoughts on \"%.200s\"", prompt);
}

static int complete(const char *prompt, char text[HTTP_TEXT_SIZE]) {
    if (is_overloaded(prompt)) {
        snprintf(text, HTTP_TEXT_SIZE, "the model is overloaded");
        return 429;
    }
    generate(prompt, text);
    return 200;
}

int main(void) {
    clew_init("model");
    return agent_finish("model", http_serve("/chat", complete));
}
