/* Runs the golden pictures and compares: 0 if this machine computes what the model was proven to compute, else 1. */
#include <math.h>
#include <stdio.h>

#include "golden.h"

static int class_of(const float *logits)
{
    int best = 0;
    for (int index = 1; index < EDGEFASHION_CLASSES; ++index) {
        if (logits[index] > logits[best]) {
            best = index;
        }
    }
    return best;
}

static int is_right(int picture)
{
    const float *expected = golden_logits[picture];
    float logits[EDGEFASHION_CLASSES];
    int right = 1;

    edgefashion_run(golden_pictures[picture], logits);
    for (int index = 0; index < EDGEFASHION_CLASSES; ++index) {
        /* Not ">": what is no number must not pass. */
        if (!(fabsf(logits[index] - expected[index]) <= GOLDEN_TOLERANCE)) {
            printf("picture %d, class %d: %.9g, expected %.9g\n", picture, index, (double)logits[index],
                   (double)expected[index]);
            right = 0;
        }
    }
    return right && class_of(logits) == class_of(expected);
}

int main(void)
{
    int right = 0;
    for (int picture = 0; picture < GOLDEN_PICTURES; ++picture) {
        right += is_right(picture);
    }
    printf("%d of %d golden pictures are answered as they must be\n", right, GOLDEN_PICTURES);
    return right == GOLDEN_PICTURES ? 0 : 1;
}
