/* What the child of a fork leaves behind. */
#ifndef CLEW_EXPORT_LEFT_BEHIND_H
#define CLEW_EXPORT_LEFT_BEHIND_H

/* Keeps memory reachable that nobody will free, so that leak checkers need not report it; only so many
 * pieces, beyond them they may. NULL does nothing. Any thread. */
void clew__leave_behind(void *memory);

#endif
