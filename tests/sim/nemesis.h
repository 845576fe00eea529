/* tests/sim/nemesis.h: makes trouble at drawn times: links, processes, machines, clocks. For scenarios.
 *
 *     struct nemesis *m = nemesis_new(sim, &(struct nemesis_config){.kinds = NEMESIS_ALL, ...});
 *     sim_run_for(sim, 60000000);
 *     nemesis_calm(m);                all links heal, everybody is up again, no more trouble
 *     ... now everything must come to a good end
 *     nemesis_free(m);
 */
#pragma once

#include "tests/sim/env_sim.h"

enum nemesis_kind {
    NEMESIS_CUT,     /* one link, one way or both */
    NEMESIS_ISOLATE, /* one node from all others */
    NEMESIS_CLOG,
    NEMESIS_RESET,
    NEMESIS_PAUSE,       /* a victim is stopped for a while */
    NEMESIS_WALL_JUMP,   /* of a victim */
    NEMESIS_KILL,        /* a victim's process; it is restarted later */
    NEMESIS_POWER_OFF,   /* likewise its machine */
    NEMESIS_CRASH_POINT, /* its machine, in the middle of a disk operation soon to come */
    NEMESIS_KIND_COUNT
};

enum { NEMESIS_ALL = (1 << NEMESIS_KIND_COUNT) - 1 };

struct nemesis_config {
    uint32_t kinds;                  /* bits 1 << enum nemesis_kind */
    uint64_t gap_us_max;             /* the next trouble comes within so long */
    uint64_t last_us_max;            /* and lasts up to so long */
    struct sim_node *const *victims; /* who may be stopped; must stay */
    uint32_t victim_count, down_max; /* at most so many are down at a time */
    /* The node has just gone down: free what its process had. Nothing need have been there. */
    void (*down)(void *context, struct sim_node *n);
    /* A new process is ready: start the code. It may go down again in this very call. */
    void (*up)(void *context, struct sim_node *n);
    void *context;
};

struct nemesis;

struct nemesis *nemesis_new(struct sim *s, const struct nemesis_config *config);
void nemesis_calm(struct nemesis *m);
/* How often it struck: a scenario should see to it that it did. */
uint64_t nemesis_count(const struct nemesis *m, enum nemesis_kind kind);
/* Victims stay as they are. */
void nemesis_free(struct nemesis *m);
