/* tests/sim/group_world.h: one group coordinator in a world that is against it: the host that broker/groups
 * asks for, a log in memory, topics, and requests on their way to it and back.
 *
 *     struct group_world *w = group_world_new(run);
 *     group_world_topic_make(w, 0, 4);
 *     struct group_ask *a = group_ask_new(w, GROUP_ASK_HEARTBEAT, 4);
 *     ((struct heartbeat_request *)a->in)->group_id = ...
 *     group_ask_send(a, done, who);                       done(a): a->answer, or NULL when it was lost
 *     ... sim_run_for(...), group_world_crash(w) ...
 *     group_world_free(w);
 *
 * LOG      Batches become durable late, in order. A crash keeps all that is durable and a drawn part of the rest.
 *          An append may fail; memory may run out in the middle of any call.
 * WIRE     A request is written and read in its version, its answer too. Either may be late, lost (the client sees
 *          a broken connection), or sent a second time, much later, with nobody waiting for the answer.
 * CHECKED  Everything that passes goes by group_check.h. Of each call: exactly one answer; none shows what the
 *          log could still lose. After a coordinator is freed no timer of it is left.
 */
#pragma once

#include "base/list.h"
#include "base/timer_wheel.h"
#include "broker/groups/groups.h"
#include "protocol/message.h"
#include "tests/sim/scenario.h"

enum {
    GROUP_COUNT = 2,
    GROUP_TOPIC_COUNT = 4,          /* names */
    GROUP_SLOT_COUNT = 8,           /* topics ever made: name = slot % GROUP_TOPIC_COUNT */
    GROUP_TOPIC_PARTITIONS_MAX = 8, /* a set of partitions is 64 bits: slot * 8 + partition */
    GROUP_TEXT_BYTES = 96,
};

enum group_api {
    GROUP_ASK_JOIN,
    GROUP_ASK_SYNC,
    GROUP_ASK_HEARTBEAT,
    GROUP_ASK_LEAVE,
    GROUP_ASK_COMMIT,
    GROUP_ASK_FETCH,
    GROUP_ASK_OFFSET_DELETE,
    GROUP_ASK_DESCRIBE,
    GROUP_ASK_DELETE,
    GROUP_ASK_CONSUMER_HEARTBEAT,
    GROUP_ASK_CONSUMER_DESCRIBE,
    GROUP_API_COUNT
};

struct group_api_info {
    const char *name;
    const struct message_info *request, *response;
    group_operation *operation;
    void (*refuse)(struct group_call *c, enum kafka_error error);
};
const struct group_api_info *group_api_info(enum group_api api);

/* How unkind the world is; zeroed: not at all. */
struct group_trouble {
    uint32_t delay_us_max, tail_ppm, tail_us_max; /* of requests and answers */
    uint32_t lose_ppm;                            /* of each direction */
    uint32_t repeat_ppm, repeat_us_max;           /* the request comes again, so much later */
    uint32_t sync_us_max;
    uint32_t append_fail_ppm;
    uint32_t no_memory_ppm; /* of calls into the coordinator */
};

struct group_topic {
    bool there;
    struct uuid id;
    int32_t partition_count;
};

struct group_batch {
    struct bytes bytes;
    int64_t end_offset;
};

struct group_check;

struct group_world {
    struct sim *sim;
    struct sim_random *random;
    struct config *config;
    struct core_stats stats;
    struct group_trouble trouble;
    struct group_check *check;

    struct groups *groups; /* NULL: down */
    bool lost, dying;
    int32_t loaded; /* batches */
    struct timer_wheel wheel;
    struct sim_event *tick, *sync, *start;
    uint64_t no_room_until_us;
    int64_t wall_ahead_ms, wall_ahead_ms_max;

    struct group_batch *log;
    int32_t log_count, log_max;
    int64_t log_end, durable, syncing;

    const struct image *image;
    int64_t image_version;
    struct group_topic topics[GROUP_SLOT_COUNT];

    struct list asks;
    struct group_ask *running;
    int64_t commit_count; /* every commit has a number of its own */
    uint64_t answer_count[GROUP_API_COUNT], start_count;
};

struct group_ask {
    struct group_call call;
    struct list_link link;
    struct group_world *world;
    enum group_api api;
    int16_t version;
    struct arena arena, server_arena;
    struct bytes bytes;
    void *in;     /* the request as the client writes it */
    void *answer; /* what the client reads; NULL: lost */
    bool at_server, answered, released;
    bool in_time;                      /* it does not come later than its client waits */
    bool is_repeat;                    /* nobody waits for it */
    uint64_t run_us;                   /* when the coordinator got it */
    int64_t written;                   /* end of the log, if its own operation wrote; else -1 */
    void (*done)(struct group_ask *a); /* NULL: nobody waits any more */
    void *who;
    const uint64_t *asleep_until_us; /* of the client's process; NULL: never */
    struct sim_event *on_its_way;
};

/* The config may be changed before the first start. */
struct group_world *group_world_new(struct scenario_run *run);
void group_world_free(struct group_world *w);
void group_world_set(struct group_world *w, const char *key, int64_t value);
/* Loads a coordinator from the log, soon. */
void group_world_start(struct group_world *w);
bool group_world_serves(const struct group_world *w);
int64_t group_world_wall_ms(const struct group_world *w);
/* The wall clock jumps. (What was written before a jump back is in the future until it is made up for.) */
void group_world_wall_jump(struct group_world *w, int64_t ms);

/* The process dies: calls are lost, and it starts again. */
void group_world_crash(struct group_world *w);
/* Another node leads: calls are refused, and it starts elsewhere. */
void group_world_move(struct group_world *w);
/* The disk loses what was not durable, the process lives. */
void group_world_append_lost(struct group_world *w);
void group_world_no_room(struct group_world *w, uint64_t us);

int32_t group_world_topic_name(int32_t slot);
/* "t0" .. */
struct bytes group_topic_text(int32_t slot);
/* The slot that has the name now, -1: none. */
int32_t group_world_slot(const struct group_world *w, int32_t name);
int32_t group_world_slot_by_id(const struct group_world *w, struct uuid id);
/* Makes a topic, or makes it grow. False: all slots of that name are used up. */
bool group_world_topic_make(struct group_world *w, int32_t name, int32_t partition_count);
void group_world_topic_delete(struct group_world *w, int32_t name);
/* All partitions of topics in a set of names, as bits. */
uint64_t group_world_partitions(const struct group_world *w, uint32_t names);

/* "g0" .. */
struct bytes group_text(int32_t group);

struct group_ask *group_ask_new(struct group_world *w, enum group_api api, int16_t version);
/* `done` NULL: nobody waits. */
void group_ask_send(struct group_ask *a, void (*done)(struct group_ask *a), void *who);
/* The client waits no longer. */
void group_ask_forget(struct group_ask *a);
/* Runs it here and now against this coordinator; what it says is in a->call.out, whether or not the answer may
 * leave already. Then either group_ask_free(), when it is answered, or group_ask_ran(), which lets it go its way. */
void group_ask_run(struct group_ask *a, struct groups *g);
void group_ask_ran(struct group_ask *a);
void group_ask_free(struct group_ask *a);
