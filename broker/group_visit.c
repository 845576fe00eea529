/* broker/group_visit.c: requests about groups travel to the cores of their coordinators.
 *
 * WHY      A group belongs to the partition of __consumer_offsets that its name hashes to, and that to a core. The
 *          request's arena travels along, so it is at one place at a time: several groups are visited in turn.
 * DEPTH    A coordinator on the request's own core may answer inside the call; a loop, not recursion, goes to the
 *          next group (`going`, `came_back`).
 * FAILURE  Without the topic, without the partition here: NOT_COORDINATOR, which makes a client ask
 *          FindCoordinator, which makes the topic.
 */
#include "broker/group_visit.h"

#include "broker/coordinator.h"
#include "broker/groups/group_partition.h"
#include "broker/node.h"

static void go_on(struct group_visit *v);

static void came_home(struct partition_op *op)
{
    struct group_visit *v = CONTAINER_OF(op, struct group_visit, op);

    v->call.at++;
    go_on(v);
}

static void answered(struct group_call *call)
{
    struct group_visit *v = CONTAINER_OF(call, struct group_visit, call);

    partition_op_finish(&v->op);
}

static void at_owner(struct partition_op *op, struct partition *p)
{
    struct group_visit *v = CONTAINER_OF(op, struct group_visit, op);

    if (p == NULL || p->coordinator == NULL) {
        v->refuse(&v->call, KAFKA_NOT_COORDINATOR);
        partition_op_finish(op);
        return;
    }
    coordinator_run(p->coordinator, &v->call, v->operation);
}

/* False: there is nowhere to go, it is refused. */
static bool submit(struct group_visit *v)
{
    const struct image_topic *topic =
        v->rq->image == NULL ? NULL : image_topic_by_name(v->rq->image, OFFSETS_TOPIC);

    if (topic == NULL) {
        v->refuse(&v->call, KAFKA_NOT_COORDINATOR);
        return false;
    }
    v->op.topic_id = topic->id;
    v->op.partition = group_partition_of(v->group_of(v), topic->partition_count);
    v->op.run = at_owner;
    v->op.done = came_home;
    partition_op_submit(v->rq->core, &v->op);
    return true;
}

static void go_on(struct group_visit *v)
{
    if (v->going) {
        v->came_back = true;
        return;
    }
    v->going = true;
    do {
        v->came_back = false;
        if (v->call.at >= v->count || v->rq->arena->exhausted) {
            if (v->done != NULL) {
                v->done(v);
            }
            request_release(v->rq);
            return;
        }
        if (!submit(v)) {
            v->call.at++;
            v->came_back = true;
        }
    } while (v->came_back);
    v->going = false;
}

struct group_visit *group_visit_new(struct request *rq, const void *in, void *out)
{
    struct group_visit *v = ARENA_NEW(rq->arena, struct group_visit);

    if (v == NULL) {
        return NULL;
    }
    v->rq = rq;
    v->count = 1;
    v->call = (struct group_call){
        .arena = rq->arena,
        .in = in,
        .out = out,
        .version = rq->version,
        .client_id = rq->client_id.at == NULL ? BYTES("") : rq->client_id,
        .client_host = arena_format(rq->arena, "/%s", rq->peer.host),
        .answer = answered,
    };
    return v;
}

void group_visit_start(struct group_visit *v)
{
    v->call.refuse = v->refuse;
    request_hold(v->rq);
    go_on(v);
}

/* ---- every group ---- */

static void tour_step(struct core *on, struct message *m);

static void tour_home(struct core *on, struct message *m)
{
    struct group_tour *t = CONTAINER_OF(m, struct group_tour, message);

    ASSERT(on == t->rq->core);
    t->done(t);
    request_release(t->rq);
}

static void tour_go(struct core *on, struct group_tour *t)
{
    bool end = t->core >= node_core_count(on->node);

    t->message.run = end ? tour_home : tour_step;
    mailbox_send(on, end ? t->rq->core->index : t->core, &t->message);
}

static void tour_each(void *context, const struct group_listing *l)
{
    struct group_tour *t = context;

    t->each(t, l);
}

static void tour_step(struct core *on, struct message *m)
{
    struct group_tour *t = CONTAINER_OF(m, struct group_tour, message);

    for (const struct coordinator *c = coordinator_first(on); c != NULL;
         c = coordinator_next(on, c)) {
        if (coordinator_groups(c) != NULL) {
            groups_list(coordinator_groups(c), tour_each, t);
        } else if (coordinator_is_loading(c)) {
            t->error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        }
    }
    t->core++;
    tour_go(on, t);
}

void group_tour_start(struct group_tour *t)
{
    t->core = 0;
    t->error = KAFKA_NONE;
    request_hold(t->rq);
    tour_go(t->rq->core, t);
}
