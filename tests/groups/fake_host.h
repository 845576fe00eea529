/* tests/groups/fake_host.h: a group coordinator without broker: a clock, timers and a log that do what a test says.
 *
 *     struct fake_host *h = fake_host_new(arena);
 *     fake_topic(h, "t", 4);
 *     fake_set(h, "group.initial.rebalance.delay.ms", "0");
 *     fake_start(h);
 *     struct fake_call *c = FAKE_RUN(h, group_join, join_group, 5, &in);
 *     fake_wait(h, 3000);                               timers fire on the way
 *     const struct join_group_response *r = fake_answer(c);
 *     fake_host_end(h);
 *
 * What is appended is durable at once, unless h->slow is set: then with fake_sync(). A request and its memory go
 * away when it is answered, so what touches them later is a sanitizer's error; the answer is copied.
 */
#pragma once

#include "broker/groups/groups_internal.h"
#include "tests/harness/test.h"

struct fake_batch {
    struct bytes bytes;
    int64_t end_offset;
};

struct fake_host {
    struct arena *arena;
    struct config *config;
    struct core_stats stats;
    const struct image *image;
    int64_t image_version;
    struct groups *groups; /* NULL before fake_start() */
    struct timer_wheel timers;
    uint64_t now_us, random;
    struct fake_batch *batches; /* the log */
    int32_t batch_count, batch_max;
    int64_t end_offset, durable_offset;
    uint64_t fail_allocation; /* of every call and timer, this allocation fails; 0: none */
    int fail_append;          /* the append so many from now fails; 0: none */
    bool slow;                /* nothing is durable before fake_sync() */
    bool no_room;             /* of the log, for new operations */
    bool lost; /* the coordinator threw its state away; fake_restart() makes a new one */
};

/* A request that was given to the coordinator. */
struct fake_call {
    struct fake_host *host;
    struct fake_lent *lent; /* NULL: answered */
    const struct message_info *response;
    int16_t version;
    void *out;                /* the answer, read back from bytes of that version */
    enum kafka_error refused; /* KAFKA_NONE: `out` was filled by the operation */
};

struct fake_request {
    group_operation *operation;
    const struct message_info *request, *response;
    int16_t version;
    int32_t at; /* which group, in requests that name several */
    const void *in;
    const char *client_id; /* NULL: "client" */
};

struct fake_host *fake_host_new(struct arena *arena);
/* The coordinator is freed; whoever waits is answered. Nothing is left behind. */
void fake_host_end(struct fake_host *h);
/* One of the broker's settings; before fake_start(). */
void fake_set(struct fake_host *h, const char *key, const char *value);
/* Adds a topic, or gives it more partitions; the coordinator hears of it. */
void fake_topic(struct fake_host *h, const char *name, int32_t partitions);
void fake_topic_remove(struct fake_host *h, const char *name);
struct uuid fake_topic_id(struct fake_host *h, const char *name);

/* A coordinator, loaded from the log. */
void fake_start(struct fake_host *h);
/* The same after a crash: what is not durable is gone. */
void fake_restart(struct fake_host *h);

/* `in` is copied. */
struct fake_call *fake_run(struct fake_host *h, const struct fake_request *r);
#define FAKE_RUN_AT(h_, operation_, api_, version_, at_, in_)                   \
    fake_run((h_), &(struct fake_request){.operation = (operation_),            \
                                          .request = &api_##_request_message,   \
                                          .response = &api_##_response_message, \
                                          .version = (version_),                \
                                          .at = (at_),                          \
                                          .in = (in_)})
#define FAKE_RUN(h_, operation_, api_, version_, in_) \
    FAKE_RUN_AT(h_, operation_, api_, version_, 0, in_)

static inline bool fake_answered(const struct fake_call *c)
{
    return c->lent == NULL;
}
/* The <api>_response; the test fails when there is none yet. */
const void *fake_answer(const struct fake_call *c);

/* So much time passes; timers fire in order. */
void fake_wait(struct fake_host *h, int64_t ms);
/* All that was appended is durable. */
void fake_sync(struct fake_host *h);

/* Records of the log, all batches in one sequence: NULL past the last. `headers` as encoded. */
struct fake_record {
    struct group_record record; /* key_info NULL: of a kind that is not known */
    struct bytes headers;
    int32_t batch;
};
const struct fake_record *fake_record(struct fake_host *h, int32_t at);
int32_t fake_record_count(struct fake_host *h);
/* The newest record of that kind, NULL when there is none: fake_record_last(h, &group_metadata_key_message). */
const struct fake_record *fake_record_last(struct fake_host *h, const struct message_info *key);
/* The value of a header, BYTES_NULL when it has none of that name. */
struct bytes fake_header(const struct fake_record *r, const char *name);
