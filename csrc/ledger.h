/* Where the time of training goes. One batch in a while is timed: how many in between follows from
 * what timing that one has cost, so that all of it stays below a hundredth of the time.
 *
 * A timed batch is a chain of laps: what has passed since the last one went to the cost named. So
 * nothing is left out and nothing counted twice. Only thread 0, which calls, keeps a ledger. */
#ifndef DR_LEDGER_H
#define DR_LEDGER_H

#include <stddef.h>

#include "deltarule.h"

typedef struct {
    dr_performance sum;         /* spent: shares of timed batches, times their rows */
    double clock;               /* seconds that one look at the clock takes: they count for no lap */
    size_t until;               /* batches before the next that is timed */
    int timing;                 /* this batch is; it has ... */
    int laps;
    double mark;                /* the time of the last one */
    double spent[DR_N_COSTS];
} dr_ledger;

/* Empty; the next batch is timed. */
void dr_ledger_restart(dr_ledger *ledger);
/* For who keeps none: no batch is timed. */
static inline dr_ledger dr_ledger_none(void) { return (dr_ledger){.until = (size_t)-1}; }
/* The ledger after a call of so many seconds with a team of threads. */
dr_ledger dr_ledger_close(dr_ledger ledger, int team, double seconds);
/* The sum with all of its seconds shared out as those of the timed batches were. */
dr_performance dr_ledger_read(const dr_ledger *ledger);

void dr_ledger_time_batch(dr_ledger *ledger);
void dr_ledger_add_lap(dr_ledger *ledger, dr_cost cost);
void dr_ledger_add_batch(dr_ledger *ledger, size_t rows);

static inline void dr_ledger_begin_batch(dr_ledger *ledger) {
    if (ledger->until-- == 0) dr_ledger_time_batch(ledger);
}

static inline void dr_lap(dr_ledger *ledger, dr_cost cost) {
    if (__builtin_expect(ledger->timing, 0)) dr_ledger_add_lap(ledger, cost);
}

static inline void dr_ledger_end_batch(dr_ledger *ledger, size_t rows) {
    if (__builtin_expect(ledger->timing, 0)) dr_ledger_add_batch(ledger, rows);
}

#endif
