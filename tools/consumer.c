/* tools/consumer.c: fetch, walk the batches, walk the records.
 *
 * WHY      The reader's place is one number for each partition; everything else (response, batch, record) is a
 *          cursor into memory that is dropped before the next fetch.
 * FORMAT   A response holds whole batches from the one with the asked offset on, so the first records may lie
 *          before it, and the last batch may be cut off.
 * OWNER    One thread. A response lives in the arena until all of it was handed out.
 * FAILURE  After an error the places are right: nothing was skipped that was not handed out.
 * LIMITS   FETCH_BYTES_MAX per response (but for one batch that is larger), UNPACKED_BYTES_MAX per batch.
 */
#include "tools/consumer.h"

#include "base/mem.h"
#include "protocol/compression.h"
#include "protocol/record_batch.h"
#include "schema/fetch.h"

enum {
    FETCH_WAIT_MS = 500,
    FETCH_BYTES_MAX = 16 << 20,
    FETCH_PARTITION_BYTES_MAX = 1 << 20,
    UNPACKED_BYTES_MAX = 1 << 30,
    VERSION_WITH_ID = 13,
};

struct consumer {
    struct consumer_options options;
    struct arena arena; /* of a response */
    struct compression *compression;
    struct buf unpacked; /* of a batch */
    struct client_retry retry;
    int32_t turn;   /* partition whose leader is asked next */
    bool handed;    /* a record since the last fetch */
    bool unsettled; /* a partition must be asked again after fresh metadata */
    struct consumer_refusal refusal;

    /* the cursor */
    struct fetch_response response;
    int32_t topic_at, partition_at; /* next of the response */
    struct consumer_partition *now; /* whose batches are walked; NULL: none */
    struct bytes batches;           /* not yet walked */
    bool in_batch;
    struct batch batch;
    struct record_reader records;
};

static bool is_done(const struct consumer_partition *p)
{
    return p->at >= p->to;
}

static enum err refused(const struct consumer *c)
{
    return fail(ERR_USAGE, "partition %d is refused", c->refusal.partition->index);
}

/* ---- asking ---- */

static struct fetch_request_topics topics_of(struct consumer *c, int32_t leader, int16_t version)
{
    struct fetch_request_topics topics = fetch_request_topics_new(&c->arena, 1);

    if (topics.len == 0) {
        return topics;
    }
    struct fetch_request_topic *t = &topics.at[0];
    if (version >= VERSION_WITH_ID) {
        t->topic_id = c->options.topic_id;
    } else {
        t->topic = c->options.topic;
    }
    t->partitions = fetch_request_partitions_new(&c->arena, c->options.partition_count);
    int32_t len = 0, room = t->partitions.len;
    for (int32_t i = 0; i < room; i++) {
        /* Begins elsewhere each time, so that no partition starves behind a full one. */
        const struct consumer_partition *p = &c->options.partitions[(c->turn + i) % room];
        if (p->leader == leader && !is_done(p)) {
            struct fetch_request_partition *out = &t->partitions.at[len++];
            out->partition = p->index;
            out->fetch_offset = p->at;
            out->partition_max_bytes = FETCH_PARTITION_BYTES_MAX;
        }
    }
    t->partitions.len = len;
    return topics;
}

static enum err fetch(struct consumer *c, int32_t leader)
{
    struct fetch_request rq;
    bool has_id = !uuid_is_zero(c->options.topic_id);
    struct client_call call = {.broker = leader,
                               .api = API_FETCH,
                               .version_max = has_id ? 0 : VERSION_WITH_ID - 1,
                               .request = &rq,
                               .response = &c->response};
    int16_t version = client_version(c->options.client, leader, API_FETCH);

    arena_reset(&c->arena);
    fetch_request_init(&rq);
    rq.max_wait_ms = FETCH_WAIT_MS;
    rq.min_bytes = 1;
    rq.max_bytes = FETCH_BYTES_MAX;
    rq.topics = topics_of(c, leader, has_id ? version : MIN(version, VERSION_WITH_ID - 1));
    fetch_response_init(&c->response);
    c->topic_at = c->partition_at = 0;
    TRY(client_do(c->options.client, &call, &c->arena));
    return c->response.error_code == KAFKA_NONE
               ? OK
               : fail(ERR_UNSUPPORTED, "fetch: %s", kafka_error_info(c->response.error_code)->name);
}

static void refresh(struct consumer *c)
{
    struct metadata_response m;

    arena_reset(&c->arena);
    enum err e = client_metadata(c->options.client, &c->arena, &c->options.topic, 1, &m);
    for (int32_t i = 0; e == OK && i < c->options.partition_count; i++) {
        struct consumer_partition *p = &c->options.partitions[i];
        p->leader = client_leader(&m, c->options.topic, p->index);
    }
    fetch_response_init(&c->response);
    c->topic_at = c->partition_at = 0;
    c->now = NULL;
}

/* Waits and asks who leads. `e` when the time is over. */
static enum err retry(struct consumer *c, enum err e)
{
    if (!client_retry(c->options.client, &c->retry)) {
        return e;
    }
    refresh(c);
    return ERR_AGAIN;
}

/* The next leader that has something to read. */
static enum err ask(struct consumer *c)
{
    int32_t count = c->options.partition_count;
    bool waits = false;

    if (c->unsettled) {
        c->unsettled = false;
        return retry(c, refused(c));
    }
    for (int32_t i = 0; i < count; i++) {
        c->turn = (c->turn + 1) % count;
        const struct consumer_partition *p = &c->options.partitions[c->turn];
        waits = waits || !is_done(p);
        if (is_done(p) || p->leader < 0) {
            continue;
        }
        enum err e = fetch(c, p->leader);
        return e == ERR_CLOSED || e == ERR_NOT_FOUND ? retry(c, e) : e;
    }
    return waits ? retry(c, fail(ERR_CLOSED, "no partition has a leader")) : ERR_NOT_FOUND;
}

/* ---- the answer of one partition ---- */

static struct consumer_partition *partition_of(struct consumer *c, int32_t index)
{
    for (int32_t i = 0; i < c->options.partition_count; i++) {
        if (c->options.partitions[i].index == index) {
            return &c->options.partitions[i];
        }
    }
    return NULL;
}

static enum err take_partition(struct consumer *c, const struct fetch_response_partition *rs)
{
    struct consumer_partition *p = partition_of(c, rs->partition_index);

    if (p == NULL) {
        return OK;
    }
    if (rs->error_code == KAFKA_NONE) {
        c->retry = (struct client_retry){0};
        c->now = p;
        c->batches = rs->records;
        c->in_batch = false;
        return OK;
    }
    c->refusal =
        (struct consumer_refusal){p, rs->error_code, rs->log_start_offset, rs->high_watermark};
    if (kafka_error_info(rs->error_code)->retriable &&
        rs->error_code != KAFKA_OFFSET_OUT_OF_RANGE) {
        c->unsettled = true; /* the others of this response come first */
        return OK;
    }
    return refused(c);
}

/* The next partition of the response that has batches. ERR_NOT_FOUND: it has no more. */
static enum err next_partition(struct consumer *c)
{
    while (c->now == NULL) {
        if (c->topic_at >= c->response.responses.len) {
            return ERR_NOT_FOUND;
        }
        const struct fetch_response_topic *t = &c->response.responses.at[c->topic_at];
        if (c->partition_at >= t->partitions.len) {
            c->topic_at++;
            c->partition_at = 0;
            continue;
        }
        TRY(take_partition(c, &t->partitions.at[c->partition_at++]));
    }
    return OK;
}

/* ---- batches and records ---- */

static enum err open_batch(struct consumer *c)
{
    struct bytes records = batch_records(c->batch.bytes);
    int codec = batch_codec(&c->batch.header);

    if (!batch_crc_ok(c->batch.bytes)) {
        return fail(ERR_CORRUPT, "partition %d: the batch at offset %" PRId64 " does not verify",
                    c->now->index, c->batch.header.base_offset);
    }
    if (codec != CODEC_NONE) {
        buf_reset(&c->unpacked);
        if (!codec_known(codec)) {
            return fail(ERR_CORRUPT, "the batch at offset %" PRId64 " has codec %d",
                        c->batch.header.base_offset, codec);
        }
        TRY(compression_unpack(c->compression, (enum codec)codec, records, &c->unpacked));
        records = buf_view(&c->unpacked);
    }
    record_reader_init(&c->records, records, c->batch.header.record_count);
    c->in_batch = true;
    return OK;
}

/* The next batch with records for clients. ERR_NOT_FOUND: the partition has no more of them here. */
static enum err next_batch(struct consumer *c)
{
    for (;;) {
        enum err e = batch_next(&c->batches, &c->batch);
        if (e == ERR_AGAIN) {
            return ERR_NOT_FOUND; /* cut off: it comes again */
        }
        TRY(e);
        if (batch_next_offset(&c->batch.header) <= c->now->at) {
            continue;
        }
        if (!batch_is_control(&c->batch.header)) {
            return open_batch(c);
        }
        c->now->at = batch_next_offset(&c->batch.header);
    }
}

static void leave_batch(struct consumer *c)
{
    c->in_batch = false;
    c->now->at = MAX(c->now->at, batch_next_offset(&c->batch.header));
}

/* ERR_NOT_FOUND: the partition has no more here, or enough. */
static enum err next_record(struct consumer *c, struct consumed *out)
{
    struct record r;

    while (!is_done(c->now)) {
        if (!c->in_batch) {
            TRY(next_batch(c));
        }
        enum err e = record_next(&c->records, &r);
        if (e == ERR_NOT_FOUND) {
            leave_batch(c);
            continue;
        }
        TRY(e);
        const struct batch_header *h = &c->batch.header;
        int64_t offset = h->base_offset + r.offset_delta;
        if (offset < c->now->at) {
            continue;
        }
        if (offset >= c->now->to) {
            c->now->at = c->now->to;
            break;
        }
        bool appended = (h->attributes & BATCH_LOG_APPEND_TIME) != 0;
        *out =
            (struct consumed){c->now->index,
                              offset,
                              appended ? h->max_timestamp : h->base_timestamp + r.timestamp_delta,
                              r.key,
                              r.value,
                              r.headers,
                              r.header_count};
        c->now->at = offset + 1;
        return OK;
    }
    return ERR_NOT_FOUND;
}

enum err topic_reader_next(struct consumer *c, struct consumed *out)
{
    for (;;) {
        enum err e = next_partition(c);
        if (e == OK) {
            e = next_record(c, out);
            c->handed = c->handed || e == OK;
        }
        if (e != ERR_NOT_FOUND) {
            return e;
        }
        if (c->now != NULL) {
            c->now = NULL;
            continue;
        }
        if (c->handed) {
            c->handed = false;
            return ERR_AGAIN;
        }
        TRY(ask(c));
    }
}

const struct consumer_refusal *topic_reader_refused(const struct consumer *c)
{
    return &c->refusal;
}

/* ---- life ---- */

enum err topic_reader_new(const struct consumer_options *options, struct consumer **out)
{
    struct consumer *c = mem_zalloc(1, sizeof(*c));

    ASSERT(options->partition_count > 0);
    if (c == NULL) {
        return fail(ERR_NOMEM, "no memory for a consumer");
    }
    c->options = *options;
    arena_init(&c->arena, 2 * CLIENT_RESPONSE_BYTES_MAX);
    buf_init(&c->unpacked, UNPACKED_BYTES_MAX);
    fetch_response_init(&c->response);
    enum err e = compression_new(&c->compression);
    if (e != OK) {
        topic_reader_free(c);
        return e;
    }
    *out = c;
    return OK;
}

void topic_reader_free(struct consumer *c)
{
    compression_free(c->compression);
    buf_deinit(&c->unpacked);
    arena_deinit(&c->arena);
    mem_free(c);
}
