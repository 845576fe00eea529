/* tests/raft/check_message.c: what replicas say to each other must be so.
 *
 * WHY      Others act on messages. Each one is checked when the core gives it out: what it says must be true already,
 *          or become true with the ticket it waits for (I6). When it leaves, that ticket must be durable.
 * REPLIES  `match` is held against the log of the leader of that term, `durable` against the sender's own disk, the
 *          hint against the sender's log.
 * OWNER    One checker.
 * FAILURE  I6, and election for pre-votes that disturb a leader.
 * LIMITS   None.
 */
#include "tests/raft/check_internal.h"

static bool gated(const struct replica *r, uint64_t ticket, uint64_t after_ticket)
{
    return ticket <= MAX(after_ticket, r->ticket_durable);
}

static bool is_bound(const struct node *n, struct raft_bound b)
{
    return n && n->bound.index == b.index && n->bound.term == b.term;
}

/* Nobody but who was told to campaign may ask voters not to protect their leader (thesis 4.2.3); and it has to. */
static void sent_by_order(struct check *c, const struct replica *r, const struct raft_message *m)
{
    bool order = r->step.kind == RAFT_IN_RECV && r->step.message == RAFT_TIMEOUT_NOW;

    LAW(c, "election", m->vote.transfer == order,
        "candidate %" PRIu64 " says that it was %stold to campaign", r->id,
        m->vote.transfer ? "" : "not ");
}

static void sent_vote(struct check *c, const struct replica *r, const struct raft_message *m)
{
    bool pre = m->kind == RAFT_PRE_VOTE;

    LAW(c, "fence", !r->fenced, "replica %" PRIu64 " campaigns and is fenced", r->id);
    LAW(c, "I6",
        r->role == (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE) && (pre || r->vote == r->id),
        "replica %" PRIu64 " asks for votes and is no candidate", r->id);
    LAW(c, "I6", is_bound(r->tip, m->vote.last),
        "candidate %" PRIu64 " says that its log ends at %" PRIu64 "^%" PRIu32
        ", it ends at " BOUND,
        r->id, m->vote.last.index, m->vote.last.term, BOUND_OF(r->tip));
    sent_by_order(c, r, m);
}

static void sent_pre_vote_reply(struct check *c, const struct replica *r,
                                const struct raft_message *m)
{
    if (!m->vote_reply.granted) {
        return;
    }
    LAW(c, "election", m->term > r->term,
        "replica %" PRIu64 " would vote in term %" PRIu32 ", it is in %" PRIu32, r->id, m->term,
        r->term);
    LAW(c, "fence", !r->fenced, "replica %" PRIu64 " grants a pre-vote and is fenced", r->id);
    LAW(c, "election", !view_protects(c, r) || r->step.transfer || m->to == r->leader,
        "replica %" PRIu64 " would vote for %" PRIu64 ", and its leader %" PRIu64 " lives", r->id,
        m->to, r->leader);
    LAW(c, "I6",
        r->step.kind == RAFT_IN_RECV && r->step.message == RAFT_PRE_VOTE && r->step.from == m->to,
        "replica %" PRIu64 " grants a pre-vote to %" PRIu64 ", which has not asked", r->id, m->to);
    LAW(c, "election",
        r->step.last.term > r->tip->bound.term ||
            (r->step.last.term == r->tip->bound.term && r->step.last.index >= r->tip->bound.index),
        "replica %" PRIu64 " would vote for %" PRIu64 ", whose log is behind", r->id, m->to);
}

static void sent_vote_reply(struct check *c, const struct replica *r, const struct raft_message *m,
                            uint64_t after_ticket)
{
    if (!m->vote_reply.granted) {
        return;
    }
    LAW(c, "fence", !r->fenced, "replica %" PRIu64 " votes and is fenced", r->id);
    LAW(c, "I6", r->term == m->term && r->vote == m->to,
        "replica %" PRIu64 " tells %" PRIu64 " that it has its vote, %" PRIu64 " has it", r->id,
        m->to, r->vote);
    LAW(c, "I6", gated(r, disk_ticket_of_vote(r, m->term, m->to), after_ticket),
        "the vote of replica %" PRIu64 " for %" PRIu64 " leaves before it is durable", r->id,
        m->to);
}

/* Entries: not more between two answers than the window holds, and not the log from its beginning to who shall have a
 * snapshot first. */
static void sent_entries(struct check *c, struct replica *r, const struct raft_message *m)
{
    const struct raft_options *o = c->options.raft;
    const struct raft_configuration *now = member_in_force(c, r);
    struct heard *all = r->heard.at;

    for (uint32_t i = 0; i < now->count; i++) {
        LAW(c, "I16",
            now->members[i].replica_id != m->to || !now->members[i].start_anew ||
                m->append.prev.index > 0,
            "%" PRIu64 " shall start anew, and gets the log from its beginning", m->to);
    }
    for (size_t i = 0; i < r->heard.len; i++) {
        if (all[i].replica_id == m->to) {
            LAW(c, "window", all[i].appends < o->window_messages && all[i].bytes < o->window_bytes,
                "%" PRIu64 " gets %" PRIu32 " appends of %" PRIu64 " bytes without an answer",
                m->to, all[i].appends + 1, all[i].bytes + m->append.span.bytes);
            all[i].appends++;
            all[i].bytes += m->append.span.bytes;
        }
    }
}

static void sent_append(struct check *c, struct replica *r, const struct raft_message *m)
{
    const struct raft_message_append *a = &m->append;
    const struct node *prev = tree_at(r->tip, a->prev.index);

    LAW(c, "I6", r->role == RAFT_LEADER && m->term == r->term,
        "replica %" PRIu64 " sends an append and does not lead", r->id);
    LAW(c, "I6",
        is_bound(prev, a->prev) && (a->span.run_count == 0 || prev->depth >= r->start->depth),
        "the leader %" PRIu64 " sends what follows %" PRIu64 "^%" PRIu32 ", its log is " BOUND
        " to " BOUND,
        r->id, a->prev.index, a->prev.term, BOUND_OF(r->start), BOUND_OF(r->tip));
    LAW(c, "I6", a->span.run_count <= RAFT_RUN_MAX && a->commit <= r->tip->bound.index,
        "the leader %" PRIu64 " sends commit %" PRIu64 ", its log ends at " BOUND, r->id, a->commit,
        BOUND_OF(r->tip));
    for (uint32_t i = 0; i < a->span.run_count; i++) {
        LAW(c, "I6",
            is_bound(tree_at(r->tip, a->span.runs[i].index), a->span.runs[i]) &&
                a->span.runs[i].index > (i ? a->span.runs[i - 1].index : a->prev.index),
            "the leader %" PRIu64 " sends a run to %" PRIu64 "^%" PRIu32 ", its log has no such",
            r->id, a->span.runs[i].index, a->span.runs[i].term);
    }
    if (a->span.run_count > 0) {
        sent_entries(c, r, m);
    }
}

/* Who is told to campaign has all that the leader has, or it would depose the leader in vain. A leader that goes for
 * good tells whoever has most. */
static void sent_order(struct check *c, const struct replica *r, const struct raft_message *m)
{
    const struct replica *other = replica_find(c, m->to);

    LAW(c, "election",
        r->role != RAFT_LEADER || (r->duty.transfer_to == m->to || r->step.transfer_to == m->to),
        "%" PRIu64 " is told to campaign, nobody has asked for that", m->to);
    LAW(c, "election",
        r->role != RAFT_LEADER || (other && member_has(c, other, r->term, r->duty.led, r->tip)),
        "%" PRIu64 " is told to campaign, and its log is behind that of %" PRIu64, m->to, r->id);
}

static void sent_accepted(struct check *c, const struct replica *r, const struct raft_message *m,
                          uint64_t after_ticket)
{
    const struct raft_message_append_reply *a = &m->reply;
    const struct node *match = tree_at(r->tip, a->match), *durable = tree_at(r->tip, a->durable);
    const struct term_record *t = term_of(c, m->term);

    LAW(c, "I6", match && t->tip && tree_holds(t->tip, match),
        "replica %" PRIu64 " says that its log equals the leader's of term %" PRIu32
        " up to %" PRIu64 ", its own ends at " BOUND,
        r->id, m->term, a->match, BOUND_OF(r->tip));
    LAW(c, "I6", durable && a->durable <= a->match,
        "replica %" PRIu64 " says that %" PRIu64 " is durable of %" PRIu64, r->id, a->durable,
        a->match);
    LAW(c, "I6", gated(r, disk_ticket_of_entry(r, durable), after_ticket),
        "replica %" PRIu64 " says that " BOUND " is durable, it is not; what is ends at " BOUND,
        r->id, BOUND_OF(durable), BOUND_OF(r->tip_durable));
}

static void sent_rejected(struct check *c, const struct replica *r, const struct raft_message *m)
{
    const struct node *want = tree_term(r->tip, r->step.prev.term);

    if (r->step.kind != RAFT_IN_RECV || r->step.message != RAFT_APPEND ||
        r->step.message_term != m->term) {
        return; /* it was of an older term */
    }
    LAW(c, "I6",
        tree_before(r->tip, r->step.prev.index)->bound.index != r->step.prev.index ||
            tree_before(r->tip, r->step.prev.index)->bound.term != r->step.prev.term ||
            r->step.prev.index < r->start->bound.index,
        "replica %" PRIu64 " refuses what follows %" PRIu64 "^%" PRIu32 ", which it has", r->id,
        r->step.prev.index, r->step.prev.term);
    if (want->depth < r->start->depth) {
        want = r->start;
    }
    LAW(c, "I6", is_bound(want, m->reply.hint),
        "replica %" PRIu64 " refuses what follows %" PRIu64 "^%" PRIu32 " with the hint %" PRIu64
        "^%" PRIu32 ", the end of that run is " BOUND,
        r->id, r->step.prev.index, r->step.prev.term, m->reply.hint.index, m->reply.hint.term,
        BOUND_OF(want));
}

static void sent_append_reply(struct check *c, const struct replica *r,
                              const struct raft_message *m, uint64_t after_ticket)
{
    LAW(c, "I6", m->reply.boot == r->boot && m->reply.last == r->tip->bound.index,
        "replica %" PRIu64 " answers for boot %" PRIu32 " with a log up to %" PRIu64
        ", it is boot %" PRIu32 " and " BOUND,
        r->id, m->reply.boot, m->reply.last, r->boot, BOUND_OF(r->tip));
    term_voter(term_of(c, m->term), r->id)->reply_event = c->event;
    if (m->reply.status == RAFT_ACCEPTED) {
        sent_accepted(c, r, m, after_ticket);
    } else if (m->reply.status == RAFT_REJECTED) {
        sent_rejected(c, r, m);
    }
}

void message_sent(struct check *c, struct replica *r, const struct raft_message *m,
                  uint64_t after_ticket)
{
    bool question =
        m->kind == RAFT_PRE_VOTE || (m->kind == RAFT_PRE_VOTE_REPLY && m->vote_reply.granted);

    LAW(c, "state", r->role != RAFT_HALTED, "replica %" PRIu64 " speaks after its end", r->id);
    LAW(c, "identity", m->from == r->id && m->to != r->id && m->to != 0,
        "replica %" PRIu64 " sends from %" PRIu64 " to %" PRIu64, r->id, m->from, m->to);
    LAW(c, "I6",
        question || (m->term == r->term && gated(r, disk_ticket_of_term(r, m->term), after_ticket)),
        "replica %" PRIu64 " speaks in term %" PRIu32 ", its term is %" PRIu32
        ", durable is %" PRIu32,
        r->id, m->term, r->term, r->term_durable);
    LAW(c, "I6", after_ticket <= r->ticket_last,
        "a message waits for ticket %" PRIu64 ", which nobody has given", after_ticket);
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        sent_vote(c, r, m);
        break;
    case RAFT_PRE_VOTE_REPLY:
        sent_pre_vote_reply(c, r, m);
        break;
    case RAFT_VOTE_REPLY:
        sent_vote_reply(c, r, m, after_ticket);
        break;
    case RAFT_APPEND:
        sent_append(c, r, m);
        break;
    case RAFT_APPEND_REPLY:
        sent_append_reply(c, r, m, after_ticket);
        break;
    case RAFT_SNAPSHOT:
    case RAFT_TIMEOUT_NOW: /* perhaps its last word as leader */
        LAW(c, "I6", term_of(c, m->term)->leader == r->id,
            "replica %" PRIu64 " sends a %s and does not lead", r->id, raft_message_name(m->kind));
        if (m->kind == RAFT_SNAPSHOT) {
            snapshot_check(c, r, m->install.snapshot);
        } else {
            sent_order(c, r, m);
        }
        break;
    }
}

void check_leaves(struct check *c, uint64_t replica_id, const struct raft_message *message,
                  uint64_t after_ticket)
{
    struct replica *r = replica_of(c, replica_id);

    line_leaves(c, r, message);
    LAW(c, "I6", r->running && after_ticket <= r->ticket_durable,
        "a message of replica %" PRIu64 " leaves before ticket %" PRIu64 ", durable is %" PRIu64,
        r->id, after_ticket, r->ticket_durable);
    if (message->kind == RAFT_VOTE_REPLY && message->vote_reply.granted) {
        term_vote_left(c, r, message->term, message->to);
    }
}
