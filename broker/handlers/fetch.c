/* broker/handlers/fetch.c: Fetch: what is asked, by request or session, and the reply.
 *
 * WHY      The work is elsewhere: broker/fetch_session.c knows what an incremental request means,
 *          broker/fetch_wait.c goes round the partitions and waits, broker/fetch_part.c looks and reads. Here
 *          requests become parts, and parts become a reply.
 * BYTES    No record is copied: the `records` fields carry lengths, the ranges that were read are attached to
 *          the reply in the same order, and go home when it was sent.
 * ERRORS   A partition that metadata does not know is answered without a visit and does not end a wait (as
 *          Kafka); what a visit finds out ends it. Never REQUEST_TIMED_OUT, never UNKNOWN_SERVER_ERROR: Java
 *          consumers stop at these.
 * FOLLOWER replica_id >= 0: this node has no followers, so NOT_LEADER_OR_FOLLOWER, and nobody reads past the
 *          high watermark. Racks are ignored: there is no other replica to prefer.
 */
#include "schema/fetch.h"
#include "broker/handler.h"
#include "schema/dispatch.h"

#include "broker/fetch_session.h"
#include "broker/fetch_wait.h"
#include "broker/leader_hint.h"

enum {
    FETCH_TOPIC_IDS = 13,    /* from here on topics are ids */
    FETCH_LEADER_HINTS = 16, /* KIP-951 */
    FETCH_STORAGE_ERROR = 6, /* older clients do not know KAFKA_STORAGE_ERROR */
    SESSION_BEGIN = 0,       /* epochs of KIP-227 */
    SESSION_NONE = -1,
    READ_COMMITTED = 1,
};

struct target {
    struct bytes topic;
    struct uuid topic_id;
    const struct fetch_request_partition *question;
    const struct image_topic *image; /* NULL: metadata does not know it */
    struct session_partition *cached;
    bool included; /* in the reply */
};

struct fetching {
    struct fetch fetch;
    const struct fetch_request *in;
    struct fetch_response *out;
    struct target *targets; /* one per part */
    int32_t count;
    bool create;        /* a session is wished for */
    int32_t session_id; /* 0: no session yet */
    int32_t epoch;      /* that the session must have at the end */
};

/* ---- the question ---- */

static void targets_from_request(struct fetching *f, struct request *rq)
{
    const struct fetch_request *in = f->in;
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < in->topics.len; i++) {
        count += in->topics.at[i].partitions.len;
    }
    f->targets = ARENA_ARRAY(rq->arena, struct target, count);
    f->count = f->targets == NULL ? 0 : count;
    for (int32_t i = 0; f->count > 0 && i < in->topics.len; i++) {
        const struct fetch_request_topic *topic = &in->topics.at[i];

        for (int32_t j = 0; j < topic->partitions.len; j++) {
            f->targets[at++] = (struct target){.topic = topic->topic,
                                               .topic_id = topic->topic_id,
                                               .question = &topic->partitions.at[j]};
        }
    }
}

static void targets_from_session(struct fetching *f, struct request *rq,
                                 struct fetch_session *session)
{
    size_t count = fetch_session_len(session);
    int32_t at = 0;

    /* The request is small, but its reply is not: what a session may hold has its own limit. */
    rq->arena->bytes_max +=
        2 * count *
        (sizeof(struct target) + sizeof(struct fetch_part) + sizeof(struct fetch_response_topic) +
         sizeof(struct fetch_response_partition));
    f->targets = ARENA_ARRAY(rq->arena, struct target, count);
    f->count = f->targets == NULL ? 0 : (int32_t)count;
    list_for_each (&session->order, link) {
        struct session_partition *p = CONTAINER_OF(link, struct session_partition, order);

        if (at < f->count) {
            f->targets[at++] = (struct target){.topic = p->topic->name,
                                               .topic_id = p->topic->id,
                                               .question = &p->question,
                                               .cached = p};
        }
    }
}

/* An incremental request: the session says what is asked. */
static enum kafka_error go_on_with_session(struct fetching *f, struct request *rq,
                                           struct fetch_sessions *sessions)
{
    struct fetch_session *session =
        sessions == NULL ? NULL : fetch_session_find(sessions, f->in->session_id);

    if (session == NULL) {
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session->epoch != f->in->session_epoch) {
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    }
    if (session->topic_ids != (rq->version >= FETCH_TOPIC_IDS)) {
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    }
    if (fetch_session_update(sessions, session, f->in) != OK) {
        fetch_session_drop(sessions, session);
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (fetch_session_len(session) == 0) {
        fetch_session_drop(sessions, session);
        targets_from_request(f, rq);
        return KAFKA_NONE;
    }
    f->session_id = session->id;
    f->epoch = session->epoch;
    targets_from_session(f, rq, session);
    return KAFKA_NONE;
}

static enum kafka_error find_targets(struct fetching *f, struct request *rq)
{
    struct fetch_sessions *sessions = fetch_sessions_of(rq->core);

    if (f->in->session_epoch != SESSION_BEGIN && f->in->session_epoch != SESSION_NONE) {
        return go_on_with_session(f, rq, sessions);
    }

    struct fetch_session *old = sessions == NULL || f->in->session_id == 0
                                    ? NULL
                                    : fetch_session_find(sessions, f->in->session_id);

    if (old != NULL) {
        fetch_session_drop(sessions, old);
    }
    f->create = f->in->session_epoch == SESSION_BEGIN && sessions != NULL;
    targets_from_request(f, rq);
    return KAFKA_NONE;
}

/* ---- the parts ---- */

static int32_t replica_of(const struct fetch_request *in)
{
    return MAX(in->replica_id, in->replica_state.replica_id);
}

static bool same_topic(const struct target *a, const struct target *b)
{
    return uuid_equal(a->topic_id, b->topic_id) && bytes_equal(a->topic, b->topic);
}

static void settle(struct fetch_part *part, enum kafka_error error)
{
    part->settled = true;
    part->error = error;
}

static void begin_part(struct fetching *f, struct request *rq, int32_t at)
{
    struct target *t = &f->targets[at];
    struct fetch_part *part = &f->fetch.parts[at];
    bool by_id = rq->version >= FETCH_TOPIC_IDS;

    part->diverging_epoch = -1;
    if (at > 0 && same_topic(t, t - 1)) {
        t->image = t[-1].image;
    } else if (rq->image != NULL) {
        t->image = by_id ? image_topic_by_id(rq->image, t->topic_id)
                         : image_topic_by_name(rq->image, t->topic);
    }
    if (t->image == NULL) {
        settle(part, by_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    } else if (t->question->partition < 0 || t->question->partition >= t->image->partition_count) {
        settle(part, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    } else if (replica_of(f->in) >= 0) {
        settle(part, KAFKA_NOT_LEADER_OR_FOLLOWER);
    } else {
        part->op.topic_id = t->image->id;
        part->op.partition = t->question->partition;
        part->offset = t->question->fetch_offset;
        part->current_leader_epoch = MAX(t->question->current_leader_epoch, -1);
        part->last_fetched_epoch = t->question->last_fetched_epoch;
        part->bytes_max = t->question->partition_max_bytes;
    }
}

/* ---- the answer ---- */

static bool wants_hint(const struct request *rq, enum kafka_error error)
{
    return rq->version >= FETCH_LEADER_HINTS &&
           (error == KAFKA_NOT_LEADER_OR_FOLLOWER || error == KAFKA_FENCED_LEADER_EPOCH);
}

static void answer(const struct fetching *f, int32_t at, struct fetch_response_partition *out)
{
    const struct request *rq = f->fetch.rq;
    const struct fetch_part *part = &f->fetch.parts[at];
    bool good = part->error == KAFKA_NONE;

    out->partition_index = f->targets[at].question->partition;
    out->error_code = part->error;
    if (part->error == KAFKA_STORAGE_ERROR && rq->version < FETCH_STORAGE_ERROR) {
        out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    }
    out->high_watermark = good ? part->high_watermark : -1;
    out->last_stable_offset = good ? part->last_stable : -1;
    out->log_start_offset = good ? part->log_start : -1;
    out->diverging_epoch.epoch = part->diverging_epoch;
    out->diverging_epoch.end_offset = part->diverging_epoch == -1 ? -1 : part->diverging_end;
    out->current_leader.leader_id = -1;
    out->current_leader.leader_epoch = -1;
    if (wants_hint(rq, part->error)) {
        struct leader_hint hint =
            leader_hint_of(f->targets[at].image, f->targets[at].question->partition);

        out->current_leader.leader_id = hint.leader;
        out->current_leader.leader_epoch = hint.epoch;
    }
    out->snapshot_id.end_offset = -1;
    out->snapshot_id.epoch = -1;
    /* Nobody aborts anything; null is for those who did not ask, or got an error from the partition. */
    out->aborted_transactions.len =
        part->settled || (good && f->in->isolation_level == READ_COMMITTED) ? 0 : -1;
    out->preferred_read_replica = -1;
    out->records = (struct bytes){BYTES("").at, fetch_part_bytes(part)};
}

static void attach(struct request *rq, const struct fetch_part *part)
{
    for (int i = 0; part->data != NULL && i < part->data->read.range_count; i++) {
        request_attach(rq, part->data->read.ranges[i].at);
    }
}

/* The included targets from `from` on that are of one topic; *end is behind the last. */
static int32_t run_of_topic(const struct fetching *f, int32_t from, int32_t *end)
{
    int32_t included = 0;

    for (*end = from; *end < f->count && same_topic(&f->targets[from], &f->targets[*end]); ++*end) {
        included += f->targets[*end].included ? 1 : 0;
    }
    return included;
}

static void write_topic(struct fetching *f, int32_t from, int32_t end,
                        struct fetch_response_topic *out)
{
    struct request *rq = f->fetch.rq;
    int32_t at = 0;

    out->topic = f->targets[from].topic;
    out->topic_id = f->targets[from].topic_id;
    for (int32_t i = from; i < end; i++) {
        if (f->targets[i].included && at < out->partitions.len) {
            answer(f, i, &out->partitions.at[at++]);
            attach(rq, &f->fetch.parts[i]);
        }
    }
}

static void write_topics(struct fetching *f)
{
    struct request *rq = f->fetch.rq;
    int32_t runs = 0, at = 0, end = 0;

    for (int32_t i = 0; i < f->count; i = end) {
        runs += run_of_topic(f, i, &end) > 0 ? 1 : 0;
    }
    f->out->responses = fetch_response_topics_new(rq->arena, runs);
    for (int32_t i = 0; i < f->count && at < f->out->responses.len; i = end) {
        int32_t included = run_of_topic(f, i, &end);

        if (included > 0) {
            struct fetch_response_topic *out = &f->out->responses.at[at++];

            out->partitions = fetch_response_partitions_new(rq->arena, included);
            write_topic(f, i, end, out);
        }
    }
}

static bool is_hinted(const struct fetching *f, int32_t broker)
{
    for (int32_t i = 0; i < f->count; i++) {
        if (wants_hint(f->fetch.rq, f->fetch.parts[i].error) &&
            leader_hint_of(f->targets[i].image, f->targets[i].question->partition).leader ==
                broker) {
            return true;
        }
    }
    return false;
}

/* Where the leaders are that the answers name. */
static void write_endpoints(struct fetching *f)
{
    const struct request *rq = f->fetch.rq;
    int32_t brokers = rq->image == NULL || !f->fetch.urgent ? 0 : image_broker_count(rq->image);
    int32_t count = 0;
    struct fetch_response_node_endpoints list =
        fetch_response_node_endpoints_new(rq->arena, brokers);

    for (int32_t i = 0; i < brokers && count < list.len; i++) {
        const struct image_broker *b = image_broker_at(rq->image, i);

        if (is_hinted(f, b->id)) {
            struct broker_view view = broker_view(rq, b);

            list.at[count].node_id = view.id;
            list.at[count].host = view.host;
            list.at[count].port = view.port;
            list.at[count].rack = view.rack;
            count++;
        }
    }
    list.len = MIN(count, list.len);
    f->out->node_endpoints = list;
}

/* Remembers what was asked and answered. */
static void create_session(struct fetching *f)
{
    struct request *rq = f->fetch.rq;
    bool by_id = rq->version >= FETCH_TOPIC_IDS;
    struct session_entry *entries = ARENA_ARRAY(rq->arena, struct session_entry, f->count);

    for (int32_t i = 0; entries != NULL && i < f->count; i++) {
        const struct fetch_part *part = &f->fetch.parts[i];
        bool good = part->error == KAFKA_NONE && part->diverging_epoch == -1;

        entries[i] = (struct session_entry){
            .topic = by_id ? BYTES_NULL : f->targets[i].topic,
            .topic_id = f->targets[i].topic_id,
            .question = f->targets[i].question,
            .high_watermark = good ? part->high_watermark : -1,
            .log_start = part->error == KAFKA_NONE ? part->log_start : -1,
        };
    }

    struct fetch_sessions *sessions = fetch_sessions_of(rq->core);
    struct fetch_session *made = entries == NULL || sessions == NULL
                                     ? NULL
                                     : fetch_session_new(sessions, by_id, entries, f->count);

    f->out->session_id = made == NULL ? 0 : made->id;
}

/* Says which parts the client has to be told of; false: the session is not as it was. */
static bool choose(struct fetching *f)
{
    struct fetch_sessions *sessions = f->fetch.rq->core->fetch_sessions;

    for (int32_t i = 0; i < f->count; i++) {
        f->targets[i].included = true;
    }
    if (f->session_id == 0) {
        return true;
    }

    struct fetch_session *session = fetch_session_find(sessions, f->session_id);

    if (session == NULL || session->epoch != f->epoch) {
        f->out->error_code =
            session == NULL ? KAFKA_FETCH_SESSION_ID_NOT_FOUND : KAFKA_INVALID_FETCH_SESSION_EPOCH;
        f->out->session_id = session == NULL ? 0 : f->session_id;
        return false;
    }
    f->out->session_id = f->session_id;
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_response_partition told = {0};

        answer(f, i, &told);
        f->targets[i].included = fetch_session_note(session, f->targets[i].cached, &told);
    }
    return true;
}

static void sent(struct request *rq)
{
    struct fetching *f = rq->handler_state;

    fetch_end(&f->fetch);
}

static void fetched(struct fetch *fetch)
{
    struct fetching *f = CONTAINER_OF(fetch, struct fetching, fetch);

    if (fetch->bytes == 0) {
        fetch->rq->sent = NULL; /* nothing is lent: the request's memory may go before the reply */
    }
    if (!choose(f)) {
        return;
    }
    write_topics(f);
    write_endpoints(f);
    if (f->create) {
        create_session(f);
    }
}

void handle_fetch(struct request *rq, const struct fetch_request *in, struct fetch_response *out)
{
    struct fetching *f = ARENA_NEW(rq->arena, struct fetching);

    if (f == NULL) {
        return;
    }
    f->in = in;
    f->out = out;
    out->error_code = find_targets(f, rq);
    if (out->error_code != KAFKA_NONE) {
        return;
    }

    int64_t bytes_max =
        MIN((int64_t)in->max_bytes, config_i64(rq->core->config, CONFIG_FETCH_MAX_BYTES));

    f->fetch.rq = rq;
    f->fetch.parts = ARENA_ARRAY(rq->arena, struct fetch_part, f->count);
    f->fetch.count = f->count = f->fetch.parts == NULL ? 0 : f->count;
    f->fetch.wait_us = (uint64_t)MAX(in->max_wait_ms, 0) * 1000;
    f->fetch.bytes_max = (size_t)MAX(bytes_max, 0);
    f->fetch.bytes_min = (uint64_t)MAX(MIN((int64_t)in->min_bytes, bytes_max), 0);
    f->fetch.done = fetched;
    for (int32_t i = 0; i < f->count; i++) {
        begin_part(f, rq, i);
    }
    rq->handler_state = f;
    rq->sent = sent;
    fetch_start(&f->fetch);
}
