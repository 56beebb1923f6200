/* How many threads a training run uses. Any number gives the same bits, so the choice may follow the
 * clock: it begins with what the work suggests, and now and then a few milliseconds with half or twice
 * as many show whether that is quicker. Where another process has the cores, or weights travel too slowly
 * between them, fewer threads win, and no model of the processor would know. */
#include <math.h>

#include "network/network.h"

#define TRIAL 0.004          /* seconds; to wake a sleeping thread takes up to 0.15 thousandths */
#define TRIALS_APART 50      /* times the length of the last one */
#define CLEARLY 1.03         /* better by so much is better */

static void begin(dr_team *team, int trial) {
    team->trial = trial;
    team->rows = 0;
    team->seconds = 0;
}

int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds) {
    *seconds = HUGE_VAL;
    if (most < 2) return advised;
    if (team->work != work || team->most != most)
        *team = (dr_team){.work = work, .most = most, .size = advised, .trial_at = now + TRIAL};

    if (!team->trial && now >= team->trial_at && team->seconds > 0) {
        const int more = team->size * 2 < most ? team->size * 2 : most, fewer = team->size / 2;
        if (more == team->size) team->up = 0;
        if (fewer == 0) team->up = 1;
        team->rate = team->rows / team->seconds;
        begin(team, team->up ? more : fewer);
    }
    const double left = team->trial ? TRIAL - team->seconds : team->trial_at - now;
    *seconds = team->trial || left > TRIAL ? left : TRIAL;
    return team->trial ? team->trial : team->size;
}

/* A trial may last for several calls, as an epoch may be short. */
void dr_team_report(dr_team *team, size_t rows, double seconds, double now) {
    team->rows += (double)rows;
    team->seconds += seconds;
    if (!team->trial || team->seconds < TRIAL) return;
    if (team->rows > CLEARLY * team->rate * team->seconds)
        team->size = team->trial;
    else
        team->up = !team->up;
    team->trial_at = now + TRIALS_APART * team->seconds;
    begin(team, 0);
}
