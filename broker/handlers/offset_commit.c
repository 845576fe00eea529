/* broker/handlers/offset_commit.c: OffsetCommit: to the group's coordinator (broker/groups/offsets_commit.c).
 *
 * FAILURE  The answer has no place for an error of the group: each partition has it.
 */
#include "schema/offset_commit.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct offset_commit_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    const struct offset_commit_request *in = c->in;
    struct offset_commit_response *out = c->out;

    out->topics = offset_commit_response_topics_new(c->arena, in->topics.len);
    for (int32_t i = 0; i < out->topics.len; i++) {
        const struct offset_commit_request_topic *from = &in->topics.at[i];
        struct offset_commit_response_topic *to = &out->topics.at[i];

        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions = offset_commit_response_partitions_new(c->arena, from->partitions.len);
        for (int32_t k = 0; k < to->partitions.len; k++) {
            to->partitions.at[k].partition_index = from->partitions.at[k].partition_index;
            to->partitions.at[k].error_code = error;
        }
    }
}

void handle_offset_commit(struct request *rq, const struct offset_commit_request *in,
                          struct offset_commit_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_offset_commit;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
