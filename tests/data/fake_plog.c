/* tests/data/fake_plog.c: storage/plog.h over an array in memory.
 *
 * WHY      The tests here are about who waits for what; a real log would decide that by itself. Every range it
 *          lends is one batch, so replies are made of many ranges.
 */
#include "tests/data/fake_plog.h"

#include "base/mem.h"
#include "protocol/record.h"
#include "tests/harness/test.h"

static int alive;

int fake_plog_alive(void)
{
    return alive;
}

enum err plog_new(struct store *s, const struct plog_config *config, struct plog **out)
{
    struct plog *l = mem_zalloc(1, sizeof(*l));

    (void)s;
    if (l == NULL) {
        return fail(ERR_NOMEM, "fake log");
    }
    if (producers_new(100, 1, &l->producers) != OK) {
        mem_free(l);
        return fail(ERR_NOMEM, "fake log");
    }
    l->config = *config;
    alive++;
    *out = l;
    return OK;
}

enum err plog_open(struct store *s, const struct plog_config *config, struct plog **out)
{
    return plog_new(s, config, out);
}

void plog_free(struct plog *l)
{
    CHECK_EQ(l->lent, 0);
    for (int i = 0; i < l->count; i++) {
        mem_free(l->batches[i].at);
    }
    producers_free(l->producers);
    mem_free(l);
    alive--;
}

void plog_delete(struct plog *l)
{
    plog_free(l);
}

void plog_settings_set(struct plog *l, const struct plog_settings *settings)
{
    l->config.settings = *settings;
}

static void append_one(struct plog *l, const struct batch *b, int32_t leader_epoch,
                       int64_t append_time_ms)
{
    struct fake_batch *kept = &l->batches[l->count];
    struct batch_header stamped = b->header;

    CHECK(l->count < FAKE_BATCHES_MAX);
    stamped.base_offset = l->end;
    *kept = (struct fake_batch){.base_offset = l->end,
                                .last_offset = l->end + b->header.last_offset_delta,
                                .max_timestamp = b->header.max_timestamp,
                                .leader_epoch = leader_epoch,
                                .at = mem_alloc(b->bytes.len),
                                .len = b->bytes.len};
    CHECK(kept->at != NULL);
    memcpy(kept->at, b->bytes.at, b->bytes.len);
    batch_stamp(kept->at, l->end, leader_epoch);
    CHECK_OK(producers_add(l->producers, &stamped, append_time_ms));
    l->end = kept->last_offset + 1;
    l->count++;
}

enum err plog_append(struct plog *l, struct bytes batches, int32_t leader_epoch,
                     int64_t append_time_ms, struct plog_appended *out)
{
    struct batch b;

    if (l->state != OK) {
        return fail(l->state, "the fake log refuses");
    }
    if (l->full) {
        return fail(ERR_LIMIT, "the fake log is full");
    }
    out->base_offset = l->end;
    while (batch_next(&batches, &b) == OK) {
        append_one(l, &b, leader_epoch, append_time_ms);
    }
    out->last_offset = l->end - 1;
    out->ticket = (uint64_t)l->end;
    if (l->config.settings.relaxed) {
        l->durable = l->end;
    }
    return OK;
}

bool plog_has_room(const struct plog *l, size_t bytes)
{
    (void)bytes;
    return !l->full;
}

int64_t plog_start(const struct plog *l)
{
    return l->start;
}

int64_t plog_end(const struct plog *l)
{
    return l->end;
}

int64_t plog_durable_end(const struct plog *l)
{
    return l->durable;
}

enum err plog_state(const struct plog *l)
{
    return l->state;
}

struct producers *plog_producers(struct plog *l)
{
    return l->producers;
}

bool plog_epoch_end(const struct plog *l, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
    bool found = false;

    for (int i = 0; i < l->count; i++) {
        if (l->batches[i].leader_epoch <= epoch && l->batches[i].last_offset >= l->start) {
            *found_epoch = l->batches[i].leader_epoch;
            *end_offset = l->batches[i].last_offset + 1;
            found = true;
        }
    }
    return found;
}

static void read_now(struct plog_read *r)
{
    struct plog *l = r->log;

    r->next_offset = r->offset;
    if (l->read_err != OK) {
        r->err = l->read_err;
        return;
    }
    for (int i = 0; i < l->count && r->range_count < PLOG_READ_RANGES; i++) {
        const struct fake_batch *b = &l->batches[i];

        if (b->last_offset < r->offset || b->last_offset >= r->offset_end) {
            continue;
        }
        if (r->bytes + b->len > r->bytes_max && !(r->first_whole && r->bytes == 0)) {
            break;
        }
        r->ranges[r->range_count++].at = (struct bytes){b->at, b->len};
        r->bytes += b->len;
        r->next_offset = b->last_offset + 1;
    }
}

bool plog_read_start(struct plog_read *r)
{
    struct plog *l = r->log;

    CHECK(r->offset >= l->start && r->offset < r->offset_end && r->offset_end <= l->durable);
    l->lent++;
    if (!l->cold) {
        read_now(r);
        return true;
    }
    CHECK(l->read_count < FAKE_READS_MAX);
    l->reads[l->read_count++] = r;
    return false;
}

void plog_read_release(struct plog_read *r)
{
    CHECK(r->log->lent > 0);
    r->log->lent--;
}

static void find_now(struct plog_find *f)
{
    const struct fake_batch *best = NULL;

    f->err = f->log->read_err;
    for (int i = 0; i < f->log->count && f->err == OK; i++) {
        const struct fake_batch *b = &f->log->batches[i];
        bool fits = b->last_offset < f->offset_end && b->last_offset >= f->log->start;

        if (fits && f->kind == PLOG_FIND_MAX_TIMESTAMP &&
            (best == NULL || b->max_timestamp > best->max_timestamp)) {
            best = b;
        } else if (fits && f->kind == PLOG_FIND_TIME && best == NULL &&
                   b->max_timestamp >= f->timestamp_ms) {
            best = b;
        }
    }
    if (f->err == OK && best == NULL) {
        f->err = ERR_NOT_FOUND;
    } else if (f->err == OK) {
        f->offset = best->base_offset;
        f->timestamp = best->max_timestamp;
        f->leader_epoch = best->leader_epoch;
    }
}

bool plog_find_start(struct plog_find *f)
{
    if (f->log->cold) {
        CHECK(f->log->find == NULL);
        f->log->find = f;
        return false;
    }
    find_now(f);
    return true;
}

/* ---- for the tests ---- */

static void tell(struct plog *l, enum err e)
{
    l->config.on_durable(l->config.context, l, e);
}

void fake_plog_sync_some(struct plog *l, int count)
{
    CHECK(count <= l->count);
    l->durable = count == 0 ? l->start : l->batches[count - 1].last_offset + 1;
    tell(l, OK);
}

void fake_plog_sync(struct plog *l)
{
    l->durable = l->end;
    tell(l, OK);
}

void fake_plog_fail(struct plog *l, enum err e)
{
    while (l->count > 0 && l->batches[l->count - 1].last_offset >= l->durable) {
        mem_free(l->batches[--l->count].at);
    }
    l->end = l->durable;
    (void)producers_truncate(l->producers, l->end);
    l->state = e;
    tell(l, e);
}

void fake_plog_answer(struct plog *l)
{
    int count = l->read_count;
    struct plog_find *f = l->find;

    l->read_count = 0;
    l->find = NULL;
    for (int i = 0; i < count; i++) {
        read_now(l->reads[i]);
        l->reads[i]->done(l->reads[i]);
    }
    if (f != NULL) {
        find_now(f);
        f->done(f);
    }
}
