/* broker/handlers/sync_group.c: SyncGroup: the leader divides, everybody gets a share; answered when the leader has
 * (broker/groups/classic_sync.c).
 */
#include "schema/sync_group.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct sync_group_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct sync_group_response *out = c->out;

    sync_group_response_init(out);
    out->error_code = error;
}

void handle_sync_group(struct request *rq, const struct sync_group_request *in,
                       struct sync_group_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_sync;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
