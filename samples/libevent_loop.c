/* Clew in an event base of libevent, without a thread: what it waits for are events of one turn each. */
#include <clew/clew.h>
#include <clew/worker.h>

#include <event2/event.h>
#include <poll.h>

enum { DESCRIPTORS = 16, TICKS = 10 };

static struct event_base *base;
static struct event *watched[DESCRIPTORS];
static size_t watched_count;
static struct event *due; /* when Clew's next step is, at the latest */

static void on_ready(evutil_socket_t fd, short what, void *user);

/* Asks Clew anew what it waits for. */
static void watch(void) {
    clew_poll descriptors[DESCRIPTORS];
    int timeout_ms;
    size_t count = clew_loop_wait(descriptors, DESCRIPTORS, &timeout_ms);
    struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    for (watched_count = 0; watched_count < count; watched_count++) {
        const clew_poll *one = &descriptors[watched_count];
        int what = (one->events & POLLIN ? EV_READ : 0) | (one->events & POLLOUT ? EV_WRITE : 0);
        watched[watched_count] = event_new(base, one->fd, (short)what, on_ready, NULL);
        event_add(watched[watched_count], NULL);
    }
    event_add(due, timeout_ms < 0 ? NULL : &timeout);
}
static void on_ready(evutil_socket_t fd, short what, void *user) {
    (void)fd, (void)what, (void)user;
    while (watched_count > 0)
        event_free(watched[--watched_count]);
    clew_loop_step(NULL, 0); /* looks by itself what is ready */
    watch();
}

static void on_tick(evutil_socket_t fd, short what, void *user) {
    int *left = user;
    CLEW_SPAN(span, "tick");
    (void)fd, (void)what;
    clew_set(span, "tick.left", --*left);
    if (*left == 0)
        event_base_loopbreak(base);
}

int main(void) {
    struct timeval each = {0, 100000};
    int left = TICKS;
    base = event_base_new();
    due = event_new(base, -1, 0, on_ready, NULL);
    event_add(event_new(base, -1, EV_PERSIST, on_tick, &left), &each);
    clew_loop_attach(); /* before the first span */
    clew_init("libevent-loop");
    watch();
    event_base_dispatch(base);
    return clew_shutdown(2000).status ? 1 : 0; /* does the rest on this thread */
}
