/* A part of deltarule.h: how gradients become updates. */
#ifndef DR_OPTIMIZER_H
#define DR_OPTIMIZER_H

/* A formula, with as many arrays of state as it needs. */
typedef enum {
    DR_SGD,
    DR_MOMENTUM,
    DR_NESTEROV,
    DR_ADAM,
    DR_AMSGRAD,
    DR_NADAM,
    DR_RADAM,
    DR_ADAMAX,
    DR_LION,
    DR_RMSPROP,
    DR_RMSPROP_MOMENTUM,
    DR_RMSPROP_CENTERED,
    DR_RMSPROP_CENTERED_MOMENTUM,
    DR_ADAGRAD,
    DR_ADADELTA,
    DR_RPROP,
    DR_LAMB,
    DR_N_RULES
} dr_rule;

#define DR_MAX_STATES 3
#define DR_MAX_NUMBERS 4

/* What is held to a limit before that: the elements of gradients, the norm of each array of them, or the
 * norm of all together. */
typedef enum { DR_CLIP_NONE, DR_CLIP_VALUE, DR_CLIP_NORM, DR_CLIP_GLOBAL_NORM, DR_N_CLIPS } dr_clip_kind;

typedef struct {
    dr_clip_kind kind;
    double limit;
} dr_clip;

/* A rule with its numbers (betas, eps, ...: ops/optimizer.c). decoupled: weight decay does not pass
 * through the gradient. */
typedef struct {
    dr_rule rule;
    int decoupled;
    double learning_rate, weight_decay, numbers[DR_MAX_NUMBERS];
    dr_clip clip;
} dr_optimizer;

/* One update of an array, without clipping. step counts from 1; at: the parameters and as many arrays of
 * state as the rule has, plain row-major, in place */
dr_status dr_optimizer_step(dr_dtype dt, const dr_optimizer *optimizer, uint64_t step, dr_shape shape,
                            const void *g, void *const at[1 + DR_MAX_STATES]);
int dr_rule_states(dr_rule rule);
/* Whether how far an array goes depends on norms of all of it. */
int dr_rule_layered(dr_rule rule);
/* n arrays of gradients, plain row-major, in place */
dr_status dr_clip_gradients(dr_dtype dt, dr_clip clip, size_t n, const dr_shape *shapes,
                            void *const *gradients);

#endif
