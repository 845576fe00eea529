/* raft/quorum.c: what a majority of each active voter set agrees on.
 *
 * WHY      One question in four guises - which index is durable, is the vote won, is it lost, who was heard - and a
 *          joint configuration asks it twice (paper section 6). One function answers, so that no guise forgets a set.
 * HOW      The largest v that a majority of a set has reached is its (n/2 + 1)-th largest value; of two sets the
 *          smaller one counts. Yes and no are 1 and 0.
 * OWNER    Pure.
 * FAILURE  Without voters nothing is ever agreed on: 0.
 * LIMITS   RAFT_MEMBER_MAX values, sorted by insertion.
 */
#include "raft/raft_internal.h"

uint64_t raft_kth_largest(uint64_t *values, uint32_t count, uint32_t k)
{
    ASSERT(k >= 1 && k <= count);
    for (uint32_t i = 1; i < count; i++) {
        uint64_t v = values[i];
        uint32_t at = i;

        for (; at > 0 && values[at - 1] < v; at--) {
            values[at] = values[at - 1];
        }
        values[at] = v;
    }
    return values[k - 1];
}

static uint64_t of_set(const struct raft *r, enum raft_member_role set,
                       uint64_t (*value)(const struct raft *r, const struct raft_peer *p),
                       uint64_t when_empty)
{
    uint64_t values[RAFT_MEMBER_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].roles[LATEST] & set) {
            values[count++] = value(r, &r->peers[i]);
        }
    }
    return count == 0 ? when_empty : raft_kth_largest(values, count, count / 2 + 1);
}

uint64_t raft_quorum(const struct raft *r,
                     uint64_t (*value)(const struct raft *r, const struct raft_peer *p))
{
    uint64_t incoming = of_set(r, RAFT_VOTER, value, 0);
    uint64_t outgoing = of_set(r, RAFT_OUTGOING, value, UINT64_MAX);

    return MIN(incoming, outgoing);
}
