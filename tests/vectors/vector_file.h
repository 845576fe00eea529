/* tests/vectors/vector_file.h: a file of lines, plain or packed with zstd. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* The whole text, in the arena. ERR_NOT_FOUND, ERR_IO, ERR_NOMEM, ERR_CORRUPT (not a zstd stream). */
enum err vector_file_read(struct arena *a, const char *path, struct bytes *out);

/* Cuts the first line off `text`, without its end; false: there is none left. */
bool vector_file_line(struct bytes *text, struct bytes *out);
