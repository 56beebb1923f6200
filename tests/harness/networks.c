/* Networks: trained, their data read, and linearised. */
#include "hashes.h"

/* A dense layer from the buffer *source to the next one. */
static dr_node_spec layer(const size_t *source, dr_activation activation, double alpha) {
    return (dr_node_spec){.kind = DR_NODE_DENSE, .n_sources = 1, .target = *source + 1, .sources = source,
                          .activation = activation, .alpha = alpha, .weight = 1, .bias = 1, .trainable = 1,
                          .learning_rate_factor = 1};
}

/* Three epochs over shuffled rows, and a hash of their losses. dt: of the plan, for what is computed outside. */
uint64_t train(dr_plan *plan, dr_dtype dt, const dr_data *data, size_t batch) {
    uint64_t h = START;
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        const dr_stream shuffle = {.seed = 3, .step = epoch, .purpose = DR_PURPOSE_SHUFFLE};
        dr_run *run;
        check(dr_run_open(plan, DR_TRAIN, data, batch, &shuffle, &run));
        check(dr_plan_run(run, 1e9, NULL, &dt));
        const double sum = dr_run_position(run).loss_sum;
        if (!(sum < 1e300)) exit(5);
        h = hash(h, &sum, sizeof sum);
        dr_run_close(run);
    }
    return h;
}

/* Three layers and a partial last batch. */
static void training(dr_dtype dt, dr_loss loss, dr_activation hidden, dr_rule rule) {
    const dr_optimizer optimizer = optimizer_of((int)rule, 0.003);
    const size_t widths[] = {19, 40, 33, 5}, n = 203, s[] = {n, widths[0], widths[3]};
    /* one after the other these diverge, and which NaN comes out is not promised */
    const dr_activation second = hidden == DR_EXP || hidden == DR_LOG_SOFTMAX ? DR_TANH : hidden;
    static const size_t BUFFERS[] = {0, 1, 2};
    dr_node_spec nodes[] = {layer(BUFFERS, hidden, 0.01), layer(BUFFERS + 1, second, 0.01),
                            layer(BUFFERS + 2, DR_IDENTITY, 0)};
    nodes[0].constrained = 1, nodes[0].constraint = DR_MAX_NORM, nodes[0].limit = 0.8;
    nodes[1].bias = 0, nodes[1].penalty = (dr_penalty){1e-4, 1e-3}, nodes[1].learning_rate_factor = 0.7;
    const dr_graph graph = {.dtype = dt, .n_buffers = 4, .n_nodes = 3, .widths = widths, .nodes = nodes,
                            .loss = made(loss, 0.3), .logits = 1, .optimizer = optimizer,
                            .averaging = {.on = 1, .every = 2, .share = 0.1}};
    dr_plan *plan;
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
    uint64_t h = train(plan, dt, &data, 64);
    for (size_t i = 0; i < 3; i++) {
        void *w = zeros(widths[i] * widths[i + 1]);
        for (int slot = 0; slot < 2; slot++) { /* and their average */
            dr_plan_get(plan, i, 0, slot ? 1 + dr_rule_states(rule) : 0, w);
            h = hash(h, w, widths[i] * widths[i + 1] * width(dt));
        }
        free(w);
    }
    line("training", ((int)loss * DR_N_ACTIVATIONS + (int)hidden) * DR_N_RULES + (int)rule, dt, s, h);
    dr_plan_destroy(plan);
    free(x), free(t), free(labels);
}

/* What a node of kind custom computes here: everything twice. */
static int twice(void *context, const dr_custom_call *call) {
    const dr_dtype dt = *(const dr_dtype *)context;
    const size_t n = call->rows * HIDDEN;
    void *v = zeros(n);
    dr_custom_get(call, v);
    for (size_t i = 0; i < n; i++) {
        if (dt == DR_F32) ((float *)v)[i] *= 2;
        else ((double *)v)[i] *= 2;
    }
    dr_custom_set(call, v);
    free(v);
    return 0;
}

dr_plan *all_kinds(dr_dtype dt) {
    enum { LAST = 13 };
    const size_t H = HIDDEN, widths[LAST + 1] = {N_IN, N_IN, H, H, H, H, H, H, 2 * H, 2 * H, H, H, H, N_OUT};
    static const size_t SOURCES[LAST][2] = {{0}, {1}, {2}, {3}, {2, 4}, {5}, {6}, {3, 7}, {8}, {9}, {10}, {11}, {12}};
    dr_node_spec nodes[LAST];
    for (size_t i = 0; i < LAST; i++) {
        nodes[i] = layer(SOURCES[i], DR_IDENTITY, 0);
        nodes[i].target = i + 1;
        nodes[i].eps = 1, nodes[i].momentum = 0.1;
    }
    static const dr_node_kind KINDS[LAST] = {
        DR_NODE_NOISE, DR_NODE_DENSE, DR_NODE_BATCH_NORM, DR_NODE_LAYER_NORM, DR_NODE_ADD, DR_NODE_PRELU,
        DR_NODE_RMS_NORM, DR_NODE_CONCAT, DR_NODE_ACTIVATION, DR_NODE_DENSE, DR_NODE_BATCH_NORM,
        DR_NODE_CUSTOM, DR_NODE_DENSE};
    for (size_t i = 0; i < LAST; i++) nodes[i].kind = KINDS[i];
    nodes[0].noise = DR_DROPOUT, nodes[0].amount = 0.2;
    nodes[1].activation = DR_TANH, nodes[8].activation = DR_SILU;
    nodes[4].n_sources = nodes[7].n_sources = 2;
    nodes[9].trainable = nodes[10].trainable = 0;
    const dr_graph graph = {.dtype = dt, .n_buffers = LAST + 1, .n_nodes = LAST, .widths = widths, .nodes = nodes,
                            .loss = made(DR_MSE, 0), .optimizer = optimizer_of(DR_ADAM, 0.003), .seed = 5,
                            .custom = twice};
    dr_plan *plan;
    check(dr_plan_create(&graph, &plan));
    for (size_t i = 0; i < LAST; i++) {
        const int matrix = KINDS[i] == DR_NODE_DENSE;
        if (KINDS[i] < DR_NODE_BATCH_NORM && !matrix) continue;
        void *w = normals(dt, matrix ? widths[SOURCES[i][0]] * widths[i + 1] : H, 0.2);
        dr_plan_set(plan, i, 0, 0, w);
        free(w);
    }
    return plan;
}

uint64_t weights_of(const dr_plan *plan, dr_dtype dt, uint64_t h) {
    void *w = zeros(N_IN * HIDDEN);
    dr_plan_get(plan, 1, 0, 0, w);
    h = hash(h, w, N_IN * HIDDEN * width(dt));
    dr_plan_get(plan, 5, 0, 0, w);
    h = hash(h, w, HIDDEN * width(dt));
    free(w);
    return h;
}

uint64_t predictions(dr_plan *plan, dr_dtype dt, dr_data data) {
    dr_run *run;
    void *y = data.y = zeros(data.n * N_OUT);
    check(dr_run_open(plan, DR_PREDICT, &data, 0, NULL, &run));
    check(dr_plan_run(run, 1e9, NULL, &dt));
    dr_run_leave(run);
    const uint64_t h = hash(START, y, data.n * N_OUT * width(dt));
    free(y);
    return h;
}

/* In batches, and in pieces of them. */
static void branches(dr_dtype dt, size_t batch, size_t piece) {
    const size_t n = 203, s[] = {n, N_IN, N_OUT};
    dr_plan *plan = all_kinds(dt);
    void *x = normals(dt, n * N_IN, 1), *t = normals(dt, n * N_OUT, 1);
    const dr_data data = {.n = n, .x = {(dr_element)dt, x, (ptrdiff_t)(N_IN * width(dt))}, .dense = t,
                          .piece = piece};
    const uint64_t h = weights_of(plan, dt, train(plan, dt, &data, batch));
    const uint64_t outputs = predictions(plan, dt, data);
    line("branches", (int)(batch + piece), dt, s, hash(h, &outputs, sizeof outputs));
    dr_plan_destroy(plan);
    free(x), free(t);
}

/* Sparse rows: a few entries each, in no order. */
static void sparse(dr_dtype dt) {
    enum { N = 203, ENTRIES = 5 };
    static const size_t WIDTHS[] = {70, 33, N_OUT}, BUFFERS[] = {0, 1};
    dr_node_spec nodes[] = {layer(BUFFERS, DR_TANH, 0), layer(BUFFERS + 1, DR_IDENTITY, 0)};
    const dr_graph graph = {.dtype = dt, .n_buffers = 3, .n_nodes = 2, .widths = WIDTHS, .nodes = nodes,
                            .loss = made(DR_MSE, 0), .optimizer = optimizer_of(DR_ADAM, 0.003)};
    dr_plan *plan;
    check(dr_plan_create(&graph, &plan));
    void *w = normals(dt, 70 * 33, 0.2), *t = normals(dt, N * N_OUT, 1), *x = normals(dt, N * ENTRIES, 1);
    dr_plan_set(plan, 0, 0, 0, w);
    int64_t starts[N + 1], columns[N * ENTRIES];
    for (int i = 0; i <= N; i++) starts[i] = i * ENTRIES;
    for (int i = 0; i < N * ENTRIES; i++) columns[i] = i * 31 % 70;
    const dr_data data = {.n = N, .x = {(dr_element)dt, x, 0}, .sparse = {starts, columns, 1}, .dense = t};
    const uint64_t h = train(plan, dt, &data, 64);
    dr_plan_get(plan, 0, 0, 0, w);
    const size_t s[] = {N, 70, N_OUT};
    line("sparse", 0, dt, s, hash(h, w, 70 * 33 * width(dt)));
    dr_plan_destroy(plan);
    free(w), free(t), free(x);
}

/* Rows of every type on their way into a network. */
void inputs(dr_dtype dt, const size_t *s) {
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

void networks(dr_dtype dt) {
    for (int hidden = 0; hidden < DR_N_ACTIVATIONS; hidden++)
        for (int loss = 0; loss < DR_N_LOSSES; loss++)
            training(dt, (dr_loss)loss, (dr_activation)hidden, hidden % 2 ? DR_ADAM : DR_MOMENTUM);
    for (int hidden = 0; hidden < DR_N_ACTIVATIONS; hidden++) squares(dt, (dr_activation)hidden);
    for (int rule = 0; rule < DR_N_RULES; rule++) training(dt, DR_CROSS_ENTROPY, DR_TANH, (dr_rule)rule);
    branches(dt, 64, 0);
    branches(dt, 203, 0);
    branches(dt, 64, 24);
    sparse(dt);
}
