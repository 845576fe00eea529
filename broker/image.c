/* broker/image.c: the immutable picture of the cluster, and how the next one is made.
 *
 * WHY      Every request needs topics and leaders, and no request may see them change half-way. So a
 *          change makes a new image that shares all topics it did not touch; readers need no lock.
 * FORMAT   Two arrays of topic pointers, by name and by id, and one of settings of brokers and groups, all
 *          sorted. A topic is one block of memory: box, partitions, replicas, configs and texts behind each
 *          other; so is the set of settings of one thing.
 * OWNER    Reference counts, which any core may change: this is one of the few files with atomics. The
 *          last one out frees.
 * LIMITS   A change costs a copy of the pointers (80 KB for 10,000 topics), not of the topics.
 */
#include "broker/image.h"

#include "base/mem.h"
#include "broker/image_edit.h"

#include <stdatomic.h>

struct topic_box {
    atomic_uint references;
    struct image_topic topic;
    _Alignas(16) uint8_t data[]; /* all it points to */
};

struct resource_box {
    atomic_uint references;
    struct image_resource resource;
    _Alignas(16) uint8_t data[];
};

struct image {
    atomic_uint references;
    int64_t version;
    struct bytes cluster_id;
    int32_t controller_id;
    struct image_broker *brokers;
    int32_t broker_count;
    struct topic_box **by_name, **by_id;
    int32_t topic_count, topic_room;
    struct resource_box **resources;
    int32_t resource_count, resource_room;
    bool failed; /* an edit that ran out of memory */
};

struct image_edit {
    struct image *image;
};

/* Where the next part of a box goes; with at == NULL it only counts. */
struct packer {
    uint8_t *at;
    size_t used;
};

static void *pack(struct packer *p, const void *from, size_t len)
{
    void *to = p->at == NULL ? NULL : p->at + p->used;

    if (to != NULL && len > 0) {
        memcpy(to, from, len);
    }
    p->used = (p->used + len + 15) & ~(size_t)15;
    return to;
}

static struct bytes pack_bytes(struct packer *p, struct bytes b)
{
    return b.at == NULL ? BYTES_NULL : (struct bytes){pack(p, b.at, b.len), b.len};
}

static const struct image_config *pack_configs(struct packer *p, const struct image_config *from,
                                               int32_t count)
{
    struct image_config *to = pack(p, from, (size_t)count * sizeof(*from));

    for (int32_t i = 0; i < count; i++) {
        struct bytes key = pack_bytes(p, from[i].key);
        struct bytes value = pack_bytes(p, from[i].value);
        if (to != NULL) {
            to[i] = (struct image_config){key, value};
        }
    }
    return to;
}

static void pack_topic(struct packer *p, const struct image_topic *from, struct image_topic *to)
{
    size_t partitions_bytes = (size_t)from->partition_count * sizeof(*from->partitions);
    struct image_partition *partitions = pack(p, from->partitions, partitions_bytes);

    *to = *from;
    to->name = pack_bytes(p, from->name);
    to->partitions = partitions;
    for (int32_t i = 0; i < from->partition_count; i++) {
        const struct image_partition *f = &from->partitions[i];
        const int32_t *replicas =
            pack(p, f->replicas, (size_t)f->replica_count * sizeof(*f->replicas));
        if (partitions != NULL) {
            partitions[i].replicas = replicas;
        }
    }
    to->configs = pack_configs(p, from->configs, from->config_count);
}

static struct topic_box *box_new(const struct image_topic *topic)
{
    struct packer count = {0};
    struct image_topic unused;

    pack_topic(&count, topic, &unused);
    struct topic_box *box = mem_alloc(sizeof(*box) + count.used);
    if (box == NULL) {
        return NULL;
    }
    struct packer fill = {.at = box->data};
    pack_topic(&fill, topic, &box->topic);
    ASSERT(fill.used == count.used);
    atomic_init(&box->references, 1);
    return box;
}

static void box_unref(struct topic_box *box)
{
    if (atomic_fetch_sub(&box->references, 1) == 1) {
        mem_free(box);
    }
}

static void pack_resource(struct packer *p, const struct image_resource *from,
                          struct image_resource *to)
{
    *to = *from;
    to->name = pack_bytes(p, from->name);
    to->configs = pack_configs(p, from->configs, from->config_count);
}

static struct resource_box *resource_box_new(const struct image_resource *resource)
{
    struct packer count = {0};
    struct image_resource unused;

    pack_resource(&count, resource, &unused);
    struct resource_box *box = mem_alloc(sizeof(*box) + count.used);
    if (box == NULL) {
        return NULL;
    }
    struct packer fill = {.at = box->data};
    pack_resource(&fill, resource, &box->resource);
    ASSERT(fill.used == count.used);
    atomic_init(&box->references, 1);
    return box;
}

static void resource_box_unref(struct resource_box *box)
{
    if (atomic_fetch_sub(&box->references, 1) == 1) {
        mem_free(box);
    }
}

const struct image *image_ref(const struct image *i)
{
    struct image *own = (struct image *)(uintptr_t)i;

    atomic_fetch_add(&own->references, 1);
    return i;
}

static void brokers_free(struct image *i)
{
    for (int32_t at = 0; at < i->broker_count; at++) {
        mem_free((void *)(uintptr_t)i->brokers[at].host.at);
        mem_free((void *)(uintptr_t)i->brokers[at].rack.at);
    }
    mem_free(i->brokers);
}

void image_unref(const struct image *i)
{
    struct image *own = (struct image *)(uintptr_t)i;

    if (own == NULL || atomic_fetch_sub(&own->references, 1) > 1) {
        return;
    }
    for (int32_t at = 0; at < own->topic_count; at++) {
        box_unref(own->by_name[at]);
    }
    for (int32_t at = 0; at < own->resource_count; at++) {
        resource_box_unref(own->resources[at]);
    }
    brokers_free(own);
    mem_free(own->resources);
    mem_free(own->by_name);
    mem_free(own->by_id);
    mem_free((void *)(uintptr_t)own->cluster_id.at);
    mem_free(own);
}

int64_t image_version(const struct image *i)
{
    return i->version;
}

struct bytes image_cluster_id(const struct image *i)
{
    return i->cluster_id;
}

int32_t image_controller_id(const struct image *i)
{
    return i->controller_id;
}

int32_t image_broker_count(const struct image *i)
{
    return i->broker_count;
}

const struct image_broker *image_broker_at(const struct image *i, int32_t at)
{
    ASSERT(at >= 0 && at < i->broker_count);
    return &i->brokers[at];
}

const struct image_broker *image_broker_find(const struct image *i, int32_t id)
{
    for (int32_t at = 0; at < i->broker_count; at++) {
        if (i->brokers[at].id == id) {
            return &i->brokers[at];
        }
    }
    return NULL;
}

int32_t image_topic_count(const struct image *i)
{
    return i->topic_count;
}

const struct image_topic *image_topic_at(const struct image *i, int32_t at)
{
    ASSERT(at >= 0 && at < i->topic_count);
    return &i->by_name[at]->topic;
}

int32_t image_topic_lower_bound(const struct image *i, struct bytes name)
{
    int32_t low = 0, high = i->topic_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (bytes_compare(i->by_name[middle]->topic.name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int32_t id_lower_bound(const struct image *i, struct uuid id)
{
    int32_t low = 0, high = i->topic_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (uuid_compare(i->by_id[middle]->topic.id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct image_topic *image_topic_by_name(const struct image *i, struct bytes name)
{
    int32_t at = image_topic_lower_bound(i, name);

    return at < i->topic_count && bytes_equal(i->by_name[at]->topic.name, name)
               ? &i->by_name[at]->topic
               : NULL;
}

const struct image_topic *image_topic_by_id(const struct image *i, struct uuid id)
{
    int32_t at = id_lower_bound(i, id);

    return at < i->topic_count && uuid_equal(i->by_id[at]->topic.id, id) ? &i->by_id[at]->topic
                                                                         : NULL;
}

int32_t image_resource_count(const struct image *i)
{
    return i->resource_count;
}

const struct image_resource *image_resource_at(const struct image *i, int32_t at)
{
    ASSERT(at >= 0 && at < i->resource_count);
    return &i->resources[at]->resource;
}

static int resource_compare(const struct image_resource *r, int8_t type, struct bytes name)
{
    return r->type != type ? r->type - type : bytes_compare(r->name, name);
}

static int32_t resource_lower_bound(const struct image *i, int8_t type, struct bytes name)
{
    int32_t low = 0, high = i->resource_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (resource_compare(&i->resources[middle]->resource, type, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct image_resource *image_resource_find(const struct image *i, int8_t type,
                                                 struct bytes name)
{
    int32_t at = resource_lower_bound(i, type, name);

    return at < i->resource_count && resource_compare(&i->resources[at]->resource, type, name) == 0
               ? &i->resources[at]->resource
               : NULL;
}

const struct image_config *image_group_configs(const struct image *i, struct bytes group,
                                               int32_t *count)
{
    const struct image_resource *r = image_resource_find(i, RESOURCE_GROUP, group);

    *count = r == NULL ? 0 : r->config_count;
    return r == NULL ? NULL : r->configs;
}

static bool copy_bytes(struct bytes from, struct bytes *to)
{
    *to = BYTES_NULL;
    if (from.at == NULL) {
        return true;
    }
    uint8_t *at = mem_alloc(from.len + 1);
    if (at == NULL) {
        return false;
    }
    memcpy(at, from.at, from.len);
    *to = (struct bytes){at, from.len};
    return true;
}

/* Room for one topic more in both arrays. */
static bool make_room(struct image *i)
{
    if (i->topic_count < i->topic_room) {
        return true;
    }
    int32_t room = i->topic_room < 8 ? 8 : i->topic_room * 2;
    size_t bytes = (size_t)room * sizeof(*i->by_name);
    struct topic_box **by_name = mem_realloc(i->by_name, bytes);
    if (by_name == NULL) {
        return false;
    }
    i->by_name = by_name;
    struct topic_box **by_id = mem_realloc(i->by_id, bytes);
    if (by_id == NULL) {
        return false;
    }
    i->by_id = by_id;
    i->topic_room = room;
    return true;
}

static bool copy_topics(struct image *to, const struct image *from)
{
    size_t bytes = (size_t)from->topic_count * sizeof(*from->by_name);

    if (from->topic_count == 0) {
        return true;
    }
    to->by_name = mem_alloc(bytes);
    to->by_id = mem_alloc(bytes);
    if (to->by_name == NULL || to->by_id == NULL) {
        return false;
    }
    memcpy(to->by_name, from->by_name, bytes);
    memcpy(to->by_id, from->by_id, bytes);
    to->topic_count = to->topic_room = from->topic_count;
    for (int32_t at = 0; at < to->topic_count; at++) {
        atomic_fetch_add(&to->by_name[at]->references, 1);
    }
    return true;
}

static bool copy_resources(struct image *to, const struct image *from)
{
    size_t bytes = (size_t)from->resource_count * sizeof(struct resource_box *);

    if (from->resource_count == 0) {
        return true;
    }
    to->resources = mem_alloc(bytes);
    if (to->resources == NULL) {
        return false;
    }
    memcpy(to->resources, from->resources, bytes);
    to->resource_count = to->resource_room = from->resource_count;
    for (int32_t at = 0; at < to->resource_count; at++) {
        atomic_fetch_add(&to->resources[at]->references, 1);
    }
    return true;
}

enum err image_edit_new(const struct image *base, struct image_edit **out)
{
    struct image_edit *e = mem_zalloc(1, sizeof(*e));

    if (e == NULL || (e->image = mem_zalloc(1, sizeof(*e->image))) == NULL) {
        mem_free(e);
        return fail(ERR_NOMEM, "no memory for a metadata image");
    }
    atomic_init(&e->image->references, 1);
    e->image->controller_id = -1;
    if (base != NULL) {
        e->image->failed = !copy_topics(e->image, base) || !copy_resources(e->image, base);
        image_edit_cluster(e, base->cluster_id, base->controller_id);
        for (int32_t at = 0; at < base->broker_count; at++) {
            image_edit_broker_put(e, &base->brokers[at]);
        }
    }
    *out = e;
    return OK;
}

void image_edit_free(struct image_edit *e)
{
    if (e != NULL) {
        image_unref(e->image);
        mem_free(e);
    }
}

static void insert(struct topic_box **array, int32_t count, int32_t at, struct topic_box *box)
{
    memmove(array + at + 1, array + at, (size_t)(count - at) * sizeof(*array));
    array[at] = box;
}

static void take_out(struct topic_box **array, int32_t count, int32_t at)
{
    memmove(array + at, array + at + 1, (size_t)(count - at - 1) * sizeof(*array));
}

void image_edit_topic_put(struct image_edit *e, const struct image_topic *topic)
{
    struct image *i = e->image;
    struct topic_box *box = box_new(topic); /* first: `topic` may lie in the one it replaces */

    image_edit_topic_remove(e, topic->id);
    if (i->failed || box == NULL || !make_room(i)) {
        i->failed = true;
        mem_free(box);
        return;
    }
    insert(i->by_name, i->topic_count, image_topic_lower_bound(i, box->topic.name), box);
    insert(i->by_id, i->topic_count, id_lower_bound(i, box->topic.id), box);
    i->topic_count++;
}

void image_edit_topic_remove(struct image_edit *e, struct uuid id)
{
    struct image *i = e->image;
    const struct image_topic *topic = image_topic_by_id(i, id);

    if (topic == NULL) {
        return;
    }
    struct topic_box *box = i->by_id[id_lower_bound(i, id)];
    take_out(i->by_name, i->topic_count, image_topic_lower_bound(i, topic->name));
    take_out(i->by_id, i->topic_count, id_lower_bound(i, id));
    i->topic_count--;
    box_unref(box);
}

const struct image_topic *image_edit_topic(const struct image_edit *e, struct uuid id)
{
    return image_topic_by_id(e->image, id);
}

const struct image_topic *image_edit_topic_named(const struct image_edit *e, struct bytes name)
{
    return image_topic_by_name(e->image, name);
}

static bool make_resource_room(struct image *i)
{
    if (i->resource_count < i->resource_room) {
        return true;
    }
    int32_t room = i->resource_room < 8 ? 8 : i->resource_room * 2;
    struct resource_box **resources =
        mem_realloc(i->resources, (size_t)room * sizeof(struct resource_box *));
    if (resources == NULL) {
        return false;
    }
    i->resources = resources;
    i->resource_room = room;
    return true;
}

static void resource_insert(struct image *i, struct resource_box *box)
{
    int32_t at = resource_lower_bound(i, box->resource.type, box->resource.name);

    memmove(i->resources + at + 1, i->resources + at,
            (size_t)(i->resource_count - at) * sizeof(struct resource_box *));
    i->resources[at] = box;
    i->resource_count++;
}

void image_edit_resource_put(struct image_edit *e, const struct image_resource *resource)
{
    struct image *i = e->image;
    struct resource_box *box = resource_box_new(resource); /* first: as with topics */
    int32_t at = resource_lower_bound(i, resource->type, resource->name);

    if (image_resource_find(i, resource->type, resource->name) != NULL) {
        struct resource_box *old = i->resources[at];
        i->resource_count--;
        memmove(i->resources + at, i->resources + at + 1,
                (size_t)(i->resource_count - at) * sizeof(struct resource_box *));
        resource_box_unref(old);
    }
    if (i->failed || box == NULL || !make_resource_room(i)) {
        i->failed = true;
        mem_free(box);
    } else if (box->resource.config_count == 0) {
        mem_free(box);
    } else {
        resource_insert(i, box);
    }
}

const struct image *image_edit_image(const struct image_edit *e)
{
    return e->image;
}

void image_edit_broker_put(struct image_edit *e, const struct image_broker *broker)
{
    struct image *i = e->image;
    struct image_broker copy = *broker;
    int32_t at = 0;

    bool copied = copy_bytes(broker->host, &copy.host);
    copied = copy_bytes(broker->rack, &copy.rack) && copied;
    while (at < i->broker_count && i->brokers[at].id != broker->id) {
        at++;
    }
    if (at == i->broker_count) {
        struct image_broker *brokers = mem_realloc(i->brokers, (size_t)(at + 1) * sizeof(*brokers));
        copied = copied && brokers != NULL;
        i->brokers = brokers == NULL ? i->brokers : brokers;
    } else {
        mem_free((void *)(uintptr_t)i->brokers[at].host.at);
        mem_free((void *)(uintptr_t)i->brokers[at].rack.at);
        i->brokers[at].host = i->brokers[at].rack = BYTES_NULL;
    }
    if (!copied) {
        mem_free((void *)(uintptr_t)copy.host.at);
        mem_free((void *)(uintptr_t)copy.rack.at);
        i->failed = true;
        return;
    }
    i->brokers[at] = copy;
    i->broker_count = MAX(i->broker_count, at + 1);
}

void image_edit_cluster(struct image_edit *e, struct bytes cluster_id, int32_t controller_id)
{
    struct bytes copy;

    if (!copy_bytes(cluster_id, &copy)) {
        e->image->failed = true;
        return;
    }
    mem_free((void *)(uintptr_t)e->image->cluster_id.at);
    e->image->cluster_id = copy;
    e->image->controller_id = controller_id;
}

enum err image_edit_finish(struct image_edit *e, int64_t version, const struct image **out)
{
    struct image *i = e->image;

    mem_free(e);
    if (i->failed) {
        image_unref(i);
        return fail(ERR_NOMEM, "no memory for a metadata image");
    }
    i->version = version;
    *out = i;
    return OK;
}
