/* A fixed amount of work, no work at all, and the plainest loop that times either. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <time.h>

/* About 20 microseconds: each step of the generator waits for the one before. */
#define STEPS 20000

static uint32_t state = 1;

void work(void) {
    uint32_t next = state;
    for (int step = 0; step < STEPS; step++)
        next = next * 1664525u + 1013904223u;
    state = next;
}

void nothing(void) {
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void time_calls(void (*call)(void), int64_t *samples_ns, int count) {
    for (int index = 0; index < count; index++) {
        int64_t start_ns = now_ns();
        call();
        samples_ns[index] = now_ns() - start_ns;
    }
}
