#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deltarule.h"

static atomic_ullong allocations;

uint64_t dr_allocations(void) { return atomic_load(&allocations); }

void *dr_alloc(size_t count, size_t size) {
    if (size && count > (SIZE_MAX - DR_ALIGNMENT) / size) return NULL;
    size_t bytes = (count * size + DR_ALIGNMENT) / DR_ALIGNMENT * DR_ALIGNMENT;
    void *p = aligned_alloc(DR_ALIGNMENT, bytes);
    if (!p) return NULL;
    atomic_fetch_add(&allocations, 1);
    return memset(p, 0, bytes);
}

void dr_free(void *p) { free(p); }

void *dr_arena_take(dr_arena *arena, size_t count, size_t size) {
    size_t room = SIZE_MAX - DR_ALIGNMENT - arena->used;
    if (arena->overflow || (size && count > room / size)) {
        arena->overflow = 1;
        return NULL;
    }
    char *piece = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * size + DR_ALIGNMENT - 1) / DR_ALIGNMENT * DR_ALIGNMENT;
    return piece;
}
