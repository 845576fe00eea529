/* broker/core.c: the loop.
 *
 * WHY      Batching comes from the order of a turn: everything that has come is looked at first, then all of it
 *          is committed, sent to other cores and sent to clients together: one journal group, one wake per
 *          core, one send per connection, whether one request came or a hundred.
 * SLEEP    A core sleeps in env_poll() when it knows of no work; the timeout is the earliest of timers and the
 *          store's deadline. There is no periodic tick. Between cores that talk to each other right
 *          now a cold wake (some 40 us) would cost more than the request, so such a core watches its
 *          mailboxes for a moment before it sleeps. Where that is in vain more often than not, because the
 *          others wait for a disk, it stops, and tries again now and then.
 * STOP     node_stop_begin -> core 0: no more connections -> all: nothing more is read -> each, when all its
 *          requests are answered or NODE_STOP_US have passed, tells core 0 -> when all have: all leave.
 * OWNER    The thread that calls core_turn().
 * FAILURE  None: a turn has nowhere to report to; what fails in it is dealt with where it happens.
 * LIMITS   CORE_*_PER_TURN; a turn longer than TURN_US_MAX is counted.
 */
#include "broker/core.h"

#include "base/uuid.h"
#include "broker/connection.h"
#include "broker/coordinator.h"
#include "broker/listener.h"
#include "broker/metrics_door.h"
#include "broker/node.h"
#include "storage/store.h"

enum {
    TURN_US_MAX = 10 * 1000,
    CROSSED_US = 1000,      /* traffic between cores this recent makes it worth watching */
    MAILBOX_RETRY_US = 200, /* a full ring is tried again */
    LOOKS_PER_CLOCK = 64,
    WATCH_TRUST_MAX = 8,
    WATCH_TRY_EVERY = 32, /* waits, without trust */
    CHORES_PER_TURN = 4,
};

static _Thread_local const struct core *current;

bool core_is_current(const struct core *c)
{
    return current == c;
}

const struct core *core_act_as(const struct core *c)
{
    const struct core *before = current;

    current = c;
    return before;
}

int core_of_partition(const struct node *n, const struct uuid *topic_id, int32_t partition)
{
    struct {
        struct uuid topic_id;
        int32_t partition;
    } key = {*topic_id, partition};

    static_assert(sizeof(key) == sizeof(struct uuid) + sizeof(int32_t), "no padding is hashed");
    if (uuid_is_zero(*topic_id)) {
        return 0;
    }
    uint64_t hash = bytes_hash((struct bytes){(const uint8_t *)&key, sizeof(key)}, 0);
    return (int)(hash % (uint64_t)node_core_count(n));
}

void core_later(struct core *c, struct message *m)
{
    ASSERT_ON_CORE(c);
    mailbox_send(c, c->index, m);
}

void core_timer(struct core *c, struct timer *t, uint64_t delay_us)
{
    uint64_t due_us;

    if (__builtin_add_overflow(c->now_us, delay_us, &due_us)) {
        due_us = UINT64_MAX;
    }
    timer_wheel_add(&c->timers, t, due_us);
}

/* ---- chores ---- */

static void chore_due(struct timer *t)
{
    struct core_chore *chore = CONTAINER_OF(t, struct core_chore, timer);

    list_add_last(&chore->core->chores, &chore->link);
}

void core_chore_add(struct core *c, struct core_chore *chore)
{
    chore->core = c;
    chore->timer.fire = chore_due;
    core_chore_wake(chore);
}

void core_chore_wake(struct core_chore *chore)
{
    timer_wheel_cancel(&chore->core->timers, &chore->timer);
    if (!list_linked(&chore->link)) {
        list_add_last(&chore->core->chores, &chore->link);
    }
}

void core_chore_cancel(struct core_chore *chore)
{
    if (chore->core == NULL) {
        return;
    }
    timer_wheel_cancel(&chore->core->timers, &chore->timer);
    if (list_linked(&chore->link)) {
        list_remove(&chore->core->chores, &chore->link);
    }
}

static void run_chores(struct core *c)
{
    for (int left = CHORES_PER_TURN; left > 0 && !list_empty(&c->chores); left--) {
        struct list_link *link = list_take_first(&c->chores);
        struct core_chore *chore = CONTAINER_OF(link, struct core_chore, link);
        uint64_t delay_us = chore->run(c, chore);
        c->again = true; /* it may have left something to commit or to send */
        if (list_linked(&chore->link) || timer_pending(&chore->timer)) {
            continue; /* woken meanwhile */
        }
        if (delay_us == 0) {
            list_add_last(&c->chores, &chore->link);
        } else if (delay_us != UINT64_MAX) {
            core_timer(c, &chore->timer, delay_us);
        }
    }
}

/* ---- stop ---- */

static void stop_leave(struct core *on, struct message *m)
{
    (void)m;
    on->stopped = true;
}

static void stop_send_all(struct core *zero, void (*run)(struct core *on, struct message *m))
{
    for (int i = 0; i < node_core_count(zero->node); i++) {
        struct message *m = &node_core(zero->node, i)->stop_message;
        m->run = run;
        mailbox_send(zero, i, m);
    }
}

static void stop_one_quiet(struct core *zero, struct message *m)
{
    (void)m;
    ASSERT(zero->index == 0 && zero->stop_waiting > 0);
    if (--zero->stop_waiting == 0) {
        stop_send_all(zero, stop_leave);
    }
}

static void stop_tell(struct core *c)
{
    timer_wheel_cancel(&c->timers, &c->stop_timer);
    c->stopping = false;
    c->stop_message.run = stop_one_quiet;
    mailbox_send(c, 0, &c->stop_message);
}

static void stop_overdue(struct timer *t)
{
    stop_tell(CONTAINER_OF(t, struct core, stop_timer));
}

static void stop_one(struct core *on, struct message *m)
{
    (void)m;
    on->stopping = true;
    coordinators_stop(on);
    on->stop_timer.fire = stop_overdue;
    core_timer(on, &on->stop_timer, NODE_STOP_US);
    connections_stop(on);
}

static void stop_all(struct core *zero)
{
    if (zero->stop_begun) {
        return;
    }
    zero->stop_begun = true;
    listeners_stop(zero);
    metrics_door_stop(zero);
    zero->stop_waiting = node_core_count(zero->node);
    stop_send_all(zero, stop_one);
}

static void stop_asked(struct core *c)
{
    if (c->node->start_failed) {
        c->stopped = true;
    } else {
        stop_all(c);
    }
}

/* ---- a turn ---- */

static void read_clock(struct core *c)
{
    c->now_us = env_now_us(c->env);
    c->wall_ms = env_wall_ms(c->env);
}

static int drain(struct core *c)
{
    int n = mailbox_drain(c, CORE_MESSAGES_PER_TURN);

    if (n > 0) {
        c->stats.messages_in += (uint64_t)n;
        c->crossed_us = c->now_us;
    }
    return n;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool comes_soon(const struct core *c)
{
    for (uint64_t end_us = c->now_us + c->node->options.spin_us; env_now_us(c->env) < end_us;) {
        for (int i = 0; i < LOOKS_PER_CLOCK; i++) {
            if (mailbox_pending(c)) {
                return true;
            }
            relax();
        }
    }
    return false;
}

/* Watches the mailboxes for a moment if that is likely to pay; true: something came. */
static bool watch_mailboxes(struct core *c)
{
    if (c->node->options.spin_us == 0 || c->crossed_us == 0 ||
        c->now_us - c->crossed_us > CROSSED_US) {
        return false;
    }
    if (c->watch_trust == 0 && ++c->watch_skipped < WATCH_TRY_EVERY) {
        return false;
    }
    c->watch_skipped = 0;
    if (comes_soon(c)) {
        c->stats.spins_won++;
        c->watch_trust = MIN(c->watch_trust + 1, (int)WATCH_TRUST_MAX);
        return true;
    }
    c->watch_trust = MAX(c->watch_trust - 1, 0);
    return false;
}

/* When there is something to do without any news; UINT64_MAX: never. */
static uint64_t next_deadline_us(const struct core *c)
{
    uint64_t next = timer_wheel_next_us(&c->timers);

    if (c->store != NULL) {
        next = MIN(next, store_deadline_us(c->store));
    }
    if (c->mailbox_full) {
        next = MIN(next, c->now_us + MAILBOX_RETRY_US);
    }
    return next;
}

static int64_t poll_timeout_us(const struct core *c)
{
    uint64_t next = next_deadline_us(c);

    if (next == UINT64_MAX) {
        return -1;
    }
    return next <= c->now_us ? 0 : (int64_t)MIN(next - c->now_us, (uint64_t)INT64_MAX);
}

/* Waits if there is nothing to do; returns the number of events. */
static int poll_events(struct core *c, struct env_event *events)
{
    bool busy =
        drain(c) > 0 || c->again || c->mailbox.local_first != NULL || !list_empty(&c->chores);
    int64_t timeout_us = busy ? 0 : poll_timeout_us(c);

    c->again = false;

    if (timeout_us != 0 && watch_mailboxes(c) && drain(c) > 0) {
        timeout_us = 0;
    }
    int n = env_poll(c->env, c->poller, events, CORE_EVENTS_PER_TURN, timeout_us);
    mailbox_awake(c);
    if (timeout_us != 0) {
        c->stats.sleeps++;
        read_clock(c);
    }
    return n;
}

static void handle_event(struct core *c, const struct env_event *event)
{
    if (event->kind == ENV_EVENT_SOCKET) {
        struct core_socket *s = event->tag;
        s->ready(c, s, event->ready);
        return;
    }
    struct env_job *job = event->tag;
    if (c->store != NULL && store_job_done(c->store, job)) {
        return;
    }
    struct core_job *own = CONTAINER_OF(job, struct core_job, job);
    own->done(c, own);
}

static void finish_turn(struct core *c)
{
    connections_go_on(c);
    if (c->store != NULL) {
        store_commit(c->store, c->now_us);
    }
    (void)mailbox_flush(c); /* others begin while we send */
    if (connections_send(c)) {
        c->again = true;
    }
    run_chores(c);
    if (c->stopping && connections_quiet(c)) {
        stop_tell(c);
    }
    c->mailbox_full = !mailbox_flush(c);
    c->stats.mailbox_overflows += c->mailbox_full;
    if (!mailbox_sleep(c)) {
        c->again = true;
    }
}

bool core_turn(void *context)
{
    struct core *c = context;
    struct env_event events[CORE_EVENTS_PER_TURN];
    uint64_t before_us = c->now_us;

    (void)core_act_as(c);
    read_clock(c);
    c->stats.turns++;
    c->stats.turns_slow += before_us > 0 && c->now_us - before_us > TURN_US_MAX;
    int n = poll_events(c, events);
    for (int i = 0; i < n; i++) {
        handle_event(c, &events[i]);
    }
    if (timer_wheel_run(&c->timers, c->now_us, CORE_TIMERS_PER_TURN) == CORE_TIMERS_PER_TURN) {
        c->again = true;
    }
    (void)mailbox_run_local(c);
    if (mailbox_signalled(c)) {
        stop_asked(c);
    }
    finish_turn(c);
    (void)core_act_as(NULL);
    return !c->stopped;
}

/* ---- life ---- */

enum err core_init(struct core *c, struct core *const *peers, int count)
{
    TRY(env_poller_new(c->env, &c->poller));
    TRY(mailbox_init(c, peers, count));
    read_clock(c);
    timer_wheel_init(&c->timers, c->now_us);
    return OK;
}

void core_deinit(struct core *c)
{
    mailbox_deinit(c);
    if (c->poller != NULL) {
        env_poller_free(c->env, c->poller);
    }
    map_deinit(&c->partitions);
    c->poller = NULL;
}
