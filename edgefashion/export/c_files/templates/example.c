/* A loop that names what it sees, for any board: fill in next_frame and report. Nothing else depends on the board. */
#include <stdio.h>

#include "golden.h"

/* Write EDGEFASHION_PIXELS grey values to `frame` and return 1, or return 0 to end the loop.
 *
 * Replace this by your camera: one garment, upright, bright on black, as large as the frame. Here it replays the golden
 * pictures, so that the example runs before there is a camera. */
static int next_frame(uint8_t *frame)
{
    static int shown = 0;
    if (shown == GOLDEN_PICTURES) {
        return 0;
    }
    for (int pixel = 0; pixel < EDGEFASHION_PIXELS; ++pixel) {
        frame[pixel] = golden_pictures[shown][pixel];
    }
    ++shown;
    return 1;
}

/* Replace this by what your board has: a serial line, a display, a pin. */
static void report(const char *label)
{
    puts(label);
}

int main(void)
{
    static const char *const labels[EDGEFASHION_CLASSES] = EDGEFASHION_LABELS;
    static uint8_t frame[EDGEFASHION_PIXELS];
    float logits[EDGEFASHION_CLASSES];

    while (next_frame(frame)) {
        int best = 0;
        edgefashion_run(frame, logits);
        for (int index = 1; index < EDGEFASHION_CLASSES; ++index) {
            if (logits[index] > logits[best]) {
                best = index;
            }
        }
        report(labels[best]);
    }
    return 0;
}
