/* raft/election.c: who leads (paper section 5.2, thesis 9.6, 4.2.3, 3.10).
 *
 * WHY      A follower that hears no leader for E..2E asks whether it would be elected (pre-vote) before it disturbs
 *          anyone with a new term. A leader that does not hear a majority for E goes by itself (check-quorum). Both
 *          together keep a member that was cut off or removed from deposing a leader that works.
 * STATES   FOLLOWER -timeout-> PRE_CANDIDATE -majority would-> CANDIDATE (term + 1) -majority votes-> LEADER
 *          any -higher term-> FOLLOWER; PRE_CANDIDATE, CANDIDATE -leader heard, or lost-> FOLLOWER
 * VOTES    A candidate's own vote counts when it is durable, like all others (I6): else it could vote twice in a term.
 * OWNER    The replica.
 * FAILURE  A lost vote is not repeated: the next time-out asks again, with another jitter.
 * LIMITS   Nobody campaigns for a term above RAFT_TERM_MAX.
 */
#include "raft/raft_internal.h"

/* splitmix64. */
static uint64_t next_random(struct raft *r)
{
    uint64_t z = (r->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* E..2E; where voters differ in priority, the highest share the first half of that and the others the second. */
void raft_election_reset(struct raft *r)
{
    uint64_t election_ms = r->options->election_ms, from = 0, to = election_ms;
    uint8_t own = 0, highest = 0, lowest = UINT8_MAX;

    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        if (p->roles[LATEST] & (RAFT_VOTER | RAFT_OUTGOING)) {
            highest = MAX(highest, p->priority[LATEST]);
            lowest = MIN(lowest, p->priority[LATEST]);
        }
        if (p->replica_id == r->replica_id) {
            own = p->priority[LATEST];
        }
    }
    if (lowest < highest) {
        from = own == highest ? 0 : election_ms / 2;
        to = own == highest ? election_ms / 2 : election_ms;
    }
    r->election_at_ms = r->now_ms + election_ms + from + next_random(r) % (to - from);
}

bool raft_promotable(const struct raft *r)
{
    return raft_may_lead(r) && !r->fenced && r->term < RAFT_TERM_MAX;
}

bool raft_sticky(const struct raft *r)
{
    return r->role == RAFT_LEADER ||
           (r->leader != 0 && r->now_ms - r->heard_at_ms < r->options->election_ms);
}

static void leadership_lost(struct raft *r)
{
    r->serving = false;
    raft_barrier_lost(r);
    raft_change_lost(r);
    if (r->transfer_to != 0) {
        raft_transfer_end(r, RAFT_LOST);
    }
    raft_election_reset(r);
}

void raft_become_follower(struct raft *r, uint32_t term, uint64_t leader)
{
    ASSERT(term >= r->term);
    if (r->role == RAFT_LEADER) {
        leadership_lost(r);
    }
    if (term > r->term) {
        r->term = term;
        r->vote = 0;
        raft_pend(r, PENDING_HARD_STATE);
        raft_pend(r, PENDING_ROLE);
    }
    if (r->role != RAFT_FOLLOWER || r->leader != leader) {
        raft_say(r, "%s -> follower of %" PRIu64 ", term %u", raft_role_name(r->role), leader,
                 r->term);
        raft_pend(r, PENDING_ROLE);
    }
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
}

static void become_leader(struct raft *r)
{
    raft_say(r, "%s -> leader, term %u", raft_role_name(r->role), r->term);
    r->role = RAFT_LEADER;
    r->leader = r->replica_id;
    r->round = r->round_ticket = r->waiting_ticket = 0;
    r->beat_at_ms = r->now_ms + r->options->beat_ms;
    r->quorum_at_ms = r->now_ms + r->options->election_ms;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        raft_progress_reset(r, &r->peers[i]);
    }
    raft_append_own(r, RAFT_ENTRY_TERM_START);
    r->term_start = r->last.index;
    raft_pend(r, PENDING_ROLE);
}

static uint64_t granted(const struct raft *r, const struct raft_peer *p)
{
    (void)r;
    return p->granted;
}

static uint64_t not_refused(const struct raft *r, const struct raft_peer *p)
{
    (void)r;
    return !p->refused;
}

static void ask_for_votes(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        bool self = p->replica_id == r->replica_id;

        p->granted = p->refused = false;
        p->send_now = false;
        p->send_vote = !self && (p->roles[LATEST] & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
        if (self && r->role == RAFT_PRE_CANDIDATE) {
            p->granted = true;
        }
    }
    raft_pend(r, PENDING_ROLE);
    raft_pend(r, PENDING_PEERS);
}

static void become_candidate(struct raft *r)
{
    r->role = RAFT_CANDIDATE;
    r->leader = 0;
    r->term++;
    r->vote = r->replica_id;
    raft_say(r, "-> candidate, term %u", r->term);
    raft_pend(r, PENDING_HARD_STATE);
    ask_for_votes(r);
}

void raft_campaign(struct raft *r, bool transfer)
{
    ASSERT(r->role != RAFT_LEADER && raft_promotable(r));
    raft_election_reset(r);
    r->transfer_vote = transfer;
    if (transfer) {
        become_candidate(r);
        return;
    }
    r->role = RAFT_PRE_CANDIDATE;
    r->leader = 0;
    raft_say(r, "-> pre_candidate for term %u", r->term + 1);
    ask_for_votes(r);
    raft_votes_count(r);
}

void raft_votes_count(struct raft *r)
{
    struct raft_peer *self = raft_peer_find(r, r->replica_id);

    ASSERT(self); /* who campaigns is a member */
    if (r->role == RAFT_CANDIDATE && r->hard_durable && !raft_pends(r, PENDING_HARD_STATE)) {
        self->granted = true;
    }
    if (raft_quorum(r, granted) == 1) {
        if (r->role == RAFT_PRE_CANDIDATE) {
            become_candidate(r);
        } else {
            become_leader(r);
        }
    } else if (raft_quorum(r, not_refused) == 0) {
        raft_say(r, "not elected");
        raft_become_follower(r, r->term, 0);
    }
}

static uint64_t heard(const struct raft *r, const struct raft_peer *p)
{
    return p->heard || p->replica_id == r->replica_id;
}

/* Thesis 6.2: a leader that cannot reach a majority goes, so that its clients look elsewhere. */
void raft_check_quorum(struct raft *r)
{
    if (raft_quorum(r, heard) == 0) {
        raft_say(r, "no majority heard");
        raft_become_follower(r, r->term, 0);
        return;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].heard = false;
    }
    r->quorum_at_ms = r->now_ms + r->options->election_ms;
}
