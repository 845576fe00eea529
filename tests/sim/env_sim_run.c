/* tests/sim/env_sim_run.c: actors and jobs of base/env.h in virtual time.
 *
 * ACTORS   A step runs at once and whole. It is planned again soon when its poll found something, when it
 *          asked not to wait, or when something it waits for came in the meantime; else for its time-out;
 *          else not at all until a socket, a job or a wake stirs its poller. "Soon" is a drawn delay, so of
 *          several runnable actors any may be next.
 * JOBS     run() happens at its start; what its disk operations cost is how long it takes until its event
 *          comes home. Starts of one lane wait for a drawn delay each, so in a lane of width 1 order is
 *          kept and in a wider one it is not.
 * OWNER    Everything belongs to the process. Planned events of a process are cancelled when it ends, so
 *          none of its code runs afterwards.
 */
#include "tests/sim/env_sim_internal.h"

#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { JOIN_US_MAX = 600 * 1000 * 1000 };
#define WAIT_US_MAX ((uint64_t)1 << 50)

static void thread_plan(struct env_thread *t, uint64_t world_us, bool waiting);

static uint64_t draw(struct sim *s, uint64_t max)
{
    return sim_random_below(&s->sched.random, max + 1);
}

static struct sim_what what(const struct sim_process *p, const char *name, bool waiting)
{
    return (struct sim_what){name, p->node->index, waiting};
}

/* -- actors -- */

/* Has the poller of this actor got news while the step ran? */
static bool thread_has_news(const struct env_thread *t)
{
    list_for_each (&t->process->pollers, l) {
        const struct env_poller *poller = CONTAINER_OF(l, struct env_poller, link);

        if (poller->thread == t && sim_poller_has_news(poller)) {
            return true;
        }
    }
    return false;
}

static void thread_step(void *context)
{
    struct env_thread *t = context;
    struct sim_process *p = t->process;
    struct sim *s = p->node->sim;

    t->event = NULL;
    if (p->node->paused_until_us > s->sched.now_us) {
        thread_plan(t, p->node->paused_until_us, false);
        return;
    }
    t->polled = false;
    t->again = true; /* a step without a poll does not wait */
    p->doing = SIM_DOING_STEP;
    p->stepping = t;
    bool more = t->step(t->context);
    p->doing = SIM_DOING_OTHER;
    p->stepping = NULL;
    if (p->dead) {
        return;
    }
    t->finished = !more;
    if (t->finished) {
        return;
    }
    if (t->again || thread_has_news(t)) {
        sim_thread_soon(t);
    } else if (t->wait_us >= 0) {
        uint64_t deadline = sim_process_now(p) + MIN((uint64_t)t->wait_us, WAIT_US_MAX);

        thread_plan(t, MAX(sim_process_world_time(p, deadline), s->sched.now_us + 1), true);
    }
}

/* Replaces what was planned. */
static void thread_plan(struct env_thread *t, uint64_t world_us, bool waiting)
{
    struct sim_sched *q = &t->process->node->sim->sched;

    if (t->event != NULL) {
        sim_sched_cancel(q, t->event);
    }
    t->event = sim_sched_add(q, world_us, what(t->process, waiting ? "wait ends" : "step", waiting),
                             thread_step, t);
}

void sim_thread_soon(struct env_thread *t)
{
    struct sim *s = t->process->node->sim;
    uint64_t delay =
        1 + draw(s, s->profile.step_cost_us_max) + draw(s, s->profile.step_delay_us_max);

    thread_plan(t, s->sched.now_us + delay, false);
}

enum err sim_env_thread_start(struct env *e, const char *name, bool (*step)(void *), void *context,
                              struct env_thread **out)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return fail(ERR_IO, "the process is dead");
    }
    struct env_thread *t = sim_alloc(sizeof(*t));
    t->process = p;
    t->step = step;
    t->context = context;
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    list_add_last(&p->threads, &t->link);
    sim_thread_soon(t);
    *out = t;
    return OK;
}

static void thread_release(struct env_thread *t)
{
    list_for_each (&t->process->pollers, l) {
        struct env_poller *poller = CONTAINER_OF(l, struct env_poller, link);

        poller->thread = poller->thread == t ? NULL : poller->thread;
    }
    list_remove(&t->process->threads, &t->link);
    sim_release(t);
}

static bool thread_is_finished(void *context)
{
    const struct env_thread *t = context;

    return t->finished;
}

void sim_env_thread_join(struct env *e, struct env_thread *t)
{
    struct sim_process *p = sim_process_of(e);

    if (t == NULL) {
        return;
    }
    if (!p->dead && !t->finished) {
        ASSERT(!p->node->sim->in_event); /* a step may not wait */
        ASSERT(sim_run_until(p->node->sim, thread_is_finished, t, JOIN_US_MAX));
    }
    thread_release(t);
}

/* -- jobs -- */

static void lane_pump(struct env_lane *l);

enum err sim_env_lane_new(struct env *e, const char *name, int width, struct env_lane **out)
{
    struct sim_process *p = sim_process_of(e);
    struct env_lane *l = sim_alloc(sizeof(*l));

    ASSERT(width > 0);
    l->process = p;
    l->width = width;
    (void)snprintf(l->name, sizeof(l->name), "%s", name);
    list_add_last(&p->lanes, &l->link);
    *out = l;
    return OK;
}

static struct env_job *lane_take(struct env_lane *l)
{
    struct env_job *job = l->first;

    l->first = job->next;
    l->last = l->first == NULL ? NULL : l->last;
    job->next = NULL;
    return job;
}

static void job_home(struct env_job *job)
{
    struct env_poller *home = job->home;

    job->next = NULL;
    if (home->done_last == NULL) {
        home->done_first = job;
    } else {
        home->done_last->next = job;
    }
    home->done_last = job;
    sim_poller_stir(home);
}

/* Calls run(); what it cost. */
static uint64_t job_run(struct sim_process *p, struct env_job *job)
{
    enum sim_doing before = p->doing;

    p->node->disk->cost_us = 0;
    p->doing = SIM_DOING_JOB;
    job->run(job);
    p->doing = before;
    uint64_t cost = p->node->disk->cost_us;
    p->node->disk->cost_us = 0;
    return cost;
}

static void run_release(struct sim_run *r)
{
    list_remove(&r->lane->process->runs, &r->link);
    sim_release(r);
}

static void run_done(void *context)
{
    struct sim_run *r = context;
    struct env_lane *l = r->lane;
    struct env_job *job = r->job;

    l->in_flight--;
    run_release(r);
    job_home(job);
    lane_pump(l);
}

static void run_start(void *context)
{
    struct sim_run *r = context;
    struct sim_process *p = r->lane->process;
    struct sim_sched *q = &p->node->sim->sched;

    if (p->node->paused_until_us > q->now_us) {
        r->event =
            sim_sched_add(q, p->node->paused_until_us, what(p, "job waits", false), run_start, r);
        return;
    }
    r->ran = true;
    r->event = NULL;
    uint64_t cost = job_run(p, r->job);
    if (!p->dead) {
        sim_sched_say(q, what(p, "job ran", false), cost, p->node->disk->done_hash);
        r->event = sim_sched_add(q, q->now_us + cost, what(p, "job done", false), run_done, r);
    }
}

static void lane_pump(struct env_lane *l)
{
    struct sim_process *p = l->process;
    struct sim *s = p->node->sim;

    while (!p->dead && l->first != NULL && l->in_flight < l->width) {
        struct sim_run *r = sim_alloc(sizeof(*r));

        r->lane = l;
        r->job = lane_take(l);
        l->in_flight++;
        list_add_last(&p->runs, &r->link);
        r->event =
            sim_sched_add(&s->sched, s->sched.now_us + 1 + draw(s, s->profile.job_delay_us_max),
                          what(p, "job", false), run_start, r);
    }
}

void sim_env_job_submit(struct env *e, struct env_lane *l, struct env_job *job)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return;
    }
    ASSERT(job->home->process == p && l->process == p && job->run != NULL);
    job->next = NULL;
    if (l->last == NULL) {
        l->first = job;
    } else {
        l->last->next = job;
    }
    l->last = job;
    job->home->jobs_out++;
    lane_pump(l);
}

/* Its jobs end here and now: nobody can look on while the caller waits. */
static void lane_finish(struct env_lane *l)
{
    list_for_each (&l->process->runs, link) {
        struct sim_run *r = CONTAINER_OF(link, struct sim_run, link);

        if (r->lane != l) {
            continue;
        }
        sim_sched_cancel(&l->process->node->sim->sched, r->event);
        if (!r->ran) {
            (void)job_run(l->process, r->job);
        }
        job_home(r->job);
        run_release(r);
    }
    while (l->first != NULL) {
        struct env_job *job = lane_take(l);

        (void)job_run(l->process, job);
        job_home(job);
    }
}

void sim_env_lane_free(struct env *e, struct env_lane *l)
{
    struct sim_process *p = sim_process_of(e);

    if (l == NULL) {
        return;
    }
    if (!p->dead) {
        lane_finish(l);
    }
    list_remove(&p->lanes, &l->link);
    sim_release(l);
}

/* -- the end of a process -- */

void sim_run_end(struct sim_process *p)
{
    struct sim_sched *q = &p->node->sim->sched;

    list_for_each (&p->runs, link) {
        struct sim_run *r = CONTAINER_OF(link, struct sim_run, link);

        if (r->event != NULL) {
            sim_sched_cancel(q, r->event);
        }
        run_release(r);
    }
    list_for_each (&p->threads, link) {
        struct env_thread *t = CONTAINER_OF(link, struct env_thread, link);

        if (t->event != NULL) {
            sim_sched_cancel(q, t->event);
        }
        t->event = NULL;
        t->finished = true;
    }
    list_for_each (&p->pollers, link) {
        struct env_poller *poller = CONTAINER_OF(link, struct env_poller, link);

        poller->watched_count = 0;
        poller->done_first = poller->done_last = NULL;
    }
    list_for_each (&p->lanes, link) {
        struct env_lane *l = CONTAINER_OF(link, struct env_lane, link);

        l->first = l->last = NULL;
    }
}

void sim_run_free(struct sim_process *p)
{
    list_for_each (&p->threads, link) {
        thread_release(CONTAINER_OF(link, struct env_thread, link));
    }
    list_for_each (&p->lanes, link) {
        list_remove(&p->lanes, link);
        sim_release(CONTAINER_OF(link, struct env_lane, link));
    }
    list_for_each (&p->pollers, link) {
        sim_poller_release(CONTAINER_OF(link, struct env_poller, link));
    }
}
