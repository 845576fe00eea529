/* tools/producer.c: batches, sequences and what to do when a request fails.
 *
 * WHY      Exactly once into a log takes three things: an id and a sequence in each batch, one request at a time
 *          so that the order cannot change, and repeating a request whose answer got lost.
 * FORMAT   A batch that is too large for the topic is cut in two until single records are refused: `taken`
 *          counts the records of a batch that are stored, `piece` how many go into one request.
 * OWNER    One thread. A partition's records stay in its builder until all of them have an answer.
 * FAILURE  What does not pass fails the piece, and the next one goes on with its sequence: nothing was stored
 *          under it. What passes is retried after fresh metadata.
 * LIMITS   BATCH_BYTES per batch unless one record is larger; RECORDS_BYTES_MAX for that.
 */
#include "tools/producer.h"

#include "base/mem.h"
#include "protocol/batch_builder.h"
#include "schema/init_producer_id.h"
#include "schema/produce.h"
#include "tools/murmur2.h"

#include <stdio.h>

enum {
    BATCH_BYTES = 256 << 10,
    PENDING_BYTES = 8 << 20, /* in all partitions; a request must stay below what brokers take */
    RECORD_BYTES = 32,       /* of a record without key and value, about */
    RECORDS_BYTES_MAX = 256 << 20,
    ROUND_BYTES_MAX = 512 << 20,
    VERSION_WITH_ID = 13,
};

struct part {
    int32_t leader;
    struct batch_builder pending;
    int32_t taken, piece; /* piece 0: all that is left */
    int32_t sequence;     /* of the next record */
    int32_t asked;        /* records in the request under way */
};

struct producer {
    struct producer_options options;
    struct client *client;
    struct uuid topic_id;
    struct part *parts;
    int32_t part_count;
    int32_t sticky;         /* for records without a key */
    size_t pending_bytes;   /* about */
    enum kafka_error again; /* why something had to wait last */
    int64_t producer_id;
    int16_t producer_epoch;
    struct compression *compression;
    struct batch_builder cut; /* a piece of a batch */
    struct arena arena;       /* of a round */
    struct producer_outcome outcome;
};

/* ---- one batch ---- */

static int32_t left_in(const struct part *t)
{
    return t->pending.count - t->taken;
}

/* The records `taken` .. `taken` + `asked` of the pending ones, as a batch of their own. */
static enum err cut_piece(struct producer *p, const struct part *t)
{
    struct record_reader reader;
    struct record r;

    batch_builder_reset(&p->cut);
    record_reader_init(&reader, buf_view(&t->pending.records), t->pending.count);
    for (int32_t i = 0; i < t->taken + t->asked; i++) {
        TRY(record_next(&reader, &r));
        if (i >= t->taken) {
            TRY(batch_builder_add_record(&p->cut, t->pending.base_timestamp + r.timestamp_delta,
                                         &r));
        }
    }
    return OK;
}

static enum err make_batch(struct producer *p, struct part *t, struct bytes *out)
{
    struct batch_builder_options o = batch_builder_options_default();
    const struct batch_builder *from = &t->pending;
    struct buf batch;

    t->asked = t->piece == 0 ? left_in(t) : MIN(t->piece, left_in(t));
    if (t->asked < t->pending.count) {
        TRY(cut_piece(p, t));
        from = &p->cut;
    }
    o.codec = p->options.codec;
    o.level = codec_level_default(o.codec);
    o.compression = p->compression;
    o.producer_id = p->producer_id;
    o.producer_epoch = p->producer_epoch;
    o.base_sequence = p->producer_id < 0 ? BATCH_NO_SEQUENCE : t->sequence;
    buf_init(&batch, RECORDS_BYTES_MAX);
    enum err e = batch_builder_finish(from, &o, &batch);
    if (e == OK) {
        *out = arena_copy(&p->arena, buf_view(&batch));
        e = out->at == NULL ? fail(ERR_NOMEM, "no memory for a batch") : OK;
    }
    buf_deinit(&batch);
    return e;
}

/* The piece has its answer, good or bad. */
static void finish_piece(struct part *t)
{
    t->taken += t->asked;
    t->asked = 0;
    if (left_in(t) == 0) {
        batch_builder_reset(&t->pending);
        t->taken = t->piece = 0;
    }
}

static void note_failure(struct producer *p, struct part *t, enum kafka_error error,
                         struct bytes message)
{
    struct producer_outcome *o = &p->outcome;

    if (o->failed == 0) {
        o->error = error;
        o->partition = (int32_t)(t - p->parts);
        (void)snprintf(o->message, sizeof(o->message), "%.*s", BYTES_ARG(message));
    }
    o->failed += t->asked;
    finish_piece(t);
}

static void note_sent(struct producer *p, struct part *t, int64_t offset)
{
    int32_t count = t->asked;

    t->sequence = batch_sequence_add(t->sequence, count);
    p->outcome.sent += count;
    finish_piece(t);
    if (p->options.on_sent != NULL) {
        p->options.on_sent(p->options.context, (int32_t)(t - p->parts), offset, count);
    }
}

/* True: it must be asked again after a while. */
static bool take_answer(struct producer *p, struct part *t,
                        const struct produce_response_partition *rs)
{
    if (rs->error_code == KAFKA_NONE || rs->error_code == KAFKA_DUPLICATE_SEQUENCE_NUMBER) {
        note_sent(p, t, rs->error_code == KAFKA_NONE ? rs->base_offset : -1);
        return false;
    }
    bool too_large =
        rs->error_code == KAFKA_MESSAGE_TOO_LARGE || rs->error_code == KAFKA_RECORD_LIST_TOO_LARGE;
    if (too_large && t->asked > 1) {
        t->piece = (t->asked + 1) / 2;
        t->asked = 0;
        return false;
    }
    if (kafka_error_info(rs->error_code)->retriable) {
        p->again = rs->error_code;
        return true;
    }
    struct bytes message = rs->error_message;
    if (message.len == 0 && rs->record_errors.len > 0) {
        message = rs->record_errors.at[0].batch_index_error_message;
    }
    note_failure(p, t, rs->error_code, message);
    return false;
}

/* ---- one request ---- */

static bool is_asked(const struct producer *p, int32_t partition, int32_t leader)
{
    const struct part *t = &p->parts[partition];

    return t->leader == leader && left_in(t) > 0;
}

static enum err make_request(struct producer *p, int32_t leader, int16_t version,
                             struct produce_request *rq)
{
    produce_request_init(rq);
    rq->transactional_id = BYTES_NULL;
    rq->acks = p->options.acks;
    rq->timeout_ms = (int32_t)MIN(client_timeout_ms(p->client), INT32_MAX);
    rq->topic_data = produce_request_topics_new(&p->arena, 1);
    if (rq->topic_data.len == 0) {
        return fail(ERR_NOMEM, "no memory for a request");
    }
    struct produce_request_topic *topic = &rq->topic_data.at[0];
    if (version >= VERSION_WITH_ID) {
        topic->topic_id = p->topic_id;
    } else {
        topic->name = p->options.topic->name;
    }
    topic->partition_data = produce_request_partitions_new(&p->arena, p->part_count);
    int32_t len = 0;
    for (int32_t i = 0; i < topic->partition_data.len; i++) {
        if (is_asked(p, i, leader)) {
            struct produce_request_partition *out = &topic->partition_data.at[len++];
            out->index = i;
            TRY(make_batch(p, &p->parts[i], &out->records));
        }
    }
    topic->partition_data.len = len;
    return OK;
}

static bool take_answers(struct producer *p, const struct produce_response *rs)
{
    bool again = false;

    for (int32_t i = 0; i < rs->responses.len; i++) {
        const struct produce_response_topic *topic = &rs->responses.at[i];
        for (int32_t j = 0; j < topic->partition_responses.len; j++) {
            const struct produce_response_partition *in = &topic->partition_responses.at[j];
            struct part *t =
                in->index >= 0 && in->index < p->part_count ? &p->parts[in->index] : NULL;
            if (t != NULL && t->asked > 0) {
                again = take_answer(p, t, in) || again;
            }
        }
    }
    return again;
}

/* Everything that waits for this leader. *again: some of it must be asked again. */
static enum err send_to(struct producer *p, int32_t leader, bool *again)
{
    struct produce_request rq;
    struct produce_response rs;
    struct client_call call = {.broker = leader,
                               .api = API_PRODUCE,
                               .version_max = uuid_is_zero(p->topic_id) ? VERSION_WITH_ID - 1 : 0,
                               .request = &rq,
                               .response = &rs,
                               .no_response = p->options.acks == 0};
    int16_t version = client_version(p->client, leader, API_PRODUCE);

    if (call.version_max > 0) {
        version = MIN(version, call.version_max);
    }
    TRY(make_request(p, leader, version, &rq));
    TRY(client_do(p->client, &call, &p->arena));
    if (!call.no_response) {
        *again = take_answers(p, &rs) || *again;
        return OK;
    }
    for (int32_t i = 0; i < p->part_count; i++) {
        if (p->parts[i].asked > 0) {
            note_sent(p, &p->parts[i], -1);
        }
    }
    return OK;
}

/* ---- rounds ---- */

static void take_leaders(struct producer *p, const struct metadata_response_topic *t)
{
    p->topic_id = t->topic_id;
    for (int32_t i = 0; i < t->partitions.len; i++) {
        int32_t index = t->partitions.at[i].partition_index;
        if (index >= 0 && index < p->part_count) {
            p->parts[index].leader = t->partitions.at[i].leader_id;
        }
    }
}

static void refresh(struct producer *p)
{
    struct metadata_response m;
    enum err e = client_metadata(p->client, &p->arena, &p->options.topic->name, 1, &m);

    if (e == OK && m.topics.len == 1 && m.topics.at[0].error_code == KAFKA_NONE) {
        take_leaders(p, &m.topics.at[0]);
    }
}

/* Each leader once. *again: something is left that must wait; *e why, if a broker could not be asked. */
static enum err send_round(struct producer *p, bool *again)
{
    enum err result = OK;

    arena_reset(&p->arena);
    p->again = KAFKA_REQUEST_TIMED_OUT;
    for (int32_t i = 0; i < p->part_count; i++) {
        p->parts[i].asked = 0;
    }
    for (int32_t i = 0; i < p->part_count; i++) {
        struct part *t = &p->parts[i];
        if (left_in(t) == 0 || t->asked > 0) {
            continue;
        }
        if (t->leader < 0) {
            p->again = KAFKA_LEADER_NOT_AVAILABLE;
            *again = true;
            continue;
        }
        int32_t before = left_in(t), piece = t->piece;
        enum err e = send_to(p, t->leader, again);
        if (e != OK) {
            result = e;
            *again = true;
        }
        /* An answer that left this partition out must not be waited for in vain. */
        *again = *again || (left_in(t) == before && t->piece == piece);
    }
    return result;
}

static void fail_pending(struct producer *p, struct bytes message)
{
    for (int32_t i = 0; i < p->part_count; i++) {
        struct part *t = &p->parts[i];
        t->asked = left_in(t);
        if (t->asked > 0) {
            note_failure(p, t, p->again, message);
        }
    }
}

enum err producer_flush(struct producer *p)
{
    struct client_retry retry = {0};

    p->pending_bytes = 0;
    while (producer_has_pending(p)) {
        bool again = false;
        int64_t before = p->outcome.sent + p->outcome.failed;
        enum err e = send_round(p, &again);
        if (e != OK && e != ERR_CLOSED && e != ERR_NOT_FOUND) {
            fail_pending(p, bytes_of(err_crumb()));
            return e;
        }
        if (p->outcome.sent + p->outcome.failed > before) {
            retry = (struct client_retry){0};
        }
        if (again && !client_retry(p->client, &retry)) {
            fail_pending(p, e == OK ? BYTES_NULL : bytes_of(err_crumb()));
            return e == OK ? fail(ERR_CLOSED, "not stored in time") : e;
        }
        if (again) {
            refresh(p);
        }
    }
    return OK;
}

/* ---- records ---- */

bool producer_has_pending(const struct producer *p)
{
    for (int32_t i = 0; i < p->part_count; i++) {
        if (left_in(&p->parts[i]) > 0) {
            return true;
        }
    }
    return false;
}

const struct producer_outcome *producer_outcome(const struct producer *p)
{
    return &p->outcome;
}

static int32_t partition_for(struct producer *p, const struct producer_record *r)
{
    if (r->partition != PRODUCER_PARTITION_BY_KEY) {
        return r->partition;
    }
    return r->key.at != NULL ? murmur2_partition(r->key, p->part_count) : p->sticky;
}

static void choose_sticky(struct producer *p)
{
    p->sticky = (int32_t)(env_random(p->options.env) % (uint64_t)p->part_count);
}

enum err producer_add(struct producer *p, const struct producer_record *r)
{
    int32_t partition = partition_for(p, r);

    if (partition < 0 || partition >= p->part_count) {
        return fail(ERR_USAGE, "%.*s has no partition %d: it has 0 to %d",
                    BYTES_ARG(p->options.topic->name), partition, p->part_count - 1);
    }
    struct batch_builder *b = &p->parts[partition].pending;
    TRY(batch_builder_add(b, &(struct batch_builder_record){.timestamp_ms = r->timestamp_ms,
                                                            .key = r->key,
                                                            .value = r->value,
                                                            .headers = r->headers,
                                                            .header_count = r->header_count}));
    p->pending_bytes += r->key.len + r->value.len + RECORD_BYTES;
    if (batch_builder_size(b) < BATCH_BYTES && p->pending_bytes < PENDING_BYTES) {
        return OK;
    }
    choose_sticky(p);
    return producer_flush(p);
}

/* ---- life ---- */

static enum err ask_id(struct producer *p)
{
    struct init_producer_id_request rq;
    struct init_producer_id_response rs = {.error_code = KAFKA_NONE};
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_INIT_PRODUCER_ID, .request = &rq, .response = &rs};
    struct client_retry retry = {0};
    enum err e;

    init_producer_id_request_init(&rq);
    rq.transactional_id = BYTES_NULL;
    do {
        e = client_do(p->client, &call, &p->arena);
    } while ((e == ERR_CLOSED || (e == OK && kafka_error_info(rs.error_code)->retriable)) &&
             client_retry(p->client, &retry));
    TRY(e);
    if (rs.error_code != KAFKA_NONE) {
        return fail(ERR_UNSUPPORTED, "the broker gives no producer id: %s",
                    kafka_error_info(rs.error_code)->name);
    }
    p->producer_id = rs.producer_id;
    p->producer_epoch = rs.producer_epoch;
    return OK;
}

static enum err start(struct producer *p)
{
    p->part_count = p->options.topic->partitions.len;
    p->parts = mem_zalloc((size_t)p->part_count, sizeof(*p->parts));
    if (p->parts == NULL) {
        p->part_count = 0;
        return fail(ERR_NOMEM, "no memory for partitions");
    }
    for (int32_t i = 0; i < p->part_count; i++) {
        batch_builder_init(&p->parts[i].pending, RECORDS_BYTES_MAX);
        p->parts[i].leader = -1;
    }
    take_leaders(p, p->options.topic);
    choose_sticky(p);
    TRY(compression_new(&p->compression));
    return p->options.acks == PRODUCER_ACKS_ALL ? ask_id(p) : OK;
}

enum err producer_new(const struct producer_options *options, struct producer **out)
{
    struct producer *p = mem_zalloc(1, sizeof(*p));

    ASSERT(options->topic->partitions.len > 0);
    if (p == NULL) {
        return fail(ERR_NOMEM, "no memory for a producer");
    }
    p->options = *options;
    p->client = options->client;
    p->producer_id = BATCH_NO_PRODUCER_ID;
    p->producer_epoch = -1;
    arena_init(&p->arena, ROUND_BYTES_MAX);
    batch_builder_init(&p->cut, RECORDS_BYTES_MAX);
    enum err e = start(p);
    if (e != OK) {
        producer_free(p);
        return e;
    }
    *out = p;
    return OK;
}

void producer_free(struct producer *p)
{
    for (int32_t i = 0; i < p->part_count; i++) {
        batch_builder_deinit(&p->parts[i].pending);
    }
    batch_builder_deinit(&p->cut);
    compression_free(p->compression);
    mem_free(p->parts);
    arena_deinit(&p->arena);
    mem_free(p);
}
