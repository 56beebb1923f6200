/* The table of kernels: one for each ISA and dtype, all slots filled. Kernels run on one thread,
 * cannot fail and allocate nothing. Pointers are to elements of the table's dtype. */
#ifndef DR_KERNELS_H
#define DR_KERNELS_H

#include "deltarule.h"

/* Samples of a loss: row r of the panel matrix is the user's row rows[first + r], or first + r. */
typedef struct {
    const dr_loss_spec *loss;
    size_t m, n_out, stride;
    const void *y;             /* panels, at the first of the m rows of panel 0; see row_in_panel */
    size_t row;                /* where the m rows begin inside the panels */
    const int64_t *rows;
    size_t first;
    const int64_t *labels;
    const void *dense, *weight;
    double total;              /* sum of the batch's weights; 1 where that is 0 */
    dr_hit hit;
    void *dy;                  /* panels like y, or NULL */
    void *row_loss, *row_hit;  /* (m) each, unweighted; row_hit may be NULL */
} dr_loss_args;

/* A noise, as ops/noise.c prepares it. */
typedef struct {
    dr_stream stream;
    size_t first;              /* row r of the panel matrix is row first + r of the batch */
    int32_t below;             /* a number below it drops the element: y = dropped; */
    double kept, shift, dropped; /* others: y = kept x + shift; Gaussian noise: y = x + kept z */
} dr_noise_args;
/* batch_norm: vectors over the columns, padded like parameters. */
typedef struct {
    double eps;
    const void *w, *b;         /* NULL: ones, zeros */
    void *mean, *var;          /* of the batch, or the running ones */
    void *scale;               /* w / sqrt(var + eps) */
    void *slope, *level;       /* of the way back: dx = scale (dy - level - slope (x - mean)); NULL: zeros */
} dr_batch_norm;

/* layer_norm and rms_norm, on panel matrices of n columns. */
typedef struct {
    size_t n, stride;
    double eps;
    int centred;               /* layer_norm; otherwise rms_norm, whose means are 0 */
    const void *w, *b;         /* (n), padded like parameters; NULL: ones, zeros */
    void *mean, *rstd;         /* of each row, by its number in the panels: the way back reads what forward
                                  has written; both NULL: not kept */
} dr_layer_norm;

#define DR_MAX_CONSTANTS 8

/* Of an optimizer, at one step: the gradient gets `decay` w added, w is multiplied by `left`, c are the
 * constants of the rule. product: of NAdam's momenta up to step product_at, on from there at the next. */
typedef struct {
    double rate, decay, left, c[DR_MAX_CONSTANTS];
    double product;
    uint64_t product_at;
} dr_constants;

#define DR_AHEAD 3

/* What becomes of the sums of a product: nothing; their relu; or, being errors on their way back through a
 * relu that has given y, they stay where y > 0, flushed, and are 0 elsewhere. */
typedef enum { DR_PLAIN, DR_RELU_FORWARD, DR_RELU_BACKWARD } dr_finish;

typedef struct {
    dr_dtype dtype;
    /* c[m, units] = start + a[m, k] b[k, units], k ascending, by FMA. a: panels of a_width,
     * a_stride apart, beginning at a panel's edge; b, c: one panel of `units` units; start: rows
     * start_width apart (0: the same for all), may be c; y: as c */
    void (*product)(size_t m, size_t units, size_t k, const void *a, size_t a_width,
                    size_t a_stride, const void *b, const void *start, size_t start_width,
                    dr_finish finish, const void *y, void *c);
    /* the same with a transposed: a is one panel [k][a_width], its first m columns count; ahead:
     * what will be wanted soon, k lines of each are fetched on the way; any address will do */
    void (*product_t)(size_t m, size_t units, size_t k, const void *a, size_t a_width,
                      const void *b, const void *start, size_t start_width, void *c,
                      const void *const ahead[DR_AHEAD]);
    /* one row of the same: c[n] = start[n] + a[k] b[k, n], b row-major; c has room for whole vectors */
    void (*row_product)(size_t k, size_t n, const void *a, const void *b, const void *start, void *c);
    /* the same bits as product, from one start for all: rows row .. row + m - 1 of a; k < n */
    void (*sparse_product)(size_t m, size_t units, size_t n, const dr_entries *a, size_t row, const void *b,
                           const void *start, void *c);
    /* sums[units] += rows of a, ascending */
    void (*column_sum)(size_t m, size_t units, const void *a, void *sums);
    /* dst[j][i] = src[i][j] */
    void (*transpose)(size_t rows, size_t cols, const void *src, size_t src_width, void *dst,
                      size_t dst_width);
    /* rows rows[first + r] (or first + r) of x, (., n), converted, into m rows of panels */
    void (*gather[DR_N_ELEMENTS])(size_t m, size_t n, dr_input x, const int64_t *rows,
                                  size_t first, size_t row, size_t stride, void *panels);
    /* m rows of panels into row-major */
    void (*scatter)(size_t m, size_t n, const void *panels, size_t row, size_t stride, void *y);
    /* dst = src and dst += src: n columns of a panel in m rows */
    void (*copy)(size_t m, size_t n, const void *src, size_t src_width, void *dst, size_t dst_width);
    void (*add)(size_t m, size_t n, const void *src, size_t src_width, void *dst, size_t dst_width);
    /* on m rows of panels; in place allowed */
    void (*activation_forward[DR_N_ACTIVATIONS])(double alpha, size_t m, size_t n, size_t row,
                                                 size_t stride, const void *x, void *y);
    /* dx = flush(dy * act'); dx may be dy, and x anything unless dr_activation_needs_input */
    void (*activation_backward[DR_N_ACTIVATIONS])(double alpha, size_t m, size_t n, size_t row,
                                                  size_t stride, const void *x, const void *y,
                                                  const void *dy, void *dx);
    /* prelu on m rows of panels; shared: one slope, else one for each column, padded. dx = or += */
    void (*prelu_forward)(size_t m, size_t n, size_t row, size_t stride, const void *x,
                          const void *slope, int shared, void *y);
    void (*prelu_backward)(int adding, size_t m, size_t n, size_t row, size_t stride, const void *x,
                           const void *slope, int shared, const void *dy, void *dx);
    /* to what the slopes of one panel's columns have got, that from m rows, ascending */
    void (*prelu_slope)(size_t m, size_t units, const void *x, const void *dy, void *sums);
    /* on m rows of panels; in place allowed. The way back: x is the error at y, y that at x */
    /* blocks first .. first + n - 1 of a stream: words 0 and 1 of each, 2 and 3; n: a multiple of 8 */
    void (*philox)(dr_stream s, uint64_t first, size_t n, uint64_t *out0, uint64_t *out1);
    void (*noise_forward[DR_N_NOISES])(const dr_noise_args *a, size_t m, size_t n, size_t row,
                                       size_t stride, const void *x, void *y);
    void (*noise_backward[DR_N_NOISES])(const dr_noise_args *a, size_t m, size_t n, size_t row,
                                        size_t stride, const void *x, void *y);
    void (*elementary[DR_N_FUNCTIONS])(size_t n, const void *x, void *y);
    void (*loss[DR_N_LOSSES])(const dr_loss_args *args);
    /* one panel of `units` units, where the vectors of a begin, too; adding: to what is in dx */
    void (*batch_norm_moments)(size_t m, size_t units, const void *x, const dr_batch_norm *a);
    void (*batch_norm_scale)(size_t units, const dr_batch_norm *a);
    void (*batch_norm_forward)(size_t m, size_t units, const dr_batch_norm *a, const void *x, void *y);
    void (*batch_norm_gradient)(size_t m, size_t units, const dr_batch_norm *a, const void *x,
                                const void *dy, void *dw, void *db);
    void (*batch_norm_backward)(size_t m, size_t units, const dr_batch_norm *a, const void *x,
                                const void *dy, int adding, void *dx);
    void (*batch_norm_running)(size_t m, size_t units, const dr_batch_norm *a, double momentum,
                               void *mean, void *var);
    /* m rows of panels from `row` on */
    void (*layer_norm_forward)(size_t m, size_t row, const dr_layer_norm *a, const void *x, void *y);
    void (*layer_norm_backward)(size_t m, size_t row, const dr_layer_norm *a, const void *x,
                                const void *dy, int adding, void *dx);
    /* one panel, m rows from row 0 on; adds to dw and, unless NULL, db */
    void (*layer_norm_gradient)(size_t m, size_t units, const dr_layer_norm *a, const void *x,
                                const void *dy, void *dw, void *db);
    /* n: a multiple of a unit; at: the parameters, and the arrays of state that the rule has */
    void (*step[DR_N_RULES])(size_t n, const dr_constants *k, const void *g,
                             void *const at[1 + DR_MAX_STATES]);
    /* of a layered rule (ops/optimizer.c): g becomes the direction that n parameters go, their state moves */
    void (*direction)(size_t n, const dr_constants *k, void *g, void *const at[1 + DR_MAX_STATES]);
    /* on tiles of minus a matrix (cholesky.inc): a diagonal one, whether it is positive definite; one
     * beside r, the diagonal one when done; then x = r^-1 y for y in column n of panels of `cols` */
    int (*cholesky_pivot)(size_t rows, size_t units, void *w);
    void (*cholesky_row)(size_t rows, size_t units, const void *r, size_t r_width, void *w);
    void (*cholesky_back)(size_t n, size_t cols, size_t stride, const void *r, void *x);
    /* y = factor x; n: a multiple of a unit */
    void (*scale)(size_t n, double factor, const void *x, void *y);
    /* products of the numbers of m rows of x, (., n_in), and dy, (., n_out): n_in n_out doubles a row */
    void (*outer)(size_t m, size_t n_in, size_t n_out, size_t row, const void *x, size_t x_stride,
                  const void *dy, size_t dy_stride, double *out, size_t out_stride);
    /* y = flush(a + share (b - a)), n: a multiple of a unit; y may be a or b */
    void (*blend)(size_t n, double share, const void *a, const void *b, void *y);
    /* l1 sum |w| + l2 sum w^2 of n weights, whole units; adds its gradient to g unless that is NULL */
    double (*penalty)(size_t n, dr_penalty penalty, const void *w, void *g);
    /* of n numbers, whole units: the sum of their squares; and held to +-limit, in place */
    double (*squares)(size_t n, const void *g);
    void (*clamp)(size_t n, double limit, void *g);
    /* one panel of columns, in place */
    void (*constrain[DR_N_CONSTRAINTS])(size_t rows, size_t units, double limit, void *w);
    /* nothing but FMAs in registers; sink: a unit, begins with a factor < 1 and a term. Returns the
     * multiply-adds done */
    double (*peak)(size_t rounds, void *sink);
} dr_kernels;

/* Of the instruction set in force. */
const dr_kernels *dr_kernels_of(int isa, dr_dtype dt);
const dr_kernels *dr_kernels_for(dr_dtype dt); /* of the one in force */

#endif
