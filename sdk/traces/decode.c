/* OTLP bytes become records: one pass over each span. Owns nothing; the texts and the records belong to the
 * caller, one thread at a time. */
#include "sdk/base/memory.h"
#include "sdk/traces/model.h"
#include "sdk/traces/picks.h"
#include "sdk/traces/weight.h"

#define FIRST_RECORDS 8u
#define FIRST_REFERENCES 4u

struct decoder {
    struct clew__texts *texts;
    const struct clew__decode_sink *sink;
    struct clew__wire resource;
    clew__text service, host;
    uint32_t generation; /* of the texts when those two were added */
    bool has_resource;   /* they were */
    /* Of the span at hand. */
    struct clew__picks picks;
    struct clew__raw name, tracestate, status_message, exception_type, exception_message;
    uint8_t trace_id[16];
    uint32_t otlp_flags;
    struct clew__record record;
    /* Its links and waits. */
    struct clew__span_link *links;
    struct clew__span_wait *waits;
    uint32_t link_count, wait_count, link_capacity, wait_capacity;
    bool failed; /* memory ran out */
};

/* ---- links and events ---- */

/* Room for one more in an array of the decoder's own, or `failed`. */
static void *reserve(struct decoder *decoder, void *array, uint32_t count, uint32_t *capacity, size_t size) {
    uint32_t wanted = *capacity ? 2 * *capacity : FIRST_REFERENCES;
    void *grown;
    if (count < *capacity)
        return array;
    grown = wanted > UINT32_MAX / 4 ? NULL : clew_memory_reallocate(array, wanted * size);
    if (!grown) {
        decoder->failed = true;
        return array;
    }
    *capacity = wanted;
    return grown;
}

static void read_link_attribute(struct clew__span_link *link, struct clew__wire pair) {
    struct clew__wire value;
    struct clew__raw key = clew__raw_read_pair(pair, &value);
    struct clew__raw_value pick;
    if (!CLEW__RAW_IS(key, "opentracing.ref_type"))
        return;
    clew__raw_read_value(value, &pick);
    link->is_follows_from = CLEW__RAW_IS(pick.text, "follows_from");
    link->is_child_of = CLEW__RAW_IS(pick.text, "child_of");
}

static void read_link(struct decoder *decoder, struct clew__wire message) {
    struct clew__span_link link = {{0}, 0, false, false};
    struct clew__field field;
    while (clew__raw_next(&message, &field)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        size_t size = (size_t)(field.bytes.end - field.bytes.at);
        if (field.field == CLEW__LINK_TRACE_ID && size == sizeof link.trace_id)
            memcpy(link.trace_id, field.bytes.at, sizeof link.trace_id);
        else if (field.field == CLEW__LINK_SPAN_ID && size == sizeof link.span_id)
            link.span_id = clew__raw_id(field.bytes.at);
        else if (field.field == CLEW__LINK_ATTRIBUTES)
            read_link_attribute(&link, field.bytes);
    }
    if (link.span_id == 0 || decoder->link_count == UINT16_MAX)
        return;
    decoder->links = (struct clew__span_link *)reserve(decoder, decoder->links, decoder->link_count,
                                                       &decoder->link_capacity, sizeof link);
    if (!decoder->failed)
        decoder->links[decoder->link_count++] = link;
}

/* What events may say, whichever they are. */
struct event {
    struct clew__raw name;
    uint64_t time;
    struct clew__raw_value exception_type, exception_message, wait_target, wait_duration;
};

static void read_event_attribute(struct event *event, struct clew__wire pair) {
    struct clew__wire value;
    struct clew__raw key = clew__raw_read_pair(pair, &value);
    if (CLEW__RAW_IS(key, "exception.type"))
        clew__raw_read_value(value, &event->exception_type);
    else if (CLEW__RAW_IS(key, "exception.message"))
        clew__raw_read_value(value, &event->exception_message);
    else if (CLEW__RAW_IS(key, CLEW__ATTRIBUTE_WAIT_SPAN_ID))
        clew__raw_read_value(value, &event->wait_target);
    else if (CLEW__RAW_IS(key, CLEW__ATTRIBUTE_WAIT_DURATION))
        clew__raw_read_value(value, &event->wait_duration);
}

static void add_wait(struct decoder *decoder, const struct event *event) {
    struct clew__span_wait wait = {event->time, clew__raw_number(&event->wait_duration), 0};
    if (!clew__raw_hex(event->wait_target.text, 16, false, &wait.target_id) ||
        decoder->wait_count == UINT16_MAX)
        return;
    decoder->waits = (struct clew__span_wait *)reserve(decoder, decoder->waits, decoder->wait_count,
                                                       &decoder->wait_capacity, sizeof wait);
    if (!decoder->failed)
        decoder->waits[decoder->wait_count++] = wait;
}

static void read_event(struct decoder *decoder, struct clew__wire message) {
    struct event event = {.time = 0};
    struct clew__field field;
    while (clew__raw_next(&message, &field)) {
        if (field.field == CLEW__EVENT_NAME && field.type == CLEW__WIRE_BYTES)
            event.name = clew__raw_of(field.bytes);
        else if (field.field == CLEW__EVENT_TIME && field.type == CLEW__WIRE_I64)
            event.time = field.number;
        else if (field.field == CLEW__EVENT_ATTRIBUTES && field.type == CLEW__WIRE_BYTES)
            read_event_attribute(&event, field.bytes);
    }
    if (CLEW__RAW_IS(event.name, CLEW__EVENT_WAIT)) {
        add_wait(decoder, &event);
        return;
    }
    if (!CLEW__RAW_IS(event.name, "exception"))
        return;
    decoder->record.flags |= CLEW__RECORD_EXCEPTION;
    if (event.exception_type.text.size > 0)
        decoder->exception_type = event.exception_type.text;
    if (event.exception_message.text.size > 0)
        decoder->exception_message = event.exception_message.text;
}

/* ---- resources ---- */

/* The host of a resource, by the keys of OpenTelemetry, else by those of Jaeger's clients. */
enum host { HOST_ID, HOST_IP, HOST_NAME, HOST_JAEGER_NAME, HOST_JAEGER_IP, HOST_COUNT };

static enum host host_of(struct clew__raw key) {
    if (CLEW__RAW_IS(key, "host.id"))
        return HOST_ID;
    if (CLEW__RAW_IS(key, "host.ip"))
        return HOST_IP;
    if (CLEW__RAW_IS(key, "host.name"))
        return HOST_NAME;
    if (CLEW__RAW_IS(key, "hostname"))
        return HOST_JAEGER_NAME;
    return CLEW__RAW_IS(key, "ip") ? HOST_JAEGER_IP : HOST_COUNT;
}

/* The text of a value; of a list the first one. */
static struct clew__raw first_value(struct clew__wire any) {
    struct clew__wire array, element;
    struct clew__raw_value pick;
    clew__raw_read_value(any, &pick);
    if (pick.text.size > 0 || !clew__next_member(&any, CLEW__ANY_ARRAY, &array) ||
        !clew__next_member(&array, CLEW__LIST_VALUES, &element))
        return pick.text;
    clew__raw_read_value(element, &pick);
    return pick.text;
}

static void read_resource(struct decoder *decoder) {
    struct clew__raw service = {NULL, 0}, hosts[HOST_COUNT] = {{NULL, 0}};
    struct clew__wire rest = decoder->resource, pair, value;
    unsigned found = 0;
    decoder->generation = clew__texts_generation(decoder->texts);
    decoder->has_resource = true;
    while (clew__next_member(&rest, CLEW__RESOURCE_ATTRIBUTES, &pair)) {
        struct clew__raw key = clew__raw_read_pair(pair, &value);
        enum host host = host_of(key);
        if (host < HOST_COUNT)
            hosts[host] = first_value(value);
        else if (CLEW__RAW_IS(key, "service.name"))
            service = first_value(value);
    }
    while (found < HOST_COUNT - 1 && hosts[found].size == 0)
        found++;
    decoder->service = clew__texts_add(decoder->texts, service.at, service.size);
    decoder->host = clew__texts_add(decoder->texts, hosts[found].at, hosts[found].size);
}

/* Sweeping gives numbers to other texts. */
static void renew_resource(struct decoder *decoder) {
    if (!decoder->has_resource || decoder->generation != clew__texts_generation(decoder->texts) ||
        decoder->service == CLEW__TEXT_FAILED || decoder->host == CLEW__TEXT_FAILED)
        read_resource(decoder);
}

/* ---- spans ---- */

static void read_status(struct decoder *decoder, struct clew__wire status) {
    struct clew__field field;
    while (clew__raw_next(&status, &field)) {
        if (field.field == CLEW__STATUS_MESSAGE && field.type == CLEW__WIRE_BYTES)
            decoder->status_message = clew__raw_of(field.bytes);
        else if (field.field == CLEW__STATUS_CODE && field.type == CLEW__WIRE_VARINT)
            decoder->record.status = field.number <= CLEW_STATUS_ERROR ? (uint8_t)field.number : 0;
    }
}

static void read_bytes(struct decoder *decoder, uint32_t field, struct clew__wire bytes) {
    size_t size = (size_t)(bytes.end - bytes.at);
    switch (field) {
    case CLEW__SPAN_TRACE_ID:
        if (size == sizeof decoder->trace_id)
            memcpy(decoder->trace_id, bytes.at, sizeof decoder->trace_id);
        break;
    case CLEW__SPAN_SPAN_ID:
        decoder->record.id = size == 8 ? clew__raw_id(bytes.at) : 0;
        break;
    case CLEW__SPAN_PARENT_SPAN_ID:
        decoder->record.parent_id = size == 8 ? clew__raw_id(bytes.at) : 0;
        break;
    case CLEW__SPAN_TRACE_STATE:
        decoder->tracestate = clew__raw_of(bytes);
        break;
    case CLEW__SPAN_NAME:
        decoder->name = clew__raw_of(bytes);
        break;
    case CLEW__SPAN_ATTRIBUTES:
        decoder->record.flags |= clew__picks_take(&decoder->picks, bytes);
        break;
    case CLEW__SPAN_EVENTS:
        read_event(decoder, bytes);
        break;
    case CLEW__SPAN_LINKS:
        read_link(decoder, bytes);
        break;
    case CLEW__SPAN_STATUS:
        read_status(decoder, bytes);
        break;
    default:
        break;
    }
}

static void read_span(struct decoder *decoder, struct clew__wire span) {
    struct clew__field field;
    while (clew__raw_next(&span, &field)) {
        if (field.type == CLEW__WIRE_BYTES)
            read_bytes(decoder, field.field, field.bytes);
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_START)
            decoder->record.start = field.number;
        else if (field.type == CLEW__WIRE_I64 && field.field == CLEW__SPAN_END)
            decoder->record.end = field.number;
        else if (field.type == CLEW__WIRE_VARINT && field.field == CLEW__SPAN_KIND)
            decoder->record.kind = field.number <= CLEW_CONSUMER ? (uint8_t)field.number : 0;
        else if (field.type == CLEW__WIRE_I32 && field.field == CLEW__SPAN_FLAGS)
            decoder->otlp_flags = (uint32_t)field.number;
    }
}

/* ---- from what was picked to the record ---- */

static clew__text add_text(struct decoder *decoder, struct clew__raw text) {
    clew__text added = text.size > 0 ? clew__texts_add(decoder->texts, text.at, text.size) : 0;
    if (added == CLEW__TEXT_FAILED)
        decoder->failed = true;
    return added;
}

static struct clew__raw either(struct clew__raw first, struct clew__raw second) {
    return first.size > 0 ? first : second;
}

static uint16_t flags_of(const struct decoder *decoder) {
    const struct clew__record *record = &decoder->record;
    unsigned flags = record->flags;
    if (record->end == 0)
        flags |= CLEW__RECORD_OPEN;
    if (decoder->otlp_flags & CLEW__FLAGS_HAS_IS_REMOTE)
        flags |= CLEW__RECORD_REMOTE_KNOWN;
    if ((decoder->otlp_flags & CLEW__FLAGS_HAS_IS_REMOTE) && (decoder->otlp_flags & CLEW__FLAGS_IS_REMOTE))
        flags |= CLEW__RECORD_REMOTE;
    for (uint32_t i = 0; i < decoder->link_count; i++) {
        const struct clew__span_link *link = &decoder->links[i];
        if (link->is_follows_from && link->span_id == record->parent_id &&
            memcmp(link->trace_id, decoder->trace_id, sizeof link->trace_id) == 0)
            flags |= CLEW__RECORD_ASYNC;
    }
    return (uint16_t)flags;
}

static void complete_record(struct decoder *decoder) {
    struct clew__record *record = &decoder->record;
    const struct clew__picks *picks = &decoder->picks;
    char joined[CLEW__PEER_SIZE];
    bool is_database;
    record->flags = flags_of(decoder);
    record->weight = decoder->tracestate.size > 0 ? clew__weight_of(decoder->tracestate) : CLEW__WEIGHT_ONE;
    record->service = decoder->service;
    record->host = decoder->host;
    if (record->service == CLEW__TEXT_FAILED || record->host == CLEW__TEXT_FAILED)
        decoder->failed = true;
    record->operation = add_text(decoder, decoder->name);
    record->error_type =
        add_text(decoder, either(clew__picks_text(picks, CLEW__MEANING_ERROR_TYPE), decoder->exception_type));
    record->error_message = add_text(decoder, either(decoder->status_message, decoder->exception_message));
    if (!picks->filled)
        return;
    is_database = record->flags & CLEW__RECORD_DATABASE;
    record->peer = add_text(decoder, clew__picks_peer(picks, record->kind, is_database, joined));
    record->provider = add_text(decoder, clew__picks_text(picks, CLEW__MEANING_PROVIDER));
    record->detail = add_text(decoder, clew__picks_text(picks, CLEW__MEANING_DETAIL));
    record->id_text = add_text(decoder, clew__picks_text(picks, CLEW__MEANING_SPAN_ID));
    record->http_status = clew__picks_http_status(picks);
}

/* ---- into the records ---- */

static bool grow_array(const struct clew__decode_sink *sink, void **array, uint32_t *capacity,
                       uint32_t wanted, uint32_t first, size_t size) {
    uint32_t grown = *capacity ? *capacity : first;
    void *block;
    if (wanted <= *capacity)
        return true;
    if (wanted > UINT32_MAX / 4)
        return false;
    while (grown < wanted)
        grown *= 2;
    if (sink->room && !sink->room(sink->user, (grown - *capacity) * size))
        return false;
    block = clew_memory_reallocate(*array, grown * size);
    if (!block)
        return false;
    *array = block;
    *capacity = grown;
    return true;
}

static bool reserve_record(const struct decoder *decoder, struct clew__records *records) {
    const struct clew__decode_sink *sink = decoder->sink;
    void *block = records->records, *links = records->links, *waits = records->waits;
    bool fits = records->count < CLEW_NO_SPAN - 1 &&
                grow_array(sink, &block, &records->capacity, records->count + 1, FIRST_RECORDS,
                           sizeof *records->records) &&
                grow_array(sink, &links, &records->link_capacity, records->link_count + decoder->link_count,
                           FIRST_REFERENCES, sizeof *records->links) &&
                grow_array(sink, &waits, &records->wait_capacity, records->wait_count + decoder->wait_count,
                           FIRST_REFERENCES, sizeof *records->waits);
    records->records = (struct clew__record *)block;
    records->links = (struct clew__span_link *)links;
    records->waits = (struct clew__span_wait *)waits;
    return fits;
}

static void append(struct decoder *decoder, struct clew__records *records) {
    struct clew__record *record = &decoder->record;
    record->first_link = records->link_count;
    record->first_wait = records->wait_count;
    record->link_count = (uint16_t)decoder->link_count;
    record->wait_count = (uint16_t)decoder->wait_count;
    if (decoder->link_count > 0)
        memcpy(records->links + records->link_count, decoder->links,
               decoder->link_count * sizeof *records->links);
    if (decoder->wait_count > 0)
        memcpy(records->waits + records->wait_count, decoder->waits,
               decoder->wait_count * sizeof *records->waits);
    records->link_count += decoder->link_count;
    records->wait_count += decoder->wait_count;
    records->records[records->count++] = *record;
}

static bool is_zero(const uint8_t id[16]) {
    static const uint8_t zero[16] = {0};
    return memcmp(id, zero, sizeof zero) == 0;
}

static void drop(const struct decoder *decoder, bool is_malformed) {
    if (decoder->sink->dropped)
        decoder->sink->dropped(decoder->sink->user, is_malformed);
}

/* Spans that disagree on the text of their trace's id take the first as bytes, whatever order they come in.
 */
static void name_trace(struct decoder *decoder, struct clew__records *records) {
    clew__text text = add_text(decoder, clew__picks_text(&decoder->picks, CLEW__MEANING_TRACE_ID));
    if (decoder->failed || text == 0)
        return;
    if (records->trace_id_text == 0 || clew__texts_compare(decoder->texts, text, records->trace_id_text) < 0)
        records->trace_id_text = text;
}

static void store_span(struct decoder *decoder, size_t size) {
    const struct clew__decode_sink *sink = decoder->sink;
    struct clew__records *records;
    if (is_zero(decoder->trace_id) || decoder->record.id == 0) {
        drop(decoder, true);
        return;
    }
    records = sink->records_of(sink->user, decoder->trace_id, size);
    if (!records)
        return;
    /* Texts come last: what makes room sweeps those that no record holds. */
    if (!decoder->failed)
        decoder->failed = !reserve_record(decoder, records);
    if (!decoder->failed) {
        renew_resource(decoder);
        complete_record(decoder);
    }
    if (!decoder->failed)
        name_trace(decoder, records);
    if (decoder->failed) {
        drop(decoder, false);
        return;
    }
    append(decoder, records);
    if (sink->added)
        sink->added(sink->user, records);
}

static void decode_span(struct decoder *decoder, struct clew__wire span) {
    static const struct clew__raw none = {NULL, 0};
    decoder->picks.filled = 0;
    decoder->name = decoder->tracestate = decoder->status_message = none;
    decoder->exception_type = decoder->exception_message = none;
    memset(decoder->trace_id, 0, sizeof decoder->trace_id);
    memset(&decoder->record, 0, sizeof decoder->record);
    decoder->otlp_flags = 0;
    decoder->link_count = decoder->wait_count = 0;
    decoder->failed = false;
    read_span(decoder, span);
    store_span(decoder,
               (size_t)(span.end - span.at) + (size_t)(decoder->resource.end - decoder->resource.at));
}

static void decode_group(struct decoder *decoder, struct clew__wire group) {
    struct clew__wire rest = group, scope, span;
    decoder->resource = (struct clew__wire){NULL, NULL};
    decoder->has_resource = false;
    while (clew__next_member(&rest, CLEW__RESOURCE_SPANS_RESOURCE, &decoder->resource)) {
    }
    while (clew__next_member(&group, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope)) {
        while (clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span))
            decode_span(decoder, span);
    }
}

static void decoder_fini(struct decoder *decoder) {
    clew_memory_release(decoder->links);
    clew_memory_release(decoder->waits);
}

void clew__decode_traces(struct clew__texts *texts, clew_bytes traces, const struct clew__decode_sink *sink) {
    struct decoder decoder = {.texts = texts, .sink = sink};
    struct clew__wire rest = clew__wire_of(traces.data, traces.size), group;
    while (clew__next_member(&rest, CLEW__TRACES_RESOURCE_SPANS, &group))
        decode_group(&decoder, group);
    decoder_fini(&decoder);
}

void clew__decode_span(struct clew__texts *texts, const clew_span_view *span,
                       const struct clew__decode_sink *sink) {
    struct decoder decoder = {.texts = texts, .sink = sink};
    decoder.resource = clew__wire_of(span->resource.data, span->resource.size);
    decode_span(&decoder, clew__wire_of(span->span.data, span->span.size));
    decoder_fini(&decoder);
}

void clew__records_fini(struct clew__records *records) {
    clew_memory_release(records->records);
    clew_memory_release(records->links);
    clew_memory_release(records->waits);
    records->records = NULL;
    records->links = NULL;
    records->waits = NULL;
    records->count = records->link_count = records->wait_count = 0;
    records->capacity = records->link_capacity = records->wait_capacity = 0;
}

size_t clew__records_bytes(const struct clew__records *records) {
    return records->capacity * sizeof *records->records + records->link_capacity * sizeof *records->links +
           records->wait_capacity * sizeof *records->waits;
}
