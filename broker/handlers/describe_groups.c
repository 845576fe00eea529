/* broker/handlers/describe_groups.c: DescribeGroups: members of classic groups (broker/groups/group_admin.c).
 *
 * WHY      What kafka-consumer-groups and dashboards show. A consumer group (KIP-848) is not found here; clients ask
 *          ConsumerGroupDescribe first.
 */
#include "schema/describe_groups.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct describe_groups_request *)v->call.in)->groups.at[v->call.at];
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    const struct describe_groups_request *in = c->in;
    struct describe_groups_response *out = c->out;
    struct describe_groups_response_groups nothing =
        describe_groups_response_groups_new(c->arena, 1);

    if (nothing.len == 1) {
        out->groups.at[c->at] = nothing.at[0];
    }
    out->groups.at[c->at].group_id = in->groups.at[c->at];
    out->groups.at[c->at].error_code = error;
}

void handle_describe_groups(struct request *rq, const struct describe_groups_request *in,
                            struct describe_groups_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v == NULL) {
        return;
    }
    out->groups = describe_groups_response_groups_new(rq->arena, in->groups.len);
    v->count = out->groups.len;
    v->operation = group_describe;
    v->group_of = group_of;
    v->refuse = refuse;
    group_visit_start(v);
}
