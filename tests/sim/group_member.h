/* tests/sim/group_member.h: a consumer that belongs to a group, as real clients behave: the classic protocol
 * (eager or cooperative, dynamic or static) or the consumer protocol (KIP-848).
 *
 * A member is a process: it may die, sleep for longer than its session (and go on as if nothing was), change what
 * it subscribes to, and leave. It repeats what was lost, gives up partitions late, commits and fetches offsets. What
 * it believes to own stands in `owned`.
 */
#pragma once

#include "tests/sim/group_world.h"

enum { GROUP_MEMBER_COUNT_MAX = 64 };

enum group_member_state {
    GROUP_MEMBER_OUT, /* must join */
    GROUP_MEMBER_IN,  /* classic: has a generation, must sync */
    GROUP_MEMBER_STABLE,
};

struct group_member_options {
    int32_t group;
    bool consumer, cooperative;
    int32_t instance; /* -1: dynamic */
    uint32_t topics;  /* names, as bits */
    int32_t session_ms, rebalance_ms;
};

struct group_member {
    struct group_world *world;
    struct sim_random *random;
    struct group_member_options options;
    int32_t number;
    bool alive;
    uint64_t asleep_until_us;
    char id[GROUP_TEXT_BYTES], instance[24];
    enum group_member_state state;
    int32_t epoch;  /* generation or member epoch */
    uint64_t owned; /* classic: bits by name, consumer: by slot */
    bool fenced_for_good;

    struct group_ask *ask; /* under way */
    uint64_t ask_until_us, due_us;
    struct sim_event *step;
    uint64_t error_count;  /* answers that threw it out or asked it to join again */
    uint32_t commit_ppm;   /* per heartbeat */
    uint32_t slow_us_max;  /* to give partitions up */
    uint32_t stubborn_ppm; /* or it never does */

    /* classic */
    int16_t join_version;
    bool leader, stirred, stubborn;
    bool fresh; /* its id is new, and nothing was lost since */
    bool mute;  /* joined, and never asks for its assignment */
    int32_t stirs;
    uint64_t mute_start;
    uint64_t leader_saw; /* partitions it divided */
    uint32_t leader_topics, joined_topics;

    /* consumer */
    int16_t heartbeat_version;
    const char *assignor; /* NULL: the group's choice */
    uint64_t target, acked, give_up_us;
    bool send_all, reconciling;
    uint32_t sent_topics;
    int32_t interval_ms;
};

struct group_members {
    struct group_world *world;
    struct group_member *at[GROUP_MEMBER_COUNT_MAX];
    int32_t count;
};

struct group_member *group_member_new(struct group_members *all,
                                      const struct group_member_options *options);
void group_member_kill(struct group_member *m);
void group_member_leave(struct group_member *m);
void group_member_sleep(struct group_member *m, uint64_t us);
void group_member_subscribe(struct group_member *m, uint32_t topics);
void group_member_free(struct group_member *m);

struct bytes group_member_id(const struct group_member *m);
struct bytes group_member_instance(const struct group_member *m); /* null: none */

/* Alive, in the group, and nothing under way that changes what it owns. */
bool group_member_settled(const struct group_member *m);

/* Also for others who commit: offsets of these partitions (bits by name), with numbers of their own. */
void group_commit_fill(struct group_ask *a, uint64_t name_bits);
/* OffsetFetch of these. */
void group_fetch_fill(struct group_ask *a, int32_t group, uint64_t name_bits);

/* ---- inside a member ---- */

void group_member_plan(struct group_member *m, uint64_t delay_us);
void group_member_send(struct group_member *m, struct group_ask *a, uint64_t patience_us,
                       void (*done)(struct group_ask *a));
void group_member_commit(struct group_member *m);
/* The steps of the two protocols; nothing is under way. */
void group_classic_step(struct group_member *m);
void group_consumer_step(struct group_member *m);
void group_classic_leave(struct group_member *m);
void group_consumer_leave(struct group_member *m);
/* What was asked is lost. */
void group_classic_lost(struct group_member *m);
void group_consumer_lost(struct group_member *m);

/* Bits by slot as bits by name. */
static inline uint64_t group_by_name(uint64_t slots)
{
    return (slots | (slots >> (GROUP_TOPIC_COUNT * GROUP_TOPIC_PARTITIONS_MAX))) & UINT32_MAX;
}
