/* broker/topic_plan.c: the rules for new topics and partitions.
 *
 * WHY      Three ways lead to a new topic, and each must be refused for the same reasons.
 * ORDER    name, collision, existence, configs, counts, assignment: the first that fails is the answer.
 * PLACING  Replicas go round the brokers in order of id, each partition beginning one further; the first
 *          replica leads. With one broker that is the whole story.
 * LIMITS   TOPIC_PARTITIONS_MAX partitions in one topic or request.
 */
#include "broker/topic_plan.h"

#include "base/limits.h"
#include "broker/config_value.h"
#include "broker/coordinator.h"

enum {
    SEGMENT_BYTES_MIN = 1 << 20, /* the least that segment.bytes may be */
    OFFSETS_TOPIC_CONFIGS = 3,
};

static bool refuse(struct topic_plan *plan, enum kafka_error error, struct bytes message)
{
    plan->error = error;
    plan->message = message;
    return false;
}

static bool name_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool topic_name_ok(struct bytes name, struct arena *arena, struct bytes *message)
{
    if (name.len == 0) {
        *message = BYTES("A topic needs a name.");
        return false;
    }
    if (bytes_equal(name, BYTES(".")) || bytes_equal(name, BYTES(".."))) {
        *message = BYTES("A topic cannot be named '.' or '..'.");
        return false;
    }
    if (name.len > TOPIC_NAME_BYTES_MAX) {
        *message = arena_format(arena, "A topic name has at most %d characters, this one %zu.",
                                TOPIC_NAME_BYTES_MAX, name.len);
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!name_character(name.at[i])) {
            *message = arena_format(arena,
                                    "Topic name '%.*s' has a character other than ASCII letters, "
                                    "digits, '.', '_' and '-'.",
                                    BYTES_ARG(name));
            return false;
        }
    }
    return true;
}

bool topic_name_is_internal(struct bytes name)
{
    return bytes_equal(name, OFFSETS_TOPIC) || bytes_equal(name, BYTES("__transaction_state")) ||
           bytes_equal(name, BYTES("__share_group_state"));
}

static bool equal_but_for_dots(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.at[i] == '.' ? '_' : a.at[i], y = b.at[i] == '.' ? '_' : b.at[i];
        if (x != y) {
            return false;
        }
    }
    return true;
}

/* Metric names turn dots into underscores, so two such topics could not be told apart there. */
static const struct image_topic *collision(const struct image *image, struct bytes name)
{
    if (bytes_find(name, '.') < 0 && bytes_find(name, '_') < 0) {
        return NULL;
    }
    for (int32_t i = 0; i < image_topic_count(image); i++) {
        const struct image_topic *t = image_topic_at(image, i);
        if (equal_but_for_dots(t->name, name) && !bytes_equal(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

static bool check_name(struct topic_plan *plan, const struct image *image, struct bytes name,
                       struct arena *arena)
{
    struct bytes why = BYTES_NULL;

    if (!topic_name_ok(name, arena, &why)) {
        return refuse(plan, KAFKA_INVALID_TOPIC_EXCEPTION, why);
    }
    if (image_topic_by_name(image, name) != NULL) {
        return refuse(plan, KAFKA_TOPIC_ALREADY_EXISTS,
                      arena_format(arena, "Topic '%.*s' already exists.", BYTES_ARG(name)));
    }
    const struct image_topic *other = collision(image, name);
    if (other != NULL) {
        return refuse(plan, KAFKA_INVALID_TOPIC_EXCEPTION,
                      arena_format(arena, "Topic '%.*s' collides with existing topic '%.*s'.",
                                   BYTES_ARG(name), BYTES_ARG(other->name)));
    }
    return true;
}

static bool check_config(struct topic_plan *plan, struct bytes name, struct bytes value,
                         struct arena *arena)
{
    enum topic_config_key key = topic_config_find(name);
    struct bytes why;

    if (key == TOPIC_CONFIG_KEY_COUNT) {
        return refuse(plan, KAFKA_INVALID_CONFIG,
                      arena_format(arena, "Unknown topic config name: %.*s", BYTES_ARG(name)));
    }
    if (value.at == NULL) {
        return refuse(plan, KAFKA_INVALID_CONFIG,
                      arena_format(arena, "The value of %.*s is null.", BYTES_ARG(name)));
    }
    if (topic_config_check(key, value, arena, &why) != OK) {
        return refuse(plan, KAFKA_INVALID_CONFIG,
                      arena_format(arena, "Invalid value %.*s for configuration %.*s: %.*s",
                                   BYTES_ARG(value), BYTES_ARG(name), BYTES_ARG(why)));
    }
    return true;
}

static int64_t number_of(const struct config_view *view, struct own_configs own,
                         enum topic_config_key key, struct arena *arena)
{
    struct bytes text = own_config(own, bytes_of(topic_config_info(key)->name));
    enum config_level from;
    int64_t number = 0;

    if (text.at == NULL) {
        text = topic_config_default(view, key, arena, &from);
    }
    (void)config_number(topic_config_info(key)->type, text, &number);
    return number;
}

enum kafka_error topic_configs_check(const struct config_view *view, struct own_configs own,
                                     struct arena *arena, struct bytes *message)
{
    struct topic_plan plan = {.error = KAFKA_NONE};
    bool right = true;

    for (int32_t i = 0; right && i < own.len; i++) {
        right = check_config(&plan, own.at[i].key, own.at[i].value, arena);
    }
    if (right && number_of(view, own, TOPIC_CONFIG_REMOTE_STORAGE_ENABLE, arena) != 0) {
        right =
            refuse(&plan, KAFKA_INVALID_CONFIG,
                   BYTES("There is no tiered storage here: remote.storage.enable must be false."));
    }
    if (right && number_of(view, own, TOPIC_CONFIG_MIN_COMPACTION_LAG_MS, arena) >
                     number_of(view, own, TOPIC_CONFIG_MAX_COMPACTION_LAG_MS, arena)) {
        (void)refuse(&plan, KAFKA_INVALID_CONFIG,
                     BYTES("min.compaction.lag.ms is larger than max.compaction.lag.ms."));
    }
    *message = plan.message;
    return plan.error;
}

static bool check_together(struct topic_plan *plan, const struct config_view *view,
                           struct arena *arena)
{
    struct own_configs own = {plan->topic.configs, plan->topic.config_count};

    plan->error = topic_configs_check(view, own, arena, &plan->message);
    return plan->error == KAFKA_NONE;
}

static void plan_configs(struct topic_plan *plan, const struct create_topics_request_topic *in,
                         struct arena *arena)
{
    struct image_config *configs = ARENA_ARRAY(arena, struct image_config, in->configs.len);
    int32_t count = 0;

    for (int32_t i = 0; configs != NULL && i < in->configs.len; i++) {
        struct bytes name = in->configs.at[i].name, value = in->configs.at[i].value;
        int32_t at = 0;
        while (at < count && !bytes_equal(configs[at].key, name)) {
            at++; /* named twice: the last one counts */
        }
        configs[at] = (struct image_config){name, value};
        count = MAX(count, at + 1);
    }
    plan->topic.configs = configs;
    plan->topic.config_count = count;
}

static bool check_row(struct topic_plan *plan, const struct image *image,
                      const struct int32_array *row, struct arena *arena)
{
    if (row->len <= 0) {
        return refuse(plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      BYTES("A manual assignment has a partition without replicas."));
    }
    for (int32_t i = 0; i < row->len; i++) {
        if (image_broker_find(image, row->at[i]) == NULL) {
            return refuse(plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          arena_format(arena,
                                       "A manual assignment names broker %d, which is not here.",
                                       row->at[i]));
        }
        for (int32_t j = 0; j < i; j++) {
            if (row->at[j] == row->at[i]) {
                return refuse(
                    plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    arena_format(arena, "A manual assignment names broker %d twice.", row->at[i]));
            }
        }
    }
    return true;
}

/* The brokers of partition number `partition`, round robin. */
static struct int32_array place(const struct image *image, int32_t partition,
                                int32_t replication_factor, struct arena *arena)
{
    struct int32_array row = int32_array_new(arena, replication_factor);

    for (int32_t i = 0; i < row.len; i++) {
        row.at[i] = image_broker_at(image, (partition + i) % image_broker_count(image))->id;
    }
    return row;
}

void topic_plan_partitions(struct topic_plan *plan, const struct image *image,
                           const struct partition_plan *in, struct arena *arena)
{
    int32_t added = in->count - in->have;
    struct image_partition *partitions = ARENA_ARRAY(arena, struct image_partition, added);

    if (in->replication_factor > image_broker_count(image)) {
        (void)refuse(plan, KAFKA_INVALID_REPLICATION_FACTOR,
                     arena_format(arena,
                                  "Replication factor %d is larger than the %d broker(s) here.",
                                  in->replication_factor, image_broker_count(image)));
        return;
    }
    for (int32_t i = 0; partitions != NULL && i < added; i++) {
        struct int32_array row = in->assignments != NULL
                                     ? in->assignments[i]
                                     : place(image, in->have + i, in->replication_factor, arena);
        if (in->assignments != NULL && !check_row(plan, image, &row, arena)) {
            return;
        }
        if (row.len != in->replication_factor) {
            (void)refuse(
                plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                BYTES("Partitions of a manual assignment differ in their replicas' number."));
            return;
        }
        partitions[i] = (struct image_partition){
            .leader = row.at[0], .replicas = row.at, .replica_count = row.len};
    }
    plan->topic.partitions = partitions;
    plan->topic.partition_count = added;
}

/* Puts the rows of a manual assignment in order of partition; they must be 0 .. n-1. */
static bool manual_rows(struct topic_plan *plan, const struct create_topics_request_topic *in,
                        struct int32_array *rows, struct arena *arena)
{
    int32_t count = in->assignments.len;

    for (int32_t i = 0; i < count; i++) {
        int32_t partition = in->assignments.at[i].partition_index;
        if (partition < 0 || partition >= count) {
            return refuse(plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          BYTES("Partitions of a manual assignment must be numbered from 0 on."));
        }
        if (rows[partition].at != NULL) {
            return refuse(
                plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                arena_format(arena, "A manual assignment names partition %d twice.", partition));
        }
        const struct int32_array row = in->assignments.at[i].broker_ids;
        if (row.len <= 0) {
            return refuse(plan, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          BYTES("A manual assignment has a partition without replicas."));
        }
        rows[partition] = row;
    }
    return true;
}

static void plan_manual(struct topic_plan *plan, const struct image *image,
                        const struct create_topics_request_topic *in, struct arena *arena)
{
    struct int32_array *rows = ARENA_ARRAY(arena, struct int32_array, in->assignments.len);

    if (in->num_partitions != -1) {
        (void)refuse(plan, KAFKA_INVALID_REQUEST,
                     BYTES("With a manual assignment the number of partitions must be -1."));
        return;
    }
    if (in->replication_factor != -1) {
        (void)refuse(plan, KAFKA_INVALID_REQUEST,
                     BYTES("With a manual assignment the replication factor must be -1."));
        return;
    }
    if (rows == NULL || !manual_rows(plan, in, rows, arena)) {
        return;
    }
    for (int32_t i = 0; i < in->assignments.len; i++) {
        if (!check_row(plan, image, &rows[i], arena)) {
            return;
        }
    }
    plan->replication_factor = (int16_t)rows[0].len;
    topic_plan_partitions(plan, image,
                          &(struct partition_plan){.count = in->assignments.len,
                                                   .replication_factor = rows[0].len,
                                                   .assignments = rows},
                          arena);
}

static void plan_counts(struct topic_plan *plan, const struct image *image,
                        const struct config *config, const struct create_topics_request_topic *in,
                        struct arena *arena)
{
    if (in->replication_factor < -1 || in->replication_factor == 0) {
        (void)refuse(plan, KAFKA_INVALID_REPLICATION_FACTOR,
                     BYTES("The replication factor must be positive, or -1 for the default."));
        return;
    }
    if (in->num_partitions < -1 || in->num_partitions == 0) {
        (void)refuse(plan, KAFKA_INVALID_PARTITIONS,
                     BYTES("The number of partitions must be positive, or -1 for the default."));
        return;
    }
    int64_t count =
        in->num_partitions == -1 ? config_i64(config, CONFIG_NUM_PARTITIONS) : in->num_partitions;
    if (count > TOPIC_PARTITIONS_MAX) {
        (void)refuse(plan, KAFKA_POLICY_VIOLATION,
                     arena_format(arena, "One request may make at most %d partitions.",
                                  TOPIC_PARTITIONS_MAX));
        return;
    }
    plan->replication_factor = (int16_t)(in->replication_factor == -1
                                             ? config_i64(config, CONFIG_DEFAULT_REPLICATION_FACTOR)
                                             : in->replication_factor);
    topic_plan_partitions(plan, image,
                          &(struct partition_plan){.count = (int32_t)count,
                                                   .replication_factor = plan->replication_factor},
                          arena);
}

void topic_plan_make(struct topic_plan *plan, const struct image *image,
                     const struct config *config, const struct create_topics_request_topic *in,
                     struct arena *arena)
{
    struct config_view view = config_view_of(config, image);

    *plan = (struct topic_plan){.error = KAFKA_NONE, .topic.name = in->name};
    if (!check_name(plan, image, in->name, arena)) {
        return;
    }
    plan_configs(plan, in, arena);
    if (!check_together(plan, &view, arena)) {
        return;
    }
    if (in->assignments.len > 0) {
        plan_manual(plan, image, in, arena);
    } else {
        plan_counts(plan, image, config, in, arena);
    }
}

/* A smaller segment than a topic may ask for would leave the cluster without this topic. */
static int64_t offsets_segment_bytes(const struct config *config)
{
    int64_t bytes = config_i64(config, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES);

    return MAX(bytes, (int64_t)SEGMENT_BYTES_MIN);
}

struct create_topics_request_topic topic_plan_offsets_topic(const struct image *image,
                                                            const struct config *config,
                                                            struct arena *arena)
{
    int64_t replicas =
        MIN(config_i64(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), image_broker_count(image));
    struct create_topics_request_topic out = {
        .name = OFFSETS_TOPIC,
        .num_partitions = (int32_t)config_i64(config, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS),
        .replication_factor = (int16_t)replicas,
        .configs = create_topics_request_configs_new(arena, OFFSETS_TOPIC_CONFIGS),
    };

    if (out.configs.len == OFFSETS_TOPIC_CONFIGS) {
        struct create_topics_request_config *c = out.configs.at;
        c[0].name = bytes_of(topic_config_info(TOPIC_CONFIG_CLEANUP_POLICY)->name);
        c[0].value = BYTES("compact");
        c[1].name = bytes_of(topic_config_info(TOPIC_CONFIG_COMPRESSION_TYPE)->name);
        c[1].value = BYTES("producer");
        c[2].name = bytes_of(topic_config_info(TOPIC_CONFIG_SEGMENT_BYTES)->name);
        c[2].value = arena_format(arena, "%" PRId64, offsets_segment_bytes(config));
    }
    return out;
}
