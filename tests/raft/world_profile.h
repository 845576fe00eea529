/* tests/raft/world_profile.h: how bad the world of a seed is.
 *
 * Swarm: each seed switches every kind of trouble on or off by itself and draws its rate, so that some seeds have one
 * trouble in plenty and some have a little of each. All trouble at once hides more than it finds.
 */
#pragma once

#include <stdio.h>

#include "raft/raft.h"
#include "tests/sim/sim_random.h"

enum world_trouble {
    TROUBLE_PARTITION,
    TROUBLE_CRASH,  /* one, some or all lose power */
    TROUBLE_AMBUSH, /* the next leaders that append are hit while their messages are on the way */
    TROUBLE_STOP,   /* a clean end */
    TROUBLE_PAUSE,  /* the process stands still */
    TROUBLE_SLOW_DISK,
    TROUBLE_FAIL_DISK, /* a sync fails: halted for ever */
    TROUBLE_LOSE_DISK, /* wiped, or its hard state damaged: does not start again */
    TROUBLE_DAMAGE,    /* entries that were durable cannot be read any more */
    TROUBLE_CLOCK,     /* another rate, a jump */
    TROUBLE_PEER,      /* the failure detector speaks, true or not */
    TROUBLE_TRANSFER,
    TROUBLE_CAMPAIGN,
    TROUBLE_CHANGE, /* members come and go */
    TROUBLE_CANCEL,
    TROUBLE_COLD, /* caches are dropped */
    TROUBLE_COUNT,
};

struct world_profile {
    struct raft_options raft;
    uint32_t voters;                 /* at the beginning */
    uint32_t elections;              /* length in election time-outs */
    uint32_t weights[TROUBLE_COUNT]; /* 0: never; of the next trouble */
    uint32_t trouble_ms;             /* mean time between two troubles; 0: none */
    uint32_t trouble_length_ms;      /* mean */
    bool together; /* troubles may overlap; otherwise one is over before the next */

    uint32_t delay_us, jitter_us; /* of every message */
    uint32_t spike_ppm, spike_ms; /* of some */
    uint32_t stale_ppm, stale_ms; /* of very few: comes much later */
    uint32_t loss_ppm, repeat_ppm, busy_ppm;
    bool ordered; /* a link keeps the order of what is not stale */

    uint32_t sync_us, sync_jitter_us, sync_spike_ppm, sync_spike_ms;
    uint32_t slow_sync_ms; /* of a slow disk */
    uint32_t flush_ms;     /* relaxed: how long appends wait */
    uint32_t apply_us;     /* commit to applied, at most */
    uint32_t fetch_us, fetch_fail_ppm;
    uint32_t torn_ppm;      /* an unsynced append survives in part */
    uint32_t clock_ppm_max; /* drift */

    uint32_t clients, think_ms, read_ppm;
    uint32_t batch_max, entries_max, bytes_max;
    uint32_t patience_ms; /* a client gives an operation up */
    uint32_t compact_ms;  /* mean time between two deletions of a prefix, per node; 0: never */
    uint32_t keep_max;    /* entries that a log may have before it is compacted in any case */
    uint32_t hot_count;
};

void world_profile_of(uint64_t seed, struct world_profile *out);
void world_profile_print(const struct world_profile *p, FILE *out);
const char *world_trouble_name(enum world_trouble t);
