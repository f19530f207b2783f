/* What the evidence of one interval says of a service or an edge. Pure; any thread. */
#include "sdk/analysis/health.h"

#include "sdk/measure/statistics.h"

static void add_finding(clew_health_item *item, clew_health_reason reason, clew_health_state state,
                        double value, double limit) {
    size_t at = item->finding_count++;
    for (; at > 0 && item->findings[at - 1].state < state; at--)
        item->findings[at] = item->findings[at - 1];
    item->findings[at] = (clew_health_finding){reason, state, value, limit};
}

static double share_of(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

/* Of weighted counts, how many of those that were really seen. */
static uint64_t hits_of(double share, uint64_t seen) {
    double hits = share * (double)seen + 0.5;
    return hits >= (double)seen ? seen : (uint64_t)hits;
}

/* What a proportion surely exceeds. */
static void judge_share(clew_health_item *item, clew_health_reason reason, struct clew__interval share,
                        double warn, double crit) {
    if (share.low > crit)
        add_finding(item, reason, CLEW_HEALTH_CRIT, share.estimate, crit);
    else if (share.low > warn)
        add_finding(item, reason, CLEW_HEALTH_WARN, share.estimate, warn);
}

static void judge_errors(clew_health_item *item, const struct clew__health_evidence *evidence,
                         const clew_health_options *options) {
    struct clew__interval rate =
        clew__proportion(hits_of(item->error_rate, evidence->seen_calls), evidence->seen_calls, CLEW__Z_95);
    item->error_rate_low = rate.low;
    item->error_rate_high = rate.high;
    if (evidence->seen_calls >= options->calls_min)
        judge_share(item, CLEW_HEALTH_ERRORS, rate, options->error_warn, options->error_crit);
}

static void judge_latency(clew_health_item *item, const struct clew__health_evidence *evidence,
                          const clew_health_options *options) {
    uint64_t seen = clew_sketch_observations(evidence->latency);
    double quick;
    if (evidence->objective_nano == 0 || seen < options->calls_min ||
        !clew_sketch_share(evidence->latency, evidence->objective_nano, &quick))
        return;
    judge_share(item, CLEW_HEALTH_LATENCY, clew__proportion(hits_of(1 - quick, seen), seen, CLEW__Z_95),
                options->slow_warn, options->slow_crit);
}

/* Both windows: the longer one so that a few errors do not count, this one so that it ends when they end. */
static void judge_burn(clew_health_item *item, const struct clew__health_evidence *evidence,
                       const clew_health_options *options) {
    double budget = 1 - options->availability;
    if (options->availability <= 0 || budget <= 0 || evidence->seen_calls < options->calls_min ||
        evidence->longer_seen < options->calls_min)
        return;
    double burn = item->error_rate / budget;
    double longer = share_of(evidence->longer_errors, evidence->longer_calls) / budget;
    double both = burn < longer ? burn : longer;
    if (both >= options->burn_crit)
        add_finding(item, CLEW_HEALTH_BURN_RATE, CLEW_HEALTH_CRIT, both, options->burn_crit);
    else if (both >= options->burn_warn)
        add_finding(item, CLEW_HEALTH_BURN_RATE, CLEW_HEALTH_WARN, both, options->burn_warn);
}

void clew__health_judge_item(clew_health_item *item, const struct clew__health_evidence *evidence,
                             const clew_health_options *options) {
    item->calls = evidence->calls;
    item->errors = evidence->errors;
    item->error_rate = share_of(evidence->errors, evidence->calls);
    item->error_rate_high = 1;
    if (evidence->poor_share > options->quality_warn) {
        add_finding(item, CLEW_HEALTH_DATA_QUALITY, CLEW_HEALTH_UNKNOWN, evidence->poor_share,
                    options->quality_warn);
        item->observed = CLEW_HEALTH_UNKNOWN;
        return;
    }
    if (evidence->seen_calls > 0)
        judge_errors(item, evidence, options);
    judge_latency(item, evidence, options);
    judge_burn(item, evidence, options);
    if (evidence->has_stopped)
        add_finding(item, CLEW_HEALTH_NO_TRAFFIC, CLEW_HEALTH_CRIT, 0, options->calls_min);
    if (evidence->verdict > CLEW_HEALTH_OK)
        add_finding(item, CLEW_HEALTH_REGRESSION, evidence->verdict, 0, 0);
    bool is_known = evidence->seen_calls >= options->calls_min;
    item->observed = is_known ? CLEW_HEALTH_OK : CLEW_HEALTH_UNKNOWN;
    if (item->finding_count > 0)
        item->observed = item->findings[0].state;
    if (!is_known && !evidence->has_stopped)
        add_finding(item, CLEW_HEALTH_FEW_CALLS, CLEW_HEALTH_UNKNOWN, (double)evidence->seen_calls,
                    options->calls_min);
}
