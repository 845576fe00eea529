/* broker/handlers/delete_topics.c: DeleteTopics by name or, from version 6 on, by id (KIP-516).
 *
 * The topic is gone for everybody when this is answered: every core has the image without it. Its files follow
 * in the background. A topic named twice, or by name and by id, is refused and not deleted.
 */
#include "schema/delete_topics.h"
#include "broker/handler.h"

#include "broker/names.h"

enum { DELETE_BY_ID_FROM = 6 };

struct deletion {
    struct metadata_change change;
    struct request *rq;
    struct delete_topics_response *out;
};

static void refuse(struct delete_topics_response_topic *out, enum kafka_error error,
                   struct bytes message)
{
    out->error_code = error;
    out->error_message = message;
}

static const struct image_topic *find(const struct image *image,
                                      const struct delete_topics_response_topic *out)
{
    return out->name.at != NULL ? image_topic_by_name(image, out->name)
                                : image_topic_by_id(image, out->topic_id);
}

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct deletion *d = CONTAINER_OF(change, struct deletion, change);

    for (int32_t i = 0; i < d->out->responses.len; i++) {
        struct delete_topics_response_topic *out = &d->out->responses.at[i];
        if (out->error_code != KAFKA_NONE) {
            continue;
        }
        const struct image_topic *topic = find(metadata_draft(m), out);
        if (topic == NULL) {
            refuse(out,
                   out->name.at == NULL ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                   BYTES("There is no such topic."));
            continue;
        }
        out->topic_id = topic->id;
        out->name = arena_copy(d->rq->arena, topic->name);
        metadata_remove_topic(m, topic->id);
    }
}

static void deleted(struct metadata_change *change)
{
    struct deletion *d = CONTAINER_OF(change, struct deletion, change);

    for (int32_t i = 0; change->err != OK && i < d->out->responses.len; i++) {
        if (d->out->responses.at[i].error_code == KAFKA_NONE) {
            refuse(&d->out->responses.at[i], kafka_error_of(change->err),
                   BYTES("The metadata log did not take it."));
        }
    }
    request_release(d->rq);
}

/* One answer for each topic that the request names, in its order. */
static void answers_new(struct deletion *d, const struct delete_topics_request *in)
{
    bool by_id = d->rq->version >= DELETE_BY_ID_FROM;
    int32_t count = by_id ? in->topics.len : in->topic_names.len;

    d->out->responses = delete_topics_response_topics_new(d->rq->arena, MAX(count, 0));
    for (int32_t i = 0; i < d->out->responses.len; i++) {
        struct delete_topics_response_topic *out = &d->out->responses.at[i];
        out->name = by_id ? in->topics.at[i].name : in->topic_names.at[i];
        if (!by_id) {
            continue;
        }
        out->topic_id = in->topics.at[i].topic_id;
        if ((out->name.at == NULL) == uuid_is_zero(out->topic_id)) {
            refuse(out, KAFKA_INVALID_REQUEST, BYTES("Give either a name or an id."));
        }
    }
}

/* What the doubles are compared by: the name, also where the request gives the id. */
static struct bytes identity(const struct request *rq,
                             const struct delete_topics_response_topic *out)
{
    const struct image_topic *topic =
        out->name.at != NULL ? NULL : image_topic_by_id(rq->image, out->topic_id);

    if (topic != NULL) {
        return topic->name;
    }
    return out->name.at != NULL ? out->name
                                : (struct bytes){out->topic_id.at, sizeof(out->topic_id.at)};
}

static void refuse_doubles(struct deletion *d)
{
    int32_t count = d->out->responses.len;
    struct name_at *names = ARENA_ARRAY(d->rq->arena, struct name_at, count);

    if (names == NULL) {
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        names[i] = (struct name_at){.name = identity(d->rq, &d->out->responses.at[i]), .at = i};
    }
    names_find_doubles(names, count);
    for (int32_t i = 0; i < count; i++) {
        if (names[i].twice) {
            refuse(&d->out->responses.at[i], KAFKA_INVALID_REQUEST,
                   BYTES("The request names it twice."));
        }
    }
}

void handle_delete_topics(struct request *rq, const struct delete_topics_request *in,
                          struct delete_topics_response *out)
{
    struct deletion *d = ARENA_NEW(rq->arena, struct deletion);

    if (d == NULL) {
        return;
    }
    *d = (struct deletion){.change = {.decide = decide, .done = deleted}, .rq = rq, .out = out};
    answers_new(d, in);
    if (!config_bool(rq->core->config, CONFIG_DELETE_TOPIC_ENABLE)) {
        for (int32_t i = 0; i < out->responses.len; i++) {
            refuse(&out->responses.at[i], KAFKA_TOPIC_DELETION_DISABLED,
                   BYTES("delete.topic.enable is false."));
        }
        return;
    }
    refuse_doubles(d);
    request_hold(rq);
    metadata_submit(rq->core, &d->change);
}
