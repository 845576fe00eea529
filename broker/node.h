/* broker/node.h: one broker: its cores, its data directory, its place in the cluster.
 *
 * Everything the broker has is reached from struct node; there are no globals, so several nodes live in one
 * process (tests/sim). Made, started, stopped and freed by one thread that is none of its cores.
 *
 * START    node_new -> node_start (B): store_recover, the metadata log, this broker's first image, the logs of
 *          every core, listeners, then the actors.
 * STOP     node_stop_begin (any thread) -> the actors end by themselves -> node_stop (B): joins them and
 *          closes the stores, so that the next start scans nothing. node_free without node_stop is for what a
 *          failed start or (in simulation) a crash leaves: memory is freed, nothing is written; no core
 *          may run any more.
 */
#pragma once

#include "base/limits.h"
#include "broker/core.h"

struct config;
struct dispatch_row;
struct store_recovery;

/* How long a clean stop waits for requests that are being served. */
enum { NODE_STOP_US = 5 * 1000 * 1000 };

struct node_options {
    struct env *env;
    const struct config *config;
    struct bytes
        data_dir;   /* null: nothing is stored and there is no metadata (tests of the engine) */
    int core_count; /* 1 .. CORE_COUNT_MAX */
    uint64_t memory_bytes; /* that the process may use */
    uint64_t spin_us;      /* 0 with one processor and in simulation */
    /* Which APIs are served; NULL: dispatch_find, all that have a handler. */
    const struct dispatch_row *(*api_find)(int16_t api_key);
};

struct node {
    struct env *env;
    const struct config *config;
    struct node_options options;
    char data_dir[ENV_PATH_BYTES];
    int32_t broker_id;
    struct core *cores[CORE_COUNT_MAX];
    int core_count;
    struct env_thread *threads[CORE_COUNT_MAX];
    struct env_lane *read_lane, *slow_lane; /* of all cores */
    struct store_recovery *recovery;        /* while it starts */
    uint16_t port;                          /* of the first listener */
    bool has_data;
    bool closing; /* no core runs any more, one thread takes all apart: nobody reads messages */
    bool start_failed; /* some core has no thread: the others leave at once */
};

/* ERR_NOMEM, ERR_USAGE. The options' config and env outlive the node. */
enum err node_new(const struct node_options *options, struct node **out);
/* B. ERR_EXISTS: another process runs on this directory; ERR_USAGE: a listener cannot be bound; else
 * what the disk said. After an error only node_free() is left. */
enum err node_start(struct node *n);
/* Any thread, once: the cores finish what they have and leave their loops. */
void node_stop_begin(struct node *n);
/* Have all cores left their loops? (In simulation, before node_stop().) */
bool node_stopped(const struct node *n);
/* B. Calls node_stop_begin() if nobody did. */
enum err node_stop(struct node *n);
/* NULL is allowed. */
void node_free(struct node *n);

static inline int node_core_count(const struct node *n)
{
    return n->core_count;
}

static inline struct core *node_core(const struct node *n, int index)
{
    ASSERT(index >= 0 && index < n->core_count);
    return n->cores[index];
}

/* Where the first listener listens: clients connect here when port 0 was configured. */
static inline uint16_t node_port(const struct node *n)
{
    return n->port;
}
