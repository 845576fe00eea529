/* broker/handlers/join_group.c: JoinGroup: a member comes, or comes again; answered when the generation is complete
 * (broker/groups/classic_join.c).
 */
#include "schema/join_group.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct join_group_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct join_group_response *out = c->out;

    join_group_response_init(out);
    out->error_code = error;
    out->protocol_name = BYTES_NULL; /* empty in versions that know no null */
}

void handle_join_group(struct request *rq, const struct join_group_request *in,
                       struct join_group_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_join;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
