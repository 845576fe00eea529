/* broker/groups/classic.h: groups of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
 *
 *     Empty -> PreparingRebalance -> CompletingRebalance -> Stable          any -> Dead
 *
 * One generation after the other: members join (their calls wait), the coordinator picks the leader and a
 * protocol, the leader divides partitions (the coordinator does not look into the bytes) and gives them in
 * SyncGroup, for which the others' calls wait. The GroupMetadata record is written when a generation is complete
 * and when the group becomes empty; between two generations the members live in memory only.
 */
#pragma once

#include "broker/groups/groups_internal.h"
#include "schema/describe_groups.h"
#include "schema/group_records.h"

/* Makes `group`, which is of no type, an empty classic group. ERR_NOMEM. */
enum err classic_new(struct groups *g, struct group *group);
/* Forgets it, with its timers; `group` is of no type afterwards. Calls that still wait in it are forgotten, too:
 * whoever frees a living group has answered them (classic_refuse_waiting). NULL group->classic is allowed. */
void classic_free(struct groups *g, struct group *group);
/* Ends the calls that wait in it, with this error. */
void classic_refuse_waiting(struct groups *g, struct group *group, enum kafka_error error);

/* The GroupMetadata record: while loading it makes the group what it says (a tombstone forgets it, and the group
 * itself when it keeps no offsets); in operation, memory is as the record says already. */
enum err classic_apply(struct groups *g, const struct group_metadata_key *key,
                       const struct group_metadata_value *value);
/* After loading: sessions of all members begin. */
void classic_loaded(struct groups *g, struct group *group);
/* In operation: makes `group`, which is of no type, the Stable group that the value says and writes it; sessions
 * begin. Members have the protocol of the value only. (How a consumer group becomes a classic one; the other way,
 * classic_internal.h shows the members, and classic_rebalance() there makes them join again.) */
void classic_become(struct groups *g, struct group *group,
                    const struct group_metadata_value *value);

/* May these offsets be committed? generation -1 and no member: by hand. Commits of members count as heartbeats. */
struct group_committer {
    struct bytes member_id, instance_id; /* instance null: none */
    int32_t generation;                  /* or member epoch */
    int16_t version;                     /* of OffsetCommit */
};
enum kafka_error classic_check_commit(struct groups *g, struct group *group,
                                      const struct group_committer *by);

/* Nobody is in it: DeleteGroups may delete it, its offsets expire. */
bool classic_is_empty(const struct group *group);
/* Since when it is Empty; -1: it never had members, or is not empty. */
int64_t classic_empty_since_ms(const struct group *group);
/* Does a member read the topic? True as well when that is not known (another protocol type). */
bool classic_subscribes(const struct group *group, struct bytes topic);
/* Is its protocol type "consumer", so that subscriptions can be known? */
bool classic_is_consumer(const struct group *group);
size_t classic_member_count(const struct group *group);
/* The tombstone of GroupMetadata; the group becomes Dead. */
void classic_put_tombstone(struct groups *g, struct group *group);

void classic_list(const struct group *group, struct group_listing *out);
void classic_describe(const struct group *group, struct arena *a,
                      struct describe_groups_response_group *out);
