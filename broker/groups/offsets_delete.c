/* broker/groups/offsets_delete.c: OffsetDelete (KIP-496): forget where a group has got to in some partitions.
 *
 * WHY      A group that no longer reads a topic would keep its offsets there, and its lag, until they expire.
 * RULES    Offsets of topics that a member reads stay: GROUP_SUBSCRIBED_TO_TOPIC. In a group whose members' topics
 *          cannot be known nothing may be deleted: NON_EMPTY_GROUP. Deleting what is not there is no error.
 * LIMITS   An offset that is there has one tombstone, however often it is named: so a batch holds them all, or
 *          the group has more than OffsetCommit could have written in one.
 */
#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/offsets_internal.h"
#include "schema/offset_delete.h"

static enum kafka_error check(const struct group *group, struct bytes id)
{
    if (!group_id_ok(id)) {
        return KAFKA_INVALID_GROUP_ID;
    }
    if (group == NULL) {
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    if (group->consumer == NULL && !classic_is_empty(group) && !classic_is_consumer(group)) {
        return KAFKA_NON_EMPTY_GROUP;
    }
    return KAFKA_NONE;
}

static bool is_read(const struct group *group, struct bytes topic)
{
    if (group->consumer != NULL) {
        return consumer_subscribes(group, topic);
    }
    return !classic_is_empty(group) && classic_subscribes(group, topic);
}

static enum kafka_error delete_one(struct groups *g, struct group *group,
                                   const struct image_topic *t, int32_t partition)
{
    if (t == NULL || partition < 0 || partition >= t->partition_count) {
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (is_read(group, t->name)) {
        return KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
    }
    if (offsets_find(g, group, t->name, partition) != NULL) {
        offsets_put_tombstone(g, group, t->name, partition);
    }
    return KAFKA_NONE;
}

void group_offset_delete(struct groups *g, struct group_call *c)
{
    const struct offset_delete_request *in = c->in;
    struct offset_delete_response *out = c->out;
    struct group *group = group_find(g, in->group_id);
    enum kafka_error error = check(group, in->group_id);

    if (error != KAFKA_NONE) {
        group_call_refuse(g, group, c, error);
        return;
    }
    out->topics = offset_delete_response_topics_new(c->arena, in->topics.len);
    int32_t room = out->topics.len, shown = 0;
    for (int32_t i = 0; i < room; i++) {
        const struct offset_delete_request_topic *from = &in->topics.at[i];
        struct offset_delete_response_topic *to = &out->topics.at[shown];
        const struct image_topic *t = image_topic_by_name(groups_image(g), from->name);

        to->name = from->name;
        to->partitions = offset_delete_response_partitions_new(c->arena, from->partitions.len);
        for (int32_t k = 0; k < to->partitions.len; k++) {
            to->partitions.at[k].partition_index = from->partitions.at[k].partition_index;
            to->partitions.at[k].error_code =
                delete_one(g, group, t, from->partitions.at[k].partition_index);
        }
        shown += to->partitions.len > 0; /* a topic without partitions is not answered */
    }
    out->topics.len = shown;
    group_call_end(g, group, c);
}
