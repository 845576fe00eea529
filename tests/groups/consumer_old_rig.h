/* tests/groups/consumer_old_rig.h: members of the classic protocol that could be in a consumer group: their bytes are
 * subscriptions and assignments of topic "t", whose partitions stand as digits.
 */
#pragma once

#include "tests/groups/classic_rig.h"
#include "tests/groups/consumer_rig.h"

/* A JoinGroup. What is not named is as the Java client has it. */
struct old_joiner {
    struct bytes id;       /* null: "" */
    const char *instance;  /* NULL: dynamic */
    const char *type;      /* NULL: "consumer" */
    const char *protocols; /* "range,sticky"; NULL: "range" */
    const char *topic;     /* NULL: "t" */
    const char *owned;     /* NULL: nothing */
    const char *raw;       /* these bytes instead of a subscription */
    int32_t rebalance_ms;  /* 0: ten seconds; the session is REBALANCE_MS */
    int16_t version;       /* 0: 7; VERSION_0: 0 */
    bool oldest;           /* the subscription has version 0, else 3 */
};

struct fake_call *old_join_start(struct fake_host *h, const struct old_joiner *j);
const struct join_group_response *old_join(struct fake_host *h, const struct old_joiner *j);
#define OLD_JOIN(h_, ...) old_join((h_), &(struct old_joiner){__VA_ARGS__})

struct bytes old_subscription(struct fake_host *h, const struct old_joiner *j);
struct bytes old_assignment(struct fake_host *h, const char *digits);
/* The digits of SyncGroup's assignment, or "error <number>". */
struct bytes old_sync(struct fake_host *h, const struct join_group_response *as);
struct bytes old_assigned(struct fake_host *h, const struct sync_group_response *r);

/* A Stable classic group "g" of two members, of which the first leads and has "01", the second "23". */
struct old_pair {
    struct bytes first, second;
};
struct old_pair old_group(struct fake_host *h);
/* The text with these ids as "F" and "S". */
struct bytes old_named(struct fake_host *h, struct bytes text, struct old_pair p);
