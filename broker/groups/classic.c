/* broker/groups/classic.c: classic groups and their members: who is in, under which id, and who leads.
 *
 * WHY      Everything else of the classic protocol asks here: is that a member, is the instance id his. So a
 *          member is found by its ids in constant time, however large the group.
 * WHO      A dynamic member is what its id says. A static one is known by its instance id, too, and its member
 *          id says which process has it now: another one is fenced.
 * LEADER   The first member; when it goes, the next in the order of joining.
 * MEMORY   A member is one allocation with its ids, its offers are a second, its assignment a third.
 * OWNER    The core of the coordinator. LIMITS in classic_internal.h.
 */
#include "broker/groups/classic.h"

#include "base/mem.h"
#include "broker/groups/classic_internal.h"

/* ---- finding ---- */

static uint64_t hash_of(const struct groups *g, struct bytes id)
{
    return bytes_hash(id, g->seed);
}

static bool has_id(const struct map_link *link, const void *id)
{
    const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, by_id);

    return bytes_equal(m->id, *(const struct bytes *)id);
}

static bool has_instance_id(const struct map_link *link, const void *id)
{
    const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, by_instance);

    return bytes_equal(m->instance_id, *(const struct bytes *)id);
}

/* Member or pending. */
static struct classic_member *find_any(const struct groups *g, const struct group *group,
                                       struct bytes id)
{
    struct map_link *link = map_find(&group->classic->by_id, hash_of(g, id), has_id, &id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct classic_member, by_id);
}

struct classic_member *classic_find(const struct groups *g, const struct group *group,
                                    struct bytes id)
{
    struct classic_member *m = find_any(g, group, id);

    return m == NULL || m->pending ? NULL : m;
}

struct classic_member *classic_find_pending(const struct groups *g, const struct group *group,
                                            struct bytes id)
{
    struct classic_member *m = find_any(g, group, id);

    return m == NULL || !m->pending ? NULL : m;
}

struct classic_member *classic_find_instance(const struct groups *g, const struct group *group,
                                             struct bytes instance_id)
{
    struct map_link *link = map_find(&group->classic->by_instance, hash_of(g, instance_id),
                                     has_instance_id, &instance_id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct classic_member, by_instance);
}

enum kafka_error classic_check_member(const struct groups *g, const struct group *group,
                                      struct bytes id, struct bytes instance_id)
{
    if (instance_id.at != NULL) {
        const struct classic_member *m = classic_find_instance(g, group, instance_id);

        if (m == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
        return bytes_equal(m->id, id) ? KAFKA_NONE : KAFKA_FENCED_INSTANCE_ID;
    }
    return classic_find(g, group, id) == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
}

/* ---- members ---- */

static struct bytes put(uint8_t **at, struct bytes b)
{
    uint8_t *to = *at;

    if (b.at == NULL) {
        return BYTES_NULL;
    }
    memcpy(to, b.at, b.len);
    *at += b.len;
    return (struct bytes){to, b.len};
}

struct classic_member *classic_member_new(struct groups *g, struct group *group,
                                          const struct classic_identity *who)
{
    size_t bytes = who->id.len + who->instance_id.len + who->client_id.len + who->client_host.len;
    struct classic_member *m = mem_alloc(sizeof(*m) + bytes);

    if (m == NULL) {
        groups_break(g);
        return NULL;
    }
    uint8_t *at = (uint8_t *)(m + 1);
    *m = (struct classic_member){.group = group};
    m->id = put(&at, who->id);
    m->instance_id = put(&at, who->instance_id);
    m->client_id = put(&at, who->client_id);
    m->client_host = put(&at, who->client_host);
    return m;
}

static void member_free(struct groups *g, struct classic_member *m)
{
    group_timer_stop(g, &m->session);
    group_copy_free(m->assignment);
    mem_free(m->offers);
    mem_free(m);
}

static void map_in(struct groups *g, struct classic_member *m)
{
    struct classic_group *cg = m->group->classic;

    map_add(&cg->by_id, hash_of(g, m->id), &m->by_id);
    if (m->instance_id.at != NULL) {
        map_add(&cg->by_instance, hash_of(g, m->instance_id), &m->by_instance);
    }
}

static void map_out(struct classic_member *m)
{
    struct classic_group *cg = m->group->classic;

    map_remove(&cg->by_id, &m->by_id);
    if (m->instance_id.at != NULL) {
        map_remove(&cg->by_instance, &m->by_instance);
    }
}

void classic_member_add(struct groups *g, struct classic_member *m, struct bytes protocol_type)
{
    struct classic_group *cg = m->group->classic;

    if (list_empty(&cg->members) && !bytes_equal(cg->protocol_type, protocol_type)) {
        group_copy_free(cg->protocol_type);
        cg->protocol_type = group_copy(g, protocol_type);
    }
    map_in(g, m);
    list_add_last(&cg->members, &m->link);
    if (cg->leader == NULL) {
        cg->leader = m;
    }
    g->host.stats->group_members_classic++;
}

void classic_pending_add(struct groups *g, struct classic_member *m)
{
    m->pending = true;
    map_in(g, m);
    list_add_last(&m->group->classic->pending, &m->link);
}

static struct classic_member *first_member(const struct classic_group *cg)
{
    struct list_link *link = list_first(&cg->members);

    return link == NULL ? NULL : CONTAINER_OF(link, struct classic_member, link);
}

void classic_sync_seen(struct classic_member *m)
{
    if (m->sync_missing) {
        m->sync_missing = false;
        m->group->classic->syncs_missing--;
    }
}

void classic_member_remove(struct groups *g, struct classic_member *m)
{
    struct classic_group *cg = m->group->classic;

    ASSERT(m->join == NULL && m->sync == NULL);
    map_out(m);
    if (m->pending) {
        list_remove(&cg->pending, &m->link);
    } else {
        classic_sync_seen(m);
        classic_offers_drop(m);
        list_remove(&cg->members, &m->link);
        if (cg->leader == m) {
            cg->leader = first_member(cg);
        }
        g->host.stats->group_members_classic--;
    }
    member_free(g, m);
}

struct classic_member *classic_member_replace(struct groups *g, struct classic_member *old,
                                              struct bytes id)
{
    struct classic_group *cg = old->group->classic;
    struct classic_member *m = classic_member_new(
        g, old->group,
        &(struct classic_identity){id, old->instance_id, old->client_id, old->client_host});

    ASSERT(!old->pending && old->join == NULL && old->sync == NULL);
    if (m == NULL) {
        return NULL;
    }
    m->rebalance_timeout_ms = old->rebalance_timeout_ms;
    m->session_timeout_ms = old->session_timeout_ms;
    m->offers = old->offers;
    m->offer_count = old->offer_count;
    m->offer_bytes = old->offer_bytes;
    m->assignment = old->assignment;
    m->sync_missing = old->sync_missing;
    old->offers = NULL;
    old->assignment = BYTES_NULL;
    map_out(old);
    map_in(g, m);
    list_insert_before_(&cg->members, &old->link, &m->link);
    list_remove(&cg->members, &old->link);
    if (cg->leader == old) {
        cg->leader = m;
    }
    member_free(g, old);
    return m;
}

/* ---- life ---- */

enum err classic_new(struct groups *g, struct group *group)
{
    struct classic_group *cg = mem_zalloc(1, sizeof(*cg));

    ASSERT(group->classic == NULL && group->consumer == NULL);
    if (cg == NULL) {
        return fail(ERR_NOMEM, "a classic group");
    }
    cg->group = group;
    cg->state = CLASSIC_EMPTY;
    cg->state_since_ms = groups_wall_ms(g);
    group->classic = cg;
    return OK;
}

void classic_free(struct groups *g, struct group *group)
{
    struct classic_group *cg = group->classic;

    if (cg == NULL) {
        return;
    }
    group_timer_stop(g, &cg->timer);
    while (!list_empty(&cg->pending)) {
        member_free(g, CONTAINER_OF(list_take(&cg->pending), struct classic_member, link));
    }
    g->host.stats->group_members_classic -= cg->members.len;
    while (!list_empty(&cg->members)) {
        member_free(g, CONTAINER_OF(list_take(&cg->members), struct classic_member, link));
    }
    classic_protocols_free(cg);
    map_deinit(&cg->by_id);
    map_deinit(&cg->by_instance);
    group_copy_free(cg->protocol_type);
    group_copy_free(cg->reason);
    mem_free(cg);
    group->classic = NULL;
}

void classic_refuse_waiting(struct groups *g, struct group *group, enum kafka_error error)
{
    list_for_each (&group->classic->members, link) {
        struct classic_member *m = CONTAINER_OF(link, struct classic_member, link);

        classic_join_refuse(g, m, error, m->id);
        classic_sync_refuse(g, m, error);
    }
}
