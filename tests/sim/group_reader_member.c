/* tests/sim/group_reader_member.c: how a reader belongs to its group: both protocols, one topic.
 *
 * CLASSIC  Eager. When asked to join again it commits first: the generation is still good for that.
 * CONSUMER Commits before it gives up, owns the new assignment, says so in the next heartbeat.
 * LEADER   Deals partitions out in turn.
 */
#include "tests/sim/group_reader_internal.h"

#include "schema/consumer_group_heartbeat.h"
#include "schema/consumer_protocol.h"
#include "schema/find_coordinator.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/sync_group.h"

enum { SESSION_MS = 6000, REBALANCE_MS = 6000, HEARTBEAT_US = 1500000, MEMBERS_MAX = 32 };

#define GROUP "readers"

static uint64_t now_us(const struct group_reader *r)
{
    return env_now_us(r->link.env);
}

static void out(struct group_reader *r, bool forget_id)
{
    r->state = READER_OUT;
    r->owned = r->target = r->acked = 0;
    r->epoch = r->options.consumer ? 0 : -1;
    r->leaves_after_commit = false;
    if (forget_id) {
        r->member_id[0] = '\0';
    }
}

void group_reader_member_error(struct group_reader *r, enum kafka_error error, const char *what)
{
    switch ((int)error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
        out(r, !r->options.consumer);
        break;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_FENCED_MEMBER_EPOCH:
        out(r, false);
        break;
    case KAFKA_STALE_MEMBER_EPOCH:
        break; /* the next heartbeat brings the new epoch */
    case KAFKA_REBALANCE_IN_PROGRESS:
        r->leaves_after_commit = !r->options.consumer && r->state == READER_STABLE;
        r->state = r->state == READER_SYNCING ? READER_OUT : r->state;
        break;
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        r->state = r->state == READER_SYNCING ? READER_OUT : r->state;
        r->found = error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        group_reader_pause(r);
        break;
    default:
        group_reader_wrong(r, what, error, r->epoch);
        break;
    }
}

/* ---- asking ---- */

static void find(struct group_reader *r)
{
    struct find_coordinator_request rq;
    int16_t version = (int16_t)sim_random_below(&r->random, 6);

    find_coordinator_request_init(&rq);
    if (version < 4) {
        rq.key = BYTES(GROUP);
    } else {
        rq.coordinator_keys = string_array_new(&r->arena, 1);
        rq.coordinator_keys.at[0] = BYTES(GROUP);
    }
    group_reader_send(r, API_FIND_COORDINATOR, version, &rq);
}

static struct bytes framed(struct arena *a, const struct message_info *info, const void *message)
{
    size_t bytes = 2 + message_size(info, 0, message);
    uint8_t *at = arena_alloc(a, bytes);
    struct wire_writer w = wire_writer_of(at, bytes);

    wire_put_i16(&w, 0);
    message_write(&w, info, 0, message);
    return (struct bytes){at, bytes};
}

static void join(struct group_reader *r)
{
    struct join_group_request rq;
    struct consumer_protocol_subscription s;

    join_group_request_init(&rq);
    consumer_protocol_subscription_init(&s);
    s.topics = string_array_new(&r->arena, 1);
    s.topics.at[0] = BYTES(NODE_TOPIC);
    rq.group_id = BYTES(GROUP);
    rq.member_id = bytes_of(r->member_id);
    rq.session_timeout_ms = SESSION_MS;
    rq.rebalance_timeout_ms = REBALANCE_MS;
    rq.protocol_type = BYTES("consumer");
    rq.protocols = join_group_request_protocols_new(&r->arena, 1);
    rq.protocols.at[0].name = BYTES("in-turn");
    rq.protocols.at[0].metadata = framed(&r->arena, &consumer_protocol_subscription_message, &s);
    group_reader_send(r, API_JOIN_GROUP, (int16_t)sim_random_range(&r->random, 2, 9), &rq);
}

static void heartbeat(struct group_reader *r)
{
    struct heartbeat_request rq;

    heartbeat_request_init(&rq);
    rq.group_id = BYTES(GROUP);
    rq.member_id = bytes_of(r->member_id);
    rq.generation_id = r->epoch;
    group_reader_send(r, API_HEARTBEAT, (int16_t)sim_random_below(&r->random, 5), &rq);
}

static struct int32_array numbers(struct arena *a, uint32_t partitions)
{
    struct int32_array list = int32_array_new(a, __builtin_popcount(partitions));
    int32_t n = 0;

    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        if ((partitions >> p & 1) != 0) {
            list.at[n++] = p;
        }
    }
    return list;
}

static void consumer_heartbeat(struct group_reader *r)
{
    struct consumer_group_heartbeat_request rq;

    consumer_group_heartbeat_request_init(&rq);
    if (r->member_id[0] == '\0') {
        struct uuid u = uuid_random(sim_random_next(&r->random), sim_random_next(&r->random));
        uuid_text(u, r->member_id);
    }
    rq.group_id = BYTES(GROUP);
    rq.member_id = bytes_of(r->member_id);
    rq.member_epoch = r->epoch;
    rq.rebalance_timeout_ms = REBALANCE_MS;
    rq.subscribed_topic_names = string_array_new(&r->arena, 1);
    rq.subscribed_topic_names.at[0] = BYTES(NODE_TOPIC);
    rq.topic_partitions = consumer_group_heartbeat_request_topic_partitions_new(
        &r->arena, r->epoch == 0 || r->owned == 0 ? 0 : 1);
    if (rq.topic_partitions.len > 0) {
        memcpy(rq.topic_partitions.at[0].topic_id.at, r->topic_id, sizeof(r->topic_id));
        rq.topic_partitions.at[0].partitions = numbers(&r->arena, r->owned);
    }
    r->acked = r->owned;
    group_reader_send(r, API_CONSUMER_GROUP_HEARTBEAT, 1, &rq);
}

bool group_reader_member_step(struct group_reader *r)
{
    if (!r->found) {
        find(r);
        return true;
    }
    if (r->options.observe || group_reader_must_commit(r)) {
        return false; /* commits come first */
    }
    if (r->options.consumer) {
        if (r->owned != r->target) {
            group_reader_own(r, r->target);
            r->leaves_after_commit = false;
        }
        if (r->state != READER_OUT && r->owned == r->acked && now_us(r) < r->heartbeat_us) {
            return false;
        }
        consumer_heartbeat(r);
        return true;
    }
    if (r->leaves_after_commit) {
        r->leaves_after_commit = false;
        r->owned = 0;
        r->state = READER_OUT;
    }
    if (r->state == READER_OUT) {
        join(r);
        return true;
    }
    if (now_us(r) >= r->heartbeat_us) {
        heartbeat(r);
        return true;
    }
    return false;
}

/* ---- answers ---- */

static void found(struct group_reader *r, int16_t version, struct bytes body)
{
    struct find_coordinator_response rs;

    ASSERT(find_coordinator_response_read(&r->arena, body, version, &rs) == OK);
    enum kafka_error e = version < 4 ? rs.error_code : rs.coordinators.at[0].error_code;
    if (e == KAFKA_NONE) {
        r->found = true;
    } else if (e == KAFKA_COORDINATOR_NOT_AVAILABLE) {
        group_reader_pause(r);
    } else {
        group_reader_wrong(r, "FindCoordinator", e, 0);
    }
}

/* Deals partitions to members in turn. */
static void deal(struct group_reader *r, const struct join_group_response *rs,
                 struct sync_group_request *rq)
{
    int32_t n = rs->members.len;

    rq->assignments = sync_group_request_assignments_new(&r->arena, n);
    for (int32_t i = 0; i < n; i++) {
        struct consumer_protocol_assignment a;
        uint32_t given = 0;
        for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
            given |= (p + rs->generation_id) % n == i ? 1u << p : 0;
        }
        consumer_protocol_assignment_init(&a);
        a.assigned_partitions = consumer_protocol_assignment_assigned_partitions_new(&r->arena, 1);
        a.assigned_partitions.at[0].topic = BYTES(NODE_TOPIC);
        a.assigned_partitions.at[0].partitions = numbers(&r->arena, given);
        rq->assignments.at[i].member_id = rs->members.at[i].member_id;
        rq->assignments.at[i].assignment =
            framed(&r->arena, &consumer_protocol_assignment_message, &a);
    }
}

static void joined(struct group_reader *r, int16_t version, struct bytes body)
{
    struct join_group_response rs;
    struct sync_group_request rq;

    ASSERT(join_group_response_read(&r->arena, body, version, &rs) == OK);
    if (rs.error_code == KAFKA_MEMBER_ID_REQUIRED) {
        ASSERT(bytes_to_cstr(rs.member_id, r->member_id, sizeof(r->member_id)) == OK);
        return;
    }
    if (rs.error_code != KAFKA_NONE) {
        group_reader_member_error(r, rs.error_code, "JoinGroup");
        return;
    }
    ASSERT(bytes_to_cstr(rs.member_id, r->member_id, sizeof(r->member_id)) == OK);
    r->epoch = rs.generation_id;
    r->state = READER_SYNCING;
    sync_group_request_init(&rq);
    rq.group_id = BYTES(GROUP);
    rq.member_id = bytes_of(r->member_id);
    rq.generation_id = r->epoch;
    rq.protocol_type = BYTES("consumer");
    rq.protocol_name = rs.protocol_name;
    if (bytes_equal(rs.leader, rs.member_id)) {
        deal(r, &rs, &rq);
    }
    group_reader_send(r, API_SYNC_GROUP, (int16_t)sim_random_below(&r->random, 6), &rq);
}

static uint32_t bits_of(struct int32_array partitions)
{
    uint32_t bits = 0;

    for (int32_t i = 0; i < partitions.len; i++) {
        ASSERT(partitions.at[i] >= 0 && partitions.at[i] < NODE_TOPIC_PARTITIONS);
        bits |= 1u << partitions.at[i];
    }
    return bits;
}

static void synced(struct group_reader *r, int16_t version, struct bytes body)
{
    struct sync_group_response rs;
    struct consumer_protocol_assignment a;

    ASSERT(sync_group_response_read(&r->arena, body, version, &rs) == OK);
    if (rs.error_code != KAFKA_NONE) {
        group_reader_member_error(r, rs.error_code, "SyncGroup");
        return;
    }
    struct wire_reader w = wire_reader_of(bytes_slice(rs.assignment, 2, rs.assignment.len));
    ASSERT(message_read(&w, &r->arena, &consumer_protocol_assignment_message, 0, &a) == OK);
    r->state = READER_STABLE;
    r->heartbeat_us = now_us(r) + HEARTBEAT_US;
    r->options.tally->rounds++;
    r->owned = 0;
    group_reader_own(r, bits_of(a.assigned_partitions.at[0].partitions));
}

static void beat(struct group_reader *r, int16_t version, struct bytes body)
{
    struct heartbeat_response rs;

    ASSERT(heartbeat_response_read(&r->arena, body, version, &rs) == OK);
    r->heartbeat_us = now_us(r) + HEARTBEAT_US;
    if (rs.error_code != KAFKA_NONE) {
        group_reader_member_error(r, rs.error_code, "Heartbeat");
    }
}

static void consumer_beat(struct group_reader *r, int16_t version, struct bytes body)
{
    struct consumer_group_heartbeat_response rs;

    ASSERT(consumer_group_heartbeat_response_read(&r->arena, body, version, &rs) == OK);
    if (rs.error_code != KAFKA_NONE) {
        group_reader_member_error(r, rs.error_code, "ConsumerGroupHeartbeat");
        return;
    }
    r->epoch = rs.member_epoch;
    r->state = READER_STABLE;
    r->heartbeat_us = now_us(r) + HEARTBEAT_US;
    if (rs.assignment == NULL) {
        return;
    }
    r->target = 0;
    for (int32_t i = 0; i < rs.assignment->topic_partitions.len; i++) {
        memcpy(r->topic_id, rs.assignment->topic_partitions.at[i].topic_id.at, sizeof(r->topic_id));
        r->target |= bits_of(rs.assignment->topic_partitions.at[i].partitions);
    }
    r->options.tally->rounds++;
    r->leaves_after_commit = (r->owned & ~r->target) != 0;
}

bool group_reader_member_answer(struct group_reader *r, const struct kafka_link_waiting *asked,
                                struct bytes body)
{
    switch (asked->api) {
    case API_FIND_COORDINATOR:
        found(r, asked->version, body);
        return true;
    case API_JOIN_GROUP:
        joined(r, asked->version, body);
        return true;
    case API_SYNC_GROUP:
        synced(r, asked->version, body);
        return true;
    case API_HEARTBEAT:
        beat(r, asked->version, body);
        return true;
    case API_CONSUMER_GROUP_HEARTBEAT:
        consumer_beat(r, asked->version, body);
        return true;
    default:
        return false;
    }
}

void group_reader_member_down(struct group_reader *r)
{
    if (r->state == READER_SYNCING) {
        r->state = READER_OUT;
    }
    r->acked = UINT32_MAX; /* say again what is owned */
    r->found = false;
}
