/* raft/barrier.c: the read barrier (thesis 6.4): an index such that reads of what is applied there are linearizable.
 *
 * WHY      A leader may have been deposed without knowing. No clock is asked (P6): a majority must answer an append
 *          that was sent after the barrier was asked for.
 * HOW      Appends carry a round number, answers repeat it. One round is under way for all barriers that were asked
 *          before it began; those that come meanwhile wait for the next. The index is the commit index when the round
 *          begins, and a round begins only when an entry of the own term is committed: before that, the commit index
 *          may lack what an earlier leader committed.
 * OWNER    A leader.
 * FAILURE  With the leadership all barriers end, without an index.
 * LIMITS   Two sets of barriers, each known by its newest ticket: any number of barriers in four words.
 */
#include "raft/raft_internal.h"

static void answer(struct raft *r, uint64_t ticket, uint64_t index, bool ok)
{
    raft_say(r, "barrier %" PRIu64 ": %s at %" PRIu64, ticket, ok ? "passed" : "lost", index);
    r->barrier_ticket = ticket;
    r->barrier_index = index;
    r->barrier_ok = ok;
    raft_pend(r, PENDING_BARRIER);
}

void raft_barrier(struct raft *r)
{
    uint64_t ticket = r->in->barrier.ticket;

    if (r->role != RAFT_LEADER) {
        answer(r, ticket, 0, false);
        return;
    }
    ASSERT(ticket >= r->waiting_ticket);
    r->waiting_ticket = ticket;
}

void raft_barrier_lost(struct raft *r)
{
    uint64_t ticket = MAX(r->round_ticket, r->waiting_ticket);

    if (ticket != 0) {
        answer(r, ticket, 0, false);
    }
    r->round_ticket = r->waiting_ticket = 0;
}

static uint64_t round_of(const struct raft *r, const struct raft_peer *p)
{
    return p->replica_id == r->replica_id ? r->round : p->round;
}

static void begin_round(struct raft *r)
{
    r->round++;
    r->round_ticket = r->waiting_ticket;
    r->round_index = r->commit;
    r->waiting_ticket = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].send_beat = true;
    }
}

static void end_round(struct raft *r)
{
    if (r->round_ticket != 0 && raft_quorum(r, round_of) >= r->round) {
        answer(r, r->round_ticket, r->round_index, true);
        r->round_ticket = 0;
    }
}

void raft_barrier_drive(struct raft *r)
{
    end_round(r);
    if (r->round_ticket == 0 && r->waiting_ticket != 0 && r->commit >= r->term_start) {
        begin_round(r);
        end_round(r); /* a leader that is the only voter */
    }
}
