/* One span with five attributes, and whether it arrived.
 *
 *     first_span [MS]      waits MS milliseconds at most for its delivery; 1000 by default */
#include <clew/clew.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void charge_card(void) {
    const clew_value tags[] = {clew_value_string("gift"), clew_value_string("express")};

    CLEW_SPAN(span, "charge card"); /* ends with the block */
    clew_set(span, "order.id", "A-1001");
    clew_set(span, "order.items", 3);
    clew_set(span, "order.total", 42.5);
    clew_set(span, "order.paid", (bool)true);
    clew_set(span, "order.tags", clew_value_array(tags, 2));
}

/* 0, or -1 when the text is not a number of milliseconds. */
static int parse_ms(const char *text, uint32_t *ms) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > UINT32_MAX)
        return -1;
    *ms = (uint32_t)value;
    return 0;
}

int main(int argc, char **argv) {
    uint32_t timeout_ms = 1000;
    if (argc > 2 || (argc == 2 && parse_ms(argv[1], &timeout_ms) < 0)) {
        fprintf(stderr, "usage: %s [MS]\n", argv[0]);
        return 2;
    }

    clew_init("first-span");
    charge_card();
    clew_delivery delivery = clew_shutdown(timeout_ms);
    clew_stats_data books = clew_stats();

    if (delivery.status != 0 || books.pipelines[0].exported == 0) {
        fprintf(stderr, "first_span: the span was not delivered: %s\n",
                delivery.status ? clew_strerror(delivery.status) : "not recorded, or no exporter");
        return 1;
    }
    return 0;
}
