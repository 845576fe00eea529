/* broker/handlers/heartbeat.c: Heartbeat: a member is alive and hears that it must join again
 * (broker/groups/classic_sync.c).
 *
 * FAILURE  While the coordinator loads, sessions do not run: a member is told that all is well, as it cannot be known
 *          that it is not.
 */
#include "schema/heartbeat.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct heartbeat_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct heartbeat_response *out = c->out;

    heartbeat_response_init(out);
    out->error_code = error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ? KAFKA_NONE : error;
}

void handle_heartbeat(struct request *rq, const struct heartbeat_request *in,
                      struct heartbeat_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_heartbeat;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
