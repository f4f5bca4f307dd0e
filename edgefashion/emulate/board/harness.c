/* Firmware for the emulated board: reads pictures from the host, runs the model, writes back what it found.
 *
 * Start-up, semihosting (Arm's "Semihosting for AArch32 and AArch64") and SysTick, so that nothing else is linked. */
#include <stdint.h>

#include "model.h"

#define SYS_OPEN 0x01u
#define SYS_WRITE 0x05u
#define SYS_READ 0x06u
#define SYS_EXIT 0x18u
#define READ_BINARY 1u
#define WRITE_BINARY 5u
#define APPLICATION_EXIT 0x20026u
#define RUN_TIME_ERROR 0x20023u

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define ICSR (*(volatile uint32_t *)0xE000ED04u)
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define FULL_FPU_ACCESS (0xFu << 20)
#define SYSTICK_PENDING (1u << 26)
#define SYSTICK_RANGE (1u << 24)
#define PROCESSOR_CLOCK_INTERRUPT_ON 7u

#define PAINT 0x5AC0FFEEu

extern uint32_t data_source[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];

/* What is written for each picture. */
struct answer {
    uint32_t ticks_low, ticks_high;
    float logits[EDGEFASHION_CLASSES];
};

static uint8_t picture[EDGEFASHION_PIXELS];
static struct answer answer;
static volatile uint32_t wraps;

static uint32_t host(uint32_t operation, const void *argument)
{
    register uint32_t result __asm__("r0") = operation;
    register const void *given __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(result) : "r"(given) : "memory");
    return result;
}

static void leave(uint32_t reason)
{
    host(SYS_EXIT, (const void *)(uintptr_t)reason);
    for (;;) {
    }
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t block[3] = { (uint32_t)(uintptr_t)name, mode, length };
    const uint32_t file = host(SYS_OPEN, block);
    if (file == UINT32_MAX) {
        leave(RUN_TIME_ERROR);
    }
    return file;
}

/* How many bytes were not read, or not written. */
static uint32_t transfer(uint32_t operation, uint32_t file, const void *place, uint32_t length)
{
    const uint32_t block[3] = { file, (uint32_t)(uintptr_t)place, length };
    return host(operation, block);
}

static void write_back(uint32_t file, const void *place, uint32_t length)
{
    if (transfer(SYS_WRITE, file, place, length) != 0) {
        leave(RUN_TIME_ERROR);
    }
}

/* Ticks since SysTick was started; it counts down, and wraps after 2^24. */
static uint64_t now(void)
{
    uint32_t value, wrapped;
    __asm__ volatile("cpsid i" ::: "memory");
    value = SYSTICK_VALUE;
    wrapped = wraps;
    if (ICSR & SYSTICK_PENDING) {
        value = SYSTICK_VALUE;
        ++wrapped;
    }
    __asm__ volatile("cpsie i" ::: "memory");
    return (uint64_t)wrapped * SYSTICK_RANGE + (SYSTICK_RANGE - 1u - value);
}

/* Bytes of stack that one run takes: everything below is painted before, and looked at afterwards. */
__attribute__((noinline)) static uint32_t measure_stack(void)
{
    uint32_t *top, *place;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (place = bss_end; place < top; ++place) {
        *(volatile uint32_t *)place = PAINT;
    }
    edgefashion_run(picture, answer.logits);
    for (place = bss_end; place < top && *(volatile uint32_t *)place == PAINT; ++place) {
    }
    if (place == bss_end) {
        leave(RUN_TIME_ERROR);
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)place);
}

static int read_picture(uint32_t file)
{
    return transfer(SYS_READ, file, picture, sizeof picture) == 0;
}

static void run_all(void)
{
    const uint32_t pictures = open_file("pictures.bin", 12, READ_BINARY);
    const uint32_t answers = open_file("answers.bin", 11, WRITE_BINARY);
    uint32_t stack_bytes;

    if (!read_picture(pictures)) {
        leave(RUN_TIME_ERROR);
    }
    stack_bytes = measure_stack();
    write_back(answers, &stack_bytes, sizeof stack_bytes);

    SYSTICK_RELOAD = SYSTICK_RANGE - 1u;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = PROCESSOR_CLOCK_INTERRUPT_ON;
    while (SYSTICK_VALUE == 0) { /* until the first tick loads it */
    }
    do {
        const uint64_t begin = now();
        uint64_t ticks;
        edgefashion_run(picture, answer.logits);
        ticks = now() - begin;
        answer.ticks_low = (uint32_t)ticks;
        answer.ticks_high = (uint32_t)(ticks >> 32);
        write_back(answers, &answer, sizeof answer);
    } while (read_picture(pictures));
}

void reset(void);
void reset(void)
{
    uint32_t *from = data_source, *to;
    CPACR |= FULL_FPU_ACCESS;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (to = data_begin; to < data_end; ++to) {
        *to = *from++;
    }
    for (to = bss_begin; to < bss_end; ++to) {
        *to = 0;
    }
    run_all();
    leave(APPLICATION_EXIT);
}

static void fault(void)
{
    leave(RUN_TIME_ERROR);
}

static void count_wrap(void)
{
    ++wraps;
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, count_wrap,
};
