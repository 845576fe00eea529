/* broker/fetch_session.c: the session cache of a core.
 *
 * SHAPE    A session keeps its topics (a name once, however many partitions) and its partitions, each in a map
 *          and the partitions also in their order. Sessions are in a map by id and in order of last use.
 * IDS      Random, with the core's index in the low bits, so that no other core ever has the same one.
 * EVICTION max.incremental.fetch.session.cache.slots are shared out among the cores. A new session takes the
 *          place of one that nobody used for two minutes, else of the smallest one older than two minutes if
 *          that is smaller than the new one; else it is refused.
 * LIMITS   FETCH_SESSION_PARTITIONS_MAX of all sessions of a core together.
 * OWNER    The core.
 */
#include "broker/fetch_session.h"

#include "base/mem.h"
#include "broker/config.h"
#include "broker/node.h"

enum {
    EVICTION_US = 120 * 1000 * 1000,
    FETCH_SESSION_PARTITIONS_MAX = 1 << 16,
    ID_TRIES_MAX = 8,
};
static_assert((CORE_COUNT_MAX & (CORE_COUNT_MAX - 1)) == 0,
              "a core's index is the low bits of an id");

struct fetch_sessions {
    struct core *core;
    uint64_t seed;
    size_t slots;
    size_t partitions; /* of all sessions */
    struct map by_id;
    struct list by_age; /* used longest ago first */
};

struct fetch_sessions *fetch_sessions_of(struct core *c)
{
    if (c->fetch_sessions != NULL) {
        return c->fetch_sessions;
    }

    struct fetch_sessions *s = mem_zalloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }

    int64_t slots = config_i64(c->config, CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
    int cores = node_core_count(c->node);

    s->core = c;
    s->seed = env_random(c->env);
    s->slots = (size_t)(slots / cores + (c->index < slots % cores ? 1 : 0));
    list_init(&s->by_age);
    c->fetch_sessions = s;
    return s;
}

void fetch_sessions_free(struct fetch_sessions *s)
{
    if (s == NULL) {
        return;
    }
    list_for_each (&s->by_age, link) {
        fetch_session_drop(s, CONTAINER_OF(link, struct fetch_session, age));
    }
    map_deinit(&s->by_id);
    mem_free(s);
}

/* ---- topics and partitions of one session ---- */

struct topic_key {
    struct bytes name;
    struct uuid id;
};

static bool is_topic(const struct map_link *link, const void *key)
{
    const struct session_topic *t = CONTAINER_OF(link, const struct session_topic, link);
    const struct topic_key *k = key;

    return uuid_equal(t->id, k->id) && t->name.len == k->name.len &&
           (k->name.len == 0 || memcmp(t->name.at, k->name.at, k->name.len) == 0);
}

static uint64_t topic_hash(const struct fetch_sessions *s, const struct topic_key *k)
{
    return bytes_hash((struct bytes){k->id.at, sizeof(k->id.at)}, s->seed) ^
           bytes_hash(k->name, s->seed);
}

static struct session_topic *find_topic(const struct fetch_sessions *s,
                                        const struct fetch_session *one,
                                        const struct topic_key *key)
{
    struct map_link *link = map_find(&one->topics, topic_hash(s, key), is_topic, key);

    return link == NULL ? NULL : CONTAINER_OF(link, struct session_topic, link);
}

static struct session_topic *add_topic(const struct fetch_sessions *s, struct fetch_session *one,
                                       const struct topic_key *key)
{
    struct session_topic *t = mem_alloc(sizeof(*t) + key->name.len);

    if (t == NULL) {
        return NULL;
    }

    uint8_t *name = (uint8_t *)(t + 1);

    if (key->name.len > 0) {
        memcpy(name, key->name.at, key->name.len);
    }
    *t = (struct session_topic){.id = key->id, .name = {name, key->name.len}};
    map_add(&one->topics, topic_hash(s, key), &t->link);
    return t;
}

static void drop_topic_if_empty(struct fetch_session *one, struct session_topic *t)
{
    if (t->partitions == 0) {
        map_remove(&one->topics, &t->link);
        mem_free(t);
    }
}

struct partition_key {
    const struct session_topic *topic;
    int32_t partition;
};

static bool is_partition(const struct map_link *link, const void *key)
{
    const struct session_partition *p = CONTAINER_OF(link, const struct session_partition, link);
    const struct partition_key *k = key;

    return p->topic == k->topic && p->question.partition == k->partition;
}

static uint64_t partition_hash(const struct fetch_sessions *s, const struct session_topic *t,
                               int32_t partition)
{
    return map_hash_u64((uint64_t)(uintptr_t)t ^ ((uint64_t)(uint32_t)partition << 32), s->seed);
}

static struct session_partition *find_partition(const struct fetch_sessions *s,
                                                const struct fetch_session *one,
                                                const struct session_topic *t, int32_t partition)
{
    struct map_link *link = map_find(&one->partitions, partition_hash(s, t, partition),
                                     is_partition, &(struct partition_key){t, partition});

    return link == NULL ? NULL : CONTAINER_OF(link, struct session_partition, link);
}

static void drop_partition(struct fetch_sessions *s, struct fetch_session *one,
                           struct session_partition *p)
{
    struct session_topic *t = p->topic;

    map_remove(&one->partitions, &p->link);
    list_remove(&one->order, &p->order);
    mem_free(p);
    s->partitions--;
    t->partitions--;
    drop_topic_if_empty(one, t);
}

static void take_question(struct session_partition *p, const struct fetch_request_partition *q)
{
    p->question = *q;
    p->question.unknown_tags = NULL; /* they live in the request */
}

/* Adds the partition, or changes what is asked of it. */
static enum err put(struct fetch_sessions *s, struct fetch_session *one,
                    const struct session_entry *entry)
{
    struct topic_key key = {entry->topic, entry->topic_id};
    struct session_topic *t = find_topic(s, one, &key);

    if (t == NULL) {
        t = add_topic(s, one, &key);
    }
    if (t == NULL) {
        return fail(ERR_NOMEM, "topic of a fetch session");
    }

    struct session_partition *p = find_partition(s, one, t, entry->question->partition);

    if (p == NULL) {
        p = s->partitions < FETCH_SESSION_PARTITIONS_MAX ? mem_zalloc(1, sizeof(*p)) : NULL;
        if (p == NULL) {
            drop_topic_if_empty(one, t);
            return fail(ERR_LIMIT, "partition of a fetch session");
        }
        p->topic = t;
        map_add(&one->partitions, partition_hash(s, t, entry->question->partition), &p->link);
        list_add_last(&one->order, &p->order);
        p->high_watermark = entry->high_watermark;
        p->log_start = entry->log_start;
        s->partitions++;
        t->partitions++;
    }
    take_question(p, entry->question);
    return OK;
}

/* ---- sessions ---- */

static bool has_id(const struct map_link *link, const void *id)
{
    return CONTAINER_OF(link, const struct fetch_session, link)->id == *(const int32_t *)id;
}

struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id)
{
    struct map_link *link = map_find(&s->by_id, map_hash_u64((uint32_t)id, s->seed), has_id, &id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct fetch_session, link);
}

void fetch_session_drop(struct fetch_sessions *s, struct fetch_session *one)
{
    list_for_each (&one->order, link) {
        drop_partition(s, one, CONTAINER_OF(link, struct session_partition, order));
    }
    map_deinit(&one->partitions);
    map_deinit(&one->topics);
    map_remove(&s->by_id, &one->link);
    list_remove(&s->by_age, &one->age);
    mem_free(one);
}

/* Whom a new session of `len` partitions may replace; NULL: nobody. */
static struct fetch_session *victim(struct fetch_sessions *s, size_t len)
{
    uint64_t now = s->core->now_us;
    struct list_link *first = list_first(&s->by_age);
    struct fetch_session *smallest = NULL;

    if (first == NULL) {
        return NULL;
    }

    struct fetch_session *idle = CONTAINER_OF(first, struct fetch_session, age);

    if (now - idle->used_us > EVICTION_US) {
        return idle;
    }
    list_for_each (&s->by_age, link) {
        struct fetch_session *one = CONTAINER_OF(link, struct fetch_session, age);

        if (now - one->created_us > EVICTION_US &&
            (smallest == NULL || fetch_session_len(one) < fetch_session_len(smallest))) {
            smallest = one;
        }
    }
    return smallest != NULL && fetch_session_len(smallest) < len ? smallest : NULL;
}

/* 0: by bad luck there is none. */
static int32_t free_id(struct fetch_sessions *s)
{
    for (int i = 0; i < ID_TRIES_MAX; i++) {
        uint64_t random = env_random(s->core->env) * CORE_COUNT_MAX + (uint64_t)s->core->index;
        int32_t id = (int32_t)(random & INT32_MAX);

        if (id != 0 && fetch_session_find(s, id) == NULL) {
            return id;
        }
    }
    return 0;
}

static bool make_room(struct fetch_sessions *s, size_t len)
{
    if (s->by_age.len < s->slots) {
        return true;
    }

    struct fetch_session *other = s->slots > 0 ? victim(s, len) : NULL;

    if (other != NULL) {
        fetch_session_drop(s, other);
    }
    return other != NULL;
}

struct fetch_session *fetch_session_new(struct fetch_sessions *s, bool topic_ids,
                                        const struct session_entry *entries, int32_t count)
{
    if (!make_room(s, (size_t)count)) {
        return NULL;
    }

    int32_t id = free_id(s);
    struct fetch_session *one = id == 0 ? NULL : mem_zalloc(1, sizeof(*one));

    if (one == NULL) {
        return NULL;
    }
    one->id = id;
    one->epoch = 1;
    one->topic_ids = topic_ids;
    one->created_us = one->used_us = s->core->now_us;
    list_init(&one->order);
    map_add(&s->by_id, map_hash_u64((uint32_t)id, s->seed), &one->link);
    list_add_last(&s->by_age, &one->age);
    for (int32_t i = 0; i < count; i++) {
        if (put(s, one, &entries[i]) != OK) {
            fetch_session_drop(s, one);
            return NULL;
        }
    }
    return one;
}

static void forget(struct fetch_sessions *s, struct fetch_session *one,
                   const struct fetch_request_forgotten_topic *in)
{
    for (int32_t i = 0; i < in->partitions.len; i++) {
        /* Looked up each time: it goes with its last partition. */
        struct session_topic *t = find_topic(s, one, &(struct topic_key){in->topic, in->topic_id});
        struct session_partition *p =
            t == NULL ? NULL : find_partition(s, one, t, in->partitions.at[i]);

        if (p != NULL) {
            drop_partition(s, one, p);
        }
    }
}

enum err fetch_session_update(struct fetch_sessions *s, struct fetch_session *one,
                              const struct fetch_request *in)
{
    one->epoch = one->epoch == INT32_MAX ? 1 : one->epoch + 1;
    one->used_us = s->core->now_us;
    list_remove(&s->by_age, &one->age);
    list_add_last(&s->by_age, &one->age);
    for (int32_t i = 0; i < in->topics.len; i++) {
        const struct fetch_request_topic *topic = &in->topics.at[i];

        for (int32_t j = 0; j < topic->partitions.len; j++) {
            TRY(put(s, one,
                    &(struct session_entry){.topic = topic->topic,
                                            .topic_id = topic->topic_id,
                                            .question = &topic->partitions.at[j],
                                            .high_watermark = -1,
                                            .log_start = -1}));
        }
    }
    for (int32_t i = 0; i < in->forgotten_topics_data.len; i++) {
        forget(s, one, &in->forgotten_topics_data.at[i]);
    }
    return OK;
}

bool fetch_session_note(struct fetch_session *one, struct session_partition *p,
                        const struct fetch_response_partition *answer)
{
    bool differs = answer->error_code != KAFKA_NONE || answer->records.len > 0 ||
                   answer->diverging_epoch.epoch != -1 || answer->preferred_read_replica != -1 ||
                   answer->high_watermark != p->high_watermark ||
                   answer->log_start_offset != p->log_start;

    /* After an error, or where the logs part, the next good answer is news again. */
    p->high_watermark = answer->error_code != KAFKA_NONE || answer->diverging_epoch.epoch != -1
                            ? -1
                            : answer->high_watermark;
    p->log_start = answer->log_start_offset;
    if (answer->records.len > 0) {
        list_remove(&one->order, &p->order);
        list_add_last(&one->order, &p->order);
    }
    return differs;
}
