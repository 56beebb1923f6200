/* Constraints of weights on plain arrays. */
#include "memory.h"
#include "ops/ops.h"

void dr_constrain_panel(dr_dtype dt, const dr_kernels *k, dr_constraint constraint, double limit,
                        size_t rows, dr_matrix w, size_t p) {
    k->constrain[constraint](rows, dr_panel_width(dt, w.cols, p) / dr_unit(dt), limit, dr_at(dt, w, p, 0));
}

dr_status dr_constrain(dr_dtype dt, dr_constraint constraint, double limit, size_t n_in, size_t n_out,
                       void *w) {
    const dr_kernels *k = dr_kernels_for(dt);
    const dr_matrix m = {dr_alloc(dr_matrix_size(dt, n_in, n_out), dr_size(dt)),
                         dr_panel_stride(dt, n_in), n_out};
    if (!m.data) return DR_NO_MEMORY;
    dr_to_panels(k, n_in, w, m);
    for (size_t p = 0; p < dr_panels(dt, n_out); p++)
        dr_constrain_panel(dt, k, constraint, limit, n_in, m, p);
    dr_from_panels(k, n_in, m, w);
    dr_free(m.data);
    return DR_OK;
}
