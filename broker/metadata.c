/* broker/metadata.c: deciding, logging and publishing changes of metadata.
 *
 * WHY      All cores must agree on what exists, a change must survive whatever happens after it was answered,
 *          and it must be decided in one place. So: one log, one state machine, one core.
 * FORMAT   One v2 batch per change; a record's key is null, its value is Kafka's metadata framing:
 *          uvarint frame version 1, uvarint record type (the apiKey of the schema), uvarint record version,
 *          the message. kafka-dump-log --cluster-metadata-decoder reads it.
 * FLOW     submit -> core 0: decide(draft) -> records -> plog_append, next draft image -> durable -> publish
 *          to all cores -> all have it -> back to the submitter.
 * OWNER    Core 0. Images leave it, read-only.
 * FAILURE  The log refuses: the change fails at once. The log fails later: all that is pending fails.
 * LIMITS   METADATA_BATCH_BYTES_MAX of records in one change.
 */
#include "broker/metadata.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/coordinator.h"
#include "broker/metadata_records.h"
#include "broker/node.h"
#include "broker/partition.h"
#include "storage/store.h"

enum { PRODUCER_ID_BLOCK = 1000 };

/* The state that a batch leads to, until the batch is durable. */
struct pending {
    struct list_link link;
    int64_t end_offset;
    const struct image *image;
    int64_t next_producer_id;
};

/* A trip of one image to one core and back. */
struct delivery {
    struct message message;
    struct metadata *metadata;
    struct core *to;
};

struct metadata {
    struct core *core;
    struct plog *log;
    const struct image *durable; /* what may be published */
    const struct image *draft;
    struct list pending; /* struct pending, oldest first */
    struct list waiting; /* struct metadata_change, by wait_version */
    /* Producer ids [next, block_end) may be handed out; block_end is what the log says is taken. */
    int64_t producer_id_next, producer_id_block_end;
    int64_t producer_id_durable_end;
    /* The change being decided. */
    struct metadata_writer writer;
    /* Publishing: one image at a time to all cores. */
    struct delivery *deliveries;
    const struct image *publishing;
    int deliveries_out;
    int64_t published_version; /* every core has this one */
};

const struct image *metadata_draft(const struct metadata *m)
{
    return m->draft;
}

struct core *metadata_core(const struct metadata *m)
{
    return m->core;
}

/* ---- publishing ---- */

static void deliveries_begin(struct metadata *m);

static void change_returned(struct core *on, struct message *message)
{
    struct metadata_change *c = CONTAINER_OF(message, struct metadata_change, message);

    ASSERT(on == c->from);
    c->done(c);
}

static void change_send_home(struct metadata *m, struct metadata_change *c, enum err err)
{
    c->err = err;
    c->message.run = change_returned;
    mailbox_send(m->core, c->from->index, &c->message);
}

static void changes_answer(struct metadata *m)
{
    list_for_each (&m->waiting, link) {
        struct metadata_change *c = CONTAINER_OF(link, struct metadata_change, link);
        if (c->wait_version > m->published_version) {
            break;
        }
        list_remove(&m->waiting, link);
        change_send_home(m, c, OK);
    }
}

static void delivery_returned(struct core *on, struct message *message)
{
    struct metadata *m = CONTAINER_OF(message, struct delivery, message)->metadata;

    ASSERT(on == m->core && m->deliveries_out > 0);
    if (--m->deliveries_out > 0) {
        return;
    }
    m->published_version = image_version(m->publishing);
    image_unref(m->publishing);
    m->publishing = NULL;
    changes_answer(m);
    deliveries_begin(m);
}

static void delivery_arrived(struct core *on, struct message *message)
{
    struct delivery *d = CONTAINER_OF(message, struct delivery, message);
    const struct image *old = on->image;

    ASSERT(on == d->to);
    on->image = image_ref(d->metadata->publishing);
    partitions_reconcile(on, on->image);
    coordinators_image_changed(on, old);
    image_unref(old);
    d->message.run = delivery_returned;
    mailbox_send(on, d->metadata->core->index, &d->message);
}

/* Sends the newest durable image to every core, unless one is on its way: then after that. */
static void deliveries_begin(struct metadata *m)
{
    if (m->publishing != NULL || image_version(m->durable) == m->published_version) {
        return;
    }
    m->publishing = image_ref(m->durable);
    m->deliveries_out = node_core_count(m->core->node);
    for (int i = 0; i < node_core_count(m->core->node); i++) {
        struct delivery *d = &m->deliveries[i];
        d->message.run = delivery_arrived;
        mailbox_send(m->core, i, &d->message);
    }
}

/* ---- durability ---- */

static void pending_free(struct pending *p)
{
    image_unref(p->image);
    mem_free(p);
}

static void pending_done(struct metadata *m, int64_t durable_end)
{
    list_for_each (&m->pending, link) {
        struct pending *p = CONTAINER_OF(link, struct pending, link);
        if (p->end_offset > durable_end) {
            break;
        }
        list_remove(&m->pending, link);
        image_unref(m->durable);
        m->durable = image_ref(p->image);
        m->producer_id_durable_end = p->next_producer_id;
        pending_free(p);
    }
    deliveries_begin(m);
}

static void pending_failed(struct metadata *m, enum err err)
{
    struct list_link *link;

    log_error("metadata log failed", "error=%s pending=%zu", err_name(err), m->pending.len);
    while ((link = list_take_first(&m->pending)) != NULL) {
        pending_free(CONTAINER_OF(link, struct pending, link));
    }
    image_unref(m->draft);
    m->draft = image_ref(m->durable);
    m->producer_id_block_end = m->producer_id_durable_end;
    m->producer_id_next = m->producer_id_durable_end; /* ids given out meanwhile stay unused */
    list_for_each (&m->waiting, at) {
        struct metadata_change *c = CONTAINER_OF(at, struct metadata_change, link);
        if (c->wait_version > image_version(m->durable)) {
            list_remove(&m->waiting, at);
            change_send_home(m, c, err);
        }
    }
}

static void log_moved(void *context, struct plog *l, enum err err)
{
    struct metadata *m = context;

    if (err == OK) {
        pending_done(m, plog_durable_end(l));
    } else {
        pending_failed(m, err);
    }
}

/* ---- deciding ---- */

/* Appends what the decision wrote and makes the next draft. */
static enum err commit(struct metadata *m)
{
    struct pending *p = mem_zalloc(1, sizeof(*p));
    struct plog_appended appended;
    struct bytes batch;

    if (p == NULL) {
        metadata_writer_drop(&m->writer);
        return fail(ERR_NOMEM, "no memory for a metadata change");
    }
    enum err e =
        metadata_writer_finish(&m->writer, m->core->wall_ms, plog_end(m->log), &batch, &p->image);
    if (e == OK) {
        e = plog_append(m->log, batch, 0, m->core->wall_ms, &appended);
    }
    metadata_writer_drop(&m->writer);
    if (e != OK) {
        image_unref(p->image);
        mem_free(p);
        return e;
    }
    p->end_offset = appended.last_offset + 1;
    p->next_producer_id = m->producer_id_block_end;
    ASSERT(p->end_offset == image_version(p->image));
    image_unref(m->draft);
    m->draft = image_ref(p->image);
    list_add_last(&m->pending, &p->link);
    return OK;
}

static void change_arrived(struct core *on, struct message *message)
{
    struct metadata_change *c = CONTAINER_OF(message, struct metadata_change, message);
    struct metadata *m = on->metadata;
    int64_t producer_id_next = m->producer_id_next, block_end = m->producer_id_block_end;

    enum err e = metadata_writer_begin(&m->writer, m->core->config, m->draft);
    if (e == OK) {
        c->decide(m, c);
        e = metadata_writer_error(&m->writer);
    }
    if (e == OK && metadata_writer_record_count(&m->writer) > 0) {
        e = commit(m);
    }
    metadata_writer_drop(&m->writer);
    if (e != OK) {
        m->producer_id_next = producer_id_next;
        m->producer_id_block_end = block_end;
        change_send_home(m, c, e);
        return;
    }
    c->wait_version = image_version(m->draft);
    if (c->wait_version <= m->published_version) {
        change_send_home(m, c, OK);
    } else {
        list_add_last(&m->waiting, &c->link);
    }
}

void metadata_submit(struct core *from, struct metadata_change *c)
{
    ASSERT(c->decide != NULL && c->done != NULL);
    c->from = from;
    c->message.run = change_arrived;
    mailbox_send(from, 0, &c->message);
}

/* ---- what a decision may do ---- */

struct uuid metadata_put_topic(struct metadata *m, const struct metadata_new_topic *topic)
{
    struct uuid id;

    do {
        id = uuid_random(env_random(m->core->env), env_random(m->core->env));
    } while (image_topic_by_id(m->draft, id) != NULL);
    metadata_write_topic(&m->writer, id, topic->name);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        metadata_write_partition(&m->writer, id, i, &topic->partitions[i]);
    }
    for (int32_t i = 0; i < topic->config_count; i++) {
        metadata_put_config(m, RESOURCE_TOPIC, topic->name, &topic->configs[i]);
    }
    return id;
}

void metadata_put_config(struct metadata *m, enum image_resource_type type, struct bytes name,
                         const struct image_config *config)
{
    metadata_write_config(&m->writer, type, name, config);
}

void metadata_put_partitions(struct metadata *m, const struct image_topic *topic,
                             const struct image_partition *added, int32_t added_count)
{
    for (int32_t i = 0; i < added_count; i++) {
        metadata_write_partition(&m->writer, topic->id, topic->partition_count + i, &added[i]);
    }
}

void metadata_remove_topic(struct metadata *m, struct uuid id)
{
    metadata_write_remove_topic(&m->writer, id);
}

int64_t metadata_producer_id(struct metadata *m)
{
    if (m->producer_id_next == m->producer_id_block_end) {
        m->producer_id_block_end += PRODUCER_ID_BLOCK;
        metadata_write_producer_ids(&m->writer, m->core->node->broker_id, m->producer_id_block_end);
    }
    return m->producer_id_next++;
}

/* ---- life ---- */

static enum err load_batch(void *context, struct bytes batch)
{
    return metadata_writer_replay(context, batch);
}

static bool is_reachable(const struct listener_config *l)
{
    return l->host.len > 0 && l->port != 0 && !bytes_equal(l->host, BYTES("0.0.0.0")) &&
           !bytes_equal(l->host, BYTES("::"));
}

/* This broker as clients find it: its advertised address, else the one it listens at, unless that is no
 * address to reach it at; then whatever they reached it at. */
static void put_self(struct metadata *m, struct image_edit *edit, struct bytes cluster_id)
{
    const struct config *config = m->core->config;
    const enum config_key keys[] = {CONFIG_ADVERTISED_LISTENERS, CONFIG_LISTENERS};
    struct listener_config listeners[LISTENER_COUNT_MAX];
    struct image_broker self = {.id = m->core->node->broker_id,
                                .host = BYTES(""),
                                .rack = config_text(config, CONFIG_BROKER_RACK)};

    for (size_t i = 0; i < COUNT_OF(keys) && self.host.len == 0; i++) {
        int count = 0;
        enum err e = config_listeners(config_text(config, keys[i]), listeners, &count);
        if (e == OK && count > 0 && is_reachable(&listeners[0])) {
            self.host = listeners[0].host;
            self.port = listeners[0].port;
        }
    }
    image_edit_broker_put(edit, &self);
    image_edit_cluster(edit, cluster_id, self.id);
}

static enum err load(struct metadata *m, struct bytes cluster_id)
{
    struct plog_config config = {
        .topic = BYTES("__cluster_metadata"),
        .settings = {.segment_bytes =
                         config_i64(m->core->config, CONFIG_METADATA_LOG_SEGMENT_BYTES),
                     .segment_ms = config_i64(m->core->config, CONFIG_METADATA_LOG_SEGMENT_MS),
                     .index_interval_bytes = 4096},
        .on_durable = log_moved,
        .context = m,
    };

    TRY(plog_open(m->core->store, &config, &m->log));
    TRY(metadata_writer_begin(&m->writer, m->core->config, NULL));
    enum err e = plog_scan(m->log, plog_start(m->log), load_batch, &m->writer);
    if (e == OK) {
        put_self(m, metadata_writer_edit(&m->writer), cluster_id);
        m->producer_id_next = metadata_writer_next_producer_id(&m->writer);
        e = metadata_writer_replayed(&m->writer, plog_end(m->log), &m->durable);
    }
    metadata_writer_drop(&m->writer);
    return e;
}

enum err metadata_open(struct core *core_0, struct bytes cluster_id)
{
    int cores = node_core_count(core_0->node);
    struct metadata *m = mem_zalloc(1, sizeof(*m));

    ASSERT(core_0->index == 0);
    if (m == NULL || (m->deliveries = mem_zalloc((size_t)cores, sizeof(*m->deliveries))) == NULL) {
        mem_free(m);
        return fail(ERR_NOMEM, "no memory for metadata");
    }
    m->core = core_0;
    core_0->metadata = m;
    for (int i = 0; i < cores; i++) {
        m->deliveries[i] = (struct delivery){.metadata = m, .to = node_core(core_0->node, i)};
    }
    enum err e = load(m, cluster_id);
    if (e != OK) {
        metadata_close(core_0);
        return e;
    }
    m->draft = image_ref(m->durable);
    m->published_version = image_version(m->durable);
    m->producer_id_block_end = m->producer_id_durable_end = m->producer_id_next;
    core_0->image = image_ref(m->durable);
    return OK;
}

void metadata_close(struct core *core_0)
{
    struct metadata *m = core_0->metadata;
    struct list_link *link;

    if (m == NULL) {
        return;
    }
    while ((link = list_take_first(&m->pending)) != NULL) {
        pending_free(CONTAINER_OF(link, struct pending, link));
    }
    image_unref(m->publishing);
    image_unref(m->draft);
    image_unref(m->durable);
    if (m->log != NULL) {
        plog_free(m->log);
    }
    mem_free(m->deliveries);
    mem_free(m);
    core_0->metadata = NULL;
}
