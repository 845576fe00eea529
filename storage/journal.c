/* storage/journal.c: group commit of one core.
 *
 * WHY      64 logs with a sync each cost 64 times the latency of one; and a sync of a file that neither grows
 *          nor changes its extents is nearly twice as fast. So everything of a turn goes into one group
 *          of one file, which is reserved as a whole when it is made and written over later.
 * ORDER    A file's header is synced before its first group is written: what a scan finds is an old use,
 *          whole, or the new one. Each group begins in a fresh block, so that no acknowledged sector is ever
 *          written again.
 * AHEAD    The first write into a block of a file changes the file's size or its extents, so the sync must write
 *          those as well. Small groups would pay that each time: one that comes into new blocks writes
 *          zeroes behind itself, and the next hundreds only write over them. A scan takes zeroes for the end.
 * FILES    used (oldest first, the last is the current one) -> journal_recycle() -> spare -> used. A file made
 *          larger for one huge group, and one that failed, is removed instead.
 *          Older spare files go before one that is removed, and each header says which generations still
 *          matter, so a scan never finds a hole between two files that do.
 * ROOM     journal_wants() promises that journal_begin() will find a file: what is added always fits
 *          into the rest of the current file, a spare one, or one that may still be made.
 * FAILURE  A group whose write failed may be on disk or not. Its sequence number is not used again, and the
 *          next file's header says which number was the last durable one.
 */
#include "storage/journal.h"

#include "base/mem.h"

#include <stdio.h>

enum {
    BUFFER_BYTES_MIN = 16 << 10,
    BUFFER_BYTES_IDLE = 256 << 10,
    AHEAD_BYTES = 1 << 20, /* files grow to multiples of this */
    AHEAD_GROUP_BYTES_MAX = 128 << 10,
    ZEROES_BYTES = 64 << 10,
};

void journal_init(struct journal *j, struct env *env, const char *dir, uint32_t core,
                  uint64_t incarnation)
{
    *j = (struct journal){.env = env,
                          .dir = dir,
                          .core = core,
                          .incarnation = incarnation,
                          .bytes_max = (uint64_t)8 * JOURNAL_FILE_BYTES,
                          .file_bytes = JOURNAL_FILE_BYTES,
                          .number_next = 1,
                          .generation_next = 1,
                          .sequence_next = 1};
    list_init(&j->used);
    list_init(&j->spare);
    list_init(&j->gone);
}

static struct journal_file *file_of(struct list_link *link)
{
    return link == NULL ? NULL : CONTAINER_OF(link, struct journal_file, link);
}

void journal_close(struct journal *j)
{
    struct list *all[] = {&j->used, &j->spare, &j->gone};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        list_for_each (all[i], link) {
            struct journal_file *f = file_of(link);

            if (f->file >= 0) {
                (void)env_close(j->env, f->file);
                f->file = -1;
            }
        }
    }
}

void journal_deinit(struct journal *j)
{
    list_for_each (&j->used, link) {
        mem_free(file_of(link));
    }
    list_for_each (&j->spare, link) {
        mem_free(file_of(link));
    }
    list_for_each (&j->gone, link) {
        mem_free(file_of(link));
    }
    mem_free(j->open.at);
    mem_free(j->flying.at);
    mem_free(j->header);
    *j = (struct journal){0};
}

void journal_path(const struct journal *j, uint64_t number, char out[ENV_PATH_BYTES])
{
    (void)snprintf(out, ENV_PATH_BYTES, "%s/%" PRIu64 "-%" PRIu32 "-%" PRIu64 ".journal", j->dir,
                   j->incarnation, j->core, number);
}

/* -- room -- */

static struct journal_file *spare_for(const struct journal *j, uint64_t need)
{
    list_for_each (&j->spare, link) {
        if (file_of(link)->bytes - JOURNAL_BLOCK_BYTES >= need) {
            return file_of(link);
        }
    }
    return NULL;
}

static uint64_t bytes_of_new(const struct journal *j, uint64_t need)
{
    return MAX(j->file_bytes, JOURNAL_BLOCK_BYTES + need);
}

static bool fits(const struct journal *j, uint64_t need)
{
    return (j->current != NULL && j->position + need <= j->current->bytes) ||
           spare_for(j, need) != NULL || journal_used(j) + bytes_of_new(j, need) <= j->bytes_max ||
           list_empty(&j->used);
}

static size_t open_len(const struct journal *j)
{
    return j->open.entry_count == 0 ? JOURNAL_GROUP_HEADER_BYTES : j->open.len;
}

static bool group_takes(const struct journal *j, size_t payload)
{
    return j->open.entry_count == 0 ||
           open_len(j) + journal_entry_bytes(payload) <= JOURNAL_GROUP_BYTES_MAX;
}

bool journal_wants(struct journal *j, size_t payload)
{
    if (!group_takes(j, payload)) {
        return false; /* the next group will */
    }
    bool room = fits(j, journal_padded(open_len(j) + journal_entry_bytes(payload)));
    j->wanted = j->wanted || !room;
    return room;
}

static enum err buffer_reserve(struct journal_buffer *b, size_t need)
{
    if (need <= b->room) {
        return OK;
    }
    size_t room = MAX(b->room, (size_t)BUFFER_BYTES_MIN);
    while (room < need) {
        room *= 2;
    }
    uint8_t *at = mem_pages(room);
    if (at == NULL) {
        return fail(ERR_NOMEM, "a journal buffer of %zu bytes", room);
    }
    if (b->len > 0) {
        memcpy(at, b->at, b->len);
    }
    mem_free(b->at);
    b->at = at;
    b->room = room;
    return OK;
}

enum err journal_add(struct journal *j, const struct journal_entry *entry)
{
    size_t bytes = journal_entry_bytes(entry->payload.len);
    size_t len = open_len(j);

    if (entry->payload.len > JOURNAL_PAYLOAD_BYTES_MAX) {
        return fail(ERR_LIMIT, "an append of %zu bytes", entry->payload.len);
    }
    if (!journal_wants(j, entry->payload.len)) {
        return ERR_LIMIT;
    }
    TRY(buffer_reserve(&j->open, journal_padded(len + bytes)));
    j->open.entries_crc = journal_entry_write(j->open.at + len, entry,
                                              j->open.entry_count == 0 ? 0 : j->open.entries_crc);
    j->open.len = len + bytes;
    j->open.entry_count++;
    return OK;
}

/* -- a group's way to the disk -- */

static void discard(struct journal *j, struct journal_file *f)
{
    j->bytes -= f->bytes;
    list_add_last(&j->gone, &f->link);
}

/* Files are removed oldest first, so that a scan never misses one between two others. */
static void discard_spares(struct journal *j)
{
    while (!list_empty(&j->spare)) {
        discard(j, file_of(list_take(&j->spare)));
    }
}

/* Spare files make way for it. */
static struct journal_file *file_new(struct journal *j, uint64_t bytes)
{
    struct journal_file *f = mem_zalloc(1, sizeof(*f));

    while (f != NULL && j->bytes + bytes > j->bytes_max && !list_empty(&j->spare)) {
        discard(j, file_of(list_take(&j->spare)));
    }

    if (f != NULL) {
        f->number = j->number_next++;
        f->bytes = bytes;
        f->file = -1;
        j->bytes += bytes;
    }
    return f;
}

/* Makes a file the current one that takes `need` bytes; its header is to be written. */
static enum err next_file(struct journal *j, uint64_t need)
{
    struct journal_file *f = spare_for(j, need);

    if (j->header == NULL && (j->header = mem_pages(JOURNAL_BLOCK_BYTES)) == NULL) {
        return fail(ERR_NOMEM, "a page for journal headers");
    }
    if (f != NULL) {
        list_remove(&j->spare, &f->link);
    } else {
        f = file_new(j, bytes_of_new(j, need));
    }
    if (f == NULL) {
        return fail(ERR_NOMEM, "a journal file's state");
    }
    f->generation = j->generation_next++;
    f->salt = env_random(j->env);
    list_add_last(&j->used, &f->link);
    j->current = f;
    j->position = JOURNAL_BLOCK_BYTES;

    struct list_link *oldest = list_first(&j->used);

    ASSERT(oldest != NULL);
    journal_file_header_write(
        j->header, &(struct journal_file_header){.incarnation = j->incarnation,
                                                 .core = j->core,
                                                 .number = f->number,
                                                 .generation = f->generation,
                                                 .first_sequence = j->sequence_next,
                                                 .durable_before = j->sequence_durable,
                                                 .live_from = file_of(oldest)->generation,
                                                 .salt = f->salt});
    return OK;
}

/* Zeroes to write behind a group of `len` that ends at `end`. */
static size_t ahead_of(const struct journal_file *f, uint64_t end, size_t len)
{
    uint64_t upto = MIN((end + AHEAD_BYTES - 1) / AHEAD_BYTES * AHEAD_BYTES, f->bytes);

    return end <= f->written || len > AHEAD_GROUP_BYTES_MAX ? 0 : (size_t)(upto - end);
}

enum err journal_begin(struct journal *j, bool *begun)
{
    size_t need = journal_padded(j->open.len);
    bool fresh = false;

    *begun = false;
    if (j->busy || j->open.entry_count == 0 || !fits(j, need)) {
        return OK;
    }
    if (j->current == NULL || j->position + need > j->current->bytes) {
        TRY(next_file(j, need));
        fresh = true;
    }
    struct journal_buffer b = j->flying;
    j->flying = j->open;
    j->open = b;
    j->open.len = 0;
    j->open.entry_count = 0;
    memset(j->flying.at + j->flying.len, 0, need - j->flying.len);
    journal_group_seal(j->flying.at,
                       &(struct journal_group){.salt = j->current->salt,
                                               .generation = j->current->generation,
                                               .sequence = j->sequence_next++,
                                               .core = j->core,
                                               .entry_count = j->flying.entry_count,
                                               .bytes = (uint32_t)j->flying.len},
                       j->flying.entries_crc);
    j->write = (struct journal_write){.env = j->env,
                                      .file = j->current->file,
                                      .create = j->current->file < 0,
                                      .header = fresh ? j->header : NULL,
                                      .reserve = j->current->bytes,
                                      .group = j->flying.at,
                                      .len = need,
                                      .ahead = ahead_of(j->current, j->position + need, need),
                                      .position = j->position};
    (void)snprintf(j->write.dir, sizeof(j->write.dir), "%s", j->dir);
    journal_path(j, j->current->number, j->write.path);
    j->position += need;
    j->current->written = MAX(j->current->written, j->position + j->write.ahead);
    j->busy = true;
    *begun = true;
    return OK;
}

/* A file that cannot be made whole is not left behind: its space may be what is missing. */
static enum err create(struct journal_write *w)
{
    TRY(env_open(w->env, w->path,
                 ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE | ENV_OPEN_DIRECT,
                 &w->file));
    enum err e = env_allocate(w->env, w->file, 0, w->reserve);
    if (e != OK) {
        (void)env_close(w->env, w->file);
        w->file = -1;
        (void)env_unlink(w->env, w->path);
    }
    return e;
}

/* The group, and zeroes behind it as far as there is memory for them. */
static enum err write_group(const struct journal_write *w)
{
    struct env_slice slices[1 + AHEAD_BYTES / ZEROES_BYTES] = {
        {(uint8_t *)(uintptr_t)w->group, w->len}};
    size_t ahead = w->ahead;
    uint8_t *zeroes = ahead == 0 ? NULL : mem_pages(ZEROES_BYTES);
    int count = 1;

    if (zeroes != NULL) {
        memset(zeroes, 0, ZEROES_BYTES);
        for (; ahead > 0; count++) {
            slices[count] = (struct env_slice){zeroes, MIN(ahead, (size_t)ZEROES_BYTES)};
            ahead -= slices[count].len;
        }
    }
    enum err e = env_write(w->env, w->file, slices, count, w->position);
    mem_free(zeroes);
    return e;
}

enum err journal_write(struct journal_write *w)
{
    if (w->create) {
        TRY(create(w));
    }
    if (w->header != NULL) {
        TRY(env_write(w->env, w->file, &(struct env_slice){w->header, JOURNAL_BLOCK_BYTES}, 1, 0));
        TRY(env_sync(w->env, w->file));
    }
    if (w->create) {
        TRY(env_sync_dir(w->env, w->dir));
    }
    TRY(write_group(w));
    return env_sync(w->env, w->file);
}

void journal_end(struct journal *j)
{
    ASSERT(j->busy);
    j->busy = false;
    j->current->file = j->write.file;
    j->sequence_durable = j->sequence_next - 1;
    if (j->flying.room > BUFFER_BYTES_IDLE && j->flying.len < j->flying.room / 4) {
        mem_free(j->flying.at);
        j->flying = (struct journal_buffer){0};
    }
    j->flying.len = 0;
}

void journal_fail(struct journal *j)
{
    if (j->current != NULL) {
        if (j->busy) {
            j->current->file = j->write.file;
        }
        j->current->retired = true;
    }
    j->current = NULL;
    j->busy = false;
    j->open.len = j->flying.len = 0;
    j->open.entry_count = 0;
    j->wanted = false;
}

/* -- reuse -- */

void journal_recycle(struct journal *j, uint64_t below, bool current_too)
{
    j->wanted = false;
    list_for_each (&j->used, link) {
        struct journal_file *f = file_of(link);

        if (f->generation >= below ||
            (f == j->current && (j->busy || j->open.entry_count > 0 || !current_too))) {
            continue;
        }
        list_remove(&j->used, link);
        if (f == j->current) {
            j->current = NULL;
        }
        if (f->retired || f->file < 0 || f->bytes != j->file_bytes) {
            discard_spares(j);
            discard(j, f);
        } else {
            list_add_last(&j->spare, link);
        }
    }
}

uint64_t journal_used(const struct journal *j)
{
    uint64_t sum = 0;

    list_for_each (&j->used, link) {
        sum += file_of(link)->bytes;
    }
    return sum;
}

static bool buffer_shrink(struct journal_buffer *b)
{
    bool held = b->at != NULL;

    mem_free(b->at);
    *b = (struct journal_buffer){0};
    return held;
}

bool journal_shrink(struct journal *j)
{
    if (j->busy || j->open.entry_count > 0) {
        return false;
    }
    bool open = buffer_shrink(&j->open), flying = buffer_shrink(&j->flying);

    return open || flying;
}
