/* tests/groups/classic_rig.h: members of the classic protocol, in words a test can do with.
 *
 * A struct joiner is what a client sends in JoinGroup; what is not named is as the Java client has it. Group "g".
 */
#pragma once

#include "broker/groups/classic.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/leave_group.h"
#include "schema/sync_group.h"
#include "tests/groups/fake_host.h"

enum { SESSION_MS = 10000, REBALANCE_MS = 60000, DELAY_MS = 3000, VERSION_0 = -1 };

struct joiner {
    const char *group;     /* NULL: "g" */
    struct bytes id;       /* null: "" */
    const char *instance;  /* NULL: dynamic */
    const char *type;      /* NULL: "consumer" */
    const char *protocols; /* "range,roundrobin"; NULL: "range" */
    const char *metadata;  /* of each of them; NULL: "m" */
    const char *reason;
    const char *client_id;
    int32_t session_ms, rebalance_ms; /* 0: SESSION_MS, REBALANCE_MS */
    int16_t version;                  /* 0: 5; VERSION_0: 0 */
};

struct fake_call *classic_join(struct fake_host *h, const struct joiner *j);
#define JOIN(h_, ...) classic_join((h_), &(struct joiner){__VA_ARGS__})
/* The answer to a JoinGroup, which must have come. */
const struct join_group_response *joined(const struct fake_call *c);

/* assignments: "<member id>=<bytes>" with the ids of this list, NULL: none. */
struct fake_call *classic_sync(struct fake_host *h, const struct join_group_response *as,
                               const struct join_group_response_members *all);
/* A follower's. */
#define SYNC(h_, as_) classic_sync((h_), (as_), NULL)
const struct sync_group_response *synced(const struct fake_call *c);

enum kafka_error classic_beat(struct fake_host *h, struct bytes id, int32_t generation);
/* reason NULL: none. Version 5 with the reason. */
enum kafka_error classic_leave(struct fake_host *h, struct bytes id, const char *instance,
                               const char *reason);

/* A group "g" of that many members "m0", "m1" ... (the client ids), Stable; fills their answers. The first leads.
 * Returns after the initial delay. */
void classic_stable(struct fake_host *h, const struct join_group_response **members, int count);
/* As DescribeGroups shows it. */
struct bytes classic_state(struct fake_host *h);
/* The host of most tests: started, with a topic "t". */
struct fake_host *classic_host(struct arena *arena);
