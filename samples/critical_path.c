/* What did a request wait for? The program prints the critical path of its own last trace. */
#include <clew/analysis.h>
#include <clew/clew.h>
#include <stdio.h>
#include <unistd.h>
static clew_span serve(void) {
    CLEW_SPAN(request, "GET /cart", CLEW_SERVER);
    for (unsigned item = 1; item <= 3; item++) {
        CLEW_SPAN(query, "SELECT price", CLEW_CLIENT);
        usleep(item * 5000); /* waits for the database */
    }
    return request;
}
int main(void) {
    clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
    clew_processor processor = clew_trace_buffer_processor(buffer);
    clew_init("shop");
    clew_provider_add_processor(clew_provider_get_global(), &processor);
    const clew_trace *trace = clew_trace_buffer_find(buffer, serve().trace_id);
    clew_critical_path *path = clew_critical_path_new(trace, NULL); /* NULL: nothing was recorded */
    for (uint32_t i = 0; path && i < path->segment_count; i++) {
        clew_trace_span span;
        clew_trace_span_at(trace, path->segments[i].span, &span);
        double nano = (double)(path->segments[i].end_unix_nano - path->segments[i].start_unix_nano);
        printf("%5.1f ms  %.*s\n", nano / 1e6, (int)span.operation.size, span.operation.data);
    }
    clew_critical_path_free(path);
    clew_shutdown(1000);
    clew_trace_buffer_free(buffer);
}
