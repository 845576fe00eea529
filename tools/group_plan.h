/* tools/group_plan.h: offsets of a group that shall be moved: from where, to where; and the file that undoes it.
 *
 * The undo file has a line of JSON for each partition:
 *
 *     {"group":"billing","topic":"orders","partition":0,"offset":1042,"metadata":""}
 *
 * "offset":null: the group had committed nothing there.
 */
#pragma once

#include "tools/cli.h"
#include "tools/group_view.h"

struct group_move {
    struct bytes topic;
    int32_t partition, leader;
    int64_t old; /* -1: nothing is committed */
    struct bytes old_metadata;
    int64_t to; /* -1: the commit goes away */
    struct bytes to_metadata;
    int64_t start, end;     /* of the log; -1: not asked */
    enum kafka_error error; /* of moving it */
};

struct group_plan {
    struct bytes group;
    int32_t coordinator;
    struct group_move *moves; /* by topic and partition */
    int32_t count, room;
};

/* ERR_NOMEM. Others than out->moves[...] stay at what the caller fills in. */
enum err group_plan_add(struct arena *arena, struct group_plan *p, const struct group_move *m);

/* Writes a new file with what was there before, in the working directory: its name. ERR_IO and others of files. */
enum err group_undo_write(struct cli *c, const struct group_plan *p, struct bytes *name);
/* A plan that goes back to what the file says. ERR_MALFORMED: the crumb says which line. */
enum err group_undo_read(struct cli *c, struct bytes name, struct group_plan *out);

/* Commits, and deletes commits. What failed for single partitions stands there. */
enum err group_plan_apply(struct cli *c, struct group_plan *p);
/* Who coordinates a group, also one that is not there yet. */
enum err group_find_coordinator(struct cli *c, struct bytes group, int32_t *out);
/* OffsetDelete of all moves of the plan. */
enum err group_plan_delete(struct cli *c, struct group_plan *p, bool all);
