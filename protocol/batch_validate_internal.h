/* protocol/batch_validate_internal.h: what the two files of the validation share: batch_validate.c looks at the
 * batch, batch_validate_records.c at what is inside.
 */
#pragma once

#include "protocol/batch_validate.h"

/* One validation on its way. */
struct batch_check {
    const struct batch_submission *in;
    struct batch_verdict *out;
    struct batch_header header;
    struct bytes batch;
    int32_t index;         /* of the record looked at */
    int32_t wrong_records; /* also those that are not listed */
    bool wrong_time;       /* at least one of them for its time */
    int64_t max_timestamp;
    bool nomem;
};

/* Decides; false, so that a check can end with it. */
bool batch_refuse(struct batch_check *c, enum kafka_error error, struct bytes message);
/* A batch of `size` bytes is too large for the topic. */
bool batch_refuse_size(struct batch_check *c, size_t size);
/* There is no memory for a verdict. */
bool batch_give_up(struct batch_check *c);

/* Every record is looked at; on true out->batch is what to append. */
bool batch_check_records(struct batch_check *c);
