/* tests/data/rig.c: cores that take turns, and stand-ins for what the data path asks of core and mailbox.
 *
 * Messages of all cores go through one queue, which keeps the order between any two of them; a message to
 * oneself, too, so nothing runs inside the call that sends it.
 */
#include "tests/data/rig.h"

#include "base/mem.h"
#include "broker/config_view.h"
#include "broker/image_edit.h"

enum { RUN_MESSAGES_MAX = 1 << 20 };

static const int64_t wall_ms = 1700000000000;

/* ---- stand-ins ---- */

static struct rig *rig_of(const struct core *c)
{
    return CONTAINER_OF(c->node, struct rig, node);
}

bool core_is_current(const struct core *c)
{
    return c != NULL;
}

int core_of_partition(const struct node *n, const struct uuid *topic_id, int32_t partition)
{
    (void)topic_id;
    return (int)((uint32_t)partition % (uint32_t)n->core_count);
}

void core_timer(struct core *c, struct timer *t, uint64_t delay_us)
{
    timer_wheel_add(&c->timers, t, c->now_us + delay_us);
}

void mailbox_send(struct core *from, int to, struct message *m)
{
    struct rig *rig = rig_of(from);
    struct rig_message *q = ARENA_NEW(rig->arena, struct rig_message);

    *q = (struct rig_message){m, to, NULL};
    if (rig->last == NULL) {
        rig->first = q;
    } else {
        rig->last->next = q;
    }
    rig->last = q;
}

static uint64_t random_number(struct env *e)
{
    return CONTAINER_OF(e, struct rig, env)->random += 0x9e3779b97f4a7c15;
}

static const struct env_vtable env_table = {.random = random_number};

/* ---- the rig ---- */

struct rig *rig_new(struct arena *arena, int core_count)
{
    struct rig *rig = ARENA_NEW(arena, struct rig);
    struct image_edit *e = NULL;

    CHECK(rig != NULL && core_count <= RIG_CORES_MAX);
    rig->arena = arena;
    rig->alive_before = fake_plog_alive();
    rig->env.v = &env_table;
    CHECK_OK(config_new(&rig->config));
    rig->node.core_count = core_count;
    rig->node.config = rig->config;
    for (int i = 0; i < core_count; i++) {
        struct core *c = &rig->cores[i];

        c->index = i;
        c->node = &rig->node;
        c->env = &rig->env;
        c->config = rig->config;
        c->now_us = 1000000;
        c->wall_ms = wall_ms;
        timer_wheel_init(&c->timers, c->now_us);
        rig->node.cores[i] = c;
    }
    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 1, .port = 9092, .rack = BYTES_NULL});
    CHECK_OK(image_edit_finish(e, ++rig->version, &rig->image));
    return rig;
}

void rig_end(struct rig *rig)
{
    rig_run(rig);
    for (int i = 0; i < rig->node.core_count; i++) {
        struct core *c = &rig->cores[i];

        map_for_each(&c->partitions, link)
        {
            const struct partition *p = CONTAINER_OF(link, const struct partition, link);

            if (!rig->node.closing) {
                CHECK_EQ(p->ops, 0);
                CHECK(list_empty(&p->acks_waiting) && list_empty(&p->room_waiting));
                CHECK(list_empty(&p->fetch_waiting));
            }
        }
        partitions_close(c);
        CHECK_EQ(c->timers.len, 0);
        CHECK_EQ(c->fetch_lent, 0);
        fetch_sessions_free(c->fetch_sessions);
        compression_free(c->compression);
    }
    image_unref(rig->image);
    config_free(rig->config);
    CHECK_EQ(fake_plog_alive(), rig->alive_before);
}

static void take_image(struct rig *rig, struct image_edit *e)
{
    const struct image *old = rig->image;

    CHECK_OK(image_edit_finish(e, ++rig->version, &rig->image));
    image_unref(old);
    for (int i = 0; i < rig->node.core_count; i++) {
        rig->cores[i].image = rig->image;
        partitions_reconcile(&rig->cores[i], rig->image);
    }
}

void rig_topic(struct rig *rig, const char *name, int32_t partitions,
               const struct rig_topic_options *options)
{
    static const struct rig_topic_options none = {.compression = -1};
    const struct rig_topic_options *o = options == NULL ? &none : options;
    struct image_partition *p = ARENA_ARRAY(rig->arena, struct image_partition, partitions);
    static const int32_t replicas[] = {1};
    struct image_edit *e = NULL;
    const struct image_topic *old = image_topic_by_name(rig->image, bytes_of(name));
    struct image_topic t = {.id = {{(uint8_t)(rig->version + 1), 7}},
                            .name = bytes_of(name),
                            .internal = o->internal,
                            .partitions = p,
                            .partition_count = partitions};

    for (int32_t i = 0; i < partitions; i++) {
        p[i] = (struct image_partition){
            .leader = 1, .leader_epoch = o->leader_epoch, .replicas = replicas, .replica_count = 1};
    }
    if (old != NULL) {
        t.id = old->id; /* changed, not made anew */
    }
    topic_settings_resolve(&(struct config_view){.config = rig->config},
                           (struct own_configs){NULL, 0}, &t.settings);
    t.settings.compression = o->compression;
    t.settings.log_append_time = o->log_append_time;
    t.settings.relaxed = o->relaxed;
    if (o->max_message_bytes != 0) {
        t.settings.max_message_bytes = o->max_message_bytes;
    }
    CHECK_OK(image_edit_new(rig->image, &e));
    image_edit_topic_put(e, &t);
    take_image(rig, e);
}

void rig_topic_remove(struct rig *rig, const char *name)
{
    struct image_edit *e = NULL;

    CHECK_OK(image_edit_new(rig->image, &e));
    image_edit_topic_remove(e, rig_topic_id(rig, name));
    take_image(rig, e);
}

struct uuid rig_topic_id(struct rig *rig, const char *name)
{
    const struct image_topic *t = image_topic_by_name(rig->image, bytes_of(name));

    CHECK(t != NULL);
    return t->id;
}

struct partition *rig_partition(struct rig *rig, const char *topic, int32_t partition)
{
    struct uuid id = rig_topic_id(rig, topic);
    struct core *c = &rig->cores[partition % rig->node.core_count];
    struct partition *p = partition_find(c, &id, partition);

    CHECK(p != NULL);
    return p;
}

struct plog *rig_log(struct rig *rig, const char *topic, int32_t partition)
{
    return rig_partition(rig, topic, partition)->log;
}

void rig_run(struct rig *rig)
{
    for (int i = 0; rig->first != NULL; i++) {
        struct rig_message *q = rig->first;

        CHECK(i < RUN_MESSAGES_MAX);
        rig->first = q->next;
        if (rig->first == NULL) {
            rig->last = NULL;
        }
        q->message->run(&rig->cores[q->to], q->message);
    }
}

void rig_wait(struct rig *rig, uint64_t us)
{
    enum { STEP_US = 1000 };

    for (uint64_t passed = 0; passed < us; passed += STEP_US) {
        for (int i = 0; i < rig->node.core_count; i++) {
            struct core *c = &rig->cores[i];

            c->now_us += STEP_US;
            c->wall_ms++;
            (void)timer_wheel_run(&c->timers, c->now_us, 1000);
        }
        rig_run(rig);
    }
}

/* ---- requests ---- */

static void finished(struct request *rq)
{
    struct served *s = CONTAINER_OF(rq, struct served, rq);

    CHECK(!s->finished);
    s->finished = true;
}

static struct served *begin(struct rig *rig, int core, int16_t version)
{
    struct served *s = mem_zalloc(1, sizeof(*s));

    CHECK(s != NULL);
    arena_init(&s->arena, 64 << 20);
    s->rq = (struct request){.core = &rig->cores[core],
                             .arena = &s->arena,
                             .image = image_ref(rig->image),
                             .version = version,
                             .client_id = BYTES("test"),
                             .local = {.host = "10.0.0.1", .port = 1234},
                             .holds = 1,
                             .finish = finished};
    return s;
}

struct served *rig_produce(struct rig *rig, int core, int16_t version,
                           const struct produce_request *in)
{
    struct served *s = begin(rig, core, version);

    produce_response_init(&s->out.produce);
    (void)mem_fail_nth(rig->fail_nth);
    handle_produce(&s->rq, in, &s->out.produce);
    request_release(&s->rq);
    return s;
}

/* As the codec reads it: names or ids, never both. */
static const struct fetch_request *as_read(struct rig *rig, int16_t version,
                                           const struct fetch_request *in)
{
    struct fetch_request *copy = ARENA_NEW(rig->arena, struct fetch_request);
    enum { TOPIC_IDS = 13 };

    *copy = *in;
    copy->topics = fetch_request_topics_new(rig->arena, in->topics.len);
    for (int32_t i = 0; i < in->topics.len; i++) {
        copy->topics.at[i] = in->topics.at[i];
        if (version < TOPIC_IDS) {
            copy->topics.at[i].topic_id = (struct uuid){{0}};
        } else {
            copy->topics.at[i].topic = BYTES("");
        }
    }
    return copy;
}

struct served *rig_fetch(struct rig *rig, int core, int16_t version, const struct fetch_request *in)
{
    struct served *s = begin(rig, core, version);

    in = as_read(rig, version, in);
    fetch_response_init(&s->out.fetch);
    (void)mem_fail_nth(rig->fail_nth);
    handle_fetch(&s->rq, in, &s->out.fetch);
    request_release(&s->rq);
    return s;
}

struct served *rig_list_offsets(struct rig *rig, int core, int16_t version,
                                const struct list_offsets_request *in)
{
    struct served *s = begin(rig, core, version);

    list_offsets_response_init(&s->out.list_offsets);
    (void)mem_fail_nth(rig->fail_nth);
    handle_list_offsets(&s->rq, in, &s->out.list_offsets);
    request_release(&s->rq);
    return s;
}

struct served *rig_epochs(struct rig *rig, int core, int16_t version,
                          const struct offset_for_leader_epoch_request *in)
{
    struct served *s = begin(rig, core, version);

    offset_for_leader_epoch_response_init(&s->out.epochs);
    (void)mem_fail_nth(rig->fail_nth);
    handle_offset_for_leader_epoch(&s->rq, in, &s->out.epochs);
    request_release(&s->rq);
    return s;
}

void rig_stop(struct rig *rig)
{
    rig->node.closing = true;
    rig->first = rig->last = NULL;
}

void served_end(struct served *s)
{
    CHECK(s->finished);
    CHECK_EQ(s->rq.holds, 0);
    served_drop(s);
}

void served_drop(struct served *s)
{
    if (s->rq.sent != NULL) {
        s->rq.sent(&s->rq);
    }
    image_unref(s->rq.image);
    arena_deinit(&s->arena);
    mem_free(s);
}

/* ---- what is asked ---- */

struct bytes rig_batch(struct rig *rig, struct rig_batch b)
{
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_builder builder;
    struct buf out;
    size_t value_bytes = b.value_bytes == 0 ? 10 : (size_t)b.value_bytes;
    uint8_t *value = arena_alloc(rig->arena, value_bytes);

    batch_builder_init(&builder, 16 << 20);
    buf_init(&out, 16 << 20);
    for (int i = 0; i < MAX(b.records, 1); i++) {
        CHECK_OK(batch_builder_add(
            &builder, &(struct batch_builder_record){
                          .timestamp_ms = b.timestamp_ms == 0 ? wall_ms : b.timestamp_ms,
                          .key = BYTES("k"),
                          .value = {value, value_bytes}}));
    }
    if (b.producer_id != 0) {
        o.producer_id = b.producer_id;
        o.producer_epoch = b.producer_epoch;
        o.base_sequence = b.base_sequence;
    }
    o.attributes = b.attributes;
    CHECK_OK(batch_builder_finish(&builder, &o, &out));
    batch_builder_deinit(&builder);

    struct bytes copy = arena_copy(rig->arena, buf_view(&out));

    buf_deinit(&out);
    return copy;
}

struct produce_request *rig_produce_one(struct rig *rig, const char *topic, int32_t partition,
                                        int16_t acks, struct bytes records)
{
    struct produce_request *in = ARENA_NEW(rig->arena, struct produce_request);
    const struct image_topic *t = image_topic_by_name(rig->image, bytes_of(topic));

    produce_request_init(in);
    in->acks = acks;
    in->timeout_ms = 1000;
    in->topic_data = produce_request_topics_new(rig->arena, 1);
    in->topic_data.at[0].name = bytes_of(topic);
    if (t != NULL) {
        in->topic_data.at[0].topic_id = t->id;
    }
    in->topic_data.at[0].partition_data = produce_request_partitions_new(rig->arena, 1);
    in->topic_data.at[0].partition_data.at[0].index = partition;
    in->topic_data.at[0].partition_data.at[0].records = records;
    return in;
}

const struct produce_response_partition *served_produced(const struct served *s)
{
    CHECK(s->finished);
    CHECK_EQ(s->out.produce.responses.len, 1);
    CHECK_EQ(s->out.produce.responses.at[0].partition_responses.len, 1);
    return &s->out.produce.responses.at[0].partition_responses.at[0];
}

void rig_fill(struct rig *rig, const char *topic, int32_t partition, int batches)
{
    for (int i = 0; i < batches; i++) {
        struct served *s =
            rig_produce(rig, 0, 9,
                        rig_produce_one(rig, topic, partition, 1,
                                        rig_batch(rig, (struct rig_batch){.records = 1})));

        rig_run(rig);
        CHECK_EQ(served_produced(s)->error_code, KAFKA_NONE);
        served_end(s);
    }
    fake_plog_sync(rig_log(rig, topic, partition));
    rig_run(rig);
}

struct fetch_request *rig_fetch_of(struct rig *rig, const char *topic, int32_t count,
                                   const int64_t *offsets)
{
    struct fetch_request *in = ARENA_NEW(rig->arena, struct fetch_request);
    const struct image_topic *t = image_topic_by_name(rig->image, bytes_of(topic));

    fetch_request_init(in);
    in->max_wait_ms = 500;
    in->min_bytes = 1;
    in->max_bytes = 1 << 20;
    in->topics = fetch_request_topics_new(rig->arena, 1);
    in->topics.at[0].topic = bytes_of(topic);
    if (t != NULL) {
        in->topics.at[0].topic_id = t->id;
    }
    in->topics.at[0].partitions = fetch_request_partitions_new(rig->arena, count);
    for (int32_t i = 0; i < count; i++) {
        in->topics.at[0].partitions.at[i].partition = i;
        in->topics.at[0].partitions.at[i].fetch_offset = offsets[i];
        in->topics.at[0].partitions.at[i].partition_max_bytes = 1 << 20;
    }
    return in;
}

const struct fetch_response_partition *served_fetched(const struct served *s, int32_t at)
{
    CHECK(s->finished);
    CHECK_EQ(s->out.fetch.responses.len, 1);
    CHECK(at < s->out.fetch.responses.at[0].partitions.len);
    return &s->out.fetch.responses.at[0].partitions.at[at];
}

struct bytes served_bytes(struct rig *rig, const struct served *s)
{
    size_t len = 0;

    for (const struct reply_range *r = s->rq.ranges_first; r != NULL; r = r->next) {
        len += r->at.len;
    }

    uint8_t *all = arena_alloc(rig->arena, len);
    size_t at = 0;

    for (const struct reply_range *r = s->rq.ranges_first; r != NULL; r = r->next) {
        memcpy(all + at, r->at.at, r->at.len);
        at += r->at.len;
    }
    return (struct bytes){all, len};
}
