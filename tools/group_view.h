/* tools/group_view.h: groups as the brokers tell of them: who is in them, what they committed, how far behind they are.
 *
 *     group_view_load(c, GROUP_VIEW_MEMBERS | GROUP_VIEW_OFFSETS | GROUP_VIEW_TIMES, &v)
 *
 * Each part is asked of all groups together: one ListGroups for each broker, one DescribeGroups, ConsumerGroupDescribe
 * or OffsetFetch for each coordinator (and GROUPS_AT_ONCE groups), one ListOffsets for each leader, and as few Fetches as
 * the timestamps need. Everything lives in c->arena.
 */
#pragma once

#include "protocol/message.h"
#include "schema/errors.h"
#include "tools/cli.h"

enum group_type { GROUP_CLASSIC, GROUP_CONSUMER, GROUP_SHARE, GROUP_STREAMS, GROUP_TYPE_UNKNOWN };

struct group_place {
    struct bytes topic;
    int32_t partition;
};

struct group_places {
    struct group_place *at; /* by topic and partition */
    int32_t len;
};

struct group_member {
    struct bytes id, client_id, host;
    struct bytes instance;        /* null: not static */
    int32_t epoch;                /* -1: its protocol has none */
    struct group_places assigned; /* what it has */
    struct group_places target;   /* what it shall have */
    bool has_target;              /* not every protocol tells */
    struct string_array topics;   /* what it is subscribed to */
    struct bytes pattern;         /* the same by a regular expression; null: none */
};

/* A partition that the group committed, or that one of its members has. */
struct group_offset {
    struct bytes topic;
    int32_t partition;
    int64_t committed;     /* -1: nothing */
    struct bytes metadata; /* of the commit */
    int64_t end;           /* of the log; -1: unknown */
    int64_t lag;           /* records; -1: unknown */
    int64_t lag_time_ms;   /* age of the first record that is not consumed; -1: unknown */
    int32_t leader;        /* CLIENT_ANY_BROKER: unknown */
    const struct group_member *member; /* NULL: nobody has it */
    enum kafka_error error;            /* of the end */
};

struct group_view_group {
    struct bytes name, state, protocol_type;
    struct bytes assignor; /* "" when there is none */
    enum group_type type;
    int32_t coordinator;
    int32_t epoch, assignment_epoch; /* -1: not told */
    struct group_member *members;
    int32_t member_count;         /* -1: not told */
    struct group_offset *offsets; /* by topic and partition */
    int32_t offset_count;
    enum kafka_error error; /* of any question about it; the parts that failed are empty */
    struct bytes error_message;
};

enum group_view_part {
    GROUP_VIEW_MEMBERS = 1,
    GROUP_VIEW_EMPTY = 2, /* ask about the members of empty groups, too: for their epochs */
    GROUP_VIEW_OFFSETS = 4,
    GROUP_VIEW_TIMES = 8,  /* needs OFFSETS */
    GROUP_VIEW_QUIET = 16, /* names that are not there are counted only */
};

enum { GROUPS_AT_ONCE = 2000 };

struct group_view {
    struct group_view_group *groups; /* by name */
    int32_t count;
    int missing;    /* names given that no group has; each was told */
    bool unsettled; /* something will pass: try again */
    uint64_t at_us; /* when the offsets were asked */
    int64_t at_ms;
};

/* The groups that the command's arguments (names, or globs that are no group's name) and --regex name; all when there
 * are none. Waits for coordinators that load. Prints why it cannot be had and returns the code; names that are not there are told and counted. */
int group_view_load(struct cli *c, uint32_t parts, struct group_view *out);
/* The group of that name alone; its absence is told. */
int group_view_one(struct cli *c, struct bytes name, uint32_t parts, struct group_view *out);
/* Tells what was wrong with single groups; returns how many, and the exit code of the last in *exit. */
int group_view_tell(struct cli *c, const struct group_view *v, int *exit);

const char *group_type_name(enum group_type t);
int64_t group_lag(const struct group_view_group *g);         /* -1: no partition tells */
int64_t group_lag_time_ms(const struct group_view_group *g); /* -1: unknown */
int32_t group_topic_count(const struct group_view_group *g);
bool group_is_active(const struct group_view_group *g);
/* Is there less in the partition than was committed? Its lag is told as 0. */
bool group_is_past_end(const struct group_offset *o);
int group_place_compare(const void *a, const void *b); /* struct group_place */
