/* broker/groups/offsets_expire.c: committed offsets that nobody needs any more, and groups without any.
 *
 * WHY      A group is never told to be finished: it just stops. Its offsets go after offsets.retention.minutes, or
 *          they would be kept, and counted as lag, for ever.
 * SINCE    Whose offset is how old (KIP-211):
 *            an expire_timestamp                          then, whatever the group does
 *            a group that its members have left           since it became empty
 *            a group that never had members               since the commit
 *            a live group whose topics are known          since the commit, and nobody reads the topic
 *            a live group between two generations, or of another protocol type: never
 * TOPICS   A topic that is deleted takes its offsets along, at once. A coordinator that was not there then, or had
 *          more of them than fit a batch, finds them in its next run.
 * LIMITS   TOMBSTONES_BYTES_MAX a run; the next one comes after EXPIRE_AGAIN_MS, so that calls come in between.
 */
#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/group_admin.h"
#include "broker/groups/offsets_internal.h"

enum { MINUTE_MS = 60 * 1000, EXPIRE_AGAIN_MS = 10, DELETE_BYTES_MAX = 32 << 20 };
static_assert((int)DELETE_BYTES_MAX < (int)GROUPS_BATCH_BYTES_MAX, "an operation is one batch");

enum { BY_COMMIT = -1 };

/* Which offsets of a group are too old. */
struct rule {
    bool none;
    int64_t now_ms, retention_ms;
    int64_t since_ms;     /* or BY_COMMIT */
    bool topics_are_read; /* those that members read stay */
};

static struct rule rule_of(const struct groups *g, const struct group *group)
{
    struct group_listing l = {0};
    struct rule rule = {
        .now_ms = groups_wall_ms(g),
        .retention_ms = groups_config(g, CONFIG_OFFSETS_RETENTION_MINUTES) * MINUTE_MS,
        .since_ms = BY_COMMIT,
        .topics_are_read = true,
    };

    if (group->consumer != NULL) {
        return rule;
    }
    if (classic_is_empty(group)) {
        rule.topics_are_read = false;
        rule.since_ms = classic_empty_since_ms(group);
        return rule;
    }
    classic_list(group, &l);
    rule.none = !classic_is_consumer(group) || !bytes_equal(l.state, BYTES("Stable"));
    return rule;
}

static bool is_read(const struct group *group, const struct rule *rule, struct bytes topic)
{
    return rule->topics_are_read && (group->consumer != NULL ? consumer_subscribes(group, topic)
                                                             : classic_subscribes(group, topic));
}

static bool is_expired(const struct rule *rule, const struct committed_offset *o)
{
    if (o->expire_ms != OFFSET_NO_EXPIRY) {
        return rule->now_ms >= o->expire_ms;
    }
    return rule->now_ms - (rule->since_ms == BY_COMMIT ? o->commit_ms : rule->since_ms) >=
           rule->retention_ms;
}

/* ---- one group ---- */

static void expire_topic(struct groups *g, struct group *group, const struct rule *rule,
                         struct offsets_topic *t)
{
    const struct image_topic *known = image_topic_by_name(groups_image(g), t->name);
    bool stays = rule->none || is_read(group, rule, t->name);

    map_for_each(&t->partitions, link)
    {
        struct committed_offset *o = CONTAINER_OF(link, struct committed_offset, link);
        bool gone = known == NULL || offsets_of_other_topic(o, known->id);

        if (offsets_is_batch_full(g, TOMBSTONES_BYTES_MAX)) {
            return;
        }
        if (gone || (!stays && is_expired(rule, o))) {
            offsets_put_tombstone(g, group, t->name, o->partition);
        }
    }
}

void offsets_expire(struct groups *g, struct group *group)
{
    const struct rule rule = rule_of(g, group);

    map_for_each(&group->offsets.topics, link)
    {
        expire_topic(g, group, &rule, CONTAINER_OF(link, struct offsets_topic, link));
    }
}

void offsets_put_tombstones(struct groups *g, struct group *group)
{
    map_for_each(&group->offsets.topics, topic_link)
    {
        struct offsets_topic *t = CONTAINER_OF(topic_link, struct offsets_topic, link);

        map_for_each(&t->partitions, link)
        {
            struct committed_offset *o = CONTAINER_OF(link, struct committed_offset, link);

            if (offsets_is_batch_full(g, DELETE_BYTES_MAX)) {
                return;
            }
            offsets_put_tombstone(g, group, t->name, o->partition);
        }
    }
}

/* ---- all groups ---- */

/* The next run comes soon: this one could not do it all. */
static void run_again(struct groups *g)
{
    if (!g->broken && g->expiry.fire != NULL) {
        group_timer_start(g, &g->expiry, EXPIRE_AGAIN_MS, g->expiry.fire);
    }
}

void groups_expire(struct groups *g)
{
    map_for_each(&g->by_id, link)
    {
        struct group *group = CONTAINER_OF(link, struct group, link);

        if (offsets_is_batch_full(g, TOMBSTONES_BYTES_MAX)) {
            run_again(g);
            return;
        }
        offsets_expire(g, group);
        if (!g->broken && group->offsets.count == 0 && group_is_empty(group)) {
            group_put_tombstones(g, group);
            group_remove(g, group);
        }
    }
    if (offsets_is_batch_full(g, TOMBSTONES_BYTES_MAX)) {
        run_again(g);
    }
}

/* Called for topics in order of name; *at walks along in the newer image, which shares what did not change. */
static bool is_still_there(const struct image *image, int32_t *at, const struct image_topic *t)
{
    for (; *at < image_topic_count(image); (*at)++) {
        const struct image_topic *other = image_topic_at(image, *at);
        int order = other == t ? 0 : bytes_compare(other->name, t->name);

        if (order >= 0) {
            return order == 0 && uuid_equal(other->id, t->id);
        }
    }
    return false;
}

/* Those of `old` that the newest image has not, in the scratch arena. */
static const struct image_topic **topics_gone(struct groups *g, const struct image *old,
                                              int32_t *count)
{
    const struct image *image = groups_image(g);
    int32_t topics = image_topic_count(old), at = 0;
    const struct image_topic **out = NULL;

    *count = 0;
    for (int32_t i = 0; i < topics; i++) {
        const struct image_topic *t = image_topic_at(old, i);

        if (is_still_there(image, &at, t)) {
            continue;
        }
        if (out == NULL) {
            out = ARENA_ARRAY(&g->scratch, const struct image_topic *, topics - i);
        }
        if (out != NULL) {
            out[(*count)++] = t;
        }
    }
    return out;
}

static void forget_topic(struct groups *g, struct group *group, const struct image_topic *gone)
{
    const struct offsets_topic *t = offsets_topic_find(g, group, gone->name);

    if (t == NULL) {
        return;
    }
    map_for_each(&t->partitions, link)
    {
        struct committed_offset *o = CONTAINER_OF(link, struct committed_offset, link);

        if (offsets_is_batch_full(g, TOMBSTONES_BYTES_MAX)) {
            return;
        }
        if (!offsets_of_other_topic(o, gone->id)) {
            offsets_put_tombstone(g, group, gone->name, o->partition);
        }
    }
}

void offsets_forget_topics(struct groups *g, const struct image *old)
{
    int32_t count;
    const struct image_topic **gone = topics_gone(g, old, &count);

    if (count == 0) {
        return;
    }
    map_for_each(&g->by_id, link)
    {
        struct group *group = CONTAINER_OF(link, struct group, link);

        for (int32_t i = 0; i < count && group->offsets.count > 0; i++) {
            forget_topic(g, group, gone[i]);
        }
    }
    if (offsets_is_batch_full(g, TOMBSTONES_BYTES_MAX)) {
        run_again(g);
    }
}
