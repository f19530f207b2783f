/* What a report looks like. Pure; any thread. */
#include "collector-bridge/report/style.h"

#define COLUMNS_DEFAULT 80u /* of a terminal that does not say */
#define COLUMNS_MIN 40u

static bool is_set(const char *value) {
    return value && *value;
}

struct clew__style clew__style_of(const struct clew__surroundings *surroundings) {
    struct clew__style style = {false, 0, false};
    bool dumb = surroundings->term && strcmp(surroundings->term, "dumb") == 0;
    bool forced = is_set(surroundings->clicolor_force) && strcmp(surroundings->clicolor_force, "0") != 0;
    if (surroundings->is_terminal) {
        style.columns = surroundings->columns ? surroundings->columns : COLUMNS_DEFAULT;
        if (style.columns < COLUMNS_MIN)
            style.columns = COLUMNS_MIN;
    }
    style.colours = !is_set(surroundings->no_color) && (forced || (surroundings->is_terminal && !dumb));
    return style;
}

static uint64_t hash_of(clew_text text) { /* FNV-1a */
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * 0x100000001b3u;
    return hash;
}

const char *clew__palette_mark(struct clew__palette *palette, clew_text service) {
    static const char *const marks[CLEW__PALETTE_SIZE] = {"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m",
                                                          "\x1b[34m", "\x1b[96m", "\x1b[93m", "\x1b[92m"};
    uint64_t hash = hash_of(service);
    size_t i = 0;
    if (!palette)
        return NULL;
    while (i < palette->count && palette->services[i] != hash)
        i++;
    if (i == CLEW__PALETTE_SIZE)
        return marks[hash % CLEW__PALETTE_SIZE];
    if (i == palette->count)
        palette->services[palette->count++] = hash;
    return marks[i];
}
