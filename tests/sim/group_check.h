/* tests/sim/group_check.h: what must hold of a group coordinator, checked with every request and answer that
 * passes. A violation ends the seed.
 *
 * ANSWERS   None shows what the log could still lose, except NOT_COORDINATOR.
 * OFFSETS   OffsetFetch gives exactly the last commit (or deletion) of the group and partition that the
 *           coordinator took and that the log still has: nothing older, nothing lost, with its metadata and
 *           leader epoch, never that of a former topic of the same name.
 * CLASSIC   A generation is completed once; SyncGroup gives each member what the leader wrote for it, or nothing;
 *           generations do not go back; a commit of an earlier generation is not taken. Nobody is let in
 *           without an id of its own; a static process is not served once another has its instance.
 * CONSUMER  Epochs do not go back; an earlier epoch is let through only from a member that owns no more than it is
 *           assigned, and from such a one always; what an earlier epoch commits nobody else has; nobody takes a
 *           partition that another, not fenced and within its time-outs, still has.
 */
#pragma once

#include "tests/sim/group_member.h"

struct group_check *group_check_new(struct group_world *w);
void group_check_free(struct group_check *c);
void group_check_members(struct group_check *c, const struct group_members *members);
/* Members of both protocols are in one group: who divides it is not known. */
void group_check_mixed(struct group_check *c, bool mixed);
/* Offsets may go when they are so old, and groups with them: generations begin anew. */
void group_check_expiry(struct group_check *c, int64_t retention_ms);
/* Members of the group read these topics, until it is said again: offsets of them that are seen stay. */
void group_check_reads(struct group_check *c, int32_t group, uint32_t names);
/* Expiry has had time to see every offset since the topics changed last; whose topic is gone is gone, too. */
void group_check_swept(struct group_check *c, bool swept);
/* The wall clock has jumped. */
void group_check_wall(struct group_check *c);

/* What its answer says first. */
enum kafka_error group_check_error(const struct group_ask *a);
/* The coordinator is about to see it; has seen it; the answer leaves. */
void group_check_arrived(struct group_check *c, struct group_ask *a);
void group_check_ran(struct group_check *c, struct group_ask *a);
void group_check_released(struct group_check *c, struct group_ask *a);
/* What the log had behind this offset is gone. */
void group_check_cut(struct group_check *c, int64_t end);
void group_check_loaded(struct group_check *c);
void group_check_topic_gone(struct group_check *c, int32_t slot);
/* A heartbeat of the consumer protocol that is of an earlier epoch, and owns what the member has no more. */
bool group_check_must_fence(struct group_check *c, const struct group_ask *a);
/* A member of the consumer protocol begins to own these. */
void group_check_takes(struct group_check *c, const struct group_member *m, uint64_t slots);

/* How much was seen: a scenario should see to it that it was something. */
struct group_check_counts {
    uint64_t commits, fetches, generations, takes, cuts;
};
struct group_check_counts group_check_counts(const struct group_check *c);
