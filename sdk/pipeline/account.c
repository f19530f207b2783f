/* Owns the numbers of accounts; the accounts themselves belong to their threads' blocks and are never
 * unmapped. */
#include "sdk/pipeline/account.h"

#include <clew/extend.h>

#include <string.h>

static _Atomic uint32_t next_number;

/* The first of `count` numbers that are all on one page. */
static uint32_t take_numbers(uint32_t count) {
    uint32_t next = atomic_load(&next_number), number;
    do {
        uint32_t left = CLEW__ACCOUNT_PAGE - next % CLEW__ACCOUNT_PAGE;
        number = left < count ? next + left : next;
        if (number + count > CLEW__ACCOUNT_PAGE * CLEW__ACCOUNT_PAGES)
            return UINT32_MAX;
    } while (!atomic_compare_exchange_weak(&next_number, &next, number + count));
    return number;
}

uint32_t clew__account_number(void) {
    return take_numbers(1);
}

uint32_t clew__account_number_pair(void) {
    return take_numbers(2);
}

struct clew__account *clew__account_slowly(struct clew__thread *thread, uint32_t number) {
    size_t size = CLEW__ACCOUNT_PAGE * sizeof(struct clew__account);
    struct clew__account *page = clew_memory_allocate(size);
    if (!page)
        return NULL;
    memset(page, 0, size);
    atomic_store_explicit(&thread->account_pages[number / CLEW__ACCOUNT_PAGE], page, memory_order_release);
    return &page[number % CLEW__ACCOUNT_PAGE];
}

struct clew__account *clew__account_peek(struct clew__thread *thread, uint32_t number) {
    struct clew__account *page =
        atomic_load_explicit(&thread->account_pages[number / CLEW__ACCOUNT_PAGE], memory_order_acquire);
    return page ? &page[number % CLEW__ACCOUNT_PAGE] : NULL;
}

uint64_t clew__account_sum(uint32_t number, enum clew__counter counter) {
    uint64_t sum = 0;
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next) {
        struct clew__account *account = clew__account_peek(thread, number);
        if (account)
            sum += atomic_load_explicit(&account->counters[counter], memory_order_acquire);
    }
    return sum;
}

void clew__account_reset_all(void) {
    for (struct clew__thread *thread = clew__thread_first(); thread; thread = thread->next)
        for (uint32_t page = 0; page < CLEW__ACCOUNT_PAGES; page++) {
            struct clew__account *accounts = atomic_load(&thread->account_pages[page]);
            if (accounts)
                memset(accounts, 0, CLEW__ACCOUNT_PAGE * sizeof *accounts);
        }
}
