/* tools/group_times.c: how old the first record is that a group has not consumed yet.
 *
 * WHY      A lag of 1000 records is a second here and a day there; what people wait for is time. The record at the
 *          committed offset says it.
 * FORMAT   A "want" is a partition of a group that lags. Wants of one partition stand together, by offset. Each round
 *          asks every leader once, each partition from its first open want on, and settles all wants that the batches
 *          reach, so a thousand groups at nearly the same place cost one answer.
 * OWNER    The command's arena; answers live in one of their own, for a round.
 * FAILURE  A partition that cannot be read, or a batch that cannot be unpacked, leaves its times unknown. An offset
 *          before the start of the log counts as the start.
 * LIMITS   A broker gives a first batch that is larger than asked for to the first partition of a request only; so what
 *          is asked for grows each round, and a round that settles nothing at the largest size is the last.
 */
#include "tools/group_view_internal.h"

#include "protocol/compression.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "schema/fetch.h"
#include "tools/cluster.h"

#include <stdlib.h>

enum {
    FETCH_VERSION_LAST = 12, /* names topics */
    FETCH_BYTES_MAX = 32 << 20,
    PROBE_BYTES_FIRST = 4 << 10,
    PROBE_BYTES_MAX = 1 << 20,
    PROBE_GROWTH = 16,
    UNPACKED_BYTES_MAX = 256 << 20,
    ROUND_BYTES_MAX = 256 << 20,
};

struct want {
    struct group_offset *of;
    int64_t at; /* the first offset that may be it */
    bool done;
    bool out; /* the log does not have that offset: where it begins must be asked */
};

struct times {
    struct cli *cli;
    struct want *wants; /* by leader, topic, partition, offset */
    int32_t count;
    int32_t open; /* not done */
    bool moved;   /* a want, in this round */
    int32_t probe_bytes;
    struct compression *compression;
    struct buf unpacked;
    struct arena round;
};

static bool same_partition(const struct want *a, const struct want *b)
{
    return a->of->partition == b->of->partition && bytes_equal(a->of->topic, b->of->topic);
}

static int by_leader(const void *a, const void *b)
{
    const struct want *x = a, *y = b;

    if (x->of->leader != y->of->leader) {
        return x->of->leader < y->of->leader ? -1 : 1;
    }
    int order = bytes_compare(x->of->topic, y->of->topic);
    if (order == 0) {
        order = (x->of->partition > y->of->partition) - (x->of->partition < y->of->partition);
    }
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static void settle(struct times *t, struct want *w, int64_t age_ms)
{
    w->done = true;
    w->of->lag_time_ms = age_ms;
    t->open--;
    t->moved = true;
}

/* ---- which ---- */

static bool is_behind(const struct group_offset *o)
{
    return o->lag > 0 && o->committed >= 0 && o->leader >= 0;
}

static enum err collect(struct times *t, struct group_view *v)
{
    int32_t count = 0;

    for (int32_t i = 0; i < v->count; i++) {
        for (int32_t j = 0; j < v->groups[i].offset_count; j++) {
            struct group_offset *o = &v->groups[i].offsets[j];
            o->lag_time_ms = o->lag == 0 ? 0 : -1;
            count += is_behind(o);
        }
    }
    t->wants = ARENA_ARRAY(t->cli->arena, struct want, count);
    if (t->wants == NULL) {
        return fail(ERR_NOMEM, "no memory for %d partitions", count);
    }
    for (int32_t i = 0; i < v->count; i++) {
        for (int32_t j = 0; j < v->groups[i].offset_count; j++) {
            struct group_offset *o = &v->groups[i].offsets[j];
            if (is_behind(o)) {
                t->wants[t->count++] = (struct want){o, o->committed, false, false};
            }
        }
    }
    t->open = t->count;
    if (count > 0) {
        qsort(t->wants, (size_t)count, sizeof(*t->wants), by_leader);
    }
    return OK;
}

/* ---- the answer of one partition ---- */

/* Wants [from, to) of one partition up to this offset get the time of the record there. */
static void reach(struct times *t, struct want *from, struct want *to, int64_t offset, int64_t ms)
{
    int64_t age = ms < 0 ? -1 : MAX(0, env_wall_ms(t->cli->env) - ms);

    for (struct want *w = from; w < to && w->at <= offset; w++) {
        if (!w->done) {
            settle(t, w, age);
        }
    }
}

static struct want *first_open(struct want *from, const struct want *to)
{
    while (from < to && from->done) {
        from++;
    }
    return from;
}

static enum err walk_batch(struct times *t, const struct batch *b, struct want *from,
                           struct want *to)
{
    const struct batch_header *h = &b->header;
    struct bytes records = batch_records(b->bytes);
    struct record_reader reader;
    struct record r;
    enum err e = OK;

    if (batch_codec(h) != CODEC_NONE) {
        buf_reset(&t->unpacked);
        if (!codec_known(batch_codec(h))) {
            return fail(ERR_UNSUPPORTED, "codec %d", batch_codec(h));
        }
        TRY(compression_unpack(t->compression, (enum codec)batch_codec(h), records, &t->unpacked));
        records = buf_view(&t->unpacked);
    }
    record_reader_init(&reader, records, h->record_count);
    while ((from = first_open(from, to)) < to && from->at < batch_next_offset(h) &&
           (e = record_next(&reader, &r)) == OK) {
        bool appended = (h->attributes & BATCH_LOG_APPEND_TIME) != 0;
        reach(t, from, to, h->base_offset + r.offset_delta,
              appended ? h->max_timestamp : h->base_timestamp + r.timestamp_delta);
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

/* What lies before `offset` was looked at. */
static void pass(struct times *t, struct want *from, const struct want *to, int64_t offset)
{
    for (struct want *w = from; w < to; w++) {
        if (!w->done && w->at < offset) {
            w->at = offset;
            t->moved = true;
        }
    }
}

static void walk(struct times *t, struct bytes batches, struct want *from, struct want *to)
{
    struct batch b;

    while (first_open(from, to) < to && batch_next(&batches, &b) == OK) {
        const struct want *w = first_open(from, to);
        if (batch_next_offset(&b.header) <= w->at) {
            continue;
        }
        if (!batch_is_control(&b.header) &&
            (!batch_crc_ok(b.bytes) || walk_batch(t, &b, from, to) != OK)) {
            return;
        }
        pass(t, from, to, batch_next_offset(&b.header));
    }
}

static void take_partition(struct times *t, const struct fetch_response_partition *p,
                           struct want *from, struct want *to)
{
    if (p->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        first_open(from, to)->out = true; /* the answer does not say where the log begins */
        return;
    }
    if (p->error_code != KAFKA_NONE) {
        reach(t, from, to, INT64_MAX, -1);
        return;
    }
    walk(t, p->records, from, to);
    /* Behind the last record there may be marks of transactions: nothing that could be consumed. */
    for (struct want *w = from; w < to; w++) {
        if (!w->done && w->at >= p->high_watermark) {
            settle(t, w, 0);
        }
    }
}

/* ---- rounds ---- */

static int32_t partition_end(const struct times *t, int32_t from)
{
    int32_t end = from + 1;

    while (end < t->count && t->wants[end].of->leader == t->wants[from].of->leader &&
           same_partition(&t->wants[end], &t->wants[from])) {
        end++;
    }
    return end;
}

/* More is asked for where more groups wait. */
static int32_t probe_bytes(const struct times *t, int32_t wants)
{
    return (int32_t)MIN((int64_t)t->probe_bytes * wants, PROBE_BYTES_MAX);
}

static struct fetch_request_topics topics_of(struct times *t, int32_t from, int32_t to)
{
    struct fetch_request_topics topics = fetch_request_topics_new(&t->round, to - from);
    int32_t len = 0;

    for (int32_t i = from, end; i < to && topics.len > 0; i = end) {
        end = partition_end(t, i);
        const struct want *w = first_open(t->wants + i, t->wants + end);
        if (w == t->wants + end) {
            continue;
        }
        struct fetch_request_topic *topic = len == 0 ? NULL : &topics.at[len - 1];
        if (topic == NULL || !bytes_equal(topic->topic, w->of->topic)) {
            topic = &topics.at[len++];
            topic->topic = w->of->topic;
            topic->partitions = fetch_request_partitions_new(&t->round, to - i);
            topic->partitions.len = 0;
        }
        if (topic->partitions.at != NULL) {
            struct fetch_request_partition *p = &topic->partitions.at[topic->partitions.len++];
            p->partition = w->of->partition;
            p->fetch_offset = w->at;
            p->partition_max_bytes = probe_bytes(t, end - i);
        }
    }
    topics.len = len;
    return topics;
}

/* Answers come in the order they were asked in; a topic or partition that was not asked for is passed over. */
static void take_answer(struct times *t, const struct fetch_response *rs, int32_t from, int32_t to)
{
    int32_t at = from;

    for (int32_t i = 0; i < rs->responses.len; i++) {
        const struct fetch_response_topic *topic = &rs->responses.at[i];
        for (int32_t j = 0; j < topic->partitions.len; j++) {
            const struct fetch_response_partition *p = &topic->partitions.at[j];
            int32_t tries = 0;
            while (tries < to - from && (t->wants[at].of->partition != p->partition_index ||
                                         !bytes_equal(t->wants[at].of->topic, topic->topic))) {
                at = at + 1 == to ? from : at + 1;
                tries++;
            }
            int32_t end = partition_end(t, at);
            if (tries < to - from && first_open(t->wants + at, t->wants + end) < t->wants + end) {
                take_partition(t, p, t->wants + at, t->wants + end);
            }
        }
    }
}

static enum err ask_leader(struct times *t, int32_t from, int32_t to)
{
    struct fetch_request rq;
    struct fetch_response rs;
    struct client_call call = {.broker = t->wants[from].of->leader,
                               .api = API_FETCH,
                               .version_max = FETCH_VERSION_LAST,
                               .request = &rq,
                               .response = &rs};

    arena_reset(&t->round);
    fetch_request_init(&rq);
    rq.min_bytes = 0;
    rq.max_bytes = FETCH_BYTES_MAX;
    rq.topics = topics_of(t, from, to);
    if (rq.topics.len == 0) {
        return OK;
    }
    fetch_response_init(&rs);
    TRY(client_do(t->cli->client, &call, &t->round));
    take_answer(t, &rs, from, to);
    return OK;
}

/* Wants before the start of their log go on from there; one that is not before it cannot be read. */
static enum err ask_starts(struct times *t)
{
    struct cluster_offset *q = ARENA_ARRAY(&t->round, struct cluster_offset, t->count);
    int32_t count = 0;

    for (int32_t i = 0; q != NULL && i < t->count; i++) {
        const struct group_offset *o = t->wants[i].of;
        if (t->wants[i].out) {
            q[count++] = (struct cluster_offset){.topic = o->topic,
                                                 .partition = o->partition,
                                                 .leader = o->leader,
                                                 .at = CLUSTER_OFFSET_START};
        }
    }
    if (q == NULL || count == 0) {
        return q == NULL ? fail(ERR_NOMEM, "no memory for %d partitions", t->count) : OK;
    }
    (void)cluster_offsets(t->cli->client, &t->round, q, count, CLUSTER_READ_ALL);
    for (int32_t i = 0, at = 0; i < t->count && at < count; i++) {
        struct want *w = &t->wants[i];
        if (!w->out) {
            continue;
        }
        w->out = false;
        if (q[at].error == KAFKA_NONE && q[at].offset > w->at) {
            pass(t, w, t->wants + partition_end(t, i), q[at].offset);
        } else {
            settle(t, w, -1);
        }
        at++;
    }
    return OK;
}

static enum err ask_all(struct times *t)
{
    t->probe_bytes = PROBE_BYTES_FIRST;
    while (t->open > 0) {
        t->moved = false;
        for (int32_t from = 0, to; from < t->count; from = to) {
            to = from + 1;
            while (to < t->count && t->wants[to].of->leader == t->wants[from].of->leader) {
                to++;
            }
            enum err e = ask_leader(t, from, to);
            if (e != OK && e != ERR_CLOSED && e != ERR_NOT_FOUND) {
                return e; /* of those others the times stay unknown */
            }
        }
        arena_reset(&t->round);
        TRY(ask_starts(t));
        if (!t->moved && t->probe_bytes == PROBE_BYTES_MAX) {
            break;
        }
        t->probe_bytes = MIN(t->probe_bytes * PROBE_GROWTH, PROBE_BYTES_MAX);
    }
    return OK;
}

enum err group_view_times(struct cli *c, struct group_view *v)
{
    struct times t = {.cli = c};

    TRY(collect(&t, v));
    if (t.count == 0) {
        return OK;
    }
    TRY(compression_new(&t.compression));
    buf_init(&t.unpacked, UNPACKED_BYTES_MAX);
    arena_init(&t.round, ROUND_BYTES_MAX);
    enum err e = ask_all(&t);
    arena_deinit(&t.round);
    buf_deinit(&t.unpacked);
    compression_free(t.compression);
    return e;
}
