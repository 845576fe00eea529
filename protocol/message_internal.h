/* protocol/message_internal.h: what the reader, the writer and the JSON form of messages share. */
#pragma once

#include "protocol/message.h"

static inline bool field_is_in(const struct field_info *f, int16_t version)
{
    return version >= f->first && version <= f->last;
}

static inline bool field_may_be_null(const struct field_info *f, int16_t version)
{
    return version >= f->null_first && version <= f->null_last;
}

/* Of one value in the C struct: of an array, one element. */
size_t field_element_bytes(const struct field_info *f);

/* The fewest bytes that one element of an array takes on the wire; at least 1. */
size_t field_element_wire_min(const struct field_info *f);

/* Is the value at `at` what the schema gives the field when nothing is said? `at` points to the field's place
 * in a struct s. */
bool field_is_normal(const struct struct_info *s, const struct field_info *f, const void *at);
