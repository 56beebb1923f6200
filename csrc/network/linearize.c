/* Least squares, linearised. With J the derivatives of the outputs by the parameters and r = outputs minus
 * targets, both weighted, the loss mse at a distance d is about loss + g d + d A d / 2 where A = c J^T J,
 * g = c J^T r, c = 2 / (outputs x sum of weights). A and g are one product: r is the last column of J.
 *
 * J has a row for each output of each row of data, in this order, and a column for each parameter that is
 * learnt. A batch of it at a time is computed by rows, an output after the other sent backward through the
 * nodes; then, by tiles, added to the product. All in double whatever the dtype is: the products of two
 * floats that J consists of are exact there, and A has the square of J's condition. */
#include <math.h>
#include <string.h>

#include "network/network.h"

static size_t learnt(const dr_plan *plan) {
    size_t numbers = 0;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (node->learns && node->kind->jacobian) numbers += node->kind->jacobian(NULL, node, 0, 0, NULL, 0);
    }
    return numbers;
}

int dr_plan_linearizes(const dr_plan *plan, size_t numbers) {
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const dr_kind *kind = plan->nodes[i].kind;
        if (kind->whole_forward || kind->whole_backward) return 0;
        if (plan->nodes[i].learns && (kind->statistics || kind->error_sums)) return 0;
    }
    return plan->loss.kind == DR_MSE && learnt(plan) == numbers;
}

static const dr_kernels *wide(void) { return dr_kernels_for(DR_F64); }

static dr_matrix take(dr_arena *arena, size_t rows, size_t cols) {
    char *data = dr_arena_take(arena, dr_matrix_size(DR_F64, rows, cols), sizeof(double));
    return (dr_matrix){data, dr_panel_stride(DR_F64, rows), cols};
}

void dr_linear_lay_out(dr_run *run, dr_arena *arena) {
    const size_t rows = run->capacity * run->plan->widths[run->plan->n_buffers - 1];
    dr_linear *l = &run->linear;
    l->cols = learnt(run->plan) + 1;
    l->rows = dr_arena_take(arena, rows * l->cols, sizeof(double));
    l->jacobian = take(arena, rows, l->cols);
    l->products = take(arena, l->cols, l->cols);
    l->factor = take(arena, l->cols, l->cols);
    l->solution = dr_arena_take(arena, dr_vector_size(DR_F64, l->cols), sizeof(double));
}

double dr_linear_work(const dr_run *run) {
    const double cols = (double)run->linear.cols, outputs = (double)run->values[run->plan->n_buffers - 1].cols;
    return outputs * (2 * run->plan->multiply_adds + cols * cols / 2);
}

/* -- by rows ---------------------------------------------------------------------------------------- */

static double number(dr_dtype dt, const void *p, size_t i) {
    return dt == DR_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static double root_of_weight(const dr_cursor *c, size_t row) {
    const dr_run *run = c->run;
    if (!run->data.weight) return 1;
    const double root = sqrt(number(run->plan->dtype, run->data.weight, c->first + row));
    return run->plan->dtype == DR_F32 ? (double)(float)root : root; /* as J has it */
}

/* The error at the output: one, or the root of the weight, in column `output`. */
void dr_linear_seed(dr_cursor *c, size_t output, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const dr_matrix dy = run->errors[run->plan->n_buffers - 1];
    for (size_t p = 0; p < dr_panels(dt, dy.cols); p++)
        memset(dr_at(dt, dy, p, row), 0, m * dr_panel_width(dt, dy.cols, p) * dr_size(dt));
    for (size_t r = row; r < row + m; r++) {
        void *at = dr_at(dt, dy, output / dr_panel(dt), r);
        const double root = root_of_weight(c, r);
        if (dt == DR_F32)
            ((float *)at)[output % dr_panel(dt)] = (float)root;
        else
            ((double *)at)[output % dr_panel(dt)] = root;
    }
}

/* The derivatives of one output, from the errors that have come back to the nodes; behind those of the last
 * output the rows of J are whole. */
void dr_linear_rows(dr_cursor *c, size_t output, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_linear *l = &run->linear;
    const dr_matrix y = run->values[plan->n_buffers - 1];
    const size_t apart = y.cols * l->cols, panel = dr_panel(plan->dtype);
    double *out = l->rows + (row * y.cols + output) * l->cols;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (node->learns && node->kind->jacobian)
            out += node->kind->jacobian(c, node, row, m, out, apart);
    }
    for (size_t r = row; r < row + m; r++, out += apart) {
        const void *at = dr_at(plan->dtype, y, output / panel, r);
        *out = root_of_weight(c, r) * (number(plan->dtype, at, output % panel) -
                                       number(plan->dtype, run->data.dense, (c->first + r) * y.cols + output));
    }
    if (output + 1 < y.cols) return;
    const dr_input whole = {DR_FLOAT64, l->rows + row * apart, (ptrdiff_t)(l->cols * sizeof(double))};
    wide()->gather[DR_FLOAT64](m * y.cols, l->cols, whole, NULL, 0, row * y.cols, l->jacobian.stride,
                               l->jacobian.data);
    dr_lap(&c->watch.ledger, DR_PRODUCTS);
}

/* -- by tiles: those on and above the diagonal, column by column ---------------------------------------- */

size_t dr_linear_tiles(const dr_run *run) {
    const size_t panels = dr_panels(DR_F64, run->linear.cols);
    return panels * (panels + 1) / 2;
}

void dr_linear_products(dr_cursor *c, size_t tile) {
    static const _Alignas(64) char zeros[128];
    const dr_linear *l = &c->run->linear;
    const size_t rows = c->m * c->run->values[c->run->plan->n_buffers - 1].cols;
    size_t q = 0;
    while ((q + 1) * (q + 2) / 2 <= tile) q++;
    const size_t p = tile - q * (q + 1) / 2, width = dr_panel_width(DR_F64, l->cols, q);
    const char *a = dr_at(DR_F64, l->jacobian, p, 0), *b = dr_at(DR_F64, l->jacobian, q, 0);
    char *sums = dr_at(DR_F64, l->products, q, p * dr_panel(DR_F64));
    const char *start = c->batch ? sums : zeros;
    const void *const ahead[DR_AHEAD] = {sums, sums, sums};
    wide()->product_t(dr_panel_cols(DR_F64, l->cols, p), width / dr_unit(DR_F64), rows, a,
                      dr_panel_width(DR_F64, l->cols, p), b, start, c->batch ? width : 0, sums, ahead);
    c->watch.tick(&c->watch, (double)rows * (double)(dr_panel(DR_F64) * width));
}

/* -- results -------------------------------------------------------------------------------------------- */

static double scale_of(const dr_run *run) {
    const double outputs = (double)run->values[run->plan->n_buffers - 1].cols;
    return run->position.weight_sum > 0 ? 2 / (outputs * run->position.weight_sum) : 0;
}

static double *element(dr_matrix m, size_t i, size_t j) {
    return (double *)dr_at(DR_F64, m, j / dr_panel(DR_F64), i) + j % dr_panel(DR_F64);
}

void dr_run_linear(const dr_run *run, double *gradient, double *diagonal) {
    const dr_linear *l = &run->linear;
    const double scale = scale_of(run);
    for (size_t i = 0; i + 1 < l->cols; i++) {
        gradient[i] = scale * *element(l->products, i, l->cols - 1);
        diagonal[i] = scale * *element(l->products, i, i);
    }
}

dr_status dr_run_solve(dr_run *run, const double *added, const double *right, dr_poll poll,
                       void *context, double *x) {
    const dr_linear *l = &run->linear;
    const dr_kernels *k = wide();
    const size_t n = l->cols - 1, panel = dr_panel(DR_F64);
    for (size_t q = 0; q < dr_panels(DR_F64, l->cols); q++)
        k->scale(dr_min((q + 1) * panel, l->cols) * dr_panel_width(DR_F64, l->cols, q), -scale_of(run),
                 dr_at(DR_F64, l->products, q, 0), dr_at(DR_F64, l->factor, q, 0));
    for (size_t i = 0; i < n; i++) {
        *element(l->factor, i, i) -= added[i];
        *element(l->factor, i, n) = -right[i];
    }
    const dr_status status = dr_cholesky_factor(DR_F64, k, n, l->factor, poll, context);
    if (status != DR_OK) return status;
    memset(l->solution, 0, l->cols * sizeof(double));
    k->cholesky_back(n, l->cols, l->factor.stride, l->factor.data, l->solution);
    memcpy(x, l->solution, n * sizeof(double));
    return DR_OK;
}
