/* tests/raft/host_disk.c: the disk of a host: writes in order, an image, and what a loss of power leaves.
 *
 * WHY      A disk that keeps writes in order and syncs prefixes is what the core is promised (tickets). How much of
 *          what was not synced survives is the world's choice, so every prefix has to be a legal state.
 * HOW      A queue of writes with the entries of appends beside it. Syncing applies them to the image.
 * OWNER    The host.
 * FAILURE  Asserts: an image that a write does not fit is a mistake of ours or of the core.
 */
#include "tests/raft/host_internal.h"

#include "base/mem.h"

enum { CAPACITY_MIN = 32 };

/* What was synced leaves room at the beginning: used when there is much of it. */
static void close_up(struct host *h)
{
    if (h->write_first > h->write_count) {
        memmove(h->writes, h->writes + h->write_first, h->write_count * sizeof(*h->writes));
        h->write_first = 0;
    }
    if (h->writing_first > h->writing_count) {
        memmove(h->writing, h->writing + h->writing_first, h->writing_count * sizeof(*h->writing));
        h->writing_first = 0;
    }
}

static void make_room(struct host *h, uint32_t entries)
{
    close_up(h);
    if (h->write_first + h->write_count == h->write_capacity) {
        h->write_capacity = MAX(h->write_capacity * 2, (uint32_t)CAPACITY_MIN);
        h->writes = mem_realloc(h->writes, h->write_capacity * sizeof(*h->writes));
        ASSERT(h->writes != NULL);
    }
    uint32_t need = h->writing_first + h->writing_count + entries;

    if (need > h->writing_capacity) {
        h->writing_capacity = need * 2 + (uint32_t)CAPACITY_MIN;
        h->writing = mem_realloc(h->writing, h->writing_capacity * sizeof(*h->writing));
        ASSERT(h->writing != NULL);
    }
}

static void add(struct host *h, const struct host_write *w)
{
    if (h->end == HOST_FAILED) {
        return; /* H5 */
    }
    make_room(h, w->entry_count);
    h->writes[h->write_first + h->write_count++] = *w;
    h->written++;
    if (w->entry_count > 0) {
        memcpy(h->writing + h->writing_first + h->writing_count, h->appended,
               w->entry_count * sizeof(*h->writing));
        h->writing_count += w->entry_count;
    }
}

void host_write_hard_state(struct host *h, uint32_t term, uint64_t vote, uint64_t ticket)
{
    struct host_write w = {.kind = HOST_WRITE_HARD_STATE, .ticket = ticket};

    w.hard_state.term = term;
    w.hard_state.vote = vote;
    add(h, &w);
}

void host_write_append(struct host *h, uint64_t from, uint32_t count, uint64_t ticket)
{
    struct host_write w = {.kind = HOST_WRITE_APPEND, .ticket = ticket};

    w.entry_count = count;
    w.from = from;
    add(h, &w);
}

void host_write_snapshot(struct host *h, enum host_write_kind kind, const struct host_snapshot *s,
                         uint64_t ticket)
{
    struct host_write w = {.kind = kind, .ticket = ticket};

    w.snapshot = s;
    add(h, &w);
}

void host_write_commit(struct host *h, uint64_t commit)
{
    struct host_write w = {.kind = HOST_WRITE_COMMIT};

    w.commit = commit;
    add(h, &w);
}

static void take_entries(struct host *h, uint32_t count)
{
    host_log_append(&h->disk.log, h->writing + h->writing_first, count);
    h->writing_first += count;
    h->writing_count -= count;
}

static void do_write(struct host *h, const struct host_write *w)
{
    struct host_disk *d = &h->disk;

    switch (w->kind) {
    case HOST_WRITE_HARD_STATE:
        ASSERT(w->hard_state.term >= d->term);
        d->term = w->hard_state.term;
        d->vote = w->hard_state.vote;
        break;
    case HOST_WRITE_APPEND:
        host_log_cut(&d->log, w->from);
        take_entries(h, w->entry_count);
        break;
    case HOST_WRITE_INSTALL:
        host_log_reset(&d->log, w->snapshot);
        d->commit = MAX(d->commit, w->snapshot->raft.bound.index);
        break;
    case HOST_WRITE_LOG_START:
        host_log_start_at(&d->log, w->snapshot);
        d->commit = MAX(d->commit, w->snapshot->raft.bound.index);
        break;
    case HOST_WRITE_COMMIT:
        d->commit = MAX(d->commit, w->commit);
        break;
    default:
        UNREACHABLE();
    }
}

uint64_t host_disk_do(struct host *h, uint32_t count)
{
    uint64_t ticket = 0;

    ASSERT(count <= h->write_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct host_write *w = &h->writes[h->write_first];

        do_write(h, w);
        ticket = MAX(ticket, w->ticket);
        h->write_first++;
        h->write_count--;
        h->synced++;
    }
    return ticket;
}

void host_disk_do_part(struct host *h, uint32_t part)
{
    if (h->write_count == 0 || h->writes[h->write_first].kind != HOST_WRITE_APPEND) {
        return;
    }
    const struct host_write *w = &h->writes[h->write_first];

    host_log_cut(&h->disk.log, w->from);
    take_entries(h, MIN(part, w->entry_count));
}

void host_disk_forget(struct host *h)
{
    h->write_first = h->write_count = 0;
    h->writing_first = h->writing_count = 0;
    h->written = h->synced;
}
