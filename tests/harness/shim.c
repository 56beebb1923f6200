/* Preloaded, counts the allocations of a process, and makes one of them fail. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_ullong count, failing;
static atomic_size_t least;

/* Counts from 0 again, those of at least so many bytes, and the n-th of them fails. */
void shim_fail(unsigned long long n, size_t bytes) {
    atomic_store(&failing, 0);
    atomic_store(&count, 0);
    atomic_store(&least, bytes);
    atomic_store(&failing, n);
}

/* None fails any more. How many there were. */
unsigned long long shim_end(void) {
    atomic_store(&failing, 0);
    return atomic_load(&count);
}

static int fails(size_t bytes) {
    if (bytes < atomic_load_explicit(&least, memory_order_relaxed)) return 0;
    if (atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1 != atomic_load(&failing)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) { return fails(n) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails(n) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t to, size_t n) { return fails(n) ? NULL : __libc_memalign(to, n); }
void *aligned_alloc(size_t to, size_t n) { return memalign(to, n); }
int posix_memalign(void **p, size_t to, size_t n) {
    *p = memalign(to, n);
    return *p ? 0 : ENOMEM;
}
