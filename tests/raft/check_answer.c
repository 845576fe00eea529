/* tests/raft/check_answer.c: what the core answers to its host: barriers, changes, transfers, refusals.
 *
 * WHY      A barrier's answer is a promise to readers (thesis 6.4): it must not be older than what was committed
 *          anywhere when it was asked, and a majority must still have been in the leader's term after that.
 * HOW      For each question the model keeps what was committed then. For each term it knows when each replica last
 *          answered an append in it.
 * OWNER    One checker.
 * FAILURE  barrier, answer, I4 for a log start that goes back.
 * LIMITS   TARGET_MAX configurations asked for and not yet answered.
 */
#include "tests/raft/check_internal.h"

static void asked_log_start(struct check *c, struct replica *r, const struct raft_in *in)
{
    struct node *n = tree_at(r->tip, in->log_start.start.index);

    LAW(c, "I4",
        n && n->bound.term == in->log_start.start.term && n->depth >= r->start->depth &&
            n->depth <= r->commit->depth,
        "the log of replica %" PRIu64 " starts at %" PRIu64 "^%" PRIu32 ", it did at " BOUND
        ", its commit is " BOUND,
        r->id, in->log_start.start.index, in->log_start.start.term, BOUND_OF(r->start),
        BOUND_OF(r->commit));
    r->start = n;
}

static void asked_barrier(struct check *c, struct replica *r, const struct raft_in *in)
{
    *(struct ask *)vec_push(&r->asks, sizeof(struct ask)) =
        (struct ask){.ticket = in->barrier.ticket,
                     .event = c->event,
                     .committed = c->committed,
                     .configured = r->tip->configured};
}

void answer_asked(struct check *c, struct replica *r, const struct raft_in *in)
{
    if (in->kind == RAFT_IN_PROPOSE) {
        r->step.propose_last = in->propose.last;
        r->step.expected_term = in->propose.expected_term;
    } else if (in->kind == RAFT_IN_LOG_START) {
        asked_log_start(c, r, in);
    } else if (in->kind == RAFT_IN_BARRIER) {
        asked_barrier(c, r, in);
    } else if (in->kind == RAFT_IN_CHANGE) {
        r->targets[r->target_count++ % TARGET_MAX] = *in->change.target;
    } else if (in->kind == RAFT_IN_TRANSFER) {
        r->transfers += r->role == RAFT_LEADER;
    } else if (in->kind == RAFT_IN_UNFENCE) {
        c->may_lose = c->may_lose || r->fenced;
    } else if (in->kind == RAFT_IN_DURABLE) {
        LAW(c, "host", in->durable.ticket <= r->ticket_durable,
            "replica %" PRIu64 " is told that ticket %" PRIu64 " is durable, %" PRIu64 " is", r->id,
            in->durable.ticket, r->ticket_durable);
    }
}

static void out_barrier(struct check *c, struct replica *r, const struct raft_out *out)
{
    struct ask last = {.committed = NULL};
    struct ask *asks = r->asks.at;
    size_t count = 0;

    while (count < r->asks.len && asks[count].ticket <= out->barrier.ticket) {
        last = asks[count++];
    }
    vec_shift(&r->asks, count, sizeof(struct ask));
    LAW(c, "barrier", last.committed != NULL && last.ticket == out->barrier.ticket,
        "replica %" PRIu64 " answers the barrier %" PRIu64 ", which nobody has asked", r->id,
        out->barrier.ticket);
    if (!out->barrier.ok || c->may_lose) {
        return;
    }
    LAW(c, "barrier", (r->role == RAFT_LEADER || r->step.led) && r->role_term == r->term,
        "replica %" PRIu64 " answers a barrier and does not lead", r->id);
    LAW(c, "barrier",
        out->barrier.index >= last.committed->bound.index && tree_at(r->commit, out->barrier.index),
        "replica %" PRIu64 " answers the barrier %" PRIu64 " with %" PRIu64 "; committed was " BOUND
        " then, its commit is " BOUND,
        r->id, out->barrier.ticket, out->barrier.index, BOUND_OF(last.committed),
        BOUND_OF(r->commit));
    LAW(c, "barrier",
        term_confirmed(c, r, member_in_force(c, r), last.event) ||
            term_confirmed(c, r, last.configured->configuration, last.event),
        "replica %" PRIu64 " answers the barrier %" PRIu64 ", and no majority was in term %" PRIu32
        " since it was asked",
        r->id, out->barrier.ticket, r->term);
}

static bool wanted(const struct replica *r, const struct raft_configuration *now)
{
    for (uint32_t i = 0; i < MIN(r->target_count, TARGET_MAX); i++) {
        if (member_same(&r->targets[i], now)) {
            return true;
        }
    }
    return false;
}

static void out_change(struct check *c, struct replica *r, const struct raft_out *out)
{
    if (out->change.reason == RAFT_DONE) {
        LAW(c, "answer",
            wanted(r, member_in_force(c, r)) && (r->tip->configured->committed || c->may_lose),
            "replica %" PRIu64 " says that a change is done, in force is the configuration " BOUND
            ", which is %s",
            r->id, BOUND_OF(r->tip->configured),
            r->tip->configured->committed ? "another one" : "not committed");
    }
}

static void out_refused(struct check *c, const struct replica *r, const struct raft_out *out)
{
    bool leads = r->role == RAFT_LEADER;
    bool leaving = !(member_roles(member_in_force(c, r), r->id) & RAFT_VOTER);

    LAW(c, "answer", r->step.kind == RAFT_IN_PROPOSE,
        "replica %" PRIu64 " refuses what nobody proposed", r->id);
    LAW(c, "answer",
        out->refused.reason != RAFT_TRANSFERRING || (leads && (r->transfers > 0 || leaving)),
        "replica %" PRIu64 " refuses a proposal for a transfer, and there is none", r->id);
    LAW(c, "answer", out->refused.reason != RAFT_NOT_LEADER || !leads,
        "the leader %" PRIu64 " refuses a proposal because it does not lead", r->id);
    LAW(c, "answer",
        out->refused.reason != RAFT_OTHER_TERM ||
            (r->step.expected_term != 0 && r->step.expected_term != r->term),
        "replica %" PRIu64 " refuses a proposal for its own term %" PRIu32, r->id, r->term);
}

void answer_out(struct check *c, struct replica *r, const struct raft_out *out)
{
    if (out->kind == RAFT_OUT_BARRIER) {
        out_barrier(c, r, out);
    } else if (out->kind == RAFT_OUT_CHANGE) {
        out_change(c, r, out);
    } else if (out->kind == RAFT_OUT_TRANSFER) {
        r->transfers -= r->transfers > 0;
    } else if (out->kind == RAFT_OUT_REFUSED) {
        out_refused(c, r, out);
    }
}
