/* tests/vectors/batch_check.h: our reading of record batches against what Kafka's own classes say of them.
 *
 * A file has one JSON object per line, packed with zstd or plain. kind "good": `hex` holds batches, `batches`
 * what Kafka reads out of them. kind "validate": `hex` is what a client sends for a partition, `code` Kafka's
 * answer, `kept` what its log then holds, `before` what was appended before it.
 */
#pragma once

#include "base/bytes.h"

struct batch_check_result {
    int passed, failed;
};

/* Checks every line; says on standard error which line fails and why. ERR_IO: no such file. */
enum err batch_check_file(const char *path, struct batch_check_result *out);
