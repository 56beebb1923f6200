/* Operations on panel matrices, shared by the single-operation entry points and the network: what
 * both call is the same code, so both give the same bits. m rows begin at row `row`. */
#ifndef DR_OPS_H
#define DR_OPS_H

#include "kernels/kernels.h"
#include "ledger.h"
#include "memory.h"
#include "panels.h"

int dr_activation_is_rowwise(dr_activation act);

/* tick: called between tiles with the multiply-adds done since the last call; non-zero: stop early. */
typedef struct dr_watch dr_watch;
struct dr_watch {
    int (*tick)(dr_watch *watch, double multiply_adds);
    dr_ledger ledger;
};

/* c = act(bias + a b). inner: columns of a = rows of b. */
void dr_dense_product(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner,
                      dr_matrix a, dr_matrix b, const void *bias, dr_activation act, double alpha,
                      dr_matrix c, dr_watch *watch);
/* c = a b, or c += a b; and what is c then goes back through the relu that has given y, unless that is NULL. */
void dr_dense_error(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner, dr_matrix a,
                    dr_matrix b, int adds, const dr_matrix *y, dr_matrix c, dr_watch *watch);

/* c = act(bias + a b) for sparse rows [row, row + m) of a, with the bits that dr_dense_product gives. */
void dr_dense_sparse_product(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner,
                             const dr_entries *a, dr_matrix b, const void *bias, dr_activation act,
                             double alpha, dr_matrix c, dr_watch *watch);

/* A tile of weights, panel p_in x panel p_out: where its gradient goes (dr_panel rows of the width of
 * p_out), and what is wanted after it (see kernels.h). */
typedef struct {
    void *gradient;
    const void *ahead[DR_AHEAD];
} dr_tile;

/* Gradients over m rows of `count` tiles, of p_in x p_out, p_in x p_out + 1, ...: together, so that x
 * is read once for all of them. adding: to what is there already, so that rows
 * may come in pieces; here and below. */
void dr_dense_weight_gradient(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, size_t p_in,
                              dr_matrix dy, size_t p_out, size_t count, int adding,
                              const dr_tile *tiles);
/* The same from the columns of a sparse x, whose rows are those of the batch, none of them before. */
void dr_dense_sparse_gradient(dr_dtype dt, const dr_kernels *k, size_t m, const dr_entries *columns,
                              size_t n_in, size_t p_in, dr_matrix dy, size_t p_out, size_t count,
                              const dr_tile *tiles);
void dr_dense_bias_gradient(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix dy, size_t p_out,
                            int adding, void *g);

/* The weights w of panel p_in x panel p_out into their transpose, the shadow. */
void dr_dense_transpose(dr_dtype dt, const dr_kernels *k, dr_matrix w, size_t p_in, size_t p_out,
                        dr_matrix shadow);

/* batch_norm. By tiles, over all m rows of a batch: mean, variance and scale of panel p. */
void dr_batch_norm_statistics(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                              dr_matrix x, size_t p);
/* By rows. Where a has no scale, mean and variance are given ones. */
void dr_batch_norm_apply(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m, size_t row,
                         dr_matrix x, dr_matrix y);
/* By tiles, over all rows: the gradients of panel p of w and b, to dw and db, a row of the panel each; and
 * slope and level. Nothing that follows reads w, so that it may change. */
void dr_batch_norm_gradient(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                            dr_matrix x, dr_matrix dy, size_t p, void *dw, void *db);
/* By rows; adding: to what is in dx. */
void dr_batch_norm_errors(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m, size_t row,
                          dr_matrix x, dr_matrix dy, int adding, dr_matrix dx);
/* By tiles: panel p of the running mean and variance of n columns follows that of a, of m rows. */
void dr_batch_norm_track(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                         double momentum, size_t n, size_t p, void *mean, void *var);

/* layer_norm and rms_norm by rows are the kernels themselves. By tiles, over all m rows of a batch: the
 * gradients of panel p of w and b, to dw and db, a row of the panel each; db may be NULL. */
void dr_layer_norm_gradient(dr_dtype dt, const dr_kernels *k, const dr_layer_norm *a, size_t m,
                            dr_matrix x, dr_matrix dy, size_t p, int adding, void *dw, void *db);

/* A panel matrix and a vector, padded, out of an arena. */
dr_matrix dr_take_matrix(dr_arena *arena, dr_dtype dt, size_t rows, size_t cols);
void *dr_take_vector(dr_arena *arena, dr_dtype dt, size_t n);
/* w: minus the upper triangle of a symmetric matrix of n rows, and beside it, in any columns behind the nth,
 * minus right-hand sides. In their place come r with r^T r = a, and r^-T times these. poll, which may be
 * NULL, is asked about every 20 ms, as in dr_plan_run. After DR_INDEFINITE and DR_ABORTED w holds nothing. */
dr_status dr_cholesky_factor(dr_dtype dt, const dr_kernels *k, size_t n, dr_matrix w, dr_poll poll,
                             void *context);

/* Row-major matrices into and out of panels. */
void dr_to_panels(const dr_kernels *k, size_t rows, const void *x, dr_matrix m);
void dr_from_panels(const dr_kernels *k, size_t rows, dr_matrix m, void *x);

/* Arrays as networks have them, matrices in panels, vectors padded: in and out of an area of
 * dr_array_size; and the squares of their elements, summed chunk by chunk, and chunks together. */
#define DR_CHUNK 4096 /* elements: see docs/numerics.md */
static inline size_t dr_chunks(size_t size) { return (size + DR_CHUNK - 1) / DR_CHUNK; }
void dr_array_in(const dr_kernels *k, dr_shape shape, const void *plain, void *area);
void dr_array_out(const dr_kernels *k, dr_shape shape, const void *area, void *plain);
double dr_chunk_squares(const dr_kernels *k, size_t size, const void *area, size_t chunk);
double dr_chunk_sum(size_t chunks, const double *squares);

/* What the kernels noise_forward and noise_backward need; once a step. */
dr_noise_args dr_noise_prepare(dr_noise kind, double amount, dr_stream stream, size_t first);

/* Gradients of prelu's slopes over m rows: of panel p's columns; and of the only one, by way of those
 * of all columns. */
void dr_prelu_slope_panel(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, dr_matrix dy,
                          size_t p, int adding, void *slopes);
void dr_prelu_shared_slope(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, dr_matrix dy,
                           int adding, void *columns, void *slope);

/* average += share (w - average), share in [0, 1]; n: a multiple of a unit. */
void dr_average_units(const dr_kernels *k, size_t n, double share, const void *w, void *average);

/* What each tile of the weights w costs, panels of rows first; and all tiles together. */
void dr_penalty_parts(dr_dtype dt, const dr_kernels *k, dr_penalty penalty, size_t rows, dr_matrix w,
                      double *parts);
double dr_penalty_sum(size_t tiles, const double *parts);

/* What the norm of a gradient is multiplied by, and n elements of it, to clip it. */
double dr_clip_factor(double limit, double squares);
void dr_clip_apply(const dr_kernels *k, dr_clip clip, double factor, size_t n, void *g);

/* Panel p of the columns of w. */
void dr_constrain_panel(dr_dtype dt, const dr_kernels *k, dr_constraint constraint, double limit,
                        size_t rows, dr_matrix w, size_t p);

/* The constants of step number `step`, which counts from 1, with that learning rate. *k: those of an
 * earlier step, or zeros. */
void dr_optimizer_prepare(const dr_optimizer *optimizer, double rate, uint64_t step, dr_constants *k);
/* Of a layered rule: what the learning rate of an array is multiplied by, from the squares of its elements
 * and of those of its direction. */
double dr_optimizer_ratio(double weights, double direction);

/* sum w_r v_r of a batch in the one order (16 strided partials, halves onto halves); w NULL: ones */
double dr_weighted_sum(dr_dtype dt, size_t m, const void *values, const void *weight,
                       const int64_t *rows, size_t first);

#endif
