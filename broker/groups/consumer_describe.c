/* broker/groups/consumer_describe.c: a consumer group as others see it: its state, its members, and whether somebody may
 * commit or read offsets in it.
 *
 * STATE    Empty        no members
 *          Assigning    the target is older than the group
 *          Reconciling  some member is not where the target wants it
 *          Stable       all are
 * COMMIT   With the member's own epoch. An older one is let through for a partition that the member was given in that
 *          epoch or before, and still has (KIP-1251): it is still the one who reads it.
 */
#include "broker/groups/consumer_internal.h"

enum { COMMIT_EPOCHS_FROM = 9, TYPE_CLASSIC = 0, TYPE_CONSUMER = 1 };

static struct bytes state_name(const struct consumer_group *cg)
{
    if (list_empty(&cg->members)) {
        return BYTES("Empty");
    }
    if (cg->epoch > cg->target_epoch) {
        return BYTES("Assigning");
    }
    list_for_each (&cg->members, link) {
        const struct consumer_member *m = CONTAINER_OF(link, const struct consumer_member, link);

        if (m->state != MEMBER_STABLE || m->epoch != cg->target_epoch) {
            return BYTES("Reconciling");
        }
    }
    return BYTES("Stable");
}

void consumer_list(const struct group *group, struct group_listing *out)
{
    *out = (struct group_listing){.id = group->id,
                                  .protocol_type = BYTES("consumer"),
                                  .state = state_name(group->consumer),
                                  .type = BYTES("consumer")};
}

/* ---- ConsumerGroupDescribe ---- */

static int32_t topics_in(struct consumer_parts parts)
{
    int32_t count = 0;

    for (int32_t i = 0; i < parts.len; i++) {
        count += i == 0 || !uuid_equal(parts.at[i].topic_id, parts.at[i - 1].topic_id);
    }
    return count;
}

/* A topic that is gone has no name and is left out. */
static void show_parts(const struct image *image, struct arena *a, struct consumer_parts parts,
                       struct consumer_group_describe_response_assignment *out)
{
    int32_t topics = topics_in(parts);

    out->topic_partitions = consumer_group_describe_response_topic_partitions_new(a, topics);
    if (out->topic_partitions.len < topics) {
        return;
    }
    out->topic_partitions.len = 0;
    for (int32_t from = 0, to; from < parts.len; from = to) {
        const struct image_topic *t = image_topic_by_id(image, parts.at[from].topic_id);

        for (to = from;
             to < parts.len && uuid_equal(parts.at[to].topic_id, parts.at[from].topic_id);) {
            to++;
        }
        if (t == NULL) {
            continue;
        }
        struct consumer_group_describe_response_topic_partition *row =
            &out->topic_partitions.at[out->topic_partitions.len++];
        row->topic_id = t->id;
        row->topic_name = arena_copy(a, t->name);
        row->partitions = int32_array_new(a, to - from);
        for (int32_t i = 0; i < row->partitions.len; i++) {
            row->partitions.at[i] = parts.at[from + i].partition;
        }
    }
}

/* With what it has not given up yet. */
static struct consumer_parts held_by(struct arena *a, const struct consumer_member *m)
{
    struct consumer_parts all;

    if (m->revoking.len == 0) {
        return m->assigned;
    }
    all = consumer_parts_new(a, m->assigned.len + m->revoking.len);
    if (all.len > 0) {
        if (m->assigned.len > 0) {
            memcpy(all.at, m->assigned.at, (size_t)m->assigned.len * sizeof(all.at[0]));
        }
        memcpy(all.at + m->assigned.len, m->revoking.at,
               (size_t)m->revoking.len * sizeof(all.at[0]));
        consumer_parts_sort(all);
    }
    return all;
}

static void show_member(const struct image *image, struct arena *a, const struct consumer_member *m,
                        struct consumer_group_describe_response_member *out)
{
    out->member_id = arena_copy(a, m->id);
    out->instance_id = arena_copy(a, m->instance_id);
    out->rack_id = arena_copy(a, m->rack_id);
    out->member_epoch = m->epoch;
    out->client_id = arena_copy(a, m->client_id);
    out->client_host = arena_copy(a, m->client_host);
    out->subscribed_topic_names = string_array_new(a, m->names.len);
    for (int32_t i = 0; i < out->subscribed_topic_names.len; i++) {
        out->subscribed_topic_names.at[i] = arena_copy(a, m->names.at[i]);
    }
    out->subscribed_topic_regex = m->regex.at == NULL ? BYTES("") : arena_copy(a, m->regex);
    show_parts(image, a, held_by(a, m), &out->assignment);
    show_parts(image, a, m->target, &out->target_assignment);
    out->member_type = consumer_member_is_classic(m) ? TYPE_CLASSIC : TYPE_CONSUMER;
}

void consumer_describe(struct groups *g, const struct group *group, struct arena *a,
                       struct consumer_group_describe_response_group *out)
{
    const struct consumer_group *cg = group->consumer;
    const struct image *image = groups_image(g);
    int32_t at = 0;

    out->group_state = state_name(cg);
    out->group_epoch = cg->epoch;
    out->assignment_epoch = cg->target_epoch;
    out->assignor_name = bytes_of(consumer_assignor(g, group)->name);
    out->members = consumer_group_describe_response_members_new(a, (int32_t)cg->members.len);
    list_for_each (&cg->members, link) {
        if (at < out->members.len) { /* else the arena is exhausted */
            show_member(image, a, CONTAINER_OF(link, const struct consumer_member, link),
                        &out->members.at[at++]);
        }
    }
}

/* ---- offsets ---- */

static enum kafka_error wrong_epoch(const struct consumer_member *m)
{
    return consumer_member_is_classic(m) ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}

/* What concerns the member alone. */
static enum kafka_error check_member(const struct consumer_member *m,
                                     const struct group_committer *by)
{
    if (m == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (!consumer_member_is_classic(m) && by->version < COMMIT_EPOCHS_FROM) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    return by->generation == m->epoch || (by->generation >= 0 && by->generation < m->epoch)
               ? KAFKA_NONE
               : wrong_epoch(m);
}

enum kafka_error consumer_check_commit(struct groups *g, struct group *group,
                                       const struct group_committer *by, struct bytes topic,
                                       int32_t partition)
{
    const struct consumer_member *m = consumer_find(g, group, by->member_id);
    const struct consumer_part *part = NULL;

    if (by->generation < 0 && consumer_is_empty(group)) {
        return KAFKA_NONE;
    }
    enum kafka_error error = check_member(m, by);
    if (error != KAFKA_NONE || topic.at == NULL || by->generation == m->epoch) {
        return error;
    }
    const struct image_topic *t = image_topic_by_name(groups_image(g), topic);
    if (t != NULL) {
        part = consumer_parts_find(m->assigned, t->id, partition);
        part = part == NULL ? consumer_parts_find(m->revoking, t->id, partition) : part;
    }
    return part != NULL && part->epoch <= by->generation ? KAFKA_NONE : wrong_epoch(m);
}

enum kafka_error consumer_check_fetch(struct groups *g, struct group *group, struct bytes member_id,
                                      int32_t member_epoch)
{
    if (member_id.at == NULL && member_epoch < 0) {
        return KAFKA_NONE;
    }
    const struct consumer_member *m = consumer_find(g, group, member_id);
    if (m == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return m->epoch == member_epoch ? KAFKA_NONE : KAFKA_STALE_MEMBER_EPOCH;
}
