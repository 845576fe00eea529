/* broker/image_edit.h: making the next image out of the last one. For broker/metadata.c and tests.
 *
 * An edit begins as a copy of an image (pointers, not topics), takes puts and removals, and ends as a new
 * image, which the caller holds once. Everything given is copied. On ERR_NOMEM the edit is dead: finish it
 * to learn so, or drop it.
 */
#pragma once

#include "broker/image.h"

struct image_edit;

/* base NULL: an empty world. */
enum err image_edit_new(const struct image *base, struct image_edit **out);
void image_edit_free(struct image_edit *e);

/* Replaces the topic of the same id, or adds it. */
void image_edit_topic_put(struct image_edit *e, const struct image_topic *topic);
void image_edit_topic_remove(struct image_edit *e, struct uuid id);
/* As it stands in the edit; NULL when there is none. Valid until the next put or removal. */
const struct image_topic *image_edit_topic(const struct image_edit *e, struct uuid id);
const struct image_topic *image_edit_topic_named(const struct image_edit *e, struct bytes name);
/* Replaces the settings of the same thing, or adds them; none (config_count 0) takes them out. */
void image_edit_resource_put(struct image_edit *e, const struct image_resource *resource);
/* The image as it stands in the edit; not to be kept. */
const struct image *image_edit_image(const struct image_edit *e);
void image_edit_broker_put(struct image_edit *e, const struct image_broker *broker);
void image_edit_cluster(struct image_edit *e, struct bytes cluster_id, int32_t controller_id);

/* Frees the edit in any case. `version`: metadata offset after the last record in it. */
enum err image_edit_finish(struct image_edit *e, int64_t version, const struct image **out);
