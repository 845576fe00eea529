/* tests/sim/env_sim_poll.c: pollers of base/env.h in virtual time.
 *
 * HOW      A poll never waits: it takes finished jobs, then ready sockets from a drawn position on (level-
 *          triggered: looked at anew each time), and notes for the actor whose step this is whether and how
 *          long it would have waited. Whatever may have made a socket ready, a job that came home and a
 *          wake stir the poller, which plans the actor's next step if there is really something for it.
 * OWNER    The process.
 */
#include "tests/sim/env_sim_internal.h"

#include "tests/sim/sim_mem.h"
#include "tests/sim/sim_net.h"

enum { SLOT_MASK = 0xffff };

enum err sim_env_poller_new(struct env *e, struct env_poller **out)
{
    struct sim_process *p = sim_process_of(e);
    struct env_poller *poller = sim_alloc(sizeof(*poller));

    poller->process = p;
    list_add_last(&p->pollers, &poller->link);
    *out = poller;
    return OK;
}

void sim_poller_release(struct env_poller *poller)
{
    list_remove(&poller->process->pollers, &poller->link);
    sim_release(poller->watched);
    sim_release(poller);
}

void sim_env_poller_free(struct env *e, struct env_poller *poller)
{
    struct sim_process *p = sim_process_of(e);

    if (poller == NULL) {
        return;
    }
    ASSERT(p->dead || poller->jobs_out == 0); /* else a job would come home to nothing */
    for (uint32_t i = 0; !p->dead && i < poller->watched_count; i++) {
        p->handles[poller->watched[i]].poller = NULL;
    }
    list_for_each (&p->threads, l) {
        struct env_thread *t = CONTAINER_OF(l, struct env_thread, link);

        ASSERT(p->dead || t->finished || poller->thread != t);
    }
    sim_poller_release(poller);
}

enum err sim_env_watch(struct env *e, struct env_poller *poller, int socket, uint32_t interest,
                       void *tag)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return fail(ERR_IO, "the process is dead");
    }
    struct sim_handle *h = sim_handle_at(p, socket, SIM_HANDLE_SOCKET);
    ASSERT(h->poller == NULL || h->poller == poller);
    if (h->poller == NULL) {
        if (poller->watched_count == poller->watched_cap) {
            poller->watched_cap = MAX(poller->watched_cap * 2, 16u);
            poller->watched = sim_resize(poller->watched, poller->watched_cap * sizeof(uint32_t));
        }
        poller->watched[poller->watched_count++] = (uint32_t)socket & SLOT_MASK;
    }
    h->poller = poller;
    h->interest = interest;
    h->tag = tag;
    sim_poller_stir(poller);
    return OK;
}

void sim_env_unwatch(struct env *e, struct env_poller *poller, int socket)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return;
    }
    struct sim_handle *h = sim_handle_at(p, socket, SIM_HANDLE_SOCKET);
    ASSERT(h->poller == poller || h->poller == NULL);
    if (h->poller == NULL) {
        return; /* it was not watched: epoll takes that as well */
    }
    h->poller = NULL;
    for (uint32_t i = 0; i < poller->watched_count; i++) {
        if (poller->watched[i] == ((uint32_t)socket & SLOT_MASK)) {
            poller->watched[i] = poller->watched[--poller->watched_count];
            return;
        }
    }
    UNREACHABLE();
}

/* The bits to tell about a watched socket; a hang-up is told whatever the interest is, if there is any. */
static uint32_t ready_bits(const struct sim_handle *h)
{
    bool hung_up = h->socket->end != NULL && h->socket->end->state == SIM_END_BROKEN;

    if (h->interest == 0) {
        return 0;
    }
    return hung_up ? ENV_READABLE | ENV_WRITABLE : sim_socket_ready(h->socket) & h->interest;
}

bool sim_poller_has_news(const struct env_poller *poller)
{
    if (poller->woken || poller->done_first != NULL) {
        return true;
    }
    for (uint32_t i = 0; i < poller->watched_count; i++) {
        if (ready_bits(&poller->process->handles[poller->watched[i]]) != 0) {
            return true;
        }
    }
    return false;
}

void sim_poller_stir(struct env_poller *poller)
{
    struct env_thread *t = poller->thread;

    if (t != NULL && !t->finished && poller->process->stepping != t &&
        (t->event == NULL || t->event->what.waiting) && sim_poller_has_news(poller)) {
        sim_thread_soon(t);
    }
}

static int poll_jobs(struct env_poller *poller, struct env_event *events, int max)
{
    int count = 0;

    while (count < max && poller->done_first != NULL) {
        struct env_job *job = poller->done_first;

        poller->done_first = job->next;
        poller->done_last = poller->done_first == NULL ? NULL : poller->done_last;
        job->next = NULL;
        poller->jobs_out--;
        events[count++] = (struct env_event){ENV_EVENT_JOB, 0, job};
    }
    return count;
}

/* From a drawn position on, so that no socket is always first. */
static int poll_sockets(struct env_poller *poller, struct env_event *events, int max)
{
    int count = 0;
    uint32_t from = poller->watched_count == 0
                        ? 0
                        : (uint32_t)sim_random_below(&poller->process->node->sim->sched.random,
                                                     poller->watched_count);

    for (uint32_t i = 0; i < poller->watched_count && count < max; i++) {
        uint32_t slot = poller->watched[(from + i) % poller->watched_count];
        const struct sim_handle *h = &poller->process->handles[slot];
        uint32_t ready = ready_bits(h);

        if (ready != 0) {
            events[count++] = (struct env_event){ENV_EVENT_SOCKET, ready, h->tag};
        }
    }
    return count;
}

/* Jobs or sockets first, by a draw; the first may take half, so that neither starves the other. */
static int poll_all(struct env_poller *poller, struct env_event *events, int max)
{
    int count;

    if (sim_random_below(&poller->process->node->sim->sched.random, 2) == 0) {
        count = poll_jobs(poller, events, max / 2);
        count += poll_sockets(poller, events + count, max - count);
    } else {
        count = poll_sockets(poller, events, max / 2);
    }
    return count + poll_jobs(poller, events + count, max - count);
}

int sim_env_poll(struct env *e, struct env_poller *poller, struct env_event *events, int max,
                 int64_t timeout_us)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return 0;
    }
    ASSERT(max >= 2 && p->doing != SIM_DOING_JOB);
    bool woken = poller->woken;
    poller->woken = false;
    int count = poll_all(poller, events, max);
    struct env_thread *t = p->stepping;
    if (t != NULL) {
        ASSERT(!t->polled); /* one poll per step */
        t->polled = true;
        t->again = woken || count > 0 || timeout_us == 0;
        t->wait_us = timeout_us;
        poller->thread = t;
    }
    return count;
}

void sim_env_wake(struct env *e, struct env_poller *poller)
{
    if (sim_process_of(e)->dead) {
        return;
    }
    poller->woken = true;
    sim_poller_stir(poller);
}
