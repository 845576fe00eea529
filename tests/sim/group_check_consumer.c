/* tests/sim/group_check_consumer.c: who owns what in groups of the consumer protocol.
 *
 * SEEN     Of every member id: the newest epoch and assignment the coordinator has made for it (whether or not
 *          the answer arrives), when it was last heard, since when it is asked to give something up.
 * EXCUSE   A partition may be taken although another process still thinks it has it, if that one was silent for
 *          its session, did not give up within its rebalance time-out, left, or was told that it is out.
 */
#include "tests/sim/group_check_internal.h"

#include "schema/consumer_group_heartbeat.h"
#include "schema/offset_commit.h"
#include "schema/offset_fetch.h"

enum { MEMBER_EPOCH_FROM = 9 };

struct consumer_seen *consumer_check_find(struct group_check *c, struct bytes id)
{
    for (int32_t i = 0; i < c->consumer_count; i++) {
        if (bytes_equal(bytes_of(c->consumers[i].id), id)) {
            return &c->consumers[i];
        }
    }
    return NULL;
}

static struct consumer_seen *seen_of(struct group_check *c, struct bytes id, int32_t group)
{
    struct consumer_seen *s = consumer_check_find(c, id);

    if (s == NULL) {
        c->consumers = group_check_grow(c->consumers, c->consumer_count, &c->consumer_max,
                                        sizeof(*c->consumers));
        s = &c->consumers[c->consumer_count++];
        SCENARIO_CHECK(bytes_to_cstr(id, s->id, sizeof(s->id)) == OK, "a member id");
        s->group = group;
        s->revoke_us = UINT64_MAX;
    }
    return s;
}

static uint64_t bits_of(const struct group_check *c, struct uuid id, struct int32_array partitions)
{
    int32_t slot = group_world_slot_by_id(c->world, id);
    uint64_t bits = 0;

    SCENARIO_CHECK(slot >= 0, "a topic that never was");
    for (int32_t i = 0; i < partitions.len; i++) {
        SCENARIO_CHECK(partitions.at[i] >= 0 && partitions.at[i] < GROUP_TOPIC_PARTITIONS_MAX,
                       "partition %d", partitions.at[i]);
        uint64_t one = UINT64_C(1) << (slot * GROUP_TOPIC_PARTITIONS_MAX + partitions.at[i]);
        SCENARIO_CHECK((bits & one) == 0, "partition %d is named twice", partitions.at[i]);
        bits |= one;
    }
    return bits;
}

static uint64_t owned_in(const struct group_check *c,
                         const struct consumer_group_heartbeat_request *rq)
{
    uint64_t owned = 0;

    for (int32_t i = 0; i < rq->topic_partitions.len; i++) {
        owned |=
            bits_of(c, rq->topic_partitions.at[i].topic_id, rq->topic_partitions.at[i].partitions);
    }
    return owned;
}

/* Epochs of a member that has one: an earlier one needs proof. */
static void check_epoch(const struct consumer_seen *s,
                        const struct consumer_group_heartbeat_request *rq, uint64_t owned)
{
    if (rq->member_epoch <= 0 || s->out || rq->member_epoch >= s->epoch) {
        return;
    }
    SCENARIO_CHECK(rq->member_epoch >= s->earlier,
                   "a heartbeat in epoch %d is taken, the member was in epoch %d and is in %d",
                   rq->member_epoch, s->earlier, s->epoch);
    SCENARIO_CHECK(rq->topic_partitions.len >= 0 && (owned & ~s->assigned) == 0,
                   "a heartbeat in epoch %d is taken, the member is in epoch %d and owns %llx of "
                   "%llx",
                   rq->member_epoch, s->epoch, (unsigned long long)owned,
                   (unsigned long long)s->assigned);
}

bool group_check_must_fence(struct group_check *c, const struct group_ask *a)
{
    const struct consumer_group_heartbeat_request *rq = a->call.in;
    const struct consumer_seen *s = consumer_check_find(c, rq->member_id);

    return s != NULL && !s->out && rq->member_epoch > 0 && rq->member_epoch < s->epoch &&
           (rq->member_epoch < s->earlier || rq->topic_partitions.len < 0 ||
            (owned_in(c, rq) & ~s->assigned) != 0);
}

/* Whose instance another process has by now speaks for itself no more. */
static void check_leave(const struct group_check *c, const struct consumer_seen *by)
{
    for (int32_t i = 0; i < c->consumer_count; i++) {
        const struct consumer_seen *s = &c->consumers[i];
        SCENARIO_CHECK(s == by || s->out || s->epoch == 0 || s->group != by->group ||
                           s->instance[0] == '\0' || strcmp(s->instance, by->instance) != 0 ||
                           s->heard_us <= by->heard_us,
                       "member %s leaves in the stead of %s", by->id, s->id);
    }
}

/* By name, or by the one kind of expression that members use: t[..]. */
static uint32_t names_in(const struct consumer_group_heartbeat_request *rq)
{
    uint32_t names = 0;

    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        for (int32_t i = 0; i < rq->subscribed_topic_names.len; i++) {
            names |= (uint32_t)bytes_equal(rq->subscribed_topic_names.at[i], group_topic_text(name))
                     << name;
        }
        names |= (uint32_t)(bytes_find(rq->subscribed_topic_regex, (uint8_t)('0' + name)) >= 0)
                 << name;
    }
    return names;
}

static void check_reads(const struct consumer_seen *s)
{
    for (int32_t slot = 0; slot < GROUP_SLOT_COUNT && s->assigned != UINT64_MAX; slot++) {
        SCENARIO_CHECK((s->assigned >> (slot * GROUP_TOPIC_PARTITIONS_MAX) & 0xff) == 0 ||
                           (s->names >> slot % GROUP_TOPIC_COUNT & 1) != 0,
                       "member %s is assigned partitions of topic %d, which it does not read",
                       s->id, slot);
    }
}

static void took(struct group_check *c, const struct group_ask *a)
{
    const struct consumer_group_heartbeat_request *rq = a->call.in;
    const struct consumer_group_heartbeat_response *rs = a->call.out;
    struct consumer_seen *s = seen_of(c, rs->member_id.len > 0 ? rs->member_id : rq->member_id,
                                      group_check_group(rq->group_id));
    uint64_t assigned = 0;

    s->end_offset = c->world->log_end;
    if (rq->member_epoch < 0) {
        check_leave(c, s);
        s->out = rq->member_epoch == -1; /* else it is away, and may come back */
        s->epoch = s->before = s->earlier = 0;
        return;
    }
    if (rq->member_epoch == 0) { /* what it has may be given anew */
        memset(s->since, 0, sizeof(s->since));
    }
    uint64_t owned = owned_in(c, rq);
    check_epoch(s, rq, owned);
    if (rq->topic_partitions.len >= 0 && s->assigned != UINT64_MAX && (owned & ~s->assigned) == 0) {
        s->revoke_us = UINT64_MAX;
    }
    s->before = s->epoch;
    s->earlier = s->epoch == rs->member_epoch ? s->earlier : s->epoch;
    s->epoch = rs->member_epoch;
    s->out = false;
    s->heard_us = a->run_us;
    SCENARIO_CHECK(bytes_to_cstr(rq->instance_id, s->instance, sizeof(s->instance)) == OK,
                   "an instance id");
    if (rq->subscribed_topic_names.len >= 0) {
        s->names = names_in(rq);
    }
    if (rs->assignment == NULL) {
        check_reads(s);
        return;
    }
    for (int32_t i = 0; i < rs->assignment->topic_partitions.len; i++) {
        assigned |= bits_of(c, rs->assignment->topic_partitions.at[i].topic_id,
                            rs->assignment->topic_partitions.at[i].partitions);
    }
    for (size_t i = 0; i < COUNT_OF(s->since); i++) {
        if ((assigned & ~s->assigned) >> i & 1) {
            s->since[i] = rs->member_epoch;
        }
    }
    if ((s->assigned & ~assigned) != 0) {
        s->revoke_us = MIN(s->revoke_us, a->run_us);
    }
    s->assigned = assigned;
    check_reads(s);
}

static uint64_t excused_at(struct group_check *c, const struct group_member *m)
{
    const struct consumer_seen *s = consumer_check_find(c, group_member_id(m));

    if (s == NULL || s->out || !m->alive) {
        return 0;
    }
    uint64_t session = s->heard_us + (uint64_t)m->options.session_ms * 1000;
    uint64_t revoke = s->revoke_us == UINT64_MAX
                          ? UINT64_MAX
                          : s->revoke_us + (uint64_t)m->options.rebalance_ms * 1000;
    return MIN(session, revoke);
}

void group_check_takes(struct group_check *c, const struct group_member *m, uint64_t slots)
{
    uint64_t now = sim_now(c->world->sim);

    c->counts.takes += slots != 0;
    for (int32_t i = 0; c->members != NULL && i < c->members->count; i++) {
        const struct group_member *other = c->members->at[i];
        if (other == m || other->options.group != m->options.group) {
            continue;
        }
        if (!other->options.consumer) {
            /* By slot it is the same as by name, for a topic that is the first of its name. */
            uint64_t kept = c->mixed ? classic_check_keeps(c, other) & slots : 0;
            SCENARIO_CHECK(kept == 0 || now >= excused_at(c, m),
                           "consumer %d takes %llx, which classic member %d has", m->number,
                           (unsigned long long)kept, other->number);
            continue;
        }
        SCENARIO_CHECK((other->owned & slots) == 0 || now >= excused_at(c, other) ||
                           now >= excused_at(c, m),
                       "member %d takes %llx, which member %d has and may keep for %lld ms",
                       m->number, (unsigned long long)(other->owned & slots), other->number,
                       (long long)(excused_at(c, other) - now) / 1000);
    }
}

/* The answer with the newest epoch was lost: then the member is let through if it owns no more than that says. */
static void check_fenced(struct group_check *c, const struct group_ask *a)
{
    const struct consumer_group_heartbeat_request *rq = a->call.in;
    const struct consumer_seen *s = consumer_check_find(c, rq->member_id);

    if (s == NULL || s->out || rq->member_epoch <= 0 || rq->member_epoch != s->before) {
        return;
    }
    SCENARIO_CHECK(rq->topic_partitions.len < 0 || (owned_in(c, rq) & ~s->assigned) != 0,
                   "a member that missed the answer with epoch %d is fenced in epoch %d", s->epoch,
                   rq->member_epoch);
}

/* Of which partitions the answer says that, by slot. */
static uint64_t partitions_in(const struct group_check *c, const struct group_ask *a,
                              enum kafka_error error)
{
    const struct offset_commit_response *rs = a->call.out;
    uint64_t bits = 0;

    for (int32_t t = 0; t < rs->topics.len; t++) {
        const struct offset_commit_response_topic *topic = &rs->topics.at[t];
        int32_t slot = group_world_slot_by_id(c->world, topic->topic_id);
        for (int32_t name = 0; name < GROUP_TOPIC_COUNT && topic->name.len > 0; name++) {
            slot = bytes_equal(topic->name, group_topic_text(name))
                       ? group_world_slot(c->world, name)
                       : slot;
        }
        for (int32_t p = 0; slot >= 0 && p < topic->partitions.len; p++) {
            bits |=
                (uint64_t)(topic->partitions.at[p].error_code == (int16_t)error)
                << (slot * GROUP_TOPIC_PARTITIONS_MAX + topic->partitions.at[p].partition_index);
        }
    }
    return bits;
}

/* What is committed in an earlier epoch has been the member's since then, and is nobody else's by now. */
static void check_commit(struct group_check *c, const struct group_ask *a,
                         const struct consumer_seen *by)
{
    const struct offset_commit_request *rq = a->call.in;
    uint64_t bits = partitions_in(c, a, KAFKA_NONE);

    for (size_t i = 0; i < COUNT_OF(by->since); i++) {
        SCENARIO_CHECK((bits >> i & 1) == 0 || by->since[i] <= rq->generation_id_or_member_epoch,
                       "member %s commits in epoch %d a partition that it was given in %d", by->id,
                       rq->generation_id_or_member_epoch, by->since[i]);
    }
    for (int32_t i = 0; c->members != NULL && i < c->members->count; i++) {
        const struct group_member *m = c->members->at[i];
        const struct consumer_seen *s = consumer_check_find(c, group_member_id(m));
        SCENARIO_CHECK(
            s == NULL || s == by || s->group != by->group || a->run_us >= excused_at(c, m) ||
                (s->assigned & bits) == 0 || s->assigned == UINT64_MAX,
            "member %.*s commits %llx in an earlier epoch, which member %d has",
            BYTES_ARG(bytes_of(by->id)), (unsigned long long)(s->assigned & bits), m->number);
    }
}

/* What was the member's in that epoch, and is, may be committed in it. */
static void check_stale(const struct group_check *c, const struct group_ask *a,
                        const struct consumer_seen *s)
{
    const struct offset_commit_request *rq = a->call.in;
    uint64_t bits = partitions_in(c, a, KAFKA_STALE_MEMBER_EPOCH);
    bool all = bits != 0 && s->assigned != UINT64_MAX && (bits & ~s->assigned) == 0 &&
               rq->generation_id_or_member_epoch <= s->epoch;

    for (size_t i = 0; i < COUNT_OF(s->since) && all; i++) {
        all = (bits >> i & 1) == 0 ||
              (s->since[i] > 0 && s->since[i] <= rq->generation_id_or_member_epoch);
    }
    SCENARIO_CHECK(!all, "member %s may not commit in epoch %d what it has had since", s->id,
                   rq->generation_id_or_member_epoch);
}

/* An earlier epoch may commit what was assigned to it, not what another has by now. */
static void commit_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_commit_request *rq = a->call.in;
    const struct consumer_seen *s = consumer_check_find(c, rq->member_id);

    if (s != NULL && !s->out && s->epoch > 0 && !a->server_arena.exhausted &&
        group_check_error(a) == KAFKA_STALE_MEMBER_EPOCH) {
        check_stale(c, a, s);
    }

    if (s == NULL || a->server_arena.exhausted || group_check_error(a) != KAFKA_NONE) {
        return;
    }
    SCENARIO_CHECK(!s->out, "a commit of member %.*s, which is out, is taken in epoch %d",
                   BYTES_ARG(rq->member_id), rq->generation_id_or_member_epoch);
    SCENARIO_CHECK(s->epoch == 0 || rq->generation_id_or_member_epoch <= s->epoch,
                   "a commit of epoch %d is taken in epoch %d", rq->generation_id_or_member_epoch,
                   s->epoch);
    if (rq->generation_id_or_member_epoch < s->epoch) {
        check_commit(c, a, s);
    }
}

/* The offsets of an earlier epoch may be those that the next owner has moved on from. */
static void fetch_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_fetch_request *rq = a->call.in;

    if (a->version < MEMBER_EPOCH_FROM || rq->groups.at[0].member_id.len == 0 ||
        a->server_arena.exhausted || group_check_error(a) != KAFKA_NONE) {
        return;
    }
    const struct consumer_seen *s = consumer_check_find(c, rq->groups.at[0].member_id);
    SCENARIO_CHECK(s == NULL || s->out || s->epoch == 0 ||
                       rq->groups.at[0].member_epoch == s->epoch,
                   "an OffsetFetch of epoch %d is served in epoch %d",
                   rq->groups.at[0].member_epoch, s->epoch);
}

void consumer_check_ran(struct group_check *c, struct group_ask *a)
{
    if (a->api == GROUP_ASK_COMMIT) {
        commit_ran(c, a);
    } else if (a->api == GROUP_ASK_FETCH) {
        fetch_ran(c, a);
    }
    if (a->api != GROUP_ASK_CONSUMER_HEARTBEAT || a->server_arena.exhausted) {
        return;
    }
    const struct consumer_group_heartbeat_request *rq = a->call.in;
    enum kafka_error e = group_check_error(a);
    if (e == KAFKA_NONE) {
        took(c, a);
    } else if (e == KAFKA_UNKNOWN_MEMBER_ID && rq->member_id.len > 0) {
        struct consumer_seen *s = seen_of(c, rq->member_id, group_check_group(rq->group_id));
        s->out = true;
        s->end_offset = c->world->log_end;
    } else if (e == KAFKA_FENCED_MEMBER_EPOCH) {
        check_fenced(c, a);
    }
}

void consumer_check_released(struct group_check *c, struct group_ask *a)
{
    if (a->api == GROUP_ASK_CONSUMER_HEARTBEAT && group_check_error(a) == KAFKA_NONE) {
        const struct consumer_group_heartbeat_request *rq = a->call.in;
        const struct consumer_group_heartbeat_response *rs = a->call.out;
        SCENARIO_CHECK(rq->member_epoch < 0 || rs->member_epoch > 0, "a member in epoch %d",
                       rs->member_epoch);
        SCENARIO_CHECK(c->world->durable >= 0, "durable");
    }
}

/* What the coordinator knew beyond the cut it knows no more; what it goes on to ask begins anew. */
void consumer_check_cut(struct group_check *c, int64_t end)
{
    for (int32_t i = 0; i < c->consumer_count; i++) {
        struct consumer_seen *s = &c->consumers[i];
        if (s->end_offset > end) {
            s->epoch = s->before = s->earlier = 0;
            s->assigned = UINT64_MAX;
            memset(s->since, 0, sizeof(s->since));
            s->out = false;
            s->revoke_us = MIN(s->revoke_us, sim_now(c->world->sim));
            s->end_offset = 0;
        }
    }
}
