/* broker/groups/classic_protocol.c: the protocols that members offer, and the one their group takes.
 *
 * WHY      A member says which protocols it can take, best first. A group takes one that all can: so somebody who
 *          joins must have one in common with all who are there, and the choice is by votes among those.
 * COUNTS   A name is kept once per group with the number of members that offer it: judging a joiner does not depend
 *          on how many there are. A member that names a protocol twice counts once: each count is a pass of its own
 *          over the offers, and a name remembers the last pass that saw it.
 * VOTES    Each member votes for the first of its offers that all have. Of two with as many votes, the one that
 *          the first member prefers.
 * MEMORY   The offers of a member and their metadata are one allocation. A name goes with its last use.
 */
#include "base/mem.h"
#include "broker/groups/classic_internal.h"

static bool has_name(const struct map_link *link, const void *name)
{
    const struct classic_protocol *p = CONTAINER_OF(link, const struct classic_protocol, link);

    return bytes_equal(p->name, *(const struct bytes *)name);
}

static struct classic_protocol *find(const struct groups *g, const struct classic_group *cg,
                                     struct bytes name)
{
    struct map_link *link = map_find(&cg->protocols, bytes_hash(name, g->seed), has_name, &name);

    return link == NULL ? NULL : CONTAINER_OF(link, struct classic_protocol, link);
}

/* The protocol of that name, used once more. */
static struct classic_protocol *take(struct groups *g, struct classic_group *cg, struct bytes name)
{
    struct classic_protocol *p = find(g, cg, name);

    if (p == NULL) {
        p = mem_zalloc(1, sizeof(*p) + name.len);
        if (p == NULL) {
            groups_break(g);
            return NULL;
        }
        uint8_t *at = (uint8_t *)(p + 1);
        if (name.len > 0) {
            memcpy(at, name.at, name.len);
        }
        p->name = (struct bytes){at, name.len};
        map_add(&cg->protocols, bytes_hash(name, g->seed), &p->link);
    }
    p->uses++;
    return p;
}

static void give_back(struct classic_group *cg, struct classic_protocol *p)
{
    ASSERT(p->uses > 0);
    if (--p->uses == 0) {
        ASSERT(p->members == 0);
        map_remove(&cg->protocols, &p->link);
        mem_free(p);
    }
}

/* One member more, or less, for each name among its offers. */
static void count(struct classic_member *m, int32_t delta)
{
    uint32_t pass = ++m->group->classic->pass;

    for (int32_t i = 0; i < m->offer_count; i++) {
        struct classic_protocol *p = m->offers[i].protocol;

        if (p->pass != pass) {
            p->pass = pass;
            p->members += delta;
        }
    }
}

void classic_offers_drop(struct classic_member *m)
{
    count(m, -1);
    for (int32_t i = 0; i < m->offer_count; i++) {
        give_back(m->group->classic, m->offers[i].protocol);
    }
    mem_free(m->offers);
    m->group->classic->offer_bytes -= m->offer_bytes;
    m->offers = NULL;
    m->offer_count = 0;
    m->offer_bytes = 0;
}

static size_t metadata_bytes(const struct join_group_request_protocols *p)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < p->len; i++) {
        bytes += p->at[i].metadata.len;
    }
    return bytes;
}

void classic_offers_set(struct groups *g, struct classic_member *m,
                        const struct join_group_request_protocols *p)
{
    size_t bytes = metadata_bytes(p);
    struct classic_offer *offers = mem_alloc((size_t)p->len * sizeof(*offers) + bytes + 1);

    if (offers == NULL) {
        groups_break(g);
        return;
    }
    uint8_t *at = (uint8_t *)(offers + p->len);
    for (int32_t i = 0; i < p->len; i++) {
        struct bytes metadata = p->at[i].metadata;

        offers[i].protocol = take(g, m->group->classic, p->at[i].name);
        if (offers[i].protocol == NULL) {
            mem_free(offers); /* names taken so far go with the group, which is broken */
            return;
        }
        if (metadata.len > 0) {
            memcpy(at, metadata.at, metadata.len);
        }
        offers[i].metadata = (struct bytes){at, metadata.len};
        at += metadata.len;
    }
    classic_offers_drop(m);
    m->offers = offers;
    m->offer_count = p->len;
    m->offer_bytes = (uint32_t)bytes;
    m->group->classic->offer_bytes += bytes;
    count(m, 1);
}

bool classic_offers_equal(const struct classic_member *m,
                          const struct join_group_request_protocols *p)
{
    if (m->offer_count != p->len) {
        return false;
    }
    for (int32_t i = 0; i < p->len; i++) {
        if (!bytes_equal(m->offers[i].protocol->name, p->at[i].name) ||
            m->offers[i].metadata.len != p->at[i].metadata.len ||
            bytes_compare(m->offers[i].metadata, p->at[i].metadata) != 0) {
            return false;
        }
    }
    return true;
}

bool classic_accepts(const struct groups *g, const struct group *group, struct bytes type,
                     const struct join_group_request_protocols *p)
{
    const struct classic_group *cg = group->classic;

    if (p->len > CLASSIC_OFFERS_MAX ||
        cg->offer_bytes + metadata_bytes(p) > CLASSIC_OFFER_BYTES_MAX) {
        return false;
    }
    if (cg->state == CLASSIC_EMPTY) {
        return type.len > 0 && p->len > 0;
    }
    if (cg->protocol_type.at == NULL || !bytes_equal(cg->protocol_type, type)) {
        return false;
    }
    for (int32_t i = 0; i < p->len; i++) {
        const struct classic_protocol *have = find(g, cg, p->at[i].name);

        if ((have == NULL ? 0 : (size_t)have->members) == cg->members.len) {
            return true;
        }
    }
    return false;
}

static void vote_of(const struct classic_member *m, size_t members)
{
    for (int32_t i = 0; i < m->offer_count; i++) {
        if ((size_t)m->offers[i].protocol->members == members) {
            m->offers[i].protocol->votes++;
            return;
        }
    }
}

struct classic_protocol *classic_vote(struct classic_group *cg)
{
    struct classic_protocol *best = NULL;

    if (list_empty(&cg->members)) {
        return NULL;
    }
    map_for_each(&cg->protocols, link)
    {
        CONTAINER_OF(link, struct classic_protocol, link)->votes = 0;
    }
    list_for_each (&cg->members, link) {
        vote_of(CONTAINER_OF(link, const struct classic_member, link), cg->members.len);
    }
    const struct classic_member *first =
        CONTAINER_OF(list_first(&cg->members), const struct classic_member, link);
    for (int32_t i = 0; i < first->offer_count; i++) {
        struct classic_protocol *p = first->offers[i].protocol;

        if (p->votes > 0 && (best == NULL || p->votes > best->votes)) {
            best = p;
        }
    }
    return best;
}

void classic_protocol_choose(struct classic_group *cg, struct classic_protocol *p)
{
    struct classic_protocol *old = cg->protocol;

    if (p != NULL) {
        p->uses++;
    }
    cg->protocol = p;
    if (old != NULL) {
        give_back(cg, old);
    }
}

struct bytes classic_metadata(const struct classic_member *m)
{
    for (int32_t i = 0; i < m->offer_count; i++) {
        if (m->offers[i].protocol == m->group->classic->protocol) {
            return m->offers[i].metadata;
        }
    }
    return BYTES("");
}

struct bytes classic_protocol_name(const struct classic_group *cg)
{
    return cg->protocol == NULL ? BYTES_NULL : cg->protocol->name;
}

void classic_protocols_free(struct classic_group *cg)
{
    map_for_each(&cg->protocols, link)
    {
        mem_free(CONTAINER_OF(link, struct classic_protocol, link));
    }
    map_deinit(&cg->protocols);
    cg->protocol = NULL;
}
