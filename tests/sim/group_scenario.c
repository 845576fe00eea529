/* tests/sim/group_scenario.c: a group coordinator alone, members that behave as real ones do, and trouble.
 *
 * PLAY     set -> trouble (drawn acts with drawn pauses, in a world that loses, delays and repeats) -> calm
 *          -> settle -> peace -> end
 * CHECKED  With every message: group_check.h. Now and then and at the end: group_replay.h. When the trouble is
 *          over, the living members of each group divide all partitions of what they subscribe to among them
 *          within the sum of their time-outs; then nothing moves any more; and when all have left, the group can
 *          be deleted. Nothing leaks.
 */
#include "schema/delete_groups.h"
#include "schema/describe_groups.h"
#include "schema/offset_commit.h"
#include "schema/offset_delete.h"
#include "tests/sim/group_check.h"
#include "tests/sim/group_member.h"
#include "tests/sim/group_peace.h"
#include "tests/sim/group_replay.h"
#include "tests/sim/group_world.h"

#include "base/log.h"

#include <stdio.h>

enum {
    ALIVE_MAX = 12,
    ACTS_MAX = 40,
    PAUSE_US_MAX = 6000000,
    SESSION_MS_MIN = 6000,
    SESSION_MS_MAX = 12000,
    REBALANCE_MS_MIN = 5000,
    REBALANCE_MS_MAX = 20000,
    RETRY_MS = 15000, /* for a coordinator that starts, and for what members do late */
    HEARTBEATS_MS = 4 * SESSION_MS_MAX / 3 + 1500, /* rounds of a cooperative group */
    INSTANCE_COUNT = 3,
    TWIN_ONE_IN = 8, /* starts although its instance is there */
    NEVER_MS = 2000000000,
    WALL_JUMP_MS_MAX = 3600000,
    EXPIRY_CHECK_MS = 7000,
    MINUTE_MS = 60000,
    SECOND_US = 1000000,
};

enum play_kind { PLAY_CLASSIC = 1, PLAY_CONSUMER = 2, PLAY_EXPIRY = 4, PLAY_MIXED = 8 };

struct play {
    struct group_world *world;
    struct sim_random *random;
    struct group_members members;
    bool consumer[GROUP_COUNT], cooperative[GROUP_COUNT];
    int32_t session_ms, delay_ms;
    bool expiry, mixed; /* mixed: both protocols in one group */
    uint32_t slow_us_max, stubborn_ppm;
};

static uint64_t below(struct play *p, uint64_t n)
{
    return sim_random_below(p->random, n);
}

/* ---- members ---- */

static struct group_member *any_alive(struct play *p)
{
    struct group_member *found = NULL;
    uint64_t seen = 0;

    for (int32_t i = 0; i < p->members.count; i++) {
        if (p->members.at[i]->alive && below(p, ++seen) == 0) {
            found = p->members.at[i];
        }
    }
    return found;
}

static int32_t alive_count(const struct play *p)
{
    int32_t n = 0;

    for (int32_t i = 0; i < p->members.count; i++) {
        n += p->members.at[i]->alive;
    }
    return n;
}

static bool instance_alive(const struct play *p, int32_t group, int32_t instance)
{
    for (int32_t i = 0; i < p->members.count; i++) {
        const struct group_member *m = p->members.at[i];
        if (m->alive && m->options.group == group && m->options.instance == instance) {
            return true;
        }
    }
    return false;
}

static void member_start(struct play *p, int32_t group, int32_t instance)
{
    if (p->members.count == GROUP_MEMBER_COUNT_MAX || alive_count(p) == ALIVE_MAX) {
        return;
    }
    struct group_member_options o = {
        .group = group,
        .consumer = p->consumer[group],
        .cooperative = p->cooperative[group],
        .instance = instance,
        .topics = (uint32_t)sim_random_range(p->random, 1, (1 << GROUP_TOPIC_COUNT) - 1),
        .session_ms = (int32_t)sim_random_range(p->random, SESSION_MS_MIN, SESSION_MS_MAX),
        .rebalance_ms = (int32_t)sim_random_range(p->random, REBALANCE_MS_MIN, REBALANCE_MS_MAX),
    };
    if (p->mixed) {
        o.consumer = below(p, 2) == 0;
        o.instance = -1;
    }
    if (o.consumer) {
        o.session_ms = p->session_ms;
    } else if (o.instance >= 0) {
        o.topics = 1 + (uint32_t)(4 * group + 3 * instance) % ((1 << GROUP_TOPIC_COUNT) - 1);
    }
    struct group_member *m = group_member_new(&p->members, &o);
    m->slow_us_max = p->slow_us_max;
    m->stubborn_ppm = p->stubborn_ppm;
}

static void member_start_any(struct play *p)
{
    int32_t group = (int32_t)below(p, GROUP_COUNT);
    int32_t instance = (int32_t)below(p, 2 * INSTANCE_COUNT);
    bool is_static = instance < INSTANCE_COUNT &&
                     (below(p, TWIN_ONE_IN) == 0 || !instance_alive(p, group, instance));

    member_start(p, group, is_static ? instance : -1);
}

static void member_stop_any(struct play *p)
{
    struct group_member *m = any_alive(p);

    if (m == NULL) {
        return;
    }
    if (below(p, 2) == 0) {
        group_member_kill(m);
    } else {
        group_member_leave(m);
    }
    if (!m->alive && below(p, 2) == 0) {
        member_start(p, m->options.group, m->options.instance);
    }
}

/* ---- administrators ---- */

static void admin_commit(struct play *p, int32_t group)
{
    struct group_ask *a =
        group_ask_new(p->world, GROUP_ASK_COMMIT, (int16_t)sim_random_range(p->random, 2, 10));
    struct offset_commit_request *rq = a->in;

    rq->group_id = group_text(group);
    rq->generation_id_or_member_epoch = -1;
    group_commit_fill(a, 1 | (sim_random_next(p->random) & UINT32_MAX));
    group_ask_send(a, NULL, NULL);
}

static void admin_fetch_all(struct play *p, int32_t group)
{
    struct group_ask *a =
        group_ask_new(p->world, GROUP_ASK_FETCH, (int16_t)sim_random_range(p->random, 2, 9));

    group_fetch_fill(a, group, 0);
    group_ask_send(a, NULL, NULL);
}

static void admin_fetch(struct play *p, int32_t group)
{
    struct group_ask *a =
        group_ask_new(p->world, GROUP_ASK_FETCH, (int16_t)sim_random_range(p->random, 2, 10));

    group_fetch_fill(a, group, below(p, 2) == 0 ? 0 : sim_random_next(p->random) & UINT32_MAX);
    group_ask_send(a, NULL, NULL);
}

static void admin_delete_offsets(struct play *p, int32_t group)
{
    struct group_ask *a = group_ask_new(p->world, GROUP_ASK_OFFSET_DELETE, 0);
    struct offset_delete_request *rq = a->in;

    rq->group_id = group_text(group);
    rq->topics = offset_delete_request_topics_new(&a->arena, 1);
    rq->topics.at[0].name = group_topic_text((int32_t)below(p, GROUP_TOPIC_COUNT));
    rq->topics.at[0].partitions = offset_delete_request_partitions_new(&a->arena, 2);
    rq->topics.at[0].partitions.at[0].partition_index = (int32_t)below(p, 4);
    rq->topics.at[0].partitions.at[1].partition_index = 4 + (int32_t)below(p, 4);
    group_ask_send(a, NULL, NULL);
}

static void admin_delete_group(struct play *p, int32_t group, void (*done)(struct group_ask *a))
{
    struct group_ask *a = group_ask_new(p->world, GROUP_ASK_DELETE, 2);
    struct delete_groups_request *rq = a->in;

    rq->groups_names = string_array_new(&a->arena, 1);
    rq->groups_names.at[0] = group_text(group);
    group_ask_send(a, done, NULL);
}

static void admin_describe(struct play *p, int32_t group)
{
    struct group_ask *a = group_ask_new(p->world, GROUP_ASK_DESCRIBE, (int16_t)below(p, 7));
    struct describe_groups_request *rq = a->in;

    rq->groups = string_array_new(&a->arena, 1);
    rq->groups.at[0] = group_text(group);
    group_ask_send(a, NULL, NULL);
}

static void admin_any(struct play *p)
{
    int32_t group = (int32_t)below(p, GROUP_COUNT);

    switch (below(p, 6)) {
    case 0:
        admin_commit(p, group);
        break;
    case 1:
        admin_delete_offsets(p, group);
        break;
    case 2:
        admin_delete_group(p, group, NULL);
        break;
    case 3:
        admin_describe(p, group);
        break;
    default:
        admin_fetch(p, group);
        break;
    }
}

/* ---- trouble ---- */

static void topics_any(struct play *p)
{
    int32_t name = (int32_t)below(p, GROUP_TOPIC_COUNT);

    if (below(p, 4) == 0) {
        group_world_topic_delete(p->world, name);
    } else {
        (void)group_world_topic_make(
            p->world, name, (int32_t)sim_random_range(p->random, 1, GROUP_TOPIC_PARTITIONS_MAX));
    }
}

static void coordinator_any(struct play *p)
{
    switch (below(p, 5)) {
    case 0:
        group_world_crash(p->world);
        break;
    case 1:
        group_world_move(p->world);
        break;
    case 2:
        group_world_append_lost(p->world);
        break;
    case 3:
        group_world_no_room(p->world, below(p, 3 * SECOND_US));
        break;
    default:
        group_replay_check(p->world);
        break;
    }
}

static void act(struct play *p)
{
    struct group_member *m = any_alive(p);

    switch (below(p, 9)) {
    case 0:
    case 1:
        member_start_any(p);
        break;
    case 2:
        member_stop_any(p);
        break;
    case 3:
        if (m != NULL) {
            group_member_sleep(m, below(p, 2ull * SESSION_MS_MAX * 1000));
        }
        break;
    case 4:
        if (m != NULL && (m->options.consumer || m->options.instance < 0)) {
            group_member_subscribe(
                m, (uint32_t)sim_random_range(p->random, 1, (1 << GROUP_TOPIC_COUNT) - 1));
        }
        break;
    case 5:
        topics_any(p);
        break;
    case 6:
        coordinator_any(p);
        break;
    case 7:
        admin_any(p);
        break;
    default:
        group_world_wall_jump(p->world, (int64_t)below(p, 2 * WALL_JUMP_MS_MAX) - WALL_JUMP_MS_MAX);
        break;
    }
}

/* Each kind of trouble is in the world or not: some seeds know only one. */
static struct group_trouble draw_trouble(struct play *p)
{
    struct group_trouble t = {
        .delay_us_max = (uint32_t)sim_random_range(p->random, 100, 20000),
        .sync_us_max = (uint32_t)sim_random_range(p->random, 100, 50000),
    };
    uint64_t which = sim_random_next(p->random);

    if ((which & 1) != 0) {
        t.tail_ppm = (uint32_t)below(p, 50000);
        t.tail_us_max = 8000000;
    }
    if ((which & 2) != 0) {
        t.lose_ppm = (uint32_t)below(p, 60000);
    }
    if ((which & 4) != 0) {
        t.repeat_ppm = (uint32_t)below(p, 200000);
        t.repeat_us_max = 5000000;
    }
    if ((which & 8) != 0) {
        t.append_fail_ppm = (uint32_t)below(p, 8000);
    }
    if ((which & 16) != 0) {
        t.no_memory_ppm = (uint32_t)below(p, 4000);
    }
    if ((which & 32) != 0) {
        t.sync_us_max = 3000000;
    }
    p->slow_us_max = (which & 64) != 0 ? (uint32_t)below(p, 2 * REBALANCE_MS_MIN * 1000) : 100000;
    p->stubborn_ppm = (which & 128) != 0 ? 200000 : 0;
    return t;
}

/* ---- the good end ---- */

/* Of two processes with one instance id that goes which is not to have it: JoinGroup gives it to the newer one, the
 * consumer protocol leaves it to the older one. */
static void twins_end(struct play *p)
{
    for (int32_t i = 0; i < p->members.count; i++) {
        for (int32_t k = 0; k < i; k++) {
            struct group_member *older = p->members.at[k], *newer = p->members.at[i];
            if (older->alive && newer->alive && older->options.instance >= 0 &&
                older->options.instance == newer->options.instance &&
                older->options.group == newer->options.group) {
                group_member_kill(newer->options.consumer ? newer : older);
            }
        }
    }
}

static void calm(struct play *p)
{
    struct group_world *w = p->world;

    w->trouble = (struct group_trouble){.delay_us_max = 1000, .sync_us_max = 2000};
    w->no_room_until_us = 0;
    sim_note(w->sim, "calm");
    twins_end(p);
    for (int32_t i = 0; i < p->members.count; i++) {
        struct group_member *m = p->members.at[i];
        m->slow_us_max = 10000;
        m->stubborn_ppm = 0;
        if (m->alive && m->asleep_until_us > sim_now(w->sim)) {
            m->asleep_until_us = sim_now(w->sim);
            group_member_plan(m, 0);
        }
    }
}

static const char *group_unsettled(const struct play *p, int32_t group)
{
    uint64_t owned = 0;
    uint32_t topics = 0;
    int32_t epoch = -1, alive = 0;

    for (int32_t i = 0; i < p->members.count; i++) {
        const struct group_member *m = p->members.at[i];
        uint64_t has = m->options.consumer ? group_by_name(m->owned) : m->owned;
        if (!m->alive || m->options.group != group) {
            continue;
        }
        if (!group_member_settled(m)) {
            return "a member is not settled";
        }
        if (epoch >= 0 && epoch != m->epoch) {
            return "members are in different epochs";
        }
        if ((owned & has) != 0) {
            return "a partition has two owners";
        }
        epoch = m->epoch;
        owned |= has;
        topics |= m->options.topics;
        alive++;
    }
    uint64_t all = group_by_name(group_world_partitions(p->world, topics));
    return alive == 0 || owned == all ? NULL : "a partition has no owner";
}

static bool is_settled(void *context)
{
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        if (group_unsettled(context, group) != NULL) {
            return false;
        }
    }
    return group_world_serves(((struct play *)context)->world);
}

static void settle(struct play *p, uint64_t limit_ms)
{
    if (!sim_run_until(p->world->sim, is_settled, p, limit_ms * 1000)) {
        for (int32_t i = 0; i < p->members.count; i++) {
            const struct group_member *m = p->members.at[i];
            if (m->alive) {
                sim_note(p->world->sim,
                         "member %d of group %d: topics %x state %d epoch %d owned %llx", m->number,
                         m->options.group, m->options.topics, m->state, m->epoch,
                         (unsigned long long)m->owned);
            }
        }
        group_replay_note(p->world);
        const char *why = group_unsettled(p, 0);
        why = why == NULL ? group_unsettled(p, 1) : why;
        SCENARIO_CHECK(false, "stuck for %d ms: %s", (int)limit_ms,
                       why == NULL ? "the coordinator does not start" : why);
    }
}

static uint64_t errors_of(const struct play *p)
{
    uint64_t n = 0;

    for (int32_t i = 0; i < p->members.count; i++) {
        n += p->members.at[i]->error_count + (uint64_t)p->members.at[i]->epoch;
    }
    return n;
}

static uint64_t all_timeouts_ms(const struct play *p)
{
    return (uint64_t)p->delay_ms + SESSION_MS_MAX + 2 * REBALANCE_MS_MAX + RETRY_MS;
}

/* Where all are well, nobody is waited for: it takes a few heartbeats, no time-out. */
static void stir(struct play *p)
{
    struct group_member *m = any_alive(p);

    if (m != NULL && (m->options.consumer || m->options.instance < 0)) {
        uint32_t all = (1 << GROUP_TOPIC_COUNT) - 1;
        group_member_subscribe(m, m->options.topics == all ? 1 : all);
        sim_run_for(p->world->sim, HEARTBEATS_MS * 1000ull);
        settle(p, 1);
    }
}

static void peace(struct play *p)
{
    struct sim *s = p->world->sim;

    /* What is on its way from the time before may still stir the group once. */
    sim_run_for(s, (SESSION_MS_MAX + REBALANCE_MS_MAX) * 1000ull);
    settle(p, all_timeouts_ms(p));
    stir(p);
    uint64_t before = errors_of(p);
    sim_run_for(s, 5ull * SESSION_MS_MAX * 1000 / 2);
    SCENARIO_CHECK(errors_of(p) == before && is_settled(p),
                   "a group in peace does not stay as it is: %d answers of trouble, %s",
                   (int)(errors_of(p) - before), is_settled(p) ? "settled" : "not settled");
    group_peace_refuses(&p->members);
    group_replay_check(p->world);
    struct group_member *m = any_alive(p);
    if (m != NULL) {
        group_peace_bury(m);
        settle(p, all_timeouts_ms(p));
    }
}

/* What members read stays, however old it is. */
static void outlive(struct play *p)
{
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        uint32_t names = 0;
        for (int32_t i = 0; i < p->members.count; i++) {
            const struct group_member *m = p->members.at[i];
            names |= m->alive && m->options.group == group ? m->options.topics : 0;
        }
        group_check_reads(p->world->check, group, names);
        admin_fetch_all(p, group);
    }
    sim_run_for(p->world->sim, (MINUTE_MS + 2 * EXPIRY_CHECK_MS) * 1000ull);
    group_check_swept(p->world->check, true);
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        admin_fetch_all(p, group);
    }
    sim_run_for(p->world->sim, SECOND_US);
    /* After the last member a classic group keeps them for as long; a consumer group goes by the commit's age. */
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        if (p->consumer[group]) {
            group_check_reads(p->world->check, group, 0);
        }
    }
}

/* All members have left; a coordinator that starts meanwhile knows how old everything is. */
static void expire(struct play *p)
{
    struct group_world *w = p->world;

    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        admin_fetch_all(p, group);
    }
    sim_run_for(w->sim, SECOND_US);
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        group_check_reads(w->check, group, 0);
    }
    group_world_wall_jump(w, w->wall_ahead_ms_max - w->wall_ahead_ms);
    sim_run_for(w->sim, (MINUTE_MS - 2 * SESSION_MS_MAX - MINUTE_MS / 6) * 1000ull);
    group_world_move(w);
    sim_run_for(w->sim, (MINUTE_MS / 6 + RETRY_MS) * 1000ull);
}

static void deleted(struct group_ask *a)
{
    const struct delete_groups_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL && (rs->results.at[0].error_code == KAFKA_NONE ||
                                  rs->results.at[0].error_code == KAFKA_GROUP_ID_NOT_FOUND),
                   "an empty group is not deleted: %s",
                   rs == NULL ? "lost" : kafka_error_info(rs->results.at[0].error_code)->name);
}

static void end(struct play *p)
{
    struct group_world *w = p->world;

    if (p->expiry) {
        outlive(p);
    }
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        admin_fetch_all(p, group);
        admin_fetch(p, group);
    }
    for (int32_t i = 0; i < p->members.count; i++) {
        group_member_leave(p->members.at[i]);
    }
    /* Of static members of the consumer protocol the session must end first. */
    sim_run_for(w->sim, 2ull * SESSION_MS_MAX * 1000);
    for (int32_t group = 0; group < GROUP_COUNT && !p->expiry; group++) {
        admin_delete_group(p, group, deleted);
    }
    sim_run_for(w->sim, SECOND_US);
    group_replay_check(w);
    if (p->expiry) {
        expire(p);
    }
    SCENARIO_CHECK(groups_count(w->groups) == 0, "%zu groups stay for ever",
                   groups_count(w->groups));
    for (int32_t i = 0; i < p->members.count; i++) {
        group_member_free(p->members.at[i]);
    }
    group_world_free(w);
}

/* ---- plays ---- */

static void set(struct play *p, struct scenario_run *run, uint32_t kinds)
{
    log_level_set(LOG_ERROR); /* what goes wrong is what this is about */
    *p = (struct play){.random = sim_random(run->sim), .world = group_world_new(run)};
    p->members.world = p->world;
    group_check_members(p->world->check, &p->members);
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        p->consumer[group] =
            (kinds & PLAY_CLASSIC) == 0 || ((kinds & PLAY_CONSUMER) != 0 && below(p, 2) == 0);
        p->cooperative[group] = below(p, 2) == 0;
    }
    p->session_ms = (int32_t)sim_random_range(p->random, SESSION_MS_MIN, SESSION_MS_MAX);
    p->delay_ms = (int32_t)(1500 * below(p, 3));
    group_world_set(p->world, "group.initial.rebalance.delay.ms", p->delay_ms);
    group_world_set(p->world, "group.consumer.min.session.timeout.ms", SESSION_MS_MIN);
    group_world_set(p->world, "group.consumer.session.timeout.ms", p->session_ms);
    group_world_set(p->world, "group.consumer.min.heartbeat.interval.ms", 1000);
    group_world_set(p->world, "group.consumer.heartbeat.interval.ms", p->session_ms / 3);
    p->expiry = (kinds & PLAY_EXPIRY) != 0;
    p->mixed = (kinds & PLAY_MIXED) != 0;
    group_check_mixed(p->world->check, p->mixed);
    group_world_set(p->world, "offsets.retention.check.interval.ms",
                    p->expiry ? EXPIRY_CHECK_MS : NEVER_MS);
    if (p->expiry) {
        group_world_set(p->world, "offsets.retention.minutes", 1);
        group_check_expiry(p->world->check, MINUTE_MS);
    }
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        if (below(p, 4) > 0) {
            (void)group_world_topic_make(p->world, name,
                                         (int32_t)sim_random_range(p->random, 1, 8));
        }
    }
    p->world->trouble = draw_trouble(p);
    if (p->mixed) { /* a JoinGroup that nobody waits for moves a member of the classic protocol on */
        p->world->trouble.repeat_ppm = p->world->trouble.tail_ppm = 0;
    }
    group_world_start(p->world);
}

static void play(struct scenario_run *run, uint32_t kinds)
{
    struct play p;

    set(&p, run, kinds);
    uint64_t acts = below(&p, ACTS_MAX + 1), members = sim_random_range(p.random, 1, ALIVE_MAX);
    for (uint64_t i = 0; i < members; i++) {
        member_start_any(&p);
    }
    for (uint64_t i = 0; i < acts; i++) {
        sim_run_for(run->sim, below(&p, PAUSE_US_MAX));
        act(&p);
    }
    calm(&p);
    settle(&p, all_timeouts_ms(&p));
    peace(&p);
    end(&p);
}

SCENARIO(a_classic_group_comes_to_rest_and_keeps_its_offsets, 0)
{
    play(run, PLAY_CLASSIC);
}

SCENARIO(a_consumer_group_never_gives_a_partition_to_two, 0)
{
    play(run, PLAY_CONSUMER);
}

SCENARIO(offsets_expire_in_their_time_and_not_before, 0)
{
    play(run, PLAY_CLASSIC | PLAY_CONSUMER | PLAY_EXPIRY);
}

SCENARIO(groups_of_both_protocols_live_on_one_coordinator, 0)
{
    play(run, PLAY_CLASSIC | PLAY_CONSUMER);
}

SCENARIO(a_group_moves_from_one_protocol_to_the_other_while_it_works, 0)
{
    play(run, PLAY_CLASSIC | PLAY_MIXED);
}
