/* Texts are kept once, found again, and forgotten when nobody has them. */
#include "sdk/containers/texts.h"
#include "test/support.h"

#include <stdio.h>
#include <string.h>

static clew__text add(struct clew__texts *texts, const char *text) {
    return clew__texts_add(texts, text, strlen(text));
}

static void expect_text(const struct clew__texts *texts, clew__text number, const char *expected) {
    clew_text text = clew__texts_get(texts, number);
    cr_expect_eq(text.size, strlen(expected));
    cr_expect_eq(memcmp(text.data, expected, text.size), 0);
}

Test(texts, gives_equal_texts_the_same_number_and_the_empty_one_0) {
    struct clew__texts *texts = clew__texts_new();
    clew__text a = add(texts, "a"), b = add(texts, "b");
    cr_expect_neq(a, b);
    cr_expect_eq(add(texts, "a"), a);
    cr_expect_eq(add(texts, ""), 0);
    cr_expect_eq(clew__texts_find(texts, "b", 1), b);
    cr_expect_eq(clew__texts_find(texts, "c", 1), CLEW__TEXT_FAILED);
    expect_text(texts, b, "b");
    expect_text(texts, 0, "");
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}

Test(texts, tells_texts_of_every_size_apart) {
    struct clew__texts *texts = clew__texts_new();
    char text[301];
    for (size_t size = 1; size <= 300; size++) {
        for (size_t at = 0; at < size; at++) {
            memset(text, 'x', size);
            text[at] = 'y';
            clew__text number = clew__texts_add(texts, text, size);
            cr_assert_eq(clew__texts_find(texts, text, size), number);
        }
    }
    cr_expect_eq(clew__texts_count(texts), 1 + 300 * 301 / 2);
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}

Test(texts, cuts_long_texts_between_letters) {
    struct clew__texts *texts = clew__texts_new();
    char text[CLEW__TEXT_MAX + 10];
    memset(text, 'x', sizeof text);
    cr_expect_eq(clew__texts_get(texts, clew__texts_add(texts, text, sizeof text)).size, CLEW__TEXT_MAX);
    memcpy(text + CLEW__TEXT_MAX - 2, "\xE2\x82\xAC", 3);
    cr_expect_eq(clew__texts_get(texts, clew__texts_add(texts, text, sizeof text)).size, CLEW__TEXT_MAX - 2);
    cr_expect_neq(clew__texts_find(texts, text, sizeof text), CLEW__TEXT_FAILED);
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}

Test(texts, compares_as_bytes_and_the_shorter_first) {
    struct clew__texts *texts = clew__texts_new();
    clew__text ab = add(texts, "ab"), a = add(texts, "a"), high = add(texts, "\xC3\xA4");
    cr_expect_lt(clew__texts_compare(texts, a, ab), 0);
    cr_expect_gt(clew__texts_compare(texts, high, ab), 0);
    cr_expect_lt(clew__texts_compare(texts, 0, a), 0);
    cr_expect_eq(clew__texts_compare(texts, a, a), 0);
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}

Test(texts, forgets_what_is_swept_and_gives_its_number_out_again) {
    struct clew__texts *texts = clew__texts_new();
    bool is_used[1001] = {false};
    size_t full;
    char text[20];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "text %d", i);
        add(texts, text);
    }
    full = clew__texts_bytes(texts);
    cr_assert_eq(clew__texts_count(texts), 1001);
    for (int i = 0; i < 1001; i += 3)
        is_used[i] = true;
    clew__texts_sweep(texts, is_used);
    cr_expect_lt(clew__texts_bytes(texts), full);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "text %d", i);
        cr_assert_eq(clew__texts_find(texts, text, strlen(text)) != CLEW__TEXT_FAILED, (i + 1) % 3 == 0, "%d",
                     i);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "text %d", i);
        cr_assert_lt(add(texts, text), 1001);
    }
    cr_expect_eq(clew__texts_bytes(texts), full);
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}

Test(texts, says_beforehand_by_how_much_it_may_grow) {
    struct clew__texts *texts = clew__texts_new();
    char text[12];
    for (int i = 0; i < 5000; i++) {
        size_t most = clew__texts_bytes(texts) + clew__texts_growth(texts, 1) + 7;
        snprintf(text, sizeof text, "%07d", i);
        add(texts, text);
        cr_assert_leq(clew__texts_bytes(texts), most);
    }
    clew__texts_free(texts);
    CLEW_NO_LEAKS();
}
