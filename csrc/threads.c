#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "threads.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

/* Multiply-adds that a second thread must have to itself to be worth it: below some
 * 100 us a step the weights that the other core has just updated cost more than it saves. */
#define WORK_PER_THREAD 1e7

static atomic_int wanted; /* 0: automatic */
static atomic_int exact_mode;
static _Thread_local int last_team = 1;
static _Thread_local int alone; /* others beside this thread have the other cores */

#ifdef _OPENMP
static _Thread_local int has_pool; /* this thread has started workers, which libgomp keeps */

static int cores(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return omp_get_num_procs();
}

int dr_has_openmp(void) { return 1; }

static int most(void) {
    const int n = atomic_load(&wanted), available = cores();
    if (n && atomic_load(&exact_mode)) return n;
    /* omp_get_max_threads follows OMP_NUM_THREADS and threadpoolctl */
    const int limit = n ? n : omp_get_max_threads();
    return limit < available ? limit : available;
}
#else
static int cores(void) { return 1; }
int dr_has_openmp(void) { return 0; }
static int most(void) { return 1; }
#endif

void dr_threads_set(int n, int exact) {
    atomic_store(&wanted, n);
    atomic_store(&exact_mode, exact);
}

int dr_threads_limit(void) { return alone ? 1 : most(); }
void dr_threads_alone(int on) { alone = on; }
int dr_threads_wanted(void) { return atomic_load(&wanted); }
int dr_threads_exact(void) { return atomic_load(&exact_mode); }
int dr_threads_last_team(void) { return last_team; }

int dr_threads_for(double multiply_adds, size_t shares) {
    if (atomic_load(&exact_mode)) return dr_threads_limit();
    double n = multiply_adds / WORK_PER_THREAD;
    if (n > (double)shares) n = (double)shares;
    if (n < 2) return 1; /* without asking the system, which takes as long as a small prediction */
    const int limit = dr_threads_limit();
    return n < limit ? (int)n : limit;
}

#if defined(_OPENMP) && defined(__linux__)
static int here(void) { return sched_getcpu(); }

/* A worker that has been woken on its caller's core, where the caller waits for it, goes to another one.
 * The system sees only one of the two run at a time, and may leave them there for many milliseconds. */
static void part_from(int cpu) {
    cpu_set_t allowed, others;
    if (sched_getcpu() != cpu || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    others = allowed;
    CPU_CLR((size_t)cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof allowed, &allowed);
}
#elif defined(_OPENMP)
static int here(void) { return 0; }
static void part_from(int cpu) { (void)cpu; }
#endif

dr_status dr_parallel_run(int threads, dr_task task, void *context) {
#ifdef _OPENMP
    if (threads > 1) {
        dr_status status = DR_OK;
        int size = 1;
        const int cpu = here();
        has_pool = 1;
#pragma omp parallel num_threads(threads)
        {
            const int team = omp_get_num_threads();
            if (omp_get_thread_num() == 0)
                size = team;
            else
                part_from(cpu);
            if (team == threads || !atomic_load(&exact_mode))
                task(context, omp_get_thread_num(), team);
            else if (omp_get_thread_num() == 0)
                status = DR_WRONG_TEAM;
        }
        last_team = size;
        return status;
    }
#else
    (void)threads;
#endif
    last_team = 1;
    task(context, 0, 1);
    return DR_OK;
}

/* libgomp keeps the worker threads of each master; a forked child has the master's record of them
 * but not the threads, and would wait for them for ever (gcc bug 60035). So the forking thread lets them
 * go, whoever forks: also a server in C that has loaded Python. clang's libomp begins anew in a child by
 * itself; to pause it would take threads away from others in the midst of their work. */
#if defined(_OPENMP) && !defined(__clang__)
static void before_fork(void) {
    /* refused inside a region, from where code of a user may fork */
    if (has_pool && omp_pause_resource_all(omp_pause_hard) == 0) has_pool = 0;
}
void dr_threads_watch_forks(void) { pthread_atfork(before_fork, NULL, NULL); }
#else
void dr_threads_watch_forks(void) {}
#endif

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A thread that waits spins while its partners can be expected to be running: some 300 us, since waking
 * it costs 50 to 150 us. Where there are more threads than cores it sleeps at once. It does not call
 * sched_yield over and over: from Linux 6.18 on each call forfeits a time slice, and beside a busy
 * process the team would starve. */
#define SPINS 20000

void dr_barrier_open(dr_barrier *barrier, int team) {
    atomic_store(&barrier->arrived, 0);
    atomic_store(&barrier->asleep, 0);
    barrier->spins = team == 1 || team <= cores() ? SPINS : 0;
}

#ifdef __linux__
static void sleep_until_changed(atomic_int *word, int value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void wake_all(atomic_int *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
static void sleep_until_changed(atomic_int *word, int value) {
    (void)word, (void)value;
    sched_yield();
}
static void wake_all(atomic_int *word) { (void)word; }
#endif

void dr_barrier_wait(dr_barrier *barrier, int team) {
    if (team == 1) return;
    const int round = atomic_load(&barrier->round);
    if (atomic_fetch_add(&barrier->arrived, 1) == team - 1) {
        atomic_store(&barrier->arrived, 0);
        atomic_store(&barrier->round, round + 1);
        if (atomic_load(&barrier->asleep)) wake_all(&barrier->round);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&barrier->round, memory_order_acquire) == round;) {
        if (spins++ < barrier->spins) {
            relax();
            continue;
        }
        atomic_fetch_add(&barrier->asleep, 1);
        sleep_until_changed(&barrier->round, round); /* returns at once if it has changed */
        atomic_fetch_sub(&barrier->asleep, 1);
    }
}
