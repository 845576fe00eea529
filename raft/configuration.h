/* raft/configuration.h: configurations as values (paper section 6, thesis chapter 4): who is in, and what follows from
 * what. The order of members is kept, new ones come last. Nothing here knows a log or a leader.
 */
#pragma once

#include "raft/raft.h"

/* Place of a replica in the members, or -1. */
int raft_configuration_find(const struct raft_configuration *c, uint64_t replica_id);

/* The same members with the same roles and priorities. */
bool raft_configuration_same(const struct raft_configuration *a,
                             const struct raft_configuration *b);

/* True when both have the same voters (RAFT_VOTER). */
bool raft_configuration_same_voters(const struct raft_configuration *a,
                                    const struct raft_configuration *b);

/* How many members the two have together. */
uint32_t raft_configuration_union_count(const struct raft_configuration *a,
                                        const struct raft_configuration *b);

/* `from`, and those members of `target` that it lacks as learners: the phase in which new voters catch up. The two
 * together must not have more than RAFT_MEMBER_MAX members. */
void raft_configuration_with_learners(const struct raft_configuration *from,
                                      const struct raft_configuration *target,
                                      struct raft_configuration *out);

/* C_old,new: `from` (simple) on its way to `target`. The same limit. */
void raft_configuration_enter(const struct raft_configuration *from,
                              const struct raft_configuration *target,
                              struct raft_configuration *out);

/* What a joint configuration becomes: C_new, or with `back` C_old. In C_old the learners stay what they are;
 * voters of C_new alone are gone, those too that were learners before. */
void raft_configuration_leave(const struct raft_configuration *joint, bool back,
                              struct raft_configuration *out);
