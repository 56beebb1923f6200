/* Sparse matrices, from outside and from inside. */
#ifndef DR_SPARSE_H
#define DR_SPARSE_H

#include <stdint.h>

/* Where the entries of a caller's lie: those of row i are [starts[i], starts[i + 1]), their columns ascending.
 * What another thread writes to `columns` meanwhile leads nowhere. */
typedef struct {
    const int64_t *starts;       /* (rows + 1); NULL: the matrix is not sparse */
    const void *columns;         /* int64_t where wide, else int32_t */
    int wide;
} dr_sparse;

/* Entries that kernels read: those of row r are [starts[r], starts[r + 1]) - starts[0], `at` their columns,
 * ascending and checked. */
typedef struct {
    const int64_t *starts, *at;
    const void *values;
} dr_entries;

#endif
