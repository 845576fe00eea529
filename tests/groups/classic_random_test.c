/* tests/groups/classic_random_test.c: many members that do anything at any time, and what must hold all the while.
 *
 * HELD     (check) Counts are what they count; a leader is a member; only in PreparingRebalance does a JoinGroup
 *          wait, only in CompletingRebalance a SyncGroup; in these states a timer runs; a member has a session.
 *          (tell) A member is given the assignment that its generation's leader gave it, and no other.
 *          At the end of a run, when nothing comes any more, no call waits and nobody is left.
 * RUNS     Each seed is one run; WEIR_SEED makes others.
 */
#include "base/mem.h"
#include "broker/groups/classic_internal.h"
#include "tests/groups/classic_rig.h"

enum {
    RUNS = 40,
    STEPS = 400,
    CLIENTS = 8,
    FAIL_ONE_IN = 100,
    MISBEHAVE_ONE_IN = 20,
    HOUR_MS = 3600 * 1000
};

/* A client, as much as it knows. */
struct client {
    struct bytes id; /* null: none yet */
    const char *instance;
    struct fake_call *join, *sync;
    const struct join_group_response *in; /* the generation it is in; NULL: it has to join */
    bool assigned;
};

struct run {
    struct fake_host *h;
    struct client clients[CLIENTS];
    int assigned; /* how often somebody was given an assignment */
};

/* ---- what must hold ---- */

static void check_member(const struct classic_group *cg, const struct classic_member *m)
{
    CHECK(m->join == NULL || (cg->state == CLASSIC_PREPARING && m->sync == NULL));
    CHECK(m->sync == NULL || (cg->state == CLASSIC_COMPLETING && !m->sync_missing));
    CHECK(group_timer_runs(&m->session) || m->join != NULL || m->sync != NULL);
    CHECK(m->offer_count > 0);
    CHECK(!m->pending);
}

static void check(struct run *r)
{
    struct group *group = group_find(r->h->groups, BYTES("g"));
    int32_t joins = 0, missing = 0;
    size_t bytes = 0;
    bool led = false;

    if (r->h->lost || group == NULL) {
        return;
    }
    const struct classic_group *cg = group->classic;
    list_for_each (&cg->members, link) {
        const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, link);

        check_member(cg, m);
        joins += m->join != NULL;
        missing += m->sync_missing;
        bytes += m->offer_bytes;
        led = led || m == cg->leader;
    }
    CHECK_EQ(joins, cg->joins);
    CHECK_EQ(missing, cg->syncs_missing);
    CHECK_EQ(bytes, cg->offer_bytes);
    CHECK_EQ(led, !list_empty(&cg->members));
    CHECK_EQ(cg->by_id.len, cg->members.len + cg->pending.len);
    CHECK_EQ(cg->state == CLASSIC_EMPTY,
             list_empty(&cg->members) && cg->state != CLASSIC_PREPARING);
    CHECK(cg->state == CLASSIC_EMPTY || cg->state == CLASSIC_STABLE ||
          group_timer_runs(&cg->timer));
    map_for_each(&cg->protocols, link)
    {
        const struct classic_protocol *p = CONTAINER_OF(link, const struct classic_protocol, link);

        CHECK(p->uses > 0 && p->members >= 0 && (size_t)p->members <= cg->members.len);
        CHECK(cg->state == CLASSIC_PREPARING || p != cg->protocol ||
              (size_t)p->members == cg->members.len);
    }
}

/* ---- what clients do ---- */

static void forget(struct client *c)
{
    *c = (struct client){.instance = c->instance};
}

static void hear_join(struct client *c)
{
    const struct join_group_response *a = joined(c->join);

    c->join = NULL;
    switch ((int)a->error_code) {
    case KAFKA_NONE:
        c->in = a;
        c->id = a->member_id;
        c->assigned = false;
        break;
    case KAFKA_MEMBER_ID_REQUIRED:
        c->id = a->member_id;
        break;
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_INCONSISTENT_GROUP_PROTOCOL:
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        break;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_GROUP_MAX_SIZE_REACHED:
        forget(c);
        break;
    default:
        CHECK_SAYS(false, "JoinGroup: %d", a->error_code);
    }
}

/* It is out, or has to join again. */
static void hear_error(struct client *c, enum kafka_error error)
{
    if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_FENCED_INSTANCE_ID) {
        forget(c);
    } else if (error != KAFKA_NONE) {
        c->in = NULL;
    }
}

static void hear_sync(struct run *r, struct client *c)
{
    const struct sync_group_response *s = synced(c->sync);

    c->sync = NULL;
    hear_error(c, s->error_code);
    if (s->error_code == KAFKA_NONE) {
        r->assigned++;
        c->assigned = true;
        CHECK(c->instance != NULL || s->assignment.len == 0 ||
              bytes_equal(s->assignment, arena_format(r->h->arena, "for %.*s", BYTES_ARG(c->id))));
    }
}

static void hear(struct run *r)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &r->clients[i];

        if (c->join != NULL && fake_answered(c->join)) {
            hear_join(c);
        }
        if (c->sync != NULL && fake_answered(c->sync)) {
            hear_sync(r, c);
        }
    }
}

static void join(struct run *r, struct client *c)
{
    static const char *const offers[] = {"range", "range,sticky", "sticky,range", "sticky"};
    static const int16_t versions[] = {3, 5, 9};
    bool keep = c->instance == NULL || test_random_below(2) == 0;

    c->join = JOIN(r->h, .id = keep ? c->id : BYTES_NULL, .instance = c->instance,
                   .version = c->instance == NULL ? versions[test_random_below(3)] : 9,
                   .protocols = offers[test_random_below(16) == 0 ? 3 : test_random_below(3)],
                   .rebalance_ms = 5000);
}

static void sync(struct run *r, struct client *c)
{
    c->sync = classic_sync(r->h, c->in, c->in->members.len > 0 ? &c->in->members : NULL);
}

/* What it should do next. */
static void behave(struct run *r, struct client *c)
{
    if (c->join != NULL || c->sync != NULL) {
        fake_wait(r->h, (int64_t)test_random_below(500));
    } else if (c->in == NULL) {
        join(r, c);
    } else if (!c->assigned) {
        sync(r, c);
    } else {
        hear_error(c, classic_beat(r->h, c->id, c->in->generation_id));
    }
}

/* What it should not. */
static void misbehave(struct run *r, struct client *c)
{
    switch (test_random_below(5)) {
    case 0:
        join(r, c);
        break;
    case 1:
        if (c->in != NULL) {
            sync(r, c);
        }
        break;
    case 2:
        (void)classic_leave(r->h, c->id.at == NULL ? BYTES("") : c->id, NULL, "so");
        break;
    case 3:
        (void)classic_leave(r->h, BYTES(""), c->instance, NULL);
        break;
    default:
        fake_wait(r->h, (int64_t)test_random_below(SESSION_MS));
    }
}

static void act(struct run *r)
{
    struct client *c = &r->clients[test_random_below(CLIENTS)];

    if (test_random_below(MISBEHAVE_ONE_IN) == 0) {
        misbehave(r, c);
    } else {
        behave(r, c);
    }
}

static void go_wrong(struct run *r)
{
    switch (test_random_below(4)) {
    case 0:
        r->h->fail_append = 1;
        break;
    case 1:
        r->h->fail_allocation = 1 + test_random_below(6);
        break;
    default:
        fake_restart(r->h);
    }
    for (int i = 0; i < CLIENTS; i++) {
        act(r);
        hear(r);
    }
    r->h->fail_append = 0;
    r->h->fail_allocation = 0;
}

static void run(struct arena *arena)
{
    struct run *r = ARENA_NEW(arena, struct run);
    static const char *const instances[CLIENTS] = {"i0", "i1"};

    r->h = fake_host_new(arena);
    fake_set(r->h, "group.max.size", "6");
    fake_start(r->h);
    for (int i = 0; i < CLIENTS; i++) {
        r->clients[i].instance = instances[i];
    }
    for (int i = 0; i < STEPS; i++) {
        if (test_random_below(FAIL_ONE_IN) == 0) {
            go_wrong(r);
        } else {
            act(r);
        }
        if (r->h->lost) {
            fake_restart(r->h);
        }
        hear(r);
        check(r);
    }
    fake_wait(r->h, HOUR_MS);
    struct group *group = group_find(r->h->groups, BYTES("g"));
    CHECK(group == NULL || classic_is_empty(group));
    CHECK(list_empty(&r->h->groups->calls));
    CHECK_EQ(r->h->stats.group_members_classic, 0);
    CHECK(r->assigned > 0);
    fake_host_end(r->h);
}

TEST(whatever_members_do_the_group_holds_together)
{
    for (int i = 0; i < RUNS; i++) {
        arena_reset(arena);
        run(arena);
    }
}
