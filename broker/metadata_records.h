/* broker/metadata_records.h: metadata records: written, read, and applied to an image.
 *
 * A writer collects the records of one change and applies each to the image edit at once, so that what is
 * logged and what it means cannot differ; replay goes through the same door. Errors are sticky: look at
 * metadata_writer_error() when done. Core 0 only. For broker/metadata.c and tests.
 */
#pragma once

#include "base/arena.h"
#include "broker/config.h"
#include "broker/image_edit.h"

struct metadata_applier; /* metadata_records.c's own */

struct metadata_writer {
    struct arena arena; /* of this change */
    const struct config *config;
    struct metadata_applier *applier;
    int64_t next_producer_id;
    int32_t record_count;
    enum err err;
};

/* `base` NULL: from nothing. */
enum err metadata_writer_begin(struct metadata_writer *w, const struct config *config,
                               const struct image *base);
void metadata_writer_drop(struct metadata_writer *w); /* also after finish; twice is fine */
enum err metadata_writer_error(const struct metadata_writer *w);
int32_t metadata_writer_record_count(const struct metadata_writer *w);
struct image_edit *metadata_writer_edit(struct metadata_writer *w);

void metadata_write_topic(struct metadata_writer *w, struct uuid id, struct bytes name);
void metadata_write_partition(struct metadata_writer *w, struct uuid topic_id, int32_t partition,
                              const struct image_partition *p);
/* A setting of a topic, broker or group; value null takes it away. */
void metadata_write_config(struct metadata_writer *w, enum image_resource_type type,
                           struct bytes name, const struct image_config *config);
void metadata_write_remove_topic(struct metadata_writer *w, struct uuid id);
void metadata_write_producer_ids(struct metadata_writer *w, int32_t broker_id,
                                 int64_t next_producer_id);

/* The batch (valid until drop) and the image after it, whose version is base_offset + records. */
enum err metadata_writer_finish(struct metadata_writer *w, int64_t now_ms, int64_t base_offset,
                                struct bytes *batch, const struct image **image);

/* Applies a batch from the log. ERR_CORRUPT: not metadata, or it does not fit what came before. */
enum err metadata_writer_replay(struct metadata_writer *w, struct bytes batch);
enum err metadata_writer_replayed(struct metadata_writer *w, int64_t version,
                                  const struct image **image);
int64_t metadata_writer_next_producer_id(const struct metadata_writer *w);
