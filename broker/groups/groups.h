/* broker/groups/groups.h: the group coordinator of one partition of __consumer_offsets: a state machine.
 *
 * It knows no sockets, threads, files or clocks: what it needs of the world is struct groups_host, and one
 * core owns it with everything in it. Its memory of last resort is the partition's log, in Kafka's own record
 * formats; a change of leader is groups_free() here and a new one, loaded from the log, there.
 *
 *     groups_new -> groups_load (each batch) -> groups_loaded -> groups_run (each request) -> groups_free
 *
 * CALL     A request that is being served. An operation (GROUP_OPERATIONS below) looks at call->in, changes state
 *          by records, fills call->out and ends the call, now or later (JoinGroup waits for others). The answer
 *          leaves when every record that it may have seen is durable: groups_durable() says so.
 * RECORDS  All records of one operation are one batch, appended at its end: all of it happens or nothing.
 * FAILURE  If a batch cannot be appended, or what was appended is lost, memory is ahead of the log: everybody who
 *          waits is told NOT_COORDINATOR, and the state is thrown away. groups_is_lost() tells the host, which makes
 *          a new one from the log. Running out of memory ends the same way.
 * LOADING  Until groups_loaded() every call is refused with COORDINATOR_LOAD_IN_PROGRESS.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "broker/config.h"
#include "broker/image.h"
#include "broker/metrics.h"
#include "schema/errors.h"

struct groups;

/* Bytes of records that one operation may write. An operation begins only if the log has room for
 * GROUPS_ROOM_BYTES; otherwise the call is refused with COORDINATOR_LOAD_IN_PROGRESS, which clients repeat. */
enum { GROUPS_BATCH_BYTES_MAX = 64 << 20, GROUPS_ROOM_BYTES = 64 << 10 };

/* What the state machine needs; functions are called on its core, inside the calls of this header. */
struct groups_host {
    void *context;
    const struct config *config;
    struct core_stats *stats;
    uint64_t (*now_us)(void *context); /* monotonic */
    int64_t (*wall_ms)(void *context); /* since 1970 */
    /* Newest metadata; valid until the host's turn ends. */
    const struct image *(*image)(void *context);
    void (*random)(void *context, void *at, size_t bytes);
    void (*timer_add)(void *context, struct timer *t, uint64_t delay_us);
    void (*timer_cancel)(void *context,
                         struct timer *t); /* nothing happens when it is not pending */
    /* Appends one batch; *end_offset is the offset behind it. On error nothing was appended. */
    enum err (*append)(void *context, struct bytes batch, int64_t *end_offset);
    bool (*has_room)(void *context, size_t bytes);
    /* The state was lost (see FAILURE); called at most once, last in whatever call it happened in. */
    void (*lost)(void *context);
};

/* One request, in the request's arena, lent to the coordinator from groups_run() to answer(). */
struct group_call {
    struct arena *arena;
    const void *in; /* <api>_request; lives as long as the call */
    void *out;      /* <api>_response, at its defaults */
    int32_t at;     /* which group of a request that names several (index into in), else 0 */
    int16_t version;
    struct bytes client_id;   /* "" when the request has none */
    struct bytes client_host; /* as Kafka writes it: "/127.0.0.1" */
    /* Makes `out` an answer that says nothing but this error. */
    void (*refuse)(struct group_call *c, enum kafka_error error);
    void (*answer)(struct group_call *c);

    /* The coordinator's own. */
    int64_t wait_offset;
    struct list_link link;   /* in the calls under way */
    struct list_link waiter; /* in the calls that wait for the disk, when ended */
};

/* ERR_NOMEM. `host` is copied. partition: its number in __consumer_offsets, for log lines. */
enum err groups_new(const struct groups_host *host, int32_t partition, struct groups **out);
/* Whoever waits is refused with NOT_COORDINATOR. NULL is allowed. */
void groups_free(struct groups *g);
/* The requests are gone already (the node is being taken apart): nobody will be answered. */
void groups_forget_calls(struct groups *g);

/* One whole batch of the log, uncompressed, in the order of the log. ERR_CORRUPT, ERR_NOMEM: of no use. */
enum err groups_load(struct groups *g, struct bytes batch);
/* The end of the log was reached at this offset: sessions begin, calls are served. */
void groups_loaded(struct groups *g, int64_t end_offset);

/* All below this offset is durable. */
void groups_durable(struct groups *g, int64_t end_offset);
/* What was appended and is not durable is gone. */
void groups_append_lost(struct groups *g);
/* New metadata: topics may have gone or grown. Called once per image, after the host's image() gives it. */
void groups_image_changed(struct groups *g, const struct image *old);

/* Serves a call by one of the operations. */
typedef void group_operation(struct groups *g, struct group_call *c);
void groups_run(struct groups *g, struct group_call *c, group_operation *operation);

bool groups_is_loading(const struct groups *g);
size_t groups_count(const struct groups *g);

/* GROUP_OPERATIONS. Each is for calls whose in and out are of that API. Those marked with * serve the one group
 * at c->at of a request that names several. */
group_operation group_join;          /* JoinGroup */
group_operation group_sync;          /* SyncGroup */
group_operation group_heartbeat;     /* Heartbeat */
group_operation group_leave;         /* LeaveGroup */
group_operation group_offset_commit; /* OffsetCommit */
group_operation
    group_offset_fetch; /* OffsetFetch *: out->groups.at[at], or out itself before version 8 */
group_operation group_offset_delete;      /* OffsetDelete */
group_operation group_describe;           /* DescribeGroups *: out->groups.at[at] */
group_operation group_delete;             /* DeleteGroups *: out->results.at[at] */
group_operation group_consumer_heartbeat; /* ConsumerGroupHeartbeat */
group_operation group_consumer_describe;  /* ConsumerGroupDescribe *: out->groups.at[at] */

/* One group as ListGroups shows it. */
struct group_listing {
    struct bytes id, protocol_type, state, type; /* valid until the host's turn ends */
};

/* Calls fn for every group that is not dead. */
void groups_list(const struct groups *g, void (*fn)(void *context, const struct group_listing *l),
                 void *context);

/* What is measured of a group. Strings are valid during the call. */
struct group_numbers {
    struct bytes id;
    size_t member_count;
    int32_t generation; /* of the classic protocol; the epoch of the consumer protocol */
    int32_t position_count;
};

/* One committed offset. Those of a topic come one after the other: number `at` of `of`. */
struct group_position {
    struct bytes topic;
    struct uuid topic_id; /* it was committed for; zero: not known */
    size_t at, of;
    int32_t partition;
    int64_t offset;
};

struct groups_visitor {
    void (*group)(void *context, const struct group_numbers *n);
    /* After its group. */
    void (*position)(void *context, const struct group_position *p);
    void *context;
};

/* Every group with its committed offsets, in no order; some may be not durable yet. */
void groups_measure(const struct groups *g, const struct groups_visitor *v);
