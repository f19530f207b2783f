/* Health for people. Keeps nothing; one thread. */
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/operations.h"

static void say_share_of(struct clew__sentence *sentence, const char *format, double share) {
    char text[CLEW__NUMBER_SIZE];
    clew__share_text((uint64_t)(share * 1e6 + 0.5), 1000000, text);
    clew__say(sentence, format, text);
}

static void say_finding(struct clew__sentence *sentence, const clew_health_finding *finding) {
    switch (finding->reason) {
    case CLEW_HEALTH_ERRORS:
        say_share_of(sentence, "%s of its calls fail", finding->value);
        say_share_of(sentence, " (surely more than %s)", finding->limit);
        return;
    case CLEW_HEALTH_LATENCY:
        say_share_of(sentence, "%s of its calls are slower than they may be", finding->value);
        return;
    case CLEW_HEALTH_NO_TRAFFIC:
        clew__say(sentence, "calls have stopped coming");
        return;
    case CLEW_HEALTH_BURN_RATE:
        clew__say(sentence, "its budget of errors is used up too fast");
        return;
    case CLEW_HEALTH_REGRESSION:
        clew__say(sentence, "it got worse than it was");
        return;
    case CLEW_HEALTH_FEW_CALLS:
    case CLEW_HEALTH_DATA_QUALITY:
    case CLEW_HEALTH_REASON_COUNT:
        break;
    }
    clew__say(sentence, "it cannot be judged");
}

static void say_item(struct clew__writer *out, const struct clew__style *style,
                     const clew_health_item *item) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%s%s  ", style->is_markdown ? "- " : "", clew_health_state_name(item->observed));
    if (item->is_edge) {
        clew__say_name(&sentence, item->client);
        clew__say(&sentence, " → ");
    }
    clew__say_name(&sentence, item->service);
    for (size_t i = 0; i < item->finding_count; i++) {
        if (item->findings[i].state < CLEW_HEALTH_WARN)
            continue;
        clew__say(&sentence, i ? ", " : ": ");
        say_finding(&sentence, &item->findings[i]);
    }
    clew__say(&sentence, item->is_root_cause ? ". Nothing that it calls is ill: it begins here." : ".");
    clew__sentence_end(&sentence, out, item->observed == CLEW_HEALTH_CRIT ? CLEW__RED : NULL, 6);
}

/* Those where it begins, or the others. */
static void say_items(struct clew__writer *out, const struct clew__style *style,
                      const clew_health_report *health, bool is_root_cause) {
    for (size_t i = 0; i < health->item_count; i++)
        if (health->items[i].observed >= CLEW_HEALTH_WARN && health->items[i].is_root_cause == is_root_cause)
            say_item(out, style, &health->items[i]);
}

void clew__report_health(struct clew__writer *out, const struct clew__style *style,
                         const clew_health_report *health) {
    bool any = false;
    for (size_t i = 0; i < health->item_count && !any; i++)
        any = health->items[i].observed >= CLEW_HEALTH_WARN;
    if (!any)
        return;
    clew__heading(out, style, false, "Not well");
    say_items(out, style, health, true);
    say_items(out, style, health, false);
}
