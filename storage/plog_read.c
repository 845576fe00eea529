/* storage/plog_read.c: runs of whole batches for readers, from memory, else from the files.
 *
 * WHY      Most reads are at the tail and are answered at once with views into chunks. Older bytes come in
 *          pieces of LOAD_BYTES_MIN to LOAD_BYTES_MAX, become a clean chunk, and then the read is answered from
 *          memory like any other: there is one way to collect.
 * COLD     1 the segment's samples, loaded if need be  2 a start: where a cached chunk ended, else a sample
 *          3 if the descriptor is open, whatever the page cache has  4 else a job in the read lane.
 *          At most LOADS_MAX jobs are in flight; further reads wait in line.
 * CHECKED  A loaded batch begins with the offset expected there, its checksum fits, and its leader epoch is that of
 *          its offset (the checksum leaves base offset, length and epoch out). What fails is not cached and
 *          never served: ERR_CORRUPT for a read that begins there, an earlier end for one before it.
 * CUTS     The end may go back, and segments may go, while a job reads. Its chunk is then thrown away and the
 *          read starts over.
 */
#include "base/log.h"
#include "base/mem.h"
#include "storage/storage_internal.h"

enum {
    LOAD_BYTES_MIN = 256 << 10,
    LOAD_BYTES_MAX = 1 << 20,
    TRIES_MAX = 64,    /* times a read may start over */
    PIECES_MAX = 4096, /* pieces looked at from a sample to the batch */
};

struct plog_read_work {
    struct read_wait wait;
    struct plog_read *read; /* NULL: released while it waited */
    struct plog *log;
    size_t need; /* the batch is larger than a piece */
    int tries;
};

struct load {
    struct store_job job;
    struct plog_read_work *work;
    struct plog *log;
    struct segment *segment;
    struct chunk *chunk;
    char path[ENV_PATH_BYTES];
    int file;
    int64_t target, expect; /* offset wanted; offset of the batch at `position` */
    uint64_t position, limit;
    size_t used, need;
    int64_t next_offset;
    uint32_t cut_count;
};

/* -- collecting from chunks -- */

static struct chunk *chunk_of(const struct plog *l, int64_t offset)
{
    struct list_link *link = list_last(&l->chunks);

    while (link != NULL) {
        struct chunk *c = CONTAINER_OF(link, struct chunk, in_log);

        if (c->base_offset <= offset && offset < c->next_offset) {
            return c;
        }
        link = link->prev == &l->chunks.head ? NULL : link->prev;
    }
    return NULL;
}

static struct chunk *chunk_after(const struct plog *l, const struct chunk *c)
{
    struct list_link *link = list_next(&l->chunks, &c->in_log);
    struct chunk *next = link == NULL ? NULL : CONTAINER_OF(link, struct chunk, in_log);

    return next != NULL && next->log_at == c->log_at + c->used ? next : NULL;
}

/* Where to begin looking in the chunk: a sample, if one lies in it. */
static size_t first_look(const struct plog *l, const struct chunk *c, int64_t offset)
{
    const struct segment *g = plog_segment_at(l, c->log_at);
    const struct index_sample *sample =
        g == NULL || !g->index_loaded ? NULL : index_find_offset(&g->index, offset);

    if (sample == NULL || g->at + sample->position < c->log_at ||
        g->at + sample->position >= c->log_at + c->used) {
        return 0;
    }
    return (size_t)(g->at + sample->position - c->log_at);
}

static bool add_range(struct plog_read *r, struct chunk *c, struct bytes batch)
{
    struct plog_range *last = r->range_count == 0 ? NULL : &r->ranges[r->range_count - 1];

    if (last != NULL && last->at.at + last->at.len == batch.at) {
        last->at.len += batch.len;
    } else if (r->range_count < PLOG_READ_RANGES) {
        chunk_ref(c);
        r->ranges[r->range_count++] = (struct plog_range){batch, c};
    } else {
        return false;
    }
    r->bytes += batch.len;
    return true;
}

/* Takes what it may of one chunk; true: go on with the next. */
static bool collect_chunk(struct plog_read *r, struct chunk *c, size_t from, int64_t offset_end)
{
    struct bytes rest = {c->at + from, c->used - from};
    struct batch b;

    chunk_touch(c);
    while (batch_next(&rest, &b) == OK) {
        int64_t next = batch_next_offset(&b.header);

        if (next <= r->next_offset) {
            continue; /* before the first, or internal */
        }
        if (next > offset_end ||
            (r->bytes + b.bytes.len > r->bytes_max && !(r->first_whole && r->bytes == 0)) ||
            !add_range(r, c, b.bytes)) {
            return false;
        }
        r->next_offset = next;
    }
    return rest.len == 0;
}

/* False: the first batch is not in memory. */
static bool collect(struct plog_read *r)
{
    const struct plog *l = r->log;
    int64_t offset_end = MIN(r->offset_end, l->end.offset);
    struct chunk *c = chunk_of(l, r->offset);

    if (c == NULL) {
        return false;
    }
    size_t from = first_look(l, c, r->offset);
    while (c != NULL && collect_chunk(r, c, from, offset_end)) {
        c = chunk_after(l, c);
        from = 0;
    }
    return true;
}

/* -- reading a piece: on a helper, or from the page cache on the core -- */

typedef enum err read_piece(struct env *env, int file, void *to, size_t len, uint64_t position,
                            size_t *got);

/* Position in the chunk of the first batch that ends past the target; *end: where whole batches end. */
static enum err find_target(struct load *d, size_t len, size_t *found)
{
    struct bytes rest = {d->chunk->at, len};
    int64_t expect = d->expect;
    struct batch b;

    *found = 0;
    for (;;) {
        enum err e = batch_next(&rest, &b);

        if (e != OK) {
            d->expect = expect;
            return e == ERR_MALFORMED ? ERR_CORRUPT : e;
        }
        if (b.header.base_offset != expect) {
            return fail(ERR_CORRUPT, "%s: offset %" PRId64 " where %" PRId64 " must be", d->path,
                        b.header.base_offset, expect);
        }
        if (batch_next_offset(&b.header) > d->target) {
            d->expect = expect;
            return OK;
        }
        expect = batch_next_offset(&b.header);
        *found += b.bytes.len;
    }
}

/* Keeps the good batches from `from` on, moved to the chunk's beginning. */
static enum err keep(struct load *d, size_t from, size_t len)
{
    struct bytes rest = {d->chunk->at + from, len - from};
    struct batch b;

    d->used = 0;
    d->next_offset = d->expect;
    while (batch_next(&rest, &b) == OK && b.header.base_offset == d->next_offset &&
           batch_crc_ok(b.bytes)) {
        d->used += b.bytes.len;
        d->next_offset = batch_next_offset(&b.header);
    }
    if (d->used == 0) {
        return fail(ERR_CORRUPT, "%s: the batch at position %" PRIu64 " does not verify", d->path,
                    d->position);
    }
    memmove(d->chunk->at, d->chunk->at + from, d->used);
    return OK;
}

static enum err need_more(struct load *d, size_t len)
{
    struct batch_header h;

    if (len < BATCH_HEADER_BYTES ||
        batch_header_read((struct bytes){d->chunk->at, len}, &h) != OK ||
        batch_size(&h) > d->limit - d->position || batch_size(&h) <= len) {
        return fail(ERR_CORRUPT, "%s: no whole batch at position %" PRIu64, d->path, d->position);
    }
    d->need = batch_size(&h);
    return ERR_LIMIT;
}

static enum err load_pieces(struct env *env, struct load *d, read_piece *read_some)
{
    for (int i = 0; i < PIECES_MAX; i++) {
        size_t len = (size_t)MIN((uint64_t)d->chunk->bytes, d->limit - d->position), got, found;

        TRY(read_some(env, d->file, d->chunk->at, len, d->position, &got));
        if (got < len) {
            return fail(ERR_CORRUPT, "%s ends at %" PRIu64, d->path, d->position + got);
        }
        enum err e = find_target(d, len, &found);
        if (e != OK && e != ERR_AGAIN && e != ERR_NOT_FOUND) {
            return e;
        }
        if (e == OK && (found <= len / 2 || d->position + len == d->limit)) {
            d->position += found;
            return keep(d, found, len);
        }
        if (found == 0) {
            return need_more(d, len);
        }
        d->position += found; /* again, with the batch at the beginning of the piece */
    }
    return fail(ERR_CORRUPT, "%s: offset %" PRId64 " is not found", d->path, d->target);
}

static void load_work(struct store_job *j)
{
    struct load *d = CONTAINER_OF(j, struct load, job);

    j->err = d->file >= 0 ? OK : env_open(j->env, d->path, ENV_OPEN_WRITE, &d->file);
    if (j->err == OK) {
        j->err = load_pieces(j->env, d, env_read);
    }
    if (j->err == ERR_NOT_FOUND) {
        j->err = fail(ERR_CORRUPT, "%s is missing", d->path);
    }
}

/* -- on the core -- */

static void advance(struct plog_read_work *w);

static void finish(struct plog_read_work *w, enum err e)
{
    struct plog_read *r = w->read;

    if (r != NULL) {
        r->work = NULL;
        r->err = e;
    }
    mem_free(w);
    if (r != NULL) {
        r->done(r);
    }
}

/* The epochs in memory say what each batch must carry. */
static bool epochs_fit(const struct plog *l, const struct load *d)
{
    struct bytes rest = {d->chunk->at, d->used};
    struct batch b;

    while (batch_next(&rest, &b) == OK) {
        uint32_t i = l->epoch_count;

        while (i > 0 && l->epochs[i - 1].offset > b.header.base_offset) {
            i--;
        }
        if (i > 0 && !batch_is_internal(&b.header) &&
            l->epochs[i - 1].epoch != b.header.leader_epoch) {
            return false;
        }
    }
    return true;
}

static void load_release(struct load *d)
{
    if (d->chunk != NULL) {
        chunk_unref(d->chunk);
    }
    segment_unuse(d->segment, d->job.store);
    plog_unuse(d->log);
    mem_free(d);
}

static void load_drop(struct store_job *j)
{
    struct load *d = CONTAINER_OF(j, struct load, job);

    d->work->wait.resume(&d->work->wait, ERR_CLOSED);
    load_release(d);
}

static void report_damage(struct store *s, struct load *d, const char *why)
{
    s->stats.corrupt_ranges++;
    if (!d->segment->reported) {
        d->segment->reported = true;
        log_error("damaged bytes in a log; they are kept and not served",
                  "offset=%" PRId64 " file=%s: %s", d->target, d->path, why);
    }
}

/* What came in becomes a chunk of the cache, unless the log changed meanwhile. */
static enum err take_in(struct store *s, struct load *d, enum err e, const char *why)
{
    struct plog *l = d->log;
    bool changed = d->segment->log == NULL || d->cut_count != l->cut_count || l->gone;

    if (e == OK && !changed && !epochs_fit(l, d)) {
        e = ERR_CORRUPT;
        why = "a leader epoch that does not fit";
    }
    if (changed) {
        return OK;
    }
    if (e == ERR_CORRUPT) {
        report_damage(s, d, why);
    }
    if (e != OK) {
        return e;
    }
    struct chunk *c = d->chunk;
    d->chunk = NULL;
    c->used = d->used;
    c->closed = true;
    c->log_at = d->segment->at + d->position;
    c->base_offset = d->expect;
    c->next_offset = d->next_offset;
    chunk_cache(c, &l->chunks);
    return OK;
}

static void load_done(struct store *s, struct store_job *j)
{
    struct load *d = CONTAINER_OF(j, struct load, job);
    struct plog_read_work *w = d->work;

    s->loads--;
    s->stats.cold_reads++;
    segment_opened(d->segment, s, d->file);
    enum err e = take_in(s, d, j->err, j->why);
    w->need = e == ERR_LIMIT ? d->need : 0;
    if (e == OK || e == ERR_LIMIT) {
        advance(w);
    } else {
        finish(w, e);
    }
    load_release(d);
    read_resume_queue(s);
}

/* Where a chunk that ends with the offset ends in this segment: a reader going on. 0: nowhere. */
static uint64_t position_after_chunk(const struct plog *l, const struct segment *g, int64_t offset)
{
    list_for_each (&l->chunks, link) {
        const struct chunk *c = CONTAINER_OF(link, struct chunk, in_log);

        if (c->next_offset == offset && c->log_at >= g->at &&
            c->log_at + c->used < segment_end(g)) {
            return c->log_at + c->used - g->at;
        }
    }
    return 0;
}

static void aim(const struct plog_read *r, struct segment *g, struct load *d)
{
    const struct index_sample *sample = index_find_offset(&g->index, r->offset);
    uint64_t after = position_after_chunk(r->log, g, r->offset);

    d->expect = g->summary.base_offset;
    if (after > 0) {
        d->position = after;
        d->expect = r->offset;
    } else if (sample != NULL) {
        d->position = sample->position;
        d->expect = sample->offset;
    }
}

static struct load *load_new(struct plog_read_work *w, struct segment *g)
{
    struct plog *l = w->log;
    struct plog_read *r = w->read;
    struct load *d = mem_zalloc(1, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    d->job = (struct store_job){
        .work = load_work, .done = load_done, .drop = load_drop, .store = l->store};
    d->work = w;
    d->log = l;
    d->segment = g;
    d->file = g->file;
    d->target = r->offset;
    d->cut_count = l->cut_count;
    d->limit = MIN(segment_end(g), l->flushed_at) - g->at;
    aim(r, g, d);
    size_t size = MIN(MAX(r->bytes_max, (size_t)LOAD_BYTES_MIN), (size_t)LOAD_BYTES_MAX);
    size = (size_t)MIN((uint64_t)MAX(size, w->need), d->limit - MIN(d->position, d->limit));
    if (size > 0) {
        d->chunk = chunk_new(l->store->chunks, size);
    }
    if (d->chunk == NULL) {
        mem_free(d);
        return NULL;
    }
    char dir[ENV_PATH_BYTES];
    plog_dir(l, dir);
    segment_path(dir, g->summary.base_offset, ".log", d->path);
    l->users++;
    segment_use(g);
    return d;
}

/* OK: in the cache now. ERR_AGAIN: it needs a job. */
static enum err load_cached(struct store *s, struct load *d)
{
    struct load before = *d;

    if (d->file < 0 || d->chunk->bytes > LOAD_BYTES_MIN) {
        return ERR_AGAIN;
    }
    enum err e = load_pieces(s->env, d, env_read_cached);
    if (e == OK && epochs_fit(d->log, d)) {
        return take_in(s, d, OK, "");
    }
    *d = before; /* a job tells for certain what is wrong */
    return ERR_AGAIN;
}

/* OK: something goes on, or is in the cache (*cached). */
static enum err load_start(struct plog_read_work *w, struct segment *g, bool *cached)
{
    struct store *s = w->log->store;

    *cached = false;
    if (s->loads >= LOADS_MAX) {
        list_add_last(&s->read_queue, &w->wait.link);
        return OK;
    }
    if (w->log->flushed_at <= g->at) {
        return fail(ERR_CORRUPT, "offset %" PRId64 " is in no file", w->read->offset);
    }
    struct load *d = load_new(w, g);
    if (d == NULL) {
        return fail(ERR_NOMEM, "a piece of a log");
    }
    segment_file_touch(g, s);
    if (load_cached(s, d) == OK) {
        *cached = true;
        load_release(d);
        return OK;
    }
    s->loads++;
    store_submit(s, s->config.read_lane, &d->job);
    return OK;
}

/* True: in memory now, collect again. False: it waits, or *e says why not. */
static bool fetch(struct plog_read_work *w, enum err *e)
{
    struct plog *l = w->log;
    struct segment *g = plog_segment_of(l, w->read->offset);
    bool cached = false;

    *e = OK;
    if (g == NULL || ++w->tries > TRIES_MAX) {
        *e = g == NULL ? ERR_NOT_FOUND : ERR_LIMIT;
    } else if (!g->index_loaded) {
        *e = segment_index_want(g, l->store, &w->wait);
    } else {
        if (g->sealed && list_linked(&g->index_lru)) {
            segment_index_loaded(g, l->store, NULL); /* most recently used */
        }
        *e = load_start(w, g, &cached);
    }
    return cached;
}

/* What the offset alone says. ERR_AGAIN: look for it. */
static enum err judge(const struct plog_read *r)
{
    const struct plog *l = r->log;

    if (r->offset < l->start || r->offset > l->end.offset) {
        return r->offset >= l->start && r->offset < l->damage_end ? ERR_CORRUPT : ERR_NOT_FOUND;
    }
    if (r->offset == l->end.offset && r->offset < l->damage_end) {
        return ERR_CORRUPT;
    }
    return r->offset >= MIN(r->offset_end, l->end.offset) ? OK : ERR_AGAIN;
}

/* True: finished, with *e. */
static bool try_read(struct plog_read_work *w, enum err *e)
{
    struct plog_read *r = w->read;

    do {
        *e = judge(r);
        if (*e != ERR_AGAIN) {
            return true;
        }
        if (collect(r)) {
            *e = OK;
            return true;
        }
    } while (fetch(w, e));
    return *e != OK;
}

static void advance(struct plog_read_work *w)
{
    enum err e;

    if (w->read == NULL) {
        mem_free(w); /* released meanwhile */
    } else if (w->log->gone) {
        finish(w, ERR_NOT_FOUND);
    } else if (try_read(w, &e)) {
        finish(w, e);
    }
}

static void resume(struct read_wait *wait, enum err e)
{
    struct plog_read_work *w = CONTAINER_OF(wait, struct plog_read_work, wait);

    if (e == ERR_CLOSED) {
        if (w->read != NULL) {
            w->read->work = NULL;
        }
        mem_free(w);
    } else if (e != OK && w->read != NULL) {
        finish(w, e);
    } else {
        advance(w);
    }
}

void read_resume_queue(struct store *s)
{
    for (size_t n = s->read_queue.len; n > 0 && s->loads < LOADS_MAX; n--) {
        struct list_link *link = list_take(&s->read_queue);
        struct read_wait *w = CONTAINER_OF(link, struct read_wait, link);

        w->resume(w, OK);
    }
}

void read_drop_queue(struct store *s)
{
    while (!list_empty(&s->read_queue)) {
        struct read_wait *w = CONTAINER_OF(list_take(&s->read_queue), struct read_wait, link);

        w->resume(w, ERR_CLOSED);
    }
}

/* -- the reader's side -- */

bool plog_read_start(struct plog_read *r)
{
    r->err = OK;
    r->range_count = 0;
    r->bytes = 0;
    r->next_offset = r->offset;
    r->work = NULL;
    enum err e = judge(r);
    if (e != ERR_AGAIN || collect(r)) {
        r->err = e == ERR_AGAIN ? OK : e;
        return true;
    }
    struct plog_read_work *w = mem_zalloc(1, sizeof(*w));
    if (w == NULL) {
        r->err = fail(ERR_NOMEM, "a cold read");
        return true;
    }
    w->wait.resume = resume;
    w->read = r;
    w->log = r->log;
    r->work = w;
    if (try_read(w, &e)) {
        r->work = NULL;
        r->err = e;
        mem_free(w);
        return true;
    }
    return false;
}

void plog_read_release(struct plog_read *r)
{
    for (int i = 0; i < r->range_count; i++) {
        chunk_unref(r->ranges[i].hold);
    }
    r->range_count = 0;
    r->bytes = 0;
    if (r->work != NULL) {
        r->work->read = NULL;
        r->work = NULL;
    }
}
