/* What ran beside a critical path. Keeps nothing; one thread. */
#include "collector-bridge/report/beside.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/path.h"
#include "collector-bridge/report/shares.h"

#include <clew/extend.h>

#define PART_LEAST 4u /* a part of the path below this part of it is not looked at */

/* Of the spans off the path that would be on it if the others took `saved` less: the longest. */
static uint32_t longest_beside(const clew_critical_path *path, const clew_leverage *leverage,
                               uint64_t least) {
    uint32_t longest = CLEW_NO_SPAN;
    for (uint32_t i = 0; i < path->span_count; i++) {
        const clew_path_span *span = &path->spans[i];
        if (span->critical || span->duration < least || leverage[i].slack > least)
            continue;
        if (longest == CLEW_NO_SPAN || span->duration > path->spans[longest].duration)
            longest = i;
    }
    return longest;
}

static void say_beside(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                       const clew_critical_path *path, const struct clew__share *share, uint64_t without,
                       uint32_t beside) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew_trace_span span;
    clew__say(&sentence, "%sWithout ", style->is_markdown ? "\n" : "");
    clew__say_operation(&sentence, share->service, share->operation);
    clew__say(&sentence, " it would still take ");
    clew__say_duration(&sentence, without);
    clew__say(&sentence, ": ");
    clew_trace_span_at(trace, beside, &span);
    clew__say_operation(&sentence, span.service, span.operation);
    clew__say(&sentence, " took ");
    clew__say_duration(&sentence, path->spans[beside].duration);
    clew__say(&sentence, " at the same time.");
    clew__sentence_end(&sentence, out, NULL, 2);
}

static bool look_beside(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                        const clew_critical_path *path, const clew_path_options *options, uint32_t root,
                        const struct clew__share *share) {
    const clew_change change = {.service = share->service, .operation = share->operation};
    clew_leverage *leverage = clew_memory_allocate(path->span_count * sizeof *leverage);
    uint64_t *durations = clew_memory_allocate(path->root_count * sizeof *durations);
    bool enough = leverage && durations && clew_leverage_of(trace, options, leverage) &&
                  clew_what_if(trace, options, &change, 1, durations);
    if (enough) {
        uint64_t before = path->roots[root].end_unix_nano - path->roots[root].start_unix_nano;
        uint64_t saved = before > durations[root] ? before - durations[root] : 0;
        uint32_t beside = longest_beside(path, leverage, share->nano / 2);
        if (saved < share->nano / 2 && beside != CLEW_NO_SPAN)
            say_beside(out, style, trace, path, share, durations[root], beside);
    }
    clew_memory_release(leverage);
    clew_memory_release(durations);
    return enough;
}

bool clew__report_beside(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                         const clew_critical_path *path, const clew_path_options *options) {
    uint32_t root = 0;
    const clew_path_root *longest;
    struct clew__share *shares;
    size_t count;
    bool enough = true;
    for (uint32_t i = 1; i < path->root_count; i++)
        if (path->roots[i].end_unix_nano - path->roots[i].start_unix_nano >
            path->roots[root].end_unix_nano - path->roots[root].start_unix_nano)
            root = i;
    if (!path->root_count)
        return true;
    longest = &path->roots[root];
    shares = clew__shares_new(trace, path->segments + longest->first_segment, longest->segment_count, &count);
    if (!shares)
        return count == 0;
    if (!shares->is_nothing && shares->kind == CLEW_SEGMENT_SELF &&
        shares->nano >= (longest->end_unix_nano - longest->start_unix_nano) / PART_LEAST)
        enough = look_beside(out, style, trace, path, options, root, shares);
    clew_memory_release(shares);
    return enough;
}
