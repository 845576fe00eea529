/* raft/raft.c: a replica's life: start, step, the actions of a step, deadline.
 *
 * WHY      All of consensus is one function from (state, event) to (state, actions): what it does can be replayed,
 *          simulated for years in minutes, and read in one go.
 * HOW      raft_step() hands the event to its chapter (election.c, append_entries.c ...), which changes the state and
 *          marks what is pending; then a leader looks whether a commit, a change or a barrier got further. raft_next()
 *          makes one action after another from the state. Persisting comes before sending: a ticket that the host gives
 *          for an append is known when the reply that must wait for it is made.
 * OWNER    The host's core.
 * FAILURE  What a peer says is checked and dropped or, where it would break safety, fatal for this replica alone.
 *          What the host promised is asserted.
 * LIMITS   RAFT_MEMBER_MAX peers, RAFT_TICKET_MAX tickets; one of each action per step but SEND, FETCH, SNAPSHOT.
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

static void check_options(const struct raft_options *o)
{
    ASSERT(o->election_ms >= 3 * o->beat_ms && o->beat_ms > 0);
    ASSERT(o->append_bytes_max > 0 && o->window_bytes > 0 && o->window_messages > 0);
}

static void adopt_configurations(struct raft *r, const struct raft_start *s)
{
    if (s->previous && s->previous->count > 0) {
        raft_configuration_reset(r, s->previous, s->previous_index);
    }
    if (s->configuration->count > 0) {
        raft_configuration_adopt(r, s->configuration, s->configuration_index);
    }
    if (r->configuration_index[LATEST] <= r->commit) {
        raft_configuration_settle(r);
    }
}

/* A replica that is the only voter has nobody to catch up with. */
static bool needs_fence(struct raft *r)
{
    return !(r->peer_count == 1 && raft_is_voter(r));
}

struct raft *raft_init(void *memory, const struct raft_start *s)
{
    struct raft *r = memory;

    check_options(s->options);
    ASSERT(s->replica_id != 0 && s->boot > 0 && s->term <= RAFT_TERM_MAX);
    ASSERT(s->last.index >= s->start.index && s->commit >= s->start.index &&
           s->commit <= s->last.index);
    ASSERT(!s->fenced || s->options->relaxed);
    memset(r, 0, raft_size(s->member_max));
    r->options = s->options;
    r->log = s->log;
    r->context = s->context;
    r->trace = s->trace;
    r->replica_id = s->replica_id;
    r->boot = s->boot;
    r->term = MAX(s->term, s->last.term);
    r->vote = s->last.term > s->term ? 0 : s->vote;
    r->random = s->seed;
    r->now_ms = s->now_ms;
    r->member_max = (uint8_t)s->member_max;
    r->start = s->start;
    r->last = s->last;
    r->durable = s->last.index;
    r->hard_durable = true;
    r->commit = s->commit;
    adopt_configurations(r, s);
    r->fenced = s->damaged || (s->fenced && needs_fence(r));
    raft_election_reset(r);
    r->pending = 0; /* the host knows all that */
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

void raft_commit_to(struct raft *r, uint64_t index)
{
    ASSERT(index > r->commit && index <= r->last.index);
    r->commit = index;
    raft_pend(r, PENDING_COMMIT);
    if (r->configuration_index[LATEST] > r->configuration_index[PREVIOUS] &&
        r->configuration_index[LATEST] <= index) {
        raft_configuration_settle(r);
        raft_pend(r, PENDING_CONFIGURATION);
    }
}

/* -- events -------------------------------------------------------------------------------------------- */

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

/* What every step leaves true, whatever it was told. */
static void check_peers(const struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        ASSERT(p->durable <= p->match && p->match <= r->last.index);
        ASSERT(p->state == RAFT_SNAPSHOTTING || (p->match <= p->sent && p->sent <= r->last.index));
        ASSERT(p->sent_bytes >= p->answered_bytes && p->round <= r->round);
    }
}

static void check_state(const struct raft *r)
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
        check_state(r);
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
