/* tests/sim/env_sim_internal.h: the simulated kernel, as its own files see it.
 *
 *     sim -- nodes --- disk                    machine: survives its processes
 *                  \-- process (struct env)    handles, pollers, lanes, threads: one life
 *         -- sched                             every event
 *         -- links, connections                sim_net.h
 */
#pragma once

#include "base/list.h"
#include "tests/sim/env_sim.h"
#include "tests/sim/sim_disk_internal.h"
#include "tests/sim/sim_sched.h"

struct sim_socket;

struct sim_link {
    uint32_t latency_us_min, latency_us_max;
    uint64_t clogged_until_us;
    bool cut;
};

struct sim {
    struct sim_sched sched;
    struct sim_profile profile;
    uint64_t seed;
    struct sim_random net_random, own_random;
    struct sim_node *nodes[SIM_NODE_COUNT_MAX];
    uint32_t node_count;
    struct sim_link links[SIM_NODE_COUNT_MAX][SIM_NODE_COUNT_MAX]; /* [from][to] */
    struct list connections;
    void (*after_each)(void *);
    void *after_each_context;
    bool in_event;
};

struct sim_node {
    struct sim *sim;
    uint32_t index;
    char host[ENV_ADDRESS_BYTES];
    struct sim_disk *disk;
    struct sim_random random;
    struct sim_process *process; /* NULL: none runs */
    struct list dead;            /* ended ones */
    bool power;
    int32_t drift_ppm;
    uint64_t anchor_us,
        anchor_local_us; /* at world time anchor_us the machine's clock showed the latter */
    int64_t wall_off_ms;
    uint64_t paused_until_us;
    uint32_t handle_count_max;
    uint16_t port_next;
    void (*on_down)(void *);
    void *on_down_context;
};

enum sim_handle_kind { SIM_HANDLE_FREE, SIM_HANDLE_FILE, SIM_HANDLE_SOCKET };

/* One open file or socket. Its number is its slot with the generation above, so that a number used after
 * its close is noticed. */
struct sim_handle {
    enum sim_handle_kind kind;
    uint32_t generation;
    struct sim_inode *inode;
    bool writable, direct, holds_lock;
    struct sim_socket *socket;
    struct env_poller *poller; /* that watches it */
    uint32_t interest;
    void *tag;
};

enum sim_doing { SIM_DOING_OTHER, SIM_DOING_STEP, SIM_DOING_JOB };

struct sim_process {
    struct env env; /* first: the door */
    struct list_link link;
    struct sim_node *node;
    bool dead;
    uint64_t clock_off_us; /* its monotonic clock begins anywhere */
    struct sim_handle *handles;
    uint32_t handle_cap, handle_count, handle_next;
    struct list pollers, lanes, threads, runs, listeners;
    enum sim_doing doing;
    struct env_thread *stepping;
};

struct env_poller {
    struct list_link link;
    struct sim_process *process;
    struct env_thread *thread; /* that polled it last */
    struct env_job *done_first, *done_last;
    uint32_t *watched; /* slots */
    uint32_t watched_count, watched_cap;
    uint32_t jobs_out;
    bool woken;
};

struct env_lane {
    struct list_link link;
    struct sim_process *process;
    char name[32];
    int width, in_flight;
    struct env_job *first, *last;
};

/* A job between leaving its lane and coming home. */
struct sim_run {
    struct list_link link;
    struct env_lane *lane;
    struct env_job *job;
    struct sim_event *event;
    bool ran;
};

struct env_thread {
    struct list_link link;
    struct sim_process *process;
    char name[32];
    bool (*step)(void *);
    void *context;
    struct sim_event *event; /* the next step; NULL: waits for ever, or finished */
    bool finished, polled, again;
    int64_t wait_us; /* as told by the poll of this step */
};

static inline struct sim_process *sim_process_of(struct env *e)
{
    return CONTAINER_OF(e, struct sim_process, env);
}

/* env_sim.c: monotonic microseconds of the process's clock, and the world's time when it shows that. */
uint64_t sim_process_now(const struct sim_process *p);
uint64_t sim_process_world_time(const struct sim_process *p, uint64_t local_us);
/* env_sim.c: the whole table. */
extern const struct env_vtable sim_vtable;
/* env_sim.c: a slot for a new handle; ERR_LIMIT. */
enum err sim_handle_new(struct sim_process *p, struct sim_handle h, int *out);
/* Asserts that it is open and of that kind. */
struct sim_handle *sim_handle_at(struct sim_process *p, int number, enum sim_handle_kind kind);
void sim_handle_free(struct sim_process *p, int number);

/* env_sim_run.c: the process has ended: nothing of it runs any more. */
void sim_run_end(struct sim_process *p);
/* env_sim_run.c: frees what a process still has of pollers, lanes and threads. */
void sim_run_free(struct sim_process *p);
/* env_sim_run.c: plans the actor's next step after a drawn delay. */
void sim_thread_soon(struct env_thread *t);
/* env_sim_poll.c */
bool sim_poller_has_news(const struct env_poller *p);
void sim_poller_release(struct env_poller *p);
/* env_sim_poll.c: something a poller waits for may have happened. */
void sim_poller_stir(struct env_poller *p);

/* Parts of the table. */
enum err sim_env_open(struct env *e, const char *path, uint32_t flags, int *out);
enum err sim_env_close(struct env *e, int file);
enum err sim_env_read(struct env *e, int file, void *to, size_t len, uint64_t position,
                      size_t *got);
enum err sim_env_write(struct env *e, int file, const struct env_slice *slices, int count,
                       uint64_t position);
enum err sim_env_sync(struct env *e, int file);
enum err sim_env_sync_dir(struct env *e, const char *path);
enum err sim_env_sync_all(struct env *e, int file);
enum err sim_env_truncate(struct env *e, int file, uint64_t bytes);
enum err sim_env_allocate(struct env *e, int file, uint64_t position, uint64_t len);
enum err sim_env_size(struct env *e, int file, uint64_t *out);
enum err sim_env_rename(struct env *e, const char *from, const char *to);
enum err sim_env_unlink(struct env *e, const char *path);
enum err sim_env_mkdir(struct env *e, const char *path);
enum err sim_env_rmdir(struct env *e, const char *path);
enum err sim_env_list(struct env *e, const char *path, struct buf *names);
enum err sim_env_lock(struct env *e, const char *path, int *out);
enum err sim_env_space(struct env *e, const char *path, struct env_disk_space *out);
enum err sim_env_read_cached(struct env *e, int file, void *to, size_t len, uint64_t position,
                             size_t *got);
enum err sim_env_send_file(struct env *e, int socket, int file, uint64_t position, size_t len,
                           size_t *sent);

enum err sim_env_listen(struct env *e, const struct env_address *at, int *out, uint16_t *port);
enum err sim_env_accept(struct env *e, int listener, int *out, struct env_address *peer,
                        struct env_address *local);
enum err sim_env_connect(struct env *e, const struct env_address *to, int *out);
enum err sim_env_connect_result(struct env *e, int socket);
enum err sim_env_receive(struct env *e, int socket, void *to, size_t len, size_t *got);
enum err sim_env_send(struct env *e, int socket, const struct env_slice *slices, int count,
                      size_t *sent);
void sim_env_close_socket(struct env *e, int socket);

enum err sim_env_poller_new(struct env *e, struct env_poller **out);
void sim_env_poller_free(struct env *e, struct env_poller *p);
enum err sim_env_watch(struct env *e, struct env_poller *p, int socket, uint32_t interest,
                       void *tag);
void sim_env_unwatch(struct env *e, struct env_poller *p, int socket);
int sim_env_poll(struct env *e, struct env_poller *p, struct env_event *events, int max,
                 int64_t timeout_us);
void sim_env_wake(struct env *e, struct env_poller *p);
enum err sim_env_lane_new(struct env *e, const char *name, int width, struct env_lane **out);
void sim_env_lane_free(struct env *e, struct env_lane *l);
void sim_env_job_submit(struct env *e, struct env_lane *l, struct env_job *job);
enum err sim_env_thread_start(struct env *e, const char *name, bool (*step)(void *), void *context,
                              struct env_thread **out);
void sim_env_thread_join(struct env *e, struct env_thread *t);
