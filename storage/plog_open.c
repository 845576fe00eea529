/* storage/plog_open.c: one log at start-up: the journal's entries are redone, then what is new is scanned.
 *
 * STEPS    1 redo: every entry of the journals in order; an APPEND is compared with the file and written where
 *          it differs, a TRUNCATE cuts the files  2 believe the checkpoint, if it verifies and no
 *          TRUNCATE in a journal goes below it  3 make the segments: sealed ones from the checkpoint, unread
 *          4 scan from the checkpoint to the end, with all checks  5 where a cut or a log start stands in the old
 *          journals, or the checkpoint was not believed, write a new one, because those journals go.
 * FLOOR    Up to the end of the last APPEND of the journals every byte must be good (all of the file, when no
 *          journal mentions the log). A bad batch there is damage: in a segment that is not the last, or
 *          before an entry whose place the journal knows, the scan goes on behind it, and reading it says
 *          ERR_CORRUPT. Else the log's end is unknown: it opens with ERR_CORRUPT, readable up to there.
 *          Past the floor a bad batch is a torn tail and is cut off.
 */
#include "storage/plog.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { NAMES_BYTES_MAX = 64 << 20 };

struct opening {
    struct plog *log;
    struct store_recovery *recovery;
    struct recovered_log *entries; /* NULL: the journals do not mention it */
    struct env *env;
    char dir[ENV_PATH_BYTES];
    struct buf bases;          /* int64_t of every segment file, rising */
    struct buf payload, found; /* of one entry; what the file has there */
    struct checkpoint checkpoint;
    struct buf checkpoint_bytes;
    bool there; /* a checkpoint is */
    bool believed;
    bool control;    /* the journals hold a cut or a log start */
    int64_t cut_min; /* lowest offset of a TRUNCATE */
    int64_t start;
    int file; /* of file_base, for redoing; -1: none */
    int64_t file_base;
    int64_t floor_base; /* behind the last APPEND */
    uint64_t floor_position;
    int64_t scanned_at; /* wall clock */
};

/* -- names -- */

static size_t base_count(const struct opening *o)
{
    return o->bases.len / sizeof(int64_t);
}

static int64_t base_at(const struct opening *o, size_t i)
{
    int64_t base;

    ASSERT(i < base_count(o));
    memcpy(&base, o->bases.at + i * sizeof(base), sizeof(base));
    return base;
}

static enum err base_add(struct opening *o, int64_t base)
{
    return buf_add(&o->bases, (struct bytes){(const uint8_t *)&base, sizeof(base)});
}

/* Is there a later file that begins at or before the start? Then this one goes. (What a redo made again of
 * a removed segment goes with it.) */
static bool is_old(const struct opening *o, int64_t base)
{
    for (size_t i = 0; i < base_count(o); i++) {
        if (base_at(o, i) > base && base_at(o, i) <= o->start) {
            return true;
        }
    }
    return false;
}

static enum err list_bases(struct opening *o)
{
    struct buf names;
    int64_t base;

    buf_init(&names, NAMES_BYTES_MAX);
    buf_reset(&o->bases);
    enum err e = env_list(o->env, o->dir, &names);
    for (size_t at = 0; e == OK && at < names.len; at += strlen((const char *)names.at + at) + 1) {
        if (segment_parse_name((const char *)names.at + at, ".log", &base) == OK) {
            e = base_add(o, base);
        }
    }
    buf_deinit(&names);
    o->log->dir_made = e == OK;
    return e == ERR_NOT_FOUND ? OK : e;
}

/* -- checkpoint -- */

static enum err load_checkpoint(struct opening *o)
{
    char path[ENV_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%.1000s/checkpoint.new", o->dir);
    (void)env_unlink(o->env, path);
    (void)snprintf(path, sizeof(path), "%.1000s/checkpoint", o->dir);
    buf_init(&o->checkpoint_bytes, CHECKPOINT_BYTES_MAX);
    enum err e = file_read_whole(o->env, path, &o->checkpoint_bytes);
    if (e == OK) {
        e = checkpoint_read(buf_view(&o->checkpoint_bytes), &o->checkpoint);
    }
    if (e == ERR_NOMEM || e == ERR_IO) {
        return e;
    }
    if (e != OK && e != ERR_NOT_FOUND) {
        log_warn("a checkpoint is not usable; all of the log is scanned", "dir=%s: %s", o->dir,
                 err_crumb());
    }
    o->there = e != ERR_NOT_FOUND;
    o->believed = e == OK;
    o->start = e == OK ? o->checkpoint.start_offset : 0;
    return OK;
}

static void note_control(struct opening *o)
{
    o->cut_min = INT64_MAX;
    for (size_t i = 0; o->entries != NULL && i < o->entries->count; i++) {
        const struct recovered_entry *e = &o->entries->entries[i];

        if (e->kind == JOURNAL_LOGSTART) {
            o->start = MAX(o->start, e->offset);
        } else if (e->kind == JOURNAL_TRUNCATE) {
            o->cut_min = MIN(o->cut_min, e->offset);
        }
        o->control = o->control || e->kind != JOURNAL_APPEND;
    }
    o->believed = o->believed && o->checkpoint.next_offset <= o->cut_min;
}

/* -- redo -- */

static void close_file(struct opening *o)
{
    if (o->file >= 0) {
        (void)env_close(o->env, o->file);
        o->file = -1;
    }
}

static enum err open_file(struct opening *o, int64_t base)
{
    char path[ENV_PATH_BYTES];

    if (o->file >= 0 && o->file_base == base) {
        return OK;
    }
    close_file(o);
    segment_path(o->dir, base, ".log", path);
    TRY(env_open(o->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &o->file));
    o->file_base = base;
    return OK;
}

static enum err redo_append(struct opening *o, const struct recovered_entry *e)
{
    size_t got;

    if (!o->log->dir_made) {
        TRY(log_dirs_make(o->env, o->dir));
        o->log->dir_made = true;
    }
    buf_reset(&o->payload);
    buf_reset(&o->found);
    TRY(recovery_payload(o->recovery, e, &o->payload));
    TRY(open_file(o, e->segment_base));
    TRY(buf_reserve(&o->found, e->len));
    TRY(env_read(o->env, o->file, o->found.at, e->len, e->position, &got));
    if (!bytes_equal((struct bytes){o->found.at, got}, buf_view(&o->payload))) {
        TRY(env_write(o->env, o->file, &(struct env_slice){o->payload.at, o->payload.len}, 1,
                      e->position));
    }
    o->floor_base = e->segment_base;
    o->floor_position = e->position + e->len;
    return OK;
}

static enum err redo_cut(struct opening *o, const struct recovered_entry *e)
{
    char path[ENV_PATH_BYTES];

    close_file(o);
    TRY(list_bases(o));
    for (size_t i = base_count(o); i > 0 && base_at(o, i - 1) > e->segment_base; i--) {
        segment_path(o->dir, base_at(o, i - 1), ".idx", path);
        (void)env_unlink(o->env, path);
        segment_path(o->dir, base_at(o, i - 1), ".log", path);
        TRY(env_unlink(o->env, path));
    }
    segment_path(o->dir, e->segment_base, ".log", path);
    TRY(segment_file_cut(o->env, path, e->position));
    o->floor_base = e->segment_base;
    o->floor_position = e->position;
    return OK;
}

static enum err redo(struct opening *o)
{
    enum err e = OK;

    for (size_t i = 0; e == OK && o->entries != NULL && i < o->entries->count; i++) {
        const struct recovered_entry *entry = &o->entries->entries[i];

        if (entry->kind == JOURNAL_APPEND) {
            e = redo_append(o, entry);
        } else if (entry->kind == JOURNAL_TRUNCATE) {
            e = redo_cut(o, entry);
        }
    }
    close_file(o);
    return e;
}

/* -- segments -- */

static enum err remove_old(struct opening *o)
{
    char path[ENV_PATH_BYTES];

    for (size_t i = 0; i < base_count(o); i++) {
        if (is_old(o, base_at(o, i))) {
            segment_path(o->dir, base_at(o, i), ".idx", path);
            (void)env_unlink(o->env, path);
            segment_path(o->dir, base_at(o, i), ".log", path);
            TRY(env_unlink(o->env, path));
        }
    }
    return list_bases(o);
}

static enum err file_size(const struct opening *o, int64_t base, uint64_t *out)
{
    char path[ENV_PATH_BYTES];
    int file;

    segment_path(o->dir, base, ".log", path);
    TRY(env_open(o->env, path, ENV_OPEN_READ, &file));
    enum err e = env_size(o->env, file, out);
    enum err closed = env_close(o->env, file);
    return e != OK ? e : closed;
}

static bool has_base(const struct opening *o, int64_t base)
{
    for (size_t i = 0; i < base_count(o); i++) {
        if (base_at(o, i) == base) {
            return true;
        }
    }
    return false;
}

static void report(struct opening *o, int64_t base, uint64_t position, const char *what)
{
    o->log->store->stats.corrupt_ranges++;
    log_error("damage in a log; it is kept and not served",
              "file=%s/%020" PRId64 ".log position=%" PRIu64 ": %s", o->dir, base, position, what);
}

/* Do the files agree with the checkpoint? */
static enum err check_files(struct opening *o)
{
    const struct checkpoint *c = &o->checkpoint;

    for (uint32_t i = 0; o->believed && i < c->segment_count; i++) {
        const struct segment_summary *g = &c->segments[i];
        bool last = i + 1 == c->segment_count;
        uint64_t size = 0;

        if (!has_base(o, g->base_offset)) {
            if (!is_old(o, g->base_offset)) {
                report(o, g->base_offset, 0, "the file is missing");
                o->believed = false;
            } else if (last) { /* the scan must begin exactly where it ended */
                o->believed = has_base(o, c->next_offset);
            }
            continue;
        }
        TRY(file_size(o, g->base_offset, &size));
        if (size < g->bytes) {
            report(o, g->base_offset, size, "the file is too short");
            o->believed = !last;
        }
    }
    for (size_t i = 0; o->believed && i < base_count(o) && c->segment_count > 0; i++) {
        bool known = base_at(o, i) > c->segments[c->segment_count - 1].base_offset;

        for (uint32_t k = 0; !known && k < c->segment_count; k++) {
            known = c->segments[k].base_offset == base_at(o, i);
        }
        o->believed = known;
    }
    o->believed = o->believed && c->segment_count > 0;
    return OK;
}

static enum err take_segments(struct opening *o)
{
    const struct checkpoint *c = &o->checkpoint;
    struct plog *l = o->log;
    struct segment *g = NULL;

    for (uint32_t i = 0; i < c->segment_count; i++) {
        if (!has_base(o, c->segments[i].base_offset)) {
            continue;
        }
        if (g != NULL) {
            g->sealed = true;
        }
        TRY(segment_new(l, &c->segments[i], l->end.at, &g));
        g->created = true;
        l->end.at += g->summary.bytes;
    }
    if (g == NULL) {
        return OK; /* all that it knew has been removed */
    }
    g->index_loaded = true;
    g->index.interval_bytes = c->interval_bytes;
    l->end.max_timestamp = g->summary.max_timestamp;
    l->end.max_timestamp_offset = g->summary.max_timestamp_offset;
    return index_copy(&g->index, c->samples, c->sample_count);
}

/* The checkpoint's state; its position is where the scan begins. */
static enum err take_checkpoint(struct opening *o)
{
    const struct checkpoint *c = &o->checkpoint;
    struct plog *l = o->log;

    enum err e = producers_restore(l->producers, c->producers);
    if (e != OK) {
        o->believed = false;
        return e == ERR_NOMEM ? e : OK;
    }
    for (uint32_t i = 0; i < c->epoch_count; i++) {
        TRY(plog_epoch_add(l, c->epochs[i].epoch, c->epochs[i].offset));
    }
    l->end.offset = c->next_offset;
    l->end.delta = c->delta;
    TRY(take_segments(o));
    l->checkpoint_at = l->end.at;
    return OK;
}

/* -- scan -- */

static enum err check_header(struct opening *o, struct segment *g, struct bytes batch)
{
    struct internal_batch b;
    struct segment_header h;
    struct plog *l = o->log;

    if (internal_batch_parse(batch, &b) != OK || b.kind != INTERNAL_SEGMENT_HEADER ||
        segment_header_parse(b.payload, &h) != OK) {
        return fail(ERR_CORRUPT, "no segment header");
    }
    if (!uuid_equal(h.topic_id, l->key.topic_id) || h.partition != l->key.partition) {
        return fail(ERR_CORRUPT, "a segment of another log");
    }
    g->summary.created_ms = h.created_ms;
    o->start = MAX(o->start, MIN(h.log_start_offset, g->summary.base_offset));
    l->end.delta = h.delta;
    return OK;
}

static enum err scan_batch(struct opening *o, struct segment *g, const struct batch *b)
{
    struct plog *l = o->log;
    const struct batch_header *h = &b->header;
    bool opens = g->summary.bytes == 0;

    if (h->base_offset != l->end.offset || (h->last_offset_delta < 0 && !batch_is_internal(h)) ||
        h->leader_epoch < plog_epoch(l)) {
        return fail(ERR_CORRUPT, "offset %" PRId64 " or epoch %" PRId32 " out of order",
                    h->base_offset, h->leader_epoch);
    }
    if (opens != (batch_is_internal(h) && opens)) {
        return fail(ERR_CORRUPT, "no segment header");
    }
    if (opens) {
        TRY(check_header(o, g, b->bytes));
    }
    return plog_note_batch(l, g, h, o->scanned_at);
}

/* An entry of the journal that begins at or past the position, in the same segment. */
static const struct recovered_entry *entry_behind(const struct opening *o, int64_t base,
                                                  uint64_t position)
{
    const struct recovered_entry *best = NULL;

    for (size_t i = 0; o->entries != NULL && i < o->entries->count; i++) {
        const struct recovered_entry *e = &o->entries->entries[i];

        if (e->kind == JOURNAL_APPEND && e->segment_base == base && e->position > position &&
            (best == NULL || e->position < best->position)) {
            best = e;
        }
    }
    return best;
}

static void skip_to(struct opening *o, struct segment *g, uint64_t position, int64_t offset)
{
    struct plog *l = o->log;

    l->end.at += position - g->summary.bytes;
    l->end.offset = offset;
    g->summary.bytes = position;
    if (position > 0) {
        index_add_always(&g->index,
                         &(struct index_sample){offset, position, g->summary.max_timestamp});
    }
}

static bool below_floor(const struct opening *o, int64_t base, uint64_t position)
{
    return o->entries == NULL || o->entries->count == 0 || base < o->floor_base ||
           (base == o->floor_base && position < o->floor_position);
}

/* No good batch at the end of what was taken. True: go on behind it. */
static enum err bad_batch(struct opening *o, struct segment *g, struct segment_scan *c,
                          int64_t next_base, bool *go_on)
{
    struct plog *l = o->log;
    uint64_t position = g->summary.bytes;
    char path[ENV_PATH_BYTES];
    const struct recovered_entry *behind = entry_behind(o, g->summary.base_offset, position);

    *go_on = false;
    if (next_base < 0 && !below_floor(o, g->summary.base_offset, position)) {
        segment_path(o->dir, g->summary.base_offset, ".log", path);
        return segment_file_cut(o->env, path, position); /* a torn tail */
    }
    report(o, g->summary.base_offset, position,
           c->position >= c->size ? "the file ends" : err_crumb());
    if (behind != NULL && behind->offset >= l->end.offset) {
        skip_to(o, g, behind->position, behind->offset);
        segment_scan_seek(c, behind->position);
        *go_on = true;
    } else if (next_base >= l->end.offset) {
        skip_to(o, g, c->size, next_base);
    } else {
        l->damage = ERR_CORRUPT;
        l->damage_end = l->end.offset + 1;
    }
    return OK;
}

static enum err scan_segment(struct opening *o, struct segment *g, int64_t next_base)
{
    struct segment_scan c;
    struct batch b;
    bool go_on = true;
    char path[ENV_PATH_BYTES];

    segment_path(o->dir, g->summary.base_offset, ".log", path);
    TRY(segment_scan_open(&c, o->env, path, g->summary.bytes));
    enum err e = OK;
    while (e == OK && go_on) {
        e = segment_scan_next(&c, &b);
        if (e == OK) {
            e = scan_batch(o, g, &b);
        }
        if (e == ERR_NOT_FOUND &&
            (next_base < 0 ? !below_floor(o, g->summary.base_offset, g->summary.bytes) ||
                                 o->entries == NULL || o->entries->count == 0
                           : next_base == o->log->end.offset)) {
            break; /* the end, where it must be */
        }
        if (e == ERR_CORRUPT || e == ERR_NOT_FOUND) {
            e = bad_batch(o, g, &c, next_base, &go_on);
        }
    }
    segment_scan_close(&c);
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err scan_all(struct opening *o)
{
    struct plog *l = o->log;
    struct segment *g = plog_last_segment(l);

    for (size_t i = 0; i < base_count(o) && l->damage == OK; i++) {
        int64_t base = base_at(o, i), next = i + 1 < base_count(o) ? base_at(o, i + 1) : -1;

        if (g != NULL && base < g->summary.base_offset) {
            continue; /* known from the checkpoint */
        }
        if (g == NULL || base > g->summary.base_offset) {
            struct segment_summary summary = {.base_offset = base,
                                              .max_timestamp = BATCH_NO_TIMESTAMP};

            if (g == NULL) {
                l->end.offset = base;
            } else {
                g->sealed = true;
            }
            TRY(segment_new(l, &summary, l->end.at, &g));
            g->created = g->index_loaded = true;
            g->index.interval_bytes = (uint64_t)MAX(l->settings.index_interval_bytes, 0);
            l->end.max_timestamp = BATCH_NO_TIMESTAMP;
        }
        TRY(scan_segment(o, g, next));
    }
    return OK;
}

/* Samples of sealed segments need not stay in memory. */
static void indexes_may_go(struct plog *l)
{
    list_for_each (&l->segments, link) {
        struct segment *g = CONTAINER_OF(link, struct segment, link);

        if (g->sealed && g->index_loaded) {
            segment_index_loaded(g, l->store, NULL);
        }
    }
}

/* An empty last segment is one that was created and never synced. */
static void drop_empty_last(struct opening *o)
{
    struct segment *g = plog_last_segment(o->log);
    char path[ENV_PATH_BYTES];

    if (g != NULL && g->summary.bytes == 0 && o->log->damage == OK) {
        segment_path(o->dir, g->summary.base_offset, ".log", path);
        (void)env_unlink(o->env, path);
        segment_drop(g);
    }
}

/* The journals go after one sync of everything, so a first checkpoint needs none of its own: many logs that are new
 * do not wait for a sync each. An old one may hold a log start that stands nowhere else, and goes for a synced one. */
static enum err replace_checkpoint(struct opening *o)
{
    struct plog *l = o->log;

    if (l->damage != OK || list_empty(&l->segments) ||
        (!o->control && (o->believed || !o->there))) {
        return OK;
    }
    TRY(checkpoint_take(l));
    enum err e = checkpoint_replace(o->env, o->dir, buf_view(&l->checkpoint), o->there);
    buf_reset(&l->checkpoint);
    return e;
}

static enum err open_steps(struct opening *o)
{
    struct plog *l = o->log;

    TRY(list_bases(o));
    TRY(load_checkpoint(o));
    note_control(o);
    TRY(redo(o));
    TRY(list_bases(o));
    TRY(remove_old(o));
    if (base_count(o) == 0) {
        return OK; /* never had data, or lost all of it before it was acknowledged */
    }
    TRY(check_files(o));
    if (o->believed) {
        TRY(take_checkpoint(o));
    }
    TRY(scan_all(o));
    drop_empty_last(o);
    int64_t first =
        list_empty(&l->segments)
            ? l->end.offset
            : CONTAINER_OF(list_first(&l->segments), struct segment, link)->summary.base_offset;
    l->start = MIN(MAX(o->start, first), l->end.offset);
    l->stable = l->flying = l->end;
    l->flushed_at = l->end.at;
    indexes_may_go(l);
    return replace_checkpoint(o);
}

static enum err open_log(struct store *s, struct plog *l)
{
    struct store_recovery *r = s->recovery;
    struct opening o = {.log = l, .recovery = r, .env = s->env, .file = -1};

    TRY(recovery_known(r, &l->key));
    o.entries = recovery_log(r, &l->key);
    o.scanned_at = env_wall_ms(s->env);
    plog_dir(l, o.dir);
    buf_init(&o.bases, NAMES_BYTES_MAX);
    buf_init(&o.payload, SIZE_MAX / 2);
    buf_init(&o.found, SIZE_MAX / 2);
    enum err e = open_steps(&o);
    close_file(&o);
    checkpoint_deinit(&o.checkpoint);
    buf_deinit(&o.checkpoint_bytes);
    buf_deinit(&o.bases);
    buf_deinit(&o.payload);
    buf_deinit(&o.found);
    r->metadata_seen = r->metadata_seen || (uuid_is_zero(l->key.topic_id) && l->end.offset > 0);
    return e;
}

enum err plog_open(struct store *s, const struct plog_config *config, struct plog **out)
{
    struct plog *l;

    ASSERT(s->recovery != NULL);
    TRY(plog_make(s, config, &l));
    enum err e = open_log(s, l);
    if (e != OK) {
        plog_free(l);
        return e;
    }
    *out = l;
    return OK;
}

/* -- replaying a log -- */

static enum err scan_to(struct plog *l, const struct segment *g, int64_t offset,
                        enum err (*fn)(void *context, struct bytes batch), void *context)
{
    const struct index_sample *sample =
        g->index_loaded ? index_find_offset(&g->index, offset) : NULL;
    char dir[ENV_PATH_BYTES], path[ENV_PATH_BYTES];
    struct segment_scan c;
    struct batch b;

    plog_dir(l, dir);
    segment_path(dir, g->summary.base_offset, ".log", path);
    TRY(segment_scan_open(&c, l->store->env, path, sample == NULL ? 0 : sample->position));
    int64_t expect = sample == NULL ? g->summary.base_offset : sample->offset;
    enum err e = OK;
    while (e == OK && c.position < g->summary.bytes) {
        e = segment_scan_next(&c, &b);
        if (e == OK && b.header.base_offset != expect) {
            e = fail(ERR_CORRUPT, "offset %" PRId64 " where %" PRId64 " must be",
                     b.header.base_offset, expect);
        }
        expect = e == OK ? batch_next_offset(&b.header) : expect;
        if (e == OK && !batch_is_internal(&b.header) && expect > offset) {
            e = fn(context, b.bytes);
        }
    }
    segment_scan_close(&c);
    return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

enum err plog_scan(struct plog *l, int64_t offset,
                   enum err (*fn)(void *context, struct bytes batch), void *context)
{
    const struct segment *from = plog_segment_of(l, offset);

    ASSERT(l->flushed_at == l->end.at);
    list_for_each (&l->segments, link) {
        const struct segment *g = CONTAINER_OF(link, struct segment, link);

        if (from == NULL || g->summary.base_offset >= from->summary.base_offset) {
            TRY(scan_to(l, g, offset, fn, context));
        }
    }
    return l->damage;
}
