/* Owns the names of aggregates. One thread at a time. */
#include "sdk/containers/names.h"

#include <string.h>

bool clew__names_init(struct clew__names *names) {
    *names = (struct clew__names){.texts = clew__texts_new()};
    return names->texts != NULL;
}

void clew__names_fini(struct clew__names *names) {
    clew__texts_free(names->texts);
    names->texts = NULL;
}

clew_text clew__names_get(const struct clew__names *names, clew__text name) {
    return clew__texts_get(names->texts, name);
}

int clew__text_compare(clew_text a, clew_text b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

clew__text clew__names_add(struct clew__names *names, clew_text text, uint32_t limit) {
    if (text.size == 0)
        return 0;
    clew__text name = clew__texts_find(names->texts, text.data, text.size);
    if (name != CLEW__TEXT_FAILED)
        return name;
    if (names->count >= limit)
        return CLEW__NAME_LIMIT;
    name = clew__texts_add(names->texts, text.data, text.size);
    if (name == CLEW__TEXT_FAILED)
        return CLEW__NAME_NONE;
    names->count++;
    return name;
}

clew__text clew__names_of(struct clew__names *names, const struct clew__texts *texts, clew__text text,
                          uint32_t limit) {
    if (text == 0)
        return 0;
    struct clew__names_hint *hint = &names->cache[text % CLEW__NAMES_CACHE];
    clew_text wanted = clew__texts_get(texts, text);
    if (hint->text == text) {
        clew_text kept = clew__names_get(names, hint->name);
        if (kept.size == wanted.size && memcmp(kept.data, wanted.data, wanted.size) == 0)
            return hint->name;
    }
    clew__text name = clew__names_add(names, wanted, limit);
    if (name < CLEW__NAME_LIMIT)
        *hint = (struct clew__names_hint){text, name};
    return name;
}
