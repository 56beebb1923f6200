/* Activations on whole arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

int dr_activation_is_rowwise(dr_activation act) {
    return act == DR_SOFTMAX || act == DR_LOG_SOFTMAX;
}

int dr_activation_needs_input(dr_activation act) {
    return act == DR_GELU || act == DR_GELU_TANH || act == DR_SILU || act == DR_MISH ||
           act == DR_HARD_SWISH;
}

/* An elementwise activation sees a flat array as one panel of n / width rows; what is left over
 * goes through a panel of its own. */
static void flat(dr_dtype dt, size_t n, const void *const in[3], void *out,
                 void (*call)(void *context, size_t rows, const void *const in[3], void *out),
                 void *context, int n_in) {
    const size_t width = dr_panel(dt), whole = n / width * width, rest = n - whole;
    const size_t size = dr_size(dt);
    if (whole) call(context, n / width, in, out);
    if (rest) {
        _Alignas(64) char buffer[4][128];
        const void *tail[3] = {buffer[0], buffer[1], buffer[2]};
        memset(buffer, 0, sizeof buffer);
        for (int i = 0; i < n_in; i++) memcpy(buffer[i], (const char *)in[i] + whole * size, rest * size);
        call(context, 1, tail, buffer[3]);
        memcpy((char *)out + whole * size, buffer[3], rest * size);
    }
}

typedef struct {
    const dr_kernels *k;
    dr_activation act;
    double alpha;
    size_t width;
} flat_call;

static void flat_forward(void *context, size_t rows, const void *const in[3], void *out) {
    const flat_call *c = context;
    c->k->activation_forward[c->act](c->alpha, rows, c->width, 0, 0, in[0], out);
}

static void flat_backward(void *context, size_t rows, const void *const in[3], void *out) {
    const flat_call *c = context;
    c->k->activation_backward[c->act](c->alpha, rows, c->width, 0, 0, in[0], in[1], in[2], out);
}

dr_status dr_activation_forward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                size_t n_out, const void *x, void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    if (!dr_activation_is_rowwise(act)) {
        flat_call c = {k, act, alpha, dr_panel(dt)};
        const void *const in[3] = {x, NULL, NULL};
        flat(dt, n * n_out, in, y, flat_forward, &c, 1);
        return DR_OK;
    }
    dr_matrix m = {dr_alloc(dr_matrix_size(dt, n, n_out), dr_size(dt)), dr_panel_stride(dt, n), n_out};
    if (!m.data) return DR_NO_MEMORY;
    dr_to_panels(k, n, x, m);
    k->activation_forward[act](alpha, n, n_out, 0, m.stride, m.data, m.data);
    dr_from_panels(k, n, m, y);
    dr_free(m.data);
    return DR_OK;
}

dr_status dr_activation_backward(dr_dtype dt, dr_activation act, double alpha, size_t n,
                                 size_t n_out, const void *x, const void *y, const void *dy,
                                 void *dx) {
    const dr_kernels *k = dr_kernels_for(dt);
    if (!dr_activation_is_rowwise(act)) {
        flat_call c = {k, act, alpha, dr_panel(dt)};
        const void *const in[3] = {x, y, dy};
        flat(dt, n * n_out, in, dx, flat_backward, &c, 3);
        return DR_OK;
    }
    const size_t size = dr_matrix_size(dt, n, n_out), stride = dr_panel_stride(dt, n);
    char *data = dr_alloc(size, 3 * dr_size(dt));
    if (!data) return DR_NO_MEMORY;
    dr_matrix in[3];
    for (size_t i = 0; i < 3; i++)
        in[i] = (dr_matrix){dr_offset(dt, data, i * size), stride, n_out};
    dr_to_panels(k, n, x, in[0]);
    dr_to_panels(k, n, y, in[1]);
    dr_to_panels(k, n, dy, in[2]);
    k->activation_backward[act](alpha, n, n_out, 0, stride, in[0].data, in[1].data, in[2].data,
                                in[2].data);
    dr_from_panels(k, n, in[2], dx);
    dr_free(data);
    return DR_OK;
}

void dr_elementary(dr_dtype dt, dr_function function, size_t n, const void *x, void *y) {
    dr_kernels_for(dt)->elementary[function](n, x, y);
}
