/* tests/raft/check_snapshot.c: snapshots, applied states and whole logs against the history.
 *
 * WHY      A snapshot replaces a log. Whatever of it is wrong is wrong for ever, and nobody will notice soon: so it is
 *          compared as a unit, when it is sent and when it is taken (I16).
 * OWNER    One checker.
 * FAILURE  I2, I4, I8, I16, state.
 * LIMITS   check_log() takes time in proportion to the log.
 */
#include "tests/raft/check_internal.h"

void snapshot_check(struct check *c, const struct replica *r, const struct raft_snapshot *s)
{
    const struct node *n = tree_find(c, s->bound);

    LAW(c, "I16", n && (n->committed || c->may_lose),
        "the snapshot %" PRIu64 "^%" PRIu32 " of replica %" PRIu64 " is not committed",
        s->bound.index, s->bound.term, r->id);
    LAW(c, "I8", s->delta == n->internal && s->log_start <= n->bound.index - n->internal,
        "the snapshot " BOUND " has delta %" PRIu64 " and starts at %" PRIu64 ", delta is %" PRIu64,
        BOUND_OF(n), s->delta, s->log_start, n->internal);
    LAW(c, "I16",
        s->configuration_index == n->configured->bound.index &&
            member_same(&s->configuration, n->configured->configuration),
        "the snapshot " BOUND " has the configuration %" PRIu64 " of %" PRIu32
        " members, in force is " BOUND " of %" PRIu32,
        BOUND_OF(n), s->configuration_index, s->configuration.count, BOUND_OF(n->configured),
        n->configured->configuration->count);
}

void snapshot_install(struct check *c, struct replica *r, const struct raft_snapshot *s,
                      const struct check_done *done)
{
    struct node *n = tree_find(c, s->bound);

    snapshot_check(c, r, s);
    LAW(c, "I4", n->depth > r->commit->depth && n->depth > r->start->depth,
        "replica %" PRIu64 " installs the snapshot " BOUND ", its commit is " BOUND, r->id,
        BOUND_OF(n), BOUND_OF(r->commit));
    LAW(c, "state", done->state.hash == n->state.hash && done->state.count == n->state.count,
        "replica %" PRIu64 " installs another state than that after " BOUND, r->id, BOUND_OF(n));
    r->durable_seen = UINT64_MAX;
    struct node *base = tree_common(r->tip, n);
    disk_push_log(c, r, (struct log_op){.ticket = done->ticket, .cut = n, .base = base, .tip = n});
    r->tip = r->start = r->commit = r->applied = n;
    r->knows_initial = true;
}

void check_applied(struct check *c, uint64_t replica_id, uint64_t index,
                   const struct check_state *state)
{
    struct replica *r = replica_of(c, replica_id);
    struct node *n = tree_at(r->tip, index);

    LAW(c, "state", n && n->depth <= r->commit->depth,
        "replica %" PRIu64 " applies %" PRIu64 ", its commit is " BOUND, r->id, index,
        BOUND_OF(r->commit));
    LAW(c, "state",
        state->hash == n->state.hash && state->count == n->state.count &&
            state->value == n->state.value,
        "replica %" PRIu64 " after " BOUND " has written %" PRIu64 " values, others have %" PRIu64,
        r->id, BOUND_OF(n), state->count, n->state.count);
    r->applied = n;
}

void check_log(struct check *c, uint64_t replica_id,
               bool (*entry)(const void *context, uint64_t at, struct check_entry *out),
               const void *context, uint64_t delta)
{
    struct replica *r = replica_of(c, replica_id);
    struct node *at = r->start;
    struct check_entry e = {.value = 0};

    for (uint64_t i = 0; entry(context, i, &e); i++) {
        at = tree_enter(c, at, &e, false);
    }
    LAW(c, "I2", at == r->tip,
        "the log of replica %" PRIu64 " ends at " BOUND ", it should at " BOUND, r->id,
        BOUND_OF(at), BOUND_OF(r->tip));
    LAW(c, "I8", delta == at->internal,
        "replica %" PRIu64 " at " BOUND " has delta %" PRIu64 ", not %" PRIu64, r->id, BOUND_OF(at),
        delta, at->internal);
    LAW(c, "I3",
        r->commit->depth <= c->committed->depth &&
            (r->commit == tree_at_depth(c->committed, r->commit->depth) || c->may_lose),
        "the commit of replica %" PRIu64 " is " BOUND ", committed is " BOUND, r->id,
        BOUND_OF(r->commit), BOUND_OF(c->committed));
}
