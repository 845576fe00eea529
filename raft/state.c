/* raft/state.c: the state as such: its memory, the marks of what is pending, and what always holds.
 *
 * WHY      What all chapters stand on, and nothing else: it calls none of them.
 * HOW      An action that is due is a bit in r->pending, made when the host asks for it; a second reason for the same
 *          action in a step sets the same bit.
 * OWNER    The replica.
 * FAILURE  A state that should not be is a mistake of ours or a broken promise of the host: asserted after every step.
 *          What a peer asks for and would break safety ends the replica (fatal), not the process.
 * LIMITS   RAFT_MEMBER_MAX peers, RAFT_TICKET_MAX tickets; 1 KiB in a group of three.
 */
#include "raft/raft_internal.h"

static_assert(sizeof(struct raft) + 3 * sizeof(struct raft_peer) <= 1024,
              "1 KiB per replica of three");

size_t raft_size(uint32_t member_max)
{
    ASSERT(member_max >= 1 && member_max <= RAFT_MEMBER_MAX);
    return sizeof(struct raft) + member_max * sizeof(struct raft_peer);
}

uint32_t raft_member_max(const struct raft *r)
{
    return r->member_max;
}

struct raft *raft_move(struct raft *r, void *memory, uint32_t member_max)
{
    ASSERT(r->pending == 0 && member_max >= r->peer_count);
    memmove(memory, r, sizeof(struct raft) + r->peer_count * sizeof(struct raft_peer));
    r = memory;
    r->member_max = (uint8_t)member_max;
    return r;
}

void raft_pend(struct raft *r, enum raft_pending what)
{
    r->pending |= 1u << what;
}

bool raft_pends(const struct raft *r, enum raft_pending what)
{
    return (r->pending & 1u << what) != 0;
}

void raft_fatal(struct raft *r, const char *why)
{
    raft_say(r, "fatal: %s", why);
    r->role = RAFT_HALTED;
    r->leader = 0;
    r->serving = false;
    r->why = why;
    r->pending = 1u << PENDING_ROLE | 1u << PENDING_FATAL;
}

/* -- what every step leaves true, whatever it was told ---------------------------------------------------- */

static void check_peers(const struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        ASSERT(p->durable <= p->match && p->match <= r->last.index);
        ASSERT(p->state == RAFT_SNAPSHOTTING || (p->match <= p->sent && p->sent <= r->last.index));
        ASSERT(p->sent_bytes >= p->answered_bytes && p->round <= r->round);
    }
}

void raft_check_state(const struct raft *r)
{
    ASSERT(r->start.index <= r->commit && r->commit <= r->last.index);
    ASSERT(r->start.term <= r->last.term && r->last.term <= r->term);
    ASSERT(r->durable <= r->last.index && r->applied <= r->commit);
    ASSERT(r->configuration_index[PREVIOUS] <= r->configuration_index[LATEST]);
    ASSERT(r->configuration_index[LATEST] <= r->last.index);
    ASSERT((r->role == RAFT_LEADER) == (r->leader == r->replica_id));
    if (r->role == RAFT_LEADER) {
        ASSERT(!r->fenced && r->last.term == r->term && r->term_start <= r->last.index);
        ASSERT(!r->serving || (r->commit >= r->term_start && r->applied >= r->term_start));
        check_peers(r);
    } else {
        ASSERT(!r->serving && !r->changing && r->transfer_to == 0);
        ASSERT(r->round_ticket == 0 && r->waiting_ticket == 0);
    }
}
