/* raft/view.c: looking at a replica: for command lines, metrics and tests. Changes nothing.
 *
 * WHY      struct raft is nobody's business; what people want to see is copied out.
 * OWNER    The host's core.
 * FAILURE  None.
 */
#include "raft/raft_internal.h"

void raft_view(const struct raft *r, struct raft_view *out)
{
    *out = (struct raft_view){
        .role = r->role,
        .replica_id = r->replica_id,
        .leader = r->leader,
        .vote = r->vote,
        .term = r->term,
        .boot = r->boot,
        .start = r->start,
        .last = r->last,
        .durable = r->durable,
        .commit = r->commit,
        .applied = r->applied,
        .serving = r->serving,
        .fenced = r->fenced,
        .transferring = r->transfer_to != 0,
        .changing = r->changing,
        .joint = raft_joint(r),
        .configuration_committed = r->configuration_index[LATEST] <= r->commit,
        .configuration_index = r->configuration_index[LATEST],
    };
}

void raft_configuration_get(const struct raft *r, struct raft_configuration *out)
{
    raft_configuration_of(r, LATEST, out);
}

bool raft_peer_get(const struct raft *r, uint32_t at, struct raft_peer_view *out)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        if (p->replica_id == r->replica_id || at-- > 0) {
            continue;
        }
        *out = (struct raft_peer_view){
            .replica_id = p->replica_id,
            .roles = p->roles[LATEST],
            .state = p->state,
            .match = p->match,
            .durable = p->durable,
            .sent = MIN(p->sent, r->last.index),
            .in_flight = p->sequence - p->answered,
        };
        return true;
    }
    return false;
}
