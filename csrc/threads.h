/* Threads: two functions hide OpenMP, which alone appears in threads.c. */
#ifndef DR_THREADS_H
#define DR_THREADS_H

#include <stdatomic.h>

#include "deltarule.h"

/* How many threads `multiply_adds` of work between two barriers deserve, `shares` being how many
 * can have some; in exact mode the number that was asked for. */
int dr_threads_for(double multiply_adds, size_t shares);

typedef void (*dr_task)(void *context, int thread, int team);

/* Runs task on `threads` threads, the caller being thread 0; returns when all are done. The team may
 * be smaller than asked; in exact mode that is DR_WRONG_TEAM and nothing has run. */
dr_status dr_parallel_run(int threads, dr_task task, void *context);

typedef struct {
    atomic_int arrived, round, asleep;
    int spins;                  /* before a waiting thread goes to sleep */
} dr_barrier;

/* For a team about to start. */
void dr_barrier_open(dr_barrier *barrier, int team);
void dr_barrier_wait(dr_barrier *barrier, int team);

/* The share [begin, end) of `count` things that is thread's. */
static inline void dr_share(size_t count, int thread, int team, size_t *begin, size_t *end) {
    const size_t t = (size_t)thread, n = (size_t)team;
    *begin = count / n * t + (count % n < t ? count % n : t);
    *end = *begin + count / n + (t < count % n);
}

#endif
