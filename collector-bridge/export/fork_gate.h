/* Keeps forks and SQLite apart. SQLite's locks are the process's own: if a thread holds one while another
 * thread forks, whoever uses SQLite in the child waits for ever, be it Clew or the host program. So threads
 * of the spool pass this gate, and a fork waits, for a short time, until nobody is behind it. Any thread. */
#ifndef CLEW_EXPORT_FORK_GATE_H
#define CLEW_EXPORT_FORK_GATE_H

#include <stdbool.h>

/* Before the first use. */
void clew__fork_gate_setup(void);
void clew__fork_gate_enter(void);
void clew__fork_gate_leave(void);
/* In the child of a fork, any number of times: opens the gate. True when nobody was behind it at the fork. */
bool clew__fork_gate_in_child(void);

#endif
