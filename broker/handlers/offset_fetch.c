/* broker/handlers/offset_fetch.c: OffsetFetch (KIP-709): to the coordinators of the groups, one after the other
 * (broker/groups/offsets_fetch.c).
 *
 * FAILURE  From version 8 on each group has an error; in 2 to 7 the answer has one; in version 1 each partition.
 */
#include "schema/offset_fetch.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

enum { ERROR_FROM = 2, GROUPS_FROM = 8, OFFSET_NONE = -1 };

static struct bytes group_of(const struct group_visit *v)
{
    const struct offset_fetch_request *in = v->call.in;

    return v->call.version < GROUPS_FROM ? in->group_id : in->groups.at[v->call.at].group_id;
}

static void refuse_partitions(struct group_call *c, enum kafka_error error)
{
    const struct offset_fetch_request *in = c->in;
    struct offset_fetch_response *out = c->out;

    out->topics = offset_fetch_response_topics_new(c->arena, MAX(in->topics.len, 0));
    for (int32_t i = 0; i < out->topics.len; i++) {
        const struct offset_fetch_request_topic *from = &in->topics.at[i];
        struct offset_fetch_response_topic *to = &out->topics.at[i];

        to->name = from->name;
        to->partitions =
            offset_fetch_response_partitions_new(c->arena, from->partition_indexes.len);
        for (int32_t k = 0; k < to->partitions.len; k++) {
            to->partitions.at[k].partition_index = from->partition_indexes.at[k];
            to->partitions.at[k].committed_offset = OFFSET_NONE;
            to->partitions.at[k].metadata = BYTES("");
            to->partitions.at[k].error_code = error;
        }
    }
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    const struct offset_fetch_request *in = c->in;
    struct offset_fetch_response *out = c->out;

    if (c->version < ERROR_FROM) {
        refuse_partitions(c, error);
    } else if (c->version < GROUPS_FROM) {
        out->topics.len = 0;
        out->error_code = error;
    } else {
        out->groups.at[c->at].group_id = in->groups.at[c->at].group_id;
        out->groups.at[c->at].topics.len = 0;
        out->groups.at[c->at].error_code = error;
    }
}

void handle_offset_fetch(struct request *rq, const struct offset_fetch_request *in,
                         struct offset_fetch_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v == NULL) {
        return;
    }
    if (rq->version >= GROUPS_FROM) {
        out->groups = offset_fetch_response_groups_new(rq->arena, in->groups.len);
        v->count = out->groups.len;
    }
    v->operation = group_offset_fetch;
    v->group_of = group_of;
    v->refuse = refuse;
    group_visit_start(v);
}
