/* storage/recovery.c: a node's start: the journals of all earlier starts, and what goes when all logs are open.
 *
 * STEPS    1 lock the directory  2 order the journal files by (incarnation, core, sequence) and read their groups;
 *          remember where each log's entries lie, not their bytes  3 plog_open() redoes each log  4 in the
 *          background: sync everything, remove the old journals oldest first, remove stray directories. A crash before
 *          the end of 4 finds the old journals again and those of this start behind them.
 * ORDER    Within an incarnation a log has one core, so its entries are in one journal; the incarnations
 *          follow each other. Cores may be as many as they like this time.
 * DAMAGE   Groups are synced one by one. So a bad group before a good one of the same use, a file that ends
 *          before what its successor's header calls durable, and a header that does not verify before good
 *          groups are damage. The good groups are used; the file is kept as .damaged; the logs notice gaps
 *          by their positions. What only the bad group named cannot be known: the report says so.
 */
#include "storage/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMES_BYTES_MAX = 256 << 20, PIECE_BYTES = 1 << 20, ENTRIES_FIRST = 8 };

static const char journal_suffix[] = ".journal";

/* -- maps of logs -- */

static bool key_matches(const struct map_link *link, const void *key)
{
    return plog_key_equal(&CONTAINER_OF(link, struct recovered_log, link)->key, key);
}

static struct recovered_log *log_find(const struct map *m, const struct plog_key *key)
{
    struct map_link *link = map_find(m, plog_key_hash(key), key_matches, key);

    return link == NULL ? NULL : CONTAINER_OF(link, struct recovered_log, link);
}

static struct recovered_log *log_get(struct map *m, const struct plog_key *key)
{
    struct recovered_log *l = log_find(m, key);

    if (l == NULL && (l = mem_zalloc(1, sizeof(*l))) != NULL) {
        l->key = *key;
        map_add(m, plog_key_hash(key), &l->link);
    }
    return l;
}

static void map_free(struct map *m)
{
    map_for_each(m, link)
    {
        struct recovered_log *l = CONTAINER_OF(link, struct recovered_log, link);

        map_remove(m, link);
        mem_free(l->entries);
        mem_free(l);
    }
    map_deinit(m);
}

struct recovered_log *recovery_log(const struct store_recovery *r, const struct plog_key *key)
{
    return log_find(&r->logs, key);
}

enum err recovery_known(struct store_recovery *r, const struct plog_key *key)
{
    return log_get(&r->known, key) == NULL ? fail(ERR_NOMEM, "a log's key") : OK;
}

/* -- reading journals -- */

/* "<incarnation>-<core>-<n>.journal" */
static bool parse_name(const char *name, uint64_t *incarnation)
{
    const char *dash = strchr(name, '-');
    size_t len = strlen(name);
    int64_t n;

    if (dash == NULL || len >= sizeof(((struct recovered_file *)0)->name) ||
        len < sizeof(journal_suffix) ||
        strcmp(name + len - (sizeof(journal_suffix) - 1), journal_suffix) != 0 ||
        bytes_to_i64((struct bytes){(const uint8_t *)name, (size_t)(dash - name)}, &n) != OK ||
        n < 0) {
        return false;
    }
    *incarnation = (uint64_t)n;
    return true;
}

static enum err file_add(struct store_recovery *r, const struct recovered_file *f)
{
    if (r->file_count == r->file_cap) {
        uint32_t cap = MAX(r->file_cap * 2, 16U);
        struct recovered_file *at = mem_realloc(r->files, cap * sizeof(*at));

        if (at == NULL) {
            return fail(ERR_NOMEM, "journal files");
        }
        r->files = at;
        r->file_cap = cap;
    }
    r->files[r->file_count++] = *f;
    return OK;
}

static enum err entry_add(struct store_recovery *r, const struct recovered_entry *entry,
                          const struct plog_key *key)
{
    struct recovered_log *l = log_get(&r->logs, key);

    if (l != NULL && l->count == l->cap) {
        size_t cap = MAX(l->cap * 2, (size_t)ENTRIES_FIRST);
        struct recovered_entry *at = mem_realloc(l->entries, cap * sizeof(*at));

        if (at != NULL) {
            l->entries = at;
            l->cap = cap;
        }
    }
    if (l == NULL || l->count == l->cap) {
        return fail(ERR_NOMEM, "journal entries");
    }
    l->entries[l->count++] = *entry;
    return OK;
}

struct journal_scan {
    struct store_recovery *r;
    struct recovered_file *file;
    uint32_t index; /* of file */
    int handle;
    uint64_t size, position, generation, expected;
    struct buf piece;
};

/* All entries of a good group. `from`: where its entries lie in the file. */
static enum err take_group(struct journal_scan *c, const struct journal_group *g)
{
    struct bytes rest = g->entries;
    struct journal_entry e;
    enum err err;

    while ((err = journal_entry_next(&rest, &e)) == OK) {
        uint64_t after = (uint64_t)(rest.at - g->entries.at);
        struct recovered_entry entry = {.kind = e.kind,
                                        .file = c->index,
                                        .len = (uint32_t)e.payload.len,
                                        .at = c->position + JOURNAL_GROUP_HEADER_BYTES +
                                              (rest.len == 0 ? g->entries.len : after) -
                                              e.payload.len,
                                        .segment_base = e.segment_base,
                                        .offset = e.offset,
                                        .position = e.position};

        TRY(entry_add(c->r, &entry, &(struct plog_key){e.topic_id, e.partition}));
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

/* The group at c->position, read whole. ERR_CORRUPT: none. */
static enum err read_group(struct journal_scan *c, struct journal_group *out)
{
    size_t want = JOURNAL_BLOCK_BYTES, got;
    enum err e = ERR_AGAIN;

    while (e == ERR_AGAIN) {
        if (want > c->size - c->position) {
            return ERR_CORRUPT;
        }
        buf_reset(&c->piece);
        TRY(buf_reserve(&c->piece, want));
        TRY(env_read(c->r->env, c->handle, c->piece.at, want, c->position, &got));
        e = got < want ? ERR_CORRUPT : journal_group_read((struct bytes){c->piece.at, got}, out);
        if (e == ERR_AGAIN && out->bytes <= want) {
            return ERR_CORRUPT;
        }
        want = e == ERR_AGAIN ? journal_padded(out->bytes) : want;
    }
    return e;
}

static bool is_of_use(const struct journal_scan *c, const struct journal_group *g)
{
    return g->salt == c->file->salt && g->core == c->file->core && g->generation == c->generation &&
           g->sequence >= c->expected;
}

/* Every good group of this use. One after a bad one shows that the bad one was acknowledged. */
static enum err scan_groups(struct journal_scan *c)
{
    struct journal_group g;
    bool gap = false;

    c->position = JOURNAL_BLOCK_BYTES;
    while (c->position + JOURNAL_BLOCK_BYTES <= c->size) {
        enum err e = read_group(c, &g);

        if (e != OK && e != ERR_CORRUPT) {
            return e;
        }
        if (e != OK || !is_of_use(c, &g)) {
            gap = true;
            c->position += JOURNAL_BLOCK_BYTES;
            continue;
        }
        c->file->damaged = c->file->damaged || gap || g.sequence != c->expected;
        e = take_group(c, &g);
        if (e == ERR_CORRUPT) {
            c->file->damaged = true;
        } else if (e != OK) {
            return e;
        }
        c->file->last_sequence = g.sequence;
        c->expected = g.sequence + 1;
        c->position += journal_padded(g.bytes);
    }
    return OK;
}

static enum err open_journal(struct journal_scan *c, const char *name)
{
    char path[ENV_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%.900s/%.100s", c->r->journal_dir, name);
    TRY(env_open(c->r->env, path, ENV_OPEN_READ, &c->handle));
    enum err e = env_size(c->r->env, c->handle, &c->size);
    if (e != OK) {
        (void)env_close(c->r->env, c->handle);
    }
    return e;
}

static enum err read_header(struct journal_scan *c, struct journal_file_header *h)
{
    size_t got;

    TRY(buf_reserve(&c->piece, JOURNAL_BLOCK_BYTES));
    TRY(env_read(c->r->env, c->handle, c->piece.at, JOURNAL_BLOCK_BYTES, 0, &got));
    return journal_file_header_read((struct bytes){c->piece.at, got}, h);
}

/* Notes a file by its header. One that was never written is empty; a damaged header is reported. */
static enum err note_file(struct store_recovery *r, const char *name, uint64_t incarnation)
{
    struct journal_scan c = {.r = r};
    struct journal_file_header h = {0};
    struct recovered_file f = {.incarnation = incarnation};

    (void)snprintf(f.name, sizeof(f.name), "%s", name);
    buf_init(&c.piece, SIZE_MAX / 2);
    TRY(open_journal(&c, name));
    enum err e = read_header(&c, &h);
    enum err closed = env_close(r->env, c.handle);
    buf_deinit(&c.piece);
    if (e == ERR_CORRUPT) {
        f.damaged = true;
    } else if (e == OK) {
        f.incarnation = h.incarnation;
        f.core = h.core;
        f.first_sequence = h.first_sequence;
        f.durable_before = h.durable_before;
        f.last_sequence = h.first_sequence - 1;
        f.generation = h.generation;
        f.salt = h.salt;
        f.live_from = h.live_from;
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    TRY(closed);
    r->incarnation = MAX(r->incarnation, MAX(incarnation, f.incarnation) + 1);
    return file_add(r, &f);
}

static enum err scan_file(struct store_recovery *r, uint32_t index)
{
    struct recovered_file *f = &r->files[index];
    struct journal_scan c = {.r = r,
                             .file = f,
                             .index = index,
                             .generation = f->generation,
                             .expected = f->first_sequence};

    if (f->generation == 0) {
        return OK; /* never used, not needed any more, or its header is damaged */
    }
    buf_init(&c.piece, SIZE_MAX / 2);
    TRY(open_journal(&c, f->name));
    enum err e = scan_groups(&c);
    enum err closed = env_close(r->env, c.handle);
    buf_deinit(&c.piece);
    return e != OK ? e : closed;
}

static int compare_files(const void *a, const void *b)
{
    const struct recovered_file *x = a, *y = b;

    if (x->incarnation != y->incarnation) {
        return x->incarnation < y->incarnation ? -1 : 1;
    }
    if (x->core != y->core) {
        return x->core < y->core ? -1 : 1;
    }
    return x->first_sequence == y->first_sequence
               ? strcmp(x->name, y->name)
               : (x->first_sequence < y->first_sequence ? -1 : 1);
}

/* A successor knows how far its predecessor was durable. */
static void check_ends(struct store_recovery *r)
{
    struct recovered_file *before = NULL;

    for (uint32_t i = 0; i < r->file_count; i++) {
        struct recovered_file *f = &r->files[i];

        if (f->generation == 0) {
            continue;
        }
        if (before != NULL && before->incarnation == f->incarnation && before->core == f->core &&
            before->last_sequence < f->durable_before) {
            before->damaged = true;
        }
        before = f;
    }
    for (uint32_t i = 0; i < r->file_count; i++) {
        if (r->files[i].damaged) {
            r->damaged_count++;
            log_error(
                "a journal file is damaged; its good entries are used, and records that only its "
                "bad "
                "ones held are lost",
                "file=%s/%s", r->journal_dir, r->files[i].name);
        }
    }
}

/* What the newest header of a journal says is no longer needed is not read. */
static void skip_obsolete(struct store_recovery *r)
{
    uint64_t live_from = 0;

    for (uint32_t i = r->file_count; i > 0; i--) {
        struct recovered_file *f = &r->files[i - 1];
        const struct recovered_file *after = i == r->file_count ? f : &r->files[i];

        if (after->incarnation != f->incarnation || after->core != f->core) {
            live_from = 0;
        }
        live_from = MAX(live_from, f->live_from);
        f->generation = f->generation < live_from ? 0 : f->generation;
    }
}

static enum err read_journals(struct store_recovery *r)
{
    struct buf names;
    enum err e;

    buf_init(&names, NAMES_BYTES_MAX);
    e = env_list(r->env, r->journal_dir, &names);
    for (size_t at = 0; e == OK && at < names.len; at += strlen((const char *)names.at + at) + 1) {
        const char *name = (const char *)names.at + at;
        uint64_t incarnation;

        if (parse_name(name, &incarnation)) {
            e = note_file(r, name, incarnation);
        }
    }
    buf_deinit(&names);
    if (r->file_count > 0) {
        qsort(r->files, r->file_count, sizeof(*r->files), compare_files);
    }
    skip_obsolete(r);
    for (uint32_t i = 0; e == OK && i < r->file_count; i++) {
        e = scan_file(r, i);
    }
    if (e == OK) {
        check_ends(r);
    }
    return e;
}

enum err recovery_payload(struct store_recovery *r, const struct recovered_entry *entry,
                          struct buf *out)
{
    struct journal_scan c = {.r = r};
    size_t got;

    if (r->open_file < 0 || r->open_index != entry->file) {
        if (r->open_file >= 0) {
            (void)env_close(r->env, r->open_file);
            r->open_file = -1;
        }
        TRY(open_journal(&c, r->files[entry->file].name));
        r->open_file = c.handle;
        r->open_index = entry->file;
    }
    TRY(buf_reserve(out, entry->len));
    TRY(env_read(r->env, r->open_file, out->at + out->len, entry->len, entry->at, &got));
    if (got < entry->len) {
        return fail(ERR_IO, "a journal became shorter");
    }
    out->len += got;
    return OK;
}

/* -- begin -- */

/* The directory that holds the data directory: a name is durable when its directory is synced, and that goes for
 * the data directory's own name, too. */
static void parent_of(const char *path, char out[ENV_PATH_BYTES])
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    (void)snprintf(out, ENV_PATH_BYTES, "%.*s", len == 0 ? 1 : (int)len, len == 0 ? "." : path);
}

/* A data directory whose parents are missing: all of them, each durable in its own. */
static enum err make_path(struct env *env, const char *path)
{
    char part[ENV_PATH_BYTES], parent[ENV_PATH_BYTES];

    for (size_t at = 1; path[at - 1] != 0; at++) {
        if (path[at] != '/' && path[at] != 0) {
            continue;
        }
        (void)snprintf(part, sizeof(part), "%.*s", (int)at, path);
        parent_of(part, parent);
        TRY(env_mkdir(env, part));
        TRY(env_sync_dir(env, parent));
    }
    return OK;
}

static enum err make_dirs(struct store_recovery *r)
{
    char topics[ENV_PATH_BYTES], parent[ENV_PATH_BYTES];

    (void)snprintf(topics, sizeof(topics), "%.900s/topics", r->data_dir);
    parent_of(r->data_dir, parent);
    enum err made = env_mkdir(r->env, r->data_dir);
    TRY(made == ERR_NOT_FOUND ? make_path(r->env, r->data_dir) : made);
    TRY(env_sync_dir(r->env, parent));
    char lock[ENV_PATH_BYTES];
    (void)snprintf(lock, sizeof(lock), "%.900s/lock", r->data_dir);
    TRY(env_lock(r->env, lock, &r->lock));
    TRY(env_mkdir(r->env, r->journal_dir));
    TRY(env_mkdir(r->env, topics));
    return env_sync_dir(r->env, r->data_dir);
}

enum err store_recover(struct env *env, const char *data_dir, struct store_recovery **out)
{
    struct store_recovery *r = mem_zalloc(1, sizeof(*r));

    if (r == NULL) {
        return fail(ERR_NOMEM, "the state of a start");
    }
    r->env = env;
    r->lock = r->open_file = -1;
    r->incarnation = 1;
    enum err e = strlen(data_dir) < ENV_PATH_BYTES / 2
                     ? OK
                     : fail(ERR_USAGE, "a data directory's name is too long");
    if (e == OK) {
        (void)snprintf(r->data_dir, sizeof(r->data_dir), "%s", data_dir);
        (void)snprintf(r->journal_dir, sizeof(r->journal_dir), "%.900s/journal", data_dir);
        e = make_dirs(r);
    }
    if (e == OK) {
        e = read_journals(r);
    }
    if (e != OK) {
        store_recover_free(r);
        return e;
    }
    *out = r;
    return OK;
}

enum err recovery_join(struct store_recovery *r, struct store *s)
{
    if (r->store_count == RECOVERY_STORES_MAX) {
        return fail(ERR_LIMIT, "more than %d cores", RECOVERY_STORES_MAX);
    }
    if (r->store_count == 0) {
        s->lock = r->lock;
        r->lock = -1;
    }
    r->stores[r->store_count++] = s;
    return OK;
}

void recovery_leave(struct store_recovery *r, struct store *s)
{
    for (int i = 0; r != NULL && i < r->store_count; i++) {
        if (r->stores[i] == s) {
            r->stores[i] = r->stores[--r->store_count];
        }
    }
}

void store_recover_free(struct store_recovery *r)
{
    if (r == NULL) {
        return;
    }
    for (int i = 0; i < r->store_count; i++) {
        r->stores[i]->recovery = NULL;
    }
    if (r->open_file >= 0) {
        (void)env_close(r->env, r->open_file);
    }
    if (r->lock >= 0) {
        (void)env_close(r->env, r->lock);
    }
    map_free(&r->logs);
    map_free(&r->known);
    mem_free(r->files);
    mem_free(r);
}

/* -- end -- */

struct end_job {
    struct store_job job;
    struct env *env;
    char data_dir[ENV_PATH_BYTES], journal_dir[ENV_PATH_BYTES];
    struct buf journals; /* names, oldest first, each with a NUL */
    struct buf damaged;
    struct buf strays; /* directories */
};

static enum err name_add(struct buf *b, const char *name)
{
    return buf_add(b, (struct bytes){(const uint8_t *)name, strlen(name) + 1});
}

/* "<topic id>-<partition>" */
static bool parse_dir(const char *name, struct plog_key *key)
{
    struct bytes n = bytes_of(name);
    int64_t partition;

    if (n.len < UUID_TEXT_BYTES + 2 || name[UUID_TEXT_BYTES] != '-' ||
        uuid_parse(bytes_slice(n, 0, UUID_TEXT_BYTES), &key->topic_id) != OK ||
        bytes_to_i64(bytes_slice(n, UUID_TEXT_BYTES + 1, SIZE_MAX), &partition) != OK ||
        partition < 0 || partition > INT32_MAX) {
        return false;
    }
    key->partition = (int32_t)partition;
    return true;
}

static enum err find_strays_of(const struct store_recovery *r, const char *topic,
                               struct buf *strays)
{
    char path[ENV_PATH_BYTES];
    struct plog_key key;
    struct buf names;

    buf_init(&names, NAMES_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%.600s/topics/%.300s", r->data_dir, topic);
    enum err e = env_list(r->env, path, &names);
    for (size_t at = 0; e == OK && at < names.len; at += strlen((const char *)names.at + at) + 1) {
        const char *name = (const char *)names.at + at;

        if (parse_dir(name, &key) && log_find(&r->known, &key) == NULL) {
            (void)snprintf(path, sizeof(path), "%.600s/topics/%.250s/%.100s", r->data_dir, topic,
                           name);
            e = name_add(strays, path);
        }
    }
    buf_deinit(&names);
    return e;
}

static enum err find_strays(const struct store_recovery *r, struct buf *strays)
{
    char path[ENV_PATH_BYTES];
    struct buf topics;

    buf_init(&topics, NAMES_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%.900s/topics", r->data_dir);
    enum err e = env_list(r->env, path, &topics);
    for (size_t at = 0; e == OK && at < topics.len;
         at += strlen((const char *)topics.at + at) + 1) {
        e = find_strays_of(r, (const char *)topics.at + at, strays);
    }
    buf_deinit(&topics);
    return e;
}

static enum err sync_data(struct env *env, const char *data_dir)
{
    char path[ENV_PATH_BYTES];
    int file;

    (void)snprintf(path, sizeof(path), "%.900s/lock", data_dir);
    TRY(env_open(env, path, ENV_OPEN_READ, &file));
    enum err e = env_sync_all(env, file);
    enum err closed = env_close(env, file);
    return e != OK ? e : closed;
}

static enum err journals_go(struct env *env, const struct end_job *x)
{
    char path[ENV_PATH_BYTES], kept[ENV_PATH_BYTES];

    for (size_t at = 0; at < x->journals.len; at += strlen((const char *)x->journals.at + at) + 1) {
        (void)snprintf(path, sizeof(path), "%.900s/%.100s", x->journal_dir,
                       (const char *)x->journals.at + at);
        TRY(env_unlink(env, path));
    }
    for (size_t at = 0; at < x->damaged.len; at += strlen((const char *)x->damaged.at + at) + 1) {
        (void)snprintf(path, sizeof(path), "%.900s/%.100s", x->journal_dir,
                       (const char *)x->damaged.at + at);
        (void)snprintf(kept, sizeof(kept), "%.1000s.damaged", path);
        TRY(env_rename(env, path, kept));
    }
    return env_sync_dir(env, x->journal_dir);
}

static enum err end_steps(struct env *env, const struct end_job *x)
{
    if (x->journals.len + x->damaged.len > 0) {
        TRY(sync_data(env, x->data_dir));
        TRY(journals_go(env, x));
    }
    for (size_t at = 0; at < x->strays.len; at += strlen((const char *)x->strays.at + at) + 1) {
        (void)remove_dir(env, (const char *)x->strays.at + at); /* found again by the next start */
    }
    return OK;
}

static void end_work(struct store_job *j)
{
    j->err = end_steps(j->env, CONTAINER_OF(j, struct end_job, job));
}

static void end_drop(struct store_job *j)
{
    struct end_job *x = CONTAINER_OF(j, struct end_job, job);

    buf_deinit(&x->journals);
    buf_deinit(&x->damaged);
    buf_deinit(&x->strays);
    mem_free(x);
}

static void end_done(struct store *s, struct store_job *j)
{
    if (j->err != OK) {
        store_flush_failed(s, ERR_IO); /* the old journals are still there for the next start */
    }
    end_drop(j);
}

static enum err end_fill(const struct store_recovery *r, struct end_job *x)
{
    for (uint32_t i = 0; i < r->file_count; i++) {
        TRY(name_add(r->files[i].damaged ? &x->damaged : &x->journals, r->files[i].name));
    }
    if (!r->metadata_seen) {
        log_debug("no metadata: stray directories stay", "dir=%s", r->data_dir);
        return OK;
    }
    return find_strays(r, &x->strays);
}

enum err store_recover_end(struct store_recovery *r)
{
    struct end_job *x = mem_zalloc(1, sizeof(*x));
    enum err e = OK;

    if (x == NULL) {
        store_recover_free(r);
        return fail(ERR_NOMEM, "the end of a start");
    }
    x->job = (struct store_job){.work = end_work, .done = end_done, .drop = end_drop};
    (void)snprintf(x->data_dir, sizeof(x->data_dir), "%s", r->data_dir);
    (void)snprintf(x->journal_dir, sizeof(x->journal_dir), "%s", r->journal_dir);
    buf_init(&x->journals, NAMES_BYTES_MAX);
    buf_init(&x->damaged, NAMES_BYTES_MAX);
    buf_init(&x->strays, NAMES_BYTES_MAX);
    e = end_fill(r, x);
    struct store *home = r->store_count == 0 ? NULL : r->stores[0];
    if (e != OK || home == NULL || x->journals.len + x->damaged.len + x->strays.len == 0) {
        end_drop(&x->job);
    } else {
        store_submit(home, home->flush_lane, &x->job);
    }
    store_recover_free(r);
    return e;
}
