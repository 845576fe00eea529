/* storage/plog_cut.c: the two ends of a log move inwards: the start with retention, the end by truncation.
 *
 * WHY      Both are journal entries, so they are ordered with the appends and durable with their group. Only then
 *          are files touched (flush.c): a crash in between finds the entry and does it again.
 * CLAIMS   A checkpoint older than a truncation claims batches that are gone. Recovery does not believe it while
 *          the entry is in a journal, and no journal file that holds one is recycled before a younger
 *          checkpoint is on disk.
 * LIMITS   Truncation works on what is in memory, because where a batch begins must be known at once.
 */
#include "storage/plog.h"

#include "storage/storage_internal.h"

/* -- the start -- */

static enum err removed_later(struct plog *l, int64_t base_offset)
{
    return buf_add(&l->cut.removed,
                   (struct bytes){(const uint8_t *)&base_offset, sizeof(base_offset)});
}

void plog_drop_old(struct plog *l)
{
    list_for_each (&l->segments, link) {
        struct segment *g = CONTAINER_OF(link, struct segment, link);
        const struct segment *next =
            link_next == NULL ? NULL : CONTAINER_OF(link_next, struct segment, link);

        if (next == NULL || next->summary.base_offset > l->start ||
            l->flushed_at < segment_end(g)) {
            return;
        }
        if (removed_later(l, g->summary.base_offset) != OK) {
            return; /* it goes with the next move of the start */
        }
        l->cut.pending = true;
        segment_drop(g);
    }
}

static void forget_epochs_below_start(struct plog *l)
{
    uint32_t gone = 0;

    while (gone + 1 < l->epoch_count && l->epochs[gone + 1].offset <= l->start) {
        gone++;
    }
    if (gone > 0) {
        l->epoch_count -= gone;
        memmove(l->epochs, l->epochs + gone, l->epoch_count * sizeof(*l->epochs));
    }
}

enum err plog_start_set(struct plog *l, int64_t offset, uint64_t *ticket)
{
    struct journal_entry entry = {.kind = JOURNAL_LOGSTART,
                                  .topic_id = l->key.topic_id,
                                  .partition = l->key.partition,
                                  .offset = offset};

    if (offset < l->start || offset > plog_durable_end(l)) {
        return fail(ERR_USAGE, "a log start of %" PRId64 ", outside of the log", offset);
    }
    TRY(store_refusal(l->store));
    l->must_checkpoint = true;
    l->taken_covers = false;
    TRY(plog_journal(l, &entry));
    l->start = offset;
    *ticket = l->cut.ticket = store_ticket(l->store);
    plog_drop_old(l);
    forget_epochs_below_start(l);
    return OK;
}

/* -- the end -- */

static struct chunk *chunk_before(const struct plog *l, const struct chunk *c)
{
    struct list_link *link = c == NULL
                                 ? list_last(&l->chunks)
                                 : (c->in_log.prev == &l->chunks.head ? NULL : c->in_log.prev);

    return link == NULL ? NULL : CONTAINER_OF(link, struct chunk, in_log);
}

/* Where in this chunk the batch `to->offset` begins; a segment's own header stays before it. Counts the internal
 * batches from there to the chunk's end. */
static bool boundary_in(const struct plog *l, const struct chunk *c, struct mark *to,
                        int64_t *internal)
{
    struct bytes rest = {c->at, c->used};
    struct batch b;
    bool found = false;

    *internal = 0;
    while (batch_next(&rest, &b) == OK) {
        uint64_t at = c->log_at + (uint64_t)(b.bytes.at - c->at);
        bool header = batch_is_internal(&b.header) && plog_segment_at(l, at)->at == at;

        if (!found && !header && b.header.base_offset >= to->offset) {
            to->at = at;
            found = b.header.base_offset == to->offset;
            if (!found) {
                return false; /* in the middle of a batch */
            }
        }
        *internal += found && !header && batch_is_internal(&b.header);
    }
    if (!found && c->next_offset == to->offset) {
        to->at = c->log_at + c->used;
        found = true;
    }
    return found;
}

/* Finds the mark of an offset, walking back from the end over chunks without a gap. */
static enum err find_mark(const struct plog *l, int64_t offset, struct mark *out)
{
    uint64_t at = l->end.at;
    int64_t internal = 0, later = 0;

    *out = (struct mark){.offset = offset, .delta = l->end.delta};
    for (const struct chunk *c = chunk_before(l, NULL); c != NULL; c = chunk_before(l, c)) {
        if (c->log_at + c->used < at) {
            break;
        }
        if (c->log_at + c->used > at) {
            continue; /* what lies there was seen in a younger chunk */
        }
        at = c->log_at;
        if (c->base_offset > offset) {
            (void)boundary_in(l, c, &(struct mark){.offset = c->base_offset}, &internal);
            later += internal;
            continue;
        }
        if (!boundary_in(l, c, out, &internal)) {
            return fail(ERR_USAGE, "offset %" PRId64 " is not where a batch begins", offset);
        }
        out->delta -= later + internal;
        return OK;
    }
    return ERR_AGAIN;
}

static enum err remove_segments_past(struct plog *l, const struct mark *to)
{
    list_for_each (&l->segments, link) {
        const struct segment *g = CONTAINER_OF(link, struct segment, link);

        if (g->at >= to->at) {
            TRY(removed_later(l, g->summary.base_offset));
        }
    }
    return OK;
}

/* Timestamps before the cut: exact when the largest lay before it, else perhaps too large, which only makes
 * a search longer. */
static void keep_timestamps(struct mark *to, const struct segment *g)
{
    to->max_timestamp = g->summary.max_timestamp;
    to->max_timestamp_offset = g->summary.max_timestamp_offset;
}

enum err plog_truncate(struct plog *l, int64_t offset, uint64_t *ticket)
{
    struct mark to;
    size_t removed = l->cut.removed.len;

    if (offset < l->start || offset > l->end.offset) {
        return fail(ERR_USAGE, "an end of %" PRId64 ", outside of the log", offset);
    }
    TRY(store_refusal(l->store));
    if (offset == l->end.offset) {
        to = l->end;
    } else {
        TRY(find_mark(l, offset, &to));
    }
    const struct segment *g = to.at == 0 ? NULL : plog_segment_at(l, to.at - 1);
    if (g == NULL) { /* nothing was ever appended */
        *ticket = store_ticket(l->store);
        return OK;
    }
    l->must_checkpoint = true;
    l->taken_covers = false;
    enum err e = remove_segments_past(l, &to);
    if (e == OK) {
        e = plog_journal(l, &(struct journal_entry){.kind = JOURNAL_TRUNCATE,
                                                    .topic_id = l->key.topic_id,
                                                    .partition = l->key.partition,
                                                    .segment_base = g->summary.base_offset,
                                                    .position = to.at - g->at,
                                                    .offset = offset});
    }
    if (e != OK) {
        l->cut.removed.len = removed;
        return e;
    }
    keep_timestamps(&to, g);
    if (!l->cut.shorten || g->summary.base_offset < l->cut.base ||
        (g->summary.base_offset == l->cut.base && to.at - g->at < l->cut.position)) {
        l->cut.base = g->summary.base_offset;
        l->cut.position = to.at - g->at;
    }
    l->cut.shorten = l->cut.pending = true;
    *ticket = l->cut.ticket = store_ticket(l->store);
    plog_take_back(l, &to);
    return OK;
}

enum err plog_journal_state(struct plog *l)
{
    const struct segment *g = plog_last_segment(l);
    struct journal_entry start = {.kind = JOURNAL_LOGSTART,
                                  .topic_id = l->key.topic_id,
                                  .partition = l->key.partition,
                                  .offset = l->start};

    l->must_checkpoint = true;
    l->taken_covers = false;
    TRY(plog_journal(l, &start));
    start.kind = JOURNAL_TRUNCATE;
    start.offset = l->end.offset;
    start.segment_base = g == NULL ? 0 : g->summary.base_offset;
    start.position = g == NULL ? 0 : g->summary.bytes;
    return plog_journal(l, &start);
}
