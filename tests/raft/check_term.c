/* tests/raft/check_term.c: who voted for whom, who led, and what that committed.
 *
 * WHY      Safety of Raft is three sentences: one leader per term, by votes of majorities that meet; what a leader
 *          counts as committed is on such a majority; so every later leader has it. Each is checked where it happens,
 *          from what left the replicas and from what their disks hold, not from what they believe.
 * COMMIT   Only a leader makes new commits, and only up to an entry of its own term (paper section 5.4.2, figure 8).
 *          Everybody else follows: what a follower commits has been committed.
 * OWNER    One checker.
 * FAILURE  I1, I3, I4.
 * LIMITS   One record per term that anyone voted, led or answered in.
 */
#include "base/mem.h"
#include "tests/raft/check_internal.h"

enum { TERM_CAP_FIRST = 64 };

static size_t slot_of(const struct check *c, uint32_t term)
{
    size_t at = (size_t)(term * 0x9e3779b1u) & (c->term_cap - 1);

    while (c->terms[at] && c->terms[at]->term != term) {
        at = (at + 1) & (c->term_cap - 1);
    }
    return at;
}

static void grow(struct check *c)
{
    struct term_record **old = c->terms;
    size_t old_cap = c->term_cap;

    c->term_cap = old_cap ? 2 * old_cap : TERM_CAP_FIRST;
    c->terms = (struct term_record **)mem_zalloc(c->term_cap, sizeof(*c->terms));
    ASSERT(c->terms != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i]) {
            c->terms[slot_of(c, old[i]->term)] = old[i];
        }
    }
    mem_free((void *)old);
}

struct term_record *term_of(struct check *c, uint32_t term)
{
    if (2 * (c->term_count + 1) > c->term_cap) {
        grow(c);
    }
    size_t at = slot_of(c, term);
    if (!c->terms[at]) {
        c->terms[at] = ARENA_NEW(&c->arena, struct term_record);
        ASSERT(c->terms[at] != NULL);
        c->terms[at]->term = term;
        c->term_count++;
    }
    return c->terms[at];
}

struct voter *term_voter(struct term_record *t, uint64_t replica_id)
{
    struct voter *all = t->voters.at;

    for (size_t i = 0; i < t->voters.len; i++) {
        if (all[i].replica_id == replica_id) {
            return &all[i];
        }
    }
    struct voter *v = vec_push(&t->voters, sizeof(struct voter));
    v->replica_id = replica_id;
    return v;
}

void term_vote_left(struct check *c, const struct replica *r, uint32_t term, uint64_t candidate)
{
    struct voter *v = term_voter(term_of(c, term), r->id);

    LAW(c, "I1", v->granted_to == 0 || v->granted_to == candidate,
        "replica %" PRIu64 " has told %" PRIu64 " and %" PRIu64
        " that they have its vote in term %" PRIu32,
        r->id, v->granted_to, candidate, term);
    v->granted_to = candidate;
}

/* -- elections ------------------------------------------------------------------------------------------- */

struct poll {
    struct term_record *term;
    uint64_t candidate, event;
};

static bool granted(const void *context, uint64_t replica_id)
{
    const struct poll *p = context;

    return replica_id == p->candidate ||
           term_voter(p->term, replica_id)->granted_to == p->candidate;
}

static void leaders_add(struct check *c, struct term_record *t)
{
    struct term_record **at = &c->leaders;

    while (*at && (*at)->term > t->term) {
        at = &(*at)->older;
    }
    t->older = *at;
    *at = t;
    c->leader_count++;
}

/* What leaders of earlier terms have committed. One of a later term may have been elected before this one, whose votes
 * took their time: what that committed nobody promised. */
static const struct node *committed_before(const struct check *c, uint32_t term)
{
    for (const struct term_record *t = c->leaders; t; t = t->older) {
        if (t->term < term && t->committed) {
            return t->committed;
        }
    }
    return c->root;
}

void term_elected(struct check *c, struct replica *r, uint32_t term)
{
    struct term_record *t = term_of(c, term);
    struct poll poll = {.term = t, .candidate = r->id};
    const struct node *before = committed_before(c, term);

    LAW(c, "I1", t->leader == 0, "term %" PRIu32 " has two leaders, %" PRIu64 " and %" PRIu64, term,
        t->leader, r->id);
    LAW(c, "I1", member_majority(member_in_force(c, r), granted, &poll),
        "replica %" PRIu64 " leads term %" PRIu32 " without the votes of a majority", r->id, term);
    LAW(c, "I3", tree_holds(r->tip, before) || c->may_lose,
        "replica %" PRIu64 " leads term %" PRIu32 ", its log ends at " BOUND
        " and lacks what earlier leaders have committed, up to " BOUND,
        r->id, term, BOUND_OF(r->tip), BOUND_OF(before));
    term_voter(t, r->id)->granted_to = r->id;
    t->leader = r->id;
    t->elected = t->tip = r->tip;
    leaders_add(c, t);
}

static bool confirmed(const void *context, uint64_t replica_id)
{
    const struct poll *p = context;

    return replica_id == p->candidate || term_voter(p->term, replica_id)->reply_event > p->event;
}

bool term_confirmed(struct check *c, const struct replica *r,
                    const struct raft_configuration *configuration, uint64_t event)
{
    struct poll poll = {.term = term_of(c, r->term), .candidate = r->id, .event = event};

    return member_majority(configuration, confirmed, &poll);
}

/* -- commits --------------------------------------------------------------------------------------------- */

struct count {
    struct check *check;
    const struct node *entry;
};

static bool durable(const void *context, uint64_t replica_id)
{
    const struct count *k = context;
    const struct replica *r = replica_find(k->check, replica_id);

    return r && disk_had(r, k->entry);
}

static void mark(struct check *c, struct node *n)
{
    struct node *old = c->committed;

    for (struct node *at = n; !at->committed; at = at->parent) {
        at->committed = true;
    }
    for (uint32_t depth = old->depth + 1; depth <= n->depth; depth++) {
        history_committed(c, tree_at_depth(n, depth));
    }
    c->committed = n;
}

/* The first time that anyone says so. A leader that goes in the same step has said first that it goes. */
static void commit_new(struct check *c, const struct replica *r, struct node *n)
{
    struct count count = {.check = c, .entry = n};
    const struct raft_configuration *counting = member_in_force(c, r);

    if (r->configured_new) { /* appended in this step, after it had counted */
        counting = r->configured_new->parent->configured->configuration;
    }

    LAW(c, "I3", (r->role == RAFT_LEADER || r->step.led) && r->role_term == r->term,
        "replica %" PRIu64 " commits " BOUND ", no leader has; committed is " BOUND, r->id,
        BOUND_OF(n), BOUND_OF(c->committed));
    LAW(c, "I3", n->bound.term == r->term,
        "the leader of term %" PRIu32 " commits " BOUND ", which is of an older term", r->term,
        BOUND_OF(n));
    LAW(c, "I3", tree_holds(n, c->committed),
        "the leader of term %" PRIu32 " commits " BOUND ", committed before was " BOUND, r->term,
        BOUND_OF(n), BOUND_OF(c->committed));
    LAW(c, "I3", member_majority(counting, durable, &count),
        "the leader of term %" PRIu32 " commits " BOUND ", which is not durable on a majority",
        r->term, BOUND_OF(n));
    for (const struct term_record *t = c->leaders; t && t->term > r->term; t = t->older) {
        LAW(c, "I3", tree_holds(t->elected, n),
            "the leader of term %" PRIu32 " commits " BOUND ", the leader of term %" PRIu32
            " does not have it",
            r->term, BOUND_OF(n), t->term);
    }
    mark(c, n);
}

void term_commit(struct check *c, struct replica *r, struct node *n)
{
    LAW(c, "I4", n->depth >= r->commit->depth,
        "the commit index of replica %" PRIu64 " goes back from " BOUND " to " BOUND, r->id,
        BOUND_OF(r->commit), BOUND_OF(n));
    if (!n->committed && !c->may_lose) {
        commit_new(c, r, n);
    }
    if (r->role == RAFT_LEADER || r->step.led) {
        term_of(c, r->role_term)->committed = n;
    }
    r->commit = n;
}
