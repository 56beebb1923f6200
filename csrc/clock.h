/* Seconds of a clock that only goes forward. */
#ifndef DR_CLOCK_H
#define DR_CLOCK_H

double dr_now(void);

#endif
