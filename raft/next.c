/* raft/next.c: the actions of a step, made from the state one at a time.
 *
 * WHY      A queue of actions would need a bound, and what is in it could be out of date when it is taken. Here an
 *          action is made when it is asked for, from the state as it is then.
 * HOW      raft->pending is a set of enum raft_pending; the smallest member is next. PEERS stays until no peer has
 *          anything to be sent.
 * ORDER    What is persisted comes first. Then replies and messages: the tickets they wait for are known. Then what
 *          the host applies and answers.
 * OWNER    The host's core.
 * FAILURE  None. raft_ticket() asserts that tickets grow (H2).
 */
#include "raft/raft_internal.h"

static uint64_t gate(const struct raft *r, uint64_t ticket)
{
    return ticket > r->durable_ticket ? ticket : 0;
}

static void make_append(struct raft *r, struct raft_out *out)
{
    out->kind = RAFT_OUT_APPEND;
    out->append.source = r->append_source;
    out->append.from = r->append_from;
    out->append.last = r->last;
    out->append.truncate = r->append_truncates;
    out->append.configuration = NULL;
    if (r->append_source == RAFT_ENTRY_CONFIGURATION) {
        raft_configuration_of(r, LATEST, &out->room);
        out->append.configuration = &out->room;
    }
}

static void make_persist(struct raft *r, enum raft_pending what, struct raft_out *out)
{
    r->due = (uint8_t)what;
    if (what == PENDING_HARD_STATE) {
        out->kind = RAFT_OUT_HARD_STATE;
        out->hard_state.term = r->term;
        out->hard_state.vote = r->vote;
    } else if (what == PENDING_INSTALL) {
        out->kind = RAFT_OUT_INSTALL;
        out->install.snapshot = r->in->recv.message->install.snapshot;
    } else {
        make_append(r, out);
    }
    r->ticket_due = true;
}

void raft_ticket(struct raft *r, uint64_t ticket)
{
    bool relaxed = r->options->relaxed && r->due == PENDING_APPEND &&
                   r->configuration_index[LATEST] <= r->append_from;

    ASSERT(r->ticket_due && ticket != 0 && ticket >= r->log_ticket);
    ASSERT(relaxed || (ticket >= r->hard_ticket && ticket > r->durable_ticket));
    r->ticket_due = false;
    if (r->due == PENDING_HARD_STATE) {
        r->hard_ticket = ticket;
        r->hard_durable = false;
    } else {
        raft_ticket_append(r, ticket);
    }
}

/* Everything that leaves names our term, so it waits for the hard state (I6); what speaks of the append of this step
 * waits for that, too. */
static void make_reply(struct raft *r, struct raft_out *out)
{
    out->kind = RAFT_OUT_SEND;
    out->send.message = r->reply;
    out->send.after_ticket =
        gate(r, r->reply_gated ? MAX(r->hard_ticket, r->log_ticket) : r->hard_ticket);
}

static bool make_peer(struct raft *r, struct raft_out *out)
{
    for (; r->cursor < r->peer_count; r->cursor++) {
        struct raft_peer *p = &r->peers[r->cursor];

        if (p->replica_id != r->replica_id && raft_peer_next(r, p, out)) {
            if (out->kind == RAFT_OUT_SEND) {
                out->send.message.from = r->replica_id;
                out->send.message.to = p->replica_id;
                out->send.after_ticket = gate(r, r->hard_ticket);
            }
            return true;
        }
    }
    return false;
}

static void make_configuration(struct raft *r, struct raft_out *out)
{
    out->kind = RAFT_OUT_CONFIGURATION;
    raft_configuration_of(r, LATEST, &out->room);
    out->configuration.configuration = &out->room;
    out->configuration.index = r->configuration_index[LATEST];
    out->configuration.committed = r->configuration_index[LATEST] <= r->commit;
}

static void make_barrier(struct raft *r, struct raft_out *out)
{
    out->kind = RAFT_OUT_BARRIER;
    out->barrier.ticket = r->barrier_ticket;
    out->barrier.index = r->barrier_index;
    out->barrier.ok = r->barrier_ok;
}

static void make_role(struct raft *r, struct raft_out *out)
{
    out->kind = RAFT_OUT_ROLE;
    out->role.role = r->role;
    out->role.term = r->term;
    out->role.leader = r->leader;
}

static void make_answer(struct raft *r, enum raft_pending what, struct raft_out *out)
{
    if (what == PENDING_CHANGE) {
        out->kind = RAFT_OUT_CHANGE;
        out->change.reason = r->change_reason;
    } else if (what == PENDING_TRANSFER) {
        out->kind = RAFT_OUT_TRANSFER;
        out->transfer.reason = r->transfer_reason;
    } else {
        out->kind = RAFT_OUT_REFUSED;
        out->refused.reason = r->refused_reason;
    }
}

static void make(struct raft *r, enum raft_pending what, struct raft_out *out)
{
    switch (what) {
    case PENDING_ROLE:
        make_role(r, out);
        break;
    case PENDING_FATAL:
        out->kind = RAFT_OUT_FATAL;
        out->fatal.why = r->why;
        break;
    case PENDING_HARD_STATE:
    case PENDING_INSTALL:
    case PENDING_APPEND:
        make_persist(r, what, out);
        break;
    case PENDING_REPLY:
        make_reply(r, out);
        break;
    case PENDING_COMMIT:
        out->kind = RAFT_OUT_COMMIT;
        out->commit.index = r->commit;
        break;
    case PENDING_CONFIGURATION:
        make_configuration(r, out);
        break;
    case PENDING_SERVE:
        out->kind = RAFT_OUT_SERVE;
        out->serve.term = r->term;
        break;
    case PENDING_UNFENCED:
        out->kind = RAFT_OUT_UNFENCED;
        break;
    case PENDING_SUSPECT:
        out->kind = RAFT_OUT_SUSPECT;
        out->suspect.replica_id = r->suspect;
        break;
    case PENDING_BARRIER:
        make_barrier(r, out);
        break;
    case PENDING_CHANGE:
    case PENDING_TRANSFER:
    case PENDING_REFUSED:
        make_answer(r, what, out);
        break;
    case PENDING_PEERS:
    default:
        UNREACHABLE();
    }
}

bool raft_next(struct raft *r, struct raft_out *out)
{
    ASSERT(!r->ticket_due);
    while (r->pending != 0) {
        enum raft_pending what = (enum raft_pending)__builtin_ctz(r->pending);

        if (what != PENDING_PEERS) {
            r->pending &= r->pending - 1;
            make(r, what, out);
            return true;
        }
        if (make_peer(r, out)) {
            return true;
        }
        r->pending &= r->pending - 1;
    }
    return false;
}
