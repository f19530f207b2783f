/* An exporter of one's own: it prints a line a span. */
#include <clew/clew.h>

#include <inttypes.h>
#include <stdio.h>

static clew_export_outcome print_batch(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                       clew_export_report *report) {
    (void)timeout_ms;
    FILE *out = self;
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_span_view view;
    while (clew_batch_next(&cursor, &view)) {
        clew_span_data span = clew_span_view_data(&view);
        clew_text service = clew_span_view_service(&view);
        char trace_id[33];
        clew_trace_id_to_hex(span.trace_id, trace_id);
        fprintf(out, "%s %.*s: %.*s took %" PRIu64 " us\n", trace_id, (int)service.size, service.data,
                (int)span.name.size, span.name.data, (span.end_unix_nano - span.start_unix_nano) / 1000);
    }
    if (fflush(out) == 0)
        return CLEW_EXPORT_DELIVERED;
    snprintf(report->reason, sizeof report->reason, "standard output cannot be written");
    return CLEW_EXPORT_FAILED;
}

static void serve(void) {
    CLEW_SPAN(request, "GET /cart", CLEW_SERVER);
    {
        CLEW_SPAN(query, "SELECT cart", CLEW_CLIENT);
        clew_set(query, "db.system.name", "sqlite");
    }
}

int main(void) {
    const clew_exporter exporter = {
        .struct_size = sizeof exporter,
        .flags = CLEW_EXPORTER_LOCAL, /* it never waits: no thread of its own is needed */
        .name = "printing_exporter",
        .self = stdout,
        .export_batch = print_batch,
    };
    clew_provider *provider =
        clew_provider_new(&(clew_provider_options){.resource = clew_resource_default("shop")});
    if (!provider || clew_provider_add_batch(provider, &exporter, NULL) != 0)
        return 1;
    clew_provider_set_global(provider); /* where CLEW_SPAN() finds it */

    serve();

    return clew_provider_shutdown(provider, 1000).status != 0;
}
