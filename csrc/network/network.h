/* A compiled network, from the inside. plan.c owns parameters, lower.c turns the graph into phases,
 * workspace.c holds what one run needs, run.c runs, team.c
 * chooses the threads. */
#ifndef DR_NETWORK_H
#define DR_NETWORK_H

#include "ledger.h"
#include "memory.h"
#include "ops/ops.h"
#include "threads.h"

/* A Dense node. Offsets are in elements into each of the plan's parameter areas. */
typedef struct {
    size_t source, target, n_in, n_out;
    dr_activation activation;   /* what training applies: identity where the loss takes logits */
    dr_activation output;       /* what predict applies */
    double alpha;
    int has_bias;
    int input_error;            /* the gradient at its input is wanted: 0 for what reads buffer 0 */
    int first_writer;           /* of that gradient, in backward order: overwrites, others add */
    size_t weight, bias;
    size_t shadow;              /* into plan->shadow: the weights transposed, for the input error */
} dr_node;

/* What a run does between two barriers. In a phase by rows each thread takes rows of the batch
 * through all tasks, a block of rows at a time; in a phase by tiles each takes tiles of parameters. */
typedef enum {
    TASK_GATHER, TASK_FORWARD, TASK_PREDICT, TASK_LOSS, TASK_BACKWARD, TASK_OUTPUT, /* by rows */
    TASK_UPDATE, TASK_GRADIENT, TASK_APPLY                                          /* by tiles */
} dr_task_kind;

typedef struct {
    dr_task_kind kind;
    size_t node;
} dr_step_task;

typedef struct {
    int by_tiles;
    size_t first, end;          /* its tasks */
} dr_phase;

#define DR_MAX_PHASES 3

typedef struct {
    dr_phase phases[DR_MAX_PHASES];
    size_t n_phases;
    dr_step_task *tasks;
} dr_program;

/* Of threads: see team.c. */
typedef struct {
    double work;                /* multiply-adds of the batch that all this is about */
    int most, size;             /* threads allowed, and in use */
    int trial, up;              /* threads on trial, or 0; whether the next trial is with more */
    double rows, seconds;       /* done in this block of time */
    int blocks;                 /* whole ones since the last pause that were no trials */
    double rate;                /* rows a second in the last of these */
    double last, trial_at;      /* when the last call ended, and when the next trial is due */
} dr_team;

struct dr_plan {
    dr_dtype dtype;
    size_t n_buffers, n_nodes, n_states;
    size_t *widths;
    dr_node *nodes;
    dr_loss loss;
    dr_optimizer optimizer;
    dr_hit hit;
    uint64_t step;              /* updates made */
    int fused;
    size_t n_parameters;        /* elements of one parameter area, padding included */
    char *values, *states[DR_MAX_STATES], *shadow;
    double multiply_adds;       /* of one sample's forward pass */
    dr_team team;               /* for training */
    _Atomic(dr_run *) spare[DR_N_MODES]; /* that earlier runs have left, or NULL */
    dr_ledger ledger;           /* of training */
    void *memory;
};

struct dr_run {
    dr_plan *plan;
    dr_mode mode;
    dr_data data;
    size_t batch_size, n_batches, capacity;
    int shuffled;
    size_t order_room;          /* rows */
    int64_t *order;             /* NULL: rows as they come */
    dr_program program;
    dr_matrix *values, *errors; /* one of each a buffer */
    dr_matrix *before;          /* one a node: what its activation acts on, where backward needs it */
    char *gradients;            /* a parameter area, where gradients are materialised */
    void *row_loss, *row_hit;
    dr_position position;
    void *memory;
    size_t bytes;               /* of it */
    /* of the call under way */
    size_t first_batch;
    uint64_t first_step;
    const dr_kernels *kernels;
    dr_poll poll;
    void *poll_context;
    double began, deadline, next_poll;
    atomic_int aborted;         /* a poll has said stop: hurry to the next barrier */
    int leave[2];               /* thread 0's decision for this barrier and the next: all threads leave
                                   behind the same one, whatever has happened since */
    dr_barrier barrier;
};

/* lower.c: `tasks` must have room for dr_program_size. */
size_t dr_program_size(const dr_plan *plan);
void dr_program_build(const dr_plan *plan, dr_mode mode, dr_program *program);

dr_matrix dr_weight_matrix(const dr_plan *plan, const char *area, const dr_node *node);
dr_matrix dr_shadow_matrix(const dr_plan *plan, const dr_node *node);
/* Transposes the weights in one tile into the shadow. */
void dr_refresh_shadow(const dr_plan *plan, const dr_kernels *k, const dr_node *node, size_t p_in,
                       size_t p_out);
/* One parameter of an area in plain row-major order. */
void dr_copy_parameter(const dr_plan *plan, const char *area, size_t node, int bias, void *out);

/* Multiply-adds of a batch below which a second thread never pays: some 20 us. */
#define DR_LEAST_WORK 2e6

/* team.c: threads for the batches to come, of `work` multiply-adds each, where `advised` of at most `most`
 * are to begin with, and for how many seconds to keep to them; then what they have done. */
int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds);
void dr_team_report(dr_team *team, size_t rows, double seconds, double now);

#endif
