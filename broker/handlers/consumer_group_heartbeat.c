/* broker/handlers/consumer_group_heartbeat.c: ConsumerGroupHeartbeat (KIP-848): a member is alive, says what it has
 * and hears what it shall have (broker/groups/consumer_heartbeat.c).
 *
 * WHY      The only call of a consumer group: it joins, stays and leaves by it, so the answer never waits for others.
 */
#include "schema/consumer_group_heartbeat.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct consumer_group_heartbeat_request *)v->call.in)->group_id;
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    struct consumer_group_heartbeat_response *out = c->out;

    consumer_group_heartbeat_response_init(out);
    out->error_code = error;
}

void handle_consumer_group_heartbeat(struct request *rq,
                                     const struct consumer_group_heartbeat_request *in,
                                     struct consumer_group_heartbeat_response *out)
{
    struct group_visit *v = group_visit_new(rq, in, out);

    if (v != NULL) {
        v->operation = group_consumer_heartbeat;
        v->group_of = group_of;
        v->refuse = refuse;
        group_visit_start(v);
    }
}
