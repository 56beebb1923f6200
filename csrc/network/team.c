/* How many threads a run uses. Any number gives the same bits, so the choice may follow the
 * clock: it begins with what the work suggests, and now and then a contest of a few milliseconds shows
 * whether half or twice as many are quicker. Where another process has the cores, or weights travel too
 * slowly between them, fewer threads win, and no model of the processor would know. */
#include <math.h>

#include "network/network.h"

#define BLOCK 0.004          /* seconds; to wake a sleeping thread takes up to 0.15 thousandths */
#define ROUNDS 2             /* blocks of each side in a contest: the quicker one counts, since what
                                disturbs can only slow */
#define APART 50             /* of training between contests, times what the last rival has had, at most */
#define APART_AT_FIRST 10    /* and after a change, twice that after the next, and so on: a wrong one is soon
                                put right, and far goes quickly; the first find threads just made or woken */
#define PAUSE 0.005          /* seconds after which caches are somebody else's */
#define CLEARLY 1.03         /* better by so much is better */

/* What the last plans with so much work knew in the end: one that is like them goes on from there, for a fit
 * may be over before its first contest is. */
#define PLACES 31
static _Thread_local dr_team known[PLACES];

dr_team *dr_team_here(double work) { return &known[(size_t)fmod(work, PLACES)]; }

static void remember(const dr_team *team) { *dr_team_here(team->work) = *team; }

static void recall(dr_team *team) {
    const dr_team *place = dr_team_here(team->work);
    if (place->work == team->work && place->most == team->most) *team = *place;
}

static void count_anew(dr_team *team) {
    team->rows = 0;
    team->seconds = 0;
}

static void begin_contest(dr_team *team) {
    const int more = team->size * 2 < team->most ? team->size * 2 : team->most, fewer = team->size / 2;
    if (more == team->size) team->up = 0;
    if (fewer == 0) team->up = 1;
    team->rival = team->up ? more : fewer;
    team->blocks = 0;
    team->best[0] = team->best[1] = team->rivals_seconds = 0;
    count_anew(team);
}

int dr_team_next(dr_team *team, double work, int advised, int most, double now, double *seconds) {
    *seconds = HUGE_VAL;
    if (most < 2) return advised;
    if (team->work != work || team->most != most) {
        *team = (dr_team){.work = work, .most = most, .size = advised};
        recall(team);
    }
    if (now - team->last > PAUSE) {
        team->cold = 1;
        count_anew(team);
    }
    if (!team->rival && !team->cold && team->spent >= team->due) begin_contest(team);
    *seconds = team->rival || team->cold ? BLOCK - team->seconds : team->due - team->spent;
    return team->rival && !team->cold && team->blocks % 2 ? team->rival : team->size;
}

static void end_contest(dr_team *team) {
    const int change = team->best[1] > CLEARLY * team->best[0];
    if (change)
        team->size = team->rival;
    else
        team->up = !team->up;
    team->rival = 0;
    team->apart = change || !(team->apart > 0) ? APART_AT_FIRST : fmin(2 * team->apart, APART);
    team->due = team->spent + team->apart * team->rivals_seconds;
}

/* Counts in blocks, which may take several calls, as an epoch may be short. The first one after a pause
 * is no measure. */
void dr_team_report(dr_team *team, size_t rows, double seconds, double now) {
    team->last = now;
    team->spent += seconds;
    team->rows += (double)rows;
    team->seconds += seconds;
    if (team->seconds < BLOCK) return;
    if (team->cold) {
        team->cold = 0;
    } else if (team->rival) {
        const int side = team->blocks++ % 2;
        team->best[side] = fmax(team->best[side], team->rows / team->seconds);
        if (side) team->rivals_seconds += team->seconds;
        if (team->blocks == 2 * ROUNDS) end_contest(team);
    }
    count_anew(team);
    remember(team);
}
