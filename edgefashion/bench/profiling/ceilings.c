/* The most that one core can do: multiply-adds, 8-bit dot products, copies.
 *
 * usage: ceilings SECONDS BYTES...
 *
 * Prints one line: float32 operations a second, 8-bit operations a second, and for each BYTES the bytes a second
 * of a copy that reads and writes as many. Zero stands for what this processor has no instruction for, or no
 * memory. Each figure is the best of many short windows: whatever else the machine does can only make one slower.
 */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#if defined(__AVX512VNNI__)
#include <immintrin.h>
typedef __m512i bytes_t;
#define DOT(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#elif defined(__AVXVNNI__)
#include <immintrin.h>
typedef __m256i bytes_t;
#define DOT(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
typedef int32x4_t bytes_t;
#define DOT(sum, a, b) vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b))
#endif

/* More chains than a core's pipes times their latency, and few enough that all stay in registers. */
#define CHAINS 12
#define INNER 2000
/* Shorter than the turn that a scheduler gives a process: some windows are whole even on a busy core. */
#define WINDOW_S 0.001
#define CHUNK_BYTES ((size_t)4 << 20)

typedef float floats_t __attribute__((vector_size(VECTOR_BYTES)));

/* The compiler must take it that `value` is read and changed here. */
#define TOUCH(value) __asm__ volatile("" : "+m"(value) : : "memory")

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double float_work(void) {
    floats_t sums[CHAINS], factor, term;
    for (size_t lane = 0; lane < VECTOR_BYTES / sizeof(float); lane++) {
        factor[lane] = 0.5f;
        term[lane] = 1.0f;
        for (int chain = 0; chain < CHAINS; chain++) sums[chain][lane] = (float)chain;
    }
    TOUCH(factor);
    TOUCH(term);
    for (int step = 0; step < INNER; step++)
#pragma GCC unroll 12
        for (int chain = 0; chain < CHAINS; chain++) sums[chain] = sums[chain] * factor + term;
    TOUCH(sums);
    return 2.0 * INNER * CHAINS * VECTOR_BYTES / sizeof(float);
}

static double int8_work(void) {
#ifdef DOT
    bytes_t sums[CHAINS], left, right;
    memset(sums, 0, sizeof sums);
    memset(&left, 1, sizeof left);
    memset(&right, 2, sizeof right);
    TOUCH(left);
    TOUCH(right);
    for (int step = 0; step < INNER; step++)
#pragma GCC unroll 12
        for (int chain = 0; chain < CHAINS; chain++) sums[chain] = DOT(sums[chain], left, right);
    TOUCH(sums);
    return 2.0 * INNER * CHAINS * sizeof(bytes_t);
#else
    return 0;
#endif
}

static char *from, *to;
static size_t length, position;

/* One piece of the copy, so that a long one spreads over many windows. */
static double copy_work(void) {
    size_t piece = length - position < CHUNK_BYTES ? length - position : CHUNK_BYTES;
    memcpy(to + position, from + position, piece);
    TOUCH(*to);
    position = (position + piece) % length;
    return 2.0 * (double)piece;
}

/* Work a second in the best window; a window is as many rounds as fill it, at least one. */
static double best_rate(double (*work)(void), double seconds) {
    double best = 0, end = now_s() + seconds;
    while (now_s() < end) {
        double done = 0, begun = now_s(), spent = 0;
        do {
            done += work();
            spent = now_s() - begun;
        } while (spent < WINDOW_S);
        if (done / spent > best) best = done / spent;
    }
    return best;
}

static double best_copy(size_t bytes, double seconds) {
    length = bytes / 2;
    position = 0;
    from = malloc(length);
    to = malloc(length);
    if (!from || !to) return 0;
    memset(from, 1, length);
    memset(to, 2, length);
    double best = best_rate(copy_work, seconds);
    free(from);
    free(to);
    return best;
}

int main(int count, char **words) {
    if (count < 2) return 2;
    double seconds = atof(words[1]);
    printf("%.6e %.6e", best_rate(float_work, seconds), best_rate(int8_work, seconds));
    for (int word = 2; word < count; word++) printf(" %.6e", best_copy((size_t)atoll(words[word]), seconds));
    printf("\n");
    return 0;
}
