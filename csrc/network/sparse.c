/* A batch of sparse rows. They are copied in the gather: converted, checked, in the order of the run. That is
 * all that dense nodes read; others get the batch, not more, in panels. For weight gradients the same entries
 * are put in order by columns, in each the rows ascending, so that a gradient is the product of a sparse row,
 * too. Time and memory grow with the entries, and with a number for each column. */
#include <string.h>

#include "network/network.h"

static int reads_input(const dr_node *node) {
    for (size_t i = 0; i < node->n_sources; i++)
        if (node->sources[i].buffer == 0) return 1;
    return 0;
}

/* Jacobians are made of panels, and gradients of batches in pieces, which go on from one to the next. */
static int by_entries(const dr_run *run) { return run->mode != DR_LINEARIZE && !dr_in_pieces(run); }

int dr_reads_entries(const dr_run *run, const dr_node *node) {
    return run->sparse && by_entries(run) && node->kind == &dr_kind_dense && reads_input(node);
}

int dr_sparse_wants_panels(const dr_run *run) {
    const dr_plan *plan = run->plan;
    for (size_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i].kind != &dr_kind_dense && reads_input(&plan->nodes[i])) return 1;
    return !by_entries(run);
}

int dr_sparse_wants_columns(const dr_run *run) {
    const dr_plan *plan = run->plan;
    if ((run->mode != DR_TRAIN && run->mode != DR_GRADIENT) || !by_entries(run)) return 0;
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (node->kind == &dr_kind_dense && node->learns && reads_input(node)) return 1;
    }
    return 0;
}

double dr_sparse_saved(const dr_run *run) {
    const double rows = (double)dr_min(run->batch_size, run->data.n), none = (double)run->entries.most;
    double saved = 0;
    for (size_t i = 0; i < run->plan->n_nodes; i++) {
        const dr_node *node = &run->plan->nodes[i];
        if (dr_reads_entries(run, node)) saved += ((double)node->n_in * rows - none) * (double)node->n_out;
    }
    return saved;
}

dr_entries dr_rows_of_batch(const dr_cursor *c) {
    const dr_batch_entries *s = &c->run->entries;
    return (dr_entries){s->starts + c->first, s->columns, s->values};
}

dr_entries dr_columns_of_batch(const dr_cursor *c) {
    const dr_batch_entries *s = &c->run->entries;
    return (dr_entries){s->column_starts, s->rows, s->column_values};
}

/* -- opening a run ---------------------------------------------------------------------------------------- */

/* Room for the entries of the largest batch; some more where the next epoch's may be larger. */
static int make_room(dr_run *run) {
    dr_batch_entries *s = &run->entries;
    if (s->most <= s->room) return 1;
    const size_t room = s->most + (run->shuffled ? s->most / 8 : 0), size = dr_size(run->plan->dtype);
    const int by_columns = dr_sparse_wants_columns(run);
    dr_free(s->memory);
    s->memory = NULL;
    s->room = 0;
    dr_arena arena = {NULL, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        s->columns = dr_arena_take(&arena, room, sizeof *s->columns);
        s->values = dr_arena_take(&arena, room, size);
        s->rows = dr_arena_take(&arena, by_columns ? room : 0, sizeof *s->rows);
        s->column_values = dr_arena_take(&arena, by_columns ? room : 0, size);
        if (pass == 0) {
            s->bytes = arena.used;
            s->memory = dr_arena_open(&arena);
            if (!s->memory) return 0;
        }
    }
    s->room = room;
    return 1;
}

int dr_sparse_open(dr_run *run) {
    dr_batch_entries *s = &run->entries;
    const int64_t *given = run->data.sparse.starts;
    s->starts = run->order ? s->own_starts : given;
    if (run->order) s->own_starts[0] = 0;
    for (size_t i = 0; run->order && i < run->data.n; i++) {
        const int64_t row = run->order[i];
        s->own_starts[i + 1] = s->own_starts[i] + given[row + 1] - given[row];
    }
    s->most = 0;
    for (size_t first = 0; first < run->data.n; first += dr_min(run->batch_size, run->data.n - first)) {
        const size_t end = first + dr_min(run->batch_size, run->data.n - first);
        const size_t count = (size_t)(s->starts[end] - s->starts[first]);
        if (count > s->most) s->most = count;
    }
    return make_room(run);
}

/* -- batches ---------------------------------------------------------------------------------------------- */

/* As a double, which holds each exactly. -0 becomes +0, as in the dense matrix, where an entry is added to 0. */
static double number(dr_input x, size_t i) {
    switch (x.element) {
    case DR_FLOAT32: return (double)((const float *)x.data)[i] + 0.0;
    case DR_FLOAT64: return ((const double *)x.data)[i] + 0.0;
    default: return (double)((const uint8_t *)x.data)[i];
    }
}

static void store(dr_dtype dt, char *to, size_t i, double value) {
    if (dt == DR_F32)
        ((float *)to)[i] = (float)value;
    else
        ((double *)to)[i] = value;
}

static void copy(dr_dtype dt, char *to, size_t i, const char *from, size_t j) {
    if (dt == DR_F32)
        ((float *)to)[i] = ((const float *)from)[j];
    else
        ((double *)to)[i] = ((const double *)from)[j];
}

/* Rows [row, row + m) of the batch in panels. */
static void spread(const dr_cursor *c, size_t row, size_t m) {
    const dr_dtype dt = c->run->plan->dtype;
    const dr_matrix x = c->run->values[0];
    const dr_entries a = dr_rows_of_batch(c);
    const size_t panel = dr_panel(dt);
    for (size_t p = 0; p < dr_panels(dt, x.cols); p++)
        memset(dr_at(dt, x, p, row), 0, m * dr_panel_width(dt, x.cols, p) * dr_size(dt));
    for (size_t r = row; r < row + m; r++)
        for (int64_t e = a.starts[r] - a.starts[0]; e < a.starts[r + 1] - a.starts[0]; e++) {
            const size_t column = (size_t)a.at[e];
            copy(dt, dr_at(dt, x, column / panel, r), column % panel, a.values, (size_t)e);
        }
}

/* Another thread may write to the user's columns: each is read once, and what leads outside is a zero. */
void dr_sparse_gather(dr_cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_batch_entries *s = &run->entries;
    const dr_sparse x = run->data.sparse;
    const int64_t *starts = s->starts + c->first;
    const uint64_t n_in = run->plan->widths[0];
    for (size_t r = row; r < row + m; r++) {
        const int64_t source = run->order ? run->order[c->first + r] : (int64_t)(c->first + r);
        size_t from = (size_t)x.starts[source], to = (size_t)(starts[r] - starts[0]);
        for (const size_t end = (size_t)(starts[r + 1] - starts[0]); to < end; from++, to++) {
            const int64_t column = x.wide ? ((const int64_t *)x.columns)[from]
                                          : ((const int32_t *)x.columns)[from];
            const int inside = (uint64_t)column < n_in;
            s->columns[to] = inside ? column : 0;
            store(run->plan->dtype, s->values, to, inside ? number(run->data.x, from) : 0);
        }
    }
    if (run->values[0].data) spread(c, row, m);
}

/* A pass counts, and with that each column knows its place; another fills. Of the entries of others, all that
 * matters is how many come before. starts[k + 1] moves from the begin of column k to its end. */
void dr_sparse_columns(dr_cursor *c, size_t panel, size_t panels) {
    const dr_run *run = c->run;
    const dr_batch_entries *s = &run->entries;
    const dr_dtype dt = run->plan->dtype;
    const dr_entries a = dr_rows_of_batch(c);
    const int64_t count = a.starts[c->m] - a.starts[0];
    const int64_t low = (int64_t)(panel * dr_panel(dt));
    const int64_t high = (int64_t)dr_min((panel + panels) * dr_panel(dt), run->plan->widths[0]);
    int64_t *next = s->column_starts + 1, begin = 0;
    if (low == 0) s->column_starts[0] = 0;
    memset(next + low, 0, (size_t)(high - low) * sizeof *next);
    for (int64_t e = 0; e < count; e++) {
        const int64_t k = a.at[e];
        begin += k < low;
        if (k >= low && k < high) next[k]++;
    }
    for (int64_t k = low; k < high; k++) {
        const int64_t entries = next[k];
        next[k] = begin;
        begin += entries;
    }
    int64_t e = 0;
    for (size_t r = 0; r < c->m; r++)
        for (; e < a.starts[r + 1] - a.starts[0]; e++) {
            const int64_t k = a.at[e];
            if (k < low || k >= high) continue;
            const size_t to = (size_t)next[k]++;
            s->rows[to] = (int64_t)r;
            copy(dt, s->column_values, to, a.values, (size_t)e);
        }
    dr_lap(&c->watch.ledger, DR_DATA);
}
