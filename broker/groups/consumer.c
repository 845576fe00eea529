/* broker/groups/consumer.c: groups of the consumer protocol: life, members, sets of partitions, questions.
 *
 * WHY      Everything here is what records say (consumer_apply.c), kept so that a heartbeat without news costs two
 *          look-ups: members by id, owners by partition, subscriptions counted by name.
 * OWNER    The coordinator. Failure: no memory means groups_break(), as everywhere in this folder.
 */
#include "broker/groups/consumer.h"

#include "base/mem.h"
#include "broker/groups/consumer_internal.h"

#include <stdlib.h>

/* ---- sets of partitions ---- */

int consumer_part_compare(const struct consumer_part *a, const struct consumer_part *b)
{
    int by_topic = uuid_compare(a->topic_id, b->topic_id);

    return by_topic != 0 ? by_topic : (a->partition > b->partition) - (a->partition < b->partition);
}

static int by_place(const void *a, const void *b)
{
    return consumer_part_compare(a, b);
}

void consumer_parts_sort(struct consumer_parts parts)
{
    if (parts.len > 1) {
        qsort(parts.at, (size_t)parts.len, sizeof(parts.at[0]), by_place);
    }
}

const struct consumer_part *consumer_parts_find(struct consumer_parts parts, struct uuid topic_id,
                                                int32_t partition)
{
    struct consumer_part key = {.topic_id = topic_id, .partition = partition};

    return parts.len == 0
               ? NULL
               : bsearch(&key, parts.at, (size_t)parts.len, sizeof(parts.at[0]), by_place);
}

bool consumer_parts_equal(struct consumer_parts a, struct consumer_parts b)
{
    for (int32_t i = 0; i < a.len && a.len == b.len; i++) {
        if (consumer_part_compare(&a.at[i], &b.at[i]) != 0) {
            return false;
        }
    }
    return a.len == b.len;
}

void consumer_parts_free(struct consumer_parts *p)
{
    mem_free(p->at);
    *p = (struct consumer_parts){0};
}

bool consumer_parts_copy(struct consumer_parts *old, struct consumer_parts from)
{
    struct consumer_parts copy = {.len = from.len};
    size_t bytes = (size_t)from.len * sizeof(from.at[0]);

    if (from.len > 0) {
        copy.at = mem_alloc(bytes);
        if (copy.at == NULL) {
            return false;
        }
        memcpy(copy.at, from.at, bytes);
    }
    consumer_parts_free(old);
    *old = copy;
    return true;
}

struct consumer_parts consumer_parts_new(struct arena *a, int32_t len)
{
    struct consumer_parts parts = {ARENA_ARRAY(a, struct consumer_part, len), len};

    return parts.at == NULL ? (struct consumer_parts){0} : parts;
}

/* ---- sets of names ---- */

static int by_text(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

void consumer_names_free(struct consumer_names *n)
{
    mem_free(n->at);
    *n = (struct consumer_names){0};
}

bool consumer_names_copy(struct consumer_names *old, const struct bytes *at, int32_t len)
{
    struct consumer_names copy = {.len = len};
    size_t bytes = 0;

    for (int32_t i = 0; i < len; i++) {
        bytes += at[i].len + sizeof(at[i]);
    }
    if (len > 0) {
        copy.at = mem_alloc(bytes);
        if (copy.at == NULL) {
            return false;
        }
        uint8_t *text = (uint8_t *)(copy.at + len);
        for (int32_t i = 0; i < len; i++) {
            if (at[i].len > 0) {
                memcpy(text, at[i].at, at[i].len);
            }
            copy.at[i] = (struct bytes){text, at[i].len};
            text += at[i].len;
        }
        qsort(copy.at, (size_t)len, sizeof(copy.at[0]), by_text);
    }
    consumer_names_free(old);
    *old = copy;
    return true;
}

struct consumer_names consumer_names_unique(struct arena *a, const struct bytes *at, int32_t len)
{
    struct consumer_names names = {ARENA_ARRAY(a, struct bytes, len), 0};

    if (names.at == NULL || len == 0) {
        return (struct consumer_names){0};
    }
    memcpy(names.at, at, (size_t)len * sizeof(at[0]));
    qsort(names.at, (size_t)len, sizeof(at[0]), by_text);
    for (int32_t i = 0; i < len; i++) {
        if (names.len == 0 || !bytes_equal(names.at[i], names.at[names.len - 1])) {
            names.at[names.len++] = names.at[i];
        }
    }
    return names;
}

bool consumer_names_has(struct consumer_names n, struct bytes name)
{
    return n.len > 0 && bsearch(&name, n.at, (size_t)n.len, sizeof(n.at[0]), by_text) != NULL;
}

/* ---- members ---- */

static bool has_id(const struct map_link *link, const void *id)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_member, by_id)->id,
                       *(const struct bytes *)id);
}

static bool has_instance(const struct map_link *link, const void *id)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_member, by_instance)->instance_id,
                       *(const struct bytes *)id);
}

struct consumer_member *consumer_find(const struct groups *g, const struct group *group,
                                      struct bytes id)
{
    struct map_link *link = map_find(&group->consumer->by_id, bytes_hash(id, g->seed), has_id, &id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct consumer_member, by_id);
}

struct consumer_member *consumer_find_instance(const struct groups *g, const struct group *group,
                                               struct bytes instance_id)
{
    struct map_link *link = map_find(&group->consumer->by_instance,
                                     bytes_hash(instance_id, g->seed), has_instance, &instance_id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct consumer_member, by_instance);
}

struct consumer_member *consumer_member_get(struct groups *g, struct group *group, struct bytes id)
{
    struct consumer_member *m = consumer_find(g, group, id);

    if (m != NULL) {
        return m;
    }
    m = mem_zalloc(1, sizeof(*m));
    struct bytes copy = group_copy(g, id);
    if (m == NULL || copy.at == NULL) {
        mem_free(m);
        group_copy_free(copy);
        groups_break(g);
        return NULL;
    }
    m->group = group;
    m->id = copy;
    m->rebalance_timeout_ms = -1;
    map_add(&group->consumer->by_id, bytes_hash(copy, g->seed), &m->by_id);
    list_add_last(&group->consumer->members, &m->link);
    return m;
}

static void member_texts_free(struct consumer_member *m)
{
    group_copy_free(m->id);
    group_copy_free(m->instance_id);
    group_copy_free(m->rack_id);
    group_copy_free(m->assignor);
    group_copy_free(m->client_id);
    group_copy_free(m->client_host);
    group_copy_free(m->regex);
    mem_free(m->offers);
    consumer_names_free(&m->names);
}

void consumer_member_free(struct groups *g, struct consumer_member *m)
{
    struct consumer_group *cg = m->group->consumer;

    group_timer_stop(g, &m->session);
    group_timer_stop(g, &m->rebalance);
    map_remove(&cg->by_id, &m->by_id);
    list_remove(&cg->members, &m->link);
    member_texts_free(m);
    consumer_parts_free(&m->assigned);
    consumer_parts_free(&m->revoking);
    consumer_parts_free(&m->target);
    mem_free(m);
}

/* ---- owners ---- */

static uint64_t place_hash(struct uuid topic_id, int32_t partition)
{
    return bytes_hash((struct bytes){topic_id.at, sizeof(topic_id.at)}, (uint64_t)partition);
}

static bool is_place(const struct map_link *link, const void *key)
{
    const struct consumer_owner *o = CONTAINER_OF(link, const struct consumer_owner, link);
    const struct consumer_part *part = key;

    return o->partition == part->partition && uuid_equal(o->topic_id, part->topic_id);
}

static struct consumer_owner *owner_find(const struct group *group, struct uuid topic_id,
                                         int32_t partition)
{
    struct consumer_part key = {.topic_id = topic_id, .partition = partition};
    struct map_link *link =
        map_find(&group->consumer->owners, place_hash(topic_id, partition), is_place, &key);

    return link == NULL ? NULL : CONTAINER_OF(link, struct consumer_owner, link);
}

struct consumer_member *consumer_owner_of(const struct groups *g, const struct group *group,
                                          struct uuid topic_id, int32_t partition)
{
    struct consumer_owner *o = owner_find(group, topic_id, partition);

    (void)g;
    return o == NULL ? NULL : o->member;
}

bool consumer_own(struct groups *g, struct consumer_member *m, struct consumer_parts parts)
{
    for (int32_t i = 0; i < parts.len; i++) {
        const struct consumer_part *p = &parts.at[i];
        struct consumer_owner *o = owner_find(m->group, p->topic_id, p->partition);

        if (o == NULL) {
            o = mem_zalloc(1, sizeof(*o));
            if (o == NULL) {
                groups_break(g);
                return false;
            }
            o->topic_id = p->topic_id;
            o->partition = p->partition;
            map_add(&m->group->consumer->owners, place_hash(p->topic_id, p->partition), &o->link);
        }
        o->member = m;
    }
    return true;
}

void consumer_disown(struct groups *g, struct consumer_member *m, struct consumer_parts parts)
{
    (void)g;
    for (int32_t i = 0; i < parts.len; i++) {
        struct consumer_owner *o =
            owner_find(m->group, parts.at[i].topic_id, parts.at[i].partition);

        if (o != NULL && o->member == m) {
            map_remove(&m->group->consumer->owners, &o->link);
            mem_free(o);
        }
    }
}

/* ---- life ---- */

enum err consumer_new(struct groups *g, struct group *group)
{
    ASSERT(group->classic == NULL && group->consumer == NULL);
    group->consumer = mem_zalloc(1, sizeof(*group->consumer));
    if (group->consumer == NULL) {
        groups_break(g);
        return fail(ERR_NOMEM, "a group");
    }
    group->consumer->group = group;
    group->consumer->epoch = CONSUMER_FIRST_EPOCH;
    group->consumer->target_epoch = CONSUMER_FIRST_EPOCH;
    return OK;
}

static void regexes_free(struct consumer_group *cg)
{
    map_for_each(&cg->regexes, link)
    {
        struct consumer_regex *r = CONTAINER_OF(link, struct consumer_regex, link);

        topic_pattern_free(r->pattern);
        consumer_names_free(&r->topics);
        group_copy_free(r->text);
        mem_free(r);
    }
    map_deinit(&cg->regexes);
}

static void topics_free(struct consumer_group *cg)
{
    map_for_each(&cg->topics, link)
    {
        struct consumer_topic *t = CONTAINER_OF(link, struct consumer_topic, link);

        group_copy_free(t->name);
        mem_free(t);
    }
    map_deinit(&cg->topics);
}

void consumer_free(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;

    if (cg == NULL) {
        return;
    }
    group_timer_stop(g, &cg->target_timer);
    group_timer_stop(g, &cg->regex_timer);
    list_for_each (&cg->members, link) {
        struct consumer_member *m = CONTAINER_OF(link, struct consumer_member, link);

        g->host.stats->group_members_consumer -= m->named;
        consumer_member_free(g, m);
    }
    map_for_each(&cg->owners, link)
    {
        mem_free(CONTAINER_OF(link, struct consumer_owner, link));
    }
    map_deinit(&cg->owners);
    map_deinit(&cg->by_id);
    map_deinit(&cg->by_instance);
    topics_free(cg);
    regexes_free(cg);
    mem_free(cg);
    group->consumer = NULL;
}

void consumer_refuse_waiting(struct groups *g, struct group *group, enum kafka_error error)
{
    (void)g;
    (void)group;
    (void)error; /* every call of this protocol is answered at once */
}

/* ---- questions ---- */

bool consumer_is_empty(const struct group *group)
{
    return list_empty(&group->consumer->members);
}

size_t consumer_member_count(const struct group *group)
{
    return group->consumer->members.len;
}

static bool topic_has_name(const struct map_link *link, const void *name)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_topic, link)->name,
                       *(const struct bytes *)name);
}

bool consumer_subscribes(const struct group *group, struct bytes topic)
{
    const struct consumer_group *cg = group->consumer;
    /* Names are kept under a fixed seed: they are looked up without the coordinator at hand. */
    if (map_find(&cg->topics, bytes_hash(topic, 0), topic_has_name, &topic) != NULL) {
        return true;
    }
    map_for_each(&cg->regexes, link)
    {
        const struct consumer_regex *r = CONTAINER_OF(link, const struct consumer_regex, link);

        if (r->uses > 0 && consumer_names_has(r->topics, topic)) {
            return true;
        }
    }
    return false;
}
