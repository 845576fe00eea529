/* raft/progress.c: the leader's view of one follower, and how fast it may send.
 *
 * STATES   PROBE         where the logs agree is not known: one append without entries at a time, again at each beat
 *          REPLICATE     it is known: appends follow each other without waiting, as far as the window goes
 *          SNAPSHOTTING  what it lacks is not in the log any more: beats only, until the snapshot has arrived
 *          PROBE -accepted-> REPLICATE -refused-> PROBE; both -log start passed it-> SNAPSHOTTING -arrived-> REPLICATE;
 *          SNAPSHOTTING -silence-> PROBE
 * WINDOW   Each append carries its number and the bytes sent so far, each answer repeats those of its append. What is
 *          between sent and answered is in flight: two counters, no list, and a lost answer is made good by the next.
 * OWNER    A leader.
 * LIMITS   options.window_bytes, options.window_messages.
 */
#include "raft/raft_internal.h"

/* What was sent before counts as answered, so answers to it are late. */
static void nothing_in_flight(struct raft_peer *p)
{
    p->answered = p->sequence;
    p->answered_bytes = p->sent_bytes;
    p->probing = p->paused = p->asking = p->want_snapshot = false;
    p->send_install = p->send_fetched = false;
}

void raft_progress_reset(struct raft *r, struct raft_peer *p)
{
    p->sequence = 0;
    p->sent_bytes = 0;
    nothing_in_flight(p);
    p->state = RAFT_PROBE;
    p->match = p->durable = p->round = 0;
    p->sent = r->last.index;
    p->boot = 0;
    p->heard =
        true; /* the first check of the quorum is not for those that had no chance to answer */
    p->send_vote = p->send_now = p->added = p->caught_up = false;
    p->send_beat = true;
    p->target = p->catch_up_round = 0;
}

void raft_progress_probe(struct raft *r, struct raft_peer *p, uint64_t sent)
{
    nothing_in_flight(p);
    p->state = RAFT_PROBE;
    p->sent = MAX(sent, p->match);
    p->send_beat = true;
    raft_say(r, "probe %" PRIu64 " after %" PRIu64, p->replica_id, p->sent);
}

void raft_progress_replicate(struct raft *r, struct raft_peer *p)
{
    nothing_in_flight(p);
    p->state = RAFT_REPLICATE;
    p->sent = p->match;
    raft_say(r, "replicate to %" PRIu64 " after %" PRIu64, p->replica_id, p->sent);
}

void raft_progress_snapshot(struct raft *r, struct raft_peer *p)
{
    nothing_in_flight(p);
    p->state = RAFT_SNAPSHOTTING;
    p->sent = UINT64_MAX; /* the snapshot's bound is not known yet */
    p->asking = p->want_snapshot = true;
    raft_say(r, "%" PRIu64 " needs a snapshot", p->replica_id);
}

bool raft_progress_window_open(const struct raft *r, const struct raft_peer *p)
{
    return p->sequence - p->answered < r->options->window_messages &&
           p->sent_bytes - p->answered_bytes < r->options->window_bytes;
}
