/* raft/raft.c: a step: one event, and what follows from it.
 *
 * WHY      All of consensus is one function from (state, event) to (state, actions): what it does can be replayed,
 *          simulated for years in minutes, and read in one go.
 * HOW      raft_step() hands the event to its chapter (election.c, append_entries.c ...), which changes the state and
 *          marks what is pending; then a leader looks whether a commit, a change or a barrier got further. next.c makes
 *          one action after another from the marks. Persisting comes before sending: a ticket that the host gives for an
 *          append is known when the reply that must wait for it is made.
 * OWNER    The host's core.
 * FAILURE  What a peer says is checked and dropped or, where it would break safety, fatal for this replica alone.
 *          What the host promised is asserted.
 * LIMITS   One of each action per step but SEND, FETCH, SNAPSHOT.
 */
#include "raft/raft_internal.h"

/* A message of a term above ours: when does it make us follow into that term? Not when it only asks or allows to
 * ask (thesis 9.6), and not when it would disturb a leader that we hear (thesis 4.2.3). */
static bool follows(struct raft *r, const struct raft_message *m)
{
    switch (m->kind) {
    case RAFT_PRE_VOTE:
        return true;
    case RAFT_PRE_VOTE_REPLY:
        if (!m->vote_reply.granted) {
            raft_become_follower(r, m->term, 0);
        }
        return true;
    case RAFT_VOTE:
        if (raft_sticky(r) && !m->vote.transfer && m->from != r->leader) {
            raft_say(r, "%s from %" PRIu64 " in term %u: dropped, a leader is known",
                     raft_message_name(m->kind), m->from, m->term);
            return false;
        }
        if (m->from == r->transfer_to) {
            raft_transfer_end(r, RAFT_DONE);
        }
        raft_become_follower(r, m->term, 0);
        return true;
    case RAFT_APPEND:
    case RAFT_SNAPSHOT:
    case RAFT_TIMEOUT_NOW:
    case RAFT_VOTE_REPLY:
    case RAFT_APPEND_REPLY:
    default:
        raft_become_follower(r, m->term, 0);
        return true;
    }
}

/* A message of a term below ours: its sender shall learn of ours, unless it is an answer. */
static void correct(struct raft *r, const struct raft_message *m)
{
    switch (m->kind) {
    case RAFT_APPEND:
    case RAFT_SNAPSHOT:
        raft_refuse_append(r, m);
        break;
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_recv_vote(r, m);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
    case RAFT_APPEND_REPLY:
    case RAFT_TIMEOUT_NOW:
    default:
        break;
    }
}

static void timeout_now(struct raft *r, const struct raft_message *m)
{
    if (r->role != RAFT_LEADER && raft_promotable(r) && (r->leader == m->from || r->leader == 0)) {
        raft_say(r, "timeout_now from %" PRIu64, m->from);
        raft_campaign(r, true);
    }
}

static void recv(struct raft *r, const struct raft_message *m)
{
    if (m->to != r->replica_id || m->from == 0 || m->from == r->replica_id || m->term == 0 ||
        m->term > RAFT_TERM_MAX || m->kind > RAFT_TIMEOUT_NOW) {
        raft_say(r, "message %d from %" PRIu64 " to %" PRIu64 ": dropped", (int)m->kind, m->from,
                 m->to);
        return;
    }
    if (m->term < r->term) {
        correct(r, m);
        return;
    }
    if (m->term > r->term && !follows(r, m)) {
        return;
    }
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_recv_vote(r, m);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        raft_recv_vote_reply(r, m);
        break;
    case RAFT_APPEND:
        raft_recv_append(r, m);
        break;
    case RAFT_APPEND_REPLY:
        raft_recv_append_reply(r, m);
        break;
    case RAFT_SNAPSHOT:
        raft_recv_snapshot(r, m);
        break;
    case RAFT_TIMEOUT_NOW:
    default:
        timeout_now(r, m);
        break;
    }
}

static void timers(struct raft *r)
{
    if (r->role != RAFT_LEADER) {
        if (r->now_ms >= r->election_at_ms && raft_promotable(r)) {
            raft_say(r, "timeout as %s", raft_role_name(r->role));
            raft_campaign(r, false);
        }
        return;
    }
    if (r->now_ms >= r->quorum_at_ms) {
        raft_check_quorum(r);
    }
    if (r->role == RAFT_LEADER && r->transfer_to != 0 && r->now_ms >= r->transfer_at_ms) {
        raft_transfer_end(r, RAFT_NOT_CAUGHT_UP);
    }
    if (r->role == RAFT_LEADER && r->now_ms >= r->beat_at_ms) {
        raft_beat(r);
    }
}

static void applied(struct raft *r, uint64_t index)
{
    ASSERT(index <= r->commit);
    r->applied = MAX(r->applied, index);
}

/* The host's failure detector: a hint about liveness, never about safety. That the leader's node is alive says nothing
 * to a follower: the leader itself may have gone. */
static void peer_heard(struct raft *r, uint64_t replica_id, bool alive)
{
    struct raft_peer *p = raft_peer_find(r, replica_id);

    if (r->role == RAFT_LEADER && p && alive) {
        p->heard = true;
    } else if (r->role == RAFT_FOLLOWER && !alive && replica_id == r->leader && replica_id != 0) {
        raft_say(r, "leader %" PRIu64 " is gone", replica_id);
        raft_become_follower(r, r->term, 0);
        raft_election_reset(r);
        r->election_at_ms -= r->options->election_ms; /* the jitter remains */
    }
}

static void unfence(struct raft *r)
{
    if (r->fenced) {
        raft_say(r, "unfenced by order");
        r->fenced = false;
        raft_pend(r, PENDING_UNFENCED);
    }
}

static void halt(struct raft *r)
{
    raft_say(r, "halt");
    r->role = RAFT_HALTED;
    r->leader = 0;
    r->serving = false;
    r->pending = 1u << PENDING_ROLE;
}

static void event(struct raft *r, const struct raft_in *in)
{
    switch (in->kind) {
    case RAFT_IN_TIME:
        timers(r);
        break;
    case RAFT_IN_RECV:
        recv(r, in->recv.message);
        break;
    case RAFT_IN_PROPOSE:
        raft_propose(r);
        break;
    case RAFT_IN_DURABLE:
        raft_durable(r, in->durable.ticket);
        break;
    case RAFT_IN_FETCHED:
        raft_fetched(r);
        break;
    case RAFT_IN_SNAPSHOT:
        raft_snapshot_ready(r);
        break;
    case RAFT_IN_LOG_START:
        raft_log_start(r);
        break;
    case RAFT_IN_APPLIED:
        applied(r, in->applied.index);
        break;
    case RAFT_IN_CHANGE:
        raft_change(r);
        break;
    case RAFT_IN_CANCEL:
        raft_change_cancel(r);
        break;
    case RAFT_IN_TRANSFER:
        raft_transfer(r);
        break;
    case RAFT_IN_BARRIER:
        raft_barrier(r);
        break;
    case RAFT_IN_CAMPAIGN:
        if (r->role != RAFT_LEADER && raft_promotable(r)) {
            raft_campaign(r, false);
        }
        break;
    case RAFT_IN_PEER:
        peer_heard(r, in->peer.replica_id, in->peer.alive);
        break;
    case RAFT_IN_UNFENCE:
        unfence(r);
        break;
    case RAFT_IN_HALT:
        halt(r);
        break;
    default:
        UNREACHABLE();
    }
}

/* Elected is not "may serve": all that earlier leaders committed must be known and applied (paper section 8). */
static void serve(struct raft *r)
{
    if (!r->serving && r->commit >= r->term_start && r->applied >= r->term_start) {
        raft_say(r, "serve in term %u", r->term);
        r->serving = true;
        raft_pend(r, PENDING_SERVE);
    }
}

void raft_step(struct raft *r, const struct raft_in *in)
{
    ASSERT(r->pending == 0 && !r->ticket_due); /* H1 */
    ASSERT(in->now_ms >= r->now_ms);
    r->now_ms = in->now_ms;
    if (r->role == RAFT_HALTED) {
        return;
    }
    r->in = in;
    r->cursor = 0;
    r->reply_gated = false;
    event(r, in);
    if (r->role == RAFT_CANDIDATE) {
        raft_votes_count(r);
    }
    if (r->role == RAFT_LEADER) {
        raft_commit_advance(r);
        serve(r);
        raft_change_drive(r);
        raft_barrier_drive(r);
        raft_retire(r);
        raft_pend(r, PENDING_PEERS);
    }
    if (r->role != RAFT_HALTED) {
        raft_check_state(r);
    }
}

uint64_t raft_deadline(const struct raft *r)
{
    if (r->role == RAFT_HALTED) {
        return UINT64_MAX;
    }
    if (r->role != RAFT_LEADER) {
        return raft_promotable(r) ? r->election_at_ms : UINT64_MAX;
    }
    if (r->peer_count == 1) {
        return UINT64_MAX; /* alone */
    }
    uint64_t at = MIN(r->beat_at_ms, r->quorum_at_ms);

    return r->transfer_to != 0 ? MIN(at, r->transfer_at_ms) : at;
}
