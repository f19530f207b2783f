/* What attributes mean: their keys are known by length and bytes, their values go to slots. Owns nothing. */
#include "sdk/traces/picks.h"

#include "sdk/traces/model.h"

/* What is picked of a span's attributes: the places that its values go to. Of each group the first wins. */
enum slot {
    SLOT_NONE,
    SLOT_PEER_SERVICE,
    SLOT_SERVER_ADDRESS,
    SLOT_NETWORK_ADDRESS,
    SLOT_NET_PEER,
    SLOT_DESTINATION_NAME,
    SLOT_DESTINATION,
    SLOT_RPC_SERVICE,
    SLOT_DB_NAMESPACE,
    SLOT_DB_NAME,
    SLOT_DB_SYSTEM,
    SLOT_DB_SYSTEM_NAME,
    SLOT_SERVER_PORT,
    SLOT_NETWORK_PORT,
    SLOT_PROVIDER,
    SLOT_GENAI_SYSTEM,
    SLOT_ERROR_TYPE,
    SLOT_HTTP_RESPONSE_STATUS,
    SLOT_HTTP_STATUS,
    SLOT_ROUTE,
    SLOT_QUERY_SUMMARY,
    SLOT_QUERY,
    SLOT_STATEMENT,
    SLOT_TOOL,
    SLOT_MODEL,
    SLOT_SPAN_ID,
    SLOT_TRACE_ID,
    SLOT_COUNT
};
#define FIRST_PEER SLOT_PEER_SERVICE
#define LAST_PEER SLOT_RPC_SERVICE
#define LAST_DATABASE_PEER SLOT_DB_SYSTEM_NAME
#define FIRST_DETAIL SLOT_ROUTE
#define LAST_DETAIL SLOT_MODEL

/* Keys of one length differ in what `is` compares. */
static bool is(const uint8_t *key, const char *name, size_t size) {
    return memcmp(key, name, size) == 0;
}
#define IS(name) is(key, name, sizeof(name) - 1)

static enum slot slot_of_short(const uint8_t *key, size_t size) {
    switch (size) {
    case 7:
        return IS("db.name") ? SLOT_DB_NAME : SLOT_NONE;
    case 9:
        return IS("db.system") ? SLOT_DB_SYSTEM : SLOT_NONE;
    case 10:
        return IS("http.route") ? SLOT_ROUTE : IS("error.type") ? SLOT_ERROR_TYPE : SLOT_NONE;
    case 11:
        return IS("server.port") ? SLOT_SERVER_PORT : IS("rpc.service") ? SLOT_RPC_SERVICE : SLOT_NONE;
    case 12:
        if (IS("peer.service"))
            return SLOT_PEER_SERVICE;
        if (IS("db.namespace"))
            return SLOT_DB_NAMESPACE;
        if (IS("db.statement"))
            return SLOT_STATEMENT;
        return IS(CLEW__ATTRIBUTE_SPAN_ID) ? SLOT_SPAN_ID : SLOT_NONE;
    case 13:
        if (IS("db.query.text"))
            return SLOT_QUERY;
        if (IS("gen_ai.system"))
            return SLOT_GENAI_SYSTEM;
        if (IS("net.peer.name"))
            return SLOT_NET_PEER;
        return IS(CLEW__ATTRIBUTE_TRACE_ID) ? SLOT_TRACE_ID : SLOT_NONE;
    default:
        return SLOT_NONE;
    }
}

static enum slot slot_of_long(const uint8_t *key, size_t size) {
    switch (size) {
    case 14:
        return IS("server.address")   ? SLOT_SERVER_ADDRESS
               : IS("db.system.name") ? SLOT_DB_SYSTEM_NAME
                                      : SLOT_NONE;
    case 16:
        if (IS("http.status_code"))
            return SLOT_HTTP_STATUS;
        if (IS("db.query.summary"))
            return SLOT_QUERY_SUMMARY;
        return IS("gen_ai.tool.name") ? SLOT_TOOL : SLOT_NONE;
    case 17:
        return IS("network.peer.port") ? SLOT_NETWORK_PORT : SLOT_NONE;
    case 20:
        if (IS("network.peer.address"))
            return SLOT_NETWORK_ADDRESS;
        if (IS("gen_ai.provider.name"))
            return SLOT_PROVIDER;
        return IS("gen_ai.request.model") ? SLOT_MODEL : SLOT_NONE;
    case 21:
        return IS("messaging.destination") ? SLOT_DESTINATION : SLOT_NONE;
    case 25:
        return IS("http.response.status_code") ? SLOT_HTTP_RESPONSE_STATUS : SLOT_NONE;
    case 26:
        return IS("messaging.destination.name") ? SLOT_DESTINATION_NAME : SLOT_NONE;
    default:
        return SLOT_NONE;
    }
}

/* What an attribute says by its name alone. */
static uint16_t flags_of_key(const uint8_t *key, size_t size) {
    if (size > 3 && key[0] == 'd' && IS("db."))
        return CLEW__RECORD_DATABASE;
    if (size > 7 && key[0] == 'g' && IS("gen_ai."))
        return CLEW__RECORD_GENAI;
    if (size > 10 && key[0] == 'm' && IS("messaging."))
        return CLEW__RECORD_MESSAGING;
    return 0;
}

_Static_assert(SLOT_COUNT <= CLEW__PICKS_MAX, "a bit for each");

/* ---- taking ---- */

/* Where key and value are short and in their usual order nothing is searched for. */
static inline struct clew__raw read_usual_pair(struct clew__wire pair, struct clew__wire *value) {
    const uint8_t *at = pair.at, *second;
    if (pair.end - at >= 2 && at[0] == (CLEW__KEYVALUE_KEY << 3 | CLEW__WIRE_BYTES) && at[1] < 0x80 &&
        at[1] <= pair.end - at - 2) {
        second = at + 2 + at[1];
        if (clew__raw_is_just(second, pair.end, CLEW__KEYVALUE_VALUE)) {
            *value = (struct clew__wire){second + 2, pair.end};
            return (struct clew__raw){at + 2, at[1]};
        }
    }
    return clew__raw_read_pair(pair, value);
}

uint16_t clew__picks_take(struct clew__picks *picks, struct clew__wire pair) {
    struct clew__wire value;
    struct clew__raw key = read_usual_pair(pair, &value);
    enum slot slot = key.size < 14 ? slot_of_short(key.at, key.size) : slot_of_long(key.at, key.size);
    struct clew__raw_value pick;
    if (slot != SLOT_NONE) {
        clew__raw_read_value(value, &pick);
        if (pick.is_number || pick.text.size > 0) {
            picks->values[slot] = pick;
            picks->filled |= 1u << slot;
        }
    }
    return flags_of_key(key.at, key.size);
}

/* ---- what was taken ---- */

static const struct clew__raw_value *picked(const struct clew__picks *picks, enum slot slot) {
    return picks->filled >> slot & 1 ? &picks->values[slot] : NULL;
}

static struct clew__raw picked_text(const struct clew__picks *picks, enum slot slot) {
    const struct clew__raw_value *pick = picked(picks, slot);
    struct clew__raw none = {NULL, 0};
    return pick ? pick->text : none;
}

/* The first of a run of slots that holds text. */
static enum slot first_text(const struct clew__picks *picks, enum slot from, enum slot to) {
    for (unsigned slot = from; slot <= to; slot++) {
        if (picked_text(picks, (enum slot)slot).size > 0)
            return (enum slot)slot;
    }
    return SLOT_NONE;
}

struct clew__raw clew__picks_text(const struct clew__picks *picks, enum clew__meaning meaning) {
    static const uint8_t slots[][2] = {
        [CLEW__MEANING_PROVIDER] = {SLOT_PROVIDER, SLOT_GENAI_SYSTEM},
        [CLEW__MEANING_DETAIL] = {FIRST_DETAIL, LAST_DETAIL},
        [CLEW__MEANING_ERROR_TYPE] = {SLOT_ERROR_TYPE, SLOT_ERROR_TYPE},
        [CLEW__MEANING_SPAN_ID] = {SLOT_SPAN_ID, SLOT_SPAN_ID},
        [CLEW__MEANING_TRACE_ID] = {SLOT_TRACE_ID, SLOT_TRACE_ID},
    };
    return picked_text(picks, first_text(picks, (enum slot)slots[meaning][0], (enum slot)slots[meaning][1]));
}

uint16_t clew__picks_http_status(const struct clew__picks *picks) {
    uint64_t status = clew__raw_number(picked(picks, SLOT_HTTP_RESPONSE_STATUS));
    if (status == 0)
        status = clew__raw_number(picked(picks, SLOT_HTTP_STATUS));
    return status < 1000 ? (uint16_t)status : 0;
}

/* An address, with its port where there is one. */
static struct clew__raw join(struct clew__raw address, const struct clew__raw_value *port,
                             char joined[CLEW__PEER_SIZE]) {
    char digits[5];
    struct clew__raw text = {(const uint8_t *)joined, 0};
    uint64_t number = clew__raw_number(port);
    size_t count = 0;
    if (number == 0 || number > UINT16_MAX || address.size > CLEW__TEXT_MAX)
        return address;
    for (; number > 0; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    memcpy(joined, address.at, address.size);
    text.size = address.size;
    joined[text.size++] = ':';
    while (count > 0)
        joined[text.size++] = digits[--count];
    return text;
}

struct clew__raw clew__picks_peer(const struct clew__picks *picks, unsigned kind, bool is_database,
                                  char joined[CLEW__PEER_SIZE]) {
    enum slot slot;
    /* A server's attributes of address and of RPC name the server itself. */
    if (kind == CLEW_SERVER)
        return picked_text(picks, SLOT_PEER_SERVICE);
    slot = first_text(picks, FIRST_PEER, is_database ? LAST_DATABASE_PEER : LAST_PEER);
    if (slot == SLOT_SERVER_ADDRESS)
        return join(picked_text(picks, slot), picked(picks, SLOT_SERVER_PORT), joined);
    if (slot == SLOT_NETWORK_ADDRESS)
        return join(picked_text(picks, slot), picked(picks, SLOT_NETWORK_PORT), joined);
    return picked_text(picks, slot);
}
