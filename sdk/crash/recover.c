/* Owns what is read of one file at a time: its table, where its spans come from, the block at hand. Called by
 * the worker and by the program `clew`. */
#include "sdk/crash/recover.h"

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/base/descriptor.h"
#include "sdk/crash/crash_file.h"
#include "sdk/crash/crash_layout.h"

#include <clew/extend.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any span that was recorded: larger blocks are not read. */
#define BLOCK_MAX ((size_t)64 << 20)
/* All that is kept of scopes and resource. */
#define ORIGINS_MAX ((size_t)8 << 20)
/* Scopes are written anew for each run of their spans: how much larger than the file all requests together
 * may become. */
#define GROWTH_MAX 16u
#define GROWTH_LEAST ((uint64_t)64 << 20)
/* Around a span and around its scope: tags and lengths. */
#define FRAME_MAX 16u

struct origin {
    uint64_t scope;
    const uint8_t *head, *tail;
    uint32_t head_size, tail_size;
};

struct clew__recovery {
    struct clew__descriptor file;
    struct clew__crash_header header;
    uint64_t file_size;
    uint32_t *table;

    struct clew__writer origin_bytes;
    struct origin *origins; /* by scope */
    size_t origin_count, origin_capacity;

    uint32_t page;           /* of the block at hand, or the next one to look at */
    uint32_t confirmed_page; /* blocks before it have been confirmed */
    uint8_t *block;          /* its records from `begin` to `end`; NULL: none at hand */
    uint32_t begin, end, at;

    struct clew__writer request, scratch;
    uint64_t growth_left;
    uint64_t damaged;
};

/* ---- reading ---- */

/* All of it, or false. */
static bool read_at(const struct clew__recovery *recovery, void *out, size_t size, uint64_t offset) {
    uint8_t *at = out;
    if (!clew__descriptor_is_ours(&recovery->file))
        return false;
    while (size > 0) {
        ssize_t got = pread(recovery->file.fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static uint32_t kind_at(const struct clew__recovery *recovery, uint32_t page) {
    return recovery->table[page] >> CLEW__CRASH_KIND_SHIFT;
}

/* The pages of the block that starts at a page; 0 when there is none that lies within the file. */
static uint32_t run_at(const struct clew__recovery *recovery, uint32_t page) {
    uint32_t run = recovery->table[page] & CLEW__CRASH_RUN_MASK;
    bool fits = run > 0 && run <= recovery->header.pages - page &&
                (uint64_t)(page + run) * CLEW__CRASH_PAGE <= recovery->file_size;
    return fits ? run : 0;
}

/* Where a block's complete records are; false when its marks make no sense. */
static bool read_marks(const struct clew__recovery *recovery, uint32_t page, uint32_t *begin, uint32_t *end) {
    uint32_t marks[2], run = run_at(recovery, page);
    size_t room = (size_t)run * CLEW__CRASH_PAGE - sizeof marks;
    if (!run || !read_at(recovery, marks, sizeof marks, (uint64_t)page * CLEW__CRASH_PAGE))
        return false;
    *begin = marks[0];
    *end = marks[1];
    return *begin <= *end && *end <= room && *end - *begin <= BLOCK_MAX;
}

static uint64_t offset_of(uint32_t page, uint32_t in_block) {
    return (uint64_t)page * CLEW__CRASH_PAGE + sizeof(struct clew__records) + in_block;
}

/* ---- where spans come from ---- */

/* Whether members of a ScopeSpans, or of a ResourceSpans, are well-formed. */
static bool is_sound(struct clew__writer *scratch, bool of_scope, const uint8_t *bytes, size_t size) {
    size_t resource, scope = 0;
    clew__buffer_reset(scratch);
    resource = clew__write_begin(scratch, CLEW__TRACES_RESOURCE_SPANS);
    if (of_scope)
        scope = clew__write_begin(scratch, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    clew__write_raw(scratch, bytes, size);
    if (of_scope)
        clew__write_end(scratch, scope);
    clew__write_end(scratch, resource);
    if (scratch->failed)
        return false;
    return clew__wire_check_traces(scratch->data, scratch->size, NULL, NULL) == CLEW__WIRE_OK;
}

static bool add_origin(struct clew__recovery *recovery, const struct clew__crash_origin *entry,
                       const uint8_t *bytes) {
    struct origin *added;
    if (recovery->origin_count == recovery->origin_capacity) {
        size_t capacity = recovery->origin_capacity ? 2 * recovery->origin_capacity : 16;
        struct origin *grown = clew_memory_reallocate(recovery->origins, capacity * sizeof *grown);
        if (!grown)
            return false;
        recovery->origins = grown;
        recovery->origin_capacity = capacity;
    }
    added = &recovery->origins[recovery->origin_count++];
    added->scope = entry->scope;
    added->head = bytes;
    added->head_size = entry->head_size;
    added->tail = bytes + entry->head_size;
    added->tail_size = entry->tail_size;
    return true;
}

/* The entries in bytes that stay where they are. */
static bool read_origins(struct clew__recovery *recovery, const uint8_t *at, const uint8_t *end) {
    struct clew__crash_origin entry;
    while (end - at >= (ptrdiff_t)sizeof entry) {
        size_t size;
        memcpy(&entry, at, sizeof entry);
        at += sizeof entry;
        size = (size_t)entry.head_size + entry.tail_size;
        if (size > (size_t)(end - at))
            break;
        if (entry.head_size > CLEW__CRASH_ORIGIN_MAX || entry.tail_size > CLEW__CRASH_ORIGIN_MAX ||
            !is_sound(&recovery->scratch, entry.scope != 0, at, size))
            recovery->damaged++;
        else if (!add_origin(recovery, &entry, at))
            return false;
        at += size;
    }
    recovery->damaged += at < end;
    return true;
}

static int by_scope(const void *left, const void *right) {
    uint64_t a = ((const struct origin *)left)->scope, b = ((const struct origin *)right)->scope;
    return a < b ? -1 : a > b;
}

/* Reads all blocks of origins; false when memory runs out or the file cannot be read. */
static bool load_origins(struct clew__recovery *recovery) {
    size_t total = 0, at = 0;
    uint32_t begin, end, run;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t page = recovery->header.first_page; page < recovery->header.pages;
             page += run ? run : 1) {
            run = run_at(recovery, page);
            if (kind_at(recovery, page) != CLEW__CRASH_ORIGINS || !read_marks(recovery, page, &begin, &end) ||
                begin != 0 || end > ORIGINS_MAX - (pass ? at : total))
                continue;
            if (pass == 0) {
                total += end;
                continue;
            }
            if (at + end > total ||
                !read_at(recovery, recovery->origin_bytes.data + at, end, offset_of(page, 0)))
                return false;
            if (!read_origins(recovery, recovery->origin_bytes.data + at,
                              recovery->origin_bytes.data + at + end))
                return false;
            at += end;
        }
        if (pass == 0 && !clew__writer_reserve(&recovery->origin_bytes, total + 1))
            return false;
    }
    if (recovery->origin_count)
        qsort(recovery->origins, recovery->origin_count, sizeof *recovery->origins, by_scope);
    return true;
}

static const struct origin *origin_of(const struct clew__recovery *recovery, uint64_t scope) {
    static const struct origin unknown = {.head = (const uint8_t *)"", .tail = (const uint8_t *)""};
    const struct origin like = {.scope = scope}, *found = NULL;
    if (recovery->origin_count)
        found = bsearch(&like, recovery->origins, recovery->origin_count, sizeof like, by_scope);
    return found ? found : &unknown;
}

/* ---- opening ---- */

static enum clew__recovery_status check_header(struct clew__recovery *recovery) {
    static const char zeros[sizeof recovery->header.magic];
    struct clew__crash_header *header = &recovery->header;
    uint64_t table_pages;
    if (!read_at(recovery, header, sizeof *header, 0))
        return recovery->file_size == 0 ? CLEW__RECOVERY_EMPTY : CLEW__RECOVERY_BAD;
    if (memcmp(header->magic, zeros, sizeof zeros) == 0)
        return CLEW__RECOVERY_EMPTY;
    if (memcmp(header->magic, CLEW__CRASH_MAGIC, sizeof header->magic) != 0)
        return CLEW__RECOVERY_BAD;
    if (header->byte_order != CLEW__CRASH_BYTE_ORDER || header->version != CLEW__CRASH_VERSION ||
        header->page_size != CLEW__CRASH_PAGE)
        return CLEW__RECOVERY_FOREIGN;
    if (header->pages > CLEW__CRASH_PAGES_MAX || header->first_page == 0 ||
        header->first_page >= header->pages)
        return CLEW__RECOVERY_BAD;
    table_pages = (header->pages * sizeof *recovery->table + CLEW__CRASH_PAGE - 1) / CLEW__CRASH_PAGE;
    if (header->first_page != 1 + table_pages || recovery->file_size < (1 + table_pages) * CLEW__CRASH_PAGE)
        return CLEW__RECOVERY_BAD;
    return CLEW__RECOVERY_OK;
}

static enum clew__recovery_status look(struct clew__recovery *recovery, int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return CLEW__RECOVERY_FAILED;
    recovery->file = (struct clew__descriptor){descriptor, status.st_dev, status.st_ino};
    recovery->file_size = (uint64_t)status.st_size;
    return check_header(recovery);
}

enum clew__recovery_status clew__recovery_look(int descriptor) {
    struct clew__recovery recovery = {.table = NULL};
    return look(&recovery, descriptor);
}

static enum clew__recovery_status load(struct clew__recovery *recovery, int descriptor) {
    enum clew__recovery_status result = look(recovery, descriptor);
    size_t table_size;
    if (result != CLEW__RECOVERY_OK)
        return result;
    recovery->growth_left = GROWTH_MAX * recovery->file_size + GROWTH_LEAST;
    recovery->page = recovery->confirmed_page = recovery->header.first_page;
    table_size = recovery->header.pages * sizeof *recovery->table;
    recovery->table = clew_memory_allocate(table_size);
    if (!recovery->table)
        errno = ENOMEM;
    else if (read_at(recovery, recovery->table, table_size, CLEW__CRASH_PAGE) && load_origins(recovery))
        return CLEW__RECOVERY_OK;
    return CLEW__RECOVERY_FAILED;
}

enum clew__recovery_status clew__recovery_open(int descriptor, struct clew__recovery **out) {
    struct clew__recovery *recovery = clew_memory_allocate(sizeof *recovery);
    enum clew__recovery_status status;
    if (!recovery) {
        errno = ENOMEM;
        return CLEW__RECOVERY_FAILED;
    }
    memset(recovery, 0, sizeof *recovery);
    recovery->origin_bytes = clew__buffer_plain();
    recovery->request = clew__buffer_plain();
    recovery->scratch = clew__buffer_plain();
    status = load(recovery, descriptor);
    if (status == CLEW__RECOVERY_OK)
        *out = recovery;
    else
        clew__recovery_free(recovery);
    return status;
}

void clew__recovery_free(struct clew__recovery *recovery) {
    int saved = errno;
    if (!recovery)
        return;
    clew_memory_release(recovery->table);
    clew_memory_release(recovery->origins);
    clew_memory_release(recovery->block);
    clew__buffer_fini(&recovery->origin_bytes);
    clew__buffer_fini(&recovery->request);
    clew__buffer_fini(&recovery->scratch);
    clew_memory_release(recovery);
    errno = saved;
}

uint64_t clew__recovery_damaged(const struct clew__recovery *recovery) {
    return recovery->damaged;
}

uint32_t clew__recovery_pid(const struct clew__recovery *recovery) {
    return recovery->header.pid;
}

/* ---- records ---- */

static void leave_block(struct clew__recovery *recovery) {
    uint32_t run = run_at(recovery, recovery->page);
    clew_memory_release(recovery->block);
    recovery->block = NULL;
    recovery->page += run ? run : 1;
}

/* The next block of spans into memory; false at the end, or when memory runs out. */
static bool load_block(struct clew__recovery *recovery, bool *failed) {
    for (; recovery->page < recovery->header.pages; leave_block(recovery)) {
        uint32_t size;
        if (recovery->table[recovery->page] == CLEW__CRASH_FREE ||
            kind_at(recovery, recovery->page) == CLEW__CRASH_ORIGINS)
            continue;
        if (kind_at(recovery, recovery->page) != CLEW__CRASH_SPANS ||
            !read_marks(recovery, recovery->page, &recovery->begin, &recovery->end)) {
            recovery->damaged++;
            continue;
        }
        size = recovery->end - recovery->begin;
        if (size == 0)
            continue;
        recovery->block = clew_memory_allocate(size);
        if (!recovery->block) {
            *failed = true;
            return false;
        }
        recovery->at = 0;
        if (read_at(recovery, recovery->block, size, offset_of(recovery->page, recovery->begin)))
            return true;
        recovery->damaged++;
    }
    return false;
}

/* A record: its scope and the content of its Span. */
struct found {
    uint64_t scope;
    const uint8_t *record, *span;
    uint32_t record_size;
    size_t span_size;
};

/* The bytes of one member `spans`, and nothing behind it. */
static bool read_member(struct found *found) {
    struct clew__wire wire = clew__wire_of(found->record, found->record_size);
    enum clew__wire_error error;
    struct clew__field field;
    if (!clew__wire_next(&wire, &field, &error) || field.field != CLEW__SCOPE_SPANS_SPANS ||
        field.type != CLEW__WIRE_BYTES || wire.at != wire.end)
        return false;
    found->span = field.bytes.at;
    found->span_size = (size_t)(field.bytes.end - field.bytes.at);
    return true;
}

static bool has_ids(const struct found *found) {
    static const uint8_t zeros[16];
    struct clew__span_fields fields;
    clew__read_span(clew__wire_of(found->span, found->span_size), &fields);
    return memcmp(fields.trace_id, zeros, sizeof fields.trace_id) != 0 &&
           memcmp(fields.span_id, zeros, sizeof fields.span_id) != 0;
}

/* The record at hand; it stays there. False at the end of all blocks, or when memory runs out. */
static bool peek(struct clew__recovery *recovery, struct found *found, bool *failed) {
    for (;;) {
        uint32_t left;
        if (!recovery->block && !load_block(recovery, failed))
            return false;
        left = recovery->end - recovery->begin - recovery->at;
        if (left == 0) {
            leave_block(recovery);
            continue;
        }
        if (left >= CLEW__RECORD_SIZE) {
            const uint8_t *at = recovery->block + recovery->at;
            memcpy(&found->scope, at, sizeof found->scope);
            memcpy(&found->record_size, at + sizeof found->scope, sizeof found->record_size);
            found->record = at + CLEW__RECORD_SIZE;
        }
        if (left < CLEW__RECORD_SIZE || found->record_size > left - CLEW__RECORD_SIZE) {
            recovery->damaged++; /* where the next one starts is not known */
            leave_block(recovery);
            continue;
        }
        if (read_member(found) && is_sound(&recovery->scratch, true, found->record, found->record_size) &&
            has_ids(found))
            return true;
        if (recovery->scratch.failed) {
            *failed = true;
            return false;
        }
        recovery->damaged++;
        recovery->at += CLEW__RECORD_SIZE + found->record_size;
    }
}

/* ---- requests ---- */

static void write_span(struct clew__writer *writer, const struct found *found) {
    static const char key[] = CLEW__RECOVERED_KEY;
    size_t span = clew__write_begin(writer, CLEW__SCOPE_SPANS_SPANS), attribute, value;
    clew__write_raw(writer, found->span, found->span_size);
    attribute = clew__write_begin(writer, CLEW__SPAN_ATTRIBUTES);
    clew__write_bytes(writer, CLEW__KEYVALUE_KEY, key, sizeof key - 1);
    value = clew__write_begin(writer, CLEW__KEYVALUE_VALUE);
    clew__write_varint(writer, CLEW__ANY_BOOL, 1);
    clew__write_end(writer, value);
    clew__write_end(writer, attribute);
    clew__write_end(writer, span);
}

/* What a request is that is being written. */
struct draft {
    size_t scope_begun;
    const struct origin *origin; /* of the ScopeSpans that is open; NULL: none is */
    size_t spans;
};

static void end_scope(struct clew__writer *writer, struct draft *draft) {
    if (!draft->origin)
        return;
    clew__write_raw(writer, draft->origin->tail, draft->origin->tail_size);
    clew__write_end(writer, draft->scope_begun);
    draft->origin = NULL;
}

static size_t size_with(const struct clew__writer *writer, const struct draft *draft,
                        const struct origin *origin, const struct found *found) {
    size_t size = writer->size + found->span_size + sizeof CLEW__RECOVERED_KEY + 2 * FRAME_MAX;
    if (draft->origin)
        size += draft->origin->tail_size;
    return draft->origin == origin ? size : size + origin->head_size + origin->tail_size + FRAME_MAX;
}

static void add_span(struct clew__writer *writer, struct draft *draft, const struct origin *origin,
                     const struct found *found) {
    if (draft->origin != origin) {
        end_scope(writer, draft);
        draft->scope_begun = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
        clew__write_raw(writer, origin->head, origin->head_size);
        draft->origin = origin;
    }
    write_span(writer, found);
    draft->spans++;
}

bool clew__recovery_next(struct clew__recovery *recovery, size_t max_bytes, size_t max_spans,
                         clew_bytes *request, size_t *spans, bool *failed) {
    struct clew__writer *writer = &recovery->request;
    const struct origin *resource = origin_of(recovery, 0);
    struct draft draft = {0};
    struct found found;
    size_t begun;
    *failed = false;
    clew__buffer_reset(writer);
    begun = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS);
    clew__write_raw(writer, resource->head, resource->head_size);
    while (draft.spans < max_spans && peek(recovery, &found, failed)) {
        const struct origin *origin = origin_of(recovery, found.scope ? found.scope : UINT64_MAX);
        if (draft.spans > 0 && size_with(writer, &draft, origin, &found) > max_bytes)
            break;
        if (size_with(writer, &draft, origin, &found) > recovery->growth_left) {
            recovery->damaged++;
            leave_block(recovery);
            recovery->page = recovery->header.pages;
            break;
        }
        add_span(writer, &draft, origin, &found);
        recovery->at += CLEW__RECORD_SIZE + found.record_size;
    }
    end_scope(writer, &draft);
    clew__write_end(writer, begun);
    *failed |= writer->failed;
    if (*failed || draft.spans == 0)
        return false;
    recovery->growth_left -= writer->size < recovery->growth_left ? writer->size : recovery->growth_left;
    request->data = writer->data;
    request->size = writer->size;
    *spans = draft.spans;
    return true;
}

static bool write_begin(const struct clew__recovery *recovery, uint32_t page, uint32_t begin) {
    uint64_t offset = (uint64_t)page * CLEW__CRASH_PAGE;
    return clew__descriptor_is_ours(&recovery->file) && clew__crash_may_write(offset + sizeof begin) &&
           pwrite(recovery->file.fd, &begin, sizeof begin, (off_t)offset) == (ssize_t)sizeof begin;
}

/* Blocks that are read to the end stay, with nothing in them: pages inside them are never looked at. */
bool clew__recovery_confirm(struct clew__recovery *recovery) {
    bool written = true;
    uint32_t begin, end, run;
    for (uint32_t page = recovery->confirmed_page; page < recovery->page; page += run ? run : 1) {
        run = run_at(recovery, page);
        if (kind_at(recovery, page) == CLEW__CRASH_SPANS && read_marks(recovery, page, &begin, &end))
            written &= write_begin(recovery, page, end);
    }
    recovery->confirmed_page = recovery->page;
    if (recovery->block && recovery->at > 0)
        written &= write_begin(recovery, recovery->page, recovery->begin + recovery->at);
    return written;
}
