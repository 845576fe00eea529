/* tests/raft/check_disk.c: what of a replica survives a loss of power.
 *
 * WHY      Nearly every law speaks of what is durable, and the core's own opinion of that is what is to be checked.
 * MODEL    A disk is a list of operations, each with its ticket: the log's end and the hard state after it. Those up to
 *          the newest durable ticket are folded into tip_durable and term_durable. What a crash leaves of the others
 *          is any number of the first ones, and the next one in part: cut, but not yet appended, or appended in part.
 * OWNER    One checker.
 * FAILURE  I6 when a ticket goes back; H2 and H7 are laws of the host and end the world by the name "host".
 * LIMITS   The lists are as long as the disk is behind.
 */
#include "base/mem.h"
#include "tests/raft/check_internal.h"

static size_t log_count(const struct replica *r)
{
    return r->log_ops.len;
}

static const struct log_op *log_op(const struct replica *r, size_t at)
{
    return &((const struct log_op *)r->log_ops.at)[at];
}

static const struct hard_op *hard_op(const struct replica *r, size_t at)
{
    return &((const struct hard_op *)r->hard_ops.at)[at];
}

uint64_t disk_ticket_of_term(const struct replica *r, uint32_t term)
{
    if (MAX(r->term_durable, r->term_log) >= term) {
        return 0;
    }
    for (size_t i = 0; i < r->hard_ops.len; i++) {
        if (hard_op(r, i)->term >= term) {
            return hard_op(r, i)->ticket;
        }
    }
    return UINT64_MAX;
}

uint64_t disk_ticket_of_vote(const struct replica *r, uint32_t term, uint64_t vote)
{
    if (r->term_durable > term || (r->term_durable == term && r->vote_durable == vote)) {
        return 0;
    }
    for (size_t i = 0; i < r->hard_ops.len; i++) {
        if (hard_op(r, i)->term == term && hard_op(r, i)->vote == vote) {
            return hard_op(r, i)->ticket;
        }
    }
    return UINT64_MAX;
}

/* `n` is in the log: the last operation that wrote this far is the one that wrote it. */
uint64_t disk_ticket_of_entry(const struct replica *r, const struct node *n)
{
    for (size_t i = log_count(r); i > 0; i--) {
        const struct log_op *op = log_op(r, i - 1);

        if (op->base->depth < n->depth && n->depth <= op->tip->depth) {
            return op->ticket;
        }
    }
    return tree_holds(r->tip_durable, n) ? 0 : UINT64_MAX;
}

bool disk_had(const struct replica *r, const struct node *n)
{
    if (tree_holds(r->tip_durable, n)) {
        return true;
    }
    for (size_t i = 0; i < r->lost.len; i++) {
        if (tree_holds(((struct node *const *)r->lost.at)[i], n)) {
            return true;
        }
    }
    return false;
}

static void fold(struct replica *r)
{
    size_t logs = 0, hards = 0;

    while (logs < log_count(r) && log_op(r, logs)->ticket <= r->ticket_durable) {
        r->tip_durable = log_op(r, logs++)->tip;
    }
    vec_shift(&r->log_ops, logs, sizeof(struct log_op));
    while (hards < r->hard_ops.len && hard_op(r, hards)->ticket <= r->ticket_durable) {
        r->term_durable = hard_op(r, hards)->term;
        r->vote_durable = hard_op(r, hards++)->vote;
    }
    vec_shift(&r->hard_ops, hards, sizeof(struct hard_op));
}

/* In relaxed mode an append may get a ticket that is durable already, older than that of a hard state before it. */
static void take_ticket(struct check *c, struct replica *r, uint64_t ticket, uint64_t least)
{
    LAW(c, "host", ticket != 0 && ticket >= least,
        "ticket %" PRIu64 " of replica %" PRIu64 " after ticket %" PRIu64, ticket, r->id, least);
    r->ticket_last = MAX(r->ticket_last, ticket);
}

void disk_push_log(struct check *c, struct replica *r, struct log_op op)
{
    take_ticket(c, r, op.ticket, c->options.raft->relaxed ? r->ticket_last_log : r->ticket_last);
    r->ticket_last_log = op.ticket;
    *(struct log_op *)vec_push(&r->log_ops, sizeof(op)) = op;
    fold(r);
}

void disk_push_hard(struct check *c, struct replica *r, struct hard_op op)
{
    take_ticket(c, r, op.ticket, r->ticket_last);
    *(struct hard_op *)vec_push(&r->hard_ops, sizeof(op)) = op;
    fold(r);
}

void check_durable(struct check *c, uint64_t replica_id, uint64_t ticket)
{
    struct replica *r = replica_of(c, replica_id);

    line_plain(c, LINE_DURABLE, r, ticket, 0);
    r->ticket_durable = MAX(r->ticket_durable, ticket);
    fold(r);
}

void check_stopped(struct check *c, uint64_t replica_id, bool lossy)
{
    struct replica *r = replica_of(c, replica_id);

    line_plain(c, LINE_STOP, r, lossy, 0);
    r->running = false;
    r->lossy = r->lossy || lossy;
}

/* -- a start --------------------------------------------------------------------------------------------- */

static bool between(const struct log_op *op, const struct node *tip)
{
    return tree_holds(tip, op->cut) && tree_holds(op->tip, tip);
}

/* May the log end at `tip` after the crash? */
static bool recovered(const struct replica *r, const struct node *tip)
{
    if (tip == r->tip_durable) {
        return true;
    }
    for (size_t i = 0; i < log_count(r); i++) {
        if (between(log_op(r, i), tip)) {
            return true;
        }
    }
    return r->lossy;
}

static bool recovered_hard(const struct replica *r, uint32_t term, uint64_t vote)
{
    if (term == r->term_durable && vote == r->vote_durable) {
        return true;
    }
    for (size_t i = 0; i < r->hard_ops.len; i++) {
        if (hard_op(r, i)->term == term && hard_op(r, i)->vote == vote) {
            return true;
        }
    }
    return false;
}

static void start_log(struct check *c, struct replica *r, const struct raft_start *start)
{
    struct node *tip = tree_find(c, start->last);

    LAW(c, "host", tip && recovered(r, tip),
        "replica %" PRIu64 " starts with a log that ends at %" PRIu64 "^%" PRIu32
        "; durable was " BOUND,
        r->id, start->last.index, start->last.term, BOUND_OF(r->tip_durable));
    if (r->lossy && !tree_holds(tip, r->tip_durable)) {
        *(struct node **)vec_push(&r->lost, sizeof(struct node *)) = r->tip_durable;
    }
    r->tip = r->tip_durable = tip;
    r->start = tree_at(tip, start->start.index);
    r->commit = tree_at(tip, start->commit);
    LAW(c, "host", r->start && r->start->bound.term == start->start.term && r->commit,
        "replica %" PRIu64 " starts with a log from %" PRIu64 "^%" PRIu32 " and commit %" PRIu64
        ", which are no bounds",
        r->id, start->start.index, start->start.term, start->commit);
    LAW(c, "I3", (r->commit->committed && r->start->committed) || c->may_lose,
        "replica %" PRIu64 " starts with commit " BOUND " and log start " BOUND
        ", committed is " BOUND,
        r->id, BOUND_OF(r->commit), BOUND_OF(r->start), BOUND_OF(c->committed));
    r->applied = r->start;
}

/* The only voter has nobody to catch up with: it goes on with what it has, and may have lost the rest. */
static bool alone(const struct raft_start *s)
{
    bool settled = s->configuration_index <= s->commit || !s->previous || s->previous->count <= 1;

    return settled && s->configuration->count == 1 &&
           s->configuration->members[0].replica_id == s->replica_id;
}

/* What a replica may have helped to commit before this start: nothing of a term that its hard state does not know. */
static struct node *fence_need(const struct check *c, const struct raft_start *start)
{
    struct node *n = c->committed;

    while (n->bound.term > MAX(start->term, start->last.term)) {
        n = n->parent;
    }
    return n;
}

static void start_fence(struct check *c, struct replica *r, const struct raft_start *start)
{
    LAW(c, "fence", start->fenced || start->damaged || !(r->fenced || r->lossy),
        "replica %" PRIu64 " starts without a fence after an unclean end", r->id);
    r->fenced = start->damaged || (start->fenced && !alone(start));
    if (start->fenced && !r->fenced && !tree_holds(r->tip, c->committed)) {
        LAW(c, "fence", r->tip->configured == c->committed->configured || c->may_lose,
            "replica %" PRIu64 " goes on alone after an unclean end, in force is " BOUND
            " with %" PRIu32 " members",
            r->id, BOUND_OF(c->committed->configured),
            c->committed->configured->configuration->count);
        c->may_lose = true;
    }
    r->lossy = false;
    r->fence_need = fence_need(c, start);
}

static void start_reset(struct replica *r, const struct raft_start *start)
{
    r->running = true;
    r->knows_initial = start->configuration->count > 0; /* an installation may be undone */
    r->role = RAFT_FOLLOWER;
    r->boot = start->boot;
    r->term_durable = start->term;
    r->vote_durable = start->vote;
    r->term_log = start->last.term; /* a log may be durable before the term it is of */
    r->term = r->role_term = MAX(start->term, start->last.term);
    r->vote = r->term > start->term ? 0 : start->vote;
    r->leader = 0;
    r->served_term = 0;
    r->target_count = 0;
    r->ticket_last_log = 0;
    /* What is older is durable now, or gone. */
    r->ticket_durable = MAX(r->ticket_durable, r->ticket_last);
    r->log_ops.len = r->hard_ops.len = r->asks.len = r->heard.len = 0;
    r->now_ms = start->now_ms;
    r->configured_new = NULL;
    r->leader_heard_ms = UINT64_MAX;
    r->configured_seen = NULL;
    r->durable_seen = UINT64_MAX;
}

void check_started(struct check *c, const struct raft_start *start)
{
    struct replica *r = replica_find(c, start->replica_id);

    c->now_ms = MAX(c->now_ms, start->now_ms);
    if (!r) {
        r = replica_of(c, start->replica_id);
    }
    line_plain(c, LINE_START, r, start->last.index, start->term);
    LAW(c, "host", !r->running && start->boot > r->boot,
        "replica %" PRIu64 " starts with boot %" PRIu32 " after boot %" PRIu32, r->id, start->boot,
        r->boot);
    LAW(c, "I6", recovered_hard(r, start->term, start->vote),
        "replica %" PRIu64 " starts in term %" PRIu32 " with a vote for %" PRIu64
        "; durable were term %" PRIu32 " and %" PRIu64,
        r->id, start->term, start->vote, r->term_durable, r->vote_durable);
    start_log(c, r, start);
    start_fence(c, r, start);
    start_reset(r, start);
}
