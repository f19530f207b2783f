/* The agent that is asked: it makes a plan with the model, lets researcher and coder work at the same time,
 * and has their results summarized.
 *
 *     planner QUESTION      prints the answer and the id of its trace */
#include "agent.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* One agent at work, in a thread of its own. The planner starts the span, so that it can say that it waits
 * for it; the thread ends it. */
struct errand {
    const char *agent;
    const char *url_variable;
    const char *question;
    clew_span span;
    clew_context *context; /* the planner's with that span, handed over with one reference */
    pthread_t thread;
    struct http_answer answer;
};

static clew_span start_invocation(const char *agent) {
    const clew_attribute attributes[] = {CLEW_KV("gen_ai.operation.name", "invoke_agent"),
                                         CLEW_KV("gen_ai.agent.name", agent)};
    char name[64];
    snprintf(name, sizeof name, "invoke_agent %s", agent);
    return clew_span_start(NULL, name,
                           &(clew_span_options){.struct_size = sizeof(clew_span_options),
                                                .kind = CLEW_CLIENT,
                                                .attributes = attributes,
                                                .attribute_count = 2});
}

/* The span is current; it ends here. */
static int finish_invocation(clew_span span, const char *url, const char *question,
                             struct http_answer *answer) {
    int status = http_post(url, question, answer);
    if (status != 200)
        clew_error(span, "agent_failed", "%s", answer->text);
    clew_span_end(span);
    return status;
}

static void *run_errand(void *argument) {
    struct errand *errand = argument;
    clew_token token = clew_context_attach(errand->context);
    finish_invocation(errand->span, agent_url(errand->url_variable), errand->question, &errand->answer);
    clew_context_detach(token);
    clew_context_unref(errand->context);
    return NULL;
}

static bool start_errand(struct errand *errand) {
    clew_context *planner = clew_context_current();
    errand->span = start_invocation(errand->agent);
    errand->context = clew_context_with_span(planner, errand->span);
    clew_context_unref(planner);
    if (pthread_create(&errand->thread, NULL, run_errand, errand) == 0)
        return true;
    clew_error(errand->span, "agent_failed", "no thread");
    clew_span_end(errand->span);
    clew_context_unref(errand->context);
    return false;
}

/* Runs all errands at once and waits for them. False when one of them did not start or has no result. */
static bool run_errands(struct errand *errands, int count) {
    clew_span span = clew_current_span();
    bool succeeded;
    int started = 0;
    while (started < count && start_errand(&errands[started]))
        started++;
    succeeded = started == count;
    for (int i = 0; i < started; i++)
        clew_wait_begin(span, errands[i].span);
    for (int i = 0; i < started; i++) {
        pthread_join(errands[i].thread, NULL);
        clew_wait_end(span, errands[i].span);
        if (errands[i].answer.status != 200) {
            fprintf(stderr, "%s: %s\n", errands[i].agent, errands[i].answer.text);
            succeeded = false;
        }
    }
    return succeeded;
}

/* The results go to the summarizer with the span contexts that they come from. */
static bool summarize(const struct errand *errands, struct http_answer *answer) {
    char results[HTTP_TEXT_SIZE];
    snprintf(results, sizeof results, "%s %.1500s\n%s %.1500s\n", errands[0].answer.traceparent,
             errands[0].answer.text, errands[1].answer.traceparent, errands[1].answer.text);
    clew_span span = start_invocation("summarizer");
    clew_token token = clew_span_attach(span);
    int status = finish_invocation(span, agent_url("SUMMARIZER_URL"), results, answer);
    clew_context_detach(token);
    return status == 200;
}

/* NULL, and the answer; or what did not work. */
static const char *carry_out(const char *question, struct http_answer *answer) {
    struct errand errands[] = {
        {.agent = "researcher", .url_variable = "RESEARCHER_URL", .question = question},
        {.agent = "coder", .url_variable = "CODER_URL", .question = question},
    };
    if (agent_chat(question, answer) != 200)
        return "no plan";
    if (!run_errands(errands, 2))
        return "an agent failed";
    if (!summarize(errands, answer))
        return "no summary";
    return NULL;
}

static int plan(const char *question) {
    CLEW_SPAN_WITH(span, "invoke_agent planner", CLEW_INTERNAL,
                   CLEW_KV("gen_ai.operation.name", "invoke_agent"), CLEW_KV("gen_ai.agent.name", "planner"));
    struct http_answer answer;
    const char *failure = carry_out(question, &answer);
    if (failure) {
        clew_error(span, "plan_failed", "%s", failure);
        fprintf(stderr, "planner: %s\n", failure);
        return -1;
    }
    puts(answer.text);
    if (clew_span_is_recording(span)) {
        char trace_id[33];
        clew_trace_id_to_hex(span.trace_id, trace_id);
        printf("trace %s\n", trace_id);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s QUESTION\n", argv[0]);
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* before there are threads */
        return 1;
    clew_init("planner");
    int failed = agent_finish("planner", plan(argv[1]));
    curl_global_cleanup();
    return failed;
}
