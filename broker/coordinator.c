/* broker/coordinator.c: what stands between the group state machine and a partition's log.
 *
 * WHY      The state machine is a function of its log. So a start, a change of leader and a failed write are one
 *          path: forget the groups, read the log from its start, go on.
 * LOADING  Pieces of LOAD_BYTES a turn, up to the log's end as it was when loading began; what is appended but
 *          not durable yet is waited for. A piece that cannot be read or understood stops the load: it is tried
 *          again after RETRY_US, and calls are refused meanwhile.
 * WRITING  A batch of the state machine goes through the partition like a producer's: readers of the topic see
 *          it when it is durable.
 * OWNER    The partition's core. A coordinator belongs to its partition and goes with it.
 */
#include "broker/coordinator.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/node.h"
#include "protocol/compression.h"

enum {
    LOAD_BYTES = 1 << 20,
    RETRY_US = 1000 * 1000,
    UNPACKED_BYTES_MAX = 256 << 20,
};

struct coordinator {
    struct partition *partition;
    struct core *core;
    struct list_link link; /* core->coordinators */
    struct groups *groups; /* NULL: stopped, or there was no memory */
    bool stopped;
    /* Loading. */
    struct message step;
    bool step_waits; /* in the core's queue */
    bool reading, active;
    struct timer retry;
    struct plog_read read;
    int64_t next_offset, end_offset;
    uint64_t begun_us;
};

static void load_soon(struct coordinator *c);
static void load_begin(struct coordinator *c);

/* ---- what the state machine needs ---- */

static uint64_t host_now_us(void *context)
{
    return ((struct coordinator *)context)->core->now_us;
}

static int64_t host_wall_ms(void *context)
{
    return ((struct coordinator *)context)->core->wall_ms;
}

static const struct image *host_image(void *context)
{
    return ((struct coordinator *)context)->core->image;
}

static void host_random(void *context, void *at, size_t bytes)
{
    struct env *env = ((struct coordinator *)context)->core->env;
    uint8_t *to = at;

    while (bytes > 0) {
        uint64_t r = env_random(env);
        size_t n = MIN(bytes, sizeof(r));

        memcpy(to, &r, n);
        to += n;
        bytes -= n;
    }
}

static void host_timer_add(void *context, struct timer *t, uint64_t delay_us)
{
    core_timer(((struct coordinator *)context)->core, t, delay_us);
}

static void host_timer_cancel(void *context, struct timer *t)
{
    timer_wheel_cancel(&((struct coordinator *)context)->core->timers, t);
}

static enum err host_append(void *context, struct bytes batch, int64_t *end_offset)
{
    struct coordinator *c = context;
    struct partition *p = c->partition;
    struct plog_appended at;

    TRY(plog_append(p->log, batch, p->leader_epoch, c->core->wall_ms, &at));
    *end_offset = at.last_offset + 1;
    partition_appended(p, batch.len);
    if (partition_high_watermark(p) >= *end_offset) {
        groups_durable(c->groups, *end_offset); /* relaxed durability */
    }
    return OK;
}

static bool host_has_room(void *context, size_t bytes)
{
    const struct partition *p = ((struct coordinator *)context)->partition;

    return plog_state(p->log) == OK && plog_has_room(p->log, bytes);
}

static void host_lost(void *context)
{
    struct coordinator *c = context;

    c->active = false;
    load_soon(c);
}

/* ---- loading ---- */

static void retry_fired(struct timer *t)
{
    load_begin(CONTAINER_OF(t, struct coordinator, retry));
}

static void load_failed(struct coordinator *c, enum err e)
{
    log_error("groups cannot be loaded, trying again",
              "partition=%d offset=%" PRId64 " error=%s: %s", c->partition->key.partition,
              c->next_offset, err_name(e), err_crumb());
    groups_free(c->groups);
    c->groups = NULL;
    c->retry.fire = retry_fired;
    core_timer(c->core, &c->retry, RETRY_US);
}

static void load_end(struct coordinator *c)
{
    c->active = true;
    groups_durable(c->groups, c->next_offset);
    groups_loaded(c->groups, c->next_offset);
    if (groups_count(c->groups) > 0) {
        log_info("groups loaded", "partition=%d groups=%zu end_offset=%" PRId64 " ms=%" PRIu64,
                 c->partition->key.partition, groups_count(c->groups), c->next_offset,
                 (c->core->now_us - c->begun_us) / 1000);
    }
}

/* The same batch without compression. */
static enum err batch_unpack(struct bytes batch, const struct batch_header *header, struct buf *out)
{
    struct batch_header plain = *header;
    struct compression *compression;
    size_t head = batch.len - batch_records(batch).len;

    TRY(compression_new(&compression));
    enum err e = buf_add(out, (struct bytes){batch.at, head});
    if (e == OK) {
        e = compression_unpack(compression, (enum codec)batch_codec(header), batch_records(batch),
                               out);
    }
    compression_free(compression);
    TRY(e);
    plain.attributes = (uint16_t)(plain.attributes & ~BATCH_CODEC_MASK);
    plain.length = (int32_t)(out->len - BATCH_OVERHEAD_BYTES);
    batch_header_write(out->at, &plain);
    return OK;
}

static enum err load_batch(struct coordinator *c, const struct batch *b)
{
    struct buf plain;

    if (batch_codec(&b->header) == CODEC_NONE) {
        return groups_load(c->groups, b->bytes);
    }
    buf_init(&plain, UNPACKED_BYTES_MAX);
    enum err e = batch_unpack(b->bytes, &b->header, &plain);
    if (e == OK) {
        e = groups_load(c->groups, buf_view(&plain));
    }
    buf_deinit(&plain);
    return e == ERR_MALFORMED ? ERR_CORRUPT : e;
}

static enum err load_ranges(struct coordinator *c)
{
    TRY(c->read.err);
    for (int i = 0; i < c->read.range_count; i++) {
        struct bytes rest = c->read.ranges[i].at;
        struct batch b;
        enum err e;

        while ((e = batch_next(&rest, &b)) == OK) {
            TRY(load_batch(c, &b));
        }
        if (e != ERR_NOT_FOUND) {
            return e;
        }
    }
    return OK;
}

static void piece_read(struct coordinator *c)
{
    enum err e = load_ranges(c);

    if (e == OK && c->read.next_offset > c->next_offset) {
        c->next_offset = c->read.next_offset;
    } else if (e == OK) {
        e = fail(ERR_CORRUPT, "the log gives nothing at %" PRId64, c->next_offset);
    }
    plog_read_release(&c->read);
    c->reading = false;
    if (e != OK) {
        load_failed(c, e);
    } else {
        load_soon(c);
    }
}

static void read_done(struct plog_read *r)
{
    struct coordinator *c = CONTAINER_OF(r, struct coordinator, read);

    if (!c->core->node->closing) {
        piece_read(c);
    }
}

static void load_step(struct coordinator *c)
{
    struct plog *log = c->partition->log;
    int64_t durable = partition_high_watermark(c->partition);

    c->end_offset = MIN(c->end_offset, plog_end(log));
    if (c->next_offset >= c->end_offset) {
        load_end(c);
        return;
    }
    if (c->next_offset >= durable) {
        return; /* coordinator_log_moved() goes on */
    }
    c->read = (struct plog_read){.log = log,
                                 .offset = c->next_offset,
                                 .offset_end = MIN(c->end_offset, durable),
                                 .bytes_max = LOAD_BYTES,
                                 .first_whole = true,
                                 .done = read_done};
    c->reading = true;
    if (plog_read_start(&c->read)) {
        piece_read(c);
    }
}

static void load_begin(struct coordinator *c)
{
    struct groups_host host = {
        .context = c,
        .config = c->core->config,
        .stats = &c->core->stats,
        .now_us = host_now_us,
        .wall_ms = host_wall_ms,
        .image = host_image,
        .random = host_random,
        .timer_add = host_timer_add,
        .timer_cancel = host_timer_cancel,
        .append = host_append,
        .has_room = host_has_room,
        .lost = host_lost,
    };

    groups_free(c->groups);
    c->groups = NULL;
    c->next_offset = plog_start(c->partition->log);
    c->end_offset = plog_end(c->partition->log);
    c->begun_us = c->core->now_us;
    enum err e = groups_new(&host, c->partition->key.partition, &c->groups);
    if (e != OK) {
        load_failed(c, e);
        return;
    }
    load_step(c);
}

static void discard(struct coordinator *c)
{
    list_remove(&c->core->coordinators, &c->link);
    mem_free(c);
}

static void step_due(struct core *on, struct message *m)
{
    struct coordinator *c = CONTAINER_OF(m, struct coordinator, step);

    ASSERT(on == c->core);
    c->step_waits = false;
    if (c->partition == NULL) {
        discard(c); /* freed while the message waited */
    } else if (c->stopped || c->reading || c->active || timer_pending(&c->retry)) {
        return;
    } else if (c->groups == NULL || !groups_is_loading(c->groups)) {
        load_begin(c);
    } else {
        load_step(c);
    }
}

static void load_soon(struct coordinator *c)
{
    if (!c->step_waits && !c->stopped) {
        c->step_waits = true;
        c->step.run = step_due;
        core_later(c->core, &c->step);
    }
}

/* ---- in operation ---- */

void coordinator_run(struct coordinator *c, struct group_call *call, group_operation *operation)
{
    if (c->groups != NULL) {
        groups_run(c->groups, call, operation);
        return;
    }
    call->refuse(call, c->stopped ? KAFKA_NOT_COORDINATOR : KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    call->answer(call);
}

void coordinator_log_moved(struct coordinator *c, enum err e)
{
    if (c->groups != NULL && c->active) {
        if (e != OK) {
            groups_append_lost(c->groups);
        } else {
            groups_durable(c->groups, partition_high_watermark(c->partition));
        }
    } else {
        load_soon(c);
    }
}

const struct groups *coordinator_groups(const struct coordinator *c)
{
    return c->active ? c->groups : NULL;
}

bool coordinator_is_loading(const struct coordinator *c)
{
    return !c->active && !c->stopped;
}

int32_t coordinator_partition(const struct coordinator *c)
{
    return c->partition == NULL ? -1 : c->partition->key.partition;
}

/* ---- all of a core ---- */

struct coordinator *coordinator_first(const struct core *core)
{
    struct list_link *link = list_first(&core->coordinators);

    return link == NULL ? NULL : CONTAINER_OF(link, struct coordinator, link);
}

struct coordinator *coordinator_next(const struct core *core, const struct coordinator *c)
{
    struct list_link *link = list_next(&core->coordinators, &c->link);

    return link == NULL ? NULL : CONTAINER_OF(link, struct coordinator, link);
}

void coordinators_image_changed(struct core *core, const struct image *old)
{
    list_for_each (&core->coordinators, link) {
        struct coordinator *c = CONTAINER_OF(link, struct coordinator, link);

        if (c->active) {
            groups_image_changed(c->groups, old);
        }
    }
}

static void let_go(struct coordinator *c)
{
    timer_wheel_cancel(&c->core->timers, &c->retry);
    if (c->reading) {
        plog_read_release(&c->read);
        c->reading = false;
    }
    if (c->groups != NULL && c->core->node->closing) {
        groups_forget_calls(c->groups);
    }
    groups_free(c->groups);
    c->groups = NULL;
    c->active = false;
    c->stopped = true;
}

void coordinators_stop(struct core *core)
{
    list_for_each (&core->coordinators, link) {
        let_go(CONTAINER_OF(link, struct coordinator, link));
    }
}

/* ---- life ---- */

enum err coordinator_new(struct partition *p, struct coordinator **out)
{
    struct coordinator *c = mem_zalloc(1, sizeof(*c));

    if (c == NULL) {
        return fail(ERR_NOMEM, "group coordinator of partition %d", p->key.partition);
    }
    c->partition = p;
    c->core = p->core;
    c->stopped = p->core->stopping;
    list_add_last(&p->core->coordinators, &c->link);
    load_soon(c);
    *out = c;
    return OK;
}

void coordinator_free(struct coordinator *c)
{
    if (c == NULL) {
        return;
    }
    let_go(c);
    c->partition = NULL;
    if (!c->step_waits) {
        discard(c);
    }
}

void coordinators_close(struct core *core)
{
    while (!list_empty(&core->coordinators)) {
        discard(CONTAINER_OF(list_first(&core->coordinators), struct coordinator, link));
    }
}
