/* tools/cmd_broker.c: `weir broker` and `weir dev`: from a command line to a running node.
 *
 * WHY      A broker takes its settings from a file, from the environment as Kafka's images do, and from the
 *          command line, the later ones winning; whoever mistypes a key is told which one was meant.
 * FORMAT   broker/config.h. --data, --port and --cores are short for settings.
 * OWNER    The main thread, until broker_main() returns.
 * LIMITS   A settings file of SETTINGS_BYTES_MAX.
 */
#include "tools/cli_internal.h"

#include "broker/broker_main.h"
#include "broker/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTINGS_BYTES_MAX = 1 << 20, PORT_DEFAULT = 9092, METRICS_PORT = 9644 };

/* ---- settings ---- */

static int read_file(struct cli *c, struct bytes name, struct bytes *out)
{
    char path[ENV_PATH_BYTES];
    uint64_t bytes = 0;
    size_t got = 0;
    int file;

    if (bytes_to_cstr(name, path, sizeof(path)) != OK) {
        return cli_fail(c, CLI_USAGE, "-c: a path of %zu bytes", name.len);
    }
    enum err e = env_open(c->env, path, ENV_OPEN_READ, &file);
    if (e != OK) {
        return cli_fail_err(c, e, "the settings cannot be read");
    }
    e = env_size(c->env, file, &bytes);
    uint8_t *at = e == OK && bytes <= SETTINGS_BYTES_MAX ? arena_alloc(c->arena, bytes) : NULL;
    if (e == OK && at == NULL) {
        e = fail(ERR_LIMIT, "%s has %" PRIu64 " bytes", path, bytes);
    }
    e = e == OK ? env_read(c->env, file, at, bytes, 0, &got) : e;
    (void)env_close(c->env, file);
    *out = (struct bytes){at, got};
    return e == OK ? CLI_OK : cli_fail_err(c, e, "the settings cannot be read");
}

static int refused(struct cli *c, enum err e, const char *where)
{
    if (e == OK) {
        return CLI_OK;
    }
    return cli_fail(c, e == ERR_NOMEM ? CLI_REFUSED : CLI_USAGE, "%s: %s", where, cli_crumb(c));
}

static int set(struct cli *c, struct config *config, const char *name, struct bytes value)
{
    return refused(c, config_set(config, bytes_of(name), value, CONFIG_FROM_SET), "command line");
}

static int take_file(struct cli *c, struct config *config)
{
    struct bytes text = BYTES_NULL, name = cli_value(c, CLI_OPT_CONFIG);

    if (name.at == NULL) {
        return CLI_OK;
    }
    int exit = read_file(c, name, &text);
    if (exit != CLI_OK) {
        return exit;
    }
    struct bytes where = arena_format(c->arena, "%.*s%c", BYTES_ARG(name), 0);
    return refused(c, config_parse_properties(config, text), (const char *)where.at);
}

static int take_environment(struct cli *c, struct config *config)
{
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        int exit = refused(c, config_parse_environment(config, bytes_of(*at)), "environment");
        if (exit != CLI_OK) {
            return exit;
        }
    }
    return CLI_OK;
}

static int take_sets(struct cli *c, struct config *config)
{
    struct bytes assignment;

    for (int i = 0; cli_value_at(c, CLI_OPT_SET, i, &assignment); i++) {
        ptrdiff_t equals = bytes_find(assignment, '=');
        if (equals <= 0) {
            return cli_fail(c, CLI_USAGE, "--set %.*s: write it as key=value",
                            BYTES_ARG(assignment));
        }
        enum err e = config_set(config, bytes_slice(assignment, 0, (size_t)equals),
                                bytes_slice(assignment, (size_t)equals + 1, assignment.len),
                                CONFIG_FROM_SET);
        int exit = refused(c, e, "--set");
        if (exit != CLI_OK) {
            return exit;
        }
    }
    return CLI_OK;
}

/* Whoever tries things out gets metrics as well, unless another broker on this machine has them there. */
static int offer_metrics(struct cli *c, struct config *config)
{
    struct env_address at = {.host = "localhost", .port = METRICS_PORT};
    uint16_t port;
    int socket;

    if (config_is_set(config, CONFIG_WEIR_METRICS_LISTENER) ||
        env_listen(c->env, &at, &socket, &port) != OK) {
        return CLI_OK;
    }
    env_close_socket(c->env, socket);
    return set(c, config, "weir.metrics.listener",
               arena_format(c->arena, "%s:%d", at.host, METRICS_PORT));
}

/* --port and --cores. `host` is where to listen if nothing else says; who tries things out ("" does not) is not made
 * to wait for members of a group that are not going to come, either. */
static int take_options(struct cli *c, struct config *config, const char *host)
{
    int64_t port, cores;
    int exit = CLI_OK;

    if (!cli_number(c, CLI_OPT_PORT, PORT_DEFAULT, &port) ||
        !cli_number(c, CLI_OPT_CORES, 0, &cores)) {
        return CLI_USAGE;
    }
    if (port < 0 || port > UINT16_MAX) {
        return cli_fail(c, CLI_USAGE, "--port %" PRId64 ": 0 to %d", port, UINT16_MAX);
    }
    bool told = config_is_set(config, CONFIG_LISTENERS);
    if (cli_has(c, CLI_OPT_PORT) || (host[0] != 0 && !told)) {
        exit = set(c, config, "listeners",
                   arena_format(c->arena, "PLAINTEXT://%s:%" PRId64, host, port));
    }
    if (exit == CLI_OK && host[0] != 0 &&
        !config_is_set(config, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS)) {
        exit = set(c, config, "group.initial.rebalance.delay.ms", BYTES("0"));
    }
    if (exit == CLI_OK && host[0] != 0) {
        exit = offer_metrics(c, config);
    }
    if (exit == CLI_OK && cli_has(c, CLI_OPT_CORES)) {
        exit = set(c, config, "weir.cores", arena_format(c->arena, "%" PRId64, cores));
    }
    return exit;
}

static int take_all(struct cli *c, struct config *config, const char *host)
{
    int exit = take_file(c, config);

    exit = exit == CLI_OK ? take_environment(c, config) : exit;
    exit = exit == CLI_OK ? take_sets(c, config) : exit;
    exit = exit == CLI_OK ? take_options(c, config, host) : exit;
    exit = exit == CLI_OK ? refused(c, config_check(config), "settings") : exit;
    return exit;
}

/* ---- running ---- */

/* The folder and those it stands in. */
static int make_folders(struct cli *c, struct bytes path)
{
    char at[ENV_PATH_BYTES];

    if (bytes_to_cstr(path, at, sizeof(at)) != OK || path.len == 0) {
        return cli_fail(c, CLI_USAGE, "--data: a path of %zu bytes", path.len);
    }
    for (size_t i = 1; i <= path.len; i++) {
        if (at[i] != '/' && at[i] != 0) {
            continue;
        }
        char kept = at[i];
        at[i] = 0;
        enum err e = env_mkdir(c->env, at);
        at[i] = kept;
        if (e != OK && i == path.len) {
            return cli_fail_err(c, e, "no place for data");
        }
    }
    return CLI_OK;
}

static int run(struct cli *c, struct bytes data, const char *host)
{
    struct config *config;
    enum err e = config_new(&config);

    if (e != OK) {
        return cli_fail_err(c, e, "settings");
    }
    int exit = take_all(c, config, host);
    if (exit == CLI_OK && data.at != NULL) {
        exit = make_folders(c, data);
    }
    if (exit == CLI_OK) {
        const char *name;
        for (int i = 0; (name = config_ignored(config, i)) != NULL; i++) {
            (void)fprintf(stderr, "ignored: %s (it has no effect here)\n", name);
        }
        exit = broker_main(&(struct broker_options){.config = config, .data_dir = data});
    }
    config_free(config);
    return exit;
}

int command_broker(struct cli *c)
{
    return run(c, cli_value(c, CLI_OPT_DATA), "");
}

/* $XDG_DATA_HOME/weir/dev, or the same below ~/.local/share. */
static struct bytes dev_folder(struct cli *c)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data != NULL && data[0] == '/') {
        return arena_format(c->arena, "%s/weir/dev", data);
    }
    return home != NULL && home[0] == '/' ? arena_format(c->arena, "%s/.local/share/weir/dev", home)
                                          : BYTES_NULL;
}

int command_dev(struct cli *c)
{
    struct bytes data = cli_value(c, CLI_OPT_DATA);

    data = data.at == NULL ? dev_folder(c) : data;
    if (data.at == NULL) {
        return cli_fail(c, CLI_USAGE, "there is no home folder: say where with --data FOLDER");
    }
    return run(c, data, "localhost");
}
