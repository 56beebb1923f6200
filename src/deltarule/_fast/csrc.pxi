# What csrc/deltarule.h declares.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "memory.h" nogil:
    void *dr_alloc(size_t count, size_t size)
    void dr_free(void *p)

cdef extern from "deltarule.h" nogil:
    ctypedef enum dr_dtype:
        DR_F32, DR_F64
    ctypedef enum dr_element:
        DR_N_ELEMENTS
    ctypedef struct dr_input:
        dr_element element
        const void *data
        ptrdiff_t stride
    ctypedef struct dr_sparse:
        const int64_t *starts
        const void *columns
        bint wide
    ctypedef enum dr_activation:
        DR_N_ACTIVATIONS
    ctypedef enum dr_function:
        DR_LOG, DR_LOG1P, DR_EXPM1, DR_ERF
    ctypedef enum dr_loss:
        DR_N_LOSSES
    enum:
        DR_LOSS_PARAMETERS
        DR_MAX_STATES
        DR_MAX_NUMBERS
    ctypedef struct dr_loss_spec:
        dr_loss kind
        double value_over
        double slope_over
        size_t n_parameters
        double parameters[99]
    ctypedef enum dr_noise:
        DR_N_NOISES
    ctypedef enum dr_rule:
        DR_N_RULES
    ctypedef enum dr_clip_kind:
        DR_CLIP_NONE, DR_N_CLIPS
    ctypedef struct dr_clip:
        dr_clip_kind kind
        double limit
    ctypedef struct dr_shape:
        size_t rows, cols
    ctypedef struct dr_optimizer:
        dr_rule rule
        int decoupled
        double learning_rate
        double weight_decay
        double numbers[4]
        dr_clip clip
    ctypedef enum dr_hit:
        DR_HIT_NONE, DR_HIT_ARGMAX, DR_HIT_THRESHOLD
    ctypedef enum dr_status:
        DR_OK, DR_NO_MEMORY, DR_ABORTED, DR_WRONG_TEAM, DR_INDEFINITE
    ctypedef enum dr_purpose:
        DR_PURPOSE_WEIGHT
    ctypedef enum dr_mode:
        DR_TRAIN, DR_EVALUATE, DR_PREDICT, DR_GRADIENT, DR_LINEARIZE

    int dr_isa_count()
    const char *dr_isa_name(int isa)
    int dr_isa_supported(int isa)
    int dr_isa_keeps_bits(int isa)
    int dr_isa_current()
    void dr_isa_select(int isa)
    double dr_peak(int isa, dr_dtype dt, double seconds)
    size_t dr_first_nonfinite(dr_dtype dt, size_t rows, size_t cols, dr_input x)

    int dr_has_openmp()
    int dr_threads_limit()
    void dr_threads_set(int n, int exact)
    void dr_threads_alone(int on)
    int dr_threads_wanted()
    int dr_threads_exact()
    int dr_threads_last_team()
    void dr_threads_watch_forks()
    uint64_t dr_allocations()
    uint64_t dr_allocations_alive()
    void dr_allocations_fail(uint64_t after, uint32_t count)

    int dr_activation_needs_input(dr_activation act)
    void dr_elementary(dr_dtype dt, dr_function function, size_t n, const void *x, void *y)
    dr_status dr_activation_forward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                    size_t n_out, const void *x, void *y)
    dr_status dr_activation_backward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                     size_t n_out, const void *x, const void *y, const void *dy,
                                     void *dx)
    dr_status dr_dense_forward(dr_dtype dt, dr_activation act, double alpha, size_t n, size_t n_in,
                               size_t n_out, const void *x, const void *w, const void *b, void *y)
    dr_status dr_dense_backward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                size_t n_in, size_t n_out, const void *x, const void *w,
                                const void *z, const void *y, const void *dy, void *dx, void *dw,
                                void *db)
    dr_status dr_dense_rows(dr_dtype dt, size_t n, size_t n_layers, const size_t *widths,
                            const void *x, const void *const *w, const void *const *b,
                            const dr_activation *activations, void *y)
    dr_status dr_prelu_forward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                               const void *slope, void *y)
    dr_status dr_prelu_backward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                                const void *slope, const void *dy, void *dx, void *dslope)
    int dr_loss_takes(dr_loss loss, int labels)
    dr_status dr_batch_norm_forward(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                    const void *w, const void *b, void *y, void *mean, void *var)
    dr_status dr_batch_norm_inference(dr_dtype dt, double eps, size_t n, size_t n_out,
                                      const void *x, const void *mean, const void *var,
                                      const void *w, const void *b, void *y)
    dr_status dr_batch_norm_backward(dr_dtype dt, double eps, size_t n, size_t n_out,
                                     const void *x, const void *w, const void *dy, void *dx,
                                     void *dw, void *db)
    dr_status dr_batch_norm_running(dr_dtype dt, double momentum, size_t n, size_t n_out,
                                    const void *mean, const void *var, void *running_mean,
                                    void *running_var)
    dr_status dr_layer_norm_forward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                    const void *x, const void *w, const void *b, void *y)
    dr_status dr_layer_norm_backward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                     const void *x, const void *w, const void *dy, void *dx,
                                     void *dw, void *db)
    dr_status dr_loss_backward(dr_dtype dt, const dr_loss_spec *loss, size_t n, size_t n_out,
                               const void *y, const int64_t *labels, const void *dense,
                               const void *weight, double *value, void *dy)
    dr_status dr_optimizer_step(dr_dtype dt, const dr_optimizer *optimizer, uint64_t step,
                                dr_shape shape, const void *g, void **at)
    int dr_rule_states(dr_rule rule)
    void dr_average_step(dr_dtype dt, double share, size_t n, const void *w, void *average)
    ctypedef struct dr_averaging:
        int on
        uint64_t every
        double share
    dr_status dr_clip_gradients(dr_dtype dt, dr_clip clip, size_t n, const dr_shape *shapes,
                                void **gradients)
    ctypedef struct dr_penalty:
        double l1
        double l2
    ctypedef enum dr_constraint:
        DR_N_CONSTRAINTS
    dr_status dr_constrain(dr_dtype dt, dr_constraint constraint, double limit, size_t n_in,
                           size_t n_out, void *w)
    dr_status dr_penalty_forward(dr_dtype dt, dr_penalty penalty, size_t n_in, size_t n_out,
                                 const void *w, double *value)
    void dr_penalty_backward(dr_dtype dt, dr_penalty penalty, size_t n, const void *w, void *g)
    dr_status dr_cholesky(dr_dtype dt, size_t n, const void *a, const void *b, void *r, void *x)

    ctypedef struct dr_stream:
        uint64_t seed
        uint64_t step
        uint32_t layer
        dr_purpose purpose
    void dr_random_bits(dr_stream s, size_t n, uint32_t *out)
    void dr_random_uniform(dr_stream s, size_t n, double *out)
    void dr_random_normal(dr_stream s, size_t n, double *out)
    void dr_random_permutation(dr_stream s, size_t n, int64_t *out)
    dr_status dr_orthogonal(size_t rows, size_t cols, double *v, double *q)
    dr_status dr_noise_forward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                               size_t first, size_t n, size_t n_out, const void *x, void *y)
    dr_status dr_noise_backward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                                size_t first, size_t n, size_t n_out, const void *dy, void *dx)

    ctypedef struct dr_plan:
        pass
    ctypedef struct dr_run:
        pass
    ctypedef enum dr_node_kind:
        DR_N_NODES
    ctypedef struct dr_node_spec:
        dr_node_kind kind
        size_t n_sources
        size_t target
        const size_t *sources
        dr_activation activation
        double alpha
        double eps
        double momentum
        int weight
        int bias
        int trainable
        double learning_rate_factor
        dr_noise noise
        double amount
        int shared
        dr_penalty penalty
        int constrained
        dr_constraint constraint
        double limit
        size_t n_parameters
        const dr_shape *parameters
    ctypedef struct dr_custom_call:
        size_t node
        size_t rows
        int backward
        int training
        double total
    ctypedef int (*dr_custom)(void *context, const dr_custom_call *call) noexcept
    void dr_custom_get(const dr_custom_call *call, void *out)
    void dr_custom_set(const dr_custom_call *call, const void *values)
    void dr_custom_set_gradient(const dr_custom_call *call, size_t index, const void *values)
    void dr_custom_get_targets(const dr_custom_call *call, void *targets, void *weights)
    void dr_custom_set_loss(const dr_custom_call *call, const void *loss, const void *hit,
                            const void *error)
    ctypedef struct dr_graph:
        dr_dtype dtype
        size_t n_buffers
        size_t n_nodes
        const size_t *widths
        const dr_node_spec *nodes
        dr_loss_spec loss
        int logits
        dr_optimizer optimizer
        dr_averaging averaging
        dr_hit hit
        uint64_t seed
        int by_batch
        int custom_loss
        dr_custom custom
    dr_status dr_plan_create(const dr_graph *graph, dr_plan **plan)
    void dr_plan_destroy(dr_plan *plan)
    void dr_plan_get(const dr_plan *plan, size_t node, size_t index, int slot, void *out)
    void dr_plan_set(dr_plan *plan, size_t node, size_t index, int slot, const void *values)
    void dr_plan_set_fused(dr_plan *plan, int fused)
    uint64_t dr_plan_step(const dr_plan *plan)
    void dr_plan_set_step(dr_plan *plan, uint64_t step)
    uint64_t dr_plan_averaged(const dr_plan *plan)
    void dr_plan_set_averaged(dr_plan *plan, uint64_t averaged)
    void dr_plan_take_average(dr_plan *plan, const dr_plan *source)

    ctypedef enum dr_cost:
        DR_PRODUCTS, DR_ACTIVATIONS, DR_UPDATES, DR_DATA, DR_WAITING, DR_N_COSTS
    ctypedef struct dr_performance:
        uint64_t steps
        uint64_t rows
        int threads
        double spent[6]
    void dr_plan_restart_ledger(dr_plan *plan)
    dr_performance dr_plan_performance(const dr_plan *plan)

    ctypedef struct dr_data:
        size_t n
        dr_input x
        dr_sparse sparse
        const int64_t *labels
        const void *dense
        const void *weight
        void *y
        const int64_t *order
        const double *rates
        int averages
        size_t piece
    ctypedef struct dr_position:
        size_t batch
        double loss_sum
        double weight_sum
        double hit_sum
        size_t finite
    ctypedef int (*dr_poll)(void *context) noexcept
    dr_status dr_run_open(dr_plan *plan, dr_mode mode, const dr_data *data, size_t batch_size,
                          const dr_stream *shuffle, dr_run **run)
    void dr_run_close(dr_run *run)
    void dr_run_leave(dr_run *run)
    dr_status dr_plan_run(dr_run *run, double budget_seconds, dr_poll poll, void *context)
    int dr_run_finished(const dr_run *run)
    size_t dr_run_n_batches(const dr_run *run)
    dr_position dr_run_position(const dr_run *run)
    void dr_run_set_position(dr_run *run, dr_position position)
    size_t dr_run_lost_in(const dr_run *run)
    void dr_run_gradient(const dr_run *run, size_t node, size_t index, void *out)
    bint dr_plan_linearizes(const dr_plan *plan, size_t numbers)
    void dr_run_linear(const dr_run *run, double *gradient, double *diagonal)
    dr_status dr_run_solve(dr_run *run, const double *added, const double *right, dr_poll poll,
                           void *context, double *x)
