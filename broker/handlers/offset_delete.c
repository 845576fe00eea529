/* broker/handlers/offset_delete.c: OffsetDelete (KIP-496): to the group's coordinator (broker/groups/offsets_delete.c).
 *
 * FAILURE  An error of the group is the answer's, and no topic is named then.
 */
#include "schema/offset_delete.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct offset_delete_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct offset_delete_response *out = c->out;

    offset_delete_response_init(out);
    out->error_code = error;
}

void handle_offset_delete(struct request *rq, const struct offset_delete_request *in,
                          struct offset_delete_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_offset_delete;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
