/* tests/raft/world.h: a cluster of replicas that a seed plays with, from the first entry to the last.
 *
 *     struct world_options options = {.seed = 4711};
 *     struct world_result result;
 *     world_run(&options, &result);    returns when nothing was broken
 *
 * A seed decides all: who is there, how bad network, disks and clocks are, what happens when (world_profile.h). Then
 * everything is healed and the cluster has to come to rest: a leader within 5 election time-outs, all members equal and
 * durable soon after.
 */
#pragma once

#include <stdio.h>

#include "base/base.h"

/* What happened, for those who ask whether the seeds reach the corners. */
struct world_totals {
    uint64_t events, messages, lost, leaders, crashes, stops, disks_lost, damages;
    uint64_t pauses, partitions, ambushes;
    uint64_t snapshots, installs, compactions, truncations, cold_reads, busy;
    uint64_t changes_asked, changes_done, changes_failed, cancels, transfers_asked, transfers_done;
    uint64_t barriers_ok, barriers_failed, fenced_starts, unfenced, suspects, replicas;
    uint64_t writes_ok, reads_ok, refused, unknown, committed;
};

struct world_options {
    uint64_t seed;
    uint32_t elections; /* length before the heal, in election time-outs; 0: the seed decides */
    FILE *trace;        /* every step in words; or NULL */
    /* Somebody broke a law: gets its name and a report. Must not return. */
    void (*failed)(void *context, const char *law, const char *report);
    void *context;
};

struct world_result {
    uint64_t hash; /* of all that happened: the same for the same seed */
    uint64_t simulated_ms;
    uint32_t election_ms;
    /* After the heal, until a leader served; until nothing differed any more. */
    uint64_t leader_ms, rest_ms;
    struct world_totals totals;
};

void world_run(const struct world_options *options, struct world_result *out);

/* The profile of a seed, in words. */
void world_describe(uint64_t seed, FILE *out);
