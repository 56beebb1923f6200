/* The choice of threads against a made-up clock. Arguments: threads advised and allowed, multiply-adds of
 * a batch, seconds, the share of calls that something disturbs, which then go at a third of the speed, then
 * rows a second for 1, 2, ... threads. Prints the share of time that each number of threads had in the
 * second half. */
#include <stdio.h>
#include <stdlib.h>

#include "network/network.h"

int main(int count, char **arguments) {
    const int advised = atoi(arguments[1]), allowed = atoi(arguments[2]);
    const double work = atof(arguments[3]), end = atof(arguments[4]), disturbed = atof(arguments[5]);
    double spent[64] = {0}, now = 0;
    unsigned random = 1;
    dr_team team = {0};
    while (now < end) {
        double seconds;
        const int threads = dr_team_next(&team, work, advised, allowed, now, &seconds);
        if (threads < 1 || threads > allowed || threads + 5 >= count) return 1;
        if (seconds > 0.05) seconds = 0.05; /* as fit would have it */
        now += seconds;
        if (now > end / 2) spent[threads] += seconds / (end / 2);
        random = random * 1664525u + 1013904223u;
        const double speed = random / 4294967296.0 < disturbed ? 1 / 3.0 : 1;
        dr_team_report(&team, (size_t)(atof(arguments[5 + threads]) * seconds * speed), seconds, now);
    }
    for (int t = 1; t <= allowed; t++) printf("%.4f ", spent[t]);
    return 0;
}
