/* broker/metadata_records.c: the records that metadata is made of.
 *
 * WHY      What a record means must be the same on the day it is written and on every replay; so one
 *          applier serves both, and it is fed the record that was encoded, never the wish behind it.
 * FORMAT   See broker/metadata.c. Partitions carry replicas, isr = replicas, leader, leader epoch; one
 *          broker's log directory is not recorded (directories empty).
 * APPLYING A topic with ten thousand partitions arrives as as many records. The applier collects them in one
 *          open topic and puts it into the image edit when another topic's record comes, so the work is
 *          linear.
 * FAILURE  Sticky in writer->err. ERR_CORRUPT when a log's record does not fit what came before it.
 */
#include "broker/metadata_records.h"

#include "base/mem.h"
#include "broker/config_view.h"
#include "broker/topic_plan.h"
#include "protocol/batch_builder.h"
#include "schema/metadata_records.h"

enum {
    METADATA_FRAME_VERSION = 1,
    METADATA_BATCH_BYTES_MAX = 8 << 20, /* one change; Kafka's bound for the same */
    METADATA_ARENA_BYTES = 64 << 20,
};

/* The topic whose records are arriving. Arrays grow by doubling in the writer's arena. */
struct open_topic {
    bool open;
    struct image_topic topic;
    struct image_partition *partitions;
    int32_t partition_room;
    struct image_config *configs;
    int32_t config_room;
};

struct metadata_applier {
    struct image_edit *edit;
    struct open_topic now;
    struct batch_builder builder;
    bool broker_changed; /* topics are to be resolved anew before the image is done */
};

enum err metadata_writer_begin(struct metadata_writer *w, const struct config *config,
                               const struct image *base)
{
    *w = (struct metadata_writer){.config = config};
    arena_init(&w->arena, METADATA_ARENA_BYTES);
    w->applier = mem_zalloc(1, sizeof(*w->applier));
    if (w->applier == NULL) {
        w->err = fail(ERR_NOMEM, "no memory for a metadata change");
        return w->err;
    }
    batch_builder_init(&w->applier->builder, METADATA_BATCH_BYTES_MAX);
    w->err = image_edit_new(base, &w->applier->edit);
    return w->err;
}

void metadata_writer_drop(struct metadata_writer *w)
{
    if (w->applier == NULL) {
        return;
    }
    image_edit_free(w->applier->edit);
    batch_builder_deinit(&w->applier->builder);
    mem_free(w->applier);
    arena_deinit(&w->arena);
    *w = (struct metadata_writer){0};
}

enum err metadata_writer_error(const struct metadata_writer *w)
{
    return w->err == OK && w->arena.exhausted ? ERR_NOMEM : w->err;
}

int32_t metadata_writer_record_count(const struct metadata_writer *w)
{
    return w->record_count;
}

struct image_edit *metadata_writer_edit(struct metadata_writer *w)
{
    return w->applier->edit;
}

int64_t metadata_writer_next_producer_id(const struct metadata_writer *w)
{
    return w->next_producer_id;
}

/* ---- applying ---- */

static void resolve_topic(struct metadata_writer *w, struct image_topic *topic)
{
    struct config_view view = config_view_of(w->config, image_edit_image(w->applier->edit));

    topic_settings_resolve(&view, (struct own_configs){topic->configs, topic->config_count},
                           &topic->settings);
}

static void close_topic(struct metadata_writer *w)
{
    struct open_topic *now = &w->applier->now;

    if (!now->open) {
        return;
    }
    now->topic.partitions = now->partitions;
    now->topic.configs = now->configs;
    resolve_topic(w, &now->topic);
    image_edit_topic_put(w->applier->edit, &now->topic);
    *now = (struct open_topic){0};
}

/* A larger array with the old content; NULL (and the arena is exhausted) when there is no memory. */
static void *grown(struct arena *a, const void *old, int32_t len, int32_t room, size_t bytes)
{
    void *at = arena_array(a, (size_t)room, bytes);

    if (at != NULL && len > 0) {
        memcpy(at, old, (size_t)len * bytes);
    }
    return at;
}

/* Makes the topic the open one; false when there is no such topic. */
static bool open_topic(struct metadata_writer *w, struct uuid id)
{
    struct open_topic *now = &w->applier->now;

    if (now->open && uuid_equal(now->topic.id, id)) {
        return true;
    }
    close_topic(w);
    const struct image_topic *topic = image_edit_topic(w->applier->edit, id);
    if (topic == NULL) {
        return false;
    }
    int32_t partitions = topic->partition_count, configs = topic->config_count;
    *now = (struct open_topic){.open = true, .topic = *topic};
    now->topic.name = arena_copy(&w->arena, topic->name);
    now->partition_room = partitions + 8;
    now->config_room = configs + 8;
    now->partitions = grown(&w->arena, topic->partitions, partitions, now->partition_room,
                            sizeof(*now->partitions));
    now->configs =
        grown(&w->arena, topic->configs, configs, now->config_room, sizeof(*now->configs));
    return true;
}

static void apply_topic(struct metadata_writer *w, const struct topic_record *r)
{
    struct open_topic *now = &w->applier->now;

    close_topic(w);
    now->open = true;
    now->topic = (struct image_topic){
        .id = r->topic_id,
        .name = arena_copy(&w->arena, r->name),
        .internal = topic_name_is_internal(r->name),
    };
}

static enum err apply_partition(struct metadata_writer *w, const struct partition_record *r)
{
    struct open_topic *now = &w->applier->now;

    if (!open_topic(w, r->topic_id) || r->partition_id != now->topic.partition_count) {
        return fail(ERR_CORRUPT, "metadata: partition %d does not follow", r->partition_id);
    }
    if (now->topic.partition_count == now->partition_room) {
        now->partition_room = MAX(8, now->partition_room * 2);
        now->partitions = grown(&w->arena, now->partitions, now->topic.partition_count,
                                now->partition_room, sizeof(*now->partitions));
    }
    int32_t *replicas =
        grown(&w->arena, r->replicas.at, r->replicas.len, r->replicas.len, sizeof(*replicas));
    if (w->arena.exhausted) {
        return fail(ERR_NOMEM, "no memory for metadata");
    }
    now->partitions[now->topic.partition_count++] =
        (struct image_partition){.leader = r->leader,
                                 .leader_epoch = r->leader_epoch,
                                 .replicas = replicas,
                                 .replica_count = r->replicas.len};
    return OK;
}

static const struct image_topic *topic_named(struct metadata_writer *w, struct bytes name)
{
    close_topic(w);
    return image_edit_topic_named(w->applier->edit, name);
}

/* Settings that grow by one in the writer's arena. */
struct config_list {
    struct image_config *at;
    int32_t count, room;
};

static int32_t config_at(const struct config_list *list, struct bytes key)
{
    int32_t at = 0;

    while (at < list->count && bytes_compare(list->at[at].key, key) < 0) {
        at++;
    }
    return at;
}

/* Sets or, with a null value, takes away; the list stays sorted. */
static enum err config_list_put(struct metadata_writer *w, struct config_list *list,
                                const struct config_record *r)
{
    int32_t at = config_at(list, r->name), behind = list->count - at;
    bool there = behind > 0 && bytes_equal(list->at[at].key, r->name);

    if (r->value.at == NULL) {
        if (there) {
            memmove(&list->at[at], &list->at[at + 1], (size_t)(behind - 1) * sizeof(*list->at));
            list->count--;
        }
        return OK;
    }
    if (!there && list->count == list->room) {
        list->room = MAX(8, list->room * 2);
        list->at = grown(&w->arena, list->at, list->count, list->room, sizeof(*list->at));
    }
    struct image_config config = {arena_copy(&w->arena, r->name), arena_copy(&w->arena, r->value)};
    if (w->arena.exhausted) {
        return fail(ERR_NOMEM, "no memory for metadata");
    }
    if (!there) {
        memmove(&list->at[at + 1], &list->at[at], (size_t)behind * sizeof(*list->at));
        list->count++;
    }
    list->at[at] = config;
    return OK;
}

static enum err apply_topic_config(struct metadata_writer *w, const struct config_record *r)
{
    struct open_topic *now = &w->applier->now;

    if (!now->open || !bytes_equal(now->topic.name, r->resource_name)) {
        const struct image_topic *topic = topic_named(w, r->resource_name);
        if (topic == NULL || !open_topic(w, topic->id)) {
            return fail(ERR_CORRUPT, "metadata: config of unknown topic %.*s",
                        BYTES_ARG(r->resource_name));
        }
    }
    struct config_list list = {now->configs, now->topic.config_count, now->config_room};
    enum err e = config_list_put(w, &list, r);
    now->configs = list.at;
    now->topic.config_count = list.count;
    now->config_room = list.room;
    return e;
}

/* What a broker is told is the default of topics: all are resolved anew. */
static void resolve_topics(struct metadata_writer *w)
{
    struct image_edit *edit = w->applier->edit;

    close_topic(w);
    for (int32_t i = 0; i < image_topic_count(image_edit_image(edit)); i++) {
        struct image_topic topic = *image_topic_at(image_edit_image(edit), i);
        resolve_topic(w, &topic);
        image_edit_topic_put(edit, &topic);
    }
}

static enum err apply_resource_config(struct metadata_writer *w, const struct config_record *r)
{
    struct image_edit *edit = w->applier->edit;
    const struct image_resource *old =
        image_resource_find(image_edit_image(edit), r->resource_type, r->resource_name);
    struct config_list list = {0};

    if (old != NULL) {
        list.count = old->config_count;
        list.room = old->config_count + 1;
        list.at = grown(&w->arena, old->configs, list.count, list.room, sizeof(*list.at));
    }
    if (w->arena.exhausted) {
        return fail(ERR_NOMEM, "no memory for metadata");
    }
    TRY(config_list_put(w, &list, r));
    image_edit_resource_put(edit, &(struct image_resource){.type = r->resource_type,
                                                           .name = r->resource_name,
                                                           .configs = list.at,
                                                           .config_count = list.count});
    w->applier->broker_changed = w->applier->broker_changed || r->resource_type == RESOURCE_BROKER;
    return OK;
}

static enum err apply_config(struct metadata_writer *w, const struct config_record *r)
{
    switch (r->resource_type) {
    case RESOURCE_TOPIC:
        return apply_topic_config(w, r);
    case RESOURCE_BROKER:
    case RESOURCE_GROUP:
        return apply_resource_config(w, r);
    default:
        return OK; /* of a kind that this version does not act on */
    }
}

static enum err apply_remove(struct metadata_writer *w, const struct remove_topic_record *r)
{
    close_topic(w);
    if (image_edit_topic(w->applier->edit, r->topic_id) == NULL) {
        return fail(ERR_CORRUPT, "metadata: an unknown topic is removed");
    }
    image_edit_topic_remove(w->applier->edit, r->topic_id);
    return OK;
}

/* ---- writing ---- */

static void add_record(struct metadata_writer *w, const struct message_info *m, const void *record)
{
    size_t body = message_size(m, m->last, record);
    size_t room = body + 3 * (size_t)WIRE_UVARINT_BYTES_MAX;
    uint8_t *at = arena_alloc(&w->arena, room);

    if (w->err != OK || at == NULL) {
        w->err = metadata_writer_error(w);
        return;
    }
    struct wire_writer out = {at, at + room};
    wire_put_uvarint(&out, METADATA_FRAME_VERSION);
    wire_put_uvarint(&out, (uint32_t)m->key);
    wire_put_uvarint(&out, (uint32_t)m->last);
    message_write(&out, m, m->last, record);
    struct batch_builder_record r = {.timestamp_ms = 0, .value = {at, (size_t)(out.at - at)}};
    w->err = batch_builder_add(&w->applier->builder, &r);
    w->record_count += w->err == OK;
}

void metadata_write_topic(struct metadata_writer *w, struct uuid id, struct bytes name)
{
    struct topic_record r;

    message_init(&topic_record_message, &r);
    r.name = name;
    r.topic_id = id;
    add_record(w, &topic_record_message, &r);
    apply_topic(w, &r);
}

void metadata_write_partition(struct metadata_writer *w, struct uuid topic_id, int32_t partition,
                              const struct image_partition *p)
{
    struct partition_record r;
    int32_t *replicas = (int32_t *)(uintptr_t)p->replicas; /* only read */

    message_init(&partition_record_message, &r);
    r.partition_id = partition;
    r.topic_id = topic_id;
    r.replicas = (struct int32_array){replicas, p->replica_count};
    r.isr = r.replicas;
    r.leader = p->leader;
    r.leader_epoch = p->leader_epoch;
    r.partition_epoch = 0;
    add_record(w, &partition_record_message, &r);
    if (w->err == OK) {
        w->err = apply_partition(w, &r);
    }
}

void metadata_write_config(struct metadata_writer *w, enum image_resource_type type,
                           struct bytes name, const struct image_config *config)
{
    struct config_record r;

    message_init(&config_record_message, &r);
    r.resource_type = (int8_t)type;
    r.resource_name = name;
    r.name = config->key;
    r.value = config->value;
    add_record(w, &config_record_message, &r);
    if (w->err == OK) {
        w->err = apply_config(w, &r);
    }
}

void metadata_write_remove_topic(struct metadata_writer *w, struct uuid id)
{
    struct remove_topic_record r;

    message_init(&remove_topic_record_message, &r);
    r.topic_id = id;
    add_record(w, &remove_topic_record_message, &r);
    if (w->err == OK) {
        w->err = apply_remove(w, &r);
    }
}

void metadata_write_producer_ids(struct metadata_writer *w, int32_t broker_id,
                                 int64_t next_producer_id)
{
    struct producer_ids_record r;

    message_init(&producer_ids_record_message, &r);
    r.broker_id = broker_id;
    r.next_producer_id = next_producer_id;
    add_record(w, &producer_ids_record_message, &r);
    w->next_producer_id = next_producer_id;
}

enum err metadata_writer_finish(struct metadata_writer *w, int64_t now_ms, int64_t base_offset,
                                struct bytes *batch, const struct image **image)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct buf out;

    close_topic(w);
    TRY(metadata_writer_error(w));
    options.base_offset = base_offset;
    options.attributes = BATCH_LOG_APPEND_TIME;
    options.append_time_ms = now_ms;
    buf_init(&out, METADATA_BATCH_BYTES_MAX + BATCH_HEADER_BYTES);
    enum err e = batch_builder_finish(&w->applier->builder, &options, &out);
    *batch = e == OK ? arena_copy(&w->arena, buf_view(&out)) : BYTES_NULL;
    buf_deinit(&out);
    TRY(e != OK ? e : metadata_writer_error(w));
    return metadata_writer_replayed(w, base_offset + w->record_count, image);
}

/* ---- replay ---- */

static enum err apply(struct metadata_writer *w, const struct message_info *m, const void *record)
{
    if (m == &topic_record_message) {
        apply_topic(w, record);
        return metadata_writer_error(w);
    }
    if (m == &partition_record_message) {
        return apply_partition(w, record);
    }
    if (m == &config_record_message) {
        return apply_config(w, record);
    }
    if (m == &remove_topic_record_message) {
        return apply_remove(w, record);
    }
    if (m == &producer_ids_record_message) {
        w->next_producer_id = ((const struct producer_ids_record *)record)->next_producer_id;
    }
    return OK;
}

static const struct message_info *record_type(uint32_t key)
{
    static const struct message_info *const known[] = {
        &topic_record_message, &partition_record_message, &config_record_message,
        &remove_topic_record_message, &producer_ids_record_message};

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (known[i]->key == (int16_t)key) {
            return known[i];
        }
    }
    return NULL;
}

static enum err replay_record(struct metadata_writer *w, struct bytes value)
{
    struct wire_reader r = wire_reader_of(value);
    uint32_t frame = wire_uvarint(&r), key = wire_uvarint(&r), version = wire_uvarint(&r);
    const struct message_info *m = record_type(key);

    if (r.err != OK || frame != METADATA_FRAME_VERSION || m == NULL || version > INT16_MAX) {
        return fail(ERR_CORRUPT, "metadata: a record of type %u is not known", key);
    }
    void *record = arena_alloc(&w->arena, m->body->bytes);
    if (record == NULL) {
        return fail(ERR_NOMEM, "no memory for metadata");
    }
    enum err e = message_read(&r, &w->arena, m, (int16_t)version, record);
    if (e != OK) {
        return e == ERR_NOMEM ? e : fail(ERR_CORRUPT, "metadata: a %s does not parse", m->name);
    }
    return apply(w, m, record);
}

enum err metadata_writer_replay(struct metadata_writer *w, struct bytes batch)
{
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    enum err e;

    if (batch_header_read(batch, &header) != OK || batch_codec(&header) != 0) {
        return fail(ERR_CORRUPT, "metadata: a batch does not parse");
    }
    record_reader_init(&reader, batch_records(batch), header.record_count);
    while ((e = record_next(&reader, &record)) == OK) {
        TRY(replay_record(w, record.value));
    }
    close_topic(w);
    if (metadata_writer_error(w) == OK) {
        arena_reset(&w->arena); /* a long log needs no more memory than its largest batch */
    }
    return e == ERR_NOT_FOUND ? OK : fail(ERR_CORRUPT, "metadata: a record does not parse");
}

enum err metadata_writer_replayed(struct metadata_writer *w, int64_t version,
                                  const struct image **image)
{
    close_topic(w);
    if (w->applier->broker_changed) {
        resolve_topics(w);
    }
    TRY(metadata_writer_error(w));
    struct image_edit *edit = w->applier->edit;
    w->applier->edit = NULL;
    return image_edit_finish(edit, version, image);
}
