
void edgefashion_run(const uint8_t *picture, float *logits)
{
    network((const uint8_t (*)[EDGEFASHION_HEIGHT][EDGEFASHION_WIDTH])picture, (float (*)[EDGEFASHION_CLASSES])logits);
}
