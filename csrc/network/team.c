/* How many threads a training run uses. Any number gives the same bits, so the choice may follow the
 * clock: it begins with what the work suggests, and now and then a few milliseconds with half or twice
 * as many show whether that is quicker. Where another process has the cores, or weights travel too slowly
 * between them, fewer threads win, and no model of the processor would know. */
#include <math.h>

#include "network/network.h"

#define TRIAL 0.004          /* seconds; to wake a sleeping thread takes up to 0.15 thousandths */
#define TRIALS_APART 50      /* times the length of the last one */
#define PAUSE 0.005          /* seconds after which caches are somebody else's */
#define CLEARLY 1.03         /* better by so much is better */

static void count_anew(dr_team *team) {
    team->rows = 0;
    team->seconds = 0;
}

int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds) {
    *seconds = HUGE_VAL;
    if (most < 2) return advised;
    if (team->work != work || team->most != most)
        *team = (dr_team){.work = work, .most = most, .size = advised, .trial_at = now};
    if (now - team->last > PAUSE) {
        count_anew(team);
        team->trial = team->blocks = 0;
    }
    /* the first block after a pause is no measure: it began with cold caches */
    if (!team->trial && team->blocks > 1 && now >= team->trial_at) {
        const int more = team->size * 2 < most ? team->size * 2 : most, fewer = team->size / 2;
        if (more == team->size) team->up = 0;
        if (fewer == 0) team->up = 1;
        team->trial = team->up ? more : fewer;
        count_anew(team);
    }
    const double until = team->trial_at - now, left = TRIAL - team->seconds;
    *seconds = team->trial || until < left ? left : until;
    return team->trial ? team->trial : team->size;
}

/* Counts in blocks of TRIAL seconds, of which a trial is one. They may take several calls, as an epoch
 * may be short. */
void dr_team_report(dr_team *team, size_t rows, double seconds, double now) {
    team->last = now;
    team->rows += (double)rows;
    team->seconds += seconds;
    if (team->seconds < TRIAL) return;
    const double rate = team->rows / team->seconds;
    if (!team->trial) {
        team->rate = rate;
        team->blocks++;
    } else {
        if (rate > CLEARLY * team->rate)
            team->size = team->trial;
        else
            team->up = !team->up;
        team->trial = 0;
        team->trial_at = now + TRIALS_APART * team->seconds;
    }
    count_anew(team);
}
