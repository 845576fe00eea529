/* broker/groups/groups_internal.h: what the files of this folder share.
 *
 * WHO MAY CHANGE WHAT  Everything a restart must bring back is changed by groups_put() alone: it adds the record
 *          to the operation's batch and applies it, by the same function that replays it after a restart
 *          (*_apply_*). What lives in memory only (who waits, timers, the members of a classic group between two
 *          generations) is changed directly.
 * GROUP    A group is of one type at a time: `classic` or `consumer` is set. A group that only keeps offsets (its
 *          user assigns partitions by hand) is a classic group without protocol type and members.
 * MEMORY   mem.h; whoever runs out of it calls groups_break() and returns: the operation's end throws all away.
 *          Strings and arrays of a request are copied before they are kept.
 */
#pragma once

#include "base/hash_map.h"
#include "broker/groups/groups.h"
#include "protocol/batch_builder.h"
#include "protocol/message.h"

struct classic_group;  /* classic.h */
struct consumer_group; /* consumer.h */

struct group_offsets {
    struct map topics; /* offsets.c's own */
    int32_t count;     /* committed partitions */
};

struct group {
    struct map_link link; /* groups->by_id */
    struct bytes id;      /* owned */
    /* Behind the last record of it: answers that show the group wait for this to be durable. */
    int64_t end_offset;
    struct list_link touched; /* groups->touched, while the running operation wrote records of it */
    struct group_offsets offsets;
    struct classic_group *classic;
    struct consumer_group *consumer;
};

/* A timer of the coordinator: fire() runs as an operation. Zeroed is unset. */
struct group_timer {
    struct timer timer;
    struct groups *home;
    void (*fire)(struct groups *g, struct group_timer *t);
};

enum groups_state { GROUPS_LOADING, GROUPS_ACTIVE, GROUPS_LOST };

struct groups {
    struct groups_host host;
    int32_t partition;
    enum groups_state state;
    uint64_t seed; /* of hashes of what clients choose */
    struct map by_id;
    struct list calls;      /* struct group_call: all that are not answered */
    struct list waiters;    /* of these, ended: by wait_offset */
    int64_t end_offset;     /* of what was appended */
    int64_t durable_offset; /* of what is durable */
    struct group_timer expiry;
    /* The operation that runs. */
    bool running, broken;
    struct arena scratch; /* emptied when it ends */
    struct batch_builder batch;
    struct list touched; /* struct group: with records in the batch */
    struct list ended;   /* struct group_call, by `waiter` */
};

/* ---- groups.c: groups ---- */

/* NULL when there is none. */
struct group *group_find(const struct groups *g, struct bytes id);
/* A new group of no type yet; the caller makes it one. NULL: no memory (groups_break was called). */
struct group *group_add(struct groups *g, struct bytes id);
/* The group of that name, or a new classic group without members. */
struct group *group_find_or_classic(struct groups *g, struct bytes id);
/* Out of the map and freed, with timers; nobody waits for it any more. Writes nothing. */
void group_remove(struct groups *g, struct group *group);

/* ---- groups.c: operations ---- */

/* Ends a call: its answer leaves when the group's records (group NULL: all records) and those of the running
 * operation are durable. */
void group_call_end(struct groups *g, struct group *group, struct group_call *c);
/* The same after c->refuse(c, error). */
void group_call_refuse(struct groups *g, struct group *group, struct group_call *c,
                       enum kafka_error error);
/* No memory: the state is thrown away when the operation ends. */
void groups_break(struct groups *g);

/* Starts it anew. */
void group_timer_start(struct groups *g, struct group_timer *t, int64_t delay_ms,
                       void (*fire)(struct groups *g, struct group_timer *t));
void group_timer_stop(struct groups *g, struct group_timer *t);
static inline bool group_timer_runs(const struct group_timer *t)
{
    return timer_pending(&t->timer);
}

static inline uint64_t groups_now_us(const struct groups *g)
{
    return g->host.now_us(g->host.context);
}
static inline int64_t groups_wall_ms(const struct groups *g)
{
    return g->host.wall_ms(g->host.context);
}
static inline const struct image *groups_image(const struct groups *g)
{
    return g->host.image(g->host.context);
}
static inline int64_t groups_config(const struct groups *g, enum config_key key)
{
    return config_i64(g->host.config, key);
}

/* ---- group_record.c ---- */

/* One record. Headers for `weir group events`, in records of GroupMetadata and ConsumerGroupMetadata. */
struct group_record {
    const struct message_info *key_info, *value_info;
    const void *key, *value; /* value NULL: a tombstone */
    int16_t value_version;   /* keys have version 0 */
    struct bytes reason;     /* "weir.reason"; null: none */
    int64_t pause_ms;        /* "weir.pause_ms"; PAUSE_NONE: none */
};

enum { PAUSE_NONE = -1 };

/* The record with its infos by the names of the schema:
 *     groups_put(g, group, &GROUP_RECORD(offset_commit, 4, &key, &value)); */
#define GROUP_RECORD(name_, version_, key_, value_)              \
    ((struct group_record){.key_info = &name_##_key_message,     \
                           .value_info = &name_##_value_message, \
                           .value_version = (version_),          \
                           .key = (key_),                        \
                           .value = (value_),                    \
                           .pause_ms = PAUSE_NONE})

/* Writes and applies it. `group` is the one it belongs to; it may be gone afterwards only if the caller removes
 * it. */
void groups_put(struct groups *g, struct group *group, const struct group_record *r);
/* Changes the state: called by groups_put() and, at a start, for every record of the log. ERR_NOMEM,
 * ERR_CORRUPT. */
enum err groups_apply(struct groups *g, const struct group_record *r);
/* A record of the log, decoded in `a`. ERR_UNSUPPORTED: of a kind that is not known; it is passed over. */
enum err group_record_read(struct arena *a, struct bytes key, struct bytes value,
                           struct group_record *out);

/* ---- small things ---- */

/* A copy in memory of our own; null and empty stay what they are. BYTES_NULL with *failed set: no memory. */
struct bytes group_copy(struct groups *g, struct bytes b);
void group_copy_free(struct bytes b);
/* "<prefix>-<random uuid>" in the arena: ids of classic members, as Kafka makes them. */
struct bytes group_new_member_id(struct groups *g, struct arena *a, struct bytes prefix);
/* May a group have this id? ("" may not; OffsetCommit and the like take it) */
bool group_id_ok(struct bytes id);
