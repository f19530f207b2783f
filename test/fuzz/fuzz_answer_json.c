/* Answers of receivers in JSON: nothing beyond the bytes is touched, and texts lie inside them. */
#include "collector-bridge/wire/answer_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right) {
    if (!right)
        abort();
}

static char *copy_of(const uint8_t *data, size_t size) {
    char *copy = malloc(size + !size);
    check(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static void check_inside(struct clew__slice text, const char *bytes, size_t size) {
    check(text.size == 0 || (text.data >= bytes && text.data + text.size <= bytes + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__slice message;
    int64_t rejected;
    char *copy = copy_of(data, size);
    clew__answer_json_response(copy, size, &rejected, &message);
    check_inside(message, copy, size);
    free(copy);
    copy = copy_of(data, size);
    check_inside(clew__answer_json_status_message(copy, size), copy, size);
    free(copy);
    return 0;
}
