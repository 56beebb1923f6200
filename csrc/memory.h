/* The only allocator of the core: zeroed, aligned to 64 bytes, counted. */
#ifndef DR_MEMORY_H
#define DR_MEMORY_H

#include <stddef.h>

#define DR_ALIGNMENT 64

/* size > 0. NULL when count * size overflows or memory is short. Zero bytes give a valid pointer. */
void *dr_alloc(size_t count, size_t size);
void dr_free(void *p);

/* Cuts one allocation into aligned pieces. All are taken twice, in the same order: first to learn the size, then,
 * behind dr_arena_open, in earnest. */
typedef struct {
    char *base;
    size_t used;
    int overflow;
} dr_arena;

/* NULL while base is NULL. */
void *dr_arena_take(dr_arena *arena, size_t count, size_t size);
/* The allocation, which is base from here on; NULL when the size overflows or memory is short. */
void *dr_arena_open(dr_arena *arena);

#endif
