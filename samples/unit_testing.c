/* Spans in a unit test: the code under test runs as it is, its spans stay in memory, and their tree is
 * compared. Works with any test framework; here it is a plain program. */
#include <clew/clew.h>
#include <clew/testing.h>

#include <stdio.h>

/* The code under test. */
static bool charge(int cents) {
    CLEW_SPAN(span, "charge card", CLEW_CLIENT);
    clew_set(span, "payment.cents", cents);
    if (cents > 100000) {
        clew_error(span, "declined", "over the limit");
        return false;
    }
    return true;
}

static bool checkout(int cents) {
    CLEW_SPAN(span, "POST /checkout", CLEW_SERVER);
    { CLEW_SPAN(load, "load cart"); }
    return charge(cents);
}

/* The test. */
static const char expected[] = "POST /checkout [server]\n"
                               "  load cart\n"
                               "  charge card [client] error: declined\n";

int main(void) {
    clew_memory_exporter *memory = clew_memory_exporter_new(0);
    clew_provider *provider = clew_provider_new(NULL);
    if (!memory || !provider)
        return 1;
    clew_exporter exporter = clew_memory_exporter_as_exporter(memory);
    clew_provider_add_simple(provider, &exporter);
    clew_provider_set_global(provider);

    checkout(250000);

    char message[1024] = "no span \"charge card\"";
    clew_value cents = clew_value_int(250000);
    clew_span_view card;
    bool passed = clew_expect_tree(memory, expected, message, sizeof message) &&
                  clew_memory_exporter_find(memory, "charge card", &card) &&
                  clew_expect_attribute(&card, "payment.cents", cents, message, sizeof message);
    puts(passed ? "passed" : message);

    clew_provider_shutdown(provider, 1000);
    clew_memory_exporter_free(memory);
    return !passed;
}
