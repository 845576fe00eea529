/* tests/raft/check_view.c: what a replica says of itself, beside what the model knows of it.
 *
 * WHY      Hosts and operators act on raft_view(); and a core whose own state differs from what it told its host will
 *          do harm sooner or later. Comparing after every step finds the step.
 * QUORUM   A leader that hears of no majority for QUIET_ELECTIONS election time-outs of its own running time should have
 *          gone: this is the one law about time, and it is generous.
 * OWNER    One checker.
 * FAILURE  state, I6, I15, election.
 * LIMITS   None.
 */
#include "tests/raft/check_internal.h"

enum { QUIET_ELECTIONS = 4 };

static bool is_bound(const struct node *n, struct raft_bound b)
{
    return n->bound.index == b.index && n->bound.term == b.term;
}

static void view_durable(struct check *c, struct replica *r, uint64_t durable)
{
    const struct node *n;

    if (durable == r->durable_seen) {
        return;
    }
    n = tree_at(r->tip, durable);
    LAW(c, "I6", n && disk_ticket_of_entry(r, n) <= r->ticket_durable,
        "replica %" PRIu64 " takes its log for durable up to %" PRIu64 ", it is up to " BOUND,
        r->id, durable, BOUND_OF(r->tip_durable));
    r->durable_seen = durable;
}

void view_check(struct check *c, struct replica *r, const struct raft_view *view)
{
    LAW(c, "state", view->replica_id == r->id && view->boot == r->boot && view->role == r->role,
        "replica %" PRIu64 " boot %" PRIu32 " is %s, it said %s", r->id, view->boot,
        raft_role_name(view->role), raft_role_name(r->role));
    if (r->role == RAFT_HALTED) {
        return;
    }
    LAW(c, "state", view->term == r->term && view->vote == r->vote && r->role_term <= r->term,
        "replica %" PRIu64 " is in term %" PRIu32 " with a vote for %" PRIu64 ", it said %" PRIu32
        " and %" PRIu64,
        r->id, view->term, view->vote, r->term, r->vote);
    LAW(c, "state", view->leader == r->leader,
        "replica %" PRIu64 " has %" PRIu64 " for a leader, it said %" PRIu64, r->id, view->leader,
        r->leader);
    LAW(c, "state", is_bound(r->tip, view->last) && is_bound(r->start, view->start),
        "replica %" PRIu64 " has a log from %" PRIu64 " to %" PRIu64 "^%" PRIu32 ", it is " BOUND
        " to " BOUND,
        r->id, view->start.index, view->last.index, view->last.term, BOUND_OF(r->start),
        BOUND_OF(r->tip));
    LAW(c, "state", view->commit == r->commit->bound.index,
        "replica %" PRIu64 " has commit %" PRIu64 ", it said " BOUND, r->id, view->commit,
        BOUND_OF(r->commit));
    LAW(c, "I11",
        view->serving == (r->role == RAFT_LEADER && r->served_term == r->term && r->term != 0),
        "replica %" PRIu64 " does%s serve in term %" PRIu32, r->id, view->serving ? "" : " not",
        r->term);
    LAW(c, "fence", view->fenced == r->fenced, "replica %" PRIu64 " takes itself for %sfenced",
        r->id, view->fenced ? "" : "un");
    LAW(c, "I15", view->configuration_index == r->tip->configured->bound.index,
        "replica %" PRIu64 " has the configuration %" PRIu64 ", in its log is " BOUND, r->id,
        view->configuration_index, BOUND_OF(r->tip->configured));
    LAW(c, "I15", view->configuration_committed == (r->tip->configured->depth <= r->commit->depth),
        "replica %" PRIu64 " takes the configuration %" PRIu64 " for %scommitted", r->id,
        view->configuration_index, view->configuration_committed ? "" : "un");
    view_durable(c, r, view->durable);
}

void view_configuration(struct check *c, struct replica *r,
                        const struct raft_configuration *configuration)
{
    const struct raft_configuration *want = member_in_force(c, r);

    LAW(c, "I15", member_same(want, configuration),
        "replica %" PRIu64 " has a configuration of %" PRIu32
        " members in force, in its log is " BOUND " of %" PRIu32,
        r->id, configuration->count, BOUND_OF(r->tip->configured), want->count);
    r->configured_seen = r->tip->configured;
}

void view_told(struct check *c, const struct replica *r)
{
    const struct node *newest = r->tip->configured;
    bool committed = newest->depth <= r->commit->depth;
    uint8_t roles = member_roles(member_in_force(c, r), r->id);

    if (r->role == RAFT_HALTED) {
        return;
    }
    LAW(c, "I15", r->duty.told == newest && r->duty.told_committed == committed,
        "the host of replica %" PRIu64 " was told last of the configuration " BOUND
        ", in force is " BOUND ", which is %scommitted",
        r->id, BOUND_OF(r->duty.told), BOUND_OF(newest), committed ? "" : "not ");
    LAW(c, "election",
        r->role != RAFT_LEADER || !committed || (roles & (RAFT_VOTER | RAFT_OUTGOING)) != 0,
        "replica %" PRIu64 " still leads, and " BOUND " without it is committed", r->id,
        BOUND_OF(newest));
}

/* As `r` has heard it in its life: what came from the replica as it runs now. */
static bool heard_of(const struct replica *r, const struct replica *other)
{
    const struct heard *all = r->heard.at;

    for (size_t i = 0; i < r->heard.len; i++) {
        if (all[i].replica_id == other->id) {
            return other->running && all[i].boot == other->boot && other->term <= r->term;
        }
    }
    return false;
}

void view_peer(struct check *c, struct replica *r, const struct raft *raft)
{
    const struct replica *other = NULL;
    struct raft_peer_view view;

    if (r->step.kind == RAFT_IN_RECV && r->step.message == RAFT_APPEND_REPLY &&
        r->role == RAFT_LEADER) {
        other = replica_find(c, r->step.from);
    }
    if (!other || !heard_of(r, other)) {
        return;
    }
    for (uint32_t i = 0; raft_peer_get(raft, i, &view); i++) {
        const struct node *n = tree_before(r->tip, view.match);

        LAW(c, "I3", view.replica_id != other->id || c->may_lose || tree_holds(other->tip, n),
            "the leader %" PRIu64 " takes %" PRIu64 " to have " BOUND ", its log ends at " BOUND,
            r->id, other->id, BOUND_OF(n), BOUND_OF(other->tip));
    }
}

bool view_protects(const struct check *c, const struct replica *r)
{
    bool heard = r->leader != 0 && r->leader_heard_ms != UINT64_MAX;

    return r->role == RAFT_LEADER ||
           (heard && r->now_ms - r->leader_heard_ms < c->options.raft->election_ms);
}

/* -- silence --------------------------------------------------------------------------------------------- */

struct since {
    const struct replica *leader;
    uint64_t run_ms;
};

static bool heard_since(const void *context, uint64_t replica_id)
{
    const struct since *s = context;
    const struct heard *all = s->leader->heard.at;

    if (replica_id == s->leader->id) {
        return true;
    }
    for (size_t i = 0; i < s->leader->heard.len; i++) {
        if (all[i].replica_id == replica_id) {
            return all[i].run_ms >= s->run_ms;
        }
    }
    return false;
}

void view_quorum(struct check *c, struct replica *r)
{
    uint64_t quiet_ms = (uint64_t)QUIET_ELECTIONS * c->options.raft->election_ms;
    struct since since = {.leader = r};

    if (r->role != RAFT_LEADER || r->run_ms < r->lead_run_ms + quiet_ms) {
        return;
    }
    since.run_ms = r->run_ms - quiet_ms;
    LAW(c, "election", member_majority(member_in_force(c, r), heard_since, &since),
        "replica %" PRIu64 " still leads term %" PRIu32 " and has heard of no majority for %" PRIu64
        " ms",
        r->id, r->term, quiet_ms);
}
