/* broker/handlers/offset_fetch.c: OffsetFetch (KIP-709, KIP-848): where a group has got to.
 *
 * WHY      A client with a group id asks this before it reads a partition for which it was given no offset.
 *          Nobody can have committed an offset while OffsetCommit is not served: so -1, "none", is the
 *          answer for every partition, and a question for all that a group has finds nothing.
 */
#include "schema/offset_fetch.h"
#include "broker/handler.h"

enum { GROUPS_FROM = 8, IDS_FROM = 10, OFFSET_NONE = -1 };

static void answer_topic(struct request *rq, const struct offset_fetch_request_topic *in,
                         struct offset_fetch_response_topic *out)
{
    out->name = in->name;
    out->partitions = offset_fetch_response_partitions_new(rq->arena, in->partition_indexes.len);
    for (int32_t i = 0; i < out->partitions.len; i++) {
        out->partitions.at[i].partition_index = in->partition_indexes.at[i];
        out->partitions.at[i].committed_offset = OFFSET_NONE;
        out->partitions.at[i].metadata = BYTES("");
    }
}

static void answer_group_topic(struct request *rq,
                               const struct offset_fetch_request_group_topic *in,
                               struct offset_fetch_response_group_topic *out)
{
    bool unknown = rq->version >= IDS_FROM && image_topic_by_id(rq->image, in->topic_id) == NULL;

    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions =
        offset_fetch_response_group_partitions_new(rq->arena, in->partition_indexes.len);
    for (int32_t i = 0; i < out->partitions.len; i++) {
        out->partitions.at[i].partition_index = in->partition_indexes.at[i];
        out->partitions.at[i].committed_offset = OFFSET_NONE;
        out->partitions.at[i].metadata = BYTES("");
        out->partitions.at[i].error_code = unknown ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_NONE;
    }
}

static void answer_group(struct request *rq, const struct offset_fetch_request_group *in,
                         struct offset_fetch_response_group *out)
{
    out->group_id = in->group_id;
    out->topics = offset_fetch_response_group_topics_new(rq->arena, MAX(in->topics.len, 0));
    for (int32_t i = 0; i < out->topics.len; i++) {
        answer_group_topic(rq, &in->topics.at[i], &out->topics.at[i]);
    }
}

void handle_offset_fetch(struct request *rq, const struct offset_fetch_request *in,
                         struct offset_fetch_response *out)
{
    if (rq->version < GROUPS_FROM) {
        out->topics = offset_fetch_response_topics_new(rq->arena, MAX(in->topics.len, 0));
        for (int32_t i = 0; i < out->topics.len; i++) {
            answer_topic(rq, &in->topics.at[i], &out->topics.at[i]);
        }
        return;
    }
    out->groups = offset_fetch_response_groups_new(rq->arena, in->groups.len);
    for (int32_t i = 0; i < out->groups.len; i++) {
        answer_group(rq, &in->groups.at[i], &out->groups.at[i]);
    }
}
