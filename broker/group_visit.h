/* broker/group_visit.h: from a handler to the coordinator of a group, and back.
 *
 *     v = group_visit_new(rq, in, out);
 *     v->operation = group_heartbeat;
 *     v->group_of = group_of;  v->refuse = refuse;
 *     group_visit_start(v);                  the reply leaves when it is back
 *
 * A request that names several groups visits one coordinator after the other (v->count groups, call.at says which),
 * because its arena goes along. Functions here are for the request's core.
 */
#pragma once

#include "broker/groups/groups.h"
#include "broker/partition.h"
#include "broker/request.h"

struct group_visit {
    struct partition_op op;
    struct request *rq;
    struct group_call call; /* in, out, at, version ... are set */
    int32_t count;          /* groups to visit; 1 */
    group_operation *operation;
    /* The group at call.at. */
    struct bytes (*group_of)(const struct group_visit *v);
    /* Makes the answer (for the group at c->at) nothing but this error. Any core. */
    void (*refuse)(struct group_call *c, enum kafka_error error);
    /* All is answered; may be NULL. */
    void (*done)(struct group_visit *v);
    void *context; /* the handler's own */
    bool going, came_back;
};

/* In the request's arena; NULL: it is exhausted, there is nothing to do. */
struct group_visit *group_visit_new(struct request *rq, const void *in, void *out);
/* The request holds itself until all is answered. */
void group_visit_start(struct group_visit *v);

/* Every group of this node, one core after the other. */
struct group_tour {
    struct message message;
    struct request *rq;
    int core; /* the next to visit */
    /* On the core of the group's coordinator: copies into rq->arena what it wants. */
    void (*each)(struct group_tour *t, const struct group_listing *l);
    void (*done)(struct group_tour *t); /* back home; `error` is set */
    enum kafka_error error;             /* COORDINATOR_LOAD_IN_PROGRESS: some could not be asked */
    void *context;
};

/* rq, each and done are set. The request holds itself until done() returned. */
void group_tour_start(struct group_tour *t);
