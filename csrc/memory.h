/* The only allocator of the core: zeroed, aligned to 64 bytes, counted. */
#ifndef DR_MEMORY_H
#define DR_MEMORY_H

#include <stddef.h>

#define DR_ALIGNMENT 64

/* NULL when count * size overflows or memory is short. Zero bytes give a valid pointer. */
void *dr_alloc(size_t count, size_t size);
void dr_free(void *p);

/* Cuts one allocation into aligned pieces. Called once with base = NULL to learn the size, and once
 * more with the allocation. */
typedef struct {
    char *base;
    size_t used;
    int overflow;
} dr_arena;

/* NULL while base is NULL. */
void *dr_arena_take(dr_arena *arena, size_t count, size_t size);

#endif
