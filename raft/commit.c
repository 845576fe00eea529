/* raft/commit.c: what is committed (paper sections 5.3 and 5.4.2).
 *
 * WHY      The one decision all others are for. An entry is committed when a majority of each voter set in force has it
 *          durable, with or without the leader: its disk is one of many.
 * RULES    Only an entry of the own term is committed by counting (paper figure 8); what is before it goes along. All
 *          entries at or above term_start are of the own term, so one comparison decides.
 *          A follower's commit index is its leader's, as far as the logs are known to be equal.
 * OWNER    The replica.
 * FAILURE  None.
 */
#include "raft/raft_internal.h"

void raft_commit_to(struct raft *r, uint64_t index)
{
    uint64_t before = r->commit;

    ASSERT(index > before && index <= r->last.index);
    r->commit = index;
    raft_pend(r, PENDING_COMMIT);
    /* Perhaps one that is LATEST and PREVIOUS both: after a roll back, or a start. */
    if (r->configuration_index[LATEST] > before && r->configuration_index[LATEST] <= index) {
        raft_configuration_settle(r);
        raft_pend(r, PENDING_CONFIGURATION);
    }
}

static uint64_t durable(const struct raft *r, const struct raft_peer *p)
{
    return p->replica_id == r->replica_id ? r->durable : p->durable;
}

void raft_commit_advance(struct raft *r)
{
    uint64_t index = raft_quorum(r, durable);

    if (index <= r->commit || index < r->term_start) {
        return;
    }
    raft_say(r, "commit to %" PRIu64, index);
    raft_commit_to(r, index);
    for (uint32_t i = 0; r->options->commit_at_once && i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];

        p->send_beat =
            p->send_beat || raft_progress_window_open(r, p); /* not for ever to who is silent */
    }
}
