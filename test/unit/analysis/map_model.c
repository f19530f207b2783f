/* Random traces that link to each other, and what the service map should say of them. */
#include "test/unit/analysis/map_model.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- random traces ---- */

#define NAME_SIZE 20

static const char *const services[] = {"a", "b", "c", "d", NULL};
static const char *const operations[] = {"get", "put", "list", NULL};
static const char *const codes[] = {"#503", "#404", "#204"};
static const char *const peers[] = {"a", "billing", "redis:6379"};

static bool one_in(struct random *random, uint64_t odds) {
    return random_below(random, odds) == 0;
}

static void add_attribute(struct build_span *span, const char *key, const char *value) {
    for (size_t i = 0; i < BUILD_ATTRIBUTES; i++) {
        if (span->attributes[i][0])
            continue;
        span->attributes[i][0] = key;
        span->attributes[i][1] = value;
        return;
    }
}

static void add_attributes(struct random *random, struct build_span *span) {
    if (one_in(random, 6))
        add_attribute(span, "peer.service", peers[random_below(random, 3)]);
    if (one_in(random, 9))
        add_attribute(span, "db.system", "redis");
    if (one_in(random, 12))
        add_attribute(span, "gen_ai.provider.name", "openai");
    if (one_in(random, 8))
        add_attribute(span, "messaging.destination.name", one_in(random, 2) ? "orders" : "mails");
    if (one_in(random, 6))
        add_attribute(span, "http.response.status_code", codes[random_below(random, 3)]);
    if (span->status == CLEW_STATUS_ERROR && one_in(random, 2))
        add_attribute(span, "error.type", one_in(random, 2) ? "timeout" : "refused");
    if (one_in(random, 8))
        span->tracestate = one_in(random, 2) ? "ot=th:8" : "ot=th:c";
}

static void add_links(struct random *random, struct fleet *fleet, struct build_span *span) {
    if ((span->kind != CLEW_CONSUMER && span->kind != CLEW_SERVER) || one_in(random, 2))
        return;
    for (size_t i = 0; i < 1 + random_below(random, 3); i++) {
        const struct build_span *target = &fleet->spans[random_below(random, fleet->count)];
        span->links[i] = (struct build_link){.trace = target->trace, .id = target->id};
        if (one_in(random, 8))
            span->links[i].id = "dead";
    }
}

static void add_span(struct random *random, struct fleet *fleet, size_t first, const char *trace) {
    size_t index = fleet->count++;
    struct build_span *span = &fleet->spans[index];
    char *name = fleet->names + index * NAME_SIZE;
    size_t service = (size_t)random_below(random, 5);
    snprintf(name, NAME_SIZE, "%zx", 0x100 + index);
    *span = (struct build_span){.id = name, .trace = trace, .start = 1000 + random_below(random, 20)};
    if (index > first && !one_in(random, 8)) {
        const struct build_span *parent = &fleet->spans[first + random_below(random, index - first)];
        span->parent = parent->id;
        span->start = parent->start + random_below(random, 20);
        span->service = parent->service;
    } else if (one_in(random, 4)) {
        span->parent = one_in(random, 2) ? "beef" : "fade";
    }
    if (!span->parent || one_in(random, 2))
        span->service = services[service];
    span->end = span->start + random_below(random, 40);
    span->kind = (clew_span_kind)random_below(random, 6);
    span->status = one_in(random, 5) ? CLEW_STATUS_ERROR : CLEW_STATUS_UNSET;
    if (one_in(random, 10))
        span->status = CLEW_STATUS_OK;
    span->operation = operations[random_below(random, 4)];
    add_attributes(random, span);
}

struct fleet fleet_new(struct random *random, size_t traces, size_t spans) {
    static const char *const ids[] = {"11", "22", "33", "44", "55", "66", "77", "88"};
    struct fleet fleet = {calloc(traces * spans, sizeof *fleet.spans), 0, calloc(traces * spans, NAME_SIZE)};
    if (!fleet.spans || !fleet.names || traces > 8)
        abort();
    for (size_t i = 0; i < traces; i++) {
        size_t first = fleet.count;
        for (size_t wanted = 1 + random_below(random, spans); wanted > 0; wanted--)
            add_span(random, &fleet, first, ids[i]);
    }
    for (size_t i = 0; i < fleet.count; i++)
        add_links(random, &fleet, &fleet.spans[i]);
    return fleet;
}

void fleet_free(struct fleet *fleet) {
    free(fleet->spans);
    free(fleet->names);
}

/* ---- what one sees of a span ---- */

enum side { NONE, OUT, IN };

const char *fleet_attribute(const struct build_span *span, const char *key) {
    for (size_t i = 0; i < BUILD_ATTRIBUTES && span->attributes[i][0]; i++)
        if (strcmp(span->attributes[i][0], key) == 0)
            return span->attributes[i][1];
    return NULL;
}

static const char *peer_of(const struct build_span *span) {
    const char *peer = fleet_attribute(span, "peer.service");
    if (peer || span->kind == CLEW_SERVER)
        return peer;
    peer = fleet_attribute(span, "messaging.destination.name");
    return peer ? peer : fleet_attribute(span, "db.system");
}

static enum side side_of(const struct build_span *span) {
    if (span->kind == CLEW_CLIENT || span->kind == CLEW_PRODUCER)
        return OUT;
    if (span->kind == CLEW_SERVER || span->kind == CLEW_CONSUMER)
        return IN;
    bool names_peer = peer_of(span) || fleet_attribute(span, "gen_ai.provider.name");
    return !span->kind && span->service && names_peer ? OUT : NONE;
}

static const struct build_span *find(const struct fleet *fleet, const char *trace, const char *id) {
    for (size_t i = 0; id && i < fleet->count; i++)
        if (strcmp(fleet->spans[i].id, id) == 0 && strcmp(fleet->spans[i].trace, trace) == 0)
            return &fleet->spans[i];
    return NULL;
}

static const struct build_span *parent_of(const struct fleet *fleet, const struct build_span *span) {
    return find(fleet, span->trace, span->parent);
}

static bool differ(const char *a, const char *b) {
    return a && b && strcmp(a, b) != 0;
}

/* The OUT or IN span above, through kind-less ones of one service; else the last of these that has a name. */
static const struct build_span *climb(const struct fleet *fleet, const struct build_span *span) {
    const struct build_span *last = NULL;
    for (span = parent_of(fleet, span); span; span = parent_of(fleet, span)) {
        if (last && differ(last->service, span->service))
            return last;
        if (side_of(span) != NONE)
            return span;
        if (span->service)
            last = span;
    }
    return last;
}

static const struct build_span *named_above(const struct fleet *fleet, const struct build_span *span) {
    do
        span = parent_of(fleet, span);
    while (span && !span->service);
    return span;
}

uint64_t model_weight(const struct build_span *span) {
    return !span->tracestate ? 1 : strcmp(span->tracestate, "ot=th:8") == 0 ? 2 : 4;
}

bool model_has_failed(const struct build_span *span) {
    const char *code = fleet_attribute(span, "http.response.status_code");
    if (span->status != CLEW_STATUS_UNSET)
        return span->status == CLEW_STATUS_ERROR;
    return code && (strcmp(code, "#503") == 0 ||
                    ((span->kind == CLEW_CLIENT || (int)span->kind == 0) && strcmp(code, "#404") == 0));
}

static bool has_failed(const struct build_span *span) {
    return span && model_has_failed(span);
}

static const char *name_of(const char *service) {
    return service ? service : CLEW_MAP_NO_SERVICE;
}

static uint64_t duration(const struct build_span *span) {
    return span->end - span->start;
}

/* ---- counting ---- */

static struct model_edge *edge_of(struct model *model, const char *client, const char *server,
                                  clew_edge_type type) {
    for (size_t i = 0; i < model->edge_count; i++) {
        struct model_edge *edge = &model->edges[i];
        if (strcmp(edge->client, client) == 0 && strcmp(edge->server, server) == 0 && edge->type == type)
            return edge;
    }
    if (model->edge_count == MODEL_EDGES)
        abort();
    struct model_edge *edge = &model->edges[model->edge_count++];
    *edge = (struct model_edge){.client = client, .server = server, .type = type};
    return edge;
}

static struct model_side *service_of(struct model *model, const char *service) {
    for (size_t i = 0; i < model->service_count; i++)
        if (strcmp(model->services[i].service, name_of(service)) == 0)
            return &model->services[i];
    struct model_side *side = &model->services[model->service_count++];
    *side = (struct model_side){.service = name_of(service)};
    return side;
}

static void sample(struct model_samples *samples, uint64_t value, uint64_t weight) {
    samples->count += weight;
    samples->sum += value * weight;
}

/* Either span may be missing. */
static struct model_edge *call(struct model *model, const char *client, const char *server,
                               clew_edge_type type, const struct build_span *out,
                               const struct build_span *in) {
    struct model_edge *edge = edge_of(model, client, server, type);
    uint64_t weight = out ? model_weight(out) : 0;
    if (in && model_weight(in) > weight)
        weight = model_weight(in);
    edge->calls += weight;
    edge->errors += has_failed(out) || has_failed(in) ? weight : 0;
    edge->client_errors += has_failed(out) ? weight : 0;
    edge->server_errors += has_failed(in) ? weight : 0;
    edge->client_only_errors += in && has_failed(out) && !has_failed(in) ? weight : 0;
    return edge;
}

static void pair(struct model *model, const struct build_span *out, const struct build_span *in, bool by_link,
                 bool is_indirect) {
    bool is_messaging = by_link || out->kind == CLEW_PRODUCER || in->kind == CLEW_CONSUMER;
    struct model_edge *edge = call(model, name_of(out->service), name_of(in->service),
                                   is_messaging ? CLEW_EDGE_MESSAGING : CLEW_EDGE_RPC, out, in);
    uint64_t weight = model_weight(out) > model_weight(in) ? model_weight(out) : model_weight(in);
    uint64_t longer = is_messaging ? in->start : duration(out),
             shorter = is_messaging ? out->end : duration(in);
    edge->indirect += is_indirect ? weight : 0;
    if (longer < shorter)
        edge->skewed += weight;
    else
        sample(is_messaging ? &edge->lag : &edge->gap, longer - shorter, weight);
    model->paired_calls++;
}

/* ---- the rules ---- */

static bool is_out(const struct build_span *span) {
    return span && side_of(span) == OUT;
}

/* What a link of a span leads to, if it counts. */
static const struct build_span *linked(const struct fleet *fleet, const struct build_span *span,
                                       size_t link) {
    const struct build_span *target = find(fleet, span->links[link].trace, span->links[link].id);
    if (!is_out(target))
        return NULL;
    bool is_near = strcmp(target->trace, span->trace) == 0;
    bool is_messaging =
        target->kind == CLEW_PRODUCER || fleet_attribute(target, "messaging.destination.name");
    return is_near || is_messaging ? target : NULL;
}

static bool looks_for_links(const struct fleet *fleet, const struct build_span *span) {
    return side_of(span) == IN && !is_out(climb(fleet, span)) && span->links[0].id;
}

static void model_in(struct model *model, const struct fleet *fleet, const struct build_span *span) {
    const struct build_span *caller = climb(fleet, span);
    bool is_paired = is_out(caller), is_edge = true;
    if (is_paired)
        pair(model, caller, span, false, caller != parent_of(fleet, span));
    for (size_t i = 0; looks_for_links(fleet, span) && i < 4 && span->links[i].id; i++) {
        const struct build_span *target = linked(fleet, span, i);
        if (!target)
            continue;
        pair(model, target, span, true, false);
        is_paired = true;
    }
    if (!is_paired && caller && caller->service)
        call(model, caller->service, name_of(span->service), CLEW_EDGE_INFERRED, NULL, span);
    else if (!is_paired && peer_of(span))
        call(model, peer_of(span), name_of(span->service), CLEW_EDGE_VIRTUAL_NODE, NULL, span);
    else if (!is_paired && !span->parent)
        call(model, CLEW_MAP_USER, name_of(span->service), CLEW_EDGE_VIRTUAL_NODE, NULL, span);
    else
        is_edge = is_paired;
    model->in.spans++;
    model->in.paired += is_paired;
    model->in.one_sided += !is_paired && is_edge;
    model->in.unpaired += !is_edge;
    model->unpaired_in += is_edge ? 0 : model_weight(span);
    if (is_edge)
        sample(&service_of(model, span->service)->server, duration(span), model_weight(span));
}

static bool has_pair(const struct fleet *fleet, const struct build_span *span) {
    for (size_t i = 0; i < fleet->count; i++) {
        const struct build_span *other = &fleet->spans[i];
        if (side_of(other) == IN && climb(fleet, other) == span)
            return true;
        for (size_t link = 0; looks_for_links(fleet, other) && link < 4 && other->links[link].id; link++)
            if (linked(fleet, other, link) == span)
                return true;
    }
    return false;
}

/* Of other services, without a side that looks IN; each service once. */
static size_t infer(struct model *model, const struct fleet *fleet, const struct build_span *span) {
    const char *found[8];
    size_t count = 0;
    for (size_t i = 0; i < fleet->count; i++) {
        const struct build_span *child = &fleet->spans[i];
        bool is_new = side_of(child) != IN && named_above(fleet, child) == span &&
                      differ(child->service, span->service);
        for (size_t k = 0; is_new && k < count; k++)
            is_new = differ(found[k], child->service);
        if (!is_new)
            continue;
        found[count++] = child->service;
        call(model, name_of(span->service), child->service, CLEW_EDGE_INFERRED, span, NULL);
    }
    return count;
}

static void model_out(struct model *model, const struct fleet *fleet, const struct build_span *span) {
    const char *provider = fleet_attribute(span, "gen_ai.provider.name"), *client = name_of(span->service);
    bool is_paired = has_pair(fleet, span), is_edge = true;
    if (is_paired || (span->service && infer(model, fleet, span) > 0))
        is_edge = true;
    else if (fleet_attribute(span, "db.system") && peer_of(span))
        call(model, client, peer_of(span), CLEW_EDGE_DATABASE, span, NULL);
    else if (provider)
        call(model, client, provider, CLEW_EDGE_GENAI, span, NULL);
    else if (peer_of(span))
        call(model, client, peer_of(span), CLEW_EDGE_VIRTUAL_NODE, span, NULL);
    else
        is_edge = false;
    model->out.spans++;
    model->out.paired += is_paired;
    model->out.one_sided += !is_paired && is_edge;
    model->out.unpaired += !is_edge;
    model->unpaired_out += is_edge ? 0 : model_weight(span);
    if (is_edge)
        sample(&service_of(model, span->service)->client, duration(span), model_weight(span));
}

static void model_other(struct model *model, const struct fleet *fleet, const struct build_span *span) {
    const struct build_span *above = named_above(fleet, span);
    if (side_of(span) == IN || !above || !differ(above->service, span->service) || is_out(above))
        return;
    bool is_kindless = side_of(span) == NONE;
    call(model, above->service, span->service, is_kindless ? CLEW_EDGE_UNKNOWN : CLEW_EDGE_INFERRED, NULL,
         span);
    if (is_kindless)
        sample(&service_of(model, span->service)->server, duration(span), model_weight(span));
}

bool model_is_entry(const struct fleet *fleet, const struct build_span *span) {
    const struct build_span *above = named_above(fleet, span);
    return !parent_of(fleet, span) || (span->service && (!above || differ(above->service, span->service))) ||
           (side_of(span) == IN && is_out(climb(fleet, span)));
}

static void model_entry(struct model *model, const struct fleet *fleet, const struct build_span *span) {
    bool is_entry = model_is_entry(fleet, span);
    struct model_side *service = service_of(model, span->service);
    service->calls += is_entry ? model_weight(span) : 0;
    service->errors += is_entry && has_failed(span) ? model_weight(span) : 0;
}

void model_of(struct model *model, const struct fleet *fleet) {
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < fleet->count; i++) {
        const struct build_span *span = &fleet->spans[i];
        if (side_of(span) == IN)
            model_in(model, fleet, span);
        if (side_of(span) == OUT)
            model_out(model, fleet, span);
        model_other(model, fleet, span);
        model_entry(model, fleet, span);
    }
}
