/* tests/sim/sim_sched.h: virtual time: a queue of events, and the hash and text of what happened.
 *
 * Order: time, then a tie-breaker drawn from the scheduling stream, then order of planning. So two things at
 * the same microsecond happen in either order, as the seed has it.
 */
#pragma once

#include "tests/sim/env_sim.h"

/* What an event is, for the trace. */
struct sim_what {
    const char *name; /* a literal */
    uint32_t node;    /* SIM_NODE_NONE: the world */
    bool waiting;     /* an actor's time-out: a world with only such events is idle */
};

enum { SIM_NODE_NONE = 1 << 30 };

struct sim_event {
    uint64_t time, tie, seq;
    size_t heap_at;
    void (*fn)(void *);
    void *context;
    struct sim_what what;
};

struct sim_sched {
    struct sim_event **heap;
    size_t len, cap;
    uint64_t now_us, seq, done_count;
    size_t busy; /* events that are not `waiting` */
    uint64_t hash;
    struct sim_random random;
    bool trace;
};

void sim_sched_init(struct sim_sched *q, struct sim_random random);
void sim_sched_deinit(struct sim_sched *q);
/* At `time_us`, or now when that is past. */
struct sim_event *sim_sched_add(struct sim_sched *q, uint64_t time_us, struct sim_what what,
                                void (*fn)(void *), void *context);
void sim_sched_cancel(struct sim_sched *q, struct sim_event *e);
/* Takes the next event, moves time to it, and calls it; false when there is none. */
bool sim_sched_next(struct sim_sched *q);
/* When the next event is due; UINT64_MAX: there is none. */
uint64_t sim_sched_due(const struct sim_sched *q);
void sim_sched_fold(struct sim_sched *q, uint64_t value);
/* Something that happened inside an event: into hash and trace. */
void sim_sched_say(struct sim_sched *q, struct sim_what what, uint64_t a, uint64_t b);
