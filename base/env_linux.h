/* base/env_linux.h: the real world behind base/env.h: epoll, threads, files, getrandom. */
#pragma once

#include "base/env.h"

/* One per process. Free it after every poller, lane and thread of it is gone. */
enum err env_linux_new(struct env **out);
void env_linux_free(struct env *e);

/* Processors this process may use: the affinity mask cut by the cgroup's cpu.max; at least 1. */
int env_linux_core_count(void);
/* Memory this process may use: physical memory cut by the cgroup's limit. */
uint64_t env_linux_memory_bytes(void);
/* SIGTERM and SIGINT set a flag and wake the poller; SIGPIPE is ignored. */
enum err env_linux_on_stop(struct env *e, struct env_poller *wake);
bool env_linux_stop_asked(void);
/* Raises the soft limit of open files to the hard one; returns it. */
uint64_t env_linux_files_max(void);

/* Standard input, for programs around a broker: its descriptor (env_watch() it where that is possible) and what
 * is there: waits for at least one byte; *got 0 is the end. ERR_IO. */
int env_linux_standard_input(void);
enum err env_linux_read_input(void *to, size_t len, size_t *got);
