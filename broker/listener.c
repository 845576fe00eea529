/* broker/listener.c: the door.
 *
 * WHY      One acceptor knows how many connections each core has and where they come from; a socket per core
 *          would leave the balance to the kernel's hash.
 * FLOW     readable -> accept -> struct connection (ours) -> lent to a core -> ended -> back here, counted off
 *          and freed.
 * OWNER    Core 0.
 * FAILURE  Out of descriptors or memory: accepting pauses for PAUSE_US. A connection that is gone before it is
 *          accepted is no news.
 * LIMITS   ACCEPTS_PER_TURN; struct listener_limits.
 */
#include "broker/listener.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker/connection.h"
#include "broker/node.h"

enum { ACCEPTS_PER_TURN = 32, PAUSE_US = 100 * 1000 };

struct listener {
    struct core_socket socket;
    struct listeners *all;
    uint16_t port;
    bool open;
};

/* Where connections come from; only kept when their number is limited. */
struct host {
    struct map_link link;
    char name[ENV_ADDRESS_BYTES];
    size_t count;
};

/* A connection and how it is counted. */
struct guest {
    struct connection connection;
    struct list_link link; /* listeners->guests */
    int core;
    struct host *host;
};

struct listeners {
    struct core *core;
    struct listener_limits limits;
    struct listener at[LISTENERS_MAX];
    int count;
    struct list guests;
    struct map hosts;
    uint64_t hash_seed;
    size_t loads[CORE_COUNT_MAX];
    int last_core;
    struct timer pause;
    bool paused;
};

/* ---- pausing ---- */

static void watch_all(struct listeners *ls, bool on)
{
    for (int i = 0; i < ls->count; i++) {
        struct listener *l = &ls->at[i];
        if (!l->open) {
            continue;
        }
        if (!on) {
            env_unwatch(ls->core->env, ls->core->poller, l->socket.socket);
        } else if (env_watch(ls->core->env, ls->core->poller, l->socket.socket, ENV_READABLE,
                             &l->socket) != OK) {
            log_error("listener failed", "port=%u reason=\"%s\"", (unsigned)l->port, err_crumb());
        }
    }
}

static void pause_over(struct timer *t)
{
    struct listeners *ls = CONTAINER_OF(t, struct listeners, pause);

    ls->paused = false;
    watch_all(ls, true);
}

/* For a while, or (at max.connections) until a connection ends. */
static void pause_accepting(struct listeners *ls, bool for_a_while)
{
    if (ls->paused) {
        return;
    }
    ls->paused = true;
    ls->core->stats.accepts_paused++;
    watch_all(ls, false);
    if (for_a_while) {
        core_timer(ls->core, &ls->pause, PAUSE_US);
    }
}

/* ---- guests ---- */

static bool is_host(const struct map_link *link, const void *name)
{
    return strcmp(CONTAINER_OF(link, struct host, link)->name, name) == 0;
}

static void host_leave(struct listeners *ls, struct host *h)
{
    if (h != NULL && --h->count == 0) {
        map_remove(&ls->hosts, &h->link);
        mem_free(h);
    }
}

/* The host with one more connection; NULL: at its limit, or no memory. */
static struct host *host_enter(struct listeners *ls, const char *name)
{
    uint64_t hash = bytes_hash(bytes_of(name), ls->hash_seed);
    struct map_link *link = map_find(&ls->hosts, hash, is_host, name);
    struct host *h = link == NULL ? NULL : CONTAINER_OF(link, struct host, link);

    if (h != NULL && h->count >= ls->limits.connections_per_host_max) {
        return NULL;
    }
    if (h == NULL && ls->limits.connections_per_host_max > 0) {
        h = mem_zalloc(1, sizeof(*h));
        if (h == NULL) {
            return NULL;
        }
        memcpy(h->name, name, MIN(strlen(name), sizeof(h->name) - 1));
        map_add(&ls->hosts, hash, &h->link);
    }
    if (h != NULL) {
        h->count++;
    }
    return h;
}

static void guest_gone(struct core *zero, struct connection *c)
{
    struct guest *g = CONTAINER_OF(c, struct guest, connection);
    struct listeners *ls = zero->listeners;

    ASSERT(ls->loads[g->core] > 0);
    ls->loads[g->core]--;
    list_remove(&ls->guests, &g->link);
    host_leave(ls, g->host);
    mem_free(g);
    if (ls->paused && !timer_pending(&ls->pause)) {
        pause_over(&ls->pause);
    }
}

static int least_loaded(const struct listeners *ls)
{
    int cores = node_core_count(ls->core->node);
    int best = (ls->last_core + 1) % cores;

    for (int i = 0; i < cores; i++) {
        int core = (ls->last_core + 1 + i) % cores;
        if (ls->loads[core] < ls->loads[best]) {
            best = core;
        }
    }
    return best;
}

/* Takes the socket over. */
static void admit(struct listeners *ls, int socket, const struct env_address *peer,
                  const struct env_address *local)
{
    bool counted = ls->limits.connections_per_host_max != SIZE_MAX;
    struct host *h = counted ? host_enter(ls, peer->host) : NULL;
    struct guest *g = counted && h == NULL ? NULL : mem_zalloc(1, sizeof(*g));

    if (g == NULL) {
        host_leave(ls, h);
        env_close_socket(ls->core->env, socket);
        ls->core->stats.connections_refused++;
        return;
    }
    g->host = h;
    g->core = ls->last_core = least_loaded(ls);
    g->connection.socket.socket = socket;
    g->connection.peer = *peer;
    g->connection.local = *local;
    g->connection.home = ls->core->index;
    g->connection.ended = guest_gone;
    ls->loads[g->core]++;
    list_add_last(&ls->guests, &g->link);
    connection_lend(ls->core, g->core, &g->connection);
}

static void ready(struct core *core, struct core_socket *s, uint32_t bits)
{
    struct listener *l = CONTAINER_OF(s, struct listener, socket);
    struct listeners *ls = l->all;

    (void)bits;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->open && !ls->paused; i++) {
        struct env_address peer, local;
        int socket;
        if (ls->guests.len >= ls->limits.connections_max) {
            pause_accepting(ls, false);
            return;
        }
        enum err e = env_accept(core->env, s->socket, &socket, &peer, &local);
        if (e == OK) {
            admit(ls, socket, &peer, &local);
        } else if (e == ERR_LIMIT || e == ERR_NOMEM) {
            log_warn("accepting paused", "reason=\"%s\"", err_crumb());
            pause_accepting(ls, true);
        } else if (e == ERR_AGAIN) {
            return;
        }
    }
}

/* ---- life ---- */

enum err listeners_open(struct core *zero, const struct env_address *at, int count,
                        const struct listener_limits *limits)
{
    struct listeners *ls = mem_zalloc(1, sizeof(*ls));

    ASSERT(zero->index == 0 && count >= 1 && count <= LISTENERS_MAX);
    if (ls == NULL) {
        return fail(ERR_NOMEM, "listeners");
    }
    zero->listeners = ls;
    ls->core = zero;
    ls->limits = *limits;
    ls->hash_seed = env_random(zero->env);
    ls->pause.fire = pause_over;
    ls->last_core = node_core_count(zero->node) - 1;
    for (int i = 0; i < count; i++) {
        struct listener *l = &ls->at[i];
        l->all = ls;
        l->socket.ready = ready;
        TRY(env_listen(zero->env, &at[i], &l->socket.socket, &l->port));
        l->open = true;
        ls->count++;
        TRY(env_watch(zero->env, zero->poller, l->socket.socket, ENV_READABLE, &l->socket));
    }
    return OK;
}

uint16_t listeners_port(const struct core *zero)
{
    return zero->listeners->at[0].port;
}

void listeners_stop(struct core *zero)
{
    struct listeners *ls = zero->listeners;

    if (ls == NULL) {
        return;
    }
    if (!ls->paused) {
        watch_all(ls, false);
    }
    timer_wheel_cancel(&zero->timers, &ls->pause);
    for (int i = 0; i < ls->count; i++) {
        if (ls->at[i].open) {
            env_close_socket(zero->env, ls->at[i].socket.socket);
            ls->at[i].open = false;
        }
    }
}

void listeners_free(struct core *zero)
{
    struct listeners *ls = zero->listeners;
    struct list_link *link;

    if (ls == NULL) {
        return;
    }
    listeners_stop(zero);
    while ((link = list_take_first(&ls->guests)) != NULL) {
        struct guest *g = CONTAINER_OF(link, struct guest, link);
        if (g->connection.core == NULL) { /* on its way to a core */
            env_close_socket(zero->env, g->connection.socket.socket);
        }
        host_leave(ls, g->host);
        mem_free(g);
    }
    map_deinit(&ls->hosts);
    mem_free(ls);
    zero->listeners = NULL;
}
