/* A span goes on in another thread: the context is handed over, and the span made there is a child. */
#include <clew/clew.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct job {
    const char *image;
    clew_context *context; /* whose work this is; one reference, given back by the worker */
};

static void resize(const char *image) {
    CLEW_SPAN(span, "resize");
    clew_set(span, "image.name", image);
}

static void *worker(void *argument) {
    struct job *job = argument;
    clew_token token = clew_context_attach(job->context);
    resize(job->image); /* a child of "upload", though that span was made by the other thread */
    clew_context_detach(token);
    clew_context_unref(job->context);
    return NULL;
}

static int upload(const char *image) {
    CLEW_SPAN(span, "upload", CLEW_SERVER);
    struct job job = {.image = image, .context = clew_context_current()};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, worker, &job);
    if (error) {
        clew_error(span, "thread", "%s", strerror(error));
        clew_context_unref(job.context);
        return -1;
    }
    pthread_join(thread, NULL); /* not needed by Clew: the context outlives the span */
    return 0;
}

int main(void) {
    clew_init("cross-thread");
    int failed = upload("cat.png");
    clew_delivery delivery = clew_shutdown(1000);
    if (delivery.status != 0)
        fprintf(stderr, "cross_thread: not everything was delivered: %s\n", clew_strerror(delivery.status));
    return failed || delivery.status != 0;
}
