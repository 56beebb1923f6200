/* The C interface of deltarule: everything that the binding (src/deltarule/_fast.pyx) calls.
 *
 * Conventions. Matrices are row-major; weights are (n_in, n_out). Sizes and offsets are size_t, in
 * elements. Argument order: dtype, sizes, const inputs, outputs. Gradients are overwritten, not
 * accumulated. Outputs may not overlap inputs. NaN propagates; n = 0 is legal. Arguments have been
 * checked by the caller: functions are void, or return a dr_status when they allocate. */
#ifndef DELTARULE_H
#define DELTARULE_H

#include <stddef.h>
#include <stdint.h>
#include "sparse.h"

typedef enum { DR_F32 = 0, DR_F64 = 1, DR_N_DTYPES = 2 } dr_dtype;

/* What the numbers of an input may be; the first two as in dr_dtype. */
typedef enum { DR_FLOAT32, DR_FLOAT64, DR_UINT8, DR_N_ELEMENTS } dr_element;

/* A matrix of the caller's. The elements of a row follow each other; from a row to the next it is
 * `stride` bytes, which may be negative or 0. */
typedef struct {
    dr_element element;
    const void *data;
    ptrdiff_t stride;
} dr_input;

typedef enum {
    DR_IDENTITY,
    DR_RELU,
    DR_LEAKY_RELU,
    DR_ELU,
    DR_SELU,
    DR_CELU,
    DR_GELU,
    DR_GELU_TANH,
    DR_SILU,
    DR_MISH,
    DR_SOFTPLUS,
    DR_SOFTSIGN,
    DR_SIGMOID,
    DR_HARD_SIGMOID,
    DR_HARD_SWISH,
    DR_TANH,
    DR_EXP,
    DR_SOFTMAX,
    DR_LOG_SOFTMAX,
    DR_N_ACTIVATIONS
} dr_activation;

/* Elementary functions that no activation shows by itself: log1p for x in [0, 1], expm1 for x <= 0. */
typedef enum { DR_LOG, DR_LOG1P, DR_EXPM1, DR_ERF, DR_N_FUNCTIONS } dr_function;

typedef enum {
    DR_MSE,
    DR_MAE,
    DR_HUBER,
    DR_LOG_COSH,
    DR_QUANTILE,
    DR_POISSON,
    DR_GAUSSIAN_NLL,
    DR_BINARY_CROSS_ENTROPY,
    DR_BINARY_FOCAL,
    DR_HINGE,
    DR_CROSS_ENTROPY,
    DR_KL_DIVERGENCE,
    DR_FOCAL,
    DR_CATEGORICAL_HINGE,
    DR_COSINE,
    DR_N_LOSSES
} dr_loss;

/* A loss with the numbers that it is made with: those of its class in src/deltarule/losses/. */
#define DR_LOSS_PARAMETERS 99
typedef struct {
    dr_loss kind;
    double value_over, slope_over; /* of what is a sum over the outputs; 0: over their number */
    size_t n_parameters;
    double parameters[DR_LOSS_PARAMETERS];
} dr_loss_spec;

typedef enum { DR_DROPOUT, DR_ALPHA_DROPOUT, DR_GAUSSIAN_NOISE, DR_N_NOISES } dr_noise;

/* An average of weights beside them, if on: of those after updates whose number is a multiple of `every`, or
 * with every = 0 at the end of runs that say so (dr_data). share: of new weights, where 0 is the same for all;
 * the first ones are copied. */
typedef struct {
    int on;
    uint64_t every;
    double share;
} dr_averaging;

/* What weights are held to after each update. */
typedef enum { DR_MAX_NORM, DR_NON_NEGATIVE, DR_N_CONSTRAINTS } dr_constraint;

/* Of a parameter: rows x cols, or with rows = 0 a vector. */
typedef struct {
    size_t rows, cols;
} dr_shape;

/* Of weights, as part of the loss: l1 sum |w| + l2 sum w^2. */
typedef struct { double l1, l2; } dr_penalty;

/* How a sample counts as a hit for the metric "accuracy". */
typedef enum { DR_HIT_NONE, DR_HIT_ARGMAX, DR_HIT_THRESHOLD } dr_hit;

typedef enum { DR_OK = 0, DR_NO_MEMORY, DR_ABORTED, DR_WRONG_TEAM, DR_INDEFINITE } dr_status;

/* What random numbers are drawn for: part of the key, so that no two uses share a stream. */
typedef enum {
    DR_PURPOSE_WEIGHT,
    DR_PURPOSE_BIAS,
    DR_PURPOSE_SHUFFLE,
    DR_PURPOSE_NOISE, DR_PURPOSE_SPLIT,
    DR_N_PURPOSES
} dr_purpose;

/* A stream of random numbers. */
typedef struct {
    uint64_t seed, step;
    uint32_t layer;              /* 24 bits */
    dr_purpose purpose;
} dr_stream;

#include "optimizer.h"
#include "system.h"

/* -- single operations (ops/) ----------------------------------------------------------------- */
int dr_activation_needs_input(dr_activation act); /* its slope reads x, not y alone */
void dr_elementary(dr_dtype dt, dr_function function, size_t n, const void *x, void *y); /* for tests */
dr_status dr_activation_forward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                size_t n_out, const void *x, void *y);
dr_status dr_activation_backward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                 size_t n_out, const void *x, const void *y, const void *dy,
                                 void *dx);
/* y = act(x w + b); b may be NULL */
dr_status dr_dense_forward(dr_dtype dt, dr_activation act, double alpha, size_t n, size_t n_in,
                           size_t n_out, const void *x, const void *w, const void *b, void *y);
/* z = x w + b is read where the activation needs its input, and may be NULL elsewhere */
dr_status dr_dense_backward(dr_dtype dt, dr_activation act, double alpha, size_t n, size_t n_in,
                            size_t n_out, const void *x, const void *w, const void *z,
                            const void *y, const void *dy, void *dx, void *dw, void *db);
/* y (n, widths[n_layers]) = dense layers on x (n, widths[0]), one after the other, the weights row-major where
 * they lie: the same bits without a copy of them, for few rows. n_layers >= 1, no width is 0 */
dr_status dr_dense_rows(dr_dtype dt, size_t n, size_t n_layers, const size_t *widths, const void *x,
                        const void *const *w, const void *const *b, const dr_activation *activations,
                        void *y);
/* y = x where x > 0, else slope x; shared: one slope for all columns, else n_out of them */
dr_status dr_prelu_forward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                           const void *slope, void *y);
dr_status dr_prelu_backward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                            const void *slope, const void *dy, void *dx, void *dslope);
/* Whether a loss takes targets of this kind: labels, or numbers. */
int dr_loss_takes(dr_loss loss, int labels);
/* Rows and columns normalised. w and b (n_out) may be NULL: ones, zeros; mean and var (n_out) are written.
 * Gradients come from x alone, statistics and all. */
dr_status dr_batch_norm_forward(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                const void *w, const void *b, void *y, void *mean, void *var);
dr_status dr_batch_norm_inference(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                  const void *mean, const void *var, const void *w, const void *b,
                                  void *y);
dr_status dr_batch_norm_backward(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                 const void *w, const void *dy, void *dx, void *dw, void *db);
/* Running mean and variance, in place, after a batch of n rows with this mean and variance. */
dr_status dr_batch_norm_running(dr_dtype dt, double momentum, size_t n, size_t n_out,
                                const void *mean, const void *var, void *running_mean,
                                void *running_var);
/* centred: layer_norm; not: rms_norm, which has no b (NULL) and no db (NULL) */
dr_status dr_layer_norm_forward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                const void *x, const void *w, const void *b, void *y);
dr_status dr_layer_norm_backward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                 const void *x, const void *w, const void *dy, void *dx, void *dw,
                                 void *db);
/* Targets are either labels (n) or dense (n, n_out), the other NULL. weight (n) may be NULL.
 * dy may be NULL; *value is the weighted mean, 0 when the weights sum to 0. */
dr_status dr_loss_backward(dr_dtype dt, const dr_loss_spec *loss, size_t n, size_t n_out,
                           const void *y, const int64_t *labels, const void *dense,
                           const void *weight, double *value, void *dy);
/* Rows first .. first + n - 1 of a batch. amount: the chance that an element is dropped, in [0, 1), or
 * the standard deviation; the purpose of the stream is set here. */
dr_status dr_noise_forward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                           size_t first, size_t n, size_t n_out, const void *x, void *y);
dr_status dr_noise_backward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                            size_t first, size_t n, size_t n_out, const void *dy, void *dx);
/* The average of n weights, in place: average += share (w - average), share in [0, 1] */
void dr_average_step(dr_dtype dt, double share, size_t n, const void *w, void *average);
/* What weights (n_in, n_out) cost; and its gradient at n of them added to g */
dr_status dr_penalty_forward(dr_dtype dt, dr_penalty penalty, size_t n_in, size_t n_out, const void *w,
                             double *value);
void dr_penalty_backward(dr_dtype dt, dr_penalty penalty, size_t n, const void *w, void *g);
/* w (n_in, n_out) in place; limit: of the norm of each column */
dr_status dr_constrain(dr_dtype dt, dr_constraint constraint, double limit, size_t n_in, size_t n_out,
                       void *w);
/* a (n, n) symmetric, of which the upper triangle is read: r upper triangular (n, n) with r^T r = a, and x
 * (n) with a x = b (n); r, or both b and x, may be NULL. DR_INDEFINITE: a is not positive definite */
dr_status dr_cholesky(dr_dtype dt, size_t n, const void *a, const void *b, void *r, void *x);

/* -- random numbers (ops/random.c) ------------------------------------------------------------ */
void dr_random_bits(dr_stream s, size_t n, uint32_t *out);
void dr_random_uniform(dr_stream s, size_t n, double *out);
void dr_random_normal(dr_stream s, size_t n, double *out);
void dr_random_permutation(dr_stream s, size_t n, int64_t *out);

/* q (rows, cols): orthonormal columns, cols <= rows, from normal numbers v (cols, rows), overwritten. */
dr_status dr_orthogonal(size_t rows, size_t cols, double *v, double *q);

/* -- a compiled network (network/) ------------------------------------------------------------ */
typedef struct dr_plan dr_plan;
typedef struct dr_run dr_run;

/* What a node computes: network/nodes/. */
typedef enum {
    DR_NODE_DENSE,
    DR_NODE_ACTIVATION,
    DR_NODE_ADD,
    DR_NODE_CONCAT,
    DR_NODE_NOISE,
    DR_NODE_CUSTOM,
    DR_NODE_BATCH_NORM,
    DR_NODE_LAYER_NORM,
    DR_NODE_RMS_NORM,
    DR_NODE_PRELU,
    DR_N_NODES
} dr_node_kind;

/* A node: reads the buffers `sources`, writes the buffer `target`. */
typedef struct {
    dr_node_kind kind;
    size_t n_sources, target;
    const size_t *sources;
    dr_activation activation;    /* identity for kinds that have none */
    double alpha;
    double eps, momentum;        /* of the normalisations */
    int weight, bias;            /* whether it has them, where its kind does */
    int trainable;               /* 0: its parameters stay as they are */
    double learning_rate_factor; /* of its parameters */
    dr_noise noise;              /* of kind noise, with its amount */
    double amount;
    size_t n_parameters;         /* of DR_NODE_CUSTOM, whose function learns them: see below */
    const dr_shape *parameters;
    int shared;                  /* prelu: one slope for all columns */
    dr_penalty penalty;          /* of its weights, while it is trainable */
    int constrained;             /* its weights are, after each update, to: */
    dr_constraint constraint;
    double limit;
} dr_node_spec;

/* What a node of DR_NODE_CUSTOM is to compute: all rows of a batch at once, forward or backward; or, as
 * if it were one node more, the loss of a graph with custom_loss. */
typedef struct {
    size_t node, rows;
    int backward, training;
    double total;                /* of the weights of the batch that these rows are a piece of; 0: they are all */
    void *cursor;                /* where the core stands */
} dr_custom_call;

/* Called on the thread that calls dr_plan_run, with its context, while the others wait. Non-zero
 * abandons the batch under way without a trace (DR_ABORTED). Parameters: dr_plan_get. */
typedef int (*dr_custom)(void *context, const dr_custom_call *call);
/* All plain row-major. What the node computes with: its input, or backward the error at its output;
 * what that gives: its output, or the error at its input; and the gradient of a parameter. */
void dr_custom_get(const dr_custom_call *call, void *out);
void dr_custom_set(const dr_custom_call *call, const void *in);
void dr_custom_set_gradient(const dr_custom_call *call, size_t index, const void *in);
/* Of a loss, whose input is the last buffer: targets of the batch (labels or rows) and weights, unless
 * there are none; then the loss of each row, whether it is a hit, and the error at the last buffer, which
 * may be NULL where that has none. */
void dr_custom_get_targets(const dr_custom_call *call, void *targets, void *weights);
void dr_custom_set_loss(const dr_custom_call *call, const void *loss, const void *hit, const void *error);

typedef struct {
    dr_dtype dtype;
    size_t n_buffers, n_nodes;
    const size_t *widths;        /* n_buffers: features of each; 0 is the input, the last the output */
    const dr_node_spec *nodes;   /* n_nodes, in topological order */
    dr_loss_spec loss;
    int logits;                  /* the loss is taken before the activation of the last node */
    dr_optimizer optimizer;
    dr_averaging averaging;
    dr_hit hit;
    uint64_t seed;               /* of what is random in the nodes */
    int by_batch, custom_loss;   /* as in _graph.py; `custom` computes it and `loss` says nothing */
    dr_custom custom;            /* NULL where there is nothing for it */
} dr_graph;

dr_status dr_plan_create(const dr_graph *graph, dr_plan **plan);
void dr_plan_destroy(dr_plan *plan);
/* Parameters in plain row-major order. slot 0: values, 1..: optimizer state, then the average, if any. index:
 * which of the node's, in the order of its kind */
void dr_plan_get(const dr_plan *plan, size_t node, size_t index, int slot, void *out);
void dr_plan_set(dr_plan *plan, size_t node, size_t index, int slot, const void *in);
void dr_plan_set_fused(dr_plan *plan, int fused);    /* same bits either way; tests say so */
uint64_t dr_plan_step(const dr_plan *plan);
void dr_plan_set_step(dr_plan *plan, uint64_t step);
/* Weights that the average is made of; 0: there is none yet. And a plan with the same nodes gets the average
 * as its values. */
uint64_t dr_plan_averaged(const dr_plan *plan);
void dr_plan_set_averaged(dr_plan *plan, uint64_t averaged);
void dr_plan_take_average(dr_plan *plan, const dr_plan *from);

/* What training has cost since the ledger was restarted (ledger.h): whole steps, the rows of their
 * batches, the most threads that took part, seconds in dr_plan_run, and what they were spent on. */
typedef enum {
    DR_PRODUCTS,                 /* of matrices; sums of bias gradients */
    DR_ACTIVATIONS,              /* and the loss, both ways */
    DR_UPDATES,                  /* by the optimizer, the transposed weights included */
    DR_DATA,                     /* gathering rows */
    DR_WAITING,                  /* for other threads */
    DR_OUTSIDE,                  /* in what the core calls, dr_custom */
    DR_N_COSTS
} dr_cost;

typedef struct {
    uint64_t steps, rows;
    int threads;
    double seconds, spent[DR_N_COSTS];
} dr_performance;

void dr_plan_restart_ledger(dr_plan *plan);
dr_performance dr_plan_performance(const dr_plan *plan);

typedef enum { DR_TRAIN, DR_EVALUATE, DR_PREDICT, DR_GRADIENT, DR_LINEARIZE, DR_N_MODES } dr_mode;

typedef struct {
    size_t n;                    /* rows */
    dr_input x;                  /* (n, widths[0]); of a sparse one the entries, side by side */
    dr_sparse sparse;
    const int64_t *labels;       /* (n), or NULL */
    const void *dense;           /* (n, n_out), or NULL */
    const void *weight;          /* (n), or NULL */
    void *y;                     /* (n, n_out) or NULL: outputs; but for DR_PREDICT, what the loss takes */
    const int64_t *order;        /* DR_TRAIN: the rows in another order, or NULL */
    const double *rates;         /* DR_TRAIN: of the updates to come, n_batches; NULL: the optimizer's */
    int averages;                /* DR_TRAIN: its end is one of those of dr_averaging */
    size_t piece;                /* DR_TRAIN, DR_GRADIENT: rows of a batch that are computed together; 0: all */
} dr_data;

/* Where a run stands: a batch boundary. */
typedef struct {
    size_t batch;                        /* batches done */
    double loss_sum, weight_sum, hit_sum; /* over them, weighted */
    size_t finite;                       /* the first so many had a finite loss_sum */
} dr_position;

/* Everything is allocated here; dr_plan_run allocates nothing. The arrays behind `data` and `plan`
 * must outlive the run. shuffle: NULL for rows in their order. */
dr_status dr_run_open(dr_plan *plan, dr_mode mode, const dr_data *data, size_t batch_size,
                      const dr_stream *shuffle, dr_run **run);
void dr_run_close(dr_run *run);
/* The same, but the plan, which must be there still, may keep the memory for its next run. */
void dr_run_leave(dr_run *run);
/* poll: called about every 20 ms by the calling thread once a call lasts longer than 50 ms;
 * non-zero abandons the batch under way without a trace (DR_ABORTED). With a finite budget a call is over, too,
 * when a batch is the first whose loss is not finite. */
typedef int (*dr_poll)(void *context);
dr_status dr_plan_run(dr_run *run, double budget_seconds, dr_poll poll, void *context);
int dr_run_finished(const dr_run *run);
size_t dr_run_n_batches(const dr_run *run);
dr_position dr_run_position(const dr_run *run);
void dr_run_set_position(dr_run *run, dr_position position);
/* Of the first batch whose loss was not finite: the first buffer with such numbers; n_buffers: the loss itself,
 * or what weights cost. */
size_t dr_run_lost_in(const dr_run *run);
/* After a DR_GRADIENT run: the gradient of one parameter, plain row-major. */
void dr_run_gradient(const dr_run *run, size_t node, size_t index, void *out);
/* Whether DR_LINEARIZE may be run (network/linearize.c), so many numbers being learnt: these are what they
 * say, one parameter after the other in the order of the nodes. */
int dr_plan_linearizes(const dr_plan *plan, size_t numbers);
/* After a DR_LINEARIZE run: the gradient of the loss and the diagonal of A, the second derivatives that it
 * has where outputs are linear in the parameters; and x with (A + D) x = right, D having the diagonal
 * `added`, where poll is as in dr_plan_run. */
void dr_run_linear(const dr_run *run, double *gradient, double *diagonal);
dr_status dr_run_solve(dr_run *run, const double *added, const double *right, dr_poll poll,
                       void *context, double *x);

#endif
