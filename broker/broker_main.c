/* broker/broker_main.c: from options to a running node, and from a signal to its clean end.
 *
 * WHY      A broker needs nothing but a directory: everything else has a default or is found out here
 *          (processors, memory, descriptors), so that it starts in milliseconds in any container.
 * OWNER    The main thread: it makes the node, then sleeps in a poller of its own until a signal wakes it.
 * FAILURE  Any error of the start is one log line and an exit code.
 */
#include "broker/broker_main.h"

#include "base/env_linux.h"
#include "base/log.h"
#include "broker/config.h"
#include "broker/node.h"

#include <stdio.h>

enum { SPIN_US = 20, US_PER_MS = 1000, MEMORY_MIB_BITS = 20 };

static struct bytes data_dir(const struct broker_options *o)
{
    struct bytes dirs = config_text(o->config, CONFIG_LOG_DIRS);
    struct bytes dir = config_text(o->config, CONFIG_LOG_DIR);

    if (o->data_dir.len > 0) {
        return o->data_dir;
    }
    return dirs.len > 0 ? dirs : dir.len > 0 ? dir : BYTES(BROKER_DATA_DIR);
}

static int core_count(const struct config *config)
{
    int64_t wanted = config_i64(config, CONFIG_WEIR_CORES);

    return (int)MIN(wanted > 0 ? wanted : env_linux_core_count(), (int64_t)CORE_COUNT_MAX);
}

static int64_t wall_ms(void *env)
{
    return env_wall_ms(env);
}

/* The address a person on this machine may try. */
static void print_ready(const struct node *n, uint64_t took_us)
{
    struct listener_config at[LISTENER_COUNT_MAX];
    int count = 0;
    struct bytes host = BYTES("localhost");

    enum err e = config_listeners(config_text(n->config, CONFIG_LISTENERS), at, &count);
    if (e == OK && count > 0 && at[0].host.len > 0 && !bytes_equal(at[0].host, BYTES("0.0.0.0")) &&
        !bytes_equal(at[0].host, BYTES("::"))) {
        host = at[0].host;
    }
    (void)printf("ready in %" PRIu64 " ms  kafka %.*s:%u  data %s\n", took_us / US_PER_MS,
                 BYTES_ARG(host), (unsigned)node_port(n), n->data_dir);
    (void)fflush(stdout);
}

static int failed(const char *what, enum err e)
{
    log_error(what, "error=%s reason=\"%s\"", err_name(e), err_crumb());
    return e == ERR_USAGE || e == ERR_EXISTS ? BROKER_EXIT_USAGE : BROKER_EXIT_FAILED;
}

static void wait_for_stop(struct env *env, struct env_poller *poller)
{
    struct env_event events[2];

    while (!env_linux_stop_asked()) {
        (void)env_poll(env, poller, events, (int)COUNT_OF(events), -1);
    }
}

/* The node is made; `poller` is the main thread's. */
static int run(struct env *env, struct node *n, struct env_poller *poller, uint64_t began_us)
{
    enum err e = env_linux_on_stop(env, poller);

    e = e == OK ? node_start(n) : e;
    if (e != OK) {
        return failed("start failed", e);
    }
    print_ready(n, env_now_us(env) - began_us);
    wait_for_stop(env, poller);
    uint64_t asked_us = env_now_us(env);
    log_info("stopping", "cores=%d", node_core_count(n));
    e = node_stop(n);
    if (e != OK) {
        return failed("stop failed", e);
    }
    log_info("stopped", "took_ms=%" PRIu64, (env_now_us(env) - asked_us) / US_PER_MS);
    return BROKER_EXIT_OK;
}

static int run_in(struct env *env, const struct broker_options *o)
{
    uint64_t began_us = env_now_us(env), files = env_linux_files_max();
    struct env_poller *poller = NULL;
    struct node *n = NULL;
    struct node_options options = {
        .env = env,
        .config = o->config,
        .data_dir = data_dir(o),
        .core_count = core_count(o->config),
        .memory_bytes = env_linux_memory_bytes(),
        .spin_us = env_linux_core_count() > 1 ? SPIN_US : 0,
    };

    log_clock(wall_ms, env);
    enum err e = node_new(&options, &n);
    if (e != OK) {
        return failed("start failed", e);
    }
    log_info("starting", "data=%s cores=%d memory_mib=%" PRIu64 " files=%" PRIu64, n->data_dir,
             n->core_count, options.memory_bytes >> MEMORY_MIB_BITS, files);
    e = env_poller_new(env, &poller);
    int code = e == OK ? run(env, n, poller, began_us) : failed("start failed", e);
    node_free(n);
    if (poller != NULL) {
        env_poller_free(env, poller);
    }
    log_clock(NULL, NULL);
    return code;
}

int broker_main(const struct broker_options *options)
{
    struct env *env;
    enum err e = env_linux_new(&env);

    if (e != OK) {
        return failed("start failed", e);
    }
    int code = run_in(env, options);
    env_linux_free(env);
    return code;
}
