/* tools/segment_file.h: a file of record batches, ours or Apache Kafka's, read without a broker. */
#pragma once

#include "base/env.h"
#include "protocol/record_batch.h"

struct segment_file {
    struct env *env;
    int file;
    uint64_t size;
    struct buf window;  /* what was read last */
    uint64_t window_at; /* its position in the file */
};

/* ERR_NOT_FOUND, ERR_IO. */
enum err segment_file_open(struct env *env, const char *path, struct segment_file *out);
void segment_file_close(struct segment_file *f);

/* The batch at `position`, valid until the next call. ERR_NOT_FOUND: the file ends there. ERR_CORRUPT: a batch whose
 * checksum does not fit, and `out` is filled. ERR_AGAIN: it would go on past the end. ERR_MALFORMED: no batch. */
enum err segment_file_batch(struct segment_file *f, uint64_t position, struct batch *out);
/* Are there only zeros from here on: room that was not written yet? ERR_IO. */
enum err segment_file_is_zero(struct segment_file *f, uint64_t position, bool *out);
/* The first position >= `from` of a batch that verifies and whose offset may follow `expected`; the size of the file
 * when there is none. ERR_IO. */
enum err segment_file_resync(struct segment_file *f, uint64_t from, int64_t expected,
                             uint64_t *out);

/* The offset that a name of 20 digits says, -1: none. */
int64_t segment_file_name_offset(struct bytes path);
/* "bad checksum" for ERR_CORRUPT and so on. */
const char *segment_file_fault(enum err e);
