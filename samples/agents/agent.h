/* What the agents have in common beside HTTP. */
#ifndef AGENTS_AGENT_H
#define AGENTS_AGENT_H

#include "http.h"

/* Asks the language model at the URL in MODEL_URL, inside a span `chat tiny-model`. Returns the HTTP status;
 * the text of the answer says what went wrong when it is not 200. */
int agent_chat(const char *prompt, struct http_answer *answer);

/* Runs a program of the same directory as a child process that joins the current trace. Returns its exit
 * status, or -1 when it could not be run or was killed. */
int agent_run_program(const char *name);

/* The URL of another agent, from the environment. Ends the program when it is missing. */
const char *agent_url(const char *variable);

/* Stands for work that takes a while. */
void agent_work(unsigned milliseconds);

/* Delivers what is left within two seconds and returns the exit status of the program: 1 when `failed`, or
 * when spans were lost, which it says on stderr. */
int agent_finish(const char *name, int failed);

#endif
