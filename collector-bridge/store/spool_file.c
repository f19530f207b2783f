/* SQLite, for one database of a spool. Owns the connection and its statements. One thread at a time.
 *
 * The log (WAL) is synchronous=FULL: what a transaction has written is on stable storage when it returns. The
 * locking mode is EXCLUSIVE: there is no shared memory to map, so a full or broken disk is an error and not a
 * signal. Nothing in the file is trusted: its schema must be ours to the letter, and each batch has a
 * checksum. */
#include "collector-bridge/store/spool_file.h"

#include <clew/extend.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define NANO_PER_SECOND INT64_C(1000000000)
#define PAGE_SIZE 4096
#define APPLICATION_ID 1131177335 /* "Clew" */
#define SCHEMA_VERSION 1
#define SCHEMA                                                                                               \
    "CREATE TABLE batch(id INTEGER PRIMARY KEY,time INTEGER NOT NULL,kind INTEGER NOT NULL,"                 \
    "spans INTEGER NOT NULL,tried INTEGER NOT NULL,checksum INTEGER NOT NULL,request BLOB NOT NULL)"
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
/* What a batch can be said to hold at most: a damaged number must not swamp the books. */
#define SPANS_MAX INT64_C(10000000)
/* Pages of the tree and the lists beside those of the request itself. */
#define PAGES_BESIDE 8u
#define FRAME_HEADER 24u
#define LOG_HEADER 32u
/* From here on free pages are worth giving back: when they are more than those in use. */
#define FREE_PAGES_WORTH 1024

static int failed(struct clew__spool_file *file, int code) {
    file->error = file->db ? sqlite3_extended_errcode(file->db) : code;
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* our statements are right: it is the schema that is not */
    case SQLITE_CONSTRAINT:
        return CLEW_EFORMAT;
    case SQLITE_NOMEM:
        return CLEW_ENOMEM;
    default:
        return CLEW_EIO;
    }
}

static int run(struct clew__spool_file *file, const char *sql) {
    int code = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? CLEW_OK : failed(file, code);
}

/* Steps a statement that yields nothing, and makes it ready again. */
static int finish(struct clew__spool_file *file, sqlite3_stmt *statement) {
    int code = sqlite3_step(statement), result = CLEW_OK;
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        result = failed(file, code);
    sqlite3_reset(statement);
    return result;
}

static int end(struct clew__spool_file *file, int result) {
    if (result == CLEW_OK)
        result = run(file, "COMMIT");
    if (result != CLEW_OK) {
        int error = file->error;
        run(file, "ROLLBACK");
        file->error = error;
    }
    return result;
}

/* ---- opening ---- */

static void harden(sqlite3 *db) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)(CLEW__SPOOL_REQUEST_MAX + PAGE_SIZE));
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    sqlite3_busy_timeout(db, 0); /* nobody else is there */
}

static int number(struct clew__spool_file *file, const char *sql, int64_t *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL), result = CLEW_OK;
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        result = failed(file, code == SQLITE_DONE ? SQLITE_CORRUPT : code);
    sqlite3_finalize(statement);
    return result;
}

/* `*tables` is 1 when the schema is ours, 0 when there is none: whoever began it came no further. */
static int check_schema(struct clew__spool_file *file, int64_t *tables) {
    int64_t ours = 0, identity = 0, version = 0;
    int result = number(file, "SELECT count(*) FROM sqlite_schema", tables);
    if (result != CLEW_OK || *tables == 0)
        return result;
    result = number(
        file, "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='batch' AND sql='" SCHEMA "'",
        &ours);
    if (result == CLEW_OK)
        result = number(file, "PRAGMA application_id", &identity);
    if (result == CLEW_OK)
        result = number(file, "PRAGMA user_version", &version);
    if (result != CLEW_OK)
        return result;
    return *tables == 1 && ours == 1 && identity == APPLICATION_ID && version == SCHEMA_VERSION
               ? CLEW_OK
               : CLEW_EFORMAT;
}

static int begin_schema(struct clew__spool_file *file) {
    return run(file, "BEGIN IMMEDIATE;" SCHEMA ";PRAGMA application_id=" TEXT(
                         APPLICATION_ID) ";"
                                         "PRAGMA user_version=" TEXT(SCHEMA_VERSION) ";COMMIT");
}

static int prepare(struct clew__spool_file *file) {
    const struct {
        sqlite3_stmt **out;
        const char *sql;
    } statements[] = {
        {&file->insert, "INSERT INTO batch VALUES(?1,?2,?3,?4,?5,?6,?7)"},
        {&file->first,
         "SELECT id,time,spans,tried,length(request) FROM batch WHERE id>?1 ORDER BY id LIMIT 1"},
        {&file->mark, "UPDATE batch SET tried=1 WHERE id=?1"},
        {&file->remove, "DELETE FROM batch WHERE id<=?1"},
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        int code = sqlite3_prepare_v3(file->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      statements[i].out, NULL);
        if (code != SQLITE_OK)
            return failed(file, code);
    }
    return CLEW_OK;
}

static uint64_t sane_spans(int64_t spans) {
    return spans < 0 ? 0 : (uint64_t)(spans < SPANS_MAX ? spans : SPANS_MAX);
}

/* What is waiting, as far as the tree can be walked: what is behind a broken page is not known of. */
static int take_stock(struct clew__spool_file *file) {
    sqlite3_stmt *walk = NULL;
    int code = sqlite3_prepare_v2(file->db, "SELECT id,spans FROM batch ORDER BY id", -1, &walk, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(walk);
        if (code != SQLITE_ROW)
            break;
        file->last_id = sqlite3_column_int64(walk, 0);
        file->waiting += sane_spans(sqlite3_column_int64(walk, 1));
        file->batches++;
    }
    int result = code == SQLITE_DONE ? CLEW_OK : failed(file, code);
    sqlite3_finalize(walk);
    if (result == CLEW_EFORMAT && file->batches > 0) {
        file->damaged = true;
        return CLEW_OK;
    }
    return result;
}

/* Nothing is stored yet, so the first steps need not wait for the disk; the checkpoint at the end does, for
 * all of them. */
static int begin_file(struct clew__spool_file *file) {
    int result = begin_schema(file);
    int code;
    if (result != CLEW_OK)
        return result;
    code = sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK ? CLEW_OK : failed(file, code);
}

/* The locking mode comes first: the first look at a file that is there would map shared memory for it. */
static int set_up(struct clew__spool_file *file, bool create) {
    static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA page_size=" TEXT(PAGE_SIZE) ";"
                                                                       "PRAGMA auto_vacuum=INCREMENTAL;"
                                                                       "PRAGMA synchronous=OFF;"
                                                                       "PRAGMA mmap_size=0;"
                                                                       "PRAGMA cache_size=-256;" /* KiB */
                                                                       "PRAGMA cache_spill=64;"
                                                                       "PRAGMA temp_store=MEMORY;"
                                                                       "PRAGMA cell_size_check=ON;"
                                                                       "PRAGMA journal_mode=WAL;"
                                                                       "PRAGMA synchronous=FULL;"
                                                                       "PRAGMA wal_autocheckpoint=256;"
                                                                       "PRAGMA journal_size_limit=0";
    int64_t tables = 1;
    int result = run(file, settings);
    if (result == CLEW_OK)
        result = create ? begin_file(file) : check_schema(file, &tables);
    if (result != CLEW_OK || tables == 0)
        return result;
    result = prepare(file);
    return result == CLEW_OK ? take_stock(file) : result;
}

int clew__spool_file_open(struct clew__spool_file *file, const char *path, bool create) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
    int code, result;
    memset(file, 0, sizeof *file);
    code = sqlite3_open_v2(path, &file->db, flags, NULL);
    if (code != SQLITE_OK) {
        result = failed(file, code);
    } else {
        harden(file->db);
        result = set_up(file, create);
    }
    if (result != CLEW_OK) {
        int error = file->error;
        clew__spool_file_close(file);
        file->error = error;
    }
    return result;
}

void clew__spool_file_close(struct clew__spool_file *file) {
    sqlite3_finalize(file->insert);
    sqlite3_finalize(file->first);
    sqlite3_finalize(file->mark);
    sqlite3_finalize(file->remove);
    sqlite3_close_v2(file->db);
    memset(file, 0, sizeof *file);
}

/* ---- writing ---- */

static int64_t real_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NANO_PER_SECOND + now.tv_nsec;
}

/* Of all that must not change; whether it was tried does. */
static int64_t checksum(int64_t time, int64_t kind, int64_t spans, const void *request, size_t size) {
    const int64_t numbers[] = {time, kind, spans};
    uLong sum = crc32_z(crc32_z(0, NULL, 0), (const Bytef *)numbers, sizeof numbers);
    return (int64_t)crc32_z(sum, request, size);
}

static int insert(struct clew__spool_file *file, const struct clew__spool_item *item, int64_t id) {
    int64_t now = real_time(), spans = (int64_t)item->spans;
    int result;
    sqlite3_bind_int64(file->insert, 1, id);
    sqlite3_bind_int64(file->insert, 2, now);
    sqlite3_bind_int64(file->insert, 3, CLEW__SPOOL_TRACES);
    sqlite3_bind_int64(file->insert, 4, spans);
    sqlite3_bind_int64(file->insert, 5, item->tried);
    sqlite3_bind_int64(file->insert, 6,
                       checksum(now, CLEW__SPOOL_TRACES, spans, item->request.data, item->request.size));
    sqlite3_bind_blob64(file->insert, 7, item->request.data, item->request.size, SQLITE_STATIC);
    result = finish(file, file->insert);
    sqlite3_clear_bindings(file->insert);
    return result;
}

static int with_id(struct clew__spool_file *file, sqlite3_stmt *statement, int64_t id) {
    sqlite3_bind_int64(statement, 1, id);
    return finish(file, statement);
}

int clew__spool_file_append(struct clew__spool_file *file, const struct clew__spool_item *items, size_t count,
                            int64_t done) {
    int64_t id = file->last_id;
    uint64_t spans = 0;
    int result = run(file, "BEGIN IMMEDIATE");
    if (result == CLEW_OK && done)
        result = with_id(file, file->remove, done);
    for (size_t i = 0; i < count && result == CLEW_OK; i++) {
        result = insert(file, &items[i], ++id);
        spans += items[i].spans;
    }
    result = end(file, result);
    if (result == CLEW_OK) {
        file->last_id = id;
        file->waiting += spans;
        file->batches += count;
    }
    return result;
}

int clew__spool_file_advance(struct clew__spool_file *file, int64_t done, int64_t next) {
    int result = run(file, "BEGIN IMMEDIATE");
    if (result == CLEW_OK && done)
        result = with_id(file, file->remove, done);
    if (result == CLEW_OK && next)
        result = with_id(file, file->mark, next);
    return end(file, result);
}

/* ---- reading ---- */

int clew__spool_file_oldest(struct clew__spool_file *file, struct clew__spool_record *out) {
    int code, result = CLEW_OK;
    memset(out, 0, sizeof *out);
    if (!file->first || file->batches == 0)
        return CLEW_ESHUTDOWN;
    sqlite3_bind_int64(file->first, 1, file->read_to);
    code = sqlite3_step(file->first);
    if (code == SQLITE_ROW) {
        int64_t size = sqlite3_column_int64(file->first, 4);
        out->id = sqlite3_column_int64(file->first, 0);
        out->time_nano = sqlite3_column_int64(file->first, 1);
        out->spans = sane_spans(sqlite3_column_int64(file->first, 2));
        out->tried = sqlite3_column_int64(file->first, 3) != 0;
        out->size = size > 0 ? (size_t)size : 0;
    } else {
        result = code == SQLITE_DONE ? CLEW_ESHUTDOWN : failed(file, code);
    }
    sqlite3_reset(file->first);
    /* A damaged file has what was counted in it, and nothing behind that. */
    return result == CLEW_OK && out->id > file->last_id ? CLEW_ESHUTDOWN : result;
}

/* The number in a column of a batch that its checksum was made with. */
static int read_checked(struct clew__spool_file *file, const struct clew__spool_record *record, int64_t *kind,
                        int64_t *spans, int64_t *sum) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(file->db, "SELECT kind,spans,checksum FROM batch WHERE id=?1", -1,
                                  &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, record->id);
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        *kind = sqlite3_column_int64(statement, 0);
        *spans = sqlite3_column_int64(statement, 1);
        *sum = sqlite3_column_int64(statement, 2);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? CLEW_OK : failed(file, code == SQLITE_DONE ? SQLITE_CORRUPT : code);
}

static int read_request(struct clew__spool_file *file, struct clew__spool_record *record) {
    sqlite3_blob *blob = NULL;
    int code = sqlite3_blob_open(file->db, "main", "batch", "request", record->id, 0, &blob);
    if (code == SQLITE_OK && (size_t)sqlite3_blob_bytes(blob) != record->size)
        code = SQLITE_CORRUPT;
    if (code == SQLITE_OK)
        code = sqlite3_blob_read(blob, record->request, (int)record->size, 0);
    sqlite3_blob_close(blob);
    return code == SQLITE_OK ? CLEW_OK : failed(file, code);
}

int clew__spool_file_read(struct clew__spool_file *file, struct clew__spool_record *record) {
    int64_t kind = 0, spans = 0, sum = 0;
    int result;
    if (record->size == 0 || record->size > CLEW__SPOOL_REQUEST_MAX)
        return CLEW_EFORMAT;
    result = read_checked(file, record, &kind, &spans, &sum);
    if (result != CLEW_OK)
        return result;
    record->request = clew_charged_allocate(record->size);
    if (!record->request)
        return CLEW_ENOMEM;
    result = read_request(file, record);
    if (result == CLEW_OK && (kind != CLEW__SPOOL_TRACES || spans < 1 || (uint64_t)spans != record->spans ||
                              sum != checksum(record->time_nano, kind, spans, record->request, record->size)))
        result = CLEW_EFORMAT;
    if (result != CLEW_OK)
        clew__spool_record_free(record);
    return result;
}

void clew__spool_record_free(struct clew__spool_record *record) {
    clew_charged_release(record->request, record->size);
    record->request = NULL;
}

/* ---- room ---- */

static uint64_t pages_of(uint64_t bytes) {
    return (bytes + PAGE_SIZE - 1) / (PAGE_SIZE - 4) + PAGES_BESIDE;
}

static uint64_t free_pages(struct clew__spool_file *file) {
    int64_t pages = 0;
    return number(file, "PRAGMA freelist_count", &pages) == CLEW_OK && pages > 0 ? (uint64_t)pages : 0;
}

uint64_t clew__spool_file_growth(struct clew__spool_file *file, uint64_t bytes) {
    uint64_t pages = pages_of(bytes), unused = free_pages(file);
    return pages > unused ? (pages - unused) * PAGE_SIZE : 0;
}

uint64_t clew__spool_log_growth(uint64_t bytes) {
    return LOG_HEADER + pages_of(bytes) * (PAGE_SIZE + FRAME_HEADER);
}

int clew__spool_file_drop(struct clew__spool_file *file, uint64_t bytes, uint64_t *dropped) {
    uint64_t spans = 0, batches = 0;
    int result = run(file, "BEGIN IMMEDIATE");
    while (result == CLEW_OK && free_pages(file) < pages_of(bytes)) {
        struct clew__spool_record oldest;
        int found = clew__spool_file_oldest(file, &oldest);
        if (found == CLEW_ESHUTDOWN)
            break;
        result = found == CLEW_OK ? with_id(file, file->remove, oldest.id) : found;
        spans += oldest.spans;
        batches++;
    }
    result = end(file, result);
    if (result != CLEW_OK)
        return result;
    file->waiting -= spans < file->waiting ? spans : file->waiting;
    file->batches -= batches < file->batches ? batches : file->batches;
    *dropped += spans;
    return CLEW_OK;
}

int clew__spool_file_compact(struct clew__spool_file *file, bool shrink) {
    int result = shrink ? run(file, "PRAGMA incremental_vacuum") : CLEW_OK;
    int code;
    if (result != CLEW_OK)
        return result;
    code = sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? CLEW_OK : failed(file, code);
}

bool clew__spool_file_is_airy(struct clew__spool_file *file) {
    int64_t pages = 0;
    uint64_t unused = free_pages(file);
    return unused > FREE_PAGES_WORTH && number(file, "PRAGMA page_count", &pages) == CLEW_OK &&
           unused > (uint64_t)pages / 2;
}
