/* broker/node.c: putting a broker together, and taking it apart.
 *
 * WHY      Start and stop order is one list in one place. The same code runs a real process and, many at once,
 *          the nodes of a simulated cluster.
 * MEMORY   What the process may use is divided here: a quarter for requests, and what weir.memory.bytes
 *          says (or a quarter, at most LOG_BYTES_MAX) for log bytes; each core gets its equal share. All of
 *          it is a bound, none of it is taken beforehand.
 * OWNER    The thread that calls; during node_start and node_stop it acts in the name of one core after the
 *          other, whose loops do not run.
 * FAILURE  node_start stops at the first error; node_free takes apart whatever is there.
 */
#include "broker/node.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/connection.h"
#include "broker/fetch_session.h"
#include "broker/identity.h"
#include "broker/image.h"
#include "broker/listener.h"
#include "broker/metadata.h"
#include "broker/metrics_door.h"
#include "broker/partition.h"
#include "protocol/compression.h"
#include "schema/dispatch.h"
#include "storage/store.h"

#include <stdio.h>

enum {
    US_PER_MS = 1000,
    READ_LANE_WIDTH = 4,
    SLOW_LANE_WIDTH = 1,
    REQUEST_SHARE = 4,
    LOG_SHARE = 4
};

static const uint64_t request_bytes_min = 4 << 20, request_bytes_max = UINT64_C(1) << 30;
static const uint64_t log_bytes_min = 4 << 20, log_bytes_max = 256 << 20;

/* ---- shares ---- */

static size_t request_bytes(const struct node *n)
{
    uint64_t share = n->options.memory_bytes / REQUEST_SHARE / (uint64_t)n->core_count;

    return (size_t)MIN(MAX(share, request_bytes_min), request_bytes_max);
}

/* One frame may be as large as all cores' share together, whatever the setting says: more could not be held. */
static size_t frame_bytes(const struct node *n)
{
    uint64_t share = MAX(n->options.memory_bytes / REQUEST_SHARE, request_bytes_min);

    return (size_t)MIN((uint64_t)config_i64(n->config, CONFIG_SOCKET_REQUEST_MAX_BYTES), share);
}

static size_t log_bytes(const struct node *n)
{
    uint64_t all = (uint64_t)config_i64(n->config, CONFIG_WEIR_MEMORY_BYTES);

    if (all == 0) {
        all = MIN(n->options.memory_bytes / LOG_SHARE, log_bytes_max);
    }
    return (size_t)MAX(all / (uint64_t)n->core_count, log_bytes_min);
}

static uint64_t us_of_ms(int64_t ms)
{
    return ms < 0 ? 0 : MIN((uint64_t)ms, UINT64_MAX / US_PER_MS) * US_PER_MS;
}

/* ---- making ---- */

static enum err cores_new(struct node *n)
{
    for (int i = 0; i < n->core_count; i++) {
        struct core *c = mem_zalloc(1, sizeof(*c));
        if (c == NULL) {
            return fail(ERR_NOMEM, "core %d", i);
        }
        n->cores[i] = c;
        c->index = i;
        c->node = n;
        c->env = n->env;
        c->config = n->config;
    }
    return OK;
}

enum err node_new(const struct node_options *options, struct node **out)
{
    struct node *n = mem_zalloc(1, sizeof(*n));

    ASSERT(options->core_count >= 1 && options->core_count <= CORE_COUNT_MAX);
    if (n == NULL) {
        return fail(ERR_NOMEM, "a node");
    }
    n->env = options->env;
    n->config = options->config;
    n->options = *options;
    if (n->options.api_find == NULL) {
        n->options.api_find = dispatch_find;
    }
    n->core_count = options->core_count;
    n->broker_id = (int32_t)config_i64(options->config, CONFIG_NODE_ID);
    n->has_data = options->data_dir.at != NULL;
    enum err e = cores_new(n);
    if (e == OK && n->has_data &&
        bytes_to_cstr(options->data_dir, n->data_dir, sizeof(n->data_dir)) != OK) {
        e = fail(ERR_USAGE, "the path of the data directory is too long");
    }
    if (e != OK) {
        node_free(n);
        return e;
    }
    *out = n;
    return OK;
}

/* ---- start ---- */

static void store_state(void *context, enum err e)
{
    const struct core *c = context;

    if (e == OK) {
        log_warn("disk works again", "core=%d", c->index);
    } else {
        log_error("disk failed", "core=%d error=%s detail=\"%s\"", c->index, err_name(e),
                  err_crumb());
    }
}

static enum err store_start(struct node *n, struct core *c)
{
    struct store_config config = {
        .env = n->env,
        .home = c->poller,
        .data_dir = n->data_dir,
        .core = c->index,
        .memory_bytes_max = log_bytes(n),
        .journal_bytes_max = (uint64_t)config_i64(n->config, CONFIG_WEIR_JOURNAL_BYTES),
        .recovery = n->recovery,
        .read_lane = n->read_lane,
        .slow_lane = n->slow_lane,
        .on_state = store_state,
        .context = c,
    };

    return store_new(&config, &c->store);
}

static enum err logs_open(struct node *n)
{
    struct core *zero = n->cores[0];
    struct identity id;

    TRY(identity_open(n->env, n->data_dir, n->broker_id, config_text(n->config, CONFIG_CLUSTER_ID),
                      &id));
    for (int i = 0; i < n->core_count; i++) {
        TRY(store_start(n, n->cores[i]));
    }
    (void)core_act_as(zero);
    TRY(metadata_open(zero, bytes_of(id.cluster_id)));
    for (int i = 0; i < n->core_count; i++) {
        struct core *c = n->cores[i];
        (void)core_act_as(c);
        if (c != zero) {
            c->image = image_ref(zero->image);
        }
        TRY(partitions_open(c, c->image));
    }
    return OK;
}

static enum err data_open(struct node *n)
{
    TRY(env_lane_new(n->env, "read", READ_LANE_WIDTH, &n->read_lane));
    TRY(env_lane_new(n->env, "slow", SLOW_LANE_WIDTH, &n->slow_lane));
    TRY(store_recover(n->env, n->data_dir, &n->recovery));
    enum err e = logs_open(n);
    (void)core_act_as(NULL);
    TRY(e);
    struct store_recovery *r = n->recovery;
    n->recovery = NULL;
    return store_recover_end(r);
}

static enum err listen(struct node *n)
{
    struct listener_config found[LISTENER_COUNT_MAX];
    struct env_address at[LISTENER_COUNT_MAX] = {0};
    struct listener_limits limits = {
        .connections_max = (size_t)config_i64(n->config, CONFIG_MAX_CONNECTIONS),
        .connections_per_host_max = (size_t)config_i64(n->config, CONFIG_MAX_CONNECTIONS_PER_IP),
    };
    int count = 0;

    if (!config_is_set(n->config, CONFIG_MAX_CONNECTIONS_PER_IP)) {
        limits.connections_per_host_max = SIZE_MAX; /* not counted at all */
    }
    TRY(config_listeners(config_text(n->config, CONFIG_LISTENERS), found, &count));
    for (int i = 0; i < count; i++) {
        at[i].port = found[i].port;
        if (bytes_to_cstr(found[i].host, at[i].host, sizeof(at[i].host)) != OK) {
            return fail(ERR_USAGE, "listeners: a host name is too long");
        }
    }
    TRY(listeners_open(n->cores[0], at, count, &limits));
    n->port = listeners_port(n->cores[0]);
    return metrics_door_open(n->cores[0], config_text(n->config, CONFIG_WEIR_METRICS_LISTENER));
}

static enum err connections_start(struct node *n)
{
    struct connection_limits limits = {
        .frame_bytes_max = frame_bytes(n),
        .budget_bytes = request_bytes(n),
        .idle_us = us_of_ms(config_i64(n->config, CONFIG_CONNECTIONS_MAX_IDLE_MS)),
    };

    for (int i = 0; i < n->core_count; i++) {
        TRY(connections_new(n->cores[i], &limits));
    }
    return OK;
}

static void threads_join(struct node *n)
{
    for (int i = 0; i < n->core_count; i++) {
        if (n->threads[i] != NULL) {
            env_thread_join(n->env, n->threads[i]);
            n->threads[i] = NULL;
        }
    }
}

static enum err threads_start(struct node *n)
{
    enum err e = OK;

    for (int i = 0; i < n->core_count && e == OK; i++) {
        char thread[16];
        (void)snprintf(thread, sizeof(thread), "core %d", i);
        e = env_thread_start(n->env, thread, core_turn, n->cores[i], &n->threads[i]);
    }
    if (e != OK) {
        n->start_failed = true;
        for (int i = 0; i < n->core_count; i++) {
            mailbox_signal(n->cores[i]);
        }
        threads_join(n);
    }
    return e;
}

enum err node_start(struct node *n)
{
    for (int i = 0; i < n->core_count; i++) {
        TRY(core_init(n->cores[i], n->cores, n->core_count));
    }
    if (n->has_data) {
        TRY(data_open(n));
    }
    TRY(connections_start(n));
    TRY(listen(n));
    return threads_start(n);
}

/* ---- stop ---- */

void node_stop_begin(struct node *n)
{
    mailbox_signal(n->cores[0]);
}

bool node_stopped(const struct node *n)
{
    for (int i = 0; i < n->core_count; i++) {
        if (!n->cores[i]->stopped) {
            return false;
        }
    }
    return true;
}

/* No core runs. First of all: what requests borrowed from any core's logs goes back. */
static void connections_close(struct node *n)
{
    n->closing = true;
    for (int i = 0; i < n->core_count; i++) {
        if (n->cores[i] != NULL) {
            (void)core_act_as(n->cores[i]);
            connections_free(n->cores[i]);
        }
    }
    (void)core_act_as(NULL);
}

/* What stands on the stores, in the name of each core; no core runs. */
static void cores_close(struct node *n)
{
    connections_close(n);
    for (int i = 0; i < n->core_count; i++) {
        struct core *c = n->cores[i];
        if (c == NULL) {
            continue;
        }
        (void)core_act_as(c);
        partitions_close(c);
        fetch_sessions_free(c->fetch_sessions);
        compression_free(c->compression);
        if (i == 0) {
            metadata_close(c);
        }
        image_unref(c->image);
        c->image = NULL;
    }
    if (n->cores[0] != NULL) {
        (void)core_act_as(n->cores[0]);
        metrics_door_free(n->cores[0]);
        listeners_free(n->cores[0]);
    }
    (void)core_act_as(NULL);
}

enum err node_stop(struct node *n)
{
    enum err result = OK;

    node_stop_begin(n);
    threads_join(n);
    connections_close(n);
    for (int i = 0; i < n->core_count; i++) {
        struct core *c = n->cores[i];
        if (c->store == NULL) {
            continue;
        }
        (void)core_act_as(c);
        enum err e = store_close(c->store);
        c->store = NULL;
        result = result == OK ? e : result;
    }
    (void)core_act_as(NULL);
    return result;
}

void node_free(struct node *n)
{
    if (n == NULL) {
        return;
    }
    cores_close(n);
    if (n->read_lane != NULL) {
        env_lane_free(n->env, n->read_lane);
    }
    if (n->slow_lane != NULL) {
        env_lane_free(n->env, n->slow_lane);
    }
    for (int i = 0; i < n->core_count; i++) {
        if (n->cores[i] != NULL && n->cores[i]->store != NULL) {
            store_free(n->cores[i]->store);
        }
    }
    store_recover_free(n->recovery);
    for (int i = 0; i < n->core_count; i++) {
        if (n->cores[i] != NULL) {
            core_deinit(n->cores[i]);
            mem_free(n->cores[i]);
        }
    }
    mem_free(n);
}
