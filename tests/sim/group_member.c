/* tests/sim/group_member.c: what members of both protocols have in common: the process, patience, offsets.
 *
 * One request of the membership is under way at a time; commits and fetches go beside it. A member takes a
 * step when its time has come or an answer is there, never while it sleeps.
 */
#include "tests/sim/group_member.h"

#include "schema/offset_commit.h"
#include "schema/offset_fetch.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { MEMBER_START_US_MAX = 300000, COMMIT_PPM_MAX = 700000, COMMIT_VERSION_LAST = 10 };

static void take_step(void *context)
{
    struct group_member *m = context;
    uint64_t now = sim_now(m->world->sim);

    m->step = NULL;
    if (!m->alive) {
        return;
    }
    if (m->asleep_until_us > now) {
        group_member_plan(m, m->asleep_until_us - now);
        return;
    }
    if (m->ask != NULL && now < m->ask_until_us) {
        return; /* its answer plans the next step, or the one planned below */
    }
    if (m->ask != NULL) {
        group_ask_forget(m->ask);
        m->ask = NULL;
        if (m->options.consumer) {
            group_consumer_lost(m);
        } else {
            group_classic_lost(m);
        }
    }
    if (m->options.consumer) {
        group_consumer_step(m);
    } else {
        group_classic_step(m);
    }
}

void group_member_plan(struct group_member *m, uint64_t delay_us)
{
    if (m->step != NULL) {
        sim_cancel(m->world->sim, m->step);
    }
    m->step = sim_after(m->world->sim, delay_us, take_step, m);
}

void group_member_send(struct group_member *m, struct group_ask *a, uint64_t patience_us,
                       void (*done)(struct group_ask *a))
{
    ASSERT(m->ask == NULL);
    m->ask = a;
    m->ask_until_us = sim_now(m->world->sim) + patience_us;
    a->asleep_until_us = &m->asleep_until_us;
    group_ask_send(a, done, m);
    group_member_plan(m, patience_us);
}

struct bytes group_member_id(const struct group_member *m)
{
    return bytes_of(m->id);
}

struct bytes group_member_instance(const struct group_member *m)
{
    return m->options.instance < 0 ? BYTES_NULL : bytes_of(m->instance);
}

struct group_member *group_member_new(struct group_members *all,
                                      const struct group_member_options *options)
{
    struct group_member *m = sim_alloc(sizeof(*m));
    struct sim_random *r = all->world->random;

    ASSERT(all->count < GROUP_MEMBER_COUNT_MAX && options->topics != 0);
    m->world = all->world;
    m->random = r;
    m->options = *options;
    m->number = all->count;
    m->alive = true;
    if (options->instance >= 0) {
        (void)snprintf(m->instance, sizeof(m->instance), "static-%d", options->instance);
    }
    m->join_version = (int16_t)sim_random_range(r, options->instance >= 0 ? 5 : 2, 9);
    /* Version 0 cannot take back an expression that an earlier process of its instance gave. */
    m->heartbeat_version =
        (int16_t)(options->instance >= 0 ? options->instance % 2 : (int32_t)sim_random_below(r, 2));
    m->assignor = sim_random_below(r, 3) == 0   ? "range"
                  : sim_random_below(r, 2) == 0 ? "uniform"
                                                : NULL;
    m->commit_ppm = (uint32_t)sim_random_below(r, COMMIT_PPM_MAX);
    m->interval_ms = 1000;
    all->at[all->count++] = m;
    sim_note(m->world->sim, "member %d starts: group %d, %s, topics %x, instance %d", m->number,
             options->group, options->consumer ? "consumer" : "classic", options->topics,
             options->instance);
    group_member_plan(m, sim_random_below(r, MEMBER_START_US_MAX));
    return m;
}

/* Its process is gone; what it asked finds nobody. */
static void go(struct group_member *m)
{
    m->alive = false;
    m->owned = 0;
    if (m->ask != NULL) {
        group_ask_forget(m->ask);
        m->ask = NULL;
    }
    list_for_each (&m->world->asks, link) {
        struct group_ask *a = CONTAINER_OF(link, struct group_ask, link);
        if (a->who == m) {
            group_ask_forget(a);
            a->asleep_until_us = NULL;
        }
    }
    if (m->step != NULL) {
        sim_cancel(m->world->sim, m->step);
        m->step = NULL;
    }
}

void group_member_kill(struct group_member *m)
{
    if (m->alive) {
        sim_note(m->world->sim, "member %d dies", m->number);
        go(m);
    }
}

void group_member_leave(struct group_member *m)
{
    if (!m->alive || m->asleep_until_us > sim_now(m->world->sim)) {
        return;
    }
    sim_note(m->world->sim, "member %d leaves", m->number);
    go(m);
    if (m->id[0] != '\0' && m->options.consumer) {
        group_consumer_leave(m);
    } else if (m->id[0] != '\0') {
        group_classic_leave(m);
    }
}

void group_member_sleep(struct group_member *m, uint64_t us)
{
    uint64_t now = sim_now(m->world->sim);

    if (m->alive) {
        sim_note(m->world->sim, "member %d sleeps %d ms", m->number, (int)(us / 1000));
        m->asleep_until_us = MAX(m->asleep_until_us, now + us);
        group_member_plan(m, m->asleep_until_us - now);
    }
}

void group_member_subscribe(struct group_member *m, uint32_t topics)
{
    ASSERT(topics != 0);
    if (m->alive) {
        sim_note(m->world->sim, "member %d wants topics %x", m->number, topics);
        m->options.topics = topics;
    }
}

void group_member_free(struct group_member *m)
{
    if (m->step != NULL) {
        sim_cancel(m->world->sim, m->step);
    }
    list_for_each (&m->world->asks, link) {
        struct group_ask *a = CONTAINER_OF(link, struct group_ask, link);
        if (a->who == m) {
            group_ask_forget(a);
            a->who = NULL;
            a->asleep_until_us = NULL;
        }
    }
    sim_release(m);
}

bool group_member_settled(const struct group_member *m)
{
    if (!m->alive || m->mute || m->state != GROUP_MEMBER_STABLE) {
        return false;
    }
    return m->options.consumer ? m->owned == m->target && m->acked == m->owned &&
                                     m->options.topics == m->sent_topics
                               : m->joined_topics == m->options.topics;
}

/* ---- offsets ---- */

static int32_t popcount(uint64_t bits)
{
    return (int32_t)__builtin_popcountll(bits);
}

static uint64_t of_name(uint64_t name_bits, int32_t name)
{
    return (name_bits >> (name * GROUP_TOPIC_PARTITIONS_MAX)) & 0xff;
}

static int32_t names_in(uint64_t name_bits)
{
    int32_t n = 0;

    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        n += of_name(name_bits, name) != 0;
    }
    return n;
}

static void commit_partition(struct group_ask *a, struct offset_commit_request_partition *p,
                             int32_t index)
{
    int64_t number = ++a->world->commit_count;

    p->partition_index = index;
    p->committed_offset = number;
    p->committed_leader_epoch = a->version >= 6 ? (int32_t)(number % 7) : -1;
    p->committed_metadata = arena_format(&a->arena, "number %" PRId64, number);
}

void group_commit_fill(struct group_ask *a, uint64_t name_bits)
{
    struct offset_commit_request *rq = a->in;
    int32_t t = 0;

    rq->retention_time_ms = -1;
    rq->topics = offset_commit_request_topics_new(&a->arena, names_in(name_bits));
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        uint64_t bits = of_name(name_bits, name);
        if (bits == 0) {
            continue;
        }
        struct offset_commit_request_topic *topic = &rq->topics.at[t++];
        int32_t slot = group_world_slot(a->world, name), n = 0;
        topic->name = group_topic_text(name);
        topic->topic_id = slot < 0 ? (struct uuid){{1}} : a->world->topics[slot].id;
        topic->partitions = offset_commit_request_partitions_new(&a->arena, popcount(bits));
        for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
            if ((bits >> p & 1) != 0) {
                commit_partition(a, &topic->partitions.at[n++], p);
            }
        }
    }
}

static struct int32_array indexes_of(struct arena *a, uint64_t bits)
{
    struct int32_array out = int32_array_new(a, popcount(bits));
    int32_t n = 0;

    for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
        if ((bits >> p & 1) != 0) {
            out.at[n++] = p;
        }
    }
    return out;
}

static void fetch_fill_new(struct group_ask *a, int32_t group, uint64_t name_bits)
{
    struct offset_fetch_request *rq = a->in;
    int32_t t = 0;

    rq->groups = offset_fetch_request_groups_new(&a->arena, 1);
    struct offset_fetch_request_group *g = &rq->groups.at[0];
    g->group_id = group_text(group);
    if (name_bits == 0) {
        g->topics.len = -1;
        return;
    }
    g->topics = offset_fetch_request_group_topics_new(&a->arena, names_in(name_bits));
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        uint64_t bits = of_name(name_bits, name);
        int32_t slot = group_world_slot(a->world, name);
        if (bits != 0) {
            g->topics.at[t].name = group_topic_text(name);
            g->topics.at[t].topic_id = slot < 0 ? (struct uuid){{1}} : a->world->topics[slot].id;
            g->topics.at[t++].partition_indexes = indexes_of(&a->arena, bits);
        }
    }
}

void group_fetch_fill(struct group_ask *a, int32_t group, uint64_t name_bits)
{
    struct offset_fetch_request *rq = a->in;
    int32_t t = 0;

    if (a->version >= 8) {
        fetch_fill_new(a, group, name_bits);
        return;
    }
    rq->group_id = group_text(group);
    if (name_bits == 0) {
        rq->topics.len = -1;
        return;
    }
    rq->topics = offset_fetch_request_topics_new(&a->arena, names_in(name_bits));
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        uint64_t bits = of_name(name_bits, name);
        if (bits != 0) {
            rq->topics.at[t].name = group_topic_text(name);
            rq->topics.at[t++].partition_indexes = indexes_of(&a->arena, bits);
        }
    }
}

static void fetch_owned(struct group_member *m, uint64_t name_bits)
{
    struct group_world *w = m->world;
    struct group_ask *a =
        group_ask_new(w, GROUP_ASK_FETCH, (int16_t)sim_random_range(m->random, 2, 10));
    struct offset_fetch_request *rq = a->in;

    group_fetch_fill(a, m->options.group, name_bits);
    if (a->version >= 9 && m->options.consumer) {
        rq->groups.at[0].member_id = arena_copy(&a->arena, group_member_id(m));
        rq->groups.at[0].member_epoch = m->epoch;
    }
    group_ask_send(a, NULL, m);
}

void group_member_commit(struct group_member *m)
{
    uint64_t bits = m->options.consumer ? group_by_name(m->owned) : m->owned;
    uint64_t some = bits & sim_random_next(m->random);

    if (bits == 0 || !sim_random_chance(m->random, m->commit_ppm)) {
        return;
    }
    if (sim_random_below(m->random, 4) == 0) {
        fetch_owned(m, bits);
        return;
    }
    int16_t first = m->options.consumer ? 9 : m->options.instance >= 0 ? 7 : 2;
    struct group_ask *a =
        group_ask_new(m->world, GROUP_ASK_COMMIT,
                      (int16_t)sim_random_range(m->random, (uint64_t)first, COMMIT_VERSION_LAST));
    struct offset_commit_request *rq = a->in;
    rq->group_id = group_text(m->options.group);
    rq->member_id = arena_copy(&a->arena, group_member_id(m));
    rq->generation_id_or_member_epoch = m->epoch;
    rq->group_instance_id = arena_copy(&a->arena, group_member_instance(m));
    group_commit_fill(a, some != 0 ? some : bits);
    group_ask_send(a, NULL, m);
}
