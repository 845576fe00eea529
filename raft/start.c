/* raft/start.c: a replica begins, with what its disk holds (paper section 5.5, thesis 3.8).
 *
 * WHY      A start is where a replica may know least and promise most: everything that a vote or an acknowledgement
 *          rests on has to be here again, or the replica must not vote (fenced).
 * HOW      What is given is durable (H7), so nothing is pending. It is a follower of nobody until a message or a time-out.
 *          A log that ends in a later term than the hard state is a torn write: that is the term, and no vote was given.
 * OWNER    The replica.
 * FAILURE  A start that contradicts itself is the host's mistake: asserted.
 * LIMITS   start->member_max.
 */
#include "raft/raft_internal.h"

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
