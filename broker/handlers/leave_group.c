/* broker/handlers/leave_group.c: LeaveGroup: members go, one or many
 * (broker/groups/classic_leave.c).
 */
#include "schema/leave_group.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct leave_group_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct leave_group_response *out = c->out;

    leave_group_response_init(out);
    out->error_code = error;
}

void handle_leave_group(struct request *rq, const struct leave_group_request *in,
                        struct leave_group_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_leave;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
