/* Preloaded into a process: syncs take longer by a given time, as on a disk that is slow to sync, and are counted.
 * The tests of group commit use it as well.
 *
 * SLOW_SYNC_MICROSECONDS: what is added to a call, 0 if absent.
 * SLOW_SYNC_PART:         only calls on files whose path holds this are slow; all of them if absent.
 * SLOW_SYNC_COUNTED:      calls on files whose path holds this are counted.
 * SLOW_SYNC_TALLY:        a file that gets one byte for each call that counts; all processes share it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long added_microseconds;
static const char *part;
static const char *counted;
static const char *tally;

/* A copy: Postgres writes the titles of its processes over the environment. */
static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? strdup(value) : NULL;
}

__attribute__((constructor)) static void read_settings(void) {
    const char *microseconds = getenv("SLOW_SYNC_MICROSECONDS");
    added_microseconds = microseconds ? atol(microseconds) : 0;
    part = setting("SLOW_SYNC_PART");
    counted = setting("SLOW_SYNC_COUNTED");
    tally = setting("SLOW_SYNC_TALLY");
}

static void wait_longer(void) {
    struct timespec left = {added_microseconds / 1000000, added_microseconds % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void count(void) {
    /* One byte at the end of a file is written whole, whoever else writes. */
    int file = open(tally, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file < 0 || write(file, ".", 1) != 1)
        abort();
    close(file);
}

static int slowly(int fd, long result) {
    int error = errno;
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = 0;
    if (!part || strstr(path, part))
        wait_longer();
    if (counted && tally && strstr(path, counted))
        count();
    errno = error;
    return (int)result;
}

int fsync(int fd) { return slowly(fd, syscall(SYS_fsync, fd)); }

int fdatasync(int fd) { return slowly(fd, syscall(SYS_fdatasync, fd)); }

int sync_file_range(int fd, off64_t offset, off64_t len, unsigned int flags) {
    return slowly(fd, syscall(SYS_sync_file_range, fd, offset, len, flags));
}

/* Has no file to be known by: slow where everything is. */
int msync(void *address, size_t len, int flags) {
    long result = syscall(SYS_msync, address, len, flags);
    int error = errno;
    if (!part)
        wait_longer();
    errno = error;
    return (int)result;
}
