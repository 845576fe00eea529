/* tests/groups/fake_host.c: the world of a coordinator, in one thread and in memory.
 *
 * A request goes through bytes both ways: the operation reads what a client of that version could have sent, and
 * an answer that the version cannot carry stops the test.
 */
#include "tests/groups/fake_host.h"

#include "base/mem.h"
#include "broker/image_edit.h"

enum {
    CALL_BYTES_MAX = 256 << 20,
    TIMER_RUNS_MAX = 1 << 20,
    TIMERS_A_RUN = 64,
    START_US = 1000000,
};

static const int64_t start_wall_ms = 1700000000000;

/* What the coordinator is lent of a request: gone when it is answered. */
struct fake_lent {
    struct group_call call;
    struct arena arena;
    struct fake_call *owner;
};

/* ---- the host ---- */

static uint64_t host_now_us(void *context)
{
    return ((struct fake_host *)context)->now_us;
}

static int64_t host_wall_ms(void *context)
{
    return start_wall_ms + (int64_t)(((struct fake_host *)context)->now_us - START_US) / 1000;
}

static const struct image *host_image(void *context)
{
    return ((struct fake_host *)context)->image;
}

static void host_random(void *context, void *at, size_t bytes)
{
    struct fake_host *h = context;

    for (size_t i = 0; i < bytes; i++) {
        h->random = h->random * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)at)[i] = (uint8_t)(h->random >> 56);
    }
}

static void host_timer_add(void *context, struct timer *t, uint64_t delay_us)
{
    struct fake_host *h = context;

    timer_wheel_add(&h->timers, t, h->now_us + delay_us);
}

static void host_timer_cancel(void *context, struct timer *t)
{
    timer_wheel_cancel(&((struct fake_host *)context)->timers, t);
}

static void batch_keep(struct fake_host *h, struct bytes batch)
{
    struct batch_header header;

    CHECK_OK(batch_header_read(batch, &header));
    CHECK_EQ(batch_size(&header), batch.len);
    if (h->batch_count == h->batch_max) {
        struct fake_batch *old = h->batches;

        h->batch_max = MAX(16, 2 * h->batch_max);
        h->batches = ARENA_ARRAY(h->arena, struct fake_batch, h->batch_max);
        if (h->batch_count > 0) {
            memcpy(h->batches, old, (size_t)h->batch_count * sizeof(*old));
        }
    }
    h->end_offset += header.record_count;
    h->batches[h->batch_count++] = (struct fake_batch){arena_copy(h->arena, batch), h->end_offset};
}

static enum err host_append(void *context, struct bytes batch, int64_t *end_offset)
{
    struct fake_host *h = context;

    if (h->fail_append > 0 && --h->fail_append == 0) {
        return fail(ERR_IO, "as the test wants it");
    }
    uint64_t fail_left = mem_fail_nth(0); /* not of ours */
    batch_keep(h, batch);
    (void)mem_fail_nth(fail_left);
    *end_offset = h->end_offset;
    return OK;
}

static bool host_has_room(void *context, size_t bytes)
{
    (void)bytes;
    return !((struct fake_host *)context)->no_room;
}

static void host_lost(void *context)
{
    struct fake_host *h = context;

    CHECK(!h->lost);
    h->lost = true;
}

/* ---- life ---- */

struct fake_host *fake_host_new(struct arena *arena)
{
    struct fake_host *h = ARENA_NEW(arena, struct fake_host);
    struct image_edit *e = NULL;

    CHECK(h != NULL);
    h->arena = arena;
    h->now_us = START_US;
    h->random = 1;
    timer_wheel_init(&h->timers, h->now_us);
    CHECK_OK(config_new(&h->config));
    CHECK_OK(image_edit_new(NULL, &e));
    image_edit_broker_put(e, &(struct image_broker){.id = 1, .port = 9092, .rack = BYTES_NULL});
    CHECK_OK(image_edit_finish(e, ++h->image_version, &h->image));
    return h;
}

static void stop(struct fake_host *h)
{
    groups_free(h->groups);
    h->groups = NULL;
    CHECK_EQ(h->timers.len, 0);
}

void fake_host_end(struct fake_host *h)
{
    stop(h);
    image_unref(h->image);
    config_free(h->config);
}

void fake_set(struct fake_host *h, const char *key, const char *value)
{
    CHECK_OK(config_set(h->config, bytes_of(key), bytes_of(value), CONFIG_FROM_SET));
}

void fake_start(struct fake_host *h)
{
    const struct groups_host host = {.context = h,
                                     .config = h->config,
                                     .stats = &h->stats,
                                     .now_us = host_now_us,
                                     .wall_ms = host_wall_ms,
                                     .image = host_image,
                                     .random = host_random,
                                     .timer_add = host_timer_add,
                                     .timer_cancel = host_timer_cancel,
                                     .append = host_append,
                                     .has_room = host_has_room,
                                     .lost = host_lost};

    CHECK(h->groups == NULL);
    h->lost = false;
    CHECK_OK(groups_new(&host, 0, &h->groups));
    for (int32_t i = 0; i < h->batch_count; i++) {
        CHECK_OK(groups_load(h->groups, h->batches[i].bytes));
    }
    groups_loaded(h->groups, h->end_offset);
    groups_durable(h->groups, h->durable_offset);
}

void fake_restart(struct fake_host *h)
{
    stop(h);
    while (h->batch_count > 0 && h->batches[h->batch_count - 1].end_offset > h->durable_offset) {
        h->batch_count--;
    }
    h->end_offset = h->durable_offset;
    fake_start(h);
}

void fake_sync(struct fake_host *h)
{
    h->durable_offset = h->end_offset;
    if (h->groups != NULL) {
        groups_durable(h->groups, h->durable_offset);
    }
}

static void settle(struct fake_host *h)
{
    if (!h->slow && h->durable_offset < h->end_offset) {
        fake_sync(h);
    }
}

/* ---- metadata ---- */

static void take_image(struct fake_host *h, struct image_edit *e)
{
    const struct image *old = h->image;

    CHECK_OK(image_edit_finish(e, ++h->image_version, &h->image));
    if (h->groups != NULL) {
        groups_image_changed(h->groups, old);
        settle(h);
    }
    image_unref(old);
}

void fake_topic(struct fake_host *h, const char *name, int32_t partitions)
{
    static const int32_t replicas[] = {1};
    const struct image_topic *old = image_topic_by_name(h->image, bytes_of(name));
    struct image_partition *p = ARENA_ARRAY(h->arena, struct image_partition, partitions);
    struct image_edit *e = NULL;
    struct image_topic t = {.id = {{(uint8_t)(h->image_version + 1), 7}},
                            .name = bytes_of(name),
                            .partitions = p,
                            .partition_count = partitions};

    for (int32_t i = 0; i < partitions; i++) {
        p[i] = (struct image_partition){.leader = 1, .replicas = replicas, .replica_count = 1};
    }
    if (old != NULL) {
        t.id = old->id;
    }
    CHECK_OK(image_edit_new(h->image, &e));
    image_edit_topic_put(e, &t);
    take_image(h, e);
}

void fake_topic_remove(struct fake_host *h, const char *name)
{
    struct image_edit *e = NULL;

    CHECK_OK(image_edit_new(h->image, &e));
    image_edit_topic_remove(e, fake_topic_id(h, name));
    take_image(h, e);
}

struct uuid fake_topic_id(struct fake_host *h, const char *name)
{
    const struct image_topic *t = image_topic_by_name(h->image, bytes_of(name));

    CHECK(t != NULL);
    return t->id;
}

/* ---- calls ---- */

/* The message once more, in another arena, by way of its bytes. */
static void *copy_of(struct arena *a, const struct message_info *m, int16_t version, const void *in)
{
    struct bytes bytes = message_bytes(a, m, version, in);
    struct wire_reader r = wire_reader_of(bytes);
    void *out = arena_alloc(a, m->body->bytes);

    CHECK(bytes.at != NULL && out != NULL);
    CHECK_OK(message_read(&r, a, m, version, out));
    return out;
}

static struct fake_lent *lent_of(struct group_call *call)
{
    return CONTAINER_OF(call, struct fake_lent, call);
}

static void call_refuse(struct group_call *call, enum kafka_error error)
{
    struct fake_call *c = lent_of(call)->owner;
    const struct struct_info *s = c->response->body;

    message_init(c->response, call->out);
    c->refused = error;
    for (uint16_t i = 0; i < s->field_count; i++) {
        if (s->fields[i].kind == FIELD_ERROR && (s->fields[i].flags & FIELD_ARRAY) == 0) {
            memcpy((uint8_t *)call->out + s->fields[i].offset, &error, sizeof(error));
        }
    }
}

static void call_answer(struct group_call *call)
{
    struct fake_lent *lent = lent_of(call);
    struct fake_call *c = lent->owner;

    uint64_t fail_left = mem_fail_nth(0); /* not of ours */

    CHECK(c->lent == lent);
    if (call->arena->exhausted) { /* a broker would end the connection */
        call_refuse(call, KAFKA_UNKNOWN_SERVER_ERROR);
    }
    c->lent = NULL;
    c->out = copy_of(c->host->arena, c->response, c->version, call->out);
    arena_deinit(&lent->arena);
    (void)mem_fail_nth(fail_left);
    mem_free(lent);
}

/* A request for several groups finds the answers' array made, one per group. */
static void groups_prepare(const struct fake_request *r, struct fake_lent *lent)
{
    const struct struct_info *s = r->response->body;

    for (uint16_t i = 0; i < s->field_count; i++) {
        const struct field_info *f = &s->fields[i];

        if ((f->flags & FIELD_ARRAY) != 0 && r->version >= f->first && r->version <= f->last &&
            (strcmp(f->name, "groups") == 0 || strcmp(f->name, "results") == 0)) {
            struct message_array array = message_structs_new(&lent->arena, f->of, r->at + 1);

            memcpy((uint8_t *)lent->call.out + f->offset, &array, sizeof(array));
        }
    }
}

struct fake_call *fake_run(struct fake_host *h, const struct fake_request *r)
{
    struct fake_call *c = ARENA_NEW(h->arena, struct fake_call);
    struct fake_lent *lent = mem_zalloc(1, sizeof(*lent));

    CHECK(c != NULL && lent != NULL && h->groups != NULL);
    *c =
        (struct fake_call){.host = h, .lent = lent, .response = r->response, .version = r->version};
    arena_init(&lent->arena, CALL_BYTES_MAX);
    lent->owner = c;
    lent->call = (struct group_call){
        .arena = &lent->arena,
        .in = copy_of(&lent->arena, r->request, r->version, r->in),
        .out = arena_alloc(&lent->arena, r->response->body->bytes),
        .at = r->at,
        .version = r->version,
        .client_id =
            arena_copy(&lent->arena, bytes_of(r->client_id == NULL ? "client" : r->client_id)),
        .client_host = arena_copy(&lent->arena, BYTES("/127.0.0.1")),
        .refuse = call_refuse,
        .answer = call_answer,
    };
    message_init(r->response, lent->call.out);
    groups_prepare(r, lent);
    (void)mem_fail_nth(h->fail_allocation);
    groups_run(h->groups, &lent->call, r->operation);
    (void)mem_fail_nth(0);
    settle(h);
    return c;
}

const void *fake_answer(const struct fake_call *c)
{
    CHECK(fake_answered(c));
    return c->out;
}

/* ---- time ---- */

void fake_wait(struct fake_host *h, int64_t ms)
{
    const uint64_t until_us = h->now_us + (uint64_t)ms * 1000;

    for (int i = 0; i < TIMER_RUNS_MAX; i++) {
        uint64_t next_us = timer_wheel_next_us(&h->timers);

        if (next_us > until_us) {
            h->now_us = until_us;
            return;
        }
        h->now_us = MAX(h->now_us, next_us);
        (void)mem_fail_nth(h->fail_allocation);
        (void)timer_wheel_run(&h->timers, h->now_us, TIMERS_A_RUN);
        (void)mem_fail_nth(0);
        settle(h);
    }
    CHECK_SAYS(false, "timers fire for ever");
}

/* ---- the log ---- */

static const struct fake_record *record_of(struct fake_host *h, const struct record *r,
                                           int32_t batch)
{
    struct fake_record *out = ARENA_NEW(h->arena, struct fake_record);
    enum err e = group_record_read(h->arena, r->key, r->value, &out->record);

    CHECK(e == OK || e == ERR_UNSUPPORTED);
    out->headers = r->headers;
    out->batch = batch;
    return out;
}

/* The record `at`, or, past the end, NULL; *count: how many there are. */
static const struct fake_record *find(struct fake_host *h, int32_t at, int32_t *count)
{
    const struct fake_record *found = NULL;

    *count = 0;
    for (int32_t i = 0; i < h->batch_count; i++) {
        struct batch_header header;
        struct record_reader reader;
        struct record r;

        CHECK_OK(batch_header_read(h->batches[i].bytes, &header));
        record_reader_init(&reader, batch_records(h->batches[i].bytes), header.record_count);
        while (record_next(&reader, &r) == OK) {
            if ((*count)++ == at) {
                found = record_of(h, &r, i);
            }
        }
    }
    return found;
}

const struct fake_record *fake_record(struct fake_host *h, int32_t at)
{
    int32_t count;

    return find(h, at, &count);
}

int32_t fake_record_count(struct fake_host *h)
{
    int32_t count;

    (void)find(h, -1, &count);
    return count;
}

const struct fake_record *fake_record_last(struct fake_host *h, const struct message_info *key)
{
    for (int32_t i = fake_record_count(h) - 1; i >= 0; i--) {
        const struct fake_record *r = fake_record(h, i);

        if (r->record.key_info == key) {
            return r;
        }
    }
    return NULL;
}

struct bytes fake_header(const struct fake_record *r, const char *name)
{
    struct bytes rest = r->headers;
    struct record_header header;

    while (record_header_next(&rest, &header)) {
        if (bytes_equal(header.key, bytes_of(name))) {
            return header.value;
        }
    }
    return BYTES_NULL;
}
