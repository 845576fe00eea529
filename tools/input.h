/* tools/input.h: lines of standard input, and the knowledge that there is none right now. */
#pragma once

#include "base/bytes.h"
#include "base/env.h"

struct input;

/* It waits in the poller given; whoever wakes that makes it ask `is_stopped`. ERR_NOMEM. */
enum err input_new(struct env *env, struct env_poller *poller, struct input **out);
void input_free(struct input *in);

/* The next line without its end, valid until the next call; the last one needs no newline. ERR_AGAIN: no whole
 * line came within wait_us (-1: wait for ever). ERR_NOT_FOUND: the end. ERR_CLOSED: told to stop. ERR_LIMIT: a
 * line of more than INPUT_LINE_BYTES_MAX. */
enum { INPUT_LINE_BYTES_MAX = 64 << 20 };
enum err input_line(struct input *in, int64_t wait_us, bool (*is_stopped)(void), struct bytes *out);
