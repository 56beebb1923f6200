/* The numbers that an update needs, once a step, and a step on plain arrays. */
#include <string.h>

#include "ops/ops.h"
#include "scalar.h"

/* Constants of a rule at step t, which counts from 1, from its numbers h; k->rate is the learning rate.
 * What they are for is said at the formulas in kernels/optimizer.inc. */
typedef void (*prepare)(const double *h, uint64_t t, dr_constants *k);

static void of_numbers(const double *h, uint64_t t, dr_constants *k) {
    (void)t;
    memcpy(k->c, h, DR_MAX_NUMBERS * sizeof *h);
}

/* h: beta1, beta2 */
static void of_means(const double *h, uint64_t t, dr_constants *k) {
    (void)t;
    k->c[0] = h[0];
    k->c[1] = 1 - h[0];
    k->c[2] = h[1];
    k->c[3] = 1 - h[1];
}

/* h: beta1, beta2, eps, whether eps is added before the correction. The means begin at 0 and after t
 * steps have weights that sum to 1 - beta^t. */
static void of_adam(const double *h, uint64_t t, dr_constants *k) {
    of_means(h, t, k);
    k->c[4] = 1 / sqrt(1 - dr_power(h[1], t));
    k->c[5] = h[3] != 0 ? h[2] * k->c[4] : h[2];
    k->rate /= 1 - dr_power(h[0], t);
}

/* The momentum of NAdam at step t: beta1 (1 - 0.96^(t decay) / 2). */
static double nadam_momentum(const double *h, uint64_t t) {
    return h[0] * (1 - 0.5 * dr_exp((double)t * h[3] * -0.04082199452025517)); /* log 0.96 */
}

/* h: beta1, beta2, eps, momentum_decay */
static void of_nadam(const double *h, uint64_t t, dr_constants *k) {
    of_means(h, t, k);
    k->c[4] = 1 / sqrt(1 - dr_power(h[1], t));
    k->c[5] = h[2];
    /* the product of all momenta so far, from that of the step before; when it is so small that
     * 1 - product is 1, what is left makes no difference */
    if (!k->product_at) k->product = 1;
    while (k->product_at < t) {
        k->product_at = k->product > 0x1p-60 ? k->product_at + 1 : t;
        k->product *= nadam_momentum(h, k->product_at);
    }
    const double now = nadam_momentum(h, t), next = nadam_momentum(h, t + 1);
    k->c[6] = (1 - now) / (1 - k->product);
    k->c[7] = next / (1 - k->product * next);
}

/* h: beta1, beta2, eps. While the variance of 1 / sqrt(v) is not finite, Adam without sqrt(v). */
static void of_radam(const double *h, uint64_t t, dr_constants *k) {
    of_means(h, t, k);
    const double left = dr_power(h[1], t), most = 2 / (1 - h[1]) - 1;
    const double length = most - 2 * (double)t * left / (1 - left);
    k->rate /= 1 - dr_power(h[0], t);
    k->c[4] = length > 5;
    k->c[5] = length > 5 ? h[2] : 1;
    if (length > 5)
        k->rate *= sqrt((length - 4) * (length - 2) * most /
                           ((most - 4) * (most - 2) * length) * (1 - left));
}

/* h: beta1, beta2, eps, weight decay inside the direction */
static void of_lamb(const double *h, uint64_t t, dr_constants *k) {
    of_means(h, t, k);
    k->c[4] = 1 / sqrt(1 - dr_power(h[1], t));
    k->c[5] = h[2];
    k->c[6] = h[3];
    k->c[7] = 1 / (1 - dr_power(h[0], t));
}

static void of_adamax(const double *h, uint64_t t, dr_constants *k) {
    of_means(h, t, k);
    k->c[4] = h[2];
    k->rate /= 1 - dr_power(h[0], t);
}

/* h: alpha or rho, eps, and momentum if any */
static void of_mean(const double *h, uint64_t t, dr_constants *k) {
    (void)t;
    k->c[0] = h[0];
    k->c[1] = 1 - h[0];
    k->c[2] = h[1];
    k->c[3] = h[2];
}

/* h: the factors and limits of the step, which has the learning rate in it already */
static void of_rprop(const double *h, uint64_t t, dr_constants *k) {
    of_numbers(h, t, k);
    k->rate = 1;
}

static const struct {
    int states;
    prepare constants;
    int layered;
} RULES[DR_N_RULES] = {
    [DR_SGD] = {0, of_numbers, 0},
    [DR_MOMENTUM] = {1, of_numbers, 0},
    [DR_NESTEROV] = {1, of_numbers, 0},
    [DR_ADAM] = {2, of_adam, 0},
    [DR_AMSGRAD] = {3, of_adam, 0},
    [DR_NADAM] = {2, of_nadam, 0},
    [DR_RADAM] = {2, of_radam, 0},
    [DR_ADAMAX] = {2, of_adamax, 0},
    [DR_LION] = {1, of_means, 0},
    [DR_LAMB] = {2, of_lamb, 1},
    [DR_RMSPROP] = {1, of_mean, 0},
    [DR_RMSPROP_MOMENTUM] = {2, of_mean, 0},
    [DR_RMSPROP_CENTERED] = {2, of_mean, 0},
    [DR_RMSPROP_CENTERED_MOMENTUM] = {3, of_mean, 0},
    [DR_ADAGRAD] = {1, of_numbers, 0},
    [DR_ADADELTA] = {2, of_mean, 0},
    [DR_RPROP] = {2, of_rprop, 0},
};

int dr_rule_states(dr_rule rule) { return RULES[rule].states; }
int dr_rule_layered(dr_rule rule) { return RULES[rule].layered; }

void dr_optimizer_prepare(const dr_optimizer *optimizer, double rate, uint64_t step, dr_constants *k) {
    const double decay = optimizer->weight_decay;
    k->rate = rate;
    k->decay = optimizer->decoupled ? 0 : decay;
    k->left = optimizer->decoupled && !dr_rule_layered(optimizer->rule) ? 1 - rate * decay : 1;
    RULES[optimizer->rule].constants(optimizer->numbers, step, k);
}

double dr_optimizer_ratio(double weights, double direction) {
    return weights > 0 && direction > 0 ? sqrt(weights) / sqrt(direction) : 1;
}

/* Place by place. */
static void flat_step(const dr_kernels *k, dr_rule rule, const dr_constants *c, size_t n, const void *g,
                      void *const at[1 + DR_MAX_STATES]) {
    const dr_dtype dt = k->dtype;
    const size_t unit = dr_unit(dt), size = dr_size(dt), whole = n / unit * unit;
    const size_t arrays = 1 + (size_t)dr_rule_states(rule), bytes = (n - whole) * size;
    k->step[rule](whole, c, g, at);
    if (!bytes) return;

    _Alignas(64) char tail[2 + DR_MAX_STATES][64];
    void *ends[1 + DR_MAX_STATES];
    memset(tail, 0, sizeof tail);
    memcpy(tail[1 + DR_MAX_STATES], (const char *)g + whole * size, bytes);
    for (size_t i = 0; i < arrays; i++) {
        ends[i] = tail[i];
        memcpy(ends[i], (char *)at[i] + whole * size, bytes);
    }
    k->step[rule](unit, c, tail[1 + DR_MAX_STATES], ends);
    for (size_t i = 0; i < arrays; i++) memcpy((char *)at[i] + whole * size, ends[i], bytes);
}

/* In panels, as networks have it, for the sake of the norms. */
static dr_status layered_step(const dr_kernels *k, dr_rule rule, dr_constants c, dr_shape shape, const void *g,
                              void *const at[1 + DR_MAX_STATES]) {
    const dr_dtype dt = k->dtype;
    const size_t size = dr_array_size(dt, shape), chunks = dr_chunks(size);
    const size_t arrays = 1 + (size_t)dr_rule_states(rule);
    void *own[2 + DR_MAX_STATES];
    double *squares[2];
    dr_arena arena = {NULL, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i <= arrays; i++) own[i] = dr_arena_take(&arena, size, dr_size(dt));
        for (size_t i = 0; i < 2; i++) squares[i] = dr_arena_take(&arena, chunks, sizeof **squares);
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    for (size_t i = 0; i < arrays; i++) dr_array_in(k, shape, at[i], own[i]);
    dr_array_in(k, shape, g, own[arrays]);
    k->direction(size, &c, own[arrays], own);
    for (size_t i = 0; i < chunks; i++) {
        squares[0][i] = dr_chunk_squares(k, size, own[0], i);
        squares[1][i] = dr_chunk_squares(k, size, own[arrays], i);
    }
    c.rate *= dr_optimizer_ratio(dr_chunk_sum(chunks, squares[0]), dr_chunk_sum(chunks, squares[1]));
    c.decay = 0; /* it is in the direction */
    k->step[rule](size, &c, own[arrays], own);
    for (size_t i = 0; i < arrays; i++) dr_array_out(k, shape, own[i], at[i]);
    dr_free(arena.base);
    return DR_OK;
}

dr_status dr_optimizer_step(dr_dtype dt, const dr_optimizer *optimizer, uint64_t step, dr_shape shape,
                            const void *g, void *const at[1 + DR_MAX_STATES]) {
    const dr_kernels *k = dr_kernels_for(dt);
    dr_constants c = {0};
    dr_optimizer_prepare(optimizer, optimizer->learning_rate, step, &c);
    if (dr_rule_layered(optimizer->rule)) return layered_step(k, optimizer->rule, c, shape, g, at);
    flat_step(k, optimizer->rule, &c, (shape.rows ? shape.rows : 1) * shape.cols, g, at);
    return DR_OK;
}
