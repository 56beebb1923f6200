/* Preloaded into a Python process: stands between it and the system calls with which a file is
   written, counts those of the thread that has armed it, lets chosen ones fail, and writes down
   those that have changed something. See faults.py. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static __thread int armed, persistent, error;
static __thread long first, count;
static __thread char failed[16];
static __thread char written[1 << 14];
static __thread size_t used;

/* The calls number `first` (and, if persistent, all behind it) fail with that errno; 0: none does,
   but writes put down half of what they are given. */
void faults_arm(long number, int code, int always)
{
    first = number, error = code, persistent = always, count = 0, failed[0] = 0, used = 0, armed = 1;
}

/* How many calls there have been. */
long faults_disarm(void)
{
    armed = 0;
    return count;
}

/* The name of the first one that failed. */
const char *faults_failed(void) { return failed; }

/* A line each: name, file descriptor or -1, number of bytes or 0, and paths. */
const char *faults_log(void) { return written; }

static int strikes(const char *name)
{
    if (!armed)
        return 0;
    count++;
    if (count != first && !(persistent && count > first))
        return 0;
    if (!failed[0])
        snprintf(failed, sizeof failed, "%s", name);
    errno = error;
    return 1;
}

static long noted(const char *name, long result, long fd, const char *one, const char *two)
{
    if (armed && result >= 0 && used < sizeof written) {
        int kept = errno;
        int n = snprintf(written + used, sizeof written - used, "%s\t%ld\t%ld\t%s\t%s\n", name, fd,
                         result, one, two);
        used += n > 0 ? (size_t)n : 0;
        errno = kept;
    }
    return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILS(name) (strikes(#name) && error)

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                  \
        va_end(more);                                                                              \
        if (FAILS(name))                                                                           \
            return -1;                                                                             \
        int fd = REAL(name)(path, flags, mode);                                                    \
        return (int)noted(flags & O_CREAT ? "create" : "open", fd, fd, path, "");                  \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t n)
{
    if (strikes("write")) {
        if (error)
            return -1;
        n = n > 1 ? n / 2 : n;
    }
    return noted("write", REAL(write)(fd, bytes, n), fd, "", "");
}

#define OF_FILE(name)                                                                              \
    int name(int fd)                                                                               \
    {                                                                                              \
        if (FAILS(name))                                                                           \
            return -1;                                                                             \
        return (int)noted(#name, REAL(name)(fd), fd, "", "");                                      \
    }
OF_FILE(fsync)

/* A close that fails closes, as Linux has it. */
int close(int fd)
{
    int fails = FAILS(close), kept = errno;
    int result = REAL(close)(fd);
    if (!fails)
        return result;
    errno = kept;
    return -1;
}

#define OF_PATHS(name)                                                                             \
    int name(const char *from, const char *to)                                                     \
    {                                                                                              \
        if (FAILS(name))                                                                           \
            return -1;                                                                             \
        return (int)noted(#name, REAL(name)(from, to), -1, from, to);                              \
    }
OF_PATHS(rename)
OF_PATHS(link)

int unlink(const char *path)
{
    if (FAILS(unlink))
        return -1;
    return (int)noted("unlink", REAL(unlink)(path), -1, path, "");
}

int chmod(const char *path, mode_t mode) { return FAILS(chmod) ? -1 : REAL(chmod)(path, mode); }

int flock(int fd, int how) { return FAILS(flock) ? -1 : REAL(flock)(fd, how); }

DIR *opendir(const char *path) { return FAILS(opendir) ? NULL : REAL(opendir)(path); }

#define STAT(name, kind)                                                                           \
    int name(const char *path, struct kind *found)                                                 \
    {                                                                                              \
        return FAILS(name) ? -1 : REAL(name)(path, found);                                         \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

int fstat(int fd, struct stat *found) { return FAILS(fstat) ? -1 : REAL(fstat)(fd, found); }
int fstat64(int fd, struct stat64 *found) { return FAILS(fstat64) ? -1 : REAL(fstat64)(fd, found); }
