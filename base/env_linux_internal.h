/* base/env_linux_internal.h: what the chapters of env_linux share. Nobody else includes it but its test.
 *
 *     env_linux.c         the table, clock, randomness, stop signals
 *     env_linux_file.c    files
 *     env_linux_net.c     sockets
 *     env_linux_poll.c    pollers and wake-ups
 *     env_linux_jobs.c    lanes, helper threads, actors
 *     env_linux_limits.c  what the machine and its control groups allow
 */
#pragma once

#include "base/env_linux.h"

#include <errno.h>
#include <stdatomic.h>

/* What a caller should do about an errno. */
enum err env_linux_error(int number);
/* Says errno in words. */
const char *env_linux_error_text(int number);

/* fail() for the errno of a system call on something that has a name. A macro, so that the crumb names the
 * line of the call. */
#define fail_errno(number, doing, name) \
    fail(env_linux_error(number), "%s %s: %s", (doing), (name), env_linux_error_text(number))

/* The calls of a chapter, filled into the table. */
void env_linux_file_calls(struct env_vtable *v);
void env_linux_net_calls(struct env_vtable *v);
void env_linux_poll_calls(struct env_vtable *v);
void env_linux_job_calls(struct env_vtable *v);

/* Gives a finished job to its home poller. Any thread. */
void env_linux_job_done(struct env_job *job);
/* Ends a wait. Any thread, and signal handlers. */
void env_linux_wake(struct env *e, struct env_poller *p);

/* The same as in env_linux.h, with the files of /proc and /sys below `root` ("" for the real ones), and the
 * machine's own number given. */
int env_linux_core_count_below(const char *root, int machine);
uint64_t env_linux_memory_bytes_below(const char *root, uint64_t machine);
