/* tests/sim/nemesis.c: makes trouble at drawn times.
 *
 * HOW      One planned event draws a kind of trouble that is allowed and where it strikes, plans its end, and
 *          plans the next. Each victim remembers the event that will bring it up again; whoever is down, for
 *          whatever reason (its disk's crash point may strike much later), comes up by that event.
 * OWNER    The scenario. It owns no nodes.
 */
#include "tests/sim/nemesis.h"

#include "tests/sim/sim_mem.h"

enum { CRASH_OPS_MAX = 60, WALL_JUMP_MS_MAX = 86400000 };

struct victim {
    struct nemesis *nemesis;
    struct sim_node *node;
    struct sim_event *up; /* NULL: it is up */
};

struct nemesis {
    struct sim *sim;
    struct nemesis_config config;
    struct sim_event *next, *heal;
    struct victim victims[SIM_NODE_COUNT_MAX];
    uint64_t counts[NEMESIS_KIND_COUNT];
    bool calm;
};

static uint64_t below(const struct nemesis *m, uint64_t n)
{
    return sim_random_below(sim_random(m->sim), n);
}

static uint64_t length(const struct nemesis *m)
{
    return 1 + below(m, m->config.last_us_max);
}

static void come_up(void *context)
{
    struct victim *v = context;
    struct nemesis *m = v->nemesis;

    v->up = NULL;
    (void)sim_node_restart(v->node);
    m->config.up(m->config.context, v->node);
}

/* It is down already: tell, and plan its return. */
static void gone_down(void *context)
{
    struct victim *v = context;
    struct nemesis *m = v->nemesis;

    m->config.down(m->config.context, v->node);
    v->up = sim_after(m->sim, m->calm ? 1 : length(m), come_up, v);
}

static void heal(void *context)
{
    struct nemesis *m = context;

    m->heal = NULL;
    sim_net_heal_all(m->sim);
}

static void heal_plan(struct nemesis *m)
{
    if (m->heal == NULL) {
        m->heal = sim_after(m->sim, length(m), heal, m);
    }
}

static struct sim_node *any_node(const struct nemesis *m)
{
    return sim_node_at(m->sim, (uint32_t)below(m, sim_node_count(m->sim)));
}

static void isolate(struct nemesis *m, struct sim_node *alone)
{
    for (uint32_t i = 0; i < sim_node_count(m->sim); i++) {
        struct sim_node *other = sim_node_at(m->sim, i);

        if (other != alone) {
            sim_net_cut_both(alone, other);
        }
    }
    heal_plan(m);
}

static void strike_net(struct nemesis *m, enum nemesis_kind kind)
{
    struct sim_node *a = any_node(m), *b = any_node(m);

    if (a == b) {
        return;
    }
    m->counts[kind]++;
    if (kind == NEMESIS_CUT) {
        sim_net_cut(a, b);
        if (below(m, 2) == 0) {
            sim_net_cut(b, a);
        }
        heal_plan(m);
    } else if (kind == NEMESIS_ISOLATE) {
        isolate(m, a);
    } else if (kind == NEMESIS_CLOG) {
        sim_net_clog(a, b, length(m));
    } else {
        sim_net_reset(a, b);
    }
}

/* A planned crash counts: it may strike at any time. */
static uint32_t down_count(const struct nemesis *m)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->config.victim_count; i++) {
        struct sim_node *n = m->victims[i].node;

        count += !sim_node_up(n) || sim_disk_crash_is_planned(sim_node_disk(n));
    }
    return count;
}

static void strike_victim(struct nemesis *m, enum nemesis_kind kind)
{
    struct victim *v = &m->victims[below(m, m->config.victim_count)];

    if (!sim_node_up(v->node) || (kind >= NEMESIS_KILL && down_count(m) >= m->config.down_max)) {
        return;
    }
    m->counts[kind]++;
    if (kind == NEMESIS_PAUSE) {
        sim_node_pause(v->node, length(m));
    } else if (kind == NEMESIS_WALL_JUMP) {
        sim_node_wall_jump(v->node,
                           (int64_t)below(m, 2 * (uint64_t)WALL_JUMP_MS_MAX) - WALL_JUMP_MS_MAX);
    } else if (kind == NEMESIS_CRASH_POINT) {
        sim_disk_crash_in(sim_node_disk(v->node), 1 + below(m, CRASH_OPS_MAX));
    } else {
        if (kind == NEMESIS_KILL) {
            sim_node_kill(v->node);
        } else {
            sim_node_power_off(v->node);
        }
        gone_down(v);
    }
}

static void strike(void *context)
{
    struct nemesis *m = context;
    enum nemesis_kind kind = (enum nemesis_kind)below(m, NEMESIS_KIND_COUNT);

    m->next = sim_after(m->sim, 1 + below(m, m->config.gap_us_max), strike, m);
    if ((m->config.kinds & (1u << kind)) == 0) {
        return;
    }
    if (kind < NEMESIS_PAUSE) {
        strike_net(m, kind);
    } else if (m->config.victim_count > 0) {
        strike_victim(m, kind);
    }
}

struct nemesis *nemesis_new(struct sim *s, const struct nemesis_config *config)
{
    struct nemesis *m = sim_alloc(sizeof(*m));

    ASSERT(config->victim_count <= SIM_NODE_COUNT_MAX && config->gap_us_max > 0 &&
           config->last_us_max > 0);
    m->sim = s;
    m->config = *config;
    for (uint32_t i = 0; i < config->victim_count; i++) {
        m->victims[i] = (struct victim){m, config->victims[i], NULL};
        sim_node_on_down(config->victims[i], gone_down, &m->victims[i]);
    }
    m->next = sim_after(s, 1 + below(m, config->gap_us_max), strike, m);
    return m;
}

void nemesis_calm(struct nemesis *m)
{
    m->calm = true;
    if (m->next != NULL) {
        sim_cancel(m->sim, m->next);
        m->next = NULL;
    }
    if (m->heal != NULL) {
        sim_cancel(m->sim, m->heal);
        heal(m);
    }
    for (uint32_t i = 0; i < m->config.victim_count; i++) {
        struct victim *v = &m->victims[i];

        sim_disk_crash_in(sim_node_disk(v->node), 0);
        if (v->up != NULL) {
            sim_cancel(m->sim, v->up);
            come_up(v);
        }
    }
}

uint64_t nemesis_count(const struct nemesis *m, enum nemesis_kind kind)
{
    return m->counts[kind];
}

void nemesis_free(struct nemesis *m)
{
    if (m->next != NULL) {
        sim_cancel(m->sim, m->next);
    }
    if (m->heal != NULL) {
        sim_cancel(m->sim, m->heal);
    }
    for (uint32_t i = 0; i < m->config.victim_count; i++) {
        sim_node_on_down(m->victims[i].node, NULL, NULL);
        if (m->victims[i].up != NULL) {
            sim_cancel(m->sim, m->victims[i].up);
        }
    }
    sim_release(m);
}
