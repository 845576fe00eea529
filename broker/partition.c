/* broker/partition.c: the partitions of a core follow the image, and visitors come to them.
 *
 * WHY      Who owns a partition is a hash (core_of_partition), so nothing is stored and nothing moves: a core
 *          compares what it has with what the image says, makes what lacks and lets go what is gone.
 * VISITS   A partition_op runs where the partition lives. While it does, and while a read of it is lent out,
 *          the partition cannot be freed (`ops`); a deleted one is out of the map at once, so no new visitor
 *          finds it, and goes with the last one.
 * PROGRESS The log calls when more of it is durable. Then, in this order: producers are answered, appends
 *          that waited for memory are tried again, and fetches that wait are told.
 * MARKS    A waiting fetch wants a number of bytes (min_bytes), the log knows offsets. After each append a
 *          mark says how many bytes lie below the new end; when the high watermark passes a mark, its bytes
 *          are visible. With all marks in use the last one is moved: its bytes count a little later.
 * OWNER    Every function runs on the partition's core.
 */
#include "broker/partition.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/append.h"
#include "broker/coordinator.h"
#include "broker/fetch_part.h"
#include "broker/node.h"

struct place {
    const struct uuid *topic_id;
    int32_t partition;
};

static uint64_t hash_of(const struct uuid *topic_id, int32_t partition)
{
    /* Topic ids are random numbers of our own: no seed is needed. */
    return bytes_hash((struct bytes){topic_id->at, sizeof(topic_id->at)}, (uint64_t)partition);
}

static bool is_at(const struct map_link *link, const void *key)
{
    const struct partition *p = CONTAINER_OF(link, const struct partition, link);
    const struct place *place = key;

    return p->key.partition == place->partition && uuid_equal(p->key.topic_id, *place->topic_id);
}

struct partition *partition_find(struct core *c, const struct uuid *topic_id, int32_t partition)
{
    struct map_link *link = map_find(&c->partitions, hash_of(topic_id, partition), is_at,
                                     &(struct place){topic_id, partition});

    return link == NULL ? NULL : CONTAINER_OF(link, struct partition, link);
}

int64_t partition_high_watermark(const struct partition *p)
{
    return plog_durable_end(p->log);
}

int64_t partition_last_stable(const struct partition *p)
{
    return partition_high_watermark(p);
}

enum kafka_error partition_check_epoch(const struct partition *p, int32_t current_leader_epoch)
{
    if (current_leader_epoch == -1 || current_leader_epoch == p->leader_epoch) {
        return KAFKA_NONE;
    }
    return current_leader_epoch < p->leader_epoch ? KAFKA_FENCED_LEADER_EPOCH
                                                  : KAFKA_UNKNOWN_LEADER_EPOCH;
}

void partition_epoch_end(const struct partition *p, int32_t epoch, int32_t *found_epoch,
                         int64_t *end_offset)
{
    *found_epoch = epoch;
    if (epoch == -1 || epoch > p->leader_epoch) {
        *found_epoch = -1;
        *end_offset = -1;
    } else if (epoch == p->leader_epoch) {
        *end_offset = plog_end(p->log);
    } else if (!plog_epoch_end(p->log, epoch, found_epoch, end_offset)) {
        /* Older than all we have: it ended where these begin. */
        *end_offset = plog_start(p->log);
    }
}

/* ---- progress ---- */

static void pass_marks(struct partition *p)
{
    int64_t end = partition_high_watermark(p);
    int passed = 0;

    while (passed < p->mark_count && p->marks[passed].end_offset <= end) {
        p->visible_bytes = p->marks[passed].bytes;
        passed++;
    }
    p->mark_count -= passed;
    memmove(&p->marks[0], &p->marks[passed], (size_t)p->mark_count * sizeof(p->marks[0]));
}

void partition_appended(struct partition *p, size_t bytes)
{
    p->appended_bytes += bytes;
    if (p->mark_count < PARTITION_MARKS) {
        p->mark_count++;
    }
    p->marks[p->mark_count - 1] = (struct partition_mark){plog_end(p->log), p->appended_bytes};
    if (partition_high_watermark(p) >= plog_end(p->log)) {
        /* Relaxed durability: it is visible at once. */
        pass_marks(p);
        fetches_wake(p);
    }
}

static void on_durable(void *context, struct plog *l, enum err e)
{
    struct partition *p = context;

    ASSERT(p->log == l);
    if (p->core->node->closing) {
        return; /* the requests that waited are gone */
    }
    partition_enter(p);
    pass_marks(p);
    if (e != OK) {
        /* What was not durable is gone. */
        p->mark_count = 0;
        p->appended_bytes = p->visible_bytes;
        log_warn("appends failed, their producers are told",
                 "topic=%.*s partition=%d error=%s waiting=%zu", BYTES_ARG(p->topic),
                 p->key.partition, err_name(e), p->acks_waiting.len);
    }
    appends_advance(p, e);
    fetches_wake(p);
    if (p->coordinator != NULL) {
        coordinator_log_moved(p->coordinator, e);
    }
    partition_leave(p);
}

/* ---- life ---- */

static void partition_free(struct partition *p)
{
    timer_wheel_cancel(&p->core->timers, &p->room_timer);
    if (p->log != NULL) {
        plog_delete(p->log);
    }
    mem_free((void *)(uintptr_t)p->topic.at);
    mem_free(p);
}

void partition_enter(struct partition *p)
{
    p->ops++;
}

void partition_leave(struct partition *p)
{
    ASSERT(p->ops > 0);
    if (--p->ops == 0 && p->deleted) {
        partition_free(p);
    }
}

static struct plog_settings log_settings(const struct topic_settings *s)
{
    return (struct plog_settings){.segment_bytes = s->segment_bytes,
                                  .segment_ms = s->segment_ms,
                                  .index_interval_bytes = s->index_interval_bytes,
                                  .relaxed = s->relaxed};
}

typedef enum err log_begin(struct store *s, const struct plog_config *config, struct plog **out);

/* Makes the partition and its log by `begin` (plog_new, plog_open). */
static enum err add(struct core *c, const struct image_topic *topic, int32_t partition,
                    log_begin *begin)
{
    struct partition *p = mem_zalloc(1, sizeof(*p));
    uint8_t *name = mem_alloc(topic->name.len + 1);

    if (p == NULL || name == NULL) {
        mem_free(p);
        mem_free(name);
        return fail(ERR_NOMEM, "partition %d of %.*s", partition, BYTES_ARG(topic->name));
    }
    memcpy(name, topic->name.at, topic->name.len);
    p->core = c;
    p->key = (struct plog_key){topic->id, partition};
    p->topic = (struct bytes){name, topic->name.len};
    p->leader_epoch = topic->partitions[partition].leader_epoch;
    p->settings = topic->settings;

    enum err e = begin(c->store,
                       &(struct plog_config){.key = p->key,
                                             .topic = p->topic,
                                             .settings = log_settings(&p->settings),
                                             .on_durable = on_durable,
                                             .context = p},
                       &p->log);

    if (e == OK && bytes_equal(p->topic, OFFSETS_TOPIC)) {
        e = coordinator_new(p, &p->coordinator);
    }
    if (e != OK) {
        partition_free(p);
        return e;
    }
    map_add(&c->partitions, hash_of(&p->key.topic_id, partition), &p->link);
    return OK;
}

static void change(struct partition *p, const struct image_topic *topic)
{
    const struct image_partition *now = &topic->partitions[p->key.partition];
    struct plog_settings settings = log_settings(&topic->settings);

    p->settings = topic->settings;
    plog_settings_set(p->log, &settings);
    if (p->leader_epoch != now->leader_epoch) {
        p->leader_epoch = now->leader_epoch;
        fetches_wake(p);
    }
}

/* What this core lacks of the topic appears, what it has is brought up to date. */
static enum err follow_topic(struct core *c, const struct image_topic *topic, log_begin *begin)
{
    enum err first = OK;

    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (core_of_partition(c->node, &topic->id, i) != c->index) {
            continue;
        }

        struct partition *p = partition_find(c, &topic->id, i);

        if (p != NULL) {
            change(p, topic);
            continue;
        }

        enum err e = add(c, topic, i, begin);

        if (e != OK) {
            log_error("partition not opened", "topic=%.*s partition=%d error=%s: %s",
                      BYTES_ARG(topic->name), i, err_name(e), err_crumb());
            first = first == OK ? e : first;
        }
    }
    return first;
}

static void let_go(struct partition *p)
{
    map_remove(&p->core->partitions, &p->link);
    p->deleted = true;
    partition_enter(p);
    appends_drop(p);
    coordinator_free(p->coordinator);
    p->coordinator = NULL;
    fetches_wake(p);
    partition_leave(p);
}

void partitions_reconcile(struct core *c, const struct image *image)
{
    ASSERT_ON_CORE(c);
    map_for_each(&c->partitions, link)
    {
        struct partition *p = CONTAINER_OF(link, struct partition, link);
        const struct image_topic *topic = image_topic_by_id(image, p->key.topic_id);

        if (topic == NULL || p->key.partition >= topic->partition_count) {
            let_go(p);
        }
    }
    for (int32_t i = 0; i < image_topic_count(image); i++) {
        /* The log line is written; the next image tries again. */
        (void)follow_topic(c, image_topic_at(image, i), plog_new);
    }
}

enum err partitions_open(struct core *c, const struct image *image)
{
    enum err first = OK;

    for (int32_t i = 0; i < image_topic_count(image); i++) {
        enum err e = follow_topic(c, image_topic_at(image, i), plog_open);

        first = first == OK ? e : first;
    }
    return first;
}

void partitions_close(struct core *c)
{
    map_for_each(&c->partitions, link)
    {
        struct partition *p = CONTAINER_OF(link, struct partition, link);

        map_remove(&c->partitions, link);
        timer_wheel_cancel(&c->timers, &p->room_timer);
        coordinator_free(p->coordinator);
        plog_free(p->log);
        mem_free((void *)(uintptr_t)p->topic.at);
        mem_free(p);
    }
    map_deinit(&c->partitions);
    coordinators_close(c);
}

/* ---- visits ---- */

static void visit(struct core *on, struct partition_op *op)
{
    struct partition *p = partition_find(on, &op->topic_id, op->partition);

    op->owner = on;
    op->at = p;
    if (p != NULL) {
        partition_enter(p);
    }
    op->run(op, p);
}

static void arrive(struct core *on, struct message *m)
{
    visit(on, CONTAINER_OF(m, struct partition_op, message));
}

static void come_back(struct core *on, struct message *m)
{
    struct partition_op *op = CONTAINER_OF(m, struct partition_op, message);

    ASSERT(on == op->from);
    op->done(op);
}

void partition_op_submit(struct core *from, struct partition_op *op)
{
    int owner = core_of_partition(from->node, &op->topic_id, op->partition);

    op->from = from;
    if (owner == from->index) {
        visit(from, op);
        return;
    }
    op->message.run = arrive;
    mailbox_send(from, owner, &op->message);
}

void partition_op_finish(struct partition_op *op)
{
    struct core *owner = op->owner;

    ASSERT_ON_CORE(owner);
    if (op->at != NULL) {
        partition_leave(op->at);
        op->at = NULL;
    }
    if (op->from == owner) {
        op->done(op);
        return;
    }
    op->message.run = come_back;
    mailbox_send(owner, op->from->index, &op->message);
}
