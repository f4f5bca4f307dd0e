/* Pictures of the test set, one a class, and what @RUNTIME@ answered to them with @SOURCE@. */
#ifndef EDGEFASHION_GOLDEN_H
#define EDGEFASHION_GOLDEN_H

#include "model.h"

#define GOLDEN_PICTURES @COUNT@
/* The most that a logit may differ: 0 where all sums are of integers, otherwise what another order of sums does. */
#define GOLDEN_TOLERANCE @TOLERANCE@

static const uint8_t golden_pictures[GOLDEN_PICTURES][EDGEFASHION_PIXELS] = {
@PICTURES@
};

static const float golden_logits[GOLDEN_PICTURES][EDGEFASHION_CLASSES] = {
@LOGITS@
};

#endif
