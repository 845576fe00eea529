/* base/env_linux_jobs.c: helper threads for what blocks, and threads for actors.
 *
 * WHY      A file may take as long as it likes, and an actor must not wait for it: so blocking calls are jobs,
 *          run by the threads of a lane. A lane is one queue, so with one thread it keeps order.
 * FORMAT   Threads start when a job finds nobody free for it, up to the lane's width, and stay. An idle lane costs
 *          nothing but the stacks it has touched.
 * OWNER    A lane's queue and counts are under its lock. A job belongs to env from submit to its event.
 * FAILURE  No thread can be started: the threads there are do the work later; with none at all the job is
 *          run where it was submitted. That stalls the actor, but nothing is lost or out of order.
 * LIMITS   LANE_WIDTH_MAX threads in a lane. The queue is bounded by whoever owns the jobs.
 */
#include "base/env_linux_internal.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { LANE_WIDTH_MAX = 64, NAME_BYTES = 16, ACTOR_STACK_BYTES = 1 << 20 };

#ifdef TEST_HOOKS
enum { HELPER_STACK_BYTES = 1 << 20 }; /* sanitizers widen every frame */
#else
enum { HELPER_STACK_BYTES = 256 << 10 };
#endif

struct env_lane {
    char name[NAME_BYTES];
    int width;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct env_job *first, *last; /* waiting, oldest first */
    int queued;
    int idle, started; /* threads */
    bool ending;
    pthread_t threads[];
};

struct env_thread {
    pthread_t thread;
    bool (*step)(void *);
    void *context;
};

/* Starts a thread that no signal interrupts, but for those that a fault of its own raises. */
static int start(const char *name, size_t stack_bytes, void *(*run)(void *), void *context,
                 pthread_t *out)
{
    static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};
    pthread_attr_t how;
    sigset_t blocked, before;

    int number = pthread_attr_init(&how);
    if (number != 0) {
        return number;
    }
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < COUNT_OF(own_faults); i++) {
        (void)sigdelset(&blocked, own_faults[i]);
    }
    (void)pthread_attr_setstacksize(&how, stack_bytes);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    number = pthread_create(out, &how, run, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&how);
    if (number == 0) {
        char short_name[NAME_BYTES];
        (void)snprintf(short_name, sizeof(short_name), "%s", name);
        (void)pthread_setname_np(*out, short_name);
    }
    return number;
}

static void run_job(struct env_job *job)
{
    err_crumbs_reset();
    job->run(job);
    env_linux_job_done(job);
}

/* The next job; NULL when the lane ends. The caller holds the lock. */
static struct env_job *take_job(struct env_lane *l)
{
    while (l->first == NULL && !l->ending) {
        l->idle++;
        (void)pthread_cond_wait(&l->changed, &l->lock);
        l->idle--;
    }
    struct env_job *job = l->first;
    if (job != NULL) {
        l->first = job->next;
        l->queued--;
        job->next = NULL;
    }
    return job;
}

static void *help(void *context)
{
    struct env_lane *l = context;
    struct env_job *job;

    (void)pthread_mutex_lock(&l->lock);
    while ((job = take_job(l)) != NULL) {
        (void)pthread_mutex_unlock(&l->lock);
        run_job(job);
        (void)pthread_mutex_lock(&l->lock);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return NULL;
}

static enum err lane_new(struct env *e, const char *name, int width, struct env_lane **out)
{
    (void)e;
    ASSERT(width >= 1 && width <= LANE_WIDTH_MAX);
    struct env_lane *l = mem_zalloc(1, sizeof(*l) + (size_t)width * sizeof(pthread_t));
    if (l == NULL) {
        return fail(ERR_NOMEM, "no memory for lane %s", name);
    }
    (void)snprintf(l->name, sizeof(l->name), "%s", name);
    l->width = width;
    (void)pthread_mutex_init(&l->lock, NULL); /* these two cannot fail on Linux */
    (void)pthread_cond_init(&l->changed, NULL);
    *out = l;
    return OK;
}

static void lane_free(struct env *e, struct env_lane *l)
{
    (void)e;
    if (l == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&l->lock);
    l->ending = true;
    (void)pthread_cond_broadcast(&l->changed);
    (void)pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) {
        (void)pthread_join(l->threads[i], NULL);
    }
    ASSERT(l->first == NULL);
    (void)pthread_cond_destroy(&l->changed);
    (void)pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static void job_submit(struct env *e, struct env_lane *l, struct env_job *job)
{
    (void)e;
    ASSERT(job->run != NULL && job->home != NULL);
    job->next = NULL;
    (void)pthread_mutex_lock(&l->lock);
    ASSERT(!l->ending);
    /* An idle thread may already have been called for a job that still waits here. */
    if (l->queued >= l->idle && l->started < l->width &&
        start(l->name, HELPER_STACK_BYTES, help, l, &l->threads[l->started]) == 0) {
        l->started++;
    }
    bool nobody = l->started == 0;
    if (!nobody) {
        l->last = *(l->first == NULL ? &l->first : &l->last->next) = job;
        l->queued++;
    }
    (void)pthread_mutex_unlock(&l->lock);
    (void)pthread_cond_signal(&l->changed); /* after the lock, or who wakes would wait for that */
    if (nobody) {
        run_job(job);
    }
}

static void *act(void *context)
{
    struct env_thread *t = context;

    while (t->step(t->context)) {
    }
    return NULL;
}

static enum err thread_start(struct env *e, const char *name, bool (*step)(void *), void *context,
                             struct env_thread **out)
{
    struct env_thread *t = mem_zalloc(1, sizeof(*t));

    (void)e;
    if (t == NULL) {
        return fail(ERR_NOMEM, "no memory for thread %s", name);
    }
    t->step = step;
    t->context = context;
    int number = start(name, ACTOR_STACK_BYTES, act, t, &t->thread);
    if (number != 0) {
        mem_free(t);
        return fail(ERR_LIMIT, "start thread %s: %s", name, env_linux_error_text(number));
    }
    *out = t;
    return OK;
}

static void thread_join(struct env *e, struct env_thread *t)
{
    (void)e;
    if (t == NULL) {
        return;
    }
    (void)pthread_join(t->thread, NULL);
    mem_free(t);
}

void env_linux_job_calls(struct env_vtable *v)
{
    v->lane_new = lane_new;
    v->lane_free = lane_free;
    v->job_submit = job_submit;
    v->thread_start = thread_start;
    v->thread_join = thread_join;
}
