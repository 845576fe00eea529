/* tests/raft/scenario_disk.c: the commands for disks: what is durable, what a crash leaves, where the log starts.
 *
 * WHY      Most of what goes wrong in a consensus algorithm goes wrong between a write and its sync.
 * RULES    crash loses what no ticket has made durable. wipe and lose break the promises of a disk (H2, H7) on purpose;
 *          damage is what a host may find and must tell.
 *          When relaxed, an unclean end leaves the mark that fences the next start; stop is a clean end.
 * OWNER    struct scenario.
 * FAILURE  Bad words fail the scenario.
 */
#include "tests/raft/scenario_verbs.h"

/* durable 1 | durable 1 4: all tickets, or those up to one */
static void durable(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r != NULL) {
        replica_durable(r, w->count > 2 ? word_u64(s, w, 2) : r->ticket);
    }
}

/* flush 1: relaxed: what was called durable is */
static void flush(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r != NULL) {
        replica_flush(r);
    }
}

static void crash(struct scenario *s, const struct words *w)
{
    for (uint32_t i = 1; i < w->count; i++) {
        struct scenario_replica *r = word_replica(s, w, i);

        if (r != NULL) {
            r->disk.fenced = r->disk.fenced || s->options.relaxed;
            replica_crash(r);
        }
    }
}

/* stop 1: everything reaches the disk first */
static void stop(struct scenario *s, const struct words *w)
{
    for (uint32_t i = 1; i < w->count; i++) {
        struct scenario_replica *r = word_replica(s, w, i);

        if (r != NULL) {
            replica_durable(r, r->ticket);
            replica_flush(r);
            replica_crash(r);
        }
    }
}

/* restart 1 [commit 5] [boot 1] */
static void restart(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);
    uint32_t boot = 0;

    if (r == NULL || r->raft != NULL) {
        scenario_wrong(s, "it is not down");
        return;
    }
    r->start_commit = 0;
    for (uint32_t i = 2; i + 1 < w->count; i += 2) {
        if (word_is(w->at[i], "commit")) {
            r->start_commit = word_u64(s, w, i + 1);
        } else {
            boot = (uint32_t)word_u64(s, w, i + 1);
        }
    }
    replica_start(r, boot);
}

/* wipe 1: while it is down, its disk is replaced by an empty one */
static void wipe(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r == NULL || r->raft != NULL) {
        scenario_wrong(s, "it is not down");
        return;
    }
    memset(&r->disk, 0, sizeof(r->disk));
}

/* lose 1 after 3: while it is down, its disk has lost what it called durable, and nobody knows
 * damage 1 after 3: the same, and its host knows */
static void lose(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r == NULL || r->raft != NULL) {
        scenario_wrong(s, "it is not down");
        return;
    }
    log_cut(&r->disk.log, word_u64(s, w, 3));
    r->disk.damaged = r->disk.damaged || word_is(w->at[0], "damage");
}

/* compact 1 5: the log starts at the bound 5 */
static void compact(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    uint64_t index = word_u64(s, w, 2);
    struct raft_in in = {.kind = RAFT_IN_LOG_START};

    if (r == NULL || !log_is_bound(&r->log, index) || !log_is_bound(&r->disk.log, index)) {
        scenario_wrong(s, "no bound of it, or not durable");
        return;
    }
    log_compact(&r->log, index);
    log_compact(&r->disk.log, index);
    in.log_start.start = r->log.start;
    replica_step(r, &in);
}

/* cold 1 5: what follows bounds below 5 is not in memory */
static void cold(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);

    if (r != NULL) {
        r->log.cold = word_u64(s, w, 2);
    }
}

/* fetched 1 3 ready | gone | none: the answer to a fetch for 3 */
static void fetched(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    uint64_t to = word_u64(s, w, 2);

    if (r == NULL || replica_find(s, to) == NULL || r->fetches[to - 1].kind != RAFT_OUT_FETCH) {
        scenario_wrong(s, "it did not ask");
        return;
    }
    replica_fetched(r, to,
                    word_has(w, 3, "gone")   ? RAFT_READ_GONE
                    : word_has(w, 3, "none") ? RAFT_READ_NONE
                                             : RAFT_READ_READY);
}

/* One that was made earlier: the log knows its bound no more. */
static void give_old_snapshot(struct scenario *s, struct scenario_replica *r, const struct words *w)
{
    struct raft_snapshot *old = ARENA_NEW(&s->arena, struct raft_snapshot);
    struct raft_in in = {.kind = RAFT_IN_SNAPSHOT,
                         .snapshot = {.to = word_u64(s, w, 2), .snapshot = old}};

    ASSERT(old != NULL);
    *old = (struct raft_snapshot){.bound = word_bound(s, w, 4),
                                  .configuration = r->log.start_configuration};
    replica_step(r, &in);
}

/* snapshot 1 3 at 5 | none | of 3^1: the answer to a wish for 3 */
static void snapshot(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_replica(s, w, 1);
    uint64_t to = word_u64(s, w, 2);

    if (r == NULL || replica_find(s, to) == NULL || (r->snapshot_wanted & 1u << (to - 1)) == 0) {
        scenario_wrong(s, "it did not ask");
        return;
    }
    if (word_has(w, 3, "of")) {
        r->snapshot_wanted &= ~(1u << (to - 1));
        give_old_snapshot(s, r, w);
    } else {
        replica_snapshot(r, to, word_has(w, 3, "none") ? UINT64_MAX : word_u64(s, w, 4));
    }
}

const struct verb scenario_disk_verbs[] = {
    {"durable", durable, false, false}, {"flush", flush, false, false},
    {"crash", crash, false, false},     {"stop", stop, false, false},
    {"restart", restart, false, false}, {"wipe", wipe, false, false},
    {"lose", lose, false, false},       {"damage", lose, false, false},
    {"compact", compact, false, false}, {"cold", cold, false, false},
    {"fetched", fetched, false, false}, {"snapshot", snapshot, false, false},
    {NULL, NULL, false, false},
};
