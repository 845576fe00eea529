/* broker/groups/consumer.h: groups of the consumer protocol (KIP-848): the coordinator assigns partitions.
 *
 *     Empty, Assigning, Reconciling, Stable                    of a group; derived from epochs and members
 *     STABLE, UNREVOKED_PARTITIONS, UNRELEASED_PARTITIONS      of a member
 *
 * Three epochs: the group's rises when members, subscriptions or topics change; the target assignment is computed
 * for a group epoch; each member moves to it on its own. A partition is given to its new owner only after the old
 * one has acknowledged (or lost) it. All of it is records, so all of it survives.
 *
 * MIGRATION  Members of the classic protocol may be in such a group (group.consumer.migration.policy): the first
 *          consumer member turns a classic group of protocol type "consumer" into this one, the last one to leave
 *          turns it back.
 */
#pragma once

#include "broker/groups/classic.h"
#include "broker/groups/groups_internal.h"
#include "schema/consumer_group_describe.h"
#include "schema/consumer_group_records.h"

/* Forgets it, with its timers; `group` is of no type afterwards. NULL group->consumer is allowed. */
void consumer_free(struct groups *g, struct group *group);
/* Ends the calls that wait in it (members of the classic protocol), with this error. */
void consumer_refuse_waiting(struct groups *g, struct group *group, enum kafka_error error);

/* Every ConsumerGroup* record (keys 3 to 8 and 16); false in *known: not one of them. */
enum err consumer_apply(struct groups *g, const struct group_record *r, bool *known);
/* After loading: sessions and rebalance time-outs of all members begin. */
void consumer_loaded(struct groups *g, struct group *group);
/* Topics came, went or grew: whoever subscribes to them computes anew at the next heartbeat. */
void consumer_image_changed(struct groups *g, struct group *group, const struct image *old);

/* `partition_topic` and `partition` are the place committed: an older epoch is let through if it is not older than
 * the one the partition was assigned in (KIP-1251). Called once per partition; the first call of a request also
 * with topic BYTES_NULL for the member itself. */
enum kafka_error consumer_check_commit(struct groups *g, struct group *group,
                                       const struct group_committer *by, struct bytes topic,
                                       int32_t partition);
/* OffsetFetch 9 and later: member "" or null with epoch -1 is anybody. */
enum kafka_error consumer_check_fetch(struct groups *g, struct group *group, struct bytes member_id,
                                      int32_t member_epoch);

bool consumer_is_empty(const struct group *group);
bool consumer_subscribes(const struct group *group, struct bytes topic);
size_t consumer_member_count(const struct group *group);
/* Tombstones of all its records. */
void consumer_put_tombstones(struct groups *g, struct group *group);

void consumer_list(const struct group *group, struct group_listing *out);
void consumer_describe(struct groups *g, const struct group *group, struct arena *a,
                       struct consumer_group_describe_response_group *out);

/* Members of the classic protocol in such a group; the entries of classic_entry.c come here. Join may also find
 * that the group is to be a classic one again. */
void consumer_classic_join(struct groups *g, struct group *group, struct group_call *c);
void consumer_classic_sync(struct groups *g, struct group *group, struct group_call *c);
void consumer_classic_heartbeat(struct groups *g, struct group *group, struct group_call *c);
void consumer_classic_leave(struct groups *g, struct group *group, struct group_call *c);
