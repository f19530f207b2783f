/* What the agents have in common. All functions may be called from any thread. */
#include "agent.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

int agent_chat(const char *prompt, struct http_answer *answer) {
    CLEW_SPAN_WITH(span, "chat tiny-model", CLEW_CLIENT, CLEW_KV("gen_ai.operation.name", "chat"),
                   CLEW_KV("gen_ai.request.model", "tiny-model"));
    int status = http_post(agent_url("MODEL_URL"), prompt, answer);
    if (status != 200) {
        char type[16];
        snprintf(type, sizeof type, "%d", status);
        clew_span_set_error(span, status ? type : CLEW_ERROR_OTHER, answer->text);
    }
    return status;
}

int agent_run_program(const char *name) {
    char *const arguments[] = {(char *)name, NULL};
    char **environment = clew_environ_new(NULL); /* with TRACEPARENT: how the child joins */
    pid_t child;
    int status;

    if (!environment)
        return -1;
    int error = posix_spawnp(&child, name, NULL, NULL, arguments, environment);
    clew_environ_free(environment);
    if (error) {
        fprintf(stderr, "%s: %s\n", name, strerror(error));
        return -1;
    }
    if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

const char *agent_url(const char *variable) {
    const char *url = getenv(variable);
    if (!url) {
        fprintf(stderr, "%s is not set; samples/agents/run starts the agents together\n", variable);
        exit(2);
    }
    return url;
}

void agent_work(unsigned milliseconds) {
    struct timespec left = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) < 0)
        continue; /* a signal came: sleep what is left */
}

int agent_finish(const char *name, int failed) {
    clew_delivery delivery = clew_shutdown(2000);
    uint64_t lost = delivery.failed + delivery.unknown;
    if (lost)
        fprintf(stderr, "%s: %" PRIu64 " spans did not arrive: %s\n", name, lost,
                clew_strerror(delivery.status));
    return failed || lost;
}
