/* Waits: which events they leave, as the oracle, our own checker and the JSON writer read them. */
#include "kit.h"

#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "proto/json.h"
#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/trace/wait.h"
#include "test/failing.h"

typedef Opentelemetry__Proto__Trace__V1__Span decoded_span;
typedef Opentelemetry__Proto__Trace__V1__Span__Event decoded_event;
typedef Opentelemetry__Proto__Common__V1__KeyValue decoded_attribute;

static decoded_span *decode(clew_span_view view) {
    decoded_span *span =
        opentelemetry__proto__trace__v1__span__unpack(NULL, view.span.size, (const uint8_t *)view.span.data);
    cr_assert_not_null(span);
    return span;
}

static void decoded_free(decoded_span *span) {
    opentelemetry__proto__trace__v1__span__free_unpacked(span, NULL);
}

/* A span that nobody recorded: waits read nothing but its ids. */
static clew_span target_of(uint64_t number) {
    clew_span span = {.ref = 0};
    for (int i = 0; i < 8; i++)
        span.span_id[i] = (uint8_t)(number >> (56 - 8 * i));
    return span;
}

/* The event has the exact shape of a wait for that span; returns its duration. */
static uint64_t wait_for(const decoded_event *event, clew_span target) {
    char id[17];
    clew_span_id_to_hex(target.span_id, id);
    cr_assert_str_eq(event->name, "clew.wait");
    cr_assert_eq(event->n_attributes, 2);
    cr_assert_eq(event->dropped_attributes_count, 0);
    const decoded_attribute *span_id = event->attributes[0], *duration = event->attributes[1];
    cr_assert_str_eq(span_id->key, "clew.wait.span_id");
    cr_assert_eq(span_id->value->value_case, OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE);
    cr_assert_str_eq(span_id->value->string_value, id);
    cr_assert_str_eq(duration->key, "clew.wait.duration_nano");
    cr_assert_eq(duration->value->value_case, OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE);
    cr_assert(duration->value->int_value >= 0);
    return (uint64_t)duration->value->int_value;
}

/* One span as a TracesData. */
static struct clew__writer request_of(clew_span_view view) {
    struct clew__writer writer = clew__buffer_plain();
    size_t resource = clew__write_begin(&writer, CLEW__TRACES_RESOURCE_SPANS);
    size_t scope = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    clew__write_bytes(&writer, CLEW__SCOPE_SPANS_SPANS, view.span.data, view.span.size);
    clew__write_end(&writer, scope);
    clew__write_end(&writer, resource);
    return writer;
}

Test(wait, wait_is_an_event_at_its_begin_with_target_and_duration) {
    struct kit kit = kit_new();
    clew_span target = target_of(UINT64_C(0x0123456789abcdef)), span = kit_start(&kit, "waits");
    uint64_t before_begin = clew_monotonic_nano();
    clew_wait_begin(span, target);
    uint64_t after_begin = clew_monotonic_nano();
    while (clew_monotonic_nano() - after_begin < 300) /* more than one byte of a duration */
        ;
    uint64_t before_end = clew_monotonic_nano();
    clew_wait_end(span, target);
    uint64_t after_end = clew_monotonic_nano();
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 1);
    uint64_t duration = wait_for(read->events[0], target);
    cr_assert(duration >= before_end - after_begin && duration <= after_end - before_begin);
    cr_assert(read->events[0]->time_unix_nano >= read->start_time_unix_nano);
    cr_assert(read->events[0]->time_unix_nano + duration <= read->end_time_unix_nano);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* Nobody else uses the span: its slot needs no lock. */
Test(wait, duration_is_exact_and_never_zero) {
    static const uint64_t durations[] = {0, 1, 127, 128, UINT64_C(1) << 40, INT64_MAX};
    enum { COUNT = sizeof durations / sizeof durations[0] };
    const uint64_t begin = 1000;
    struct kit kit = kit_new();
    clew_span target = target_of(7), span = kit_start(&kit, "waits");
    struct clew__slot *slot =
        clew__slot_at((uint32_t)(span.ref >> CLEW__REF_INDEX_SHIFT) & (CLEW__SLOTS_MAX - 1));
    for (int i = 0; i < COUNT; i++) {
        clew__wait_begin(slot, target.span_id, begin);
        cr_assert(clew__wait_end(slot, target.span_id, begin + durations[i]));
        cr_assert_not(clew__wait_end(slot, target.span_id, begin));
    }
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, COUNT);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(read->events[i]->time_unix_nano, begin);
        cr_assert_eq(wait_for(read->events[i], target), durations[i] ? durations[i] : 1);
    }
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, its_bytes_pass_the_checker_and_come_back_from_json) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "waits");
    for (uint64_t i = 1; i <= 3; i++)
        clew_wait_begin(span, target_of(i));
    clew_wait_end(span, target_of(1));
    clew_wait_end(span, target_of(3));
    clew_span_end(span);
    struct clew__writer request = request_of(kit_only(&kit)), json = clew__buffer_plain();
    struct clew__writer again = clew__buffer_plain(), twice = clew__buffer_plain();
    struct clew__wire_limits limits = clew__wire_limits_default();
    struct clew__json_fault fault;
    cr_assert_eq(clew__wire_check_traces(request.data, request.size, &limits, NULL), CLEW__WIRE_OK);
    clew__json_write_traces(&json, request.data, request.size);
    cr_assert(contains((clew_bytes){json.data, json.size},
                       "{\"key\":\"clew.wait.span_id\",\"value\":{\"stringValue\":\"0000000000000002\"}},"
                       "{\"key\":\"clew.wait.duration_nano\",\"value\":{\"intValue\":\"0\"}}"));
    cr_assert_eq(clew__json_read_traces(&again, (const char *)json.data, json.size, &fault), json.size);
    clew__json_write_traces(&twice, again.data, again.size);
    cr_assert_eq(twice.size, json.size);
    cr_assert_arr_eq(twice.data, json.data, json.size);
    clew__buffer_fini(&request);
    clew__buffer_fini(&json);
    clew__buffer_fini(&again);
    clew__buffer_fini(&twice);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, overlapping_waits_end_in_any_order) {
    struct kit kit = kit_new();
    clew_span first = kit_start(&kit, "first"), second = kit_start(&kit, "second");
    clew_span span = kit_start(&kit, "waits");
    clew_wait_begin(span, first);
    clew_wait_begin(span, second);
    clew_span_end(first);
    clew_wait_end(span, first);
    uint64_t between = clew_monotonic_nano();
    while (clew_monotonic_nano() == between)
        ;
    clew_wait_end(span, second);
    clew_span_end(second);
    clew_span_end(span);
    decoded_span *read = decode(kit_find(&kit, "waits"));
    cr_assert_eq(read->n_events, 2);
    uint64_t until_first = read->events[0]->time_unix_nano + wait_for(read->events[0], first);
    uint64_t until_second = read->events[1]->time_unix_nano + wait_for(read->events[1], second);
    cr_assert(read->events[0]->time_unix_nano <= read->events[1]->time_unix_nano);
    cr_assert(read->events[1]->time_unix_nano < until_first && until_first < until_second);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, of_several_for_one_span_the_last_ends_first) {
    struct kit kit = kit_new();
    clew_span target = target_of(7), span = kit_start(&kit, "waits");
    clew_wait_begin(span, target);
    clew_wait_begin(span, target);
    clew_wait_end(span, target);
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 2);
    cr_assert_eq(wait_for(read->events[0], target), 0);
    cr_assert_gt(wait_for(read->events[1], target), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, wait_that_is_never_ended_has_duration_zero) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "waits");
    for (uint64_t i = 1; i <= 50; i++)
        clew_wait_begin(span, target_of(i));
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 50);
    for (uint64_t i = 1; i <= 50; i++)
        cr_assert_eq(wait_for(read->events[i - 1], target_of(i)), 0);
    cr_assert_eq(books_of(&kit).dropped_events, 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, end_without_a_begin_does_nothing_and_is_counted) {
    struct kit kit = kit_new();
    clew_span target = target_of(7), span = kit_start(&kit, "waits");
    clew_wait_end(span, target);
    clew_wait_begin(span, target);
    clew_wait_end(span, target_of(8));
    clew_wait_end(span, target);
    decoded_span *read;
    clew_wait_end(span, target);
    cr_assert_eq(books_of(&kit).stale_spans, 3);
    clew_span_end(span);
    read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 1);
    cr_assert_gt(wait_for(read->events[0], target), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, null_span_and_null_target_do_nothing_and_are_counted) {
    struct kit kit = kit_new();
    clew_span none = {.ref = 0}, span = kit_start(&kit, "waits");
    clew_wait_begin(none, span);
    clew_wait_end(none, span);
    clew_wait_begin(span, none);
    clew_wait_end(span, none);
    cr_assert_eq(books_of(&kit).null_spans, 4);
    cr_assert_eq(books_of(&kit).stale_spans, 0);
    clew_span_end(span);
    cr_assert_eq(data_of(kit_only(&kit)).event_count, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, ended_span_waits_for_nothing) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "waits");
    clew_span_end(span);
    clew_span next = kit_start(&kit, "same slot");
    clew_wait_begin(span, target_of(7));
    clew_wait_end(span, target_of(7));
    cr_assert_eq(books_of(&kit).stale_spans, 2);
    clew_span_end(next);
    cr_assert_eq(data_of(kit_find(&kit, "same slot")).event_count, 0);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, open_wait_is_not_inherited_by_the_next_span_of_the_slot) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "first");
    clew_wait_begin(span, target_of(7));
    clew_span_end(span);
    span = kit_start(&kit, "second");
    clew_wait_end(span, target_of(7));
    clew_wait_begin(span, target_of(7));
    clew_wait_end(span, target_of(7));
    clew_wait_end(span, target_of(7));
    cr_assert_eq(books_of(&kit).stale_spans, 2);
    clew_span_end(span);
    decoded_span *read = decode(kit_find(&kit, "second"));
    cr_assert_eq(read->n_events, 1);
    cr_assert_gt(wait_for(read->events[0], target_of(7)), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, span_that_is_not_recorded_waits_silently_and_can_be_waited_for) {
    struct kit kit = kit_sampled(clew_sampler_always_off()), other = kit_new();
    clew_span silent = kit_start(&kit, "silent"), span = kit_start(&other, "waits");
    clew_wait_begin(silent, span);
    clew_wait_end(silent, span);
    clew_wait_begin(span, silent);
    clew_wait_end(span, silent);
    cr_assert_eq(books_of(&other).stale_spans + books_of(&other).null_spans, 0);
    clew_span_end(span);
    clew_span_end(silent);
    decoded_span *read = decode(kit_only(&other));
    cr_assert_eq(read->n_events, 1);
    cr_assert_gt(wait_for(read->events[0], silent), 0);
    decoded_free(read);
    kit_end(&kit);
    kit_end(&other);
    CLEW_NO_LEAKS();
}

/* ---- limits and memory ---- */

Test(wait, waits_past_the_event_limit_are_dropped_and_counted) {
    clew_limits limits = clew_limits_default();
    limits.event_count = 2;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "waits");
    clew_span_add_event(span, "event", NULL, 0, 0);
    for (uint64_t i = 1; i <= 3; i++)
        clew_wait_begin(span, target_of(i));
    for (uint64_t i = 1; i <= 3; i++)
        clew_wait_end(span, target_of(i));
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 2);
    cr_assert_eq(read->dropped_events_count, 2);
    cr_assert_gt(wait_for(read->events[1], target_of(1)), 0);
    cr_assert_eq(books_of(&kit).dropped_events, 2);
    cr_assert_eq(books_of(&kit).stale_spans, 0, "the ends of what was dropped are no misuse");
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

Test(wait, wait_that_would_lose_its_attributes_is_dropped) {
    clew_limits few = clew_limits_default(), brief = clew_limits_default();
    few.event_attribute_count = 1;
    brief.attribute_value_length = 15;
    const clew_limits *each[] = {&few, &brief};
    for (int i = 0; i < 2; i++) {
        struct kit kit = kit_limited(each[i]);
        clew_span span = kit_start(&kit, "waits");
        clew_wait_begin(span, target_of(7));
        clew_wait_end(span, target_of(7));
        clew_span_end(span);
        cr_assert_eq(data_of(kit_only(&kit)).event_count, 0);
        cr_assert_eq(data_of(kit_only(&kit)).dropped_events, 1);
        kit_end(&kit);
    }
    CLEW_NO_LEAKS();
}

Test(wait, wait_without_memory_is_dropped_and_those_before_it_stay) {
    enum { WAITS = 40 }; /* more than the first body of a span holds */
    cr_assert_eq(failing_install(), 0);
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "waits");
    failing_begin(0);
    for (uint64_t i = 1; i <= WAITS; i++)
        clew_wait_begin(span, target_of(i));
    cr_assert(failing_end());
    for (uint64_t i = 1; i <= WAITS; i++)
        clew_wait_end(span, target_of(i));
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, WAITS - 1);
    cr_assert_eq(read->dropped_events_count, 1);
    for (size_t i = 0; i < read->n_events; i++)
        cr_assert(read->events[i]->attributes[1]->value->int_value > 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* ---- bytes that move ---- */

enum { STEPS = 1500 };

struct modelled_wait {
    clew_span target;
    uint64_t begin_from, begin_to; /* monotonic, around the call */
    uint64_t end_from, end_to;     /* 0: open */
};

struct model {
    struct modelled_wait waits[STEPS];
    size_t count;
    uint64_t useless_ends;
};

static void model_begin(struct model *model, clew_span span, clew_span target) {
    struct modelled_wait *wait = &model->waits[model->count++];
    memset(wait, 0, sizeof *wait);
    wait->target = target;
    wait->begin_from = clew_monotonic_nano();
    clew_wait_begin(span, target);
    wait->begin_to = clew_monotonic_nano();
}

static void model_end(struct model *model, clew_span span, clew_span target) {
    uint64_t from = clew_monotonic_nano();
    clew_wait_end(span, target);
    for (size_t i = model->count; i-- > 0;) {
        struct modelled_wait *wait = &model->waits[i];
        if (wait->end_from || memcmp(wait->target.span_id, target.span_id, 8) != 0)
            continue;
        wait->end_from = from;
        wait->end_to = clew_monotonic_nano();
        return;
    }
    model->useless_ends++;
}

/* What makes bytes move: keys set again, a new name, a new status; and what makes the body grow. */
static void disturb(clew_span span, unsigned chance) {
    char value[80], key[8];
    snprintf(value, sizeof value, "%.*s", (int)(chance % 64),
             "a text of many lengths, which is set again and again, to and fro");
    snprintf(key, sizeof key, "k%u", chance % 5);
    if (chance % 7 == 0)
        clew_span_update_name(span, value);
    else if (chance % 7 == 1)
        clew_span_set_status(span, CLEW_STATUS_ERROR, value);
    else
        clew_span_set_string(span, key, value);
}

Test(wait, waits_are_found_whatever_moves_in_between) {
    static struct model model;
    clew_limits limits = clew_limits_default();
    limits.event_count = STEPS;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct kit kit = kit_limited(&limits);
        clew_span span = kit_start(&kit, "waits");
        uint64_t stale = books_of(&kit).stale_spans;
        model.count = 0;
        model.useless_ends = 0;
        srandom(seed);
        for (int i = 0; i < STEPS; i++) {
            unsigned chance = (unsigned)random() >> 4;
            clew_span target = target_of((uint64_t)random() % (seed * seed) + 1);
            if (chance % 10 < 3)
                model_begin(&model, span, target);
            else if (chance % 10 < 6)
                model_end(&model, span, target);
            else
                disturb(span, chance / 10);
        }
        cr_assert_eq(books_of(&kit).stale_spans - stale, model.useless_ends);
        clew_span_end(span);
        decoded_span *read = decode(kit_only(&kit));
        cr_assert_eq(read->n_events, model.count);
        for (size_t i = 0; i < model.count; i++) {
            const struct modelled_wait *wait = &model.waits[i];
            uint64_t duration = wait_for(read->events[i], wait->target);
            if (!wait->end_from)
                cr_assert_eq(duration, 0, "seed %u: wait %zu should be open", seed, i);
            else
                cr_assert(duration >= 1 && duration + wait->begin_to >= wait->end_from &&
                              duration <= wait->end_to - wait->begin_from + 1,
                          "seed %u: wait %zu has another one's duration", seed, i);
        }
        decoded_free(read);
        kit_end(&kit);
    }
    CLEW_NO_LEAKS();
}

Test(wait, ten_thousand_open_waits_end_in_the_order_in_which_they_began) {
    enum { MANY = 10000 };
    clew_limits limits = clew_limits_default();
    limits.event_count = MANY;
    struct kit kit = kit_limited(&limits);
    clew_span span = kit_start(&kit, "waits");
    for (uint64_t i = 1; i <= MANY; i++)
        clew_wait_begin(span, target_of(i));
    for (uint64_t i = 1; i <= MANY; i++)
        clew_wait_end(span, target_of(i));
    cr_assert_eq(books_of(&kit).stale_spans, 0);
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, MANY);
    for (uint64_t i = 1; i <= MANY; i++)
        cr_assert_gt(wait_for(read->events[i - 1], target_of(i)), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* ---- the macro, and the host ---- */

static void leave_early(clew_span span, clew_span target, bool early) {
    CLEW_WAIT(span, target);
    if (early)
        return;
    clew_span_add_event(span, "late", NULL, 0, 0);
}

Test(wait, macro_waits_until_the_block_is_left) {
    struct kit kit = kit_new();
    clew_span span = kit_start(&kit, "waits");
    leave_early(span, target_of(1), true);
    leave_early(span, target_of(2), false);
    {
        CLEW_WAIT(span, target_of(3));
        CLEW_WAIT(span, target_of(4));
        clew_wait_end(span, target_of(4)); /* early: the one at the end of the block finds none */
    }
    cr_assert_eq(books_of(&kit).stale_spans, 1);
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 5);
    cr_assert_gt(wait_for(read->events[0], target_of(1)), 0);
    cr_assert_gt(wait_for(read->events[1], target_of(2)), 0);
    cr_assert_gt(wait_for(read->events[3], target_of(3)), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}

/* A processor that lets its span wait while it ends. */
static void wait_while_ending(void *self, clew_span span) {
    (void)self;
    clew_wait_begin(span, target_of(7));
    clew_wait_end(span, target_of(7));
    clew_wait_begin(span, target_of(8));
}

Test(wait, span_may_wait_while_it_ends) {
    struct kit kit = kit_new();
    clew_processor processor = {.on_ending = wait_while_ending};
    cr_assert_eq(clew_provider_add_processor(kit.provider, &processor), 0);
    clew_span span = kit_start(&kit, "waits");
    clew_span_end(span);
    decoded_span *read = decode(kit_only(&kit));
    cr_assert_eq(read->n_events, 2);
    cr_assert_gt(wait_for(read->events[0], target_of(7)), 0);
    cr_assert_eq(wait_for(read->events[1], target_of(8)), 0);
    decoded_free(read);
    kit_end(&kit);
    CLEW_NO_LEAKS();
}
