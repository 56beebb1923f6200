/* The choice of threads against a made-up clock. Arguments: threads advised and allowed, multiply-adds of
 * a batch, seconds of training, the share of calls that something disturbs, which then go at a third of the
 * speed, seconds of pause after every 25 ms of training, then rows a second for 1, 2, ... threads. Prints the share of time that each number of threads had in the
 * second half. */
#include <stdio.h>
#include <stdlib.h>

#include "network/network.h"

int main(int count, char **arguments) {
    const int advised = atoi(arguments[1]), allowed = atoi(arguments[2]);
    const double work = atof(arguments[3]), end = atof(arguments[4]), disturbed = atof(arguments[5]);
    const double pause = atof(arguments[6]);
    double spent[64] = {0}, now = 0, clock = 0, until_pause = 0.025;
    unsigned random = 1;
    dr_team team = {0};
    while (now < end) {
        double seconds;
        const int threads = dr_team_next(&team, work, advised, allowed, clock, &seconds);
        if (threads < 1 || threads > allowed || threads + 6 >= count) return 1;
        if (seconds > until_pause) seconds = until_pause; /* as fit would have it */
        now += seconds;
        clock += seconds;
        if (now > end / 2) spent[threads] += seconds / (end / 2);
        random = random * 1664525u + 1013904223u;
        const double speed = random / 4294967296.0 < disturbed ? 1 / 3.0 : 1;
        dr_team_report(&team, (size_t)(atof(arguments[6 + threads]) * seconds * speed), seconds, clock);
        until_pause -= seconds;
        if (until_pause <= 0) clock += pause, until_pause = 0.025;
    }
    for (int t = 1; t <= allowed; t++) printf("%.4f ", spent[t]);
    return 0;
}
