/* How many threads a training run uses. Any number gives the same bits, so the choice may follow the
 * clock: it begins with what the work suggests, and now and then a few milliseconds with half or twice
 * as many show whether that is quicker. Where another process has the cores, or weights travel too slowly
 * between them, fewer threads win, and no model of the processor would know. */
#include <math.h>

#include "network/network.h"

#define TRIAL 0.004          /* seconds */
#define TRIALS_APART 50      /* times the length of the last one */
#define CLEARLY 1.03         /* better by so much is better */

int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds) {
    *seconds = HUGE_VAL;
    if (most < 2) return advised;
    if (team->work != work || team->most != most)
        *team = (dr_team){.work = work, .most = most, .size = advised, .trial_at = now + TRIAL};

    *seconds = team->trial_at - now;
    if (*seconds > 0 || !(team->rate > 0)) {
        if (*seconds < TRIAL) *seconds = TRIAL;
        return team->size;
    }
    const int more = team->size * 2 < most ? team->size * 2 : most, fewer = team->size / 2;
    if (more == team->size) team->up = 0;
    if (fewer == 0) team->up = 1;
    team->trial = team->up ? more : fewer;
    *seconds = TRIAL;
    return team->trial;
}

void dr_team_report(dr_team *team, size_t rows, double seconds, double now) {
    const double rate = seconds > 0 ? (double)rows / seconds : 0;
    if (!team->trial) {
        team->rate = rate;
        return;
    }
    if (rate > CLEARLY * team->rate) {
        team->size = team->trial;
        team->rate = rate;
    } else {
        team->up = !team->up;
    }
    team->trial = 0;
    team->trial_at = now + TRIALS_APART * seconds;
}
