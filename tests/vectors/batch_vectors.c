/* tests/vectors/batch_vectors.c: weir_batch_vectors FILE...: checks vector files of record batches.
 *
 * WHY      The files in the repository are a selection; whole ones are checked with this.
 * FORMAT   tests/vectors/batch_check.h. The last line is "N passed, N failed"; exit 1 if any failed.
 */
#include "tests/vectors/batch_check.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct batch_check_result all = {0}, one;

    for (int i = 1; i < argc; i++) {
        if (batch_check_file(argv[i], &one) != OK) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], err_crumb());
            return 2;
        }
        all.passed += one.passed;
        all.failed += one.failed;
    }
    printf("%d passed, %d failed\n", all.passed, all.failed);
    return all.failed > 0 || all.passed == 0;
}
