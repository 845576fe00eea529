/* tests/sim/group_classic.c: a member of the classic protocol.
 *
 * ROUND    JoinGroup -> (leader: divide) SyncGroup -> heartbeats, until one says REBALANCE_IN_PROGRESS
 * EAGER    gives up everything before it joins. COOPERATIVE keeps what it has, gives up what the new assignment
 *          lacks, and joins again so that others may get it.
 * LEADER   divides evenly; in cooperative groups it gives nobody what another still claims. It sometimes leaves
 *          members that get nothing out of its SyncGroup. It joins again when topics change.
 * STATIC   A restarted member joins with its instance id and no member id, and subscribes to what it did before.
 *          Below version 9 it stirs the group once, by other user data: if it was the leader it does not know,
 *          and nobody would look after topics until the next rebalance.
 */
#include "tests/sim/group_member.h"

#include "schema/consumer_protocol.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/leave_group.h"
#include "schema/sync_group.h"
#include "tests/sim/group_check.h"
#include "tests/sim/sim_mem.h"

enum {
    PATIENCE_US = 5000000,
    RETRY_US_MAX = 400000,
    SKIP_ASSIGNMENT_FROM = 9,
    MUTE_PART = 8,        /* of those that are stubborn */
    PROTOCOL_VERSION = 1, /* of subscriptions: with owned partitions */
    MEMBERS_MAX = GROUP_MEMBER_COUNT_MAX,
};

/* What the leader knows of one member. */
struct claim {
    struct bytes id;
    uint32_t topics;
    uint64_t owned, given;
};

static void retry(struct group_member *m)
{
    m->fresh = false;
    m->due_us = sim_now(m->world->sim) + sim_random_below(m->random, RETRY_US_MAX);
}

static void lose_all(struct group_member *m)
{
    m->owned = 0;
    m->state = GROUP_MEMBER_OUT;
    m->epoch = -1;
    m->leader = m->stubborn = m->mute = false;
    m->due_us = sim_now(m->world->sim);
    m->error_count++;
}

static void rejoin(struct group_member *m)
{
    m->state = GROUP_MEMBER_OUT;
    m->mute = false;
    m->due_us = sim_now(m->world->sim);
    m->error_count++;
    if (!m->options.cooperative) {
        m->owned = 0;
    }
}

static void take_error(struct group_member *m, enum kafka_error error, const char *what)
{
    switch ((int)error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
        m->id[0] = '\0';
        lose_all(m);
        break;
    case KAFKA_ILLEGAL_GENERATION:
        lose_all(m);
        break;
    case KAFKA_REBALANCE_IN_PROGRESS:
        rejoin(m);
        break;
    case KAFKA_FENCED_INSTANCE_ID:
        lose_all(m);
        m->alive = false;
        m->fenced_for_good = true;
        break;
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        retry(m);
        break;
    default:
        SCENARIO_CHECK(false, "member %d: %s answered with %s", m->number, what,
                       kafka_error_info(error)->name);
    }
}

/* ---- bytes that members send each other ---- */

static struct bytes framed(struct arena *a, const struct message_info *info, const void *message)
{
    size_t bytes = 2 + message_size(info, PROTOCOL_VERSION, message);
    uint8_t *at = arena_alloc(a, bytes);
    struct wire_writer w = wire_writer_of(at, bytes);

    wire_put_i16(&w, PROTOCOL_VERSION);
    message_write(&w, info, PROTOCOL_VERSION, message);
    return (struct bytes){at, bytes};
}

static enum err unframed(struct arena *a, struct bytes b, const struct message_info *info,
                         void *out)
{
    struct wire_reader r = wire_reader_of(bytes_slice(b, 2, b.len));

    return message_read(&r, a, info, PROTOCOL_VERSION, out);
}

static struct int32_array indexes_of(struct arena *a, uint64_t bits)
{
    struct int32_array out = int32_array_new(a, __builtin_popcountll(bits));
    int32_t n = 0;

    for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
        if ((bits >> p & 1) != 0) {
            out.at[n++] = p;
        }
    }
    return out;
}

static int32_t name_of(struct bytes topic)
{
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        if (bytes_equal(topic, group_topic_text(name))) {
            return name;
        }
    }
    SCENARIO_CHECK(false, "a topic %.*s", BYTES_ARG(topic));
    return -1;
}

static struct bytes subscription_of(const struct group_member *m, struct arena *a)
{
    struct consumer_protocol_subscription s;
    int32_t n = 0, k = 0;

    consumer_protocol_subscription_init(&s);
    s.topics = string_array_new(a, __builtin_popcount(m->options.topics));
    s.owned_partitions = consumer_protocol_subscription_owned_partitions_new(a, GROUP_TOPIC_COUNT);
    s.user_data = m->stirred ? arena_format(a, "process %d, %d", m->number, m->stirs) : BYTES_NULL;
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        uint64_t owned = m->owned >> (name * GROUP_TOPIC_PARTITIONS_MAX) & 0xff;
        if ((m->options.topics >> name & 1) != 0) {
            s.topics.at[n++] = group_topic_text(name);
        }
        if (owned != 0) {
            s.owned_partitions.at[k].topic = group_topic_text(name);
            s.owned_partitions.at[k++].partitions = indexes_of(a, owned);
        }
    }
    s.owned_partitions.len = k;
    return framed(a, &consumer_protocol_subscription_message, &s);
}

static struct bytes assignment_of(struct arena *a, uint64_t given)
{
    struct consumer_protocol_assignment s;
    int32_t k = 0;

    consumer_protocol_assignment_init(&s);
    s.assigned_partitions =
        consumer_protocol_assignment_assigned_partitions_new(a, GROUP_TOPIC_COUNT);
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        uint64_t bits = given >> (name * GROUP_TOPIC_PARTITIONS_MAX) & 0xff;
        if (bits != 0) {
            s.assigned_partitions.at[k].topic = group_topic_text(name);
            s.assigned_partitions.at[k++].partitions = indexes_of(a, bits);
        }
    }
    s.assigned_partitions.len = k;
    return framed(a, &consumer_protocol_assignment_message, &s);
}

static uint64_t bits_of(struct bytes topic, struct int32_array partitions)
{
    uint64_t bits = 0;
    int32_t name = name_of(topic);

    for (int32_t i = 0; i < partitions.len; i++) {
        ASSERT(partitions.at[i] >= 0 && partitions.at[i] < GROUP_TOPIC_PARTITIONS_MAX);
        bits |= UINT64_C(1) << (name * GROUP_TOPIC_PARTITIONS_MAX + partitions.at[i]);
    }
    return bits;
}

static struct claim claim_of(struct arena *a, const struct join_group_response_member *m)
{
    struct claim c = {.id = m->member_id};
    struct consumer_protocol_subscription s;

    SCENARIO_CHECK(unframed(a, m->metadata, &consumer_protocol_subscription_message, &s) == OK,
                   "the leader gets a subscription that nobody wrote");
    for (int32_t i = 0; i < s.topics.len; i++) {
        c.topics |= 1u << name_of(s.topics.at[i]);
    }
    for (int32_t i = 0; i < s.owned_partitions.len; i++) {
        c.owned |= bits_of(s.owned_partitions.at[i].topic, s.owned_partitions.at[i].partitions);
    }
    return c;
}

/* ---- the leader ---- */

/* Who gets the partition: its owner while he has not more than his share, else who has least. */
static struct claim *owner_for(struct claim *claims, int32_t n, int32_t bit, int32_t share)
{
    uint32_t name = 1u << (bit / GROUP_TOPIC_PARTITIONS_MAX);
    struct claim *least = NULL;

    for (int32_t i = 0; i < n; i++) {
        struct claim *c = &claims[i];
        int32_t has = __builtin_popcountll(c->given);
        if ((c->topics & name) == 0) {
            continue;
        }
        if ((c->owned >> bit & 1) != 0 && has < share) {
            return c;
        }
        if (least == NULL || has < __builtin_popcountll(least->given)) {
            least = c;
        }
    }
    return least;
}

static bool claimed_by_another(const struct claim *claims, int32_t n, const struct claim *by,
                               int32_t bit)
{
    for (int32_t i = 0; i < n; i++) {
        if (&claims[i] != by && (claims[i].owned >> bit & 1) != 0) {
            return true;
        }
    }
    return false;
}

static uint64_t divide(struct group_member *m, struct claim *claims, int32_t n)
{
    uint32_t topics = 0;

    for (int32_t i = 0; i < n; i++) {
        topics |= claims[i].topics;
    }
    m->leader_topics = topics;
    uint64_t all = group_by_name(group_world_partitions(m->world, topics));
    int32_t share = (__builtin_popcountll(all) + n - 1) / n;
    for (int32_t bit = 0; bit < GROUP_TOPIC_COUNT * GROUP_TOPIC_PARTITIONS_MAX; bit++) {
        struct claim *c = NULL;
        if ((all >> bit & 1) != 0) {
            c = owner_for(claims, n, bit, share);
        }
        if (c != NULL) {
            c->given |= UINT64_C(1) << bit;
        }
    }
    for (int32_t i = 0; i < n && m->options.cooperative; i++) {
        for (int32_t bit = 0; bit < GROUP_TOPIC_COUNT * GROUP_TOPIC_PARTITIONS_MAX; bit++) {
            uint64_t one = UINT64_C(1) << bit;
            if ((claims[i].given & one) != 0 && (claims[i].owned & one) == 0 &&
                claimed_by_another(claims, n, &claims[i], bit)) {
                claims[i].given &= ~one; /* in the next round */
            }
        }
    }
    return all;
}

static void divide_for(struct group_member *m, struct sync_group_request *rq, struct arena *a,
                       const struct join_group_response *joined)
{
    struct claim claims[MEMBERS_MAX];
    int32_t n = MIN(joined->members.len, MEMBERS_MAX), k = 0;

    SCENARIO_CHECK(joined->members.len > 0, "a leader is told of no members");
    for (int32_t i = 0; i < n; i++) {
        claims[i] = claim_of(a, &joined->members.at[i]);
    }
    m->leader_saw = divide(m, claims, n);
    rq->assignments = sync_group_request_assignments_new(a, n);
    for (int32_t i = 0; i < n; i++) {
        if (claims[i].given == 0 && k > 0 && sim_random_below(m->random, 2) == 0) {
            continue; /* gets nothing, and is not even named */
        }
        rq->assignments.at[k].member_id = claims[i].id;
        rq->assignments.at[k++].assignment = assignment_of(a, claims[i].given);
    }
    rq->assignments.len = k;
}

/* ---- sync ---- */

static uint64_t given_to(struct group_ask *a, struct bytes assignment)
{
    struct consumer_protocol_assignment s;
    uint64_t bits = 0;

    if (assignment.len == 0) {
        return 0;
    }
    SCENARIO_CHECK(unframed(&a->arena, assignment, &consumer_protocol_assignment_message, &s) == OK,
                   "an assignment that nobody wrote");
    for (int32_t i = 0; i < s.assigned_partitions.len; i++) {
        bits |= bits_of(s.assigned_partitions.at[i].topic, s.assigned_partitions.at[i].partitions);
    }
    return bits;
}

static void sync_done(struct group_ask *a)
{
    struct group_member *m = a->who;
    const struct sync_group_response *rs = a->answer;

    m->ask = NULL;
    m->due_us = sim_now(m->world->sim) + (uint64_t)m->interval_ms * 1000;
    if (rs == NULL) {
        group_classic_lost(m);
    } else if (rs->error_code != KAFKA_NONE) {
        take_error(m, rs->error_code, "SyncGroup");
        if (m->state == GROUP_MEMBER_IN) {
            m->state = GROUP_MEMBER_OUT; /* the coordinator went: from the start */
        }
    } else {
        uint64_t given = given_to(a, rs->assignment);
        uint64_t revoked = m->owned & ~given;
        m->owned = given;
        m->state = GROUP_MEMBER_STABLE;
        sim_note(m->world->sim, "member %d has %llx in generation %d", m->number,
                 (unsigned long long)given, m->epoch);
        if (revoked != 0) {
            rejoin(m);
        }
        group_member_commit(m);
    }
    group_member_plan(m, 0);
}

static void sync_send(struct group_member *m, const struct join_group_response *joined)
{
    int16_t version = (int16_t)sim_random_range(m->random, m->options.instance >= 0 ? 3 : 0, 5);
    struct group_ask *a = group_ask_new(m->world, GROUP_ASK_SYNC, version);
    struct sync_group_request *rq = a->in;

    rq->group_id = group_text(m->options.group);
    rq->generation_id = m->epoch;
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->group_instance_id = arena_copy(&a->arena, group_member_instance(m));
    rq->protocol_type = BYTES("consumer");
    rq->protocol_name = arena_copy(&a->arena, joined->protocol_name);
    if (m->leader && !joined->skip_assignment) {
        divide_for(m, rq, &a->arena, joined);
        for (int32_t i = 0; i < rq->assignments.len; i++) {
            rq->assignments.at[i].member_id =
                arena_copy(&a->arena, rq->assignments.at[i].member_id);
        }
    }
    group_member_send(m, a, PATIENCE_US + (uint64_t)m->options.rebalance_ms * 1000, sync_done);
}

/* ---- join ---- */

static void joined(struct group_member *m, const struct join_group_response *rs)
{
    SCENARIO_CHECK(bytes_to_cstr(rs->member_id, m->id, sizeof(m->id)) == OK, "a member id");
    SCENARIO_CHECK(rs->generation_id > 0, "generation %d", rs->generation_id);
    m->epoch = rs->generation_id;
    m->state = GROUP_MEMBER_IN;
    m->leader = bytes_equal(rs->leader, rs->member_id);
    m->leader_saw = rs->skip_assignment ? UINT64_MAX : 0;
    m->mute = m->fresh && m->options.instance < 0 &&
              sim_random_chance(m->random, m->stubborn_ppm / MUTE_PART);
    m->mute_start = m->world->start_count;
    m->fresh = false;
    if (m->mute) { /* it lives, and does not ask for its assignment until it is thrown out */
        m->state = GROUP_MEMBER_STABLE;
        group_member_plan(m, 0);
    } else {
        sync_send(m, rs);
    }
}

static void join_done(struct group_ask *a)
{
    struct group_member *m = a->who;
    const struct join_group_response *rs = a->answer;

    m->ask = NULL;
    m->due_us = sim_now(m->world->sim);
    if (rs == NULL) {
        group_classic_lost(m);
    } else if (rs->error_code == KAFKA_NONE) {
        joined(m, rs);
        return;
    } else if (rs->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        SCENARIO_CHECK(m->id[0] == '\0' && rs->member_id.len > 0 && m->join_version >= 4,
                       "member %d must have an id", m->number);
        SCENARIO_CHECK(bytes_to_cstr(rs->member_id, m->id, sizeof(m->id)) == OK, "a member id");
        m->fresh = true;
    } else {
        take_error(m, rs->error_code, "JoinGroup");
    }
    group_member_plan(m, 0);
}

static void join(struct group_member *m)
{
    struct group_ask *a = group_ask_new(m->world, GROUP_ASK_JOIN, m->join_version);
    struct join_group_request *rq = a->in;

    m->joined_topics = m->options.topics;
    m->fresh = m->fresh || m->id[0] == '\0';
    if (m->id[0] == '\0') { /* perhaps it takes over once more, and leads without knowing */
        m->stirred = false;
        m->stirs++;
    }
    rq->group_id = group_text(m->options.group);
    rq->session_timeout_ms = m->options.session_ms;
    rq->rebalance_timeout_ms = m->options.rebalance_ms;
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->group_instance_id = arena_copy(&a->arena, group_member_instance(m));
    rq->protocol_type = BYTES("consumer");
    rq->protocols = join_group_request_protocols_new(&a->arena, 2);
    rq->protocols.at[0].name =
        BYTES("common"); /* of what a coordinator loads, only this is known */
    rq->protocols.at[1].name = m->number % 2 == 0 ? BYTES("even") : BYTES("odd");
    rq->protocols.at[0].metadata = rq->protocols.at[1].metadata = subscription_of(m, &a->arena);
    m->interval_ms = m->options.session_ms / 3;
    group_member_send(m, a, PATIENCE_US + (uint64_t)m->options.rebalance_ms * 1000, join_done);
}

/* ---- heartbeats ---- */

/* Until it is thrown out; a static member never is as long as it lives. */
static bool is_stubborn(struct group_member *m)
{
    m->stubborn =
        m->stubborn || (m->options.instance < 0 && sim_random_chance(m->random, m->stubborn_ppm));
    return m->stubborn;
}

static void heartbeat_done(struct group_ask *a)
{
    struct group_member *m = a->who;
    const struct heartbeat_response *rs = a->answer;

    m->ask = NULL;
    m->due_us = sim_now(m->world->sim) + (uint64_t)m->interval_ms * 1000;
    if (rs == NULL) {
        group_classic_lost(m);
    } else if (rs->error_code == KAFKA_REBALANCE_IN_PROGRESS && is_stubborn(m)) {
        m->error_count++; /* it lives, and does not join again */
    } else if (rs->error_code != KAFKA_NONE) {
        take_error(m, rs->error_code, "Heartbeat");
    } else {
        /* A rebalance that a restart forgot throws nobody out. */
        m->stubborn = false;
        if (m->mute && m->mute_start != m->world->start_count) {
            rejoin(m);
        }
    }
    group_member_plan(m, 0);
}

static void heartbeat(struct group_member *m)
{
    int16_t version = (int16_t)sim_random_range(m->random, m->options.instance >= 0 ? 3 : 0, 4);
    struct group_ask *a = group_ask_new(m->world, GROUP_ASK_HEARTBEAT, version);
    struct heartbeat_request *rq = a->in;

    rq->group_id = group_text(m->options.group);
    rq->generation_id = m->epoch;
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->group_instance_id = arena_copy(&a->arena, group_member_instance(m));
    group_member_send(m, a, PATIENCE_US, heartbeat_done);
}

static bool must_stir(const struct group_member *m)
{
    return m->options.instance >= 0 && m->join_version < SKIP_ASSIGNMENT_FROM && !m->stirred;
}

static bool must_rejoin(const struct group_member *m)
{
    if (m->stubborn || m->mute) {
        return false;
    }
    return must_stir(m) || m->options.topics != m->joined_topics ||
           (m->leader &&
            m->leader_saw != group_by_name(group_world_partitions(m->world, m->leader_topics)));
}

void group_classic_step(struct group_member *m)
{
    uint64_t now = sim_now(m->world->sim);

    if (m->state == GROUP_MEMBER_STABLE && must_rejoin(m)) {
        m->stirred = m->stirred || must_stir(m);
        rejoin(m);
    }
    if (m->due_us > now) {
        group_member_plan(m, m->due_us - now);
    } else if (m->state == GROUP_MEMBER_STABLE) {
        group_member_commit(m);
        heartbeat(m);
    } else {
        join(m);
    }
}

void group_classic_lost(struct group_member *m)
{
    if (m->state == GROUP_MEMBER_IN) {
        m->state = GROUP_MEMBER_OUT;
    }
    retry(m);
}

void group_classic_leave(struct group_member *m)
{
    int16_t version = (int16_t)sim_random_range(m->random, m->options.instance >= 0 ? 3 : 0, 5);
    struct group_ask *a = group_ask_new(m->world, GROUP_ASK_LEAVE, version);
    struct leave_group_request *rq = a->in;

    rq->group_id = group_text(m->options.group);
    if (version < 3) {
        rq->member_id = arena_copy(&a->arena, group_member_id(m));
    } else {
        rq->members = leave_group_request_members_new(&a->arena, 1);
        if (m->options.instance < 0) {
            rq->members.at[0].member_id = arena_copy(&a->arena, group_member_id(m));
        } else { /* as an administrator removes it */
            rq->members.at[0].group_instance_id = arena_copy(&a->arena, group_member_instance(m));
        }
    }
    group_ask_send(a, NULL, m);
}
