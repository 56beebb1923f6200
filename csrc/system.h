/* Part of deltarule.h, which includes it: what there is besides operations and networks. */
#ifndef DR_SYSTEM_H
#define DR_SYSTEM_H

/* -- instruction sets (dispatch.c) ------------------------------------------------------------ */
int dr_isa_count(void);                  /* compiled in, best first */
const char *dr_isa_name(int isa);
int dr_isa_supported(int isa);           /* by this processor and its operating system */
int dr_isa_keeps_bits(int isa);          /* has FMA, so the promise of the same bits holds */
int dr_isa_current(void);
void dr_isa_select(int isa);             /* from the next call on; isa must be supported */

/* -- speed limit (peak.c) --------------------------------------------------------------------- */
/* FLOP/s of one thread that does nothing but FMAs: the best of short windows within `seconds`. */
double dr_peak(int isa, dr_dtype dt, double seconds);

/* -- nan and inf (finite.c) ------------------------------------------------------------------- */
/* Where the first number is that is nan or inf or becomes it in dt, counted row by row; or rows * cols. */
size_t dr_first_nonfinite(dr_dtype dt, size_t rows, size_t cols, dr_input x);

/* -- threads (threads.c) ---------------------------------------------------------------------- */
int dr_has_openmp(void);
int dr_threads_limit(void);              /* how many threads a call may use now */
void dr_threads_set(int n, int exact);   /* n = 0: back to the automatic limit */
void dr_threads_alone(int on);           /* calls by this thread use it only, whatever is set */
int dr_threads_wanted(void);             /* as they were set last */
int dr_threads_exact(void);
int dr_threads_last_team(void);          /* team size of this thread's last call: for tests */
void dr_threads_watch_forks(void);       /* once: from here on a forked child can use threads */

/* -- memory (memory.c) ------------------------------------------------------------------------ */
/* For tests: asked for so far, and not freed; of those to come, `after` go well and `count` then fail. */
uint64_t dr_allocations(void);
uint64_t dr_allocations_alive(void);
void dr_allocations_fail(uint64_t after, uint32_t count);

#endif
