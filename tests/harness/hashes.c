/* Prints one hash for each operation, dtype and size, from the C core alone: built for several
 * processors from the same sources, all must print the same lines.
 *
 *     hashes ISA      (an entry of the dispatch list: avx512, avx2, neon, generic)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deltarule.h"

static const size_t SIZES[][3] = { /* n, n_in, n_out */
    {1, 1, 1}, {3, 5, 2}, {14, 16, 16}, {15, 17, 33}, {33, 31, 10}, {40, 130, 48}, {129, 65, 7},
};
static const size_t N_SIZES = sizeof SIZES / sizeof *SIZES;
static const char *const DTYPES[] = {"float32", "float64"};

/* FNV-1a, 64 bits */
static uint64_t hash(uint64_t h, const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}
#define START 0xcbf29ce484222325u

static void *zeros(size_t n) {
    void *p = calloc(n ? n : 1, sizeof(double));
    if (!p) exit(3);
    return p;
}

static size_t width(dr_dtype dt) { return dt == DR_F32 ? sizeof(float) : sizeof(double); }

/* n normal numbers of the dtype, scaled; each call its own stream */
static void *normals(dr_dtype dt, size_t n, double scale) {
    static uint64_t step;
    double *d = zeros(n);
    dr_random_normal((dr_stream){.seed = 7, .step = step++, .purpose = DR_PURPOSE_WEIGHT}, n, d);
    for (size_t i = 0; i < n; i++) d[i] *= scale;
    if (dt == DR_F32)
        for (size_t i = 0; i < n; i++) ((float *)(void *)d)[i] = (float)d[i];
    return d;
}

static void check(dr_status status) {
    if (status != DR_OK) exit(4);
}

static void line(const char *what, int kind, dr_dtype dt, const size_t *s, uint64_t h) {
    printf("%s %d %s %zux%zux%zu %016llx\n", what, kind, DTYPES[dt], s[0], s[1], s[2],
           (unsigned long long)h);
}

static void dense(dr_dtype dt, const size_t *s) {
    const size_t n = s[0], n_in = s[1], n_out = s[2], w8 = width(dt);
    void *x = normals(dt, n * n_in, 1), *w = normals(dt, n_in * n_out, 0.5);
    void *b = normals(dt, n_out, 1), *dy = normals(dt, n * n_out, 1);
    void *y = zeros(n * n_out), *z = zeros(n * n_out);
    void *dx = zeros(n * n_in), *dw = zeros(n_in * n_out), *db = zeros(n_out);
    check(dr_dense_forward(dt, DR_IDENTITY, 0, n, n_in, n_out, x, w, b, z));
    for (int act = 0; act < DR_N_ACTIVATIONS; act++) {
        check(dr_dense_forward(dt, (dr_activation)act, 0.01, n, n_in, n_out, x, w, b, y));
        line("forward", act, dt, s, hash(START, y, n * n_out * w8));
        check(dr_dense_backward(dt, (dr_activation)act, 0.01, n, n_in, n_out, x, w, z, y, dy, dx, dw,
                                db));
        uint64_t h = hash(START, dx, n * n_in * w8);
        h = hash(h, dw, n_in * n_out * w8);
        line("backward", act, dt, s, hash(h, db, n_out * w8));
    }
    free(x), free(w), free(b), free(dy), free(y), free(z), free(dx), free(dw), free(db);
}

/* activations from the smallest results to the largest */
static void activations(dr_dtype dt) {
    const size_t n = 64, n_out = 33, s[] = {n, 0, n_out};
    void *y = zeros(n * n_out), *dx = zeros(n * n_out), *dy = normals(dt, n * n_out, 1);
    for (int act = 0; act < DR_N_ACTIVATIONS; act++)
        for (double scale = 1e-30; scale < 1e4; scale *= 10) {
            void *x = normals(dt, n * n_out, scale);
            check(dr_activation_forward(dt, (dr_activation)act, 0.1, n, n_out, x, y));
            check(dr_activation_backward(dt, (dr_activation)act, 0.1, n, n_out, x, y, dy, dx));
            uint64_t h = hash(START, y, n * n_out * width(dt));
            line("activation", act, dt, s, hash(h, dx, n * n_out * width(dt)));
            free(x);
        }
    free(y), free(dx), free(dy);
}

/* elementary functions on (0, 1], of which log1p and, with the sign changed, expm1 are made too */
static void functions(dr_dtype dt) {
    const size_t n = 1003, s[] = {n, 0, 0};
    for (int function = 0; function < DR_N_FUNCTIONS; function++) {
        double *d = zeros(n), sign = function == DR_EXPM1 ? -1 : 1;
        void *y = zeros(n);
        dr_random_uniform((dr_stream){.seed = 8, .purpose = DR_PURPOSE_WEIGHT}, n, d);
        for (size_t i = 0; i < n; i++) d[i] = sign * (1 - d[i]);
        if (dt == DR_F32)
            for (size_t i = 0; i < n; i++) ((float *)(void *)d)[i] = (float)d[i];
        dr_elementary(dt, (dr_function)function, n, d, y);
        line("function", function, dt, s, hash(START, y, n * width(dt)));
        free(d), free(y);
    }
}

/* rows and columns normalised, far from 0 */
static void norms(dr_dtype dt, const size_t *s) {
    const size_t n = s[0], n_out = s[2], all = n * n_out * width(dt), row = n_out * width(dt);
    void *x = normals(dt, n * n_out, 1), *dy = normals(dt, n * n_out, 1);
    void *w = normals(dt, n_out, 1), *b = normals(dt, n_out, 1);
    void *y = zeros(n * n_out), *mean = zeros(n_out), *var = zeros(n_out);
    void *dx = zeros(n * n_out), *dw = zeros(n_out), *db = zeros(n_out);
    void *running_mean = zeros(n_out), *running_var = zeros(n_out);
    for (size_t i = 0; i < n * n_out; i++) {
        if (dt == DR_F32) ((float *)x)[i] += 100;
        else ((double *)x)[i] += 100;
    }
    check(dr_batch_norm_forward(dt, 1e-5, n, n_out, x, w, b, y, mean, var));
    check(dr_batch_norm_running(dt, 0.1, n, n_out, mean, var, running_mean, running_var));
    uint64_t h = hash(hash(START, y, all), running_mean, row);
    line("batch_norm", 0, dt, s, hash(h, running_var, row));
    check(dr_batch_norm_inference(dt, 1e-5, n, n_out, x, b, var, w, b, y));
    line("batch_norm", 1, dt, s, hash(START, y, all));
    check(dr_batch_norm_backward(dt, 1e-5, n, n_out, x, w, dy, dx, dw, db));
    line("batch_norm", 2, dt, s, hash(hash(hash(START, dx, all), dw, row), db, row));
    for (int centred = 0; centred < 2; centred++) {
        check(dr_layer_norm_forward(dt, centred, 1e-5, n, n_out, x, w, b, y));
        check(dr_layer_norm_backward(dt, centred, 1e-5, n, n_out, x, w, dy, dx, dw, db));
        h = hash(hash(START, y, all), dx, all);
        line("layer_norm", centred, dt, s, hash(hash(h, dw, row), db, row));
    }
    free(x), free(dy), free(w), free(b), free(y), free(mean), free(var), free(dx), free(dw), free(db);
    free(running_mean), free(running_var);
}

static int64_t *labels_for(size_t n, size_t n_out) {
    int64_t *labels = zeros(n);
    for (size_t i = 0; i < n; i++) labels[i] = (int64_t)(i * 7 % n_out);
    return labels;
}

/* A loss with numbers that all of them can be made with. */
static dr_loss_spec made(dr_loss kind, double first) {
    return (dr_loss_spec){.kind = kind, .n_parameters = 2, .parameters = {first, kind == DR_CROSS_ENTROPY ? first / 3 : 0.7}};
}

static void losses(dr_dtype dt, const size_t *s) {
    const size_t n = s[0], n_out = s[2];
    void *y = normals(dt, n * n_out, 3), *t = normals(dt, n * n_out, 1), *w = normals(dt, n, 1);
    void *dy = zeros(n * n_out);
    int64_t *labels = labels_for(n, n_out);
    double value;
    for (size_t i = 0; i < n; i++) { /* weights are not negative */
        if (dt == DR_F32) ((float *)w)[i] *= ((float *)w)[i];
        else ((double *)w)[i] *= ((double *)w)[i];
    }
    for (int i = 0; i < DR_N_LOSSES * 2 * 2 * 2; i++) {
        const dr_loss kind = (dr_loss)(i / 8);
        const int with_labels = i & 1, weighted = i & 2;
        const dr_loss_spec loss = made(kind, i & 4 ? 0.3 : 0);
        if (!dr_loss_takes(kind, with_labels)) continue;
        check(dr_loss_backward(dt, &loss, n, n_out, y, with_labels ? labels : NULL,
                               with_labels ? NULL : t, weighted ? w : NULL, &value, dy));
        uint64_t h = hash(START, &value, sizeof value);
        line("loss", i, dt, s, hash(h, dy, n * n_out * width(dt)));
    }
    free(y), free(t), free(w), free(dy), free(labels);
}

static void noises(dr_dtype dt, const size_t *s) {
    const size_t n = s[0], n_out = s[2], first = s[1];
    const dr_stream stream = {.seed = 0x123456789abcdef, .step = 0x100000002, .layer = 5};
    void *x = normals(dt, n * n_out, 3), *y = zeros(n * n_out), *dx = zeros(n * n_out);
    for (int noise = 0; noise < DR_N_NOISES; noise++) {
        check(dr_noise_forward(dt, (dr_noise)noise, 0.3, stream, first, n, n_out, x, y));
        check(dr_noise_backward(dt, (dr_noise)noise, 0.3, stream, first, n, n_out, x, dx));
        line("noise", noise, dt, s, hash(hash(START, y, n * n_out * width(dt)), dx, n * n_out * width(dt)));
    }
    free(x), free(y), free(dx);
}

/* A rule with usual numbers. */
static dr_optimizer optimizer_of(int rule, double rate) {
    static const double NUMBERS[DR_N_RULES][DR_MAX_NUMBERS] = {
        [DR_MOMENTUM] = {0.9}, [DR_NESTEROV] = {0.9}, [DR_ADAM] = {0.9, 0.999, 1e-8},
        [DR_AMSGRAD] = {0.9, 0.999, 1e-8}, [DR_NADAM] = {0.9, 0.999, 1e-8, 4e-3},
        [DR_RADAM] = {0.9, 0.99, 1e-8}, [DR_ADAMAX] = {0.9, 0.999, 1e-8}, [DR_LION] = {0.9, 0.99},
        [DR_LAMB] = {0.9, 0.999, 1e-6, 0.01},
        [DR_RMSPROP] = {0.99, 1e-8}, [DR_RMSPROP_MOMENTUM] = {0.99, 1e-8, 0.9},
        [DR_RMSPROP_CENTERED] = {0.99, 1e-8}, [DR_RMSPROP_CENTERED_MOMENTUM] = {0.99, 1e-8, 0.9},
        [DR_ADAGRAD] = {1e-10}, [DR_ADADELTA] = {0.9, 1e-6}, [DR_RPROP] = {0.5, 1.2, 1e-6, 50},
    };
    dr_optimizer o = {.rule = (dr_rule)rule, .decoupled = rule % 2, .learning_rate = rate,
                      .weight_decay = 0.01, .clip = {(dr_clip_kind)(rule % DR_N_CLIPS), 0.05}};
    memcpy(o.numbers, NUMBERS[rule], sizeof o.numbers);
    return o;
}

static void optimizers(dr_dtype dt) {
    const size_t n = 1003, s[] = {n, 0, 0};
    for (int rule = 0; rule < DR_N_RULES; rule++) {
        const dr_optimizer optimizer = optimizer_of(rule, 0.01);
        const int arrays = 1 + dr_rule_states(optimizer.rule);
        void *at[1 + DR_MAX_STATES] = {normals(dt, n, 1)};
        for (int i = 1; i < arrays; i++) at[i] = zeros(n);
        for (uint64_t step = 1; step <= 20; step++) {
            void *g = normals(dt, n, step % 3 ? 1 : 1e-25);
            check(dr_optimizer_step(dt, &optimizer, step, (dr_shape){17, 59}, g, at));
            free(g);
        }
        uint64_t h = START;
        for (int i = 0; i < arrays; i++) {
            h = hash(h, at[i], n * width(dt));
            free(at[i]);
        }
        line("optimizer", rule, dt, s, h);
    }
}

/* What acts on weights, and prelu, whose slope is learnt as they are. */
static void weights(dr_dtype dt, const size_t *s) {
    const size_t n = s[0], n_in = s[1], n_out = s[2], size = n_in * n_out;
    const dr_penalty both = {0.3, 0.07};
    void *w = normals(dt, size, 1), *g = normals(dt, size, 1);
    void *x = normals(dt, n * n_out, 1), *dy = normals(dt, n * n_out, 1), *slope = normals(dt, n_out, 1);
    void *y = zeros(n * n_out), *dx = zeros(n * n_out), *dslope = normals(dt, n_out, 1);
    double value;
    check(dr_penalty_forward(dt, both, n_in, n_out, w, &value));
    dr_penalty_backward(dt, both, size, w, g);
    line("penalty", 0, dt, s, hash(hash(START, &value, sizeof value), g, size * width(dt)));
    const dr_shape shapes[] = {{n_in, n_out}, {0, n_out}};
    for (int kind = DR_CLIP_VALUE; kind < DR_N_CLIPS; kind++) {
        const dr_clip clip = {(dr_clip_kind)kind, 0.9 / kind};
        check(dr_clip_gradients(dt, clip, 2, shapes, (void *[]){g, dslope}));
        line("clip", kind, dt, s, hash(hash(START, g, size * width(dt)), dslope, n_out * width(dt)));
    }
    for (int kind = 0; kind < DR_N_CONSTRAINTS; kind++) {
        check(dr_constrain(dt, (dr_constraint)kind, 1.5, n_in, n_out, w));
        line("constraint", kind, dt, s, hash(START, w, size * width(dt)));
    }
    for (int shared = 0; shared < 2; shared++) {
        check(dr_prelu_forward(dt, shared, n, n_out, x, slope, y));
        check(dr_prelu_backward(dt, shared, n, n_out, x, slope, dy, dx, dslope));
        uint64_t h = hash(hash(START, y, n * n_out * width(dt)), dx, n * n_out * width(dt));
        line("prelu", shared, dt, s, hash(h, dslope, (shared ? 1 : n_out) * width(dt)));
    }
    free(w), free(g), free(x), free(dy), free(slope), free(y), free(dx), free(dslope);
}

/* A dense layer from the buffer *source to the next one. */
static dr_node_spec layer(const size_t *source, dr_activation activation, double alpha) {
    return (dr_node_spec){.kind = DR_NODE_DENSE, .n_sources = 1, .target = *source + 1, .sources = source,
                          .activation = activation, .alpha = alpha, .weight = 1, .bias = 1, .trainable = 1,
                          .learning_rate_factor = 1};
}

/* Three layers, three epochs, a partial last batch, shuffled. */
static void training(dr_dtype dt, dr_loss loss, dr_activation hidden, dr_rule rule) {
    const dr_optimizer optimizer = optimizer_of(rule, 0.003);
    const size_t widths[] = {19, 40, 33, 5}, n = 203, batch = 64, s[] = {n, widths[0], widths[3]};
    /* one after the other these diverge, and which NaN comes out is not promised */
    const dr_activation second = hidden == DR_EXP || hidden == DR_LOG_SOFTMAX ? DR_TANH : hidden;
    static const size_t BUFFERS[] = {0, 1, 2};
    dr_node_spec nodes[] = {layer(BUFFERS, hidden, 0.01), layer(BUFFERS + 1, second, 0.01),
                            layer(BUFFERS + 2, DR_IDENTITY, 0)};
    nodes[0].constrained = 1, nodes[0].constraint = DR_MAX_NORM, nodes[0].limit = 0.8;
    nodes[1].bias = 0, nodes[1].penalty = (dr_penalty){1e-4, 1e-3}, nodes[1].learning_rate_factor = 0.7;
    const dr_graph graph = {.dtype = dt, .n_buffers = 4, .n_nodes = 3, .widths = widths, .nodes = nodes,
                            .loss = made(loss, 0.3), .logits = 1, .optimizer = optimizer};
    dr_plan *plan;
    dr_run *run;
    check(dr_plan_create(&graph, &plan));
    for (size_t i = 0; i < 3; i++) {
        void *w = normals(dt, widths[i] * widths[i + 1], 0.2);
        dr_plan_set(plan, i, 0, 0, w);
        free(w);
    }
    void *x = normals(dt, n * widths[0], 1), *t = normals(dt, n * widths[3], 1);
    int64_t *labels = labels_for(n, widths[3]);
    const int with_labels = dr_loss_takes(loss, 1);
    const dr_data data = {.n = n, .x = {(dr_element)dt, x, (ptrdiff_t)(widths[0] * width(dt))}, .labels = with_labels ? labels : NULL,
                          .dense = with_labels ? NULL : t};
    uint64_t h = START;
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        const dr_stream shuffle = {.seed = 3, .step = epoch, .purpose = DR_PURPOSE_SHUFFLE};
        check(dr_run_open(plan, DR_TRAIN, &data, batch, &shuffle, &run));
        check(dr_plan_run(run, 1e9, NULL, NULL));
        const double sum = dr_run_position(run).loss_sum;
        if (!(sum < 1e300)) exit(5);
        h = hash(h, &sum, sizeof sum);
        dr_run_close(run);
    }
    for (size_t i = 0; i < 3; i++) {
        void *w = zeros(widths[i] * widths[i + 1]);
        dr_plan_get(plan, i, 0, 0, w);
        h = hash(h, w, widths[i] * widths[i + 1] * width(dt));
        free(w);
    }
    line("training", ((int)loss * DR_N_ACTIVATIONS + (int)hidden) * DR_N_RULES + (int)rule, dt, s, h);
    dr_plan_destroy(plan);
    free(x), free(t), free(labels);
}

/* Rows of every type on their way into a network. */
static void inputs(dr_dtype dt, const size_t *s) {
    static const size_t SIZE[DR_N_ELEMENTS] = {[DR_FLOAT32] = 4, [DR_FLOAT64] = 8, [DR_UINT8] = 1};
    const size_t n = s[0], n_in = s[1], n_out = s[2], widths[] = {n_in, n_out};
    static const size_t INPUT = 0;
    const dr_node_spec node = layer(&INPUT, DR_IDENTITY, 0);
    const dr_graph graph = {.dtype = dt, .n_buffers = 2, .n_nodes = 1, .widths = widths, .nodes = &node,
                            .loss = made(DR_MSE, 0)};
    dr_plan *plan;
    dr_run *run;
    check(dr_plan_create(&graph, &plan));
    void *w = normals(dt, n_in * n_out, 1), *y = zeros(n * n_out);
    dr_plan_set(plan, 0, 0, 0, w);
    for (dr_element element = 0; element < DR_N_ELEMENTS; element++) {
        void *x = normals(element == DR_FLOAT64 ? DR_F64 : DR_F32, n * n_in, 1e3);
        const ptrdiff_t stride = (ptrdiff_t)(n_in * SIZE[element]);
        const char *last = (const char *)x + (ptrdiff_t)(n - 1) * stride;
        const dr_data data = {.n = n, .x = {element, last, -stride}, .y = y};
        check(dr_run_open(plan, DR_PREDICT, &data, 0, NULL, &run));
        check(dr_plan_run(run, 1e9, NULL, NULL));
        dr_run_close(run);
        line("input", (int)element, dt, s, hash(START, y, n * n_out * width(dt)));
        free(x);
    }
    dr_plan_destroy(plan);
    free(w), free(y);
}

/* A factor and a solution; of a matrix with a large diagonal, as random ones are not definite. */
static void cholesky(dr_dtype dt, size_t n) {
    const size_t s[] = {n, n, 1};
    void *a = normals(dt, n * n, 1), *b = normals(dt, n, 1), *r = zeros(n * n), *x = zeros(n);
    for (size_t i = 0; i < n; i++) {
        if (dt == DR_F32) ((float *)a)[i * n + i] = 3 * (float)n;
        else ((double *)a)[i * n + i] = 3 * (double)n;
    }
    check(dr_cholesky(dt, n, a, b, r, x));
    line("cholesky", 0, dt, s, hash(hash(START, r, n * n * width(dt)), x, n * width(dt)));
    free(a), free(b), free(r), free(x);
}

/* Least squares, linearised, and a damped step. */
static void squares(dr_dtype dt, dr_activation hidden) {
    const size_t widths[] = {7, 9, 2}, n = 203, s[] = {n, 7, 2}, learnt = 7 * 9 + 9 + 9 * 2;
    static const size_t BUFFERS[] = {0, 1};
    dr_node_spec nodes[] = {layer(BUFFERS, hidden, 0.01), layer(BUFFERS + 1, DR_IDENTITY, 0)};
    nodes[1].bias = 0;
    const dr_graph graph = {.dtype = dt, .n_buffers = 3, .n_nodes = 2, .widths = widths, .nodes = nodes,
                            .loss = made(DR_MSE, 0), .optimizer = optimizer_of(DR_SGD, 0.1)};
    dr_plan *plan;
    dr_run *run;
    check(dr_plan_create(&graph, &plan));
    for (size_t i = 0; i < 2; i++) {
        void *w = normals(dt, widths[i] * widths[i + 1], 0.4);
        dr_plan_set(plan, i, 0, 0, w);
        free(w);
    }
    void *x = normals(dt, n * widths[0], 1), *t = normals(dt, n * widths[2], 1);
    const dr_data data = {.n = n, .x = {(dr_element)dt, x, (ptrdiff_t)(widths[0] * width(dt))}, .dense = t};
    if (!dr_plan_linearizes(plan, learnt)) exit(6);
    check(dr_run_open(plan, DR_LINEARIZE, &data, 100, NULL, &run));
    check(dr_plan_run(run, 1e9, NULL, NULL));
    double *gradient = zeros(learnt), *diagonal = zeros(learnt), *step = zeros(learnt);
    dr_run_linear(run, gradient, diagonal);
    check(dr_run_solve(run, diagonal, gradient, NULL, NULL, step));
    uint64_t h = hash(hash(START, gradient, learnt * 8), diagonal, learnt * 8);
    line("squares", (int)hidden, dt, s, hash(h, step, learnt * 8));
    dr_run_close(run);
    dr_plan_destroy(plan);
    free(x), free(t), free(gradient), free(diagonal), free(step);
}

int main(int argc, char **argv) {
    int isa = 0;
    while (isa < dr_isa_count() && (argc != 2 || strcmp(dr_isa_name(isa), argv[1]))) isa++;
    if (isa == dr_isa_count() || !dr_isa_supported(isa)) {
        fprintf(stderr, "usage: hashes ISA, one of this build and processor\n");
        return 2;
    }
    dr_isa_select(isa);
    if (!dr_isa_keeps_bits(isa)) {
        fprintf(stderr, "%s has no FMA in this build\n", argv[1]);
        return 2;
    }
    for (dr_dtype dt = DR_F32; dt < DR_N_DTYPES; dt++) {
        for (size_t i = 0; i < N_SIZES; i++) {
            dense(dt, SIZES[i]);
            norms(dt, SIZES[i]);
            losses(dt, SIZES[i]);
            inputs(dt, SIZES[i]);
            noises(dt, SIZES[i]);
            cholesky(dt, SIZES[i][1]);
            weights(dt, SIZES[i]);
        }
        activations(dt);
        functions(dt);
        optimizers(dt);
        for (int hidden = 0; hidden < DR_N_ACTIVATIONS; hidden++)
            for (int loss = 0; loss < DR_N_LOSSES; loss++)
                training(dt, (dr_loss)loss, (dr_activation)hidden, hidden % 2 ? DR_ADAM : DR_MOMENTUM);
        for (int hidden = 0; hidden < DR_N_ACTIVATIONS; hidden++) squares(dt, (dr_activation)hidden);
        for (int rule = 0; rule < DR_N_RULES; rule++)
            training(dt, DR_CROSS_ENTROPY, DR_TANH, (dr_rule)rule);
    }
    return 0;
}
