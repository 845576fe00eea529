/* base/crc32c.h: CRC-32C (Castagnoli, RFC 3720 appendix B.4), as Kafka's record batches use it.
 *
 * Continue a checksum by passing the last result: crc32c(crc32c(0, a), b) is that of a followed by b.
 * The processor's own instruction (three interleaved streams) when there is one, tables otherwise; same
 * results. Any thread.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

uint32_t crc32c(uint32_t crc, struct bytes data);
/* memcpy and checksum in one pass, so that the bytes are read once. */
uint32_t crc32c_copy(uint32_t crc, void *to, struct bytes from);

/* The two ways, for tests. crc32c_fast must not be called where crc32c_has_fast() is false. */
bool crc32c_has_fast(void);
uint32_t crc32c_fast(uint32_t crc, struct bytes data);
uint32_t crc32c_portable(uint32_t crc, struct bytes data);
