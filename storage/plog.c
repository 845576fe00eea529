/* storage/plog.c: a log in memory: what is appended, how far it is safe, where it begins and is cut.
 *
 * WHY      An append must be cheap and must not wait: it copies the batches into the tail chunk and into the
 *          journal's open group, stamps offset and epoch on the way, and gives a ticket. Everything that
 *          touches a file happens later, in jobs (flush.c).
 * MARKS    end -> (group is written) flying -> (group is synced) stable. Flushing never passes stable, so
 *          a segment file holds nothing that a crash could take back.
 * UNDO     An append that fails half-way, and all pending ones when the journal fails, are undone by
 *          plog_take_back(): chunks, segments, samples, epochs and producers go back to a mark.
 * CHUNKS   A chunk lies within one segment and holds whole batches. A chunk that was cut is closed, because a
 *          reader may still hold what lay behind the cut.
 */
#include "storage/plog.h"

#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { SEGMENT_HEADER_BATCH_BYTES_MAX = 256, CHUNKS_DIRTY_PER_LOG = 4 };

/* -- life -- */

bool plog_key_equal(const struct plog_key *a, const struct plog_key *b)
{
    return uuid_equal(a->topic_id, b->topic_id) && a->partition == b->partition;
}

uint64_t plog_key_hash(const struct plog_key *k)
{
    return bytes_hash((struct bytes){k->topic_id.at, sizeof(k->topic_id.at)},
                      (uint64_t)(uint32_t)k->partition);
}

void plog_dir(const struct plog *l, char out[ENV_PATH_BYTES])
{
    char id[UUID_TEXT_BYTES + 1];

    uuid_text(l->key.topic_id, id);
    (void)snprintf(out, ENV_PATH_BYTES, "%.512s/topics/%s/%s-%" PRId32, l->store->data_dir,
                   l->topic, id, l->key.partition);
}

enum err plog_make(struct store *s, const struct plog_config *config, struct plog **out)
{
    struct plog *l = mem_zalloc(1, sizeof(*l));

    if (l == NULL) {
        return fail(ERR_NOMEM, "a log's state");
    }
    enum err e = bytes_to_cstr(config->topic, l->topic, sizeof(l->topic));
    if (e == OK) {
        e = producers_new(PRODUCERS_PER_LOG_MAX, env_random(s->env), &l->producers);
    }
    if (e != OK) {
        mem_free(l);
        return e;
    }
    l->store = s;
    l->key = config->key;
    l->settings = config->settings;
    l->on_durable = config->on_durable;
    l->context = config->context;
    l->end.max_timestamp = l->stable.max_timestamp = l->flying.max_timestamp = BATCH_NO_TIMESTAMP;
    l->chunk_bytes = CHUNK_BYTES_MIN;
    list_init(&l->segments);
    list_init(&l->chunks);
    buf_init(&l->checkpoint, CHECKPOINT_BYTES_MAX);
    buf_init(&l->cut.removed, CHECKPOINT_BYTES_MAX);
    list_add_last(&s->logs, &l->link);
    *out = l;
    return OK;
}

enum err plog_new(struct store *s, const struct plog_config *config, struct plog **out)
{
    if (s->recovery != NULL) {
        TRY(recovery_known(s->recovery, &config->key));
    }
    return plog_make(s, config, out);
}

static void list_leave(struct list *in, struct list_link *link)
{
    if (list_linked(link)) {
        list_remove(in, link);
    }
}

static void drop_memory(struct plog *l)
{
    while (!list_empty(&l->chunks)) {
        chunk_uncache(CONTAINER_OF(list_first(&l->chunks), struct chunk, in_log));
    }
    while (!list_empty(&l->segments)) {
        segment_drop(CONTAINER_OF(list_first(&l->segments), struct segment, link));
    }
}

void plog_detach(struct plog *l)
{
    struct store *s = l->store;

    list_leave(&s->open_logs, &l->open_link);
    list_leave(&s->flying_logs, &l->flying_link);
    list_leave(&s->failed_logs, &l->failed_link);
    list_leave(&s->told_logs, &l->told_link);
    list_leave(&s->dirty_logs, &l->dirty_link);
    list_leave(&s->unsynced_logs, &l->unsynced_link);
    list_leave(&s->flush_queue, &l->flush_link);
    drop_memory(l);
}

static void destroy(struct plog *l)
{
    struct store *s = l->store;

    if (s != NULL) {
        list_remove(&s->logs, &l->link);
        if (l->delete_files) {
            sync_delete_files(l);
        }
    }
    producers_free(l->producers);
    mem_free(l->epochs);
    buf_deinit(&l->checkpoint);
    buf_deinit(&l->cut.removed);
    mem_free(l);
}

void plog_unuse(struct plog *l)
{
    ASSERT(l->users > 0);
    if (--l->users == 0 && l->gone) {
        destroy(l);
    }
}

void plog_free(struct plog *l)
{
    if (l == NULL) {
        return;
    }
    ASSERT(!l->gone);
    l->gone = true;
    if (l->store != NULL) {
        struct store *s = l->store;

        if (l->unsynced_from != 0 && !l->delete_files) { /* its entries must outlive it */
            s->kept_from =
                s->kept_from == 0 ? l->unsynced_from : MIN(s->kept_from, l->unsynced_from);
        }
        plog_detach(l);
    }
    if (l->users == 0) {
        destroy(l);
    }
}

void plog_delete(struct plog *l)
{
    l->delete_files = true;
    plog_free(l);
}

void plog_settings_set(struct plog *l, const struct plog_settings *settings)
{
    l->settings = *settings;
}

/* -- looking -- */

int64_t plog_start(const struct plog *l)
{
    return l->start;
}

int64_t plog_end(const struct plog *l)
{
    return l->end.offset;
}

int64_t plog_durable_end(const struct plog *l)
{
    return MAX(l->stable.offset, l->answered_end);
}

int32_t plog_epoch(const struct plog *l)
{
    return l->epoch_count == 0 ? -1 : l->epochs[l->epoch_count - 1].epoch;
}

struct producers *plog_producers(struct plog *l)
{
    return l->producers;
}

struct segment *plog_last_segment(const struct plog *l)
{
    struct list_link *last = list_last(&l->segments);

    return last == NULL ? NULL : CONTAINER_OF(last, struct segment, link);
}

static struct segment *first_segment(const struct plog *l)
{
    struct list_link *first = list_first(&l->segments);

    return first == NULL ? NULL : CONTAINER_OF(first, struct segment, link);
}

static struct segment *segment_before(const struct plog *l, const struct segment *g)
{
    return g->link.prev == &l->segments.head ? NULL
                                             : CONTAINER_OF(g->link.prev, struct segment, link);
}

struct segment *plog_segment_of(const struct plog *l, int64_t offset)
{
    struct segment *g = plog_last_segment(l);

    while (g != NULL && g->summary.base_offset > offset) {
        g = segment_before(l, g);
    }
    return g;
}

struct segment *plog_segment_at(const struct plog *l, uint64_t at)
{
    struct segment *g = plog_last_segment(l);

    while (g != NULL && g->at > at) {
        g = segment_before(l, g);
    }
    return g;
}

uint64_t plog_bytes(const struct plog *l)
{
    const struct segment *g = first_segment(l);

    return g == NULL ? 0 : l->end.at - g->at;
}

int64_t plog_max_timestamp(const struct plog *l)
{
    int64_t most = BATCH_NO_TIMESTAMP;

    list_for_each (&l->segments, link) {
        most = MAX(most, CONTAINER_OF(link, struct segment, link)->summary.max_timestamp);
    }
    return most;
}

enum err plog_state(const struct plog *l)
{
    if (l->damage != OK) {
        return l->damage;
    }
    return l->store == NULL ? ERR_IO : store_refusal(l->store);
}

bool plog_epoch_end(const struct plog *l, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
    for (uint32_t i = l->epoch_count; i > 0; i--) {
        if (l->epochs[i - 1].epoch <= epoch) {
            *found_epoch = l->epochs[i - 1].epoch;
            *end_offset = i == l->epoch_count ? l->end.offset : l->epochs[i].offset;
            return true;
        }
    }
    return false;
}

/* -- derived state -- */

enum err plog_epoch_add(struct plog *l, int32_t epoch, int64_t offset)
{
    if (epoch <= plog_epoch(l)) {
        return OK;
    }
    if (l->epoch_count == l->epoch_cap) {
        uint32_t cap = MAX(l->epoch_cap * 2, 2U);
        struct epoch_run *at = mem_realloc(l->epochs, cap * sizeof(*at));

        if (at == NULL) {
            return fail(ERR_NOMEM, "epochs of a log");
        }
        l->epochs = at;
        l->epoch_cap = cap;
    }
    l->epochs[l->epoch_count++] = (struct epoch_run){epoch, offset};
    return OK;
}

enum err plog_note_batch(struct plog *l, struct segment *g, const struct batch_header *h,
                         int64_t append_time_ms)
{
    bool internal = batch_is_internal(h);
    bool opens = internal && g->summary.bytes == 0;

    if (!opens) {
        TRY(plog_epoch_add(l, h->leader_epoch, h->base_offset));
    }
    if (!internal) {
        TRY(producers_add(l->producers, h, append_time_ms));
        index_add(&g->index, &(struct index_sample){h->base_offset, g->summary.bytes,
                                                    g->summary.max_timestamp});
        if (h->max_timestamp > g->summary.max_timestamp) {
            g->summary.max_timestamp = h->max_timestamp;
            g->summary.max_timestamp_offset = h->base_offset;
        }
    } else if (!opens) {
        l->end.delta++;
    }
    g->summary.bytes += batch_size(h);
    g->summary.append_ms = append_time_ms;
    l->end.offset = batch_next_offset(h);
    l->end.at += batch_size(h);
    l->end.max_timestamp = g->summary.max_timestamp;
    l->end.max_timestamp_offset = g->summary.max_timestamp_offset;
    return OK;
}

/* All of them: what was read from files may overlap what was appended. */
static void cut_chunks(struct plog *l, const struct mark *to)
{
    list_for_each (&l->chunks, link) {
        struct chunk *c = CONTAINER_OF(link, struct chunk, in_log);

        if (c->log_at >= to->at) {
            chunk_uncache(c);
        } else if (c->log_at + c->used > to->at) {
            c->used = (size_t)(to->at - c->log_at);
            c->next_offset = to->offset;
            c->closed = true;
        }
    }
}

static void cut_segments(struct plog *l, const struct mark *to)
{
    struct segment *g = plog_last_segment(l);

    while (g != NULL && g->at >= to->at) {
        segment_drop(g);
        g = plog_last_segment(l);
    }
    if (g != NULL && segment_end(g) > to->at) {
        g->summary.bytes = to->at - g->at;
        g->summary.max_timestamp = to->max_timestamp;
        g->summary.max_timestamp_offset = to->max_timestamp_offset;
        index_cut(&g->index, g->summary.bytes);
    }
    if (g != NULL && g->summary.base_offset == to->offset) {
        segment_reopen(g, l->store);
    }
}

void plog_take_back(struct plog *l, const struct mark *to)
{
    ASSERT(to->at <= l->end.at && to->offset <= l->end.offset);
    l->cut_count++;
    cut_chunks(l, to);
    cut_segments(l, to);
    while (l->epoch_count > 0 && l->epochs[l->epoch_count - 1].offset >= to->offset) {
        l->epoch_count--;
    }
    (void)producers_truncate(l->producers, to->offset); /* the forgotten may begin anew (KIP-360) */
    l->end = *to;
    if (l->stable.at > to->at) {
        l->stable = *to;
    }
    if (l->flying.at > to->at) {
        l->flying = *to;
    }
    l->answered_end = MIN(l->answered_end, to->offset);
    flush_cut(l, to->at);
}

/* -- appending -- */

static struct chunk *tail(const struct plog *l)
{
    struct list_link *last = list_last(&l->chunks);
    struct chunk *c = last == NULL ? NULL : CONTAINER_OF(last, struct chunk, in_log);

    return c != NULL && !c->closed && c->log_at + c->used == l->end.at ? c : NULL;
}

/* Chunks grow with the log's traffic; with many logs at work they stay small, for a dirty one is pinned whole. */
static size_t chunk_bytes(const struct plog *l)
{
    const struct store *s = l->store;
    size_t share = store_dirty_max(s) / (CHUNKS_DIRTY_PER_LOG * (s->dirty_logs.len + 1));
    size_t bytes = l->chunk_bytes;

    while (bytes > share && bytes > CHUNK_BYTES_MIN) {
        bytes /= 2; /* few sizes: memory that is given back fits the next one */
    }
    return bytes;
}

bool plog_has_room(const struct plog *l, size_t bytes)
{
    size_t need = bytes + SEGMENT_HEADER_BATCH_BYTES_MAX;
    const struct chunk *c = tail(l);
    size_t more = c != NULL && c->bytes - c->used >= need ? (c->dirty ? 0 : c->bytes)
                                                          : MAX(need, chunk_bytes(l));
    struct store *s = l->store;
    size_t dirty = s->chunks->dirty_bytes;

    if (more > 0 && dirty > 0 && dirty + more > store_dirty_max(s)) {
        s->memory_wanted = true;
        return false;
    }
    return journal_wants(&s->journal, need);
}

/* What an append is, before anything changes. */
struct append {
    struct bytes batches;
    int64_t offsets; /* given out to them */
    int32_t epoch;
    int64_t time_ms;
    bool rolls;
    size_t bytes; /* with the header of a new segment */
};

static enum err measure(const struct plog *l, struct append *a)
{
    struct bytes rest = a->batches;
    struct batch b;
    enum err e;

    while ((e = batch_next(&rest, &b)) == OK) {
        if (b.header.last_offset_delta < 0 && !batch_is_internal(&b.header)) {
            return fail(ERR_MALFORMED, "a batch with last offset delta %" PRId32,
                        b.header.last_offset_delta);
        }
        a->offsets += (int64_t)b.header.last_offset_delta + 1;
    }
    if (e != ERR_NOT_FOUND || a->batches.len == 0) {
        return fail(ERR_MALFORMED, "an append that is not whole batches");
    }
    if (a->offsets > INT64_MAX - l->end.offset) {
        return fail(ERR_LIMIT, "no offsets are left");
    }
    return OK;
}

static bool must_roll(const struct plog *l, const struct append *a)
{
    const struct segment *g = plog_last_segment(l);

    if (g != NULL && g->summary.base_offset == l->end.offset) {
        return false; /* the new one would have the same name */
    }
    return g == NULL || g->sealed ||
           g->summary.bytes + a->batches.len > (uint64_t)MAX(l->settings.segment_bytes, 0) ||
           a->time_ms - g->summary.created_ms > l->settings.segment_ms;
}

static enum err build_header(const struct plog *l, const struct append *a, struct buf *out)
{
    struct segment_header h = {.base_raft_index = l->end.offset + l->end.delta,
                               .base_term = plog_epoch(l) < 0 ? 0 : plog_epoch(l),
                               .delta = l->end.delta,
                               .log_start_offset = l->start,
                               .topic_id = l->key.topic_id,
                               .partition = l->key.partition,
                               .created_ms = a->time_ms};

    return segment_header_build(out, l->end.offset, a->epoch, &h);
}

/* Room at the tail for the whole append, in its own segment. */
static struct chunk *room_for(struct plog *l, const struct append *a)
{
    struct chunk *c = a->rolls ? NULL : tail(l);

    if (c != NULL && c->bytes - c->used >= a->bytes) {
        return c;
    }
    c = chunk_new(l->store->chunks, MAX(chunk_bytes(l), a->bytes));
    if (c == NULL) {
        return NULL;
    }
    l->chunk_bytes = MIN(l->chunk_bytes * 2, (size_t)CHUNK_BYTES_MAX);
    c->log_at = l->end.at;
    c->base_offset = c->next_offset = l->end.offset;
    chunk_cache(c, &l->chunks);
    return c;
}

static enum err seal_and_begin(struct plog *l, const struct append *a, struct segment **out)
{
    struct segment *last = plog_last_segment(l);
    struct segment_summary summary = {.base_offset = l->end.offset,
                                      .max_timestamp = BATCH_NO_TIMESTAMP,
                                      .created_ms = a->time_ms,
                                      .append_ms = a->time_ms};

    if (last != NULL && !last->sealed) {
        if (l->checkpoint.len == 0) {
            (void)checkpoint_take(l); /* without one the next start scans a little more */
        }
        last->sealed = true;
    }
    TRY(segment_new(l, &summary, l->end.at, out));
    (*out)->index.interval_bytes = (uint64_t)MAX(l->settings.index_interval_bytes, 0);
    (*out)->index_loaded = true;
    l->end.max_timestamp = BATCH_NO_TIMESTAMP;
    return OK;
}

/* Stamps what was copied to `at` and takes it into the derived state. */
static enum err note_all(struct plog *l, struct segment *g, const struct append *a, uint8_t *at)
{
    struct bytes rest = {at, a->bytes};
    struct batch b;

    while (batch_next(&rest, &b) == OK) {
        batch_stamp((uint8_t *)(uintptr_t)b.bytes.at, l->end.offset, a->epoch);
        b.header.base_offset = l->end.offset;
        b.header.leader_epoch = a->epoch;
        TRY(plog_note_batch(l, g, &b.header, a->time_ms));
    }
    return OK;
}

enum err plog_journal(struct plog *l, const struct journal_entry *entry)
{
    struct store *s = l->store;

    TRY(journal_add(&s->journal, entry));
    flush_note_entry(l);
    if (!list_linked(&l->open_link)) {
        list_add_last(&s->open_logs, &l->open_link);
    }
    return OK;
}

/* Everything may still fail here; the caller undoes. */
static enum err append_to(struct plog *l, const struct append *a, struct bytes header,
                          struct chunk *c)
{
    struct segment *g = plog_last_segment(l);
    uint8_t *at = c->at + c->used;
    int64_t base = l->end.offset;

    if (a->rolls) {
        TRY(seal_and_begin(l, a, &g));
        memcpy(at, header.at, header.len);
    }
    memcpy(at + header.len, a->batches.at, a->batches.len);
    TRY(note_all(l, g, a, at));
    return plog_journal(l, &(struct journal_entry){.kind = JOURNAL_APPEND,
                                                   .topic_id = l->key.topic_id,
                                                   .partition = l->key.partition,
                                                   .segment_base = g->summary.base_offset,
                                                   .position = g->summary.bytes - a->bytes,
                                                   .offset = base,
                                                   .payload = {at, a->bytes}});
}

static enum err append_measured(struct plog *l, struct append *a, struct buf *header)
{
    struct mark before = l->end;

    if (a->rolls) {
        TRY(build_header(l, a, header));
    }
    a->bytes = header->len + a->batches.len;
    struct chunk *c = room_for(l, a);
    if (c == NULL) {
        return fail(ERR_NOMEM, "a chunk for %zu bytes", a->bytes);
    }
    enum err e = append_to(l, a, buf_view(header), c);
    if (e != OK) {
        c->closed = true;
        plog_take_back(l, &before);
        return e;
    }
    c->used += a->bytes;
    c->next_offset = l->end.offset;
    chunk_set_dirty(c);
    return OK;
}

enum err plog_append(struct plog *l, struct bytes batches, int32_t leader_epoch,
                     int64_t append_time_ms, struct plog_appended *out)
{
    struct append a = {.batches = batches, .epoch = leader_epoch, .time_ms = append_time_ms};
    struct store *s = l->store;
    struct buf header;

    if (l->damage != OK) {
        return fail(ERR_IO, "the end of %s-%" PRId32 " is damaged", l->topic, l->key.partition);
    }
    if (leader_epoch < plog_epoch(l)) {
        return fail(ERR_USAGE, "leader epoch %" PRId32 " after %" PRId32, leader_epoch,
                    plog_epoch(l));
    }
    TRY(store_refusal(s));
    TRY(measure(l, &a));
    if (!plog_has_room(l, batches.len)) {
        return ERR_LIMIT;
    }
    a.rolls = must_roll(l, &a);
    int64_t base = l->end.offset;
    buf_init(&header, SEGMENT_HEADER_BATCH_BYTES_MAX);
    enum err e = append_measured(l, &a, &header);
    buf_deinit(&header);
    TRY(e);
    if (l->settings.relaxed) {
        l->answered_end = l->end.offset;
    }
    s->stats.appends++;
    s->stats.append_bytes += batches.len;
    *out = (struct plog_appended){base, l->end.offset - 1, store_ticket(s)};
    return OK;
}
