/* raft/transfer.c: handing leadership over (thesis 3.10), also by a leader that is no member any more (4.2.2).
 *
 * WHY      A planned change of leader shall cost a round trip, not an election time-out.
 * HOW      No new entries; when the target's log is as long as ours, it is told to campaign at once, again at each beat.
 *          It asks for votes in a new term, which deposes us. After E without that, all goes on as before.
 * OWNER    A leader.
 * FAILURE  Ends in all cases within E, with an answer; proposals are never left blocked.
 */
#include "raft/raft_internal.h"

void raft_transfer_end(struct raft *r, enum raft_reason reason)
{
    raft_say(r, "transfer: %s", raft_reason_name(reason));
    r->transfer_to = 0;
    r->transfer_reason = (uint8_t)reason;
    raft_pend(r, PENDING_TRANSFER);
}

void raft_transfer_drive(struct raft *r, struct raft_peer *p)
{
    if (r->transfer_to == p->replica_id && p->match == r->last.index) {
        raft_say(r, "tell %" PRIu64 " to campaign", p->replica_id);
        p->send_now = true;
    }
}

static void refuse(struct raft *r, enum raft_reason reason)
{
    raft_say(r, "transfer: %s", raft_reason_name(reason));
    r->transfer_reason = (uint8_t)reason;
    raft_pend(r, PENDING_TRANSFER);
}

void raft_transfer(struct raft *r)
{
    uint64_t to = r->in->transfer.to;
    struct raft_peer *p = raft_peer_find(r, to);

    if (r->role != RAFT_LEADER) {
        refuse(r, RAFT_NOT_LEADER);
    } else if (!p || !(p->roles[LATEST] & RAFT_VOTER)) {
        refuse(r, RAFT_INVALID);
    } else if (to == r->replica_id) {
        refuse(r, RAFT_DONE);
    } else if (r->transfer_to != 0) {
        refuse(r, RAFT_TRANSFERRING);
    } else {
        raft_say(r, "transfer to %" PRIu64, to);
        r->transfer_to = to;
        r->transfer_at_ms = r->now_ms + r->options->election_ms;
        raft_transfer_drive(r, p);
    }
}

void raft_retire(struct raft *r)
{
    struct raft_peer *best = NULL;

    if (raft_is_voter(r) || r->configuration_index[LATEST] > r->commit) {
        return;
    }
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];

        if ((p->roles[LATEST] & RAFT_VOTER) && (!best || p->match > best->match)) {
            best = p;
        }
    }
    ASSERT(best); /* a configuration has a voter */
    raft_say(r, "no member any more, %" PRIu64 " shall campaign", best->replica_id);
    best->send_now = true;
    raft_become_follower(r, r->term, 0);
}
