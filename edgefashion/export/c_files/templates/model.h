/* @NAME@: @PRECISION@, @PARAMETERS@ parameters. Takes one grey picture of @HEIGHT@ × @WIDTH@ pixels, tells @CLASSES@ classes apart. */
#ifndef EDGEFASHION_MODEL_H
#define EDGEFASHION_MODEL_H

#include <stdint.h>

#define EDGEFASHION_HEIGHT @HEIGHT@
#define EDGEFASHION_WIDTH @WIDTH@
#define EDGEFASHION_PIXELS (EDGEFASHION_HEIGHT * EDGEFASHION_WIDTH)
#define EDGEFASHION_CLASSES @CLASSES@
#define EDGEFASHION_LABELS { @LABELS@ }

#ifdef __cplusplus
extern "C" {
#endif

/* The logits of one picture; the class is where the largest stands.
 *
 * picture: EDGEFASHION_PIXELS grey values, row by row from the top left; 0 is the background. Normalization is inside.
 * logits:  EDGEFASHION_CLASSES values are written.
 *
 * Keeps nothing between calls and takes no heap: it may be called from several threads. Its tensors lie on the stack. */
void edgefashion_run(const uint8_t *picture, float *logits);

#ifdef __cplusplus
}
#endif

#endif
