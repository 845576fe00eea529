/* tools/record_text.h: what a record on disk means, for a dump: of users, of transactions, of ourselves. */
#pragma once

#include "base/arena.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

struct record_text {
    struct bytes type;       /* "record", "COMMIT", "TopicRecord", "segment header" ... */
    struct bytes key, value; /* printable; null: none */
};

/* Is this path one of a log of metadata (its records are messages then)? */
bool record_text_is_metadata(struct bytes path);
/* ERR_NOMEM. What cannot be understood is shown as bytes. */
enum err record_text(struct arena *arena, const struct batch_header *h, const struct record *r,
                     bool metadata, struct record_text *out);
/* A batch of ours that clients never see. ERR_NOMEM. */
enum err record_text_internal(struct arena *arena, struct bytes batch, struct record_text *out);
/* UTF-8 stays, control characters and other bytes become \xHH. Null stays null. ERR_NOMEM. */
enum err record_text_escape(struct arena *arena, struct bytes b, struct bytes *out);
