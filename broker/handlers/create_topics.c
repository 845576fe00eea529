/* broker/handlers/create_topics.c: CreateTopics (KIP-4, KIP-464, KIP-525): decided on core 0, answered when
 * every core knows the new topics.
 *
 * FLOW     The handler finds names that stand twice, then one metadata decision plans all topics of the
 *          request and writes the answers; topics that fail do not keep the others from being made.
 * MEMORY   The decision runs on core 0 and uses the request's arena, which is lent to it meanwhile.
 */
#include "broker/handler.h"

#include "broker/describe_config.h"
#include "broker/names.h"
#include "broker/topic_plan.h"

struct creation {
    struct metadata_change change;
    struct request *rq;
    const struct create_topics_request *in;
    struct create_topics_response *out;
    int32_t *rows; /* which topic of the request an answer is for */
};

static void answer(struct create_topics_response_topic *out, enum kafka_error error,
                   struct bytes message)
{
    out->error_code = error;
    out->error_message = message;
}

/* What was made of it: only in versions that say so, hence after the decision, on the request's core. */
static void describe(struct request *rq, const struct topic_plan *plan,
                     struct create_topics_response_topic *out)
{
    struct config_view view = config_view_of(rq->core->config, rq->image);
    struct own_configs own = {plan->topic.configs, plan->topic.config_count};

    out->num_partitions = plan->topic.partition_count;
    out->replication_factor = plan->replication_factor;
    out->configs = create_topics_response_configs_new(rq->arena, TOPIC_CONFIG_KEY_COUNT);
    for (int32_t i = 0; i < out->configs.len; i++) {
        struct create_topics_response_config *c = &out->configs.at[i];
        struct described_config d;
        describe_topic_config(&view, (enum topic_config_key)i, own, rq->arena, &d);
        c->name = d.name;
        c->value = d.value;
        c->read_only = d.read_only;
        c->config_source = d.source;
        c->is_sensitive = d.sensitive;
    }
}

static void create_one(struct metadata *m, struct creation *c, int32_t at)
{
    const struct create_topics_request_topic *in = &c->in->topics.at[c->rows[at]];
    struct create_topics_response_topic *out = &c->out->topics.at[at];
    struct topic_plan plan;

    if (out->error_code != KAFKA_NONE) {
        return; /* refused before it came here */
    }
    topic_plan_make(&plan, metadata_draft(m), metadata_core(m)->config, in, c->rq->arena);
    answer(out, plan.error, plan.message);
    if (plan.error != KAFKA_NONE) {
        return;
    }
    describe(c->rq, &plan, out);
    if (!c->in->validate_only) {
        out->topic_id = metadata_put_topic(m, &plan.topic);
    }
}

/* Partitions that the whole request asks for, roughly: what is wrong about a topic comes later. */
static int64_t partitions_wanted(const struct create_topics_request *in)
{
    int64_t count = 0;

    for (int32_t i = 0; i < in->topics.len; i++) {
        count += MAX(in->topics.at[i].num_partitions, in->topics.at[i].assignments.len);
    }
    return count;
}

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct creation *c = CONTAINER_OF(change, struct creation, change);

    for (int32_t i = 0; i < c->out->topics.len; i++) {
        create_one(m, c, i);
    }
}

static void created(struct metadata_change *change)
{
    struct creation *c = CONTAINER_OF(change, struct creation, change);

    for (int32_t i = 0; change->err != OK && i < c->out->topics.len; i++) {
        struct create_topics_response_topic *out = &c->out->topics.at[i];
        if (out->error_code == KAFKA_NONE) {
            out->topic_id = (struct uuid){{0}};
            out->num_partitions = out->replication_factor = -1;
            out->configs = (struct create_topics_response_configs){NULL, 0};
            answer(out, kafka_error_of(change->err), BYTES("The metadata log did not take it."));
        }
    }
    request_release(c->rq);
}

/* One answer per name: a name that stands twice is refused, and not tried. */
static bool answers_new(struct creation *c)
{
    int32_t count = c->in->topics.len, kept = 0;
    struct name_at *names = ARENA_ARRAY(c->rq->arena, struct name_at, count);

    c->rows = ARENA_ARRAY(c->rq->arena, int32_t, count);
    c->out->topics = create_topics_response_topics_new(c->rq->arena, count);
    if (c->rq->arena->exhausted) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = (struct name_at){.name = c->in->topics.at[i].name, .at = i};
    }
    names_find_doubles(names, count);
    for (int32_t i = 0; i < count; i++) {
        if (names[i].again) {
            continue;
        }
        struct create_topics_response_topic *out = &c->out->topics.at[kept];
        c->rows[kept++] = names[i].at;
        out->name = names[i].name;
        if (names[i].twice) {
            answer(out, KAFKA_INVALID_REQUEST, BYTES("The request names it twice."));
        }
    }
    c->out->topics.len = kept;
    return true;
}

void handle_create_topics(struct request *rq, const struct create_topics_request *in,
                          struct create_topics_response *out)
{
    struct creation *c = ARENA_NEW(rq->arena, struct creation);

    if (c == NULL) {
        return;
    }
    *c = (struct creation){
        .change = {.decide = decide, .done = created}, .rq = rq, .in = in, .out = out};
    if (!answers_new(c)) {
        return;
    }
    if (partitions_wanted(in) > TOPIC_PARTITIONS_MAX) {
        for (int32_t i = 0; i < out->topics.len; i++) {
            answer(&out->topics.at[i], KAFKA_POLICY_VIOLATION,
                   BYTES("The request asks for too many partitions at once."));
        }
        return;
    }
    request_hold(rq);
    metadata_submit(rq->core, &c->change);
}
