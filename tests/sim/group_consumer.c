/* tests/sim/group_consumer.c: a member of the consumer protocol (KIP-848).
 *
 * HEARTBEAT Epoch 0 joins, with all fields; later only what changed; all fields again after anything was lost.
 *           Whenever it says what it reads, it names the topics or gives an expression for them.
 * RECONCILE A new assignment: what is not in it is given up after a while (slow_us_max; perhaps too late for the
 *           coordinator's patience), then what is new is taken, then the next heartbeat says what is owned.
 * THROWN OUT FENCED_MEMBER_EPOCH, UNKNOWN_MEMBER_ID: it owns nothing any more and joins again.
 */
#include "tests/sim/group_member.h"

#include "schema/consumer_group_heartbeat.h"
#include "tests/sim/group_check.h"

enum { PATIENCE_US = 4000000, RETRY_US_MAX = 400000, REGEX_FROM = 1 };

static const uint64_t never_us = UINT64_MAX / 2;

static void owned_fill(struct group_ask *a, uint64_t owned)
{
    struct consumer_group_heartbeat_request *rq = a->in;
    int32_t n = 0;

    rq->topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_new(&a->arena, GROUP_SLOT_COUNT);
    for (int32_t slot = 0; slot < GROUP_SLOT_COUNT; slot++) {
        uint64_t bits = owned >> (slot * GROUP_TOPIC_PARTITIONS_MAX) & 0xff;
        if (bits == 0) {
            continue;
        }
        struct consumer_group_heartbeat_request_topic_partition *t = &rq->topic_partitions.at[n++];
        t->topic_id = a->world->topics[slot].id;
        t->partitions = int32_array_new(&a->arena, (int32_t)__builtin_popcountll(bits));
        int32_t k = 0;
        for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
            if ((bits >> p & 1) != 0) {
                t->partitions.at[k++] = p;
            }
        }
    }
    rq->topic_partitions.len = n;
}

/* An expression for exactly these names. */
static struct bytes pattern_of(struct arena *a, uint32_t names)
{
    struct bytes out = BYTES("t[");

    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        if ((names >> name & 1) != 0) {
            out = arena_format(a, "%.*s%d", BYTES_ARG(out), name);
        }
    }
    return arena_format(a, "%.*s]", BYTES_ARG(out));
}

/* By name or by an expression; what is not said in one way is taken back in the other. */
static void topics_fill(struct group_member *m, struct group_ask *a, uint32_t names)
{
    struct consumer_group_heartbeat_request *rq = a->in;
    int32_t n = 0;

    if (a->version >= REGEX_FROM) {
        bool by_pattern = sim_random_below(m->random, 3) == 0;
        rq->subscribed_topic_regex = by_pattern ? pattern_of(&a->arena, names) : BYTES("");
        names = by_pattern ? 0 : names;
    }
    rq->subscribed_topic_names = string_array_new(&a->arena, __builtin_popcount(names));
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        if ((names >> name & 1) != 0) {
            rq->subscribed_topic_names.at[n++] = group_topic_text(name);
        }
    }
}

static void lose_all(struct group_member *m)
{
    m->owned = m->target = m->acked = 0;
    m->reconciling = false;
    m->state = GROUP_MEMBER_OUT;
    m->epoch = 0;
    m->due_us = sim_now(m->world->sim) + sim_random_below(m->random, RETRY_US_MAX);
    m->error_count++;
}

static void take_assignment(struct group_member *m,
                            const struct consumer_group_heartbeat_response_assignment *given)
{
    uint64_t target = 0;

    for (int32_t i = 0; i < given->topic_partitions.len; i++) {
        const struct consumer_group_heartbeat_response_topic_partition *t =
            &given->topic_partitions.at[i];
        int32_t slot = group_world_slot_by_id(m->world, t->topic_id);
        SCENARIO_CHECK(slot >= 0, "an assignment of a topic that never was");
        for (int32_t k = 0; k < t->partitions.len; k++) {
            int32_t p = t->partitions.at[k];
            SCENARIO_CHECK(p >= 0 && p < m->world->topics[slot].partition_count,
                           "partition %d of topic %d is assigned", p, slot);
            target |= UINT64_C(1) << (slot * GROUP_TOPIC_PARTITIONS_MAX + p);
        }
    }
    m->target = target;
    m->reconciling = true;
    m->give_up_us = sim_now(m->world->sim) + sim_random_below(m->random, m->slow_us_max + 1);
    if ((m->owned & ~target) != 0 && sim_random_chance(m->random, m->stubborn_ppm)) {
        m->give_up_us = never_us; /* until it is thrown out */
    }
    sim_note(m->world->sim, "member %d has %llx, is to have %llx in epoch %d", m->number,
             (unsigned long long)m->owned, (unsigned long long)target, m->epoch);
}

static void accepted(struct group_member *m, const struct consumer_group_heartbeat_response *rs)
{
    SCENARIO_CHECK(rs->member_epoch >= m->epoch, "member %d: epoch %d after %d", m->number,
                   rs->member_epoch, m->epoch);
    if (rs->member_id.len > 0) {
        SCENARIO_CHECK(bytes_to_cstr(rs->member_id, m->id, sizeof(m->id)) == OK, "a member id");
    }
    m->epoch = rs->member_epoch;
    m->state = GROUP_MEMBER_STABLE;
    m->interval_ms = rs->heartbeat_interval_ms;
    m->send_all = false;
    if (rs->assignment != NULL) {
        take_assignment(m, rs->assignment);
    }
    m->due_us = sim_now(m->world->sim) + (uint64_t)m->interval_ms * 1000;
}

static void heartbeat_done(struct group_ask *a)
{
    struct group_member *m = a->who;
    const struct consumer_group_heartbeat_response *rs = a->answer;

    m->ask = NULL;
    if (rs == NULL) {
        group_consumer_lost(m);
    } else if (rs->error_code == KAFKA_NONE) {
        const struct consumer_group_heartbeat_request *rq = a->in;
        if (rq->topic_partitions.len >= 0) {
            m->acked = m->owned; /* nothing changes while a heartbeat is under way */
        }
        accepted(m, rs);
    } else if (rs->error_code == KAFKA_FENCED_MEMBER_EPOCH ||
               rs->error_code == KAFKA_UNKNOWN_MEMBER_ID ||
               rs->error_code == KAFKA_GROUP_ID_NOT_FOUND) {
        sim_note(m->world->sim, "member %d is out: %s", m->number,
                 kafka_error_info(rs->error_code)->name);
        lose_all(m);
    } else if (rs->error_code == KAFKA_FENCED_INSTANCE_ID) {
        lose_all(m);
        m->alive = false;
        m->fenced_for_good = true;
        return;
    } else {
        SCENARIO_CHECK(rs->error_code == KAFKA_NOT_COORDINATOR ||
                           rs->error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
                           rs->error_code == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                           rs->error_code == KAFKA_UNRELEASED_INSTANCE_ID,
                       "member %d: heartbeat answered with %s", m->number,
                       kafka_error_info(rs->error_code)->name);
        group_consumer_lost(m);
    }
    group_member_plan(m, 0);
}

void group_consumer_lost(struct group_member *m)
{
    m->send_all = true;
    m->due_us = sim_now(m->world->sim) + sim_random_below(m->random, RETRY_US_MAX);
}

static void make_id(struct group_member *m)
{
    if (m->id[0] == '\0' && m->heartbeat_version >= 1) {
        struct uuid u = uuid_random(sim_random_next(m->random), sim_random_next(m->random));
        uuid_text(u, m->id);
    }
}

static void heartbeat(struct group_member *m)
{
    bool all = m->epoch == 0 || m->send_all;

    make_id(m);
    struct group_ask *a =
        group_ask_new(m->world, GROUP_ASK_CONSUMER_HEARTBEAT, m->heartbeat_version);
    struct consumer_group_heartbeat_request *rq = a->in;
    rq->group_id = group_text(m->options.group);
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->member_epoch = m->epoch;
    if (all || m->options.topics != m->sent_topics) {
        topics_fill(m, a, m->options.topics);
        m->sent_topics = m->options.topics;
    } else {
        rq->subscribed_topic_names.len = -1;
    }
    if (all || m->owned != m->acked) {
        /* What it is about to take counts: it will not ask again. */
        owned_fill(a, m->epoch == 0 ? 0 : m->reconciling ? m->owned | m->target : m->owned);
    } else {
        rq->topic_partitions.len = -1;
    }
    a->in_time = true; /* what it says of owned partitions is true only until the next one */
    rq->instance_id = arena_copy(&a->arena, group_member_instance(m));
    if (all) {
        rq->rebalance_timeout_ms = m->options.rebalance_ms;
        rq->server_assignor = m->assignor == NULL ? BYTES_NULL : bytes_of(m->assignor);
    }
    group_member_send(m, a, PATIENCE_US, heartbeat_done);
}

static void reconcile(struct group_member *m)
{
    group_member_commit(m); /* of what it gives up, too */
    m->owned &= m->target;
    group_check_takes(m->world->check, m, m->target & ~m->owned);
    m->owned = m->target;
    m->reconciling = false;
    m->due_us = sim_now(m->world->sim);
    group_member_commit(m);
}

void group_consumer_step(struct group_member *m)
{
    uint64_t now = sim_now(m->world->sim);

    if (m->reconciling && m->give_up_us <= now) {
        reconcile(m);
    }
    if (m->due_us <= now || m->options.topics != m->sent_topics) {
        group_member_commit(m);
        heartbeat(m);
        return;
    }
    uint64_t next = m->reconciling ? MIN(m->due_us, m->give_up_us) : m->due_us;
    group_member_plan(m, next - now);
}

void group_consumer_leave(struct group_member *m)
{
    struct group_ask *a =
        group_ask_new(m->world, GROUP_ASK_CONSUMER_HEARTBEAT, m->heartbeat_version);
    struct consumer_group_heartbeat_request *rq = a->in;

    rq->group_id = group_text(m->options.group);
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->instance_id = arena_copy(&a->arena, group_member_instance(m));
    rq->member_epoch = m->options.instance >= 0 ? -2 : -1;
    rq->subscribed_topic_names.len = -1;
    rq->topic_partitions.len = -1;
    group_ask_send(a, NULL, m);
}
