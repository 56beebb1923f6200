/* What the parts of the program in hashes.c have in common. */
#ifndef HASHES_H
#define HASHES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deltarule.h"

static const char *const DTYPES[] = {"float32", "float64"};

/* FNV-1a, 64 bits */
static inline uint64_t hash(uint64_t h, const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}
#define START 0xcbf29ce484222325u

static inline void *zeros(size_t n) {
    void *p = calloc(n ? n : 1, sizeof(double));
    if (!p) exit(3);
    return p;
}

static inline size_t width(dr_dtype dt) { return dt == DR_F32 ? sizeof(float) : sizeof(double); }

/* n normal numbers of the dtype, scaled; each call its own stream */
extern uint64_t drawn;
static inline void *normals(dr_dtype dt, size_t n, double scale) {
    double *d = zeros(n);
    dr_random_normal((dr_stream){.seed = 7, .step = drawn++, .purpose = DR_PURPOSE_WEIGHT}, n, d);
    for (size_t i = 0; i < n; i++) d[i] *= scale;
    if (dt == DR_F32)
        for (size_t i = 0; i < n; i++) ((float *)(void *)d)[i] = (float)d[i];
    return d;
}

static inline void check(dr_status status) {
    if (status != DR_OK) exit(4);
}

static inline void line(const char *what, int kind, dr_dtype dt, const size_t *s, uint64_t h) {
    printf("%s %d %s %zux%zux%zu %016llx\n", what, kind, DTYPES[dt], s[0], s[1], s[2],
           (unsigned long long)h);
}

static inline int64_t *labels_for(size_t n, size_t n_out) {
    int64_t *labels = zeros(n);
    for (size_t i = 0; i < n; i++) labels[i] = (int64_t)(i * 7 % n_out);
    return labels;
}

/* A loss with numbers that all of them can be made with. */
static inline dr_loss_spec made(dr_loss kind, double first) {
    return (dr_loss_spec){.kind = kind, .n_parameters = 2, .parameters = {first, kind == DR_CROSS_ENTROPY ? first / 3 : 0.7}};
}

/* A rule with usual numbers. */
static inline dr_optimizer optimizer_of(int rule, double rate) {
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

/* networks.c. The network of all kinds of nodes reads and puts out: */
enum { N_IN = 19, HIDDEN = 40, N_OUT = 5 };

void inputs(dr_dtype dt, const size_t *s);
void networks(dr_dtype dt);
dr_plan *all_kinds(dr_dtype dt);
uint64_t train(dr_plan *plan, dr_dtype dt, const dr_data *data, size_t batch);
uint64_t weights_of(const dr_plan *plan, dr_dtype dt, uint64_t h);
uint64_t predictions(dr_plan *plan, dr_dtype dt, dr_data data);

/* races.c */
void at_once(dr_dtype dt, int threads);

#endif
