/* broker/groups/offsets.h: committed offsets: where each group has got to in each partition.
 *
 * Kept by topic name and partition, with the topic's id. A commit is one record; deleting is a tombstone.
 * Expiry (KIP-211): offsets of a group that is Empty go offsets.retention.minutes after it became so; those of a
 * live group, only for topics it no longer subscribes to, so long after their commit; those of a group without
 * members ever (assigned by hand), so long after their commit; an expire_timestamp of old commits overrules.
 * Transactions: an offset that a transaction has written and not yet committed belongs beside the committed one,
 * and is what OffsetFetch with require_stable answers UNSTABLE_OFFSET_COMMIT for. No operation here writes such
 * offsets, so every offset is stable.
 */
#pragma once

#include "broker/groups/groups_internal.h"
#include "schema/group_records.h"

/* Frees all; writes nothing. */
void offsets_deinit(struct group *group);
/* The OffsetCommit record: makes a classic group without members if there is none. */
enum err offsets_apply(struct groups *g, const struct offset_commit_key *key,
                       const struct offset_commit_value *value);
/* Tombstones for all of them: the group is deleted. A batch holds only so many: if group->offsets.count is not 0
 * afterwards, the next operation goes on. */
void offsets_put_tombstones(struct groups *g, struct group *group);
/* Tombstones for what has expired, and for what belongs to topics that are gone. */
void offsets_expire(struct groups *g, struct group *group);
/* Tombstones, in every group, for topics that `old` has and the newest image has not. */
void offsets_forget_topics(struct groups *g, const struct image *old);

/* Of every group: offsets_expire(), then the group itself if it has neither offsets nor members. Runs as an
 * operation, every offsets.retention.check.interval.ms, and soon again when there was more than fits a batch. */
void groups_expire(struct groups *g);
