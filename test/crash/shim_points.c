/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char directory[PATH_MAX];
static size_t directory_length;
static unsigned long stop_at, count;
static bool at_end;
static enum { ONLY_COUNT, KILL_BEFORE, KILL_AFTER, POWER, FAIL_ONCE, FAIL_ALL } mode;
static int failure;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* This thread holds the lock: what it calls is the shim's own business. */
static __thread bool inside;

static int
parse_errno(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EACCES", EACCES}};
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, text) == 0)
            return names[i].number;
    }
    return EIO;
}

static int
parse_mode(const char *text)
{
    static const char *const names[] = {"count", "kill-before", "kill-after",
                                        "power", "fail-once",   "fail-all"};
    for (int i = 0; text != NULL && i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return ONLY_COUNT;
}

/* What this program starts is not watched. */
__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("SHIM_DIRECTORY"), *at = getenv("SHIM_AT"), *log = getenv("SHIM_LOG");
    if (text == NULL || realpath(text, directory) == NULL)
        return;
    mode = parse_mode(getenv("SHIM_MODE"));
    at_end = at != NULL && strcmp(at, "end") == 0;
    stop_at = at != NULL ? strtoul(at, NULL, 10) : 0;
    failure = parse_errno(getenv("SHIM_ERRNO"));
    if (log != NULL)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    if (mode == POWER)
        power_begin(directory, getenv("SHIM_POWER"));
    unsetenv("LD_PRELOAD");
    directory_length = strlen(directory);
}

/* The program has said that it is done, and then the power goes. */
__attribute__((destructor)) static void
end(void)
{
    inside = true;
    if (mode == POWER && at_end)
        power_lost();
}

/* The directory itself counts too. */
static bool
is_below(const char *path)
{
    return directory_length > 0 && strncmp(path, directory, directory_length) == 0 &&
           (path[directory_length] == '/' || path[directory_length] == '\0');
}

bool
shim_path_of(int fd, char *ret_path)
{
    char link[64];
    int number = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = directory_length > 0 && !inside ? readlink(link, ret_path, PATH_MAX - 1) : -1;
    errno = number;
    if (length < 0)
        return false;
    ret_path[length] = '\0';
    return is_below(ret_path);
}

bool
shim_path_at(int fd, const char *name, char *ret_path)
{
    if (directory_length == 0 || inside)
        return false;
    char folder[PATH_MAX] = "";
    if (*name != '/' && fd == AT_FDCWD) {
        if (getcwd(folder, sizeof folder) == NULL)
            return false;
    } else if (*name != '/') {
        shim_path_of(fd, folder);
    }
    snprintf(ret_path, SHIM_PATH, "%s%s%s", folder, *name != '/' ? "/" : "", name);
    return is_below(ret_path);
}

static void
note(const char *operation, const char *path)
{
    char line[SHIM_PATH + 64];
    int length = snprintf(line, sizeof line, "%lu %s %s\n", count, operation,
                          path[directory_length] != '\0' ? path + directory_length + 1 : ".");
    if (log_fd >= 0 && syscall(SYS_write, log_fd, line, length) != length)
        abort();
}

static void
die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

bool
shim_enter(const char *operation, const char *path)
{
    int number = errno;
    pthread_mutex_lock(&lock);
    inside = true;
    count++;
    note(operation, path);
    errno = number;
    bool here = stop_at != 0 && count == stop_at;
    if (mode == POWER && here)
        power_lost();
    if ((mode == POWER || mode == KILL_BEFORE) && here)
        die();
    if ((mode == FAIL_ONCE && here) || (mode == FAIL_ALL && stop_at != 0 && count >= stop_at)) {
        errno = failure;
        return false;
    }
    return true;
}

void
shim_leave(void)
{
    int number = errno;
    if (mode == KILL_AFTER && stop_at != 0 && count == stop_at)
        die();
    inside = false;
    pthread_mutex_unlock(&lock);
    errno = number;
}
