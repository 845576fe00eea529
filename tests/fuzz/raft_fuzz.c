/* tests/fuzz/raft_fuzz.c: one replica among peers that say anything.
 *
 * WHY      Messages come from the network. No history of them may trip an assertion, harm what is committed, or send
 *          what is not true yet.
 * FORMAT   The bytes are choices: of a start, then of one input after another (tests/raft/single_chaos.c).
 * LIMITS   Those of a life in chaos.
 */
#include "tests/raft/single_chaos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct single s;

    (void)single_chaos(&s, (struct bytes){data, size}, true);
    return 0;
}
