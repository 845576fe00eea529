/* raft/install_snapshot.c: InstallSnapshot (paper section 7), and a log that starts later than it did.
 *
 * WHY      What a follower lacks may not be in the leader's log any more; then it gets the state instead, and the log
 *          goes on after it. Index, term, delta, configuration, log start and the host's state are one unit (I16).
 * RULES    A snapshot that says nothing new - at or below the commit index, or a bound our log has - is only answered;
 *          the log stays as it is. Otherwise the log becomes empty and starts at the snapshot's bound.
 *          Until the installation is durable the old log is what a crash leaves; the reply waits.
 * OWNER    The replica.
 * FAILURE  A malformed one is dropped.
 */
#include "raft/raft_internal.h"

static void answer(struct raft *r, const struct raft_message *m, uint64_t match)
{
    r->reply = (struct raft_message){
        .kind = RAFT_APPEND_REPLY, .term = r->term, .from = r->replica_id, .to = m->from};
    r->reply.reply = (struct raft_message_append_reply){
        .status = RAFT_ACCEPTED,
        .sequence = m->install.sequence,
        .boot = r->boot,
        .match = match,
        .durable = r->reply_gated ? match : MIN(match, r->durable),
        .last = r->last.index};
    raft_pend(r, PENDING_REPLY);
}

static void install(struct raft *r, const struct raft_snapshot *s)
{
    raft_say(r, "install the snapshot at %" PRIu64 "^%u, the log went to %" PRIu64, s->bound.index,
             s->bound.term, r->last.index);
    raft_tickets_cut(r, r->commit);
    r->start = r->last = s->bound;
    r->commit = s->bound.index;
    r->applied = MAX(r->applied, s->bound.index);
    raft_configuration_reset(r, &s->configuration, s->configuration_index);
    raft_pend(r, PENDING_INSTALL);
    raft_pend(r, PENDING_COMMIT);
    r->reply_gated = true;
}

void raft_recv_snapshot(struct raft *r, const struct raft_message *m)
{
    const struct raft_snapshot *s = m->install.snapshot;

    if (!raft_configuration_valid(&s->configuration) || s->configuration.count > r->member_max ||
        s->configuration_index > s->bound.index || s->bound.index > RAFT_INDEX_MAX ||
        s->bound.term > m->term || s->bound.term == 0) {
        raft_say(r, "snapshot from %" PRIu64 ": malformed, dropped", m->from);
        return;
    }
    if (!raft_hear_leader(r, m)) {
        return;
    }
    if (s->bound.index <= r->commit) {
        raft_say(r, "snapshot at %" PRIu64 ": older than my commit index %" PRIu64, s->bound.index,
                 r->commit);
        answer(r, m, r->commit);
        return;
    }
    if (s->bound.index <= r->last.index &&
        r->log->term_at(r->context, s->bound.index) == s->bound.term) {
        raft_say(r, "snapshot at %" PRIu64 ": my log has that", s->bound.index);
        raft_commit_to(r, s->bound.index);
        answer(r, m, s->bound.index);
        return;
    }
    install(r, s);
    answer(r, m, s->bound.index);
}

void raft_snapshot_ready(struct raft *r)
{
    const struct raft_snapshot *s = r->in->snapshot.snapshot;
    struct raft_peer *p = raft_peer_find(r, r->in->snapshot.to);

    if (r->role != RAFT_LEADER || !p || p->state != RAFT_SNAPSHOTTING || !p->asking) {
        return;
    }
    p->asking = false;
    if (!s || s->bound.index < r->start.index) {
        return; /* asked again with the next beat */
    }
    ASSERT(s->bound.index <= r->commit);
    p->sent = s->bound.index;
    p->snapshot_at_ms = r->now_ms;
    p->send_install = true;
}

void raft_log_start(struct raft *r)
{
    struct raft_bound start = r->in->log_start.start;

    ASSERT(start.index <= r->commit);
    if (start.index > r->start.index) {
        r->start = start;
    }
}
