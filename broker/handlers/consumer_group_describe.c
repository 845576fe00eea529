/* broker/handlers/consumer_group_describe.c: ConsumerGroupDescribe (KIP-848): members of consumer groups, with what
 * they have and are to have (broker/groups/group_admin.c).
 *
 * WHY      Clients that describe a group ask this first, and DescribeGroups when it is not found here.
 */
#include "schema/consumer_group_describe.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct consumer_group_describe_request *)v->call.in)->group_ids.at[v->call.at];
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    const struct consumer_group_describe_request *in = c->in;
    struct consumer_group_describe_response *out = c->out;
    struct consumer_group_describe_response_groups nothing =
        consumer_group_describe_response_groups_new(c->arena, 1);

    if (nothing.len == 1) {
        out->groups.at[c->at] = nothing.at[0];
    }
    out->groups.at[c->at].group_id = in->group_ids.at[c->at];
    out->groups.at[c->at].error_code = error;
}

void handle_consumer_group_describe(struct request *rq,
                                    const struct consumer_group_describe_request *in,
                                    struct consumer_group_describe_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v == NULL) {
        return;
    }
    out->groups = consumer_group_describe_response_groups_new(rq->arena, in->group_ids.len);
    v->count = out->groups.len;
    v->operation = group_consumer_describe;
    v->group_of = group_of;
    v->refuse = refuse;
    group_visit_start(v);
}
