/* raft/replication.c: a leader's log grows and goes to its followers (paper section 5.3).
 *
 * WHY      Appending here and sending there go on at the same time (thesis 10.2.1): the leader's own disk is one of the
 *          majority, not a stage before it.
 * RULES    An append follows peer->sent, a bound; the host says which entries come next (struct raft_log).
 * OWNER    A leader.
 * FAILURE  What cannot be read now is asked for again at the next beat.
 * LIMITS   options.append_bytes_max per append, the window per follower (progress.c).
 */
#include "raft/raft_internal.h"

static void refuse(struct raft *r, enum raft_reason reason)
{
    raft_say(r, "propose: refused, %s", raft_reason_name(reason));
    r->refused_reason = (uint8_t)reason;
    raft_pend(r, PENDING_REFUSED);
}

static void append(struct raft *r, enum raft_entry_source source, uint64_t last)
{
    ASSERT(last > r->last.index && !raft_pends(r, PENDING_APPEND));
    r->append_source = (uint8_t)source;
    r->append_from = r->last.index;
    r->append_truncates = false;
    r->last = (struct raft_bound){last, r->term};
    raft_pend(r, PENDING_APPEND);
}

void raft_propose(struct raft *r)
{
    uint32_t expected = r->in->propose.expected_term;

    if (r->role != RAFT_LEADER) {
        refuse(r, RAFT_NOT_LEADER);
    } else if (expected != 0 && expected != r->term) {
        refuse(r, RAFT_OTHER_TERM);
    } else if (r->transfer_to != 0) {
        refuse(r, RAFT_TRANSFERRING);
    } else {
        append(r, RAFT_ENTRY_PROPOSAL, r->in->propose.last);
        raft_say(r, "propose to %" PRIu64 "^%u", r->last.index, r->term);
    }
}

void raft_append_own(struct raft *r, enum raft_entry_source source)
{
    append(r, source, r->log->internal_index(r->context));
}

static void beat_snapshotting(struct raft *r, struct raft_peer *p)
{
    uint64_t wait_ms = (uint64_t)SNAPSHOT_WAIT_ELECTIONS * r->options->election_ms;

    if (p->sent == UINT64_MAX) {
        p->want_snapshot = !p->asking;
        p->asking = true;
    } else if (r->now_ms - p->snapshot_at_ms > wait_ms) {
        raft_progress_probe(r, p, r->last.index);
    }
}

void raft_beat(struct raft *r)
{
    r->beat_at_ms = r->now_ms + r->options->beat_ms;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];

        p->send_beat = true;
        p->probing = p->paused = false;
        if (p->state == RAFT_SNAPSHOTTING) {
            beat_snapshotting(r, p);
        }
        raft_transfer_drive(r, p);
    }
}

/* The host has read what was cold, or could not. A late answer of another time is recognized by its bounds: who has
 * the last of them has all of them. */
void raft_fetched(struct raft *r)
{
    const struct raft_in *in = r->in;
    const struct raft_span *span = &in->fetched.span;
    struct raft_peer *p = raft_peer_find(r, in->fetched.to);

    if (r->role != RAFT_LEADER || !p || p->state != RAFT_REPLICATE || !p->asking) {
        return;
    }
    p->asking = false;
    if (in->fetched.after != p->sent) {
        return;
    }
    if (in->fetched.result == RAFT_READ_GONE) {
        raft_progress_snapshot(r, p);
    } else if (in->fetched.result == RAFT_READ_READY) {
        ASSERT(span->run_count > 0 && span->run_count <= RAFT_RUN_MAX);
        struct raft_bound end = span->runs[span->run_count - 1];

        p->send_fetched = r->log->term_at(r->context, end.index) == end.term;
    } else {
        p->paused = true;
    }
}

static uint32_t term_of(const struct raft *r, uint64_t index)
{
    return index == r->last.index ? r->last.term : r->log->term_at(r->context, index);
}

static bool send_append(struct raft *r, struct raft_peer *p, const struct raft_span *span,
                        struct raft_out *out)
{
    uint64_t prev = p->state == RAFT_SNAPSHOTTING ? 0 : p->sent;

    p->sequence++;
    out->kind = RAFT_OUT_SEND;
    out->send.message = (struct raft_message){.kind = RAFT_APPEND, .term = r->term};
    struct raft_message_append *a = &out->send.message.append;

    *a = (struct raft_message_append){.prev = {prev, prev == 0 ? 0 : term_of(r, prev)},
                                      .commit = r->commit,
                                      .round = r->round,
                                      .sequence = p->sequence,
                                      .boot = p->boot};
    if (span) {
        a->span = *span;
        p->sent = span->runs[span->run_count - 1].index;
        p->sent_bytes += span->bytes;
    }
    a->sent_bytes = p->sent_bytes;
    p->send_beat = false;
    return true;
}

static bool send_snapshot(struct raft *r, struct raft_peer *p, struct raft_out *out)
{
    p->send_install = false;
    p->sequence++;
    out->kind = RAFT_OUT_SEND;
    out->send.message = (struct raft_message){
        .kind = RAFT_SNAPSHOT, .term = r->term, .install = {r->in->snapshot.snapshot, p->sequence}};
    return true;
}

static bool ask_snapshot(struct raft_peer *p, struct raft_out *out)
{
    p->want_snapshot = false;
    out->kind = RAFT_OUT_SNAPSHOT;
    out->snapshot.to = p->replica_id;
    return true;
}

/* The next entries for a follower whose window is open. */
static bool replicate(struct raft *r, struct raft_peer *p, struct raft_out *out)
{
    struct raft_span span;

    switch (r->log->after(r->context, p->sent, r->options->append_bytes_max, &span)) {
    case RAFT_READ_READY:
        return send_append(r, p, &span, out);
    case RAFT_READ_COLD:
        p->asking = true;
        out->kind = RAFT_OUT_FETCH;
        out->fetch.to = p->replica_id;
        out->fetch.after = p->sent;
        out->fetch.bytes_max = r->options->append_bytes_max;
        return true;
    case RAFT_READ_GONE:
        raft_progress_snapshot(r, p);
        return ask_snapshot(p, out);
    case RAFT_READ_NONE:
    default:
        UNREACHABLE(); /* H4: our log goes further */
    }
}

static bool as_leader(struct raft *r, struct raft_peer *p, struct raft_out *out)
{
    if (p->state != RAFT_SNAPSHOTTING && p->sent < r->start.index) {
        raft_progress_snapshot(r, p);
    }
    if (p->want_snapshot) {
        return ask_snapshot(p, out);
    }
    if (p->send_install) {
        return send_snapshot(r, p, out);
    }
    if (p->send_fetched) {
        p->send_fetched = false;
        return send_append(r, p, &r->in->fetched.span, out);
    }
    if (p->state == RAFT_REPLICATE && p->sent < r->last.index && !p->paused && !p->asking &&
        raft_progress_window_open(r, p)) {
        return replicate(r, p, out);
    }
    if (p->send_beat && !p->probing) {
        p->probing = p->state == RAFT_PROBE;
        return send_append(r, p, NULL, out);
    }
    return false;
}

bool raft_peer_next(struct raft *r, struct raft_peer *p, struct raft_out *out)
{
    if (p->send_now) {
        p->send_now = false;
        out->kind = RAFT_OUT_SEND;
        out->send.message = (struct raft_message){.kind = RAFT_TIMEOUT_NOW, .term = r->term};
        return true;
    }
    if (p->send_vote) {
        ASSERT(r->role == RAFT_PRE_CANDIDATE || r->role == RAFT_CANDIDATE);
        p->send_vote = false;
        out->kind = RAFT_OUT_SEND;
        raft_vote_message(r, p, &out->send.message);
        return true;
    }
    return r->role == RAFT_LEADER && as_leader(r, p, out);
}
