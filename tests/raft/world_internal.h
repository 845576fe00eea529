/* tests/raft/world_internal.h: the state of a world, and what its files offer each other. */
#pragma once

#include "tests/raft/host.h"
#include "tests/raft/world.h"
#include "tests/raft/world_heap.h"
#include "tests/raft/world_profile.h"

enum {
    NODE_MAX = 32,     /* machines; each has one replica at a time */
    REPLICA_MAX = 400, /* identities in the life of a world */
    CLIENT_MAX = 8,
    CLIENT_WRITE_MAX = 3, /* entries of one proposal */
    RECORD_MAX = 256,
};

enum world_event_kind {
    EVENT_MESSAGE, /* arrives */
    EVENT_TIMER,
    EVENT_SYNC,    /* a: mark */
    EVENT_RELAXED, /* host_relaxed() */
    EVENT_APPLY,
    EVENT_FETCH,    /* a: to, b: after, c: bytes_max */
    EVENT_SNAPSHOT, /* a: to */
    EVENT_RESTART,
    EVENT_AMBUSH,  /* what it has appended is on its way: now it is hit */
    EVENT_HEAL,    /* of the network; a: number of the partition that ends */
    EVENT_TROUBLE, /* the next one */
    EVENT_COMPACT,
    EVENT_SWEEP,  /* replicas that nobody knows any more go */
    EVENT_CLIENT, /* a: which, b: generation */
    EVENT_POLL,   /* after the heal: is all well? */
};

/* A machine and the replica on it. */
struct world_node {
    struct host *host; /* NULL: nobody */
    uint64_t id;
    uint32_t life; /* events of an earlier one are void */
    bool dead;     /* its disk is lost: it never comes back */

    uint64_t clock_us, clock_ms; /* its clock said clock_ms at clock_us */
    int32_t clock_ppm;

    uint64_t paused_until_us, slow_until_us;
    uint64_t timer_at_us; /* UINT64_MAX: none is planned */
    uint64_t sync_mark;   /* newest write that a planned sync covers */
    uint64_t sync_quick;  /* the same, of syncs that do not wait for a relaxed flush */
    bool relaxed_planned, apply_planned;

    uint64_t barrier_ticket;
    bool refused;  /* the proposal of this step */
    bool changing; /* it was asked for `target` and has not answered */
    struct raft_configuration target;
    uint64_t useless_since_us; /* UINT64_MAX: somebody knows it */

    bool blocked[NODE_MAX];             /* messages to that machine are lost */
    uint64_t last_arrival_us[NODE_MAX]; /* ordered links */
};

enum client_state { CLIENT_IDLE, CLIENT_WRITING, CLIENT_ASKING, CLIENT_READING };

struct world_client {
    enum client_state state;
    uint64_t generation; /* of its next event */
    uint16_t node;
    uint32_t life;
    uint32_t open; /* writes without an end */
    uint64_t values[CLIENT_WRITE_MAX], operations[CLIENT_WRITE_MAX];
    uint64_t ticket, index; /* of the barrier */
};

/* A configuration that a leader has appended: it may come to count. */
struct world_record {
    uint64_t index;
    const struct raft_configuration *configuration;
};

enum world_stage {
    STAGE_TROUBLE,
    STAGE_LEADER,
    STAGE_SERVE,
    STAGE_CLIENTS,
    STAGE_REST,
    STAGE_STEADY,
    STAGE_END
};

struct world {
    const struct world_options *options;
    struct world_profile profile;
    struct check *check;
    struct host_store store;
    struct world_heap heap;
    struct sim_random random, network, clock; /* of decisions, of the network, of disks and time */
    uint64_t now_us, hash;
    struct world_totals totals;

    struct world_node nodes[NODE_MAX];
    uint16_t node_of_id[REPLICA_MAX];
    uint64_t id_last;
    const struct host_snapshot *initial, *empty; /* what fresh disks hold */

    struct raft_configuration committed; /* newest known */
    uint64_t committed_index;
    struct world_record records[RECORD_MAX];
    uint32_t record_count;

    struct world_client clients[CLIENT_MAX];
    uint64_t value_last;
    uint32_t ambushes; /* so many leaders more are hit when they append */

    enum world_stage stage;
    uint64_t heal_us, leader_us, steady_us;
    uint32_t longest;                     /* entries in a log, since the heal */
    uint64_t steady_id, steady_term;      /* who led when all was at rest */
    uint64_t writes_before, reads_before; /* the heal */
    bool cancelled;
};

/* -- world_play.c --------------------------------------------------------------------------------------------- */

static inline uint64_t world_ms(const struct world *w)
{
    return w->now_us / 1000;
}

void world_plan(struct world *w, const struct world_event *e);
/* An event of a node `after_us` from now. */
void world_plan_node(struct world *w, const struct world_node *n, enum world_event_kind kind,
                     uint64_t after_us);
/* An exponential-looking time around `mean`: 0 .. 3 mean. */
uint64_t world_around(struct sim_random *r, uint64_t mean);
/* Among the last events of the report, and in the trace. */
void world_note(struct world *w, const char *format, uint64_t a, uint64_t b);

/* -- world_node.c ---------------------------------------------------------------------------------------- */

extern const struct host_hooks world_hooks;

uint64_t node_now_ms(const struct world *w, const struct world_node *n);
void node_clock_set(struct world *w, struct world_node *n, int32_t ppm, uint64_t jump_ms);
struct world_node *node_of(struct world *w, uint64_t replica_id); /* NULL: it is gone for ever */
bool node_up(const struct world_node *n);
uint16_t node_number(const struct world *w, const struct world_node *n);
/* A machine with a new replica that knows `base`; NULL: there is no room. */
struct world_node *node_new(struct world *w, const struct host_snapshot *base);
void node_start(struct world *w, struct world_node *n);
void node_crash(struct world *w, struct world_node *n, bool keep);
void node_stop(struct world *w, struct world_node *n);
void node_lose(struct world *w, struct world_node *n);
void node_fail_disk(struct world *w, struct world_node *n);
/* It loses power, and the end of what was durable cannot be read any more. */
void node_damage(struct world *w, struct world_node *n);
/* The machine is taken away, the replica with it. */
void node_retire(struct world *w, struct world_node *n);
/* After each event of a node: plans what its host waits for. */
void node_settle(struct world *w, struct world_node *n);
/* Handles the kinds from EVENT_TIMER to EVENT_SNAPSHOT. */
void node_event(struct world *w, struct world_node *n, const struct world_event *e);
/* One that is up and claims to lead, at random; NULL. */
struct world_node *node_leader(struct world *w);
struct world_node *node_any(struct world *w); /* that is up */

/* -- world_network.c ------------------------------------------------------------------------------------- */

/* Takes the message. */
void network_send(struct world *w, struct world_node *from, struct host_message *m);
void network_arrive(struct world *w, const struct world_event *e);
void network_partition(struct world *w);
/* Both ways, from all machines but one (itself: from all). */
void network_cut_off(struct world *w, const struct world_node *n, uint16_t but_for);
void network_heal(struct world *w);

/* -- world_trouble.c ------------------------------------------------------------------------------------- */

void trouble_next(struct world *w);
void trouble_plan(struct world *w);
void trouble_ambush(struct world *w, struct world_node *n);

/* -- world_members.c ------------------------------------------------------------------------------------- */

/* Would the group stay able to lead, whatever configuration comes to count, without this replica's disk (or, relaxed,
 * with its unsynced entries lost)? */
bool members_can_spare(struct world *w, uint64_t replica_id);
void members_appended(struct world *w, uint64_t index, const struct raft_configuration *c);
void members_committed(struct world *w, uint64_t index, const struct raft_configuration *c);
/* Asks a leader for another configuration. */
void members_change(struct world *w);
void members_sweep(struct world *w);

/* -- world_clients.c ------------------------------------------------------------------------------------- */

void clients_start(struct world *w);
void clients_event(struct world *w, const struct world_event *e);
void clients_applied(struct world *w, struct world_node *n, const struct host_entry *e);
void clients_barrier(struct world *w, struct world_node *n, const struct raft_out *out);
/* Reads whose index is applied now. */
void clients_read(struct world *w, struct world_node *n);

/* -- world_end.c ----------------------------------------------------------------------------------------- */

/* Heals everything: from here on all must come to rest. */
void end_begin(struct world *w);
void end_poll(struct world *w);
