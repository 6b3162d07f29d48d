/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "system_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

struct system_calls system_calls;

static gboolean counting;
static unsigned count;
static char log_text[4096];

void
system_calls_begin(void)
{
    count = 0;
    log_text[0] = '\0';
    counting = TRUE;
}

void
system_calls_end(void)
{
    counting = FALSE;
}

unsigned
system_calls_count(void)
{
    return count;
}

const char *
system_calls_log(void)
{
    return log_text;
}

/* FALSE with errno set: the call is not to be made. */
static gboolean
pass(const char *name)
{
    if (!counting)
        return TRUE;
    count++;
    gsize used = strlen(log_text);
    g_snprintf(log_text + used, sizeof log_text - used, "%s%s", used == 0 ? "" : " ", name);
    if (count != system_calls.at)
        return TRUE;
    if (system_calls.kill)
        kill(getpid(), SIGKILL);
    errno = system_calls.number;
    return FALSE;
}

int
mkdirat(int directory, const char *path, mode_t mode)
{
    return pass("mkdirat") ? (int)syscall(SYS_mkdirat, directory, path, mode) : -1;
}

ssize_t
write(int fd, const void *data, size_t length)
{
    if (!pass("write"))
        return -1;
    return syscall(SYS_write, fd, data, system_calls.short_write ? (length + 1) / 2 : length);
}

int
fsync(int fd)
{
    struct stat status;
    gboolean directory = counting && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    return pass(directory ? "fsyncdir" : "fsync") ? (int)syscall(SYS_fsync, fd) : -1;
}

int
renameat2(int old_directory, const char *old_path, int new_directory, const char *new_path,
          unsigned flags)
{
    if (system_calls.rename_refused != 0) {
        errno = system_calls.rename_refused;
        return -1;
    }
    if (!pass("renameat2"))
        return -1;
    return (int)syscall(SYS_renameat2, old_directory, old_path, new_directory, new_path, flags);
}

int
renameat(int old_directory, const char *old_path, int new_directory, const char *new_path)
{
    if (!pass("renameat"))
        return -1;
    return (int)syscall(SYS_renameat2, old_directory, old_path, new_directory, new_path, 0);
}

int
linkat(int old_directory, const char *old_path, int new_directory, const char *new_path, int flags)
{
    if (system_calls.link_refused != 0) {
        errno = system_calls.link_refused;
        return -1;
    }
    if (!pass("linkat"))
        return -1;
    int result = (int)syscall(SYS_linkat, old_directory, old_path, new_directory, new_path, flags);
    if (result == 0 && system_calls.link_unheard) {
        errno = EEXIST;
        return -1;
    }
    return result;
}

int
unlinkat(int directory, const char *path, int flags)
{
    return pass("unlinkat") ? (int)syscall(SYS_unlinkat, directory, path, flags) : -1;
}

int
fstatfs(int fd, struct statfs *status)
{
    int result = (int)syscall(SYS_fstatfs, fd, status);
    if (result == 0 && system_calls.pretend_type != 0)
        status->f_type = (long)system_calls.pretend_type;
    return result;
}

int
fstat(int fd, struct stat *status)
{
    int result = fstatat(fd, "", status, AT_EMPTY_PATH);
    if (result == 0 && system_calls.always_named && status->st_nlink == 0)
        status->st_nlink = 1;
    return result;
}

struct dirent *
readdir(DIR *dir)
{
    static struct dirent *(*real)(DIR *);
    static guint n;
    if (system_calls.list_broken != 0 && ++n > 2) {
        n = 0;
        errno = system_calls.list_broken;
        return NULL;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "readdir64");
    return real(dir);
}
