/* tests/raft/check_out.c: the actions of the core, judged one by one, in the order they are executed.
 *
 * WHY      Whatever the core does wrong, it does by an action. So each is held against the model before the model
 *          takes it over, and the report names the action that broke the law, not its consequences.
 * ROLE     comes first in a step and names the term that the HARD_STATE behind it will have.
 * OWNER    One checker.
 * FAILURE  I1, I2, I4, I5, I6, I11, I15, identity, fence, election.
 * LIMITS   None.
 */
#include "tests/raft/check_internal.h"

/* -- roles ----------------------------------------------------------------------------------------------- */

/* Who is a voter may lead. So may who was one before a configuration that is not committed: the others perhaps do not
 * have it, and need the log of this one. */
static bool voter(const struct check *c, const struct replica *r)
{
    const struct node *newest = r->tip->configured;
    uint8_t roles = member_roles(member_in_force(c, r), r->id);

    if (newest->depth > r->commit->depth) {
        roles |= member_roles(newest->parent->configured->configuration, r->id);
    }
    return roles & (RAFT_VOTER | RAFT_OUTGOING);
}

static void lead(struct check *c, struct replica *r, uint32_t term)
{
    if (r->role == RAFT_LEADER && r->role_term == term) {
        return; /* said again */
    }
    LAW(c, "I15", voter(c, r), "replica %" PRIu64 " leads and is no voter in its own log", r->id);
    LAW(c, "fence", !r->fenced, "replica %" PRIu64 " leads and is fenced", r->id);
    LAW(c, "I6", r->term_durable == term && r->vote_durable == r->id,
        "replica %" PRIu64 " leads term %" PRIu32 "; durable are term %" PRIu32
        " and a vote for %" PRIu64,
        r->id, term, r->term_durable, r->vote_durable);
    r->lead_run_ms = r->run_ms;
    r->duty.led = c->event;
    term_elected(c, r, term);
}

/* A time-out of E at least, in which no leader was heard; of E and a half by who shall wait for others. */
static void timed_out(struct check *c, struct replica *r)
{
    uint64_t election_ms = c->options.raft->election_ms;
    bool late = r->duty.late && member_late(r->step.configuration, r->id); /* then as now */
    uint64_t least_ms = election_ms + (late ? election_ms / 2 : 0);

    LAW(c, "election",
        r->step.kind != RAFT_IN_TIME || r->duty.orphan || r->now_ms >= r->duty.quiet_ms + least_ms,
        "replica %" PRIu64 " campaigns after %" PRIu64 " ms of silence, it should wait for %" PRIu64
        " ms",
        r->id, r->now_ms - r->duty.quiet_ms, least_ms);
    quiet_from(r, r->now_ms);
}

static void follow(struct check *c, const struct replica *r, const struct raft_out *out)
{
    if (out->role.leader != 0) {
        const struct term_record *t = term_of(c, out->role.term);

        LAW(c, "I1", t->leader == out->role.leader,
            "replica %" PRIu64 " takes %" PRIu64 " for the leader of term %" PRIu32
            ", it is %" PRIu64,
            r->id, out->role.leader, out->role.term, t->leader);
    }
}

static void out_role(struct check *c, struct replica *r, const struct raft_out *out)
{
    LAW(c, "I4", out->role.term >= r->role_term && out->role.term >= r->term,
        "replica %" PRIu64 " goes back from term %" PRIu32 " to %" PRIu32, r->id, r->role_term,
        out->role.term);
    LAW(c, "state", r->role != RAFT_HALTED || out->role.role == RAFT_HALTED,
        "replica %" PRIu64 " lives after its end", r->id);
    switch (out->role.role) {
    case RAFT_LEADER:
        lead(c, r, out->role.term);
        break;
    case RAFT_CANDIDATE:
        LAW(c, "I15", voter(c, r), "replica %" PRIu64 " campaigns and is no voter", r->id);
        LAW(c, "fence", !r->fenced, "replica %" PRIu64 " campaigns and is fenced", r->id);
        break;
    case RAFT_FOLLOWER:
        follow(c, r, out);
        break;
    case RAFT_PRE_CANDIDATE:
        LAW(c, "fence", !r->fenced, "replica %" PRIu64 " campaigns and is fenced", r->id);
        timed_out(c, r);
        break;
    case RAFT_HALTED:
        break;
    }
    if (r->leader != out->role.leader || r->role_term != out->role.term) {
        r->leader_heard_ms = UINT64_MAX;
    }
    r->role = out->role.role;
    r->role_term = out->role.term;
    r->leader = out->role.leader;
}

static bool behind(struct raft_bound a, struct raft_bound b)
{
    return a.term < b.term || (a.term == b.term && a.index < b.index);
}

static void vote(struct check *c, const struct replica *r, const struct raft_out *out)
{
    const struct step *s = &r->step;

    LAW(c, "fence", !r->fenced, "replica %" PRIu64 " votes and is fenced", r->id);
    if (out->hard_state.vote == r->id) {
        return;
    }
    LAW(c, "I1",
        s->kind == RAFT_IN_RECV && s->message == RAFT_VOTE && s->from == out->hard_state.vote &&
            s->message_term == out->hard_state.term,
        "replica %" PRIu64 " votes for %" PRIu64 ", which has not asked", r->id,
        out->hard_state.vote);
    LAW(c, "I3", !behind(s->last, r->tip->bound),
        "replica %" PRIu64 " votes for %" PRIu64 ", whose log ends at %" PRIu64 "^%" PRIu32
        ", its own ends at " BOUND,
        r->id, s->from, s->last.index, s->last.term, BOUND_OF(r->tip));
}

/* Questions for votes that may not move it into their term (thesis 4.2.3, 9.6). */
static void undisturbed(struct check *c, const struct replica *r, uint32_t term)
{
    const struct step *s = &r->step;
    bool vote = s->kind == RAFT_IN_RECV && s->message == RAFT_VOTE && !s->transfer;

    LAW(c, "election", s->kind != RAFT_IN_RECV || s->message != RAFT_PRE_VOTE || term == r->term,
        "the question for a pre-vote takes replica %" PRIu64 " from term %" PRIu32 " to %" PRIu32,
        r->id, r->term, term);
    LAW(c, "election", !vote || term == r->term || !s->protects,
        "%" PRIu64 " asks for a vote and takes replica %" PRIu64 " into term %" PRIu32
        ", whose leader lives",
        s->from, r->id, term);
}

static void out_hard_state(struct check *c, struct replica *r, const struct raft_out *out,
                           const struct check_done *done)
{
    uint32_t term = out->hard_state.term;

    LAW(c, "I4", term >= r->term && term <= RAFT_TERM_MAX,
        "replica %" PRIu64 " goes from term %" PRIu32 " to %" PRIu32, r->id, r->term, term);
    LAW(c, "I1", term > r->term || r->vote == 0 || r->vote == out->hard_state.vote,
        "replica %" PRIu64 " votes twice in term %" PRIu32 ": for %" PRIu64 " and for %" PRIu64,
        r->id, term, r->vote, out->hard_state.vote);
    undisturbed(c, r, term);
    if (out->hard_state.vote != 0 && (term > r->term || r->vote == 0)) {
        vote(c, r, out);
    }
    r->term = term;
    r->vote = out->hard_state.vote;
    disk_push_hard(
        c, r, (struct hard_op){.ticket = done->ticket, .term = term, .vote = out->hard_state.vote});
}

/* -- the log --------------------------------------------------------------------------------------------- */

static void append_cut(struct check *c, const struct replica *r, const struct node *from)
{
    const struct node *first = tree_at_depth(r->tip, from->depth + 1);
    const struct term_record *t = term_of(c, r->term);

    LAW(c, "I5", from->depth >= r->commit->depth,
        "replica %" PRIu64 " cuts its log to " BOUND ", its commit is " BOUND, r->id,
        BOUND_OF(from), BOUND_OF(r->commit));
    LAW(c, "I5", !first->committed || c->may_lose,
        "replica %" PRIu64 " cuts off " BOUND ", which is committed", r->id, BOUND_OF(first));
    LAW(c, "I5", !t->tip || !tree_holds(t->tip, first),
        "replica %" PRIu64 " cuts off " BOUND ", which the leader of term %" PRIu32 " has", r->id,
        BOUND_OF(first), r->term);
}

/* Who is to be counted from now on has caught up: it has what the log had when the change was asked for (thesis 4.2.1). */
static void caught_up(struct check *c, const struct replica *r, const struct node *n,
                      const struct raft_configuration *before)
{
    const struct duty *d = &r->duty;

    for (uint32_t i = 0; i < n->configuration->count; i++) {
        const struct raft_member *m = &n->configuration->members[i];
        const struct replica *other = replica_find(c, m->replica_id);

        LAW(c, "I15",
            !(m->roles & RAFT_VOTER) ||
                (member_roles(before, m->replica_id) & (RAFT_VOTER | RAFT_OUTGOING)) ||
                (other && member_has(c, other, r->term, d->change_event, d->change_tip)),
            "the configuration " BOUND " counts %" PRIu64 ", which has not caught up to " BOUND,
            BOUND_OF(n), m->replica_id, BOUND_OF(d->change_tip));
    }
}

/* C_old,new has the members that were asked for as they were asked for. */
static void entered(struct check *c, const struct replica *r, const struct node *n)
{
    const uint8_t new_side = RAFT_VOTER | RAFT_LEARNER;
    uint8_t all = 0;

    for (uint32_t i = 0; i < n->configuration->count; i++) {
        all |= n->configuration->members[i].roles;
    }
    for (uint32_t i = 0; (all & RAFT_OUTGOING) && i < r->duty.change_to.count; i++) {
        const struct raft_member *m = &r->duty.change_to.members[i];

        LAW(c, "I15", (member_roles(n->configuration, m->replica_id) & new_side) == m->roles,
            "%" PRIu64 " was asked for with roles %u, in the joint configuration " BOUND
            " it has %u",
            m->replica_id, m->roles, BOUND_OF(n), member_roles(n->configuration, m->replica_id));
    }
}

/* At the end of the step: what it commits is said after what it appends. */
void out_settle(struct check *c, struct replica *r)
{
    const struct node *n = r->configured_new;

    if (!n) {
        return;
    }
    const struct node *before = n->parent->configured;
    const char *why = member_step(before->configuration, n->configuration);

    r->configured_new = NULL;

    LAW(c, "I15", before->committed || c->may_lose,
        "the configuration " BOUND " is appended and " BOUND " is not committed", BOUND_OF(n),
        BOUND_OF(before));
    LAW(c, "I15", r->commit->bound.term == r->term,
        "the leader of term %" PRIu32 " appends the configuration " BOUND ", its commit is " BOUND,
        r->term, BOUND_OF(n), BOUND_OF(r->commit));
    LAW(c, "I15", why == NULL, "the configuration " BOUND " after " BOUND ": %s", BOUND_OF(n),
        BOUND_OF(before), why ? why : "");
    if (r->duty.changing && r->role == RAFT_LEADER) {
        caught_up(c, r, n, before->configuration);
        entered(c, r, n);
    }
}

static void append_own(struct check *c, struct replica *r, const struct raft_out *out,
                       const struct check_entry *e)
{
    enum raft_entry_source source = out->append.source;

    LAW(c, "I2", r->role == RAFT_LEADER && r->role_term == r->term && e->bound.term == r->term,
        "replica %" PRIu64 " appends an own entry %" PRIu64 "^%" PRIu32 " in term %" PRIu32
        " and does not lead it",
        r->id, e->bound.index, e->bound.term, r->term);
    LAW(c, "I8", (e->value != 0) == (source == RAFT_ENTRY_PROPOSAL),
        "the entry %" PRIu64 "^%" PRIu32 " is internal and is not", e->bound.index, e->bound.term);
    LAW(c, "I15",
        (source == RAFT_ENTRY_CONFIGURATION) == (e->configuration != NULL) &&
            (!e->configuration || member_same(e->configuration, out->append.configuration)),
        "the entry %" PRIu64 "^%" PRIu32 " is not the configuration", e->bound.index,
        e->bound.term);
    r->step.own_entry = source != RAFT_ENTRY_TERM_START;
    LAW(c, "answer",
        source != RAFT_ENTRY_PROPOSAL || r->step.propose_last == out->append.last.index,
        "proposed was an entry up to %" PRIu64 ", appended is one up to %" PRIu64,
        r->step.propose_last, out->append.last.index);
    LAW(c, "answer",
        source != RAFT_ENTRY_PROPOSAL || r->step.expected_term == 0 ||
            r->step.expected_term == r->term,
        "a proposal for term %" PRIu32 " is taken in term %" PRIu32, r->step.expected_term,
        r->term);
}

static void out_append(struct check *c, struct replica *r, const struct raft_out *out,
                       const struct check_done *done)
{
    bool own = out->append.source != RAFT_ENTRY_MESSAGE;
    struct node *from = tree_at(r->tip, out->append.from), *tip = from;

    LAW(c, "I2",
        from != NULL && from->depth >= r->start->depth && (from == r->tip) == !out->append.truncate,
        "replica %" PRIu64 " appends after %" PRIu64 ", its log is " BOUND " to " BOUND, r->id,
        out->append.from, BOUND_OF(r->start), BOUND_OF(r->tip));
    if (from != r->tip) {
        LAW(c, "I5", !own, "the leader %" PRIu64 " cuts its own log", r->id);
        append_cut(c, r, from);
        r->durable_seen = UINT64_MAX;
    }
    for (uint32_t i = 0; i < done->entry_count; i++) {
        const struct check_entry *e = &done->entries[i];
        size_t before = c->node_count;

        if (own) {
            append_own(c, r, out, e);
        }
        tip = tree_enter(c, tip, e, own);
        if (tip->configuration && c->node_count != before) {
            r->configured_new = tip;
        }
    }
    LAW(c, "I2",
        tip->bound.index == out->append.last.index && tip->bound.term == out->append.last.term,
        "replica %" PRIu64 " has appended up to " BOUND ", said was %" PRIu64 "^%" PRIu32, r->id,
        BOUND_OF(tip), out->append.last.index, out->append.last.term);
    r->tip = tip;
    struct term_record *t = term_of(c, r->term);
    if (own) {
        t->tip = tip;
    }
    LAW(c, "I2", t->tip && tree_holds(t->tip, tip),
        "replica %" PRIu64 " appends " BOUND ", which the leader of term %" PRIu32 " does not have",
        r->id, BOUND_OF(tip), r->term);
    disk_push_log(c, r,
                  (struct log_op){.ticket = done->ticket, .cut = from, .base = from, .tip = tip});
}

static void out_serve(struct check *c, struct replica *r, const struct raft_out *out)
{
    uint32_t term = out->serve.term;

    LAW(c, "I11", r->role == RAFT_LEADER && r->term == term && r->role_term == term,
        "replica %" PRIu64 " serves in term %" PRIu32 " and does not lead it", r->id, term);
    LAW(c, "I11", r->commit->bound.term == term && r->applied->bound.term == term,
        "replica %" PRIu64 " serves in term %" PRIu32 ", committed is " BOUND ", applied " BOUND,
        r->id, term, BOUND_OF(r->commit), BOUND_OF(r->applied));
    LAW(c, "I11", r->served_term < term, "replica %" PRIu64 " serves twice in term %" PRIu32, r->id,
        term);
    r->served_term = term;
}

static void out_configuration(struct check *c, struct replica *r, const struct raft_out *out)
{
    const struct raft_configuration *want = member_in_force(c, r);
    bool committed = out->configuration.index <= r->commit->bound.index;

    LAW(c, "I15",
        out->configuration.index == r->tip->configured->bound.index &&
            member_same(want, out->configuration.configuration),
        "replica %" PRIu64 " says that the configuration %" PRIu64 " is in force, it is " BOUND,
        r->id, out->configuration.index, BOUND_OF(r->tip->configured));
    LAW(c, "I15", out->configuration.committed == committed,
        "replica %" PRIu64 " says that the configuration %" PRIu64 " is %scommitted", r->id,
        out->configuration.index, out->configuration.committed ? "" : "not ");
    r->lead_run_ms = r->run_ms;
    r->duty.told = r->tip->configured;
    r->duty.told_committed = committed;
}

static void out_unfenced(struct check *c, struct replica *r)
{
    LAW(c, "fence", r->fenced, "replica %" PRIu64 " was not fenced", r->id);
    LAW(c, "fence", tree_holds(r->tip_durable, r->fence_need) || c->may_lose,
        "replica %" PRIu64 " has not caught up: it has durably " BOUND ", it lacks " BOUND, r->id,
        BOUND_OF(r->tip_durable), BOUND_OF(r->fence_need));
    r->fenced = false;
}

/* -- all of them ----------------------------------------------------------------------------------------- */

static void out_rare(struct check *c, struct replica *r, const struct raft_out *out)
{
    if (out->kind == RAFT_OUT_UNFENCED) {
        out_unfenced(c, r);
    } else if (out->kind == RAFT_OUT_SUSPECT) {
        const struct replica *other = replica_find(c, out->suspect.replica_id);
        LAW(c, "state", other && other->lost.len > 0,
            "replica %" PRIu64 " suspects %" PRIu64 ", which has lost nothing", r->id,
            out->suspect.replica_id);
    } else if (out->kind == RAFT_OUT_FATAL) {
        LAW(c, "state", c->may_lose, "replica %" PRIu64 " gives up: %s", r->id, out->fatal.why);
        r->role = RAFT_HALTED;
    } else {
        answer_out(c, r, out);
    }
}

/* What is for another changes nothing. But a relaxed append may be durable as soon as it has its ticket: then its leader
 * commits it in the next step, whatever that is. */
static bool may_act(const struct check *c, const struct replica *r)
{
    return !r->step.foreign || (c->options.raft->relaxed && r->role == RAFT_LEADER);
}

void check_out(struct check *c, uint64_t replica_id, const struct raft_out *out,
               const struct check_done *done)
{
    struct replica *r = replica_of(c, replica_id);

    c->event++;
    line_out(c, r, out, done);
    LAW(c, "identity", may_act(c, r), "replica %" PRIu64 " acts on a message to %" PRIu64, r->id,
        r->step.to);
    if (out->kind == RAFT_OUT_ROLE) {
        out_role(c, r, out);
    } else if (out->kind == RAFT_OUT_HARD_STATE) {
        out_hard_state(c, r, out, done);
    } else if (out->kind == RAFT_OUT_APPEND) {
        out_append(c, r, out, done);
    } else if (out->kind == RAFT_OUT_INSTALL) {
        snapshot_install(c, r, out->install.snapshot, done);
    } else if (out->kind == RAFT_OUT_SEND) {
        message_sent(c, r, &out->send.message, out->send.after_ticket);
    } else if (out->kind == RAFT_OUT_COMMIT) {
        struct node *n = tree_at(r->tip, out->commit.index);
        LAW(c, "I3", n != NULL, "replica %" PRIu64 " commits %" PRIu64 ", its log ends at " BOUND,
            r->id, out->commit.index, BOUND_OF(r->tip));
        term_commit(c, r, n);
    } else if (out->kind == RAFT_OUT_CONFIGURATION) {
        out_configuration(c, r, out);
    } else if (out->kind == RAFT_OUT_SERVE) {
        out_serve(c, r, out);
    } else {
        out_rare(c, r, out);
    }
}
