/* storage/plog_find.c: offsets by time (ListOffsets).
 *
 * WHY      Rare and slow next to a read, so it is built from reads: choose a place, read on from there, look at
 *          headers, and open only the one batch that has the record.
 * TIME     Segments whose largest timestamp is too small are passed over; in the first other one the samples
 *          give a place before which all timestamps are too small. A batch whose header promises more than its
 *          records hold is passed over as well.
 * LARGEST  1 the largest timestamp below the end of the question: of a segment from its summary, or, when the
 *          batch that has it lies past that end, by reading on from the last sample before it  2 the first record
 *          with that time. Finds 2 nothing (the summary counted batches that were cut off), all is read.
 * HELPER   Decompression runs in the read lane, with the batch held by the read.
 */
#include "base/mem.h"
#include "protocol/compression.h"
#include "protocol/record.h"
#include "storage/storage_internal.h"

enum { FIND_BYTES = 1 << 20, DECOMPRESSED_MAX = 512 << 20 };

enum find_stage {
    FIND_MEASURE, /* the largest timestamp by reading */
    FIND_SEARCH,  /* the first record with timestamp >= target */
};

struct plog_find_work {
    struct read_wait wait;
    struct store_job job;
    struct plog_find *find;
    struct plog *log;
    enum find_stage stage;
    bool measured_all; /* every batch was looked at */
    int64_t target, cursor, most, offset_end;
    struct plog_read read;
    struct bytes batch; /* in read's ranges, for the helper */
    int64_t floor;      /* no record below it */
    int64_t found_offset, found_timestamp;
    bool found;
};

/* -- on a helper: the record in a batch -- */

static enum err search_records(struct plog_find_work *w, const struct batch_header *h,
                               struct bytes records)
{
    struct record_reader reader;
    struct record r;
    enum err e;

    record_reader_init(&reader, records, h->record_count);
    while ((e = record_next(&reader, &r)) == OK) {
        int64_t offset = h->base_offset + r.offset_delta;
        int64_t timestamp =
            (h->attributes & BATCH_LOG_APPEND_TIME) != 0
                ? h->max_timestamp
                : (int64_t)((uint64_t)h->base_timestamp + (uint64_t)r.timestamp_delta);

        if (timestamp >= w->target && offset >= w->floor) {
            w->found = true;
            w->found_offset = offset;
            w->found_timestamp = timestamp;
            return OK;
        }
    }
    return e == ERR_NOT_FOUND ? OK : fail(ERR_CORRUPT, "a batch whose records do not parse");
}

static enum err search_batch(struct plog_find_work *w)
{
    struct compression *c;
    struct batch_header h;
    struct buf plain;

    TRY(batch_header_read(w->batch, &h));
    if (batch_codec(&h) == CODEC_NONE) {
        return search_records(w, &h, batch_records(w->batch));
    }
    if (!codec_known(batch_codec(&h))) {
        return fail(ERR_CORRUPT, "a batch of codec %d", batch_codec(&h));
    }
    TRY(compression_new(&c));
    buf_init(&plain, DECOMPRESSED_MAX);
    enum err e =
        compression_unpack(c, (enum codec)batch_codec(&h), batch_records(w->batch), &plain);
    compression_free(c);
    if (e == OK) {
        e = search_records(w, &h, buf_view(&plain));
    } else if (e == ERR_MALFORMED) {
        e = ERR_CORRUPT;
    }
    buf_deinit(&plain);
    return e;
}

static void find_job_work(struct store_job *j)
{
    j->err = search_batch(CONTAINER_OF(j, struct plog_find_work, job));
}

/* -- on the core -- */

static void advance(struct plog_find_work *w);

static void release(struct plog_find_work *w)
{
    struct plog *l = w->log;

    plog_read_release(&w->read);
    mem_free(w);
    plog_unuse(l);
}

static void finish(struct plog_find_work *w, enum err e)
{
    struct plog_find *f = w->find;

    if (e == OK) {
        f->offset = w->found_offset;
        f->timestamp = w->found_timestamp;
    }
    f->err = e;
    f->work = NULL;
    release(w);
    f->done(f);
}

static struct segment *segment_after(const struct plog *l, struct segment *g)
{
    struct list_link *next = list_next(&l->segments, &g->link);

    return next == NULL ? NULL : CONTAINER_OF(next, struct segment, link);
}

static bool waits_for_index(struct plog_find_work *w, struct segment *g, enum err *e)
{
    *e = OK;
    if (g->index_loaded) {
        return false;
    }
    *e = segment_index_want(g, w->log->store, &w->wait);
    return true;
}

/* Moves the cursor to where the target may first be. True: it waits, or *e says why not. */
static bool choose(struct plog_find_work *w, enum err *e)
{
    struct plog *l = w->log;
    struct segment *g = plog_segment_of(l, w->cursor);

    *e = ERR_NOT_FOUND;
    while (g != NULL && g->summary.max_timestamp < w->target) {
        g = segment_after(l, g);
    }
    if (g == NULL || g->summary.base_offset >= w->offset_end) {
        return true;
    }
    w->cursor = MAX(w->cursor, g->summary.base_offset);
    if (waits_for_index(w, g, e)) {
        return true;
    }
    const struct index_sample *sample = index_find_time(&g->index, w->target);
    if (sample != NULL) {
        w->cursor = MAX(w->cursor, sample->offset);
    }
    return false;
}

static void find_job_done(struct store *s, struct store_job *j);

static void find_job_drop(struct store_job *j)
{
    struct plog_find_work *w = CONTAINER_OF(j, struct plog_find_work, job);

    w->find->work = NULL;
    release(w);
}

/* The first batch of the read that may have it goes to a helper. False: none. */
static bool open_batch(struct plog_find_work *w)
{
    for (int i = 0; i < w->read.range_count; i++) {
        struct bytes rest = w->read.ranges[i].at;
        struct batch b;

        while (batch_next(&rest, &b) == OK) {
            if (batch_next_offset(&b.header) <= w->cursor || b.header.max_timestamp < w->target) {
                continue;
            }
            w->batch = b.bytes;
            w->cursor = batch_next_offset(&b.header);
            w->find->leader_epoch = b.header.leader_epoch;
            w->job = (struct store_job){
                .work = find_job_work, .done = find_job_done, .drop = find_job_drop};
            store_submit(w->log->store, w->log->store->config.read_lane, &w->job);
            return true;
        }
    }
    return false;
}

static void measure(struct plog_find_work *w)
{
    for (int i = 0; i < w->read.range_count; i++) {
        struct bytes rest = w->read.ranges[i].at;
        struct batch b;

        while (batch_next(&rest, &b) == OK) {
            w->most = MAX(w->most, b.header.max_timestamp);
        }
    }
}

static void search_from_start(struct plog_find_work *w)
{
    w->stage = FIND_SEARCH;
    w->target = w->most;
    w->cursor = w->log->start;
}

/* What a finished read means. True: go on choosing and reading. */
static bool look(struct plog_find_work *w, enum err *e)
{
    int64_t next = w->read.next_offset;
    bool end = w->read.err == OK && w->read.range_count == 0;

    *e = w->read.err;
    if (*e != OK) {
        return false;
    }
    if (w->stage == FIND_MEASURE) {
        measure(w);
        plog_read_release(&w->read);
        w->cursor = next;
        if (end || next >= w->offset_end) {
            *e = w->most == BATCH_NO_TIMESTAMP ? ERR_NOT_FOUND : OK;
            search_from_start(w);
        }
        return *e == OK;
    }
    if (open_batch(w)) {
        return false;
    }
    plog_read_release(&w->read);
    w->cursor = next;
    *e = end ? ERR_NOT_FOUND : OK;
    return !end;
}

/* Nothing has the time that a summary promised: look at every batch, once. */
static bool measure_all(struct plog_find_work *w)
{
    if (w->find->kind != PLOG_FIND_MAX_TIMESTAMP || w->measured_all) {
        return false;
    }
    w->measured_all = true;
    w->stage = FIND_MEASURE;
    w->most = BATCH_NO_TIMESTAMP;
    w->cursor = w->log->start;
    return true;
}

/* True: finished, with *e. */
static bool step(struct plog_find_work *w, enum err *e)
{
    bool again = true;

    while (again) {
        if (w->stage == FIND_SEARCH && choose(w, e)) {
            again = *e == ERR_NOT_FOUND && measure_all(w);
            continue;
        }
        w->read.offset = w->cursor;
        w->read.offset_end = w->offset_end;
        if (!plog_read_start(&w->read)) {
            *e = OK;
            return false;
        }
        again = look(w, e);
        again = again || (*e == ERR_NOT_FOUND && measure_all(w));
    }
    return *e != OK;
}

static void advance(struct plog_find_work *w)
{
    enum err e;

    if (step(w, &e)) {
        finish(w, e);
    }
}

static void find_job_done(struct store *s, struct store_job *j)
{
    struct plog_find_work *w = CONTAINER_OF(j, struct plog_find_work, job);

    (void)s;
    if (j->err != OK || w->found) {
        finish(w, j->err);
        return;
    }
    if (open_batch(w)) {
        return;
    }
    w->cursor = MAX(w->cursor, w->read.next_offset);
    plog_read_release(&w->read);
    advance(w);
}

static void read_done(struct plog_read *r)
{
    struct plog_find_work *w = r->context;
    enum err e;

    bool again = look(w, &e) || (e == ERR_NOT_FOUND && measure_all(w));
    if (again) {
        advance(w);
    } else if (e != OK) {
        finish(w, e);
    }
}

static void resume(struct read_wait *wait, enum err e)
{
    struct plog_find_work *w = CONTAINER_OF(wait, struct plog_find_work, wait);

    if (e == ERR_CLOSED) {
        w->find->work = NULL;
        release(w);
    } else if (e != OK) {
        finish(w, e);
    } else {
        advance(w);
    }
}

/* The largest timestamp known without reading, and from where reading must tell the rest. */
static void prepare_max(struct plog_find_work *w)
{
    const struct plog *l = w->log;

    w->most = BATCH_NO_TIMESTAMP;
    w->cursor = INT64_MAX;
    list_for_each (&l->segments, link) {
        const struct segment *g = CONTAINER_OF(link, struct segment, link);

        if (g->summary.max_timestamp == BATCH_NO_TIMESTAMP ||
            g->summary.base_offset >= w->offset_end) {
            continue;
        }
        if (g->summary.max_timestamp_offset < w->offset_end) {
            w->most = MAX(w->most, g->summary.max_timestamp);
            continue;
        }
        const struct index_sample *sample =
            g->index_loaded ? index_find_offset(&g->index, w->offset_end - 1) : NULL;
        w->cursor = MIN(w->cursor, sample == NULL ? g->summary.base_offset : sample->offset);
        w->most = MAX(w->most, sample == NULL ? BATCH_NO_TIMESTAMP : sample->max_timestamp_before);
    }
    if (w->cursor == INT64_MAX) {
        search_from_start(w);
        return;
    }
    w->stage = FIND_MEASURE;
    w->cursor = MAX(w->cursor, l->start);
}

bool plog_find_start(struct plog_find *f)
{
    struct plog *l = f->log;
    struct plog_find_work *w = mem_zalloc(1, sizeof(*w));
    enum err e;

    if (w == NULL) {
        f->err = fail(ERR_NOMEM, "a search by time");
        return true;
    }
    w->wait.resume = resume;
    w->find = f;
    w->log = l;
    w->target = f->timestamp_ms;
    w->offset_end = MIN(f->offset_end, l->end.offset);
    w->cursor = w->floor = l->start;
    w->stage = FIND_SEARCH;
    w->read = (struct plog_read){
        .log = l, .bytes_max = FIND_BYTES, .first_whole = true, .done = read_done, .context = w};
    f->work = w;
    l->users++;
    if (f->kind == PLOG_FIND_MAX_TIMESTAMP) {
        prepare_max(w);
    }
    if (f->kind == PLOG_FIND_MAX_TIMESTAMP && w->stage == FIND_SEARCH &&
        w->most == BATCH_NO_TIMESTAMP) {
        e = ERR_NOT_FOUND;
    } else if (!step(w, &e)) {
        return false;
    }
    f->err = e;
    f->work = NULL;
    release(w);
    return true;
}
