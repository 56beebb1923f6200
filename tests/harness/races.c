/* What may happen at the same time, for ThreadSanitizer: threads that train networks of their own, each
 * with a team of its own, threads that predict with one network, and one that changes the settings. Each
 * must get what it gets when it is alone. */
#include <pthread.h>

#include "hashes.h"

enum { EACH = 2, ROUNDS = 3, ROWS = 203 };

typedef struct {
    dr_dtype dt;
    dr_plan *plan;
    dr_data data;
    int trains, threads;
    uint64_t hash;
} job;

static void *learn_or_read(void *context) {
    job *j = context;
    if (j->trains) {
        j->hash = weights_of(j->plan, j->dt, train(j->plan, j->dt, &j->data, 64));
        return NULL;
    }
    j->hash = predictions(j->plan, j->dt, j->data);
    for (int i = 1; i < ROUNDS; i++)
        if (predictions(j->plan, j->dt, j->data) != j->hash) exit(7);
    return NULL;
}

static void *change_settings(void *context) {
    const job *j = context;
    for (int i = 0; i < 100; i++) {
        dr_threads_set(1 + i % j->threads, 1);
        dr_isa_select(dr_isa_current());
        (void)dr_allocations_alive();
    }
    dr_threads_set(j->threads, 1);
    return NULL;
}

void at_once(dr_dtype dt, int threads) {
    void *x = normals(dt, ROWS * N_IN, 1), *t = normals(dt, ROWS * N_OUT, 1);
    const dr_data data = {.n = ROWS, .x = {(dr_element)dt, x, (ptrdiff_t)(N_IN * width(dt))}, .dense = t};
    const uint64_t before = drawn;
    dr_plan *own[EACH + 1], *shared = all_kinds(dt);
    for (int i = 0; i <= EACH; i++) {
        drawn = before; /* all alike */
        own[i] = all_kinds(dt);
    }
    job jobs[2 * EACH + 1], alone[2];
    for (int i = 0; i < 2 * EACH + 1; i++)
        jobs[i] = (job){dt, i < EACH ? own[i] : shared, data, i < EACH, threads, 0};
    alone[0] = jobs[0], alone[0].plan = own[EACH];
    alone[1] = jobs[EACH];
    for (int i = 0; i < 2; i++) learn_or_read(&alone[i]);
    pthread_t running[2 * EACH + 1];
    for (int i = 0; i < 2 * EACH + 1; i++)
        if (pthread_create(&running[i], NULL, i < 2 * EACH ? learn_or_read : change_settings, &jobs[i])) exit(8);
    for (int i = 0; i < 2 * EACH + 1; i++) pthread_join(running[i], NULL);
    for (int i = 0; i < 2 * EACH; i++)
        if (jobs[i].hash != alone[i >= EACH].hash) exit(9);
    for (int i = 0; i <= EACH; i++) dr_plan_destroy(own[i]);
    dr_plan_destroy(shared);
    free(x), free(t);
}
