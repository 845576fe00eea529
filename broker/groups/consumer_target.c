/* broker/groups/consumer_target.c: what the group reads, and who is to read what.
 *
 * EPOCH    The group's epoch rises when a member comes, goes or reads other topics, and when those topics change: the
 *          hash of them (subscription_hash.h) is part of the epoch's record and compared when there is new metadata.
 * TARGET   For an epoch, an assignor divides all partitions of all topics that are read. It is computed by the
 *          heartbeat that finds it old, but not more often than consumer.assignment.interval.ms: then a timer
 *          does it, so that a thousand members that come at once cost one computation, not a thousand.
 */
#include "broker/groups/consumer_internal.h"

#include "broker/config_view.h"
#include "broker/groups/subscription_hash.h"

#include <stdlib.h>

enum { US_PER_MS = 1000 };

/* ---- topics that are read ---- */

struct topic_list {
    const struct image_topic **at;
    int32_t len;
};

static int by_topic_name(const void *a, const void *b)
{
    const struct image_topic *const *x = a, *const *y = b;

    return bytes_compare((*x)->name, (*y)->name);
}

static int by_topic_id(const void *a, const void *b)
{
    const struct image_topic *const *x = a, *const *y = b;

    return uuid_compare((*x)->id, (*y)->id);
}

static void topic_take(struct topic_list *list, const struct image *image, struct bytes name)
{
    const struct image_topic *t = image_topic_by_name(image, name);

    if (t != NULL) {
        list->at[list->len++] = t;
    }
}

/* Existing topics that somebody subscribes to, in the given order, each once. */
static struct topic_list topics_read(struct groups *g, const struct group *group,
                                     int (*order)(const void *, const void *))
{
    const struct consumer_group *cg = group->consumer;
    const struct image *image = groups_image(g);
    size_t room = cg->topics.len;
    struct topic_list list = {0};
    int32_t kept = 0;

    map_for_each(&cg->regexes, link)
    {
        room += (size_t)CONTAINER_OF(link, const struct consumer_regex, link)->topics.len;
    }
    list.at = ARENA_ARRAY(&g->scratch, const struct image_topic *, room);
    if (list.at == NULL) {
        groups_break(g);
        return (struct topic_list){0};
    }
    map_for_each(&cg->topics, link)
    {
        topic_take(&list, image, CONTAINER_OF(link, const struct consumer_topic, link)->name);
    }
    map_for_each(&cg->regexes, link)
    {
        const struct consumer_regex *r = CONTAINER_OF(link, const struct consumer_regex, link);

        for (int32_t i = 0; i < r->topics.len && r->uses > 0; i++) {
            topic_take(&list, image, r->topics.at[i]);
        }
    }
    if (list.len > 1) {
        qsort(list.at, (size_t)list.len, sizeof(list.at[0]), order);
    }
    for (int32_t i = 0; i < list.len; i++) {
        if (kept == 0 || list.at[i] != list.at[kept - 1]) {
            list.at[kept++] = list.at[i];
        }
    }
    list.len = kept;
    return list;
}

/* ---- the hash ---- */

/* NULL when no broker says where it stands, or the arena is exhausted. */
static const struct subscription_racks *racks_of(struct arena *a, const struct image *image,
                                                 const struct image_topic *t)
{
    struct subscription_racks *racks = NULL;
    bool any = false;

    for (int32_t i = 0; i < image_broker_count(image); i++) {
        any = any || image_broker_at(image, i)->rack.at != NULL;
    }
    racks = any ? ARENA_ARRAY(a, struct subscription_racks, t->partition_count) : NULL;
    for (int32_t p = 0; racks != NULL && p < t->partition_count; p++) {
        const struct image_partition *partition = &t->partitions[p];
        struct bytes *at = ARENA_ARRAY(a, struct bytes, partition->replica_count);
        int32_t len = 0;

        for (int32_t i = 0; at != NULL && i < partition->replica_count; i++) {
            const struct image_broker *b = image_broker_find(image, partition->replicas[i]);

            if (b != NULL && b->rack.at != NULL) {
                at[len++] = b->rack;
            }
        }
        racks[p] = (struct subscription_racks){at, len};
    }
    return racks;
}

int64_t consumer_hash(struct groups *g, struct group *group)
{
    struct topic_list list = topics_read(g, group, by_topic_name);
    const struct image *image = groups_image(g);
    int64_t *hashes = ARENA_ARRAY(&g->scratch, int64_t, list.len);

    for (int32_t i = 0; hashes != NULL && i < list.len; i++) {
        const struct image_topic *t = list.at[i];
        const struct subscription_topic topic = {
            .id = t->id,
            .name = t->name,
            .partition_count = t->partition_count,
            .racks = racks_of(&g->scratch, image, t),
        };

        if (subscription_topic_hash(&g->scratch, &topic, &hashes[i]) != OK) {
            hashes = NULL;
        }
    }
    if (hashes == NULL) {
        groups_break(g);
        return 0;
    }
    return subscription_hash(hashes, list.len);
}

void consumer_bump_if_changed(struct groups *g, struct group *group, bool changed,
                              struct bytes reason)
{
    struct consumer_group *cg = group->consumer;

    if (g->broken || (!changed && !cg->topics_changed)) {
        return;
    }
    int64_t hash = consumer_hash(g, group);
    cg->topics_changed = false;
    if (changed || hash != cg->metadata_hash) {
        consumer_put_epoch(g, group, cg->epoch + 1, hash,
                           changed ? reason : BYTES("topics changed"));
    }
}

/* ---- the target ---- */

static const struct assignor *assignor_default(const struct groups *g)
{
    struct bytes list = config_text(g->host.config, CONFIG_GROUP_CONSUMER_ASSIGNORS);
    ptrdiff_t comma = bytes_find(list, ',');
    const struct assignor *a =
        assignor_find(bytes_trim(bytes_slice(list, 0, comma < 0 ? list.len : (size_t)comma)));

    return a == NULL ? assignor_at(0) : a;
}

const struct assignor *consumer_assignor(const struct groups *g, const struct group *group)
{
    const struct assignor *best = assignor_default(g);
    int32_t best_votes = 0;

    for (int32_t i = 0; assignor_at(i) != NULL; i++) {
        int32_t votes = 0;

        list_for_each (&group->consumer->members, link) {
            votes += bytes_equal(CONTAINER_OF(link, const struct consumer_member, link)->assignor,
                                 bytes_of(assignor_at(i)->name));
        }
        if (votes > best_votes) {
            best_votes = votes;
            best = assignor_at(i);
        }
    }
    return best;
}

static int32_t topic_index(const struct topic_list *list, struct uuid id)
{
    int32_t low = 0, high = list->len;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = uuid_compare(list->at[middle]->id, id);

        if (order == 0) {
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return -1;
}

static int by_index(const void *a, const void *b)
{
    return (*(const int32_t *)a > *(const int32_t *)b) -
           (*(const int32_t *)a < *(const int32_t *)b);
}

bool consumer_reads(const struct groups *g, const struct consumer_member *m, struct uuid topic_id)
{
    const struct image_topic *t = image_topic_by_id(groups_image(g), topic_id);

    return t != NULL && (consumer_names_has(m->names, t->name) ||
                         consumer_names_has(consumer_regex_topics(m), t->name));
}

static void subscribed_add(const struct image *image, const struct topic_list *list,
                           struct consumer_names names, struct assignor_member *out, int32_t *to)
{
    for (int32_t i = 0; i < names.len; i++) {
        const struct image_topic *t = image_topic_by_name(image, names.at[i]);
        int32_t index = t == NULL ? -1 : topic_index(list, t->id);

        if (index >= 0) {
            to[out->topic_count++] = index;
        }
    }
}

/* Topics as ascending indexes, each once. */
static void subscribed_set(struct groups *g, const struct consumer_member *m,
                           const struct topic_list *list, struct assignor_member *out)
{
    struct consumer_names more = consumer_regex_topics(m);
    int32_t *to = ARENA_ARRAY(&g->scratch, int32_t, m->names.len + more.len);
    int32_t kept = 0;

    if (to == NULL) {
        return;
    }
    subscribed_add(groups_image(g), list, m->names, out, to);
    subscribed_add(groups_image(g), list, more, out, to);
    if (out->topic_count > 1) {
        qsort(to, (size_t)out->topic_count, sizeof(to[0]), by_index);
    }
    for (int32_t i = 0; i < out->topic_count; i++) {
        if (kept == 0 || to[i] != to[kept - 1]) {
            to[kept++] = to[i];
        }
    }
    out->topics = to;
    out->topic_count = kept;
}

static void owned_set(struct groups *g, const struct consumer_member *m,
                      const struct topic_list *list, struct assignor_member *out)
{
    struct assignor_part *to = ARENA_ARRAY(&g->scratch, struct assignor_part, m->target.len);

    for (int32_t i = 0; to != NULL && i < m->target.len; i++) {
        int32_t index = topic_index(list, m->target.at[i].topic_id);

        if (index >= 0) {
            to[out->owned_count++] = (struct assignor_part){index, m->target.at[i].partition};
        }
    }
    out->owned = to;
}

static int by_member(const void *a, const void *b)
{
    const struct consumer_member *const *x = a, *const *y = b;
    struct bytes first = (*x)->instance_id.at == NULL ? (*x)->id : (*x)->instance_id;
    struct bytes second = (*y)->instance_id.at == NULL ? (*y)->id : (*y)->instance_id;

    return bytes_compare(first, second);
}

/* Everything an assignor looks at, in the scratch arena. */
struct plan {
    struct topic_list topics;
    struct consumer_member **members;
    struct assignor_group group;
};

static bool plan_make(struct groups *g, const struct group *group, struct plan *p)
{
    struct arena *a = &g->scratch;
    int32_t count = (int32_t)group->consumer->members.len;

    p->topics = topics_read(g, group, by_topic_id);
    p->members = ARENA_ARRAY(a, struct consumer_member *, count);
    p->group.members = ARENA_ARRAY(a, struct assignor_member, count);
    struct assignor_topic *topics = ARENA_ARRAY(a, struct assignor_topic, p->topics.len);
    if (a->exhausted) {
        return false;
    }
    for (int32_t i = 0; i < p->topics.len; i++) {
        const struct image_topic *t = p->topics.at[i];

        topics[i] = (struct assignor_topic){t->id, t->name, t->partition_count};
    }
    list_for_each (&group->consumer->members, link) {
        p->members[p->group.member_count++] = CONTAINER_OF(link, struct consumer_member, link);
    }
    qsort(p->members, (size_t)count, sizeof(p->members[0]), by_member);
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_member *m = p->members[i];

        p->group.members[i] = (struct assignor_member){
            .member_id = m->id, .instance_id = m->instance_id, .rack_id = m->rack_id};
        subscribed_set(g, m, &p->topics, &p->group.members[i]);
        owned_set(g, m, &p->topics, &p->group.members[i]);
    }
    p->group.topics = topics;
    p->group.topic_count = p->topics.len;
    return !a->exhausted;
}

static void plan_put(struct groups *g, struct group *group, const struct plan *p)
{
    for (int32_t i = 0; i < p->group.member_count && !g->broken; i++) {
        const struct assignor_member *from = &p->group.members[i];
        struct consumer_parts target = consumer_parts_new(&g->scratch, from->assigned_count);

        if (target.len < from->assigned_count) {
            groups_break(g);
            return;
        }
        for (int32_t k = 0; k < target.len; k++) {
            target.at[k] =
                (struct consumer_part){.topic_id = p->topics.at[from->assigned[k].topic]->id,
                                       .partition = from->assigned[k].partition};
        }
        if (!p->members[i]->targeted || !consumer_parts_equal(target, p->members[i]->target)) {
            consumer_put_target(g, group, p->members[i]->id, target);
        }
    }
}

static void target_compute(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;
    struct plan p = {0};

    if (!plan_make(g, group, &p) ||
        consumer_assignor(g, group)->assign(&p.group, &g->scratch) != OK) {
        groups_break(g);
        return;
    }
    plan_put(g, group, &p);
    cg->target_us = groups_now_us(g);
    consumer_put_target_epoch(g, group, cg->epoch, groups_wall_ms(g));
}

bool consumer_target_is_whole(struct groups *g, struct group *group)
{
    struct topic_list read = topics_read(g, group, by_topic_id);
    int64_t missing = 0;

    for (int32_t i = 0; i < read.len; i++) {
        missing += read.at[i]->partition_count;
    }
    list_for_each (&group->consumer->members, link) {
        missing -= CONTAINER_OF(link, const struct consumer_member, link)->target.len;
    }
    return missing <= 0;
}

static void target_due(struct groups *g, struct group_timer *t)
{
    struct consumer_group *cg = CONTAINER_OF(t, struct consumer_group, target_timer);

    consumer_target_update(g, cg->group);
}

void consumer_target_update(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;

    if (g->broken || cg->epoch <= cg->target_epoch || list_empty(&cg->members)) {
        return;
    }
    int64_t every_ms = group_config_i64(g->host.config, groups_image(g), group->id,
                                        GROUP_CONFIG_CONSUMER_ASSIGNMENT_INTERVAL_MS);
    uint64_t since_ms = (groups_now_us(g) - cg->target_us) / US_PER_MS;
    if (cg->target_us != 0 && since_ms < (uint64_t)every_ms) {
        if (!group_timer_runs(&cg->target_timer)) {
            group_timer_start(g, &cg->target_timer, every_ms - (int64_t)since_ms, target_due);
        }
        return;
    }
    group_timer_stop(g, &cg->target_timer);
    target_compute(g, group);
}
