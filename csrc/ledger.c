#include "ledger.h"

#include <string.h>

#include "clock.h"

/* Of the time, for timing: looks at the clock also keep the processor from working ahead, which
 * costs it about as much again. */
#define SHARE 0.0025

void dr_ledger_restart(dr_ledger *ledger) {
    *ledger = (dr_ledger){.clock = 1e-6};
    for (int i = 0; i < 4; i++) { /* the least is undisturbed; 16 looks, as some clocks tick slowly */
        const double before = dr_now();
        for (int look = 1; look < 16; look++) dr_now();
        const double each = (dr_now() - before) / 16;
        if (each > 1e-9 && each < ledger->clock) ledger->clock = each;
    }
}

void dr_ledger_time_batch(dr_ledger *ledger) {
    ledger->timing = 1;
    ledger->laps = 0;
    memset(ledger->spent, 0, sizeof ledger->spent);
    ledger->mark = dr_now();
}

void dr_ledger_add_lap(dr_ledger *ledger, dr_cost cost) {
    const double now = dr_now(), passed = now - ledger->mark - ledger->clock;
    if (passed > 0) ledger->spent[cost] += passed;
    ledger->mark = now;
    ledger->laps++;
}

static double total(const double spent[DR_N_COSTS]) {
    double sum = 0;
    for (int i = 0; i < DR_N_COSTS; i++) sum += spent[i];
    return sum;
}

/* A batch weighs as many rows as it has, not as many seconds: one during which another process had
 * the core for milliseconds would outweigh a thousand. */
void dr_ledger_add_batch(dr_ledger *ledger, size_t rows) {
    const double seconds = total(ledger->spent), clocks = ledger->laps * ledger->clock;
    ledger->timing = 0;
    ledger->until = (size_t)(clocks / (seconds + clocks) / SHARE);
    if (!(seconds > 0)) return;
    for (int i = 0; i < DR_N_COSTS; i++)
        ledger->sum.spent[i] += ledger->spent[i] / seconds * (double)rows;
}

dr_ledger dr_ledger_close(dr_ledger ledger, int team, double seconds) {
    ledger.sum.seconds += seconds;
    if (team > ledger.sum.threads) ledger.sum.threads = team;
    return ledger;
}

dr_performance dr_ledger_read(const dr_ledger *ledger) {
    dr_performance result = ledger->sum;
    const double shares = total(result.spent);
    for (int i = 0; i < DR_N_COSTS; i++)
        result.spent[i] = shares > 0 ? result.spent[i] / shares * result.seconds : 0;
    return result;
}
