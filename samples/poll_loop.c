/* A program with a poll(2) loop of its own: Clew starts no thread, the loop does its work. Here it is a
 * timer's ticks that are traced. */
#include <clew/clew.h>
#include <clew/worker.h>

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICKS 10
#define DESCRIPTORS 16 /* a few connections, and what wakes the loop */

static void on_tick(int timer, uint64_t number) {
    CLEW_SPAN(span, "tick");
    uint64_t expirations = 0;
    if (read(timer, &expirations, sizeof expirations) < 0)
        clew_error(span, "timer", "not expired");
    clew_set(span, "tick.number", number);
}

/* Waits for the timer and for Clew, and lets Clew do what is due. */
static bool wait_for(int timer) {
    clew_poll own[DESCRIPTORS];
    struct pollfd all[DESCRIPTORS + 1];
    int timeout_ms;
    size_t count = clew_loop_wait(own, DESCRIPTORS, &timeout_ms);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct pollfd){.fd = own[i].fd, .events = own[i].events};
    all[count] = (struct pollfd){.fd = timer, .events = POLLIN};
    poll(all, count + 1, timeout_ms);
    for (size_t i = 0; i < count; i++)
        own[i].revents = all[i].revents;
    clew_loop_step(own, count);
    return all[count].revents != 0;
}

int main(void) {
    struct itimerspec each = {.it_interval.tv_nsec = 100000000, .it_value.tv_nsec = 100000000};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    clew_loop_attach(); /* before the first span */
    clew_init("poll-loop");
    timerfd_settime(timer, 0, &each, NULL);
    for (uint64_t tick = 0; tick < TICKS;)
        if (wait_for(timer))
            on_tick(timer, tick++);
    close(timer);
    return clew_shutdown(2000).status ? 1 : 0; /* does the rest on this thread */
}
