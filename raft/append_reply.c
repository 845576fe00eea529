/* raft/append_reply.c: what a leader learns from an answer to AppendEntries or InstallSnapshot (paper section 5.3).
 *
 * WHY      match and durable only grow: what a follower's log had of this leader's in this term it keeps. So answers may
 *          come late, twice, in any order. A restart may take back what was not durable; the follower's boot number
 *          tells, and answers of an earlier boot are dropped.
 * HINTS    A refusal names the end of the follower's newest run with term <= that of the probe. If our log has that
 *          bound, the logs agree there. If not, they agree at most at the end of our newest run with a term <= the
 *          hint's: one round trip a term, not an entry.
 * OWNER    A leader.
 * FAILURE  Impossible answers are dropped. A follower that came back with less than it had called durable is reported
 *          (SUSPECT) and counted no more than what it has.
 */
#include "raft/raft_internal.h"

/* The follower has started again: what was in flight is gone, and what was not durable. */
static void restarted(struct raft *r, struct raft_peer *p,
                      const struct raft_message_append_reply *a)
{
    bool lost = a->last < p->durable;

    raft_say(r, "%" PRIu64 " has restarted, its log goes to %" PRIu64, p->replica_id, a->last);
    if (lost && !r->options->relaxed) {
        r->suspect = p->replica_id;
        raft_pend(r, PENDING_SUSPECT);
    }
    p->match = p->durable = lost || r->options->relaxed ? 0 : p->durable;
    raft_progress_probe(r, p, r->last.index);
}

/* Numbers of messages wrap around. */
static bool newer(uint32_t number, uint32_t other)
{
    return (int32_t)(number - other) > 0;
}

/* Sorts out answers that are late or impossible. */
static bool credible(struct raft *r, struct raft_peer *p, const struct raft_message_append_reply *a)
{
    if (a->boot < p->boot || a->boot == 0) {
        return false;
    }
    if (a->status > RAFT_BUSY || a->match > r->last.index || a->durable > a->match ||
        a->prev.index > r->last.index || newer(a->sequence, p->sequence) ||
        a->sent_bytes > p->sent_bytes || a->round > r->round) {
        raft_say(r, "append_reply from %" PRIu64 ": impossible, dropped", p->replica_id);
        return false;
    }
    return true;
}

/* Is the hint a bound of our log? Then the logs are equal up to there. */
static bool agrees(const struct raft *r, const struct raft_message_append_reply *a)
{
    return a->hint.index >= r->start.index && a->hint.index < a->prev.index &&
           r->log->term_at(r->context, a->hint.index) == a->hint.term;
}

static void probe_lower(struct raft *r, struct raft_peer *p,
                        const struct raft_message_append_reply *a)
{
    struct raft_bound ours = r->log->run_end(r->context, a->hint.term);

    if (a->hint.index < r->start.index || ours.term > a->hint.term) {
        raft_progress_snapshot(r, p);
    } else if (ours.index < a->prev.index) {
        raft_progress_probe(r, p, ours.index);
    }
}

/* `late`: it answers what was sent before the state was entered or the stream began anew, or a later one was answered
 * already. A lost append has all that follow it refused; only the first of these refusals may begin the stream anew. */
static void refused(struct raft *r, struct raft_peer *p, const struct raft_message_append_reply *a,
                    bool late)
{
    bool current = (p->state == RAFT_REPLICATE && !late) ||
                   (p->state == RAFT_PROBE && a->prev.index == p->sent);

    if (!current || a->prev.index <= p->match) {
        return; /* late */
    }
    raft_say(r, "append_reply from %" PRIu64 ": refused after %" PRIu64 "^%u, hint %" PRIu64 "^%u",
             p->replica_id, a->prev.index, a->prev.term, a->hint.index, a->hint.term);
    if (p->start_anew[LATEST] && a->last == 0 && p->match == 0) {
        raft_progress_snapshot(r, p);
    } else if (agrees(r, a)) {
        p->match = MAX(p->match, a->hint.index);
        raft_progress_replicate(r, p);
    } else {
        probe_lower(r, p, a);
    }
}

static void accepted(struct raft *r, struct raft_peer *p, const struct raft_message_append_reply *a,
                     bool late)
{
    bool first = p->state == RAFT_PROBE && !late; /* a beat to who waits for a snapshot matches 0 */
    /* when the log start has passed it meanwhile, another snapshot follows at once */
    bool arrived =
        p->state == RAFT_SNAPSHOTTING && a->match > 0 && a->match >= MIN(r->start.index, p->sent);

    p->match = MAX(p->match, a->match);
    p->durable = MAX(p->durable, a->durable);
    raft_say(r, "append_reply from %" PRIu64 ": match %" PRIu64 ", durable %" PRIu64, p->replica_id,
             a->match, a->durable);
    if (first || arrived) {
        raft_progress_replicate(r, p);
    } else if (p->state != RAFT_SNAPSHOTTING) {
        p->sent = MAX(p->sent, p->match);
    }
    raft_catch_up(r, p);
    raft_transfer_drive(r, p);
}

void raft_recv_append_reply(struct raft *r, const struct raft_message *m)
{
    const struct raft_message_append_reply *a = &m->reply;
    struct raft_peer *p = raft_peer_find(r, m->from);

    if (r->role != RAFT_LEADER || !p || !credible(r, p, a)) {
        return;
    }
    p->heard = true;
    if (a->boot > p->boot) {
        bool before = p->boot != 0;

        p->boot = a->boot;
        if (before) {
            restarted(r, p, a);
            return;
        }
    }
    bool late = !newer(a->sequence, p->answered);

    p->round = MAX(p->round, a->round);
    p->answered = late ? p->answered : a->sequence;
    p->answered_bytes = MAX(p->answered_bytes, a->sent_bytes);
    if (a->status == RAFT_ACCEPTED) {
        accepted(r, p, a, late);
    } else if (a->status == RAFT_REJECTED) {
        refused(r, p, a, late);
    } else if (p->state == RAFT_REPLICATE && !late) {
        raft_say(r, "append_reply from %" PRIu64 ": busy", p->replica_id);
        raft_progress_replicate(r, p); /* what is under way will be answered alike: late */
        p->paused = true;
    }
}
