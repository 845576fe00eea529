/* broker/handlers/produce.c: Produce: every partition's batch is judged here and appended by its owner.
 *
 * WHY      Judging reads every byte (checksum, records), so it is done on the connection's core while the
 *          bytes are hot; the owner only stamps and copies. Batches are handed over in the order of the request,
 *          requests of one connection in their order.
 * ERRORS   In this order, each for its partition alone: topic not known (100, 3); acks not -1, 0 or 1 (21);
 *          internal topic and not the admin client (17); a batch that is part of a transaction (below);
 *          the batch itself (protocol/batch_validate.c); what the log says (broker/append.c).
 *          acks=0 gets no answer; with an error the connection is closed, so that the client notices.
 * TWICE    A partition that stands twice is appended once, with the last batch named, as in Kafka.
 * TIME     Whoever still waits after timeout_ms is told REQUEST_TIMED_OUT; the batch may be in the log.
 * TRANSACTIONS  There are none yet. A transactional batch in a request without a transactional id is
 *          TRANSACTIONAL_ID_AUTHORIZATION_FAILED for the whole request, as in Kafka. With one it is
 *          INVALID_PRODUCER_ID_MAPPING: what Kafka answers when its coordinator does not know the id, and
 *          none does here. The transactional id of a request without such batches means nothing.
 */
#include "schema/produce.h"
#include "broker/handler.h"
#include "schema/dispatch.h"

#include "broker/append.h"
#include "broker/leader_hint.h"
#include "broker/partition_doubles.h"
#include "protocol/batch_validate.h"

enum {
    PRODUCE_TOPIC_IDS = 13,    /* from here on topics are ids */
    PRODUCE_LEADER_HINTS = 10, /* KIP-951 */
};

struct producing;

struct produce_part {
    struct append append;
    struct producing *all;
    const struct image_topic *topic; /* NULL: metadata does not know it */
    const struct produce_request_partition *in;
    struct produce_response_partition *out;
    bool submitted;
};

struct producing {
    struct request *rq;
    const struct produce_request *in;
    struct produce_response *out;
    struct produce_part *parts;
    int32_t count;
    int32_t pending; /* parts under way, and the handler while it runs */
    struct timer timer;
};

/* ---- the end ---- */

static bool wants_hint(const struct produce_part *part)
{
    return part->all->rq->version >= PRODUCE_LEADER_HINTS &&
           part->out->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER;
}

/* Says where the leader is. True when at least one part wants to know. */
static bool write_hints(struct producing *p)
{
    bool any = false;

    for (int32_t i = 0; i < p->count; i++) {
        struct produce_part *part = &p->parts[i];

        if (wants_hint(part)) {
            struct leader_hint hint = leader_hint_of(part->topic, part->in->index);

            part->out->current_leader.leader_id = hint.leader;
            part->out->current_leader.leader_epoch = hint.epoch;
            any = true;
        }
    }
    return any;
}

static bool is_hinted(const struct producing *p, int32_t broker)
{
    for (int32_t i = 0; i < p->count; i++) {
        if (wants_hint(&p->parts[i]) && p->parts[i].out->current_leader.leader_id == broker) {
            return true;
        }
    }
    return false;
}

static void write_endpoints(struct producing *p)
{
    struct request *rq = p->rq;
    int32_t brokers = image_broker_count(rq->image);
    int32_t count = 0;
    struct produce_response_node_endpoints list =
        produce_response_node_endpoints_new(rq->arena, brokers);

    for (int32_t i = 0; i < brokers && count < list.len; i++) {
        const struct image_broker *b = image_broker_at(rq->image, i);

        if (is_hinted(p, b->id)) {
            struct broker_view view = broker_view(rq, b);

            list.at[count].node_id = view.id;
            list.at[count].host = view.host;
            list.at[count].port = view.port;
            list.at[count].rack = view.rack;
            count++;
        }
    }
    list.len = MIN(count, list.len);
    p->out->node_endpoints = list;
}

static void part_ended(struct producing *p)
{
    bool failed = false;

    if (--p->pending > 0) {
        return;
    }
    timer_wheel_cancel(&p->rq->core->timers, &p->timer);
    p->rq->sent = NULL;
    for (int32_t i = 0; i < p->count; i++) {
        failed = failed || p->parts[i].out->error_code != KAFKA_NONE;
    }
    if (failed && p->in->acks == 0) {
        request_close(p->rq, "a produce request without acknowledgement failed");
    } else if (failed && write_hints(p)) {
        write_endpoints(p);
    }
}

static void appended(struct append *a)
{
    struct produce_part *part = CONTAINER_OF(a, struct produce_part, append);

    part->out->error_code = a->error;
    part->out->base_offset = a->base_offset;
    part->out->log_append_time_ms = a->log_append_time_ms;
    part->out->log_start_offset = a->log_start_offset;
    part_ended(part->all);
}

static void time_is_up(struct timer *t)
{
    struct producing *p = CONTAINER_OF(t, struct producing, timer);

    for (int32_t i = 0; i < p->count; i++) {
        if (p->parts[i].submitted && !p->parts[i].append.answered) {
            append_cancel(&p->parts[i].append);
        }
    }
}

/* The node is taken apart while this waits. */
static void dropped(struct request *rq)
{
    struct producing *p = rq->handler_state;

    timer_wheel_cancel(&rq->core->timers, &p->timer);
}

/* ---- one part ---- */

static struct batch_rules rules_of(const struct topic_settings *s)
{
    int32_t level = 0;

    switch (s->compression) {
    case CODEC_GZIP:
        level = s->gzip_level;
        break;
    case CODEC_LZ4:
        level = s->lz4_level;
        break;
    case CODEC_ZSTD:
        level = s->zstd_level;
        break;
    default:
        break;
    }
    struct batch_rules rules = batch_rules_default();

    rules.compression = s->compression;
    rules.compression_level = level;
    rules.log_append_time = s->log_append_time;
    rules.timestamp_before_max_ms = s->timestamp_before_max_ms;
    rules.timestamp_after_max_ms = s->timestamp_after_max_ms;
    rules.batch_bytes_max = s->max_message_bytes;
    rules.segment_bytes = s->segment_bytes;
    rules.record_body_bytes_max = s->max_decompressed_bytes;
    rules.compacted = (s->cleanup & CLEANUP_COMPACT) != 0;
    return rules;
}

static bool is_transactional(struct bytes records)
{
    struct batch_header header;

    return batch_header_read(records, &header) == OK && batch_is_transactional(&header);
}

static enum kafka_error refusal(const struct produce_part *part)
{
    const struct request *rq = part->all->rq;
    int16_t acks = part->all->in->acks;

    if (part->topic == NULL && rq->version >= PRODUCE_TOPIC_IDS) {
        return KAFKA_UNKNOWN_TOPIC_ID;
    }
    if (part->topic == NULL || part->in->index < 0 ||
        part->in->index >= part->topic->partition_count) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (acks < -1 || acks > 1) {
        return KAFKA_INVALID_REQUIRED_ACKS;
    }
    if (part->topic->internal && !bytes_equal(rq->client_id, BYTES("__admin_client"))) {
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (is_transactional(part->in->records)) {
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    }
    return KAFKA_NONE;
}

/* What a bad batch is told. */
static void write_verdict(struct produce_part *part, const struct batch_verdict *v)
{
    struct produce_response_partition *out = part->out;

    out->error_code = v->error;
    out->error_message = v->message;
    out->record_errors =
        produce_response_record_errors_new(part->all->rq->arena, v->record_error_count);
    for (int32_t i = 0; i < out->record_errors.len; i++) {
        out->record_errors.at[i].batch_index = v->record_errors[i].index;
        out->record_errors.at[i].batch_index_error_message = v->record_errors[i].message;
    }
}

static enum err judge(struct produce_part *part, struct batch_verdict *v)
{
    struct request *rq = part->all->rq;
    struct batch_rules rules = rules_of(&part->topic->settings);

    if (rq->core->compression == NULL) {
        TRY(compression_new(&rq->core->compression));
    }
    return batch_validate(&(struct batch_submission){.records = part->in->records,
                                                     .produce_version = rq->version,
                                                     .now_ms = rq->core->wall_ms,
                                                     .origin = BATCH_FROM_CLIENT,
                                                     .rules = &rules,
                                                     .compression = rq->core->compression,
                                                     .arena = rq->arena},
                          v);
}

static void begin_part(struct produce_part *part)
{
    struct batch_verdict v;

    part->out->error_code = refusal(part);
    if (part->out->error_code == KAFKA_INVALID_PRODUCER_ID_MAPPING) {
        part->out->error_message = BYTES("No transaction coordinator knows the transactional id.");
    }
    if (part->out->error_code != KAFKA_NONE) {
        return;
    }
    if (judge(part, &v) != OK) {
        part->out->error_code = KAFKA_REQUEST_TIMED_OUT; /* no memory: try again later */
        return;
    }
    if (v.error != KAFKA_NONE) {
        write_verdict(part, &v);
        return;
    }
    part->append.op.topic_id = part->topic->id;
    part->append.op.partition = part->in->index;
    part->append.batch = v.batch;
    part->append.header = v.header;
    part->append.acks = part->all->in->acks;
    part->append.log_append_time_ms = v.log_append_time_ms;
    part->append.done = appended;
    part->submitted = true;
    part->all->pending++;
    append_submit(part->all->rq, &part->append);
}

/* ---- the request ---- */

static const struct image_topic *find_topic(const struct request *rq,
                                            const struct produce_request_topic *in)
{
    if (rq->image == NULL) {
        return NULL;
    }
    return rq->version >= PRODUCE_TOPIC_IDS ? image_topic_by_id(rq->image, in->topic_id)
                                            : image_topic_by_name(rq->image, in->name);
}

static struct partition_at *list_partitions(struct request *rq, const struct produce_request *in,
                                            int32_t *count)
{
    struct partition_at *list;
    int32_t at = 0;

    *count = 0;
    for (int32_t i = 0; i < in->topic_data.len; i++) {
        *count += in->topic_data.at[i].partition_data.len;
    }
    list = ARENA_ARRAY(rq->arena, struct partition_at, *count);
    for (int32_t i = 0; list != NULL && i < in->topic_data.len; i++) {
        const struct produce_request_topic *topic = &in->topic_data.at[i];
        struct bytes key = rq->version >= PRODUCE_TOPIC_IDS
                               ? (struct bytes){topic->topic_id.at, sizeof(topic->topic_id.at)}
                               : topic->name;

        for (int32_t j = 0; j < topic->partition_data.len; j++) {
            list[at] = (struct partition_at){
                .topic = key, .partition = topic->partition_data.at[j].index, .at = at};
            at++;
        }
    }
    return list;
}

/* The parts of one topic, and the place of their answers; `list` are its partitions. */
static void begin_topic(struct producing *p, const struct produce_request_topic *in,
                        struct produce_response_topic *out, const struct partition_at *list)
{
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < in->partition_data.len; i++) {
        count += list[i].repeated ? 0 : 1;
    }
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partition_responses = produce_response_partitions_new(p->rq->arena, count);
    for (int32_t i = 0; i < in->partition_data.len && at < out->partition_responses.len; i++) {
        if (list[i].repeated) {
            continue;
        }

        struct produce_part *part = &p->parts[p->count++];

        part->all = p;
        part->topic = find_topic(p->rq, in);
        part->in = &in->partition_data.at[i];
        part->out = &out->partition_responses.at[at++];
        part->out->index = part->in->index;
        part->out->base_offset = -1;
    }
}

static bool begin_parts(struct producing *p)
{
    struct request *rq = p->rq;
    int32_t count = 0, at = 0;
    struct partition_at *list = list_partitions(rq, p->in, &count);

    p->parts = ARENA_ARRAY(rq->arena, struct produce_part, count);
    p->out->responses = produce_response_topics_new(rq->arena, p->in->topic_data.len);
    if (rq->arena->exhausted) {
        return false;
    }
    partition_doubles_find(list, count);
    for (int32_t i = 0; i < p->out->responses.len; i++) {
        begin_topic(p, &p->in->topic_data.at[i], &p->out->responses.at[i], &list[at]);
        at += p->in->topic_data.at[i].partition_data.len;
    }
    return !rq->arena->exhausted;
}

static bool transaction_without_id(const struct producing *p)
{
    if (p->in->transactional_id.at != NULL) {
        return false;
    }
    for (int32_t i = 0; i < p->count; i++) {
        if (is_transactional(p->parts[i].in->records)) {
            return true;
        }
    }
    return false;
}

void handle_produce(struct request *rq, const struct produce_request *in,
                    struct produce_response *out)
{
    struct producing *p = ARENA_NEW(rq->arena, struct producing);

    if (in->acks == 0) {
        request_no_reply(rq);
    }
    if (p == NULL) {
        return;
    }
    *p = (struct producing){.rq = rq, .in = in, .out = out, .pending = 1};
    p->timer.fire = time_is_up;
    if (!begin_parts(p)) {
        return;
    }

    bool refused = transaction_without_id(p);

    for (int32_t i = 0; i < p->count; i++) {
        if (refused) {
            p->parts[i].out->error_code = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        } else {
            begin_part(&p->parts[i]);
        }
    }
    if (p->pending > 1 && in->acks != 0) {
        rq->handler_state = p;
        rq->sent = dropped;
        request_timer(rq, &p->timer, (uint64_t)MAX(in->timeout_ms, 0) * 1000);
    }
    part_ended(p);
}
