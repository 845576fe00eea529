/* tests/sim/group_check_classic.c: generations of classic groups: who was told what.
 *
 * A generation is what the leader's SyncGroup made durable; a crash that takes the record takes the generation. It
 * belongs to an incarnation of its group: deleting the group ends one, and numbers may begin again.
 */
#include "tests/sim/group_check_internal.h"

#include "schema/delete_groups.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/offset_commit.h"
#include "schema/sync_group.h"
#include "tests/sim/sim_mem.h"

enum { ID_REQUIRED_FROM = 4, INSTANCE_BYTES = 8 /* one digit */ };

static void text_of(struct bytes b, char *out, size_t bytes)
{
    SCENARIO_CHECK(bytes_to_cstr(b, out, bytes) == OK, "an id of %zu bytes", b.len);
}

static const char *instance_of(const struct group_check *c, const char *member)
{
    for (int32_t i = c->static_count - 1; i >= 0; i--) {
        if (strcmp(c->statics[i].id, member) == 0) {
            return c->statics[i].instance;
        }
    }
    return "";
}

/* Whose instance it is for: what was written for a process may be told to the next one. Ids of static members begin
 * with it, known even where no answer told anybody of the id; but one that had a successor already is nobody's. */
static void instance_in(const struct group_check *c, int32_t group, struct given *g)
{
    text_of(bytes_of(instance_of(c, g->member)), g->instance, sizeof(g->instance));
    if (g->instance[0] == '\0' && strncmp(g->member, "static-", INSTANCE_BYTES - 1) == 0) {
        memcpy(g->instance, g->member, INSTANCE_BYTES);
        return;
    }
    for (int32_t i = c->static_count - 1; i >= 0; i--) {
        const struct static_member *s = &c->statics[i];
        if (s->group == group && strcmp(s->instance, g->instance) == 0) {
            g->instance[0] = strcmp(s->id, g->member) == 0 ? g->instance[0] : '\0';
            return;
        }
    }
}

/* The leader's SyncGroup was taken and written: a generation is complete. */
static void completed(struct group_check *c, const struct group_ask *a)
{
    const struct sync_group_request *rq = a->call.in;
    struct classic_seen *s = &c->classic[group_check_group(rq->group_id)];

    for (int32_t i = 0; i < s->count; i++) {
        SCENARIO_CHECK(s->at[i].incarnation != s->incarnation || c->retention_ms >= 0 ||
                           s->at[i].number < rq->generation_id,
                       "generation %d is completed after generation %d", rq->generation_id,
                       s->at[i].number);
    }
    s->at = group_check_grow(s->at, s->count, &s->max, sizeof(*s->at));
    struct generation *g = &s->at[s->count++];
    g->number = rq->generation_id;
    text_of(rq->member_id, g->leader, sizeof(g->leader));
    g->incarnation = s->incarnation;
    g->end_offset = a->written;
    g->given_count = rq->assignments.len;
    g->given = sim_alloc((size_t)MAX(g->given_count, 1) * sizeof(*g->given));
    for (int32_t i = 0; i < g->given_count; i++) {
        struct bytes b = rq->assignments.at[i].assignment;
        text_of(rq->assignments.at[i].member_id, g->given[i].member, sizeof(g->given[i].member));
        instance_in(c, group_check_group(rq->group_id), &g->given[i]);
        g->given[i].assignment = (struct bytes){sim_copy(b.at, b.len), b.len};
    }
    c->counts.generations++;
}

static void commit_ran(const struct group_check *c, const struct group_ask *a)
{
    const struct offset_commit_request *rq = a->call.in;
    const struct classic_seen *s = &c->classic[group_check_group(rq->group_id)];
    bool is_consumer =
        consumer_check_find((struct group_check *)(uintptr_t)c, rq->member_id) != NULL;

    if (!a->server_arena.exhausted && rq->generation_id_or_member_epoch >= 0 && !is_consumer &&
        group_check_error(a) == KAFKA_NONE) {
        SCENARIO_CHECK(rq->generation_id_or_member_epoch >= s->joined,
                       "a commit of generation %d is taken in generation %d",
                       rq->generation_id_or_member_epoch, s->joined);
    }
}

/* Once another process has been told that the instance is its own, this one is served no more. */
static void fenced(const struct group_check *c, const struct group_ask *a, struct bytes group,
                   struct bytes member, struct bytes instance)
{
    if (a->server_arena.exhausted || !a->answered || group_check_error(a) != KAFKA_NONE) {
        return;
    }
    for (int32_t i = c->static_count - 1; i >= c->static_from && instance.len > 0; i--) {
        const struct static_member *s = &c->statics[i];
        if (s->group == group_check_group(group) && bytes_equal(instance, bytes_of(s->instance))) {
            SCENARIO_CHECK(bytes_equal(member, bytes_of(s->id)),
                           "%s of %.*s is served, its instance is with %s",
                           group_api_info(a->api)->name, BYTES_ARG(member), s->id);
            return;
        }
    }
}

static void statics_ran(const struct group_check *c, const struct group_ask *a)
{
    if (a->api == GROUP_ASK_COMMIT) {
        const struct offset_commit_request *rq = a->call.in;
        fenced(c, a, rq->group_id, rq->member_id, rq->group_instance_id);
    } else if (a->api == GROUP_ASK_HEARTBEAT) {
        const struct heartbeat_request *rq = a->call.in;
        fenced(c, a, rq->group_id, rq->member_id, rq->group_instance_id);
    } else if (a->api == GROUP_ASK_SYNC) {
        const struct sync_group_request *rq = a->call.in;
        fenced(c, a, rq->group_id, rq->member_id, rq->group_instance_id);
    }
}

/* ---- who is thrown out ---- */

static const struct group_member *living(const struct group_check *c, struct bytes id)
{
    for (int32_t i = 0; c->members != NULL && i < c->members->count && id.len > 0; i++) {
        const struct group_member *m = c->members->at[i];
        if (m->alive && !m->options.consumer && bytes_equal(group_member_id(m), id)) {
            return m;
        }
    }
    return NULL;
}

/* A member that is heard within its session has its rebalance time-out to join, counted from when it can have been
 * told at the earliest. A static one that is late is only missed, and has as long again. */
static void check_out(const struct group_check *c, const struct group_ask *a,
                      const struct group_member *m)
{
    uint64_t calm_us = c->calm_us[m->number];
    uint64_t join_us = (uint64_t)m->options.rebalance_ms * (m->options.instance < 0 ? 1000 : 2000);

    SCENARIO_CHECK(calm_us == 0 || a->run_us >= calm_us + join_us ||
                       a->run_us >= c->beat_us[m->number] + (uint64_t)m->options.session_ms * 1000,
                   "member %d is out after %d ms, %d ms after it was heard", m->number,
                   (int)(a->run_us - calm_us) / 1000,
                   (int)(a->run_us - c->beat_us[m->number]) / 1000);
}

/* All are told of a generation at the same time. */
static void leader_knows(const struct group_check *c, const struct classic_seen *s)
{
    SCENARIO_CHECK(s->joined <= s->first || s->led == s->joined ||
                       c->world->trouble.no_memory_ppm > 0,
                   "generation %d has begun, and its leader does not know", s->joined);
}

/* What is heard of a member of the classic protocol, in whatever group. */
static void heard(struct group_check *c, const struct group_ask *a, const struct group_member *m)
{
    enum kafka_error e = group_check_error(a);

    if (e == KAFKA_NONE || e == KAFKA_REBALANCE_IN_PROGRESS) {
        c->beat_us[m->number] = a->run_us;
    }
    if (e == KAFKA_NONE) {
        c->calm_us[m->number] = m->mute ? 0 : a->run_us;
    }
}

static void beat_ran(struct group_check *c, const struct group_ask *a)
{
    const struct heartbeat_request *rq = a->call.in;
    const struct classic_seen *s = &c->classic[group_check_group(rq->group_id)];
    const struct group_member *m = living(c, rq->member_id);
    enum kafka_error e = group_check_error(a);

    if (!a->server_arena.exhausted && e == KAFKA_NONE) {
        SCENARIO_CHECK(rq->generation_id >= s->joined, "generation %d lives on in generation %d",
                       rq->generation_id, s->joined);
        leader_knows(c, s);
    }
    if (m == NULL || a->server_arena.exhausted) {
        return;
    }
    if (e == KAFKA_UNKNOWN_MEMBER_ID) {
        check_out(c, a, m);
    }
    heard(c, a, m);
}

/* The same where consumers are in the group, too. */
static void beat_ran_mixed(struct group_check *c, const struct group_ask *a)
{
    const struct heartbeat_request *rq = a->call.in;
    const struct group_member *m = living(c, rq->member_id);

    if (m != NULL && !a->server_arena.exhausted) {
        heard(c, a, m);
    }
}

uint64_t classic_check_keeps(const struct group_check *c, const struct group_member *m)
{
    uint64_t now = sim_now(c->world->sim);
    bool heard_of = c->calm_us[m->number] > 0 &&
                    now < c->beat_us[m->number] + (uint64_t)m->options.session_ms * 1000 &&
                    now < c->calm_us[m->number] + (uint64_t)m->options.rebalance_ms * 1000;

    return m->alive && !m->mute && m->state == GROUP_MEMBER_STABLE && heard_of ? m->owned : 0;
}

/* An administrator, or who speaks for the instance, may send static members away. */
static void leave_ran(struct group_check *c)
{
    for (int32_t i = 0; c->members != NULL && i < c->members->count; i++) {
        if (c->members->at[i]->options.instance >= 0) {
            c->calm_us[i] = 0;
        }
    }
}

/* Who waits for an answer is alive, however short its session. */
static void waited(const struct group_check *c, const struct group_ask *a, struct bytes member)
{
    const struct group_member *m = living(c, member);

    SCENARIO_CHECK(m == NULL || m->options.instance >= 0 ||
                       group_check_error(a) != KAFKA_UNKNOWN_MEMBER_ID ||
                       sim_now(c->world->sim) - a->run_us < (uint64_t)m->options.session_ms * 1000,
                   "member %d waits for %s, and is out after its session", m->number,
                   group_api_info(a->api)->name);
}

void classic_check_ran(struct group_check *c, struct group_ask *a)
{
    statics_ran(c, a);
    if (a->api == GROUP_ASK_LEAVE) {
        leave_ran(c);
    }
    if (c->mixed && a->api == GROUP_ASK_HEARTBEAT) {
        beat_ran_mixed(c, a);
    }
    if (c->mixed) {
        return; /* generations are epochs of the group while consumers are in it */
    }
    if (a->api == GROUP_ASK_SYNC) {
        const struct sync_group_request *rq = a->call.in;
        if (rq->generation_id == c->classic[group_check_group(rq->group_id)].joined) {
            leader_knows(c, &c->classic[group_check_group(rq->group_id)]);
        }
        if (rq->assignments.len > 0 && a->written >= 0) {
            completed(c, a);
        }
    } else if (a->api == GROUP_ASK_COMMIT) {
        commit_ran(c, a);
    } else if (a->api == GROUP_ASK_HEARTBEAT) {
        beat_ran(c, a);
    } else if (a->api == GROUP_ASK_DELETE && a->written >= 0) {
        const struct delete_groups_request *rq = a->call.in;
        struct classic_seen *s = &c->classic[group_check_group(rq->groups_names.at[0])];
        s->incarnation++;
        s->joined = s->first = s->led = 0;
    }
}

/* Whoever is told of a complete generation is told who made it; static leaders change their id. */
static void leads(const struct group_check *c, const struct classic_seen *s,
                  const struct join_group_response *rs)
{
    for (int32_t i = 0; i < s->count && c->retention_ms < 0; i++) {
        const struct generation *g = &s->at[i];
        SCENARIO_CHECK(g->incarnation != s->incarnation || g->number != rs->generation_id ||
                           instance_of(c, g->leader)[0] != '\0' ||
                           bytes_equal(rs->leader, bytes_of(g->leader)),
                       "%.*s leads generation %d, which %s has made", BYTES_ARG(rs->leader),
                       g->number, g->leader);
    }
}

static void join_released(struct group_check *c, const struct group_ask *a)
{
    const struct join_group_request *rq = a->call.in;
    const struct join_group_response *rs = a->call.out;
    struct classic_seen *s = &c->classic[group_check_group(rq->group_id)];

    if (rs->error_code != KAFKA_NONE) {
        return;
    }
    SCENARIO_CHECK(rq->member_id.len == 0 || bytes_equal(rq->member_id, rs->member_id),
                   "a member's id changes");
    SCENARIO_CHECK(rs->generation_id >= s->joined || c->retention_ms >= 0, "generation %d after %d",
                   rs->generation_id, s->joined);
    for (int32_t i = 0; i < s->count && c->retention_ms < 0; i++) {
        SCENARIO_CHECK(
            s->at[i].incarnation != s->incarnation || s->at[i].number <= rs->generation_id,
            "generation %d after generation %d was complete", rs->generation_id, s->at[i].number);
    }
    s->joined = rs->generation_id;
    s->first = s->first == 0 ? s->joined : s->first;
    s->led = bytes_equal(rs->leader, rs->member_id) ? s->joined : s->led;
    leads(c, s, rs);
    if (rq->group_instance_id.len > 0) {
        c->statics =
            group_check_grow(c->statics, c->static_count, &c->static_max, sizeof(*c->statics));
        struct static_member *m = &c->statics[c->static_count++];
        m->group = group_check_group(rq->group_id);
        text_of(rs->member_id, m->id, sizeof(m->id));
        text_of(rq->group_instance_id, m->instance, sizeof(m->instance));
    }
}

/* What the leader wrote for this member in this generation. */
static const struct given *given_in(const struct generation *g, struct bytes member,
                                    struct bytes instance)
{
    for (int32_t i = 0; i < g->given_count; i++) {
        const struct given *at = &g->given[i];
        if (bytes_equal(bytes_of(at->member), member) ||
            (instance.len > 0 && bytes_equal(bytes_of(at->instance), instance))) {
            return at;
        }
    }
    return NULL;
}

static void sync_released(struct group_check *c, const struct group_ask *a)
{
    const struct sync_group_request *rq = a->call.in;
    const struct sync_group_response *rs = a->call.out;
    const struct classic_seen *s = &c->classic[group_check_group(rq->group_id)];
    const struct generation *g = NULL;

    if (rs->error_code != KAFKA_NONE) {
        return;
    }
    for (int32_t i = 0; i < s->count; i++) {
        if (s->at[i].number == rq->generation_id) { /* the newest; the group may be gone since */
            g = &s->at[i];
        }
    }
    SCENARIO_CHECK(g != NULL, "SyncGroup of generation %d, which is not complete",
                   rq->generation_id);
    SCENARIO_CHECK(g->end_offset <= c->world->durable,
                   "SyncGroup is answered before generation %d is durable", g->number);
    const struct given *given = given_in(g, rq->member_id, rq->group_instance_id);
    SCENARIO_CHECK(bytes_equal(rs->assignment, given == NULL ? BYTES("") : given->assignment),
                   "member %.*s of generation %d gets %zu bytes, the leader wrote %zu",
                   BYTES_ARG(rq->member_id), g->number, rs->assignment.len,
                   given == NULL ? 0 : given->assignment.len);
    SCENARIO_CHECK(rs->assignment.at != NULL, "SyncGroup gives null");
}

/* A client that dies on the way must leave no member behind. */
static void id_required(const struct group_ask *a)
{
    const struct join_group_request *rq = a->call.in;

    SCENARIO_CHECK(a->version < ID_REQUIRED_FROM || rq->member_id.len > 0 ||
                       rq->group_instance_id.at != NULL || group_check_error(a) != KAFKA_NONE,
                   "a member is let in without an id of its own");
}

void classic_check_released(struct group_check *c, struct group_ask *a)
{
    if (a->api == GROUP_ASK_JOIN) {
        id_required(a);
    }
    if (c->mixed) {
        return;
    }
    if (a->api == GROUP_ASK_JOIN) {
        waited(c, a, ((const struct join_group_request *)a->call.in)->member_id);
        join_released(c, a);
    } else if (a->api == GROUP_ASK_SYNC) {
        waited(c, a, ((const struct sync_group_request *)a->call.in)->member_id);
        sync_released(c, a);
    }
}

static void generation_free(struct generation *g)
{
    for (int32_t i = 0; i < g->given_count; i++) {
        sim_release((void *)(uintptr_t)g->given[i].assignment.at);
    }
    sim_release(g->given);
}

void classic_check_cut(struct group_check *c, int64_t end)
{
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        struct classic_seen *s = &c->classic[group];
        while (s->count > 0 && s->at[s->count - 1].end_offset > end) {
            generation_free(&s->at[--s->count]);
        }
    }
}

void classic_check_free(struct group_check *c)
{
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        for (int32_t i = 0; i < c->classic[group].count; i++) {
            generation_free(&c->classic[group].at[i]);
        }
        sim_release(c->classic[group].at);
    }
}
