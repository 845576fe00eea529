/* tests/sim/env_sim.c: the world: nodes, their lives, their clocks, and the running of events.
 *
 * WHY      One thread and one queue of events, so that a seed is a history; base/env.h per process, so that the
 *          code under test is the product's own, unchanged.
 * LIFE     machine on, process running -> kill -> machine on -> restart; or -> power off -> restart. A process
 *          that ended stays in memory until the world ends, because its owner still has its door: releasing
 *          calls work, the rest answers ERR_IO.
 * CLOCK    A machine's clock is a straight line through an anchor; a change of drift moves the anchor, so it
 *          never goes back. Each process adds a random start. Wall time is the same line plus an offset.
 */
#include "tests/sim/env_sim_internal.h"

#include "tests/sim/sim_mem.h"
#include "tests/sim/sim_net.h"

#include <stdarg.h>
#include <stdio.h>

enum { STREAM_SCHED = 1, STREAM_NET, STREAM_OWN, STREAM_NODE_FIRST = 100, STREAMS_PER_NODE = 2 };
enum { SIM_IDLE_EVENTS_MAX = 100000000, PORT_FIRST = 40000, LOOPBACK_US_MAX = 30 };
#define WALL_START_MS ((int64_t)1750000000000)

static uint64_t world_now(struct env *e)
{
    return sim_process_now(sim_process_of(e));
}

static uint64_t machine_now(const struct sim_node *n, uint64_t world_us)
{
    uint64_t passed = world_us - n->anchor_us;
    int64_t extra = (int64_t)passed / SIM_PPM * n->drift_ppm +
                    (int64_t)passed % SIM_PPM * n->drift_ppm / SIM_PPM;

    return n->anchor_local_us + passed + (uint64_t)extra;
}

uint64_t sim_process_now(const struct sim_process *p)
{
    uint64_t world = p->node->sim->sched.now_us;

    world += p->doing == SIM_DOING_JOB ? p->node->disk->cost_us : 0;
    return p->clock_off_us + machine_now(p->node, world);
}

uint64_t sim_process_world_time(const struct sim_process *p, uint64_t local_us)
{
    const struct sim_node *n = p->node;
    uint64_t now = n->sim->sched.now_us;
    uint64_t at = now, step = 1;

    while (p->clock_off_us + machine_now(n, at) < local_us) { /* doubles away, ... */
        at = now + step;
        step *= 2;
    }
    uint64_t low = now, high = at;
    while (low < high) { /* ... and searches back */
        uint64_t middle = low + (high - low) / 2;

        if (p->clock_off_us + machine_now(n, middle) < local_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t world_wall(struct env *e)
{
    const struct sim_process *p = sim_process_of(e);

    return WALL_START_MS + p->node->wall_off_ms +
           (int64_t)((sim_process_now(p) - p->clock_off_us) / 1000);
}

static uint64_t world_random(struct env *e)
{
    return sim_random_next(&sim_process_of(e)->node->random);
}

const struct env_vtable sim_vtable = {
    .now_us = world_now,
    .wall_ms = world_wall,
    .random = world_random,
    .open = sim_env_open,
    .close = sim_env_close,
    .read = sim_env_read,
    .write = sim_env_write,
    .sync = sim_env_sync,
    .sync_dir = sim_env_sync_dir,
    .sync_all = sim_env_sync_all,
    .truncate = sim_env_truncate,
    .allocate = sim_env_allocate,
    .size = sim_env_size,
    .rename = sim_env_rename,
    .unlink = sim_env_unlink,
    .mkdir = sim_env_mkdir,
    .rmdir = sim_env_rmdir,
    .list = sim_env_list,
    .lock = sim_env_lock,
    .space = sim_env_space,
    .read_cached = sim_env_read_cached,
    .send_file = sim_env_send_file,
    .listen = sim_env_listen,
    .accept = sim_env_accept,
    .connect = sim_env_connect,
    .connect_result = sim_env_connect_result,
    .receive = sim_env_receive,
    .send = sim_env_send,
    .close_socket = sim_env_close_socket,
    .poller_new = sim_env_poller_new,
    .poller_free = sim_env_poller_free,
    .watch = sim_env_watch,
    .unwatch = sim_env_unwatch,
    .poll = sim_env_poll,
    .wake = sim_env_wake,
    .lane_new = sim_env_lane_new,
    .lane_free = sim_env_lane_free,
    .job_submit = sim_env_job_submit,
    .thread_start = sim_env_thread_start,
    .thread_join = sim_env_thread_join,
};

struct sim *sim_new(uint64_t seed, const struct sim_profile *profile)
{
    struct sim *s = sim_alloc(sizeof(*s));

    s->seed = seed;
    s->profile = profile == NULL ? sim_profile_calm() : *profile;
    s->net_random = sim_random_of(seed, STREAM_NET);
    s->own_random = sim_random_of(seed, STREAM_OWN);
    sim_sched_init(&s->sched, sim_random_of(seed, STREAM_SCHED));
    return s;
}

uint64_t sim_hash(const struct sim *s)
{
    return s->sched.hash;
}

void sim_trace_on(struct sim *s)
{
    s->sched.trace = true;
}

void sim_note(struct sim *s, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_sched_say(&s->sched, (struct sim_what){text, SIM_NODE_NONE, false}, 0, 0);
}

const struct sim_profile *sim_profile_of(const struct sim *s)
{
    return &s->profile;
}

void sim_profile_set(struct sim *s, const struct sim_profile *profile)
{
    s->profile = *profile;
}

struct sim_random *sim_random(struct sim *s)
{
    return &s->own_random;
}

uint64_t sim_now(const struct sim *s)
{
    return s->sched.now_us;
}

struct sim_event *sim_at(struct sim *s, uint64_t time_us, void (*fn)(void *), void *context)
{
    return sim_sched_add(&s->sched, time_us, (struct sim_what){"planned", SIM_NODE_NONE, false}, fn,
                         context);
}

struct sim_event *sim_after(struct sim *s, uint64_t delay_us, void (*fn)(void *), void *context)
{
    return sim_at(s, s->sched.now_us + delay_us, fn, context);
}

void sim_cancel(struct sim *s, struct sim_event *e)
{
    sim_sched_cancel(&s->sched, e);
}

void sim_after_each(struct sim *s, void (*fn)(void *), void *context)
{
    s->after_each = fn;
    s->after_each_context = context;
}

/* Machines whose disk met its crash point go down. */
static void crashes_settle(struct sim *s)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        struct sim_node *n = s->nodes[i];

        if (!n->disk->crashed) {
            continue;
        }
        sim_node_power_off(n);
        if (n->on_down != NULL) {
            n->on_down(n->on_down_context);
        }
    }
}

bool sim_step(struct sim *s)
{
    ASSERT(!s->in_event);
    s->in_event = true;
    bool ran = sim_sched_next(&s->sched);
    if (ran) {
        crashes_settle(s);
    }
    if (ran && s->after_each != NULL) {
        s->after_each(s->after_each_context);
    }
    s->in_event = false;
    return ran;
}

void sim_run_until_idle(struct sim *s)
{
    uint64_t end = s->sched.done_count + SIM_IDLE_EVENTS_MAX;

    while (s->sched.busy > 0) {
        (void)sim_step(s);
        ASSERT(s->sched.done_count < end); /* something goes on for ever */
    }
}

void sim_run_for(struct sim *s, uint64_t us)
{
    uint64_t end = s->sched.now_us + us;

    while (sim_sched_due(&s->sched) <= end) {
        (void)sim_step(s);
    }
    s->sched.now_us = end;
}

bool sim_run_until(struct sim *s, bool (*done)(void *), void *context, uint64_t us_max)
{
    uint64_t end = s->sched.now_us + us_max;

    while (!done(context)) {
        if (sim_sched_due(&s->sched) > end || !sim_step(s)) {
            return false;
        }
    }
    return true;
}

uint64_t sim_event_count(const struct sim *s)
{
    return s->sched.done_count;
}

/* The links between this node and those that were there before it. */
static void links_draw(struct sim *s, uint32_t index)
{
    const struct sim_profile *p = &s->profile;

    for (uint32_t i = 0; i <= index; i++) {
        uint64_t a = sim_random_range(&s->net_random, p->latency_us_min, p->latency_us_max);
        uint64_t b = sim_random_range(&s->net_random, p->latency_us_min, p->latency_us_max);
        struct sim_link link = {.latency_us_min = (uint32_t)MIN(a, b),
                                .latency_us_max = (uint32_t)MAX(a, b)};

        if (i == index) {
            link.latency_us_min = MIN(link.latency_us_min, 1u);
            link.latency_us_max = MIN(link.latency_us_max, (uint32_t)LOOPBACK_US_MAX);
        }
        s->links[i][index] = s->links[index][i] = link;
    }
}

static void say(struct sim_node *n, const char *what)
{
    sim_sched_say(&n->sim->sched, (struct sim_what){what, n->index, false}, 0, n->disk->done_hash);
}

static void process_new(struct sim_node *n)
{
    struct sim_process *p = sim_alloc(sizeof(*p));

    p->env.v = &sim_vtable;
    p->node = n;
    p->clock_off_us = sim_random_below(&n->random, (uint64_t)1 << 40);
    n->process = p;
    n->power = true;
    say(n, "process starts");
}

struct sim_node *sim_node_add(struct sim *s, const char *host)
{
    const struct sim_profile *profile = &s->profile;
    struct sim_node *n = sim_alloc(sizeof(*n));
    uint64_t stream = STREAM_NODE_FIRST + (uint64_t)s->node_count * STREAMS_PER_NODE;

    ASSERT(s->node_count < SIM_NODE_COUNT_MAX && strlen(host) < sizeof(n->host));
    n->sim = s;
    n->index = s->node_count;
    n->random = sim_random_of(s->seed, stream);
    n->disk = sim_disk_new(profile, sim_random_of(s->seed, stream + 1));
    n->handle_count_max = profile->handle_count_max;
    n->port_next = PORT_FIRST;
    n->anchor_us = s->sched.now_us;
    n->anchor_local_us = s->sched.now_us;
    n->drift_ppm = (int32_t)sim_random_below(&n->random, 2 * (uint64_t)profile->drift_ppm_max + 1) -
                   (int32_t)profile->drift_ppm_max;
    n->wall_off_ms =
        (int64_t)sim_random_below(&n->random, 2 * (uint64_t)profile->wall_off_ms_max + 1) -
        (int64_t)profile->wall_off_ms_max;
    memcpy(n->host, host, strlen(host) + 1);
    s->nodes[s->node_count++] = n;
    links_draw(s, n->index);
    process_new(n);
    return n;
}

uint32_t sim_node_count(const struct sim *s)
{
    return s->node_count;
}

struct sim_node *sim_node_at(struct sim *s, uint32_t index)
{
    ASSERT(index < s->node_count);
    return s->nodes[index];
}

struct env *sim_node_env(struct sim_node *n)
{
    return n->process == NULL ? NULL : &n->process->env;
}

struct sim_disk *sim_node_disk(struct sim_node *n)
{
    return n->disk;
}

struct sim_node *sim_node_of(struct env *e)
{
    return sim_process_of(e)->node;
}

struct sim *sim_of(struct env *e)
{
    return sim_process_of(e)->node->sim;
}

const char *sim_node_host(const struct sim_node *n)
{
    return n->host;
}

bool sim_node_up(const struct sim_node *n)
{
    return n->process != NULL;
}

bool sim_node_crashed(const struct sim_node *n)
{
    return n->disk->crashed;
}

void sim_node_on_down(struct sim_node *n, void (*fn)(void *), void *context)
{
    n->on_down = fn;
    n->on_down_context = context;
}

/* Every handle goes, in the way of a dying process or of a machine without power. */
static void process_end(struct sim_process *p, void (*socket_end)(struct sim_socket *))
{
    struct sim_node *n = p->node;

    p->dead = true;
    sim_run_end(p);
    for (uint32_t slot = 0; slot < p->handle_cap; slot++) {
        struct sim_handle *h = &p->handles[slot];

        if (h->kind == SIM_HANDLE_SOCKET) {
            socket_end(h->socket);
        } else if (h->kind == SIM_HANDLE_FILE) {
            h->inode->locked = h->inode->locked && !h->holds_lock;
            sim_disk_close(n->disk, h->inode);
        }
        h->kind = SIM_HANDLE_FREE;
    }
    p->handle_count = 0;
    n->process = NULL;
    list_add_last(&n->dead, &p->link);
}

void sim_node_kill(struct sim_node *n)
{
    ASSERT(n->process != NULL && !n->disk->crashed);
    say(n, "process killed");
    process_end(n->process, sim_socket_close);
}

void sim_node_power_off(struct sim_node *n)
{
    say(n, "power off");
    if (n->process != NULL) {
        process_end(n->process, sim_socket_vanish);
    }
    n->power = false;
    n->paused_until_us = 0;
    sim_disk_power_loss(n->disk);
}

struct env *sim_node_restart(struct sim_node *n)
{
    ASSERT(n->process == NULL);
    process_new(n);
    return &n->process->env;
}

void sim_node_pause(struct sim_node *n, uint64_t us)
{
    n->paused_until_us = MAX(n->paused_until_us, n->sim->sched.now_us + us);
    say(n, "paused");
}

void sim_node_wall_jump(struct sim_node *n, int64_t ms)
{
    n->wall_off_ms += ms;
    say(n, "wall clock jumps");
}

void sim_node_drift_set(struct sim_node *n, int32_t ppm)
{
    uint64_t now = n->sim->sched.now_us;

    ASSERT(ppm > -SIM_PPM);
    n->anchor_local_us = machine_now(n, now);
    n->anchor_us = now;
    n->drift_ppm = ppm;
}

void sim_node_handles_max_set(struct sim_node *n, uint32_t count)
{
    n->handle_count_max = count;
}

uint32_t sim_node_handle_count(const struct sim_node *n)
{
    return n->process == NULL ? 0 : n->process->handle_count;
}

static void process_free(struct sim_process *p)
{
    sim_run_free(p);
    sim_release(p->handles);
    sim_release(p);
}

void sim_free(struct sim *s)
{
    ASSERT(!s->in_event);
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i]->process != NULL) {
            process_end(s->nodes[i]->process, sim_socket_vanish);
        }
    }
    sim_net_free(s);
    for (uint32_t i = 0; i < s->node_count; i++) {
        struct sim_node *n = s->nodes[i];

        for (struct list_link *l = list_take_first(&n->dead); l != NULL;
             l = list_take_first(&n->dead)) {
            process_free(CONTAINER_OF(l, struct sim_process, link));
        }
        sim_disk_free(n->disk);
        sim_release(n);
    }
    sim_sched_deinit(&s->sched);
    sim_release(s);
}
