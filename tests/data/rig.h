/* tests/data/rig.h: a node without sockets, disks and threads, for tests of the data path.
 *
 *     struct rig *rig = rig_new(arena, 2);
 *     rig_topic(rig, "t", 4, NULL);
 *     struct served *s = rig_produce(rig, 0, 9, &in);   the handler has run
 *     fake_plog_sync(rig_log(rig, "t", 0));
 *     rig_run(rig);                                     every message is delivered
 *     CHECK(s->finished);
 *     served_end(s);                                    the reply was sent: its memory is gone
 *     rig_end(rig);                                     nothing is left behind
 *
 * Partition n of a topic belongs to core n modulo the number of cores. Time stands still until rig_wait().
 */
#pragma once

#include "broker/append.h"
#include "broker/fetch_session.h"
#include "broker/fetch_wait.h"
#include "broker/handler.h"
#include "broker/node.h"
#include "protocol/batch_builder.h"
#include "schema/dispatch.h"
#include "schema/fetch.h"
#include "schema/list_offsets.h"
#include "schema/offset_for_leader_epoch.h"
#include "schema/produce.h"
#include "tests/data/fake_plog.h"
#include "tests/harness/test.h"

enum { RIG_CORES_MAX = 4, RIG_TOPICS_MAX = 8 };

struct rig_topic_options {
    int8_t compression; /* enum codec, -1 */
    bool log_append_time, internal, relaxed;
    int32_t leader_epoch, max_message_bytes;
};

struct rig {
    struct arena *arena;
    struct node node;
    struct core cores[RIG_CORES_MAX];
    struct env env;
    struct config *config;
    const struct image *image;
    int64_t version;
    struct rig_message {
        struct message *message;
        int to;
        struct rig_message *next;
    } * first, *last;
    uint64_t random;
    uint64_t
        fail_nth; /* from the start of each handler on, this allocation fails; then mem_fail_nth(0) */
    int alive_before;
};

/* A request and its memory. */
struct served {
    struct request rq;
    struct arena arena;
    bool finished;
    union {
        struct produce_response produce;
        struct fetch_response fetch;
        struct list_offsets_response list_offsets;
        struct offset_for_leader_epoch_response epochs;
    } out;
};

struct rig *rig_new(struct arena *arena, int core_count);
void rig_end(struct rig *rig);
/* options NULL: compression producer, epoch 0. An existing name is a new topic. */
void rig_topic(struct rig *rig, const char *name, int32_t partitions,
               const struct rig_topic_options *options);
void rig_topic_remove(struct rig *rig, const char *name);
struct uuid rig_topic_id(struct rig *rig, const char *name);
struct partition *rig_partition(struct rig *rig, const char *topic, int32_t partition);
struct plog *rig_log(struct rig *rig, const char *topic, int32_t partition);

/* Delivers messages until there are none. */
void rig_run(struct rig *rig);
/* The same after so much time; timers fire on the way. */
void rig_wait(struct rig *rig, uint64_t us);

/* The handler runs on that core; what it submits to its own partitions, too. `in` may go afterwards only if
 * the request is answered. */
struct served *rig_produce(struct rig *rig, int core, int16_t version,
                           const struct produce_request *in);
struct served *rig_fetch(struct rig *rig, int core, int16_t version,
                         const struct fetch_request *in);
struct served *rig_list_offsets(struct rig *rig, int core, int16_t version,
                                const struct list_offsets_request *in);
struct served *rig_epochs(struct rig *rig, int core, int16_t version,
                          const struct offset_for_leader_epoch_request *in);
/* The reply was sent, or dropped. */
void served_end(struct served *s);
/* No core runs any more: messages are lost, and requests go as they are. */
void rig_stop(struct rig *rig);
void served_drop(struct served *s);

struct rig_batch {
    int records, value_bytes; /* 0: 1 record of 10 bytes */
    int64_t producer_id;      /* 0: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    int64_t timestamp_ms; /* 0: now */
    uint16_t attributes;
};
/* A valid batch, in the arena. */
struct bytes rig_batch(struct rig *rig, struct rig_batch b);
/* Appends such batches, one request each, and makes them durable. */
void rig_fill(struct rig *rig, const char *topic, int32_t partition, int batches);

/* A request for one partition. */
struct produce_request *rig_produce_one(struct rig *rig, const char *topic, int32_t partition,
                                        int16_t acks, struct bytes records);
const struct produce_response_partition *served_produced(const struct served *s);
/* A fetch of partitions 0 .. count-1 from these offsets; waits 500 ms for 1 byte. */
struct fetch_request *rig_fetch_of(struct rig *rig, const char *topic, int32_t count,
                                   const int64_t *offsets);
const struct fetch_response_partition *served_fetched(const struct served *s, int32_t at);
/* The attached bytes, one after the other. */
struct bytes served_bytes(struct rig *rig, const struct served *s);
