/* base/env_linux.c: the real world: clock, randomness, stop signals, and the table of all chapters.
 *
 * WHY      Everything above sees the world through struct env, so that a simulator can stand in for it. This
 *          is the one that touches the kernel.
 * OWNER    One struct env_linux for each process. The table in it is written before anybody sees it and then
 *          never again. Signal handlers get no context, so what they need is static here.
 * FAILURE  A clock that does not answer or a kernel without getrandom(2) cannot be lived with: asserted.
 */
#include "base/env_linux_internal.h"
#include "base/mem.h"

#include <signal.h>
#include <sys/random.h>
#include <time.h>

struct env_linux {
    struct env env; /* first */
    struct env_vtable calls;
};

/* For the signal handler. */
static struct {
    _Atomic(struct env *) env;
    _Atomic(struct env_poller *) wake;
    atomic_bool asked;
} stop;

enum err env_linux_error(int number)
{
    static const struct {
        int number;
        enum err code;
    } codes[] = {
        {EAGAIN, ERR_AGAIN},        {ENOENT, ERR_NOT_FOUND},  {EEXIST, ERR_EXISTS},
        {ENOTEMPTY, ERR_EXISTS},    {EADDRINUSE, ERR_EXISTS}, {ENOSPC, ERR_NOSPACE},
        {EDQUOT, ERR_NOSPACE},      {ENOMEM, ERR_NOMEM},      {EMFILE, ERR_LIMIT},
        {ENFILE, ERR_LIMIT},        {ENOBUFS, ERR_LIMIT},     {ECONNRESET, ERR_CLOSED},
        {EPIPE, ERR_CLOSED},        {ENOTCONN, ERR_CLOSED},   {ECONNABORTED, ERR_CLOSED},
        {ECONNREFUSED, ERR_CLOSED}, {ETIMEDOUT, ERR_CLOSED},  {EHOSTUNREACH, ERR_CLOSED},
        {ENETUNREACH, ERR_CLOSED},  {ENETDOWN, ERR_CLOSED},   {EHOSTDOWN, ERR_CLOSED},
    };

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (codes[i].number == number) {
            return codes[i].code;
        }
    }
    return ERR_IO;
}

const char *env_linux_error_text(int number)
{
    const char *text = strerrordesc_np(number); /* strerror() is not for threads */

    return text == NULL ? "unknown error" : text;
}

static uint64_t now_us(struct env *e)
{
    struct timespec t;

    (void)e;
    int failed = clock_gettime(CLOCK_MONOTONIC, &t);
    ASSERT(failed == 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t wall_ms(struct env *e)
{
    struct timespec t;

    (void)e;
    int failed = clock_gettime(CLOCK_REALTIME, &t);
    ASSERT(failed == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t random_u64(struct env *e)
{
    uint64_t out;
    ssize_t n;

    (void)e;
    do {
        n = getrandom(&out, sizeof(out), 0);
    } while (n < 0 && errno == EINTR);
    ASSERT(n == (ssize_t)sizeof(out)); /* up to 256 bytes are never cut: getrandom(2) */
    return out;
}

enum err env_linux_new(struct env **out)
{
    struct env_linux *e = mem_zalloc(1, sizeof(*e));

    if (e == NULL) {
        return fail(ERR_NOMEM, "no memory for the environment");
    }
    e->calls.now_us = now_us;
    e->calls.wall_ms = wall_ms;
    e->calls.random = random_u64;
    env_linux_file_calls(&e->calls);
    env_linux_net_calls(&e->calls);
    env_linux_poll_calls(&e->calls);
    env_linux_job_calls(&e->calls);
    e->env.v = &e->calls;
    *out = &e->env;
    return OK;
}

void env_linux_free(struct env *e)
{
    struct env *mine = e;

    if (e == NULL) {
        return;
    }
    if (atomic_compare_exchange_strong(&stop.env, &mine, NULL)) {
        atomic_store(&stop.wake, NULL);
    }
    mem_free(CONTAINER_OF(e, struct env_linux, env));
}

/* Only lock-free atomics and write(2) from here. */
static void on_stop_signal(int number)
{
    int saved = errno;
    struct env_poller *wake = atomic_load(&stop.wake);

    (void)number;
    atomic_store(&stop.asked, true);
    if (wake != NULL) {
        env_linux_wake(atomic_load(&stop.env), wake);
    }
    errno = saved;
}

enum err env_linux_on_stop(struct env *e, struct env_poller *wake)
{
    struct sigaction on_stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    atomic_store(&stop.asked, false);
    atomic_store(&stop.env, e);
    atomic_store(&stop.wake, wake);
    if (sigaction(SIGTERM, &on_stop, NULL) != 0 || sigaction(SIGINT, &on_stop, NULL) != 0 ||
        sigaction(SIGPIPE, &ignore, NULL) != 0) {
        return fail_errno(errno, "set", "signal handlers");
    }
    return OK;
}

bool env_linux_stop_asked(void)
{
    return atomic_load(&stop.asked);
}

int env_linux_standard_input(void)
{
    return STDIN_FILENO;
}

enum err env_linux_read_input(void *to, size_t len, size_t *got)
{
    ssize_t n;

    do {
        n = read(STDIN_FILENO, to, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return fail_errno(errno, "read", "standard input");
    }
    *got = (size_t)n;
    return OK;
}
