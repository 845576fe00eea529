/* base/env_linux_poll.c: what an actor waits on.
 *
 * WHY      One wait for three kinds of news: sockets (epoll), finished jobs, and wake-ups from other threads.
 * FORMAT   Finished jobs are pushed on `finished` by any thread, newest first. The owner takes all of them at
 *          once and turns them round into `ready`, so they come out in the order in which they ended.
 *
 *          A wake-up costs a system call only when the poller sleeps. Waker and sleeper each write their
 *          own word and then read the other's, all sequentially consistent, so at least one of them sees
 *          the other:
 *
 *              waker                                  poller
 *              push the message                       sleeping = 1
 *              signal = 1                             if signal or finished: do not wait
 *              if sleeping was 1 (now 0): eventfd     else epoll_wait
 *                                                     sleeping = 0; signal = 0; then look at everything
 *
 *          The eventfd is watched edge-triggered and never read: each write is an edge. A write that comes
 *          when the sleeper was just about to return ends its next wait early, which harms nobody.
 * OWNER    The actor that polls; only `finished`, `signal`, `sleeping` and the eventfd are for others.
 * FAILURE  epoll_pwait2(2) counts in nanoseconds but may be missing or refused by a seccomp profile: then the
 *          time-out is rounded up to milliseconds.
 *          Nothing is watched under interest 0: epoll would report a hang-up again and again.
 * LIMITS   EVENTS_MAX socket events for each poll, and half of what the caller has room for, so that jobs
 *          and sockets cannot starve each other.
 */
#include "base/env_linux_internal.h"
#include "base/mem.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, US_PER_S = 1000000 };

struct env_poller {
    int epoll, eventfd;
    bool coarse;           /* no epoll_pwait2() here */
    struct env_job *ready; /* oldest first */

    _Alignas(64) _Atomic(struct env_job *) finished; /* newest first */
    atomic_bool signal, sleeping;
};

static void poller_free(struct env *e, struct env_poller *p)
{
    (void)e;
    if (p == NULL) {
        return;
    }
    ASSERT(p->ready == NULL && atomic_load(&p->finished) == NULL);
    if (p->epoll >= 0) {
        (void)close(p->epoll);
    }
    if (p->eventfd >= 0) {
        (void)close(p->eventfd);
    }
    mem_free(p);
}

static enum err poller_new(struct env *e, struct env_poller **out)
{
    struct env_poller *p = mem_pages(sizeof(*p)); /* alone on its page: others write to it */

    if (p == NULL) {
        return fail(ERR_NOMEM, "no memory for a poller");
    }
    *p = (struct env_poller){.epoll = epoll_create1(EPOLL_CLOEXEC),
                             .eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = p};
    if (p->epoll < 0 || p->eventfd < 0 ||
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->eventfd, &wake) != 0) {
        enum err result = fail_errno(errno, "make", "a poller");
        poller_free(e, p);
        return result;
    }
    *out = p;
    return OK;
}

static void unwatch(struct env *e, struct env_poller *p, int socket)
{
    (void)e;
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, socket, NULL); /* ENOENT: it was not watched */
}

static enum err watch(struct env *e, struct env_poller *p, int socket, uint32_t interest, void *tag)
{
    struct epoll_event want = {.data.ptr = tag};

    ASSERT(tag != p);
    if (interest == 0) {
        unwatch(e, p, socket);
        return OK;
    }
    want.events = ((interest & ENV_READABLE) != 0 ? (uint32_t)EPOLLIN : 0) |
                  ((interest & ENV_WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(p->epoll, EPOLL_CTL_MOD, socket, &want) == 0 ||
        (errno == ENOENT && epoll_ctl(p->epoll, EPOLL_CTL_ADD, socket, &want) == 0)) {
        return OK;
    }
    return errno == ENOSPC
               ? fail(ERR_LIMIT, "too many sockets are watched (fs.epoll.max_user_watches)")
               : fail_errno(errno, "watch", "a socket");
}

void env_linux_wake(struct env *e, struct env_poller *p)
{
    const uint64_t one = 1;

    (void)e;
    atomic_store(&p->signal, true);
    if (atomic_load(&p->sleeping) && atomic_exchange(&p->sleeping, false) &&
        write(p->eventfd, &one, sizeof(one)) < 0) {
        /* Only a counter near 2^64 is refused, and then it is readable anyway. */
        return;
    }
}

void env_linux_job_done(struct env_job *job)
{
    struct env_poller *home = job->home;
    struct env_job *first = atomic_load_explicit(&home->finished, memory_order_relaxed);

    do {
        job->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&home->finished, &first, job,
                                                    memory_order_release, memory_order_relaxed));
    env_linux_wake(NULL, home);
}

/* The next finished job, NULL when there is none. */
static struct env_job *take_job(struct env_poller *p)
{
    if (p->ready == NULL) {
        struct env_job *all = atomic_exchange_explicit(&p->finished, NULL, memory_order_acquire);
        while (all != NULL) {
            struct env_job *next = all->next;
            all->next = p->ready;
            p->ready = all;
            all = next;
        }
    }
    struct env_job *job = p->ready;
    if (job != NULL) {
        p->ready = job->next;
        job->next = NULL;
    }
    return job;
}

static int wait_events(struct env_poller *p, struct epoll_event *events, int max,
                       int64_t timeout_us)
{
    if (!p->coarse && timeout_us > 0) {
        struct timespec t = {timeout_us / US_PER_S, timeout_us % US_PER_S * 1000};
        int n = epoll_pwait2(p->epoll, events, max, &t, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return n;
        }
        p->coarse = true;
    }
    int64_t ms = timeout_us < 0 ? -1 : timeout_us / 1000 + (timeout_us % 1000 > 0);
    return epoll_wait(p->epoll, events, max, (int)MIN(ms, (int64_t)INT_MAX));
}

/* Waits only when there is no news yet. */
static int wait_for_sockets(struct env_poller *p, struct epoll_event *events, int max,
                            int64_t timeout_us)
{
    if (p->ready != NULL) {
        timeout_us = 0;
    }
    if (timeout_us != 0) {
        atomic_store(&p->sleeping, true);
        if (atomic_load(&p->signal) || atomic_load(&p->finished) != NULL) {
            timeout_us = 0;
        }
    }
    int n = wait_events(p, events, max, timeout_us);
    ASSERT(n >= 0 || errno == EINTR); /* the rest is a wrong descriptor or argument */
    if (atomic_load_explicit(&p->sleeping, memory_order_relaxed)) {
        atomic_store(&p->sleeping, false);
    }
    if (atomic_load_explicit(&p->signal, memory_order_relaxed)) {
        atomic_exchange(&p->signal, false);
    }
    return MAX(n, 0);
}

static uint32_t ready_of(uint32_t events)
{
    bool gone = (events & (EPOLLERR | EPOLLHUP)) != 0;

    return (gone || (events & EPOLLIN) != 0 ? (uint32_t)ENV_READABLE : 0) |
           (gone || (events & EPOLLOUT) != 0 ? (uint32_t)ENV_WRITABLE : 0);
}

static int poll_events(struct env *e, struct env_poller *p, struct env_event *events, int max,
                       int64_t timeout_us)
{
    struct epoll_event found[EVENTS_MAX];
    int count = 0;

    (void)e;
    ASSERT(max >= 2);
    int n = wait_for_sockets(p, found, MIN(max / 2, (int)EVENTS_MAX), timeout_us);
    for (int i = 0; i < n; i++) {
        if (found[i].data.ptr != p) {
            events[count++] = (struct env_event){.kind = ENV_EVENT_SOCKET,
                                                 .ready = ready_of(found[i].events),
                                                 .tag = found[i].data.ptr};
        }
    }
    for (struct env_job *job; count < max && (job = take_job(p)) != NULL; count++) {
        events[count] = (struct env_event){.kind = ENV_EVENT_JOB, .tag = job};
    }
    return count;
}

void env_linux_poll_calls(struct env_vtable *v)
{
    v->poller_new = poller_new;
    v->poller_free = poller_free;
    v->watch = watch;
    v->unwatch = unwatch;
    v->poll = poll_events;
    v->wake = env_linux_wake;
}
