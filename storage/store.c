/* storage/store.c: one core's storage as its loop sees it: group commits, finished jobs, failures, the stop.
 *
 * TURN     store_job_done() for every event, then store_commit(): the open group goes to the journal's lane if it
 *          is free, due flushes and syncs to the flush lane. Nothing here blocks. In the turn in which a
 *          group has ended the next one waits for one more turn: fewer and larger groups.
 * LANES    journal (width 1): groups, so nothing delays a commit. flush (width 1): everything else that
 *          writes, in order. The read lane is shared by all cores and brought by the caller.
 * FAILURE  journal_err and flush_err say why appends are refused. ERR_NOSPACE is left again: once a second the
 *          journal tries a new file that begins with the true end of every log whose last entries may be on
 *          disk. ERR_IO stays until the next start.
 * STOP     The lanes are emptied and given up; what is left is done here and now by running the same jobs in
 *          place (inline_jobs). Logs outlive the store as shells that only wait for plog_free().
 */
#include "storage/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/storage_internal.h"

#include <stdio.h>

enum { IDLE_US = 1000000, DRAIN_EVENTS = 64, DRAIN_TRIES = 1000, DRAIN_WAIT_US = 10000 };

/* -- jobs -- */

static void store_job_run(struct env_job *job)
{
    struct store_job *j = CONTAINER_OF(job, struct store_job, job);

    err_crumbs_reset();
    j->work(j);
    if (j->err != OK) {
        (void)snprintf(j->why, sizeof(j->why), "%s", err_crumb());
    }
}

void store_submit(struct store *s, struct env_lane *lane, struct store_job *j)
{
    j->store = s;
    j->env = s->env;
    j->err = OK;
    j->job = (struct env_job){.run = store_job_run, .home = s->config.home};
    if (s->inline_jobs) {
        store_job_run(&j->job);
        j->done(s, j);
        return;
    }
    list_add_last(&s->jobs, &j->link);
    env_job_submit(s->env, lane, &j->job);
}

bool store_job_done(struct store *s, struct env_job *job)
{
    if (job->run != store_job_run) {
        return false;
    }
    struct store_job *j = CONTAINER_OF(job, struct store_job, job);
    if (j->store != s) {
        return false;
    }
    list_remove(&s->jobs, &j->link);
    if (j->err != OK && j->err != ERR_NOT_FOUND && j->err != ERR_CORRUPT) {
        log_warn("storage job failed", "core=%d error=%s: %s", s->config.core, err_name(j->err),
                 j->why);
    }
    j->done(s, j);
    return true;
}

/* -- tickets, limits, state -- */

uint64_t store_ticket(struct store *s)
{
    return ++s->ticket_next;
}

uint64_t store_durable_ticket(const struct store *s)
{
    return s->ticket_durable;
}

size_t store_dirty_max(const struct store *s)
{
    return s->config.memory_bytes_max / 2;
}

enum err store_refusal(const struct store *s)
{
    return s->journal_err != OK ? s->journal_err : s->flush_err;
}

void store_state_changed(struct store *s, const char *what)
{
    enum err e = store_refusal(s);

    if (e == s->state_told) {
        return;
    }
    s->state_told = e;
    if (e == OK) {
        log_info("appends accepted again", "core=%d", s->config.core);
    } else {
        log_error("appends refused", "core=%d after=%s error=%s", s->config.core, what,
                  err_name(e));
    }
    if (s->config.on_state != NULL) {
        s->config.on_state(s->config.context, e);
    }
}

/* What may pass by itself is called ERR_NOSPACE, the rest ERR_IO. */
static enum err refusal_of(enum err e)
{
    return e == ERR_NOSPACE || e == ERR_LIMIT || e == ERR_NOMEM ? ERR_NOSPACE : ERR_IO;
}

void store_flush_failed(struct store *s, enum err e)
{
    if (s->flush_err != ERR_IO) {
        s->flush_err = refusal_of(e);
        s->retry_us = s->now_us + RETRY_US;
    }
    store_state_changed(s, "segment file");
}

/* -- the journal -- */

static void tell(struct plog *l, enum err e)
{
    if (l->on_durable != NULL) {
        l->on_durable(l->context, l, e);
    }
}

/* The failed list first, so that a callback finds everything in order. */
static void take_back_all(struct store *s, struct list *told)
{
    struct list *from[] = {&s->flying_logs, &s->open_logs};

    for (size_t i = 0; i < COUNT_OF(from); i++) {
        list_for_each (from[i], link) {
            struct plog *l = i == 0 ? CONTAINER_OF(link, struct plog, flying_link)
                                    : CONTAINER_OF(link, struct plog, open_link);

            list_remove(from[i], link);
            if (!list_linked(&l->failed_link)) {
                list_add_last(&s->failed_logs, &l->failed_link);
            }
            if (!list_linked(&l->open_link) && !list_linked(&l->told_link)) {
                list_add_last(told, &l->told_link);
            }
            plog_take_back(l, &l->stable);
        }
    }
}

void store_journal_failed(struct store *s, enum err e)
{
    bool trying = s->trying;

    s->trying = false;
    s->journal_err = refusal_of(e);
    s->retry_us = s->now_us + RETRY_US;
    journal_fail(&s->journal);
    take_back_all(s, &s->told_logs);
    store_state_changed(s, "journal");
    while (!list_empty(&s->told_logs)) {
        struct plog *l = CONTAINER_OF(list_take_first(&s->told_logs), struct plog, told_link);

        if (!trying) {
            tell(l, s->journal_err);
        }
    }
}

static void journal_work(struct store_job *j)
{
    j->err = journal_write(&j->store->journal.write);
}

static void journal_drop(struct store_job *j)
{
    (void)j; /* it is a part of the store */
}

static void accept_again(struct store *s)
{
    s->trying = false;
    s->journal_err = OK;
    while (!list_empty(&s->failed_logs)) {
        (void)list_take_first(&s->failed_logs);
    }
    store_state_changed(s, "journal");
}

static void journal_done(struct store *s, struct store_job *j)
{
    if (j->err != OK) {
        store_journal_failed(s, j->err);
        return;
    }
    s->group_ended = true;
    s->stats.groups++;
    s->stats.group_bytes += s->journal.write.len;
    journal_end(&s->journal);
    s->ticket_durable = s->ticket_flying;
    if (s->trying) {
        accept_again(s);
    }
    for (size_t n = s->flying_logs.len; n > 0; n--) {
        struct list_link *link = list_take_first(&s->flying_logs);

        if (link == NULL) {
            break;
        }
        struct plog *l = CONTAINER_OF(link, struct plog, flying_link);
        l->stable = l->flying;
        flush_durable(l);
        tell(l, OK);
    }
}

static void journal_start(struct store *s)
{
    bool begun;

    if ((s->journal_err != OK && !s->trying) || s->journal.busy) {
        return;
    }
    if (journal_begin(&s->journal, &begun) != OK || !begun) {
        return; /* no memory, or no free file: with a later turn */
    }
    s->ticket_flying = s->ticket_next;
    while (!list_empty(&s->open_logs)) {
        struct plog *l = CONTAINER_OF(list_take_first(&s->open_logs), struct plog, open_link);

        l->flying = l->end;
        list_add_last(&s->flying_logs, &l->flying_link);
    }
    s->journal_job = (struct store_job){
        .work = journal_work, .done = journal_done, .drop = journal_drop, .store = s};
    store_submit(s, s->journal_lane, &s->journal_job);
}

/* A new file, whose first group says where the logs end. */
static void try_again(struct store *s)
{
    if (s->journal_err != ERR_NOSPACE || s->trying || s->now_us < s->retry_us) {
        return;
    }
    s->retry_us = s->now_us + RETRY_US;
    if (list_empty(&s->failed_logs)) {
        accept_again(s);
        return;
    }
    list_for_each (&s->failed_logs, link) {
        if (plog_journal_state(CONTAINER_OF(link, struct plog, failed_link)) != OK) {
            store_journal_failed(s, ERR_NOSPACE);
            return;
        }
    }
    (void)store_ticket(s);
    s->trying = true;
}

/* -- the loop's side -- */

void store_commit(struct store *s, uint64_t now_us)
{
    s->now_us = now_us;
    try_again(s);
    /* Those who are answered in this turn often send again at once: their appends join the next group. */
    s->gathering = s->group_ended && s->journal.open.entry_count > 0;
    s->group_ended = false;
    if (!s->gathering) {
        journal_start(s);
    }
    sync_run(s);
    flush_run(s);
    if (s->journal.busy || s->journal.open.entry_count > 0) {
        s->idle_us = now_us + IDLE_US;
    } else if (s->idle_us != 0 && now_us >= s->idle_us) {
        (void)journal_shrink(&s->journal);
        s->idle_us = 0;
    }
}

uint64_t store_deadline_us(const struct store *s)
{
    uint64_t at = s->idle_us == 0 ? UINT64_MAX : s->idle_us;

    if (s->gathering) {
        return s->now_us;
    }
    if (s->journal_err == ERR_NOSPACE || s->flush_err == ERR_NOSPACE) {
        at = MIN(at, s->retry_us);
    }
    return at;
}

void store_stats(const struct store *s, struct store_stats *out)
{
    *out = s->stats;
    out->chunk_bytes = s->chunks->bytes;
    out->dirty_bytes = s->chunks->dirty_bytes;
    out->journal_files = s->journal.used.len + s->journal.spare.len;
}

/* -- life -- */

static void lists_init(struct store *s)
{
    struct list *all[] = {
        &s->logs,      &s->jobs,       &s->open_logs,     &s->flying_logs, &s->failed_logs,
        &s->told_logs, &s->dirty_logs, &s->unsynced_logs, &s->flush_queue, &s->unsynced_segments,
        &s->files,     &s->indexes,    &s->read_queue};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        list_init(all[i]);
    }
}

static void journal_setup(struct store *s)
{
    const struct store_config *c = &s->config;

    journal_init(&s->journal, s->env, s->journal_dir, (uint32_t)c->core, s->recovery->incarnation);
    if (c->journal_file_bytes != 0) {
        ASSERT(c->journal_file_bytes % JOURNAL_BLOCK_BYTES == 0);
        s->journal.file_bytes = c->journal_file_bytes;
        s->journal.bytes_max = 8 * c->journal_file_bytes;
    }
    if (c->journal_bytes_max != 0) {
        s->journal.bytes_max = MAX(c->journal_bytes_max, 2 * s->journal.file_bytes);
    }
}

enum err store_new(const struct store_config *config, struct store **out)
{
    ASSERT(config->recovery != NULL && config->read_lane != NULL);
    struct store *s = mem_zalloc(1, sizeof(*s));

    if (s == NULL) {
        return fail(ERR_NOMEM, "a store");
    }
    lists_init(s);
    s->config = *config;
    s->env = config->env;
    s->recovery = config->recovery;
    s->lock = -1;
    s->files_max = config->files_max > 0 ? (size_t)config->files_max : STORE_FILES_DEFAULT;
    (void)snprintf(s->data_dir, sizeof(s->data_dir), "%s", s->recovery->data_dir);
    (void)snprintf(s->journal_dir, sizeof(s->journal_dir), "%s", s->recovery->journal_dir);
    journal_setup(s);
    enum err e = chunk_pool_new((uint32_t)config->core, config->memory_bytes_max, &s->chunks);
    if (e == OK) {
        e = env_lane_new(s->env, "journal", 1, &s->journal_lane);
    }
    if (e == OK) {
        e = env_lane_new(s->env, "flush", 1, &s->flush_lane);
    }
    if (e == OK) {
        e = recovery_join(s->recovery, s);
    }
    if (e != OK) {
        store_free(s);
        return e;
    }
    *out = s;
    return OK;
}

static void lanes_free(struct store *s)
{
    if (s->journal_lane != NULL) {
        env_lane_free(s->env, s->journal_lane);
    }
    if (s->flush_lane != NULL) {
        env_lane_free(s->env, s->flush_lane);
    }
    s->journal_lane = s->flush_lane = NULL;
}

/* Logs become shells; chunks that readers hold keep their pool alive. */
static void logs_detach(struct store *s)
{
    while (!list_empty(&s->logs)) {
        struct plog *l = CONTAINER_OF(list_first(&s->logs), struct plog, link);

        plog_detach(l);
        list_remove(&s->logs, &l->link);
        l->store = NULL;
    }
}

void store_free(struct store *s)
{
    if (s == NULL) {
        return;
    }
    lanes_free(s);
    recovery_leave(s->recovery, s);
    read_drop_queue(s);
    while (!list_empty(&s->jobs)) {
        struct store_job *j = CONTAINER_OF(list_take_first(&s->jobs), struct store_job, link);

        j->drop(j);
    }
    logs_detach(s);
    ASSERT(list_empty(&s->files));
    if (s->lock >= 0) {
        (void)env_close(s->env, s->lock);
    }
    journal_close(&s->journal);
    journal_deinit(&s->journal);
    chunk_pool_free(s->chunks);
    mem_free(s);
}

/* Events of jobs that ended before the lanes did. */
static void drain(struct store *s)
{
    struct env_event events[DRAIN_EVENTS];

    for (int tries = 0; tries < DRAIN_TRIES && !list_empty(&s->jobs); tries++) {
        int n = env_poll(s->env, s->config.home, events, DRAIN_EVENTS, DRAIN_WAIT_US);

        for (int i = 0; i < n; i++) {
            if (events[i].kind == ENV_EVENT_JOB) {
                (void)store_job_done(s, events[i].tag);
            }
        }
    }
}

/* Oldest first, as everywhere. */
static enum err journals_remove(struct store *s)
{
    struct list *all[] = {&s->journal.gone, &s->journal.spare, &s->journal.used};

    journal_close(&s->journal);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        list_for_each (all[i], link) {
            char path[ENV_PATH_BYTES];

            journal_path(&s->journal, CONTAINER_OF(link, struct journal_file, link)->number, path);
            enum err e = env_unlink(s->env, path);
            if (e != OK && e != ERR_NOT_FOUND) {
                return e;
            }
        }
    }
    return s->journal.number_next == 1 ? OK : env_sync_dir(s->env, s->journal_dir);
}

static enum err close_cleanly(struct store *s)
{
    journal_start(s);
    TRY(store_refusal(s));
    if (s->journal.open.entry_count > 0) {
        return fail(ERR_LIMIT, "the journal has no room for its last group");
    }
    TRY(flush_all_now(s));
    return s->kept_from == 0 ? journals_remove(s) : OK;
}

enum err store_close(struct store *s)
{
    lanes_free(s);
    drain(s);
    s->inline_jobs = true;
    enum err e = close_cleanly(s);
    store_free(s);
    return e;
}
