#ifdef __linux__
#define _DEFAULT_SOURCE /* madvise */
#include <sys/mman.h>
#endif
#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deltarule.h"

/* A large network walks through more pages than the processor keeps addresses of: with large pages a
 * step of 1024-2048-2048-1000 takes 4 % less. */
#define HUGE_PAGE ((size_t)1 << 21)

static atomic_ullong asked, alive;
static atomic_ullong first_to_fail, to_fail;

uint64_t dr_allocations(void) { return atomic_load(&asked); }
uint64_t dr_allocations_alive(void) { return atomic_load(&alive); }

void dr_allocations_fail(uint64_t after, uint32_t count) {
    atomic_store(&first_to_fail, atomic_load(&asked) + after);
    atomic_store(&to_fail, count);
}

void *dr_alloc(size_t count, size_t size) {
    if (count > (SIZE_MAX - HUGE_PAGE) / size) return NULL;
    if (atomic_fetch_add(&asked, 1) - atomic_load(&first_to_fail) < atomic_load(&to_fail)) return NULL;
    const size_t alignment = count * size < 2 * HUGE_PAGE ? DR_ALIGNMENT : HUGE_PAGE;
    const size_t bytes = (count * size + alignment) / alignment * alignment;
    void *p = aligned_alloc(alignment, bytes);
    if (!p) return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE);
#endif
    atomic_fetch_add(&alive, 1);
    return memset(p, 0, bytes);
}

void dr_free(void *p) {
    if (p) atomic_fetch_sub(&alive, 1);
    free(p);
}

void *dr_arena_take(dr_arena *arena, size_t count, size_t size) {
    const size_t room = SIZE_MAX - DR_ALIGNMENT - arena->used;
    if (arena->overflow || count > room / size) {
        arena->overflow = 1;
        return NULL;
    }
    char *piece = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * size + DR_ALIGNMENT - 1) / DR_ALIGNMENT * DR_ALIGNMENT;
    return piece;
}

void *dr_arena_open(dr_arena *arena) {
    *arena = (dr_arena){arena->overflow ? NULL : dr_alloc(arena->used, 1), 0, 0};
    return arena->base;
}
