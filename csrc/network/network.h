/* A compiled network, from the inside. plan.c owns parameters, lower.c turns the graph into phases,
 * nodes/ computes what each kind of node does in them, workspace.c holds what one run needs, run.c
 * runs, update.c changes weights, team.c chooses the threads; linearize.c has the tasks of a method of second
 * order, sparse.c those of a sparse input. */
#ifndef DR_NETWORK_H
#define DR_NETWORK_H

#include "ledger.h"
#include "memory.h"
#include "ops/ops.h"
#include "threads.h"

typedef struct dr_kind dr_kind;

/* Where a node reads. */
typedef struct {
    size_t buffer;
    int error;                  /* the gradient there is wanted: something before it learns */
    int first_writer;           /* of that gradient, in backward order: overwrites, others add */
    int relu;                   /* and it is to be taken back through the relu that has been written there */
} dr_wire;

/* A parameter of a node: a matrix of rows x cols, or with rows = 0 a vector. */
typedef struct {
    size_t rows, cols;
    size_t offset;              /* in elements, into each of the plan's parameter areas */
    size_t size;                /* elements there, padding included */
    size_t chunks;              /* of its gradient; 0 where it is not there, or no gradient changes it */
    size_t first_chunk;         /* into run->squares */
} dr_parameter;

#define DR_NODE_PARAMETERS 16

typedef struct {
    const dr_kind *kind;
    size_t n_sources, target, n_in, n_out; /* n_in: columns of the first source */
    dr_wire *sources;
    dr_activation activation;   /* what training applies: identity where the loss takes logits */
    dr_activation output;       /* what predict applies */
    int relu_is_behind;         /* who sends the error has taken it back through the activation already */
    double alpha, eps, momentum;
    double rate_factor;         /* of the learning rate */
    dr_noise noise;
    double amount;
    int has_weight, has_bias;
    int shared;                 /* as in dr_node_spec */
    int learns;                 /* it has parameters that training changes */
    int error;                  /* the gradient at its output is wanted: it learns, or something before */
    size_t n_parameters;
    dr_parameter parameters[DR_NODE_PARAMETERS];
    dr_penalty penalty;         /* of its weights; zeros where it does not learn */
    int constrained;            /* as in dr_node_spec; 0 where it does not learn */
    dr_constraint constraint;
    double limit;
    size_t first_penalty;       /* into run->penalties: one for each of its tiles, if there is a penalty */
    size_t shadow;              /* into plan->shadow: the weights transposed, for the input error */
} dr_node;

/* What a run does between two barriers. In a phase by rows each thread takes rows of the batch
 * through all tasks, a block of rows at a time; in a phase by tiles each takes tiles of parameters, or
 * panels of columns to sum over the rows, or thread 0 takes all there is. */
typedef enum {
    TASK_GATHER, TASK_FORWARD, TASK_LOSS, TASK_BACKWARD, TASK_OUTPUT,           /* by rows */
    TASK_SEED, TASK_JACOBIAN,                                                   /* of one output */
    TASK_WHOLE_FORWARD, TASK_WHOLE_LOSS, TASK_WHOLE_BACKWARD,                   /* by thread 0 */
    TASK_COLUMNS,                                                               /* of all nodes */
    TASK_STATISTICS, TASK_ERROR_SUMS, TASK_UPDATE, TASK_GRADIENT, TASK_APPLY,   /* by tiles */
    TASK_MEASURE, TASK_DIRECTION, TASK_CONSTRAIN, TASK_AVERAGE, TASK_PRODUCTS
} dr_task_kind;

typedef struct {
    dr_task_kind kind;
    size_t node;                /* or the output */
} dr_step_task;

typedef struct {
    int by_tiles;
    size_t first, end;          /* its tasks */
} dr_phase;

typedef struct {
    dr_phase *phases;
    size_t n_phases;
    size_t n_finishing;         /* of these, the last: only behind the last piece of a batch */
    dr_step_task *tasks;
} dr_program;

/* What squares are summed of. */
typedef enum { OF_GRADIENT, OF_WEIGHTS, OF_DIRECTION, N_NORMS } dr_norm;

/* Of threads: see team.c. */
typedef struct {
    double work;                /* multiply-adds of the batch that all this is about */
    int most, size;             /* threads allowed, and in use */
    int rival, up;              /* threads that these have a contest with, or 0; the next is with more */
    int blocks;                 /* done of the contest, in turn by `size` threads and by `rival` */
    double best[2];             /* rows a second of the two */
    double rivals_seconds;
    double rows, seconds;       /* done in this block of time */
    int cold;                   /* it is the first after a pause */
    double last;                /* when the last call ended */
    double spent, due;          /* seconds of training so far, and at which the next contest is due */
    double apart;               /* the next one, times what the rival has had; 0: there has been none */
} dr_team;

struct dr_plan {
    dr_dtype dtype;
    size_t n_buffers, n_nodes, n_states;
    size_t *widths;
    dr_node *nodes;
    dr_loss_spec loss;
    dr_optimizer optimizer;
    dr_averaging averaging;
    dr_hit hit;
    dr_custom custom;
    int custom_loss, by_batch;
    uint64_t seed;
    uint64_t step;              /* updates made */
    uint64_t averaged;          /* weights that are part of the average */
    int fused;
    int clips_norms, layered;   /* norms of gradients have to be known; or of weights and directions */
    size_t n_parameters;        /* elements of one parameter area, padding included */
    size_t n_shadow;            /* elements of the shadow */
    size_t n_chunks;            /* of the gradients of all parameters */
    char *values, *states[DR_MAX_STATES], *shadow;
    char *average;              /* a parameter area, NULL where there is none */
    size_t n_penalties;         /* tiles whose weights cost something */
    double multiply_adds;       /* of one sample's forward pass */
    dr_team team;               /* for training */
    _Atomic(dr_run *) spare[DR_N_MODES]; /* that earlier runs have left, or NULL */
    dr_ledger ledger;           /* of training */
    dr_wire *wires;
    void *memory;
};

/* Least squares, linearised (linearize.c). In panels of double. */
typedef struct {
    size_t cols;                /* of J: the numbers that are learnt, and one for the right-hand side */
    double *rows;               /* a batch of J, in rows */
    dr_matrix jacobian;         /* the same in panels */
    dr_matrix products, factor; /* J^T J, its upper tiles; and scratch memory for its factor */
    double *solution;
} dr_linear;

/* The entries of a batch of sparse rows (sparse.c), by rows and, where weights learn from them, by columns. */
typedef struct {
    size_t most, room;          /* of a batch: the most entries that one has, and memory for so many */
    const int64_t *starts;      /* of all rows, in the order of the run; a batch begins at its first row's */
    int64_t *own_starts;        /* where that is not the order of the rows */
    int64_t *columns;           /* of the batch from here on */
    char *values;
    int64_t *column_starts, *rows;
    char *column_values;
    void *memory;
    size_t bytes;               /* of it */
} dr_batch_entries;

struct dr_run {
    dr_plan *plan;
    dr_mode mode;
    dr_data data;
    size_t batch_size, n_batches, capacity;
    size_t piece;               /* rows of a batch that are computed together */
    int shuffled;
    size_t order_room;          /* rows */
    int outputs;                /* data.y is there */
    int64_t *shuffle;           /* what a shuffled run draws its order into */
    const int64_t *order;       /* NULL: rows as they come */
    int sparse;                 /* X is */
    dr_batch_entries entries;
    dr_program program;
    dr_matrix *values, *errors; /* one of each a buffer; a sparse input may have none */
    char **scratch;             /* one a node: what its kind has asked for, or NULL */
    char *gradients;            /* a parameter area, where gradients are materialised */
    void *row_loss, *row_hit;
    double *penalties;          /* what each tile of weights costs, before the update */
    double *squares[N_NORMS];   /* summed over each chunk, of what norms are wanted of, or NULL */
    double loss_sum, hit_sum;   /* of the batch under way, piece by piece */
    dr_linear linear;
    dr_position position;
    size_t lost_in;             /* dr_run_lost_in */
    uint64_t opened_at;         /* updates made by then */
    void *memory;
    size_t bytes;               /* of it */
    /* of the call under way */
    size_t first_batch;
    uint64_t first_step;
    const dr_kernels *kernels;
    dr_poll poll;
    void *poll_context;
    double began, deadline, next_poll;
    int lost, ends;             /* the loss has stopped being finite; and the call has a deadline */
    atomic_int aborted;         /* a poll has said stop: hurry to the next barrier */
    int leave[2];               /* thread 0's decision for this barrier and the next: all threads leave
                                   behind the same one, whatever has happened since */
    dr_barrier barrier;
};

/* One thread's view of the batch under way. */
typedef struct {
    dr_watch watch;             /* first: tick() gets back to the cursor; has the ledger */
    dr_run *run;
    int thread, team;
    size_t batch, rows;         /* the number of the batch and its rows */
    size_t before, first, m;    /* of the piece at hand: rows of the batch before it, its first row in all of the
                                   order, and its rows */
    int last;                   /* it is the last of its batch */
    double weight;              /* sum of the batch's weights */
    uint64_t step;              /* the one that this batch makes */
    double rate;                /* the learning rate of its update, */
    dr_constants constants;     /* that update's, */
    dr_constants others;        /* and those of the nodes that have `rate_factor`; 0: of none yet */
    double rate_factor;
    const void *clipped;        /* the array whose gradient `factor` clips, or the plan: all; NULL: none yet */
    double factor;
    const dr_parameter *along;  /* whose direction `ratio` is about; NULL: none yet */
    double ratio;
    double share;               /* of the weights behind it in their average; 0: none */
    double work;                /* since the last look at the clock */
    double now;                 /* at that look */
    size_t fetched, fetch_end;  /* rows of the next batch that are on their way, and are to be */
} dr_cursor;

/* A kind of node: nodes/ has one of these for each. What it does not have is NULL. */
struct dr_kind {
    /* Its parameters (dr_add_parameter), shadow and multiply_adds. */
    void (*lay_out)(dr_plan *plan, dr_node *node);
    /* Elements that a run wants for it, with room for so many rows of a batch. */
    size_t (*scratch)(const dr_plan *plan, const dr_node *node, size_t rows);
    /* Rows [row, row + m) of the batch: from its sources to its target; then from the error at its
     * target, which it may overwrite, to those at its sources that are wanted. */
    void (*forward)(dr_cursor *c, const dr_node *node, size_t row, size_t m);
    void (*backward)(dr_cursor *c, const dr_node *node, size_t row, size_t m);
    /* The tiles that its parameters are cut into; and of these [tile, tile + most) what the task is,
     * all at once or the first few. Returns how many that were. */
    size_t (*tiles)(const dr_plan *plan, const dr_node *node);
    size_t (*on_tiles)(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t tile, size_t most);
    /* Sums over the rows of the batch, panel p of columns, for a node that learns: of the source, before
     * any row goes forward; and of the error at the target, before any goes backward. Each has a barrier
     * before and after. */
    void (*statistics)(dr_cursor *c, const dr_node *node, size_t p);
    void (*error_sums)(dr_cursor *c, const dr_node *node, size_t p);
    /* Its weights are held to their constraint, panel p of columns. */
    void (*constrain)(dr_cursor *c, const dr_node *node, size_t p);
    /* What each tile of its weights costs. */
    void (*penalties)(const dr_plan *plan, const dr_node *node, double *parts);
    /* All rows of the batch at once, by thread 0 while the others wait: before any goes forward, or
     * backward. */
    void (*whole_forward)(dr_cursor *c, const dr_node *node);
    void (*whole_backward)(dr_cursor *c, const dr_node *node);
    /* Derivatives of an output by its parameters, from what has come back as error: rows of the batch as
     * above, `apart` from each other in out. Returns how many there are of a row; m = 0 only asks that. */
    size_t (*jacobian)(dr_cursor *c, const dr_node *node, size_t row, size_t m, double *out, size_t apart);
    /* After parameter `index` has been set from outside. */
    void (*refresh)(const dr_plan *plan, const dr_node *node, size_t index);
};

extern const dr_kind dr_kind_dense, dr_kind_activation, dr_kind_add, dr_kind_concat, dr_kind_noise,
    dr_kind_prelu, dr_kind_custom, dr_kind_batch_norm, dr_kind_layer_norm, dr_kind_rms_norm;

/* Whether what only training does is to be done. */
static inline int dr_training(const dr_run *run) {
    return run->mode == DR_TRAIN || run->mode == DR_GRADIENT || run->mode == DR_LINEARIZE;
}

/* Whether gradients are added to those of earlier pieces of the batch. */
static inline int dr_adding(const dr_cursor *c) { return c->before > 0; }

static inline dr_activation dr_node_activation(const dr_run *run, const dr_node *node) {
    return run->mode == DR_PREDICT ? node->output : node->activation;
}

static inline int dr_penalised(const dr_node *node) {
    return node->penalty.l1 > 0 || node->penalty.l2 > 0;
}

/* Of the node's weights, in the batch under way. */
static inline dr_penalty dr_penalty_of(const dr_cursor *c, const dr_node *node) {
    const double samples = c->run->plan->by_batch ? c->weight : 1;
    return (dr_penalty){node->penalty.l1 / samples, node->penalty.l2 / samples};
}

/* plan.c */
void dr_add_parameter(dr_plan *plan, dr_node *node, size_t rows, size_t cols, int learnt);
dr_matrix dr_parameter_matrix(const dr_plan *plan, const char *area, const dr_node *node, size_t index);

/* nodes/activation.c: the error at the node's output becomes that before its activation, in place.
 * x: what the activation has been applied to, where its slope needs that. */
void dr_activation_error(dr_cursor *c, const dr_node *node, size_t row, size_t m, dr_matrix x);

/* nodes/custom.c */
void dr_custom_loss(dr_cursor *c);

/* nodes/merge.c: the error at the node's target, columns from `from` on, goes to one of its sources. */
void dr_send_error(dr_cursor *c, const dr_node *node, size_t source, size_t from, size_t row, size_t m);

/* update.c: applies n elements of the gradient of parameter `index` to what is at `offset` of the areas, and
 * may change them; and the parameters and the optimizer's state there, where there is none NULL; and the
 * constants of its step. */
void dr_apply(dr_cursor *c, const dr_node *node, size_t index, size_t offset, size_t n, void *gradient);
void dr_parameters_at(const dr_plan *plan, size_t offset, void *at[1 + DR_MAX_STATES]);
const dr_constants *dr_constants_of(dr_cursor *c, const dr_node *node);

/* norms.c: the chunks of what a node learns; and the parameter that one of them is of, when *chunk becomes
 * its number there. */
size_t dr_node_chunks(const dr_node *node);
const dr_parameter *dr_locate_chunk(const dr_node *node, size_t *chunk);
/* Of a chunk: its gradient is measured, or clipped and made a direction. Of n elements of an array: their
 * gradient is clipped, in place. And what the learning rate of an array is multiplied by. */
void dr_measure_gradient(dr_cursor *c, const dr_node *node, size_t chunk);
void dr_make_direction(dr_cursor *c, const dr_node *node, size_t chunk);
void dr_clip_gradient(dr_cursor *c, const dr_parameter *p, size_t n, void *gradient);
double dr_rate_ratio(dr_cursor *c, const dr_parameter *p);

/* Whether a batch is computed one piece after the other. */
static inline int dr_in_pieces(const dr_run *run) { return run->piece < run->batch_size; }

/* Whether updates are made where gradients are computed. */
static inline int dr_fused(const dr_plan *plan) {
    return plan->fused && !plan->clips_norms && !plan->layered;
}

/* lower.c: `tasks` and `phases` must have room for these. */
size_t dr_program_tasks(const dr_plan *plan, dr_mode mode);
size_t dr_program_phases(const dr_plan *plan);
void dr_program_build(const dr_plan *plan, dr_mode mode, int fused, int columns, int outputs,
                      dr_program *program);

/* average.c: what the batch under way makes of the average: the share of the weights, 0 for nothing; and its
 * tiles. */
double dr_average_share(const dr_cursor *c);
size_t dr_average_tiles(const dr_plan *plan);
void dr_average_tile(dr_cursor *c, size_t tile);

/* sparse.c: memory for a run whose order is known (0: there is none left), the tasks, and what nodes read. */
int dr_sparse_open(dr_run *run);
void dr_sparse_gather(dr_cursor *c, size_t row, size_t m);
void dr_sparse_columns(dr_cursor *c, size_t panel, size_t panels);
dr_entries dr_rows_of_batch(const dr_cursor *c);
dr_entries dr_columns_of_batch(const dr_cursor *c);
/* Whether a node reads entries in place of the input; whether nodes want that as panels, and whether weights
 * want columns. */
int dr_reads_entries(const dr_run *run, const dr_node *node);
int dr_sparse_wants_panels(const dr_run *run);
int dr_sparse_wants_columns(const dr_run *run);
/* Multiply-adds of a batch on its way forward that its zeros save. */
double dr_sparse_saved(const dr_run *run);

/* sums.c: in a run that changes no weights, what they cost, which tiles tell where they are updated; what a
 * piece adds to the sums of its batch; and that to the position. */
void dr_measure_penalties(const dr_run *run);
void dr_sum_piece(dr_cursor *c);
void dr_sum_batch(dr_cursor *c);

/* linearize.c: memory, multiply-adds of a row beside its way forward, and what the tasks do. */
void dr_linear_lay_out(dr_run *run, dr_arena *arena);
double dr_linear_work(const dr_run *run);
void dr_linear_seed(dr_cursor *c, size_t output, size_t row, size_t m);
void dr_linear_rows(dr_cursor *c, size_t output, size_t row, size_t m);
size_t dr_linear_tiles(const dr_run *run);
void dr_linear_products(dr_cursor *c, size_t tile);

/* One parameter of an area in plain row-major order. */
void dr_copy_parameter(const dr_plan *plan, const char *area, size_t node, size_t index, void *out);

/* Multiply-adds of a batch below which a second thread never pays: some 5 us. */
#define DR_LEAST_WORK 2.5e5

/* team.c: threads for the batches to come, of `work` multiply-adds each, where `advised` of at most `most`
 * are to begin with, and for how many seconds to keep to them; then what they have done. And what the calling
 * thread has for plans that others may use beside it. */
dr_team *dr_team_here(double work);
int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds);
void dr_team_report(dr_team *team, size_t rows, double seconds, double now);

#endif
