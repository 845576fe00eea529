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

static bool joint(const struct raft_configuration *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->members[i].roles & RAFT_OUTGOING) {
            return true;
        }
    }
    return false;
}

static enum raft_reason change_answer(const struct replica *r,
                                      const struct raft_configuration *target)
{
    const struct raft_configuration *now = r->step.configuration;
    uint32_t count = now->count;

    for (uint32_t i = 0; i < target->count; i++) {
        count += member_roles(now, target->members[i].replica_id) == 0;
    }
    if (!r->step.led) {
        return RAFT_NOT_LEADER;
    }
    if (!raft_configuration_valid(target) || joint(target)) {
        return RAFT_INVALID;
    }
    if (r->duty.transfer_to != 0) {
        return RAFT_TRANSFERRING;
    }
    if (r->commit->bound.term != r->term) {
        return RAFT_UNCONFIRMED;
    }
    if (r->duty.changing || joint(now) || r->tip->configured->depth > r->commit->depth) {
        return RAFT_CHANGING;
    }
    return count > RAFT_MEMBER_MAX ? RAFT_TOO_MANY : RAFT_LOST;
}

static enum raft_reason cancel_answer(const struct replica *r)
{
    if (!r->step.led) {
        return RAFT_NOT_LEADER;
    }
    return r->duty.changing || joint(r->step.configuration) ? RAFT_LOST : RAFT_INVALID;
}

static enum raft_reason transfer_answer(const struct replica *r, uint64_t to)
{
    if (!r->step.led) {
        return RAFT_NOT_LEADER;
    }
    if (!(member_roles(r->step.configuration, to) & RAFT_VOTER)) {
        return RAFT_INVALID;
    }
    if (to == r->id) {
        return RAFT_DONE;
    }
    return r->duty.transfer_to != 0 ? RAFT_TRANSFERRING : RAFT_LOST;
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
        r->step.expected = change_answer(r, in->change.target);
    } else if (in->kind == RAFT_IN_CANCEL) {
        r->step.expected = cancel_answer(r);
    } else if (in->kind == RAFT_IN_TRANSFER) {
        r->step.transfer_to = in->transfer.to;
        r->step.expected = transfer_answer(r, in->transfer.to);
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

/* Given up: nobody who came is left, and the voters are those of before. */
static bool is_back(const struct raft_configuration *before, const struct raft_configuration *now)
{
    for (uint32_t i = 0; i < now->count; i++) {
        if (member_roles(before, now->members[i].replica_id) == 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < before->count; i++) {
        uint8_t roles = member_roles(now, before->members[i].replica_id);

        if ((before->members[i].roles & RAFT_VOTER) != (roles & RAFT_VOTER)) {
            return false;
        }
    }
    return true;
}

static bool change_may_end(const struct check *c, const struct replica *r, enum raft_reason reason)
{
    const struct duty *d = &r->duty;
    uint64_t rounds_ms = (uint64_t)RAFT_CATCH_UP_ROUND_MAX * c->options.raft->election_ms;

    switch ((int)reason) {
    case RAFT_DONE:
        return true;
    case RAFT_CANCELLED:
        return d->cancelled || r->step.kind == RAFT_IN_CANCEL;
    case RAFT_NOT_CAUGHT_UP:
        return r->now_ms >= d->change_at_ms + rounds_ms;
    case RAFT_LOST:
        return r->role != RAFT_LEADER;
    default:
        return false;
    }
}

static void change_ends(struct check *c, struct replica *r, enum raft_reason reason)
{
    bool taken = r->step.kind == RAFT_IN_CHANGE && r->step.expected == RAFT_LOST;

    LAW(c, "answer", (r->duty.changing || taken) && change_may_end(c, r, reason),
        "replica %" PRIu64 " answers a change: %s", r->id, raft_reason_name(reason));
    LAW(c, "answer",
        (reason != RAFT_CANCELLED && reason != RAFT_NOT_CAUGHT_UP) ||
            is_back(r->duty.change_from, member_in_force(c, r)),
        "replica %" PRIu64 " answers a change: %s, and has not gone back to the members before",
        r->id, raft_reason_name(reason));
    r->duty.changing = false;
}

static void out_change(struct check *c, struct replica *r, const struct raft_out *out)
{
    bool asked = r->step.kind == RAFT_IN_CHANGE || r->step.kind == RAFT_IN_CANCEL;

    LAW(c, "answer",
        !asked || r->step.expected == RAFT_LOST || out->change.reason == r->step.expected,
        "replica %" PRIu64 " answers: %s, it should: %s", r->id,
        raft_reason_name(out->change.reason), raft_reason_name(r->step.expected));
    r->step.answered = true;
    if (!asked || r->step.expected == RAFT_LOST) {
        change_ends(c, r, out->change.reason);
    }
    if (out->change.reason == RAFT_DONE) {
        LAW(c, "answer",
            wanted(r, member_in_force(c, r)) && (r->tip->configured->committed || c->may_lose),
            "replica %" PRIu64 " says that a change is done, in force is the configuration " BOUND
            ", which is %s",
            r->id, BOUND_OF(r->tip->configured),
            r->tip->configured->committed ? "another one" : "not committed");
    }
}

static bool transfer_may_end(const struct check *c, const struct replica *r,
                             enum raft_reason reason)
{
    const struct step *s = &r->step;

    switch ((int)reason) {
    case RAFT_DONE:
        return s->kind == RAFT_IN_RECV && s->message == RAFT_VOTE &&
               s->from == r->duty.transfer_to && s->message_term > s->term_before;
    case RAFT_NOT_CAUGHT_UP:
        return r->now_ms >= r->duty.transfer_at_ms + c->options.raft->election_ms;
    case RAFT_LOST:
        return r->role != RAFT_LEADER && (s->kind != RAFT_IN_RECV || s->message != RAFT_VOTE ||
                                          s->from != r->duty.transfer_to);
    default:
        return false;
    }
}

static void out_transfer(struct check *c, struct replica *r, const struct raft_out *out)
{
    enum raft_reason reason = out->transfer.reason;

    if (r->step.kind == RAFT_IN_TRANSFER) {
        LAW(c, "answer", reason == r->step.expected,
            "replica %" PRIu64 " answers a transfer: %s, it should: %s", r->id,
            raft_reason_name(reason), raft_reason_name(r->step.expected));
        r->step.answered = true;
        return;
    }
    LAW(c, "answer", r->duty.transfer_to != 0 && transfer_may_end(c, r, reason),
        "replica %" PRIu64 " answers the transfer to %" PRIu64 ": %s", r->id, r->duty.transfer_to,
        raft_reason_name(reason));
    r->duty.transfer_to = 0;
}

static void settle_asked(struct check *c, struct replica *r)
{
    const struct step *s = &r->step;
    bool change = s->kind == RAFT_IN_CHANGE, cancel = s->kind == RAFT_IN_CANCEL;

    if (s->answered || !(change || cancel || s->kind == RAFT_IN_TRANSFER)) {
        return;
    }
    LAW(c, "answer", s->expected == RAFT_LOST, "replica %" PRIu64 " does not answer: %s", r->id,
        raft_reason_name(s->expected));
    if (change) {
        r->duty.changing = true;
        r->duty.cancelled = false;
        r->duty.change_at_ms = r->now_ms;
        r->duty.change_event = c->event;
        r->duty.change_tip = s->own_entry ? r->tip->parent : r->tip;
        r->duty.change_from = s->configuration;
        r->duty.change_to = r->targets[(r->target_count - 1) % TARGET_MAX];
    } else if (cancel) {
        r->duty.cancelled = r->duty.changing;
    } else {
        r->duty.transfer_to = s->transfer_to;
        r->duty.transfer_at_ms = r->now_ms;
    }
}

void answer_settle(struct check *c, struct replica *r)
{
    const struct duty *d = &r->duty;

    if (r->role == RAFT_HALTED) {
        return; /* it never answers any more */
    }
    LAW(c, "answer", !r->step.own_entry || d->transfer_to == 0,
        "replica %" PRIu64 " appends while it hands over to %" PRIu64, r->id, d->transfer_to);
    settle_asked(c, r);
    LAW(c, "answer", r->step.kind != RAFT_IN_PROPOSE || r->step.answered || r->step.own_entry,
        "replica %" PRIu64 " neither takes nor refuses a proposal", r->id);
    LAW(c, "answer", r->role == RAFT_LEADER || (!d->changing && d->transfer_to == 0),
        "replica %" PRIu64 " does not lead any more, and has not answered a change or a transfer",
        r->id);
    LAW(c, "barrier", r->role == RAFT_LEADER || r->asks.len == 0,
        "replica %" PRIu64 " does not lead, and barriers wait for it", r->id);
}

static void out_refused(struct check *c, struct replica *r, const struct raft_out *out)
{
    bool leads = r->role == RAFT_LEADER;

    LAW(c, "answer", r->step.kind == RAFT_IN_PROPOSE,
        "replica %" PRIu64 " refuses what nobody proposed", r->id);
    r->step.answered = true;
    LAW(c, "answer",
        out->refused.reason != RAFT_TRANSFERRING || (leads && r->duty.transfer_to != 0),
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
        out_transfer(c, r, out);
    } else if (out->kind == RAFT_OUT_REFUSED) {
        out_refused(c, r, out);
    }
}
