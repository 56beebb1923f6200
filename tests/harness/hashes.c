/* Prints one hash for each operation, dtype and size, from the C core alone: built for several
 * processors from the same sources, all must print the same lines.
 *
 *     hashes ISA [THREADS]      (an entry of the dispatch list: avx512, avx2, neon, generic)
 *
 * With threads, exactly so many compute, and the program then looks at what several of them do at once.
 */
#include "hashes.h"

uint64_t drawn;

static const size_t SIZES[][3] = { /* n, n_in, n_out */
    {1, 1, 1}, {3, 5, 2}, {14, 16, 16}, {15, 17, 33}, {33, 31, 10}, {40, 130, 48}, {129, 65, 7},
};
static const size_t N_SIZES = sizeof SIZES / sizeof *SIZES;

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
    for (int part = 0; part < 2; part++) {
        dr_average_step(dt, part ? 0.9 : 0.01, size, w, g);
        line("average", part, dt, s, hash(START, g, size * width(dt)));
    }
    for (int shared = 0; shared < 2; shared++) {
        check(dr_prelu_forward(dt, shared, n, n_out, x, slope, y));
        check(dr_prelu_backward(dt, shared, n, n_out, x, slope, dy, dx, dslope));
        uint64_t h = hash(hash(START, y, n * n_out * width(dt)), dx, n * n_out * width(dt));
        line("prelu", shared, dt, s, hash(h, dslope, (shared ? 1 : n_out) * width(dt)));
    }
    free(w), free(g), free(x), free(dy), free(slope), free(y), free(dx), free(dslope);
}

/* Initial weights with orthonormal columns. */
static void orthogonal(size_t rows, size_t cols) {
    const size_t s[] = {rows, cols, 0};
    double *v = normals(DR_F64, rows * cols, 1), *q = zeros(rows * cols);
    check(dr_orthogonal(rows, cols, v, q));
    line("orthogonal", 0, DR_F64, s, hash(START, q, rows * cols * sizeof *q));
    free(v), free(q);
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

int main(int argc, char **argv) {
    int isa = 0;
    while (isa < dr_isa_count() && (argc < 2 || strcmp(dr_isa_name(isa), argv[1]))) isa++;
    if (isa == dr_isa_count() || !dr_isa_supported(isa)) {
        fprintf(stderr, "usage: hashes ISA [THREADS], ISA one of this build and processor\n");
        return 2;
    }
    dr_isa_select(isa);
    if (!dr_isa_keeps_bits(isa)) {
        fprintf(stderr, "%s has no FMA in this build\n", argv[1]);
        return 2;
    }
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (threads > 1) dr_threads_set(threads, 1);
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
        if (dt == DR_F64) orthogonal(130, 65);
        activations(dt);
        functions(dt);
        optimizers(dt);
        networks(dt);
    }
    for (dr_dtype dt = DR_F32; dt < DR_N_DTYPES && threads > 1; dt++) at_once(dt, threads);
    return 0;
}
