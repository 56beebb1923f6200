/* Dense layers: blocking of the products, and the operations on plain arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

/* Inner index of a block: 128 rows of a panel of b are 16 KB, which leaves room in L1 for the rows
 * of a and c that pass by. */
#define BLOCK 128

/* What a sum begins with that begins with nothing. */
static const _Alignas(64) char zeros[128];

/* Of a panel whose product is done: the activation. Returns whether to stop. */
static int end_panel(const dr_kernels *k, size_t m, size_t width, dr_activation act, double alpha, void *out,
                     dr_watch *watch, double multiply_adds) {
    if (watch) dr_lap(&watch->ledger, DR_PRODUCTS);
    if (act != DR_IDENTITY && !dr_activation_is_rowwise(act)) {
        k->activation_forward[act](alpha, m, width, 0, 0, out, out);
        if (watch) dr_lap(&watch->ledger, DR_ACTIVATIONS);
    }
    return watch && watch->tick(watch, multiply_adds);
}

/* Of rows whose panels are done: the activation, if it needs all of them. */
static void end_rows(const dr_kernels *k, size_t m, size_t row, dr_activation act, double alpha, dr_matrix c,
                     dr_watch *watch) {
    if (!dr_activation_is_rowwise(act)) return;
    k->activation_forward[act](alpha, m, c.cols, row, c.stride, c.data, c.data);
    if (watch) dr_lap(&watch->ledger, DR_ACTIVATIONS);
}

/* One panel: rows `from_width` apart at `from`, and a times panel p of b onto that. */
static void panel_product(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner, dr_matrix a,
                          dr_matrix b, size_t p, const void *from, size_t from_width, dr_finish finish,
                          const void *y, void *out) {
    const size_t panel = dr_panel(dt), unit = dr_unit(dt), width = dr_panel_width(dt, b.cols, p);
    size_t i = 0;
    do { /* once even if inner is 0: out is then the start itself */
        const size_t p_in = i / panel, a_width = dr_panel_width(dt, inner, p_in);
        /* a narrow last panel of a has rows of its own width: a block by itself */
        const size_t wide = inner % panel && inner % panel <= unit ? inner / panel * panel : inner;
        const size_t n = i < wide ? dr_min(BLOCK, wide - i) : inner - i;
        k->product(m, width / unit, n, dr_at(dt, a, p_in, row), a_width, a.stride,
                   dr_offset(dt, dr_at(dt, b, p, 0), i * width), from, from_width,
                   i + n == inner ? finish : DR_PLAIN, y, out);
        from = out;
        from_width = width;
        i += n;
    } while (i < inner);
}

void dr_dense_product(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner,
                      dr_matrix a, dr_matrix b, const void *bias, dr_activation act, double alpha,
                      dr_matrix c, dr_watch *watch) {
    /* relu comes before results leave the registers: 1.5 % of a small network's step */
    const dr_finish finish = act == DR_RELU ? DR_RELU_FORWARD : DR_PLAIN;
    const dr_activation after = act == DR_RELU ? DR_IDENTITY : act;
    for (size_t p = 0; p < dr_panels(dt, c.cols); p++) {
        const size_t width = dr_panel_width(dt, c.cols, p);
        char *out = dr_at(dt, c, p, row);
        panel_product(dt, k, m, row, inner, a, b, p, dr_offset(dt, bias, p * dr_panel(dt)), 0, finish, NULL,
                      out);
        if (end_panel(k, m, width, after, alpha, out, watch, (double)m * (double)inner * (double)width)) return;
    }
    end_rows(k, m, row, after, alpha, c, watch);
}

void dr_dense_error(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner, dr_matrix a,
                    dr_matrix b, int adds, const dr_matrix *y, dr_matrix c, dr_watch *watch) {
    for (size_t p = 0; p < dr_panels(dt, c.cols); p++) {
        const size_t width = dr_panel_width(dt, c.cols, p);
        char *out = dr_at(dt, c, p, row);
        panel_product(dt, k, m, row, inner, a, b, p, adds ? out : zeros, adds ? width : 0,
                      y ? DR_RELU_BACKWARD : DR_PLAIN, y ? dr_at(dt, *y, p, row) : NULL, out);
        if (end_panel(k, m, width, DR_IDENTITY, 0, out, watch, (double)m * (double)inner * (double)width))
            return;
    }
}

void dr_dense_sparse_product(dr_dtype dt, const dr_kernels *k, size_t m, size_t row, size_t inner,
                             const dr_entries *a, dr_matrix b, const void *bias, dr_activation act,
                             double alpha, dr_matrix c, dr_watch *watch) {
    const double entries = (double)(a->starts[row + m] - a->starts[row]);
    for (size_t p = 0; p < dr_panels(dt, c.cols); p++) {
        const size_t width = dr_panel_width(dt, c.cols, p);
        char *out = dr_at(dt, c, p, row);
        k->sparse_product(m, width / dr_unit(dt), inner, a, row, dr_at(dt, b, p, 0),
                          dr_offset(dt, bias, p * dr_panel(dt)), out);
        if (end_panel(k, m, width, act, alpha, out, watch, entries * (double)width)) return;
    }
    end_rows(k, m, row, act, alpha, c, watch);
}

void dr_dense_weight_gradient(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, size_t p_in,
                              dr_matrix dy, size_t p_out, size_t count, int adding,
                              const dr_tile *tiles) {
    const size_t rows = dr_panel_cols(dt, x.cols, p_in), x_width = dr_panel_width(dt, x.cols, p_in);
    const size_t blocks = (m + BLOCK - 1) / BLOCK;
    for (size_t b = 0, r = 0, n; b < blocks; b++, r += n) {
        n = m / blocks + (b < m % blocks);
        for (size_t i = 0; i < count; i++) {
            const size_t width = dr_panel_width(dt, dy.cols, p_out + i);
            const int on = b || adding;
            /* the rows after these: of x once for all tiles, of dy otherwise */
            const char *next = i ? dr_at(dt, dy, p_out + i, r + n) : dr_at(dt, x, p_in, r + n);
            const void *const following[DR_AHEAD] = {next, next + n * 64, next};
            k->product_t(rows, width / dr_unit(dt), n, dr_at(dt, x, p_in, r), x_width,
                         dr_at(dt, dy, p_out + i, r), on ? tiles[i].gradient : zeros, on ? width : 0,
                         tiles[i].gradient, b + 1 < blocks ? following : tiles[i].ahead);
        }
    }
}

void dr_dense_sparse_gradient(dr_dtype dt, const dr_kernels *k, size_t m, const dr_entries *columns,
                              size_t n_in, size_t p_in, dr_matrix dy, size_t p_out, size_t count,
                              const dr_tile *tiles) {
    for (size_t i = 0; i < count; i++)
        k->sparse_product(dr_panel_cols(dt, n_in, p_in), dr_panel_width(dt, dy.cols, p_out + i) / dr_unit(dt),
                          m, columns, p_in * dr_panel(dt), dr_at(dt, dy, p_out + i, 0), zeros,
                          tiles[i].gradient);
}

void dr_dense_bias_gradient(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix dy, size_t p_out,
                            int adding, void *g) {
    const size_t width = dr_panel_width(dt, dy.cols, p_out);
    if (!adding) memset(g, 0, width * dr_size(dt));
    k->column_sum(m, width / dr_unit(dt), dr_at(dt, dy, p_out, 0), g);
}

void dr_dense_transpose(dr_dtype dt, const dr_kernels *k, dr_matrix w, size_t p_in, size_t p_out,
                        dr_matrix shadow) {
    const size_t panel = dr_panel(dt), n_in = shadow.cols, n_out = w.cols;
    k->transpose(dr_panel_cols(dt, n_in, p_in), dr_panel_cols(dt, n_out, p_out),
                 dr_at(dt, w, p_out, p_in * panel), dr_panel_width(dt, n_out, p_out),
                 dr_at(dt, shadow, p_in, p_out * panel), dr_panel_width(dt, n_in, p_in));
}

dr_status dr_dense_forward(dr_dtype dt, dr_activation act, double alpha, size_t n, size_t n_in,
                           size_t n_out, const void *x, const void *w, const void *b, void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    dr_arena arena = {NULL, 0, 0};
    dr_matrix in, weight, out;
    char *bias;
    for (int pass = 0; pass < 2; pass++) {
        in = dr_take_matrix(&arena, dt, n, n_in);
        weight = dr_take_matrix(&arena, dt, n_in, n_out);
        out = dr_take_matrix(&arena, dt, n, n_out);
        bias = dr_take_vector(&arena, dt, n_out);
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    dr_to_panels(k, n, x, in);
    dr_to_panels(k, n_in, w, weight);
    if (b) memcpy(bias, b, n_out * dr_size(dt));
    dr_dense_product(dt, k, n, 0, n_in, in, weight, bias, act, alpha, out, NULL);
    dr_from_panels(k, n, out, y);
    dr_free(arena.base);
    return DR_OK;
}

dr_status dr_dense_backward(dr_dtype dt, dr_activation act, double alpha, size_t n, size_t n_in,
                            size_t n_out, const void *x, const void *w, const void *z,
                            const void *y, const void *dy, void *dx, void *dw, void *db) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t panel = dr_panel(dt), size = dr_size(dt);
    dr_arena arena = {NULL, 0, 0};
    dr_matrix in, before, out, dout, din, weight, shadow, gradient;
    char *tile;
    for (int pass = 0; pass < 2; pass++) {
        in = dr_take_matrix(&arena, dt, n, n_in);
        din = dr_take_matrix(&arena, dt, n, n_in);
        before = dr_take_matrix(&arena, dt, n, z ? n_out : 0);
        out = dr_take_matrix(&arena, dt, n, n_out);
        dout = dr_take_matrix(&arena, dt, n, n_out);
        weight = dr_take_matrix(&arena, dt, n_in, n_out);
        shadow = dr_take_matrix(&arena, dt, n_out, n_in);
        gradient = dr_take_matrix(&arena, dt, n_in, n_out);
        tile = dr_arena_take(&arena, panel, 128);
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    dr_to_panels(k, n, x, in);
    if (z) dr_to_panels(k, n, z, before);
    dr_to_panels(k, n, y, out);
    dr_to_panels(k, n, dy, dout);
    dr_to_panels(k, n_in, w, weight);
    k->activation_backward[act](alpha, n, n_out, 0, out.stride, z ? before.data : out.data, out.data,
                                dout.data, dout.data);
    for (size_t q = 0; q < dr_panels(dt, n_out); q++) {
        for (size_t p = 0; p < dr_panels(dt, n_in); p++) {
            const dr_tile one = {dr_at(dt, gradient, q, p * panel), {NULL}};
            dr_dense_weight_gradient(dt, k, n, in, p, dout, q, 1, 0, &one);
            dr_dense_transpose(dt, k, weight, p, q, shadow);
        }
        dr_dense_bias_gradient(dt, k, n, dout, q, 0, tile);
        memcpy(dr_offset(dt, db, q * panel), tile, dr_panel_cols(dt, n_out, q) * size);
    }
    dr_dense_error(dt, k, n, 0, n_out, dout, shadow, 0, NULL, din, NULL);
    dr_from_panels(k, n, din, dx);
    dr_from_panels(k, n_in, gradient, dw);
    dr_free(arena.base);
    return DR_OK;
}

dr_status dr_dense_rows(dr_dtype dt, size_t n, size_t n_layers, const size_t *widths, const void *x,
                        const void *const *w, const void *const *b, const dr_activation *activations,
                        void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t size = dr_size(dt), n_out = widths[n_layers];
    size_t widest = 0;
    for (size_t i = 1; i <= n_layers; i++) widest = widths[i] > widest ? widths[i] : widest;
    const size_t room = dr_vector_size(dt, widest);
    char *const outs = dr_alloc(2 * room, size);
    if (!outs) return DR_NO_MEMORY;
    for (size_t r = 0; r < n; r++) {
        const char *in = dr_offset(dt, x, r * widths[0]);
        for (size_t i = 0; i < n_layers; i++) {
            char *out = dr_offset(dt, outs, i % 2 * room);
            k->row_product(widths[i], widths[i + 1], in, w[i], b[i], out);
            /* panels of one row follow each other as its numbers do */
            k->activation_forward[activations[i]](0, 1, widths[i + 1], 0, dr_panel(dt), out, out);
            in = out;
        }
        memcpy(dr_offset(dt, y, r * n_out), in, n_out * size);
    }
    dr_free(outs);
    return DR_OK;
}
