/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libc's functions that change a file system.  What a program does through stdio is not seen, as
 * libc does not come by here: Slipway writes nothing that lasts that way. */
#undef _FILE_OFFSET_BITS /* both names of each function are wanted */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The function that this one is in place of. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL && (real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)) == NULL)               \
    abort()

/* ---- Names ----------------------------------------------------------------------------------- */

/* One that opens: `call` is the real one. */
#define OPEN(operation, folder, call)                                                              \
    do {                                                                                           \
        char path[SHIM_PATH];                                                                      \
        if ((flags & O_CREAT) == 0 || !shim_path_at(folder, name, path))                           \
            return call;                                                                           \
        struct stat status;                                                                        \
        bool there = stat(path, &status) == 0;                                                     \
        int result = -1;                                                                           \
        if (shim_enter(operation, path)) {                                                         \
            result = call;                                                                         \
            if (result >= 0 && !there)                                                             \
                power_added(path, 0);                                                              \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)

static mode_t
mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
               ? (mode_t)va_arg(arguments, unsigned)
               : 0;
}

#define MODE(last)                                                                                 \
    va_list arguments;                                                                             \
    va_start(arguments, last);                                                                     \
    mode_t mode = mode_of(flags, arguments);                                                       \
    va_end(arguments)

#define DEFINE_OPEN(function)                                                                      \
    int function(const char *name, int flags, ...)                                                 \
    {                                                                                              \
        REAL(function);                                                                            \
        MODE(flags);                                                                               \
        OPEN("open", AT_FDCWD, real(name, flags, mode));                                           \
    }
#define DEFINE_OPENAT(function)                                                                    \
    int function(int folder, const char *name, int flags, ...)                                     \
    {                                                                                              \
        REAL(function);                                                                            \
        MODE(flags);                                                                               \
        OPEN("open", folder, real(folder, name, flags, mode));                                     \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

/* One that removes. */
#define REMOVE(operation, folder, name, call)                                                      \
    do {                                                                                           \
        char path[SHIM_PATH];                                                                      \
        if (!shim_path_at(folder, name, path))                                                     \
            return call;                                                                           \
        int result = -1;                                                                           \
        if (shim_enter(operation, path)) {                                                         \
            unsigned kept = power_keep(path);                                                      \
            result = call;                                                                         \
            if (result == 0)                                                                       \
                power_removed(path, kept);                                                         \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)

int
unlink(const char *name)
{
    REAL(unlink);
    REMOVE("unlink", AT_FDCWD, name, real(name));
}

int
unlinkat(int folder, const char *name, int flags)
{
    REAL(unlinkat);
    REMOVE("unlink", folder, name, real(folder, name, flags));
}

int
remove(const char *name)
{
    REAL(remove);
    REMOVE("unlink", AT_FDCWD, name, real(name));
}

int
rmdir(const char *name)
{
    REAL(rmdir);
    REMOVE("rmdir", AT_FDCWD, name, real(name));
}

/* One that makes a second name, or with `moves` another one.  Old names outside are of no
 * interest. */
#define NAME(operation, moves, old_folder, old, new_folder, new, call)                             \
    do {                                                                                           \
        char from[SHIM_PATH], path[SHIM_PATH];                                                     \
        bool old_below = shim_path_at(old_folder, old, from);                                      \
        if (!shim_path_at(new_folder, new, path))                                                  \
            return call;                                                                           \
        int result = -1;                                                                           \
        if (shim_enter(operation, path)) {                                                         \
            unsigned replaced = (moves) ? power_keep(path) : 0;                                    \
            unsigned kept = (moves) && old_below ? power_keep(from) : 0;                           \
            result = call;                                                                         \
            if (result == 0)                                                                       \
                power_added(path, replaced);                                                       \
            if (result == 0 && (moves) && old_below)                                               \
                power_removed(from, kept);                                                         \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)

int
rename(const char *old, const char *new)
{
    REAL(rename);
    NAME("rename", true, AT_FDCWD, old, AT_FDCWD, new, real(old, new));
}

int
renameat(int old_folder, const char *old, int new_folder, const char *new)
{
    REAL(renameat);
    NAME("rename", true, old_folder, old, new_folder, new, real(old_folder, old, new_folder, new));
}

int
renameat2(int old_folder, const char *old, int new_folder, const char *new, unsigned flags)
{
    REAL(renameat2);
    NAME("rename", true, old_folder, old, new_folder, new,
         real(old_folder, old, new_folder, new, flags));
}

int
link(const char *old, const char *new)
{
    REAL(link);
    NAME("link", false, AT_FDCWD, old, AT_FDCWD, new, real(old, new));
}

int
linkat(int old_folder, const char *old, int new_folder, const char *new, int flags)
{
    REAL(linkat);
    NAME("link", false, old_folder, old, new_folder, new,
         real(old_folder, old, new_folder, new, flags));
}

#define MAKE_FOLDER(folder, call)                                                                  \
    do {                                                                                           \
        char path[SHIM_PATH];                                                                      \
        if (!shim_path_at(folder, name, path))                                                     \
            return call;                                                                           \
        int result = -1;                                                                           \
        if (shim_enter("mkdir", path)) {                                                           \
            result = call;                                                                         \
            if (result == 0)                                                                       \
                power_added(path, 0);                                                              \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)

int
mkdir(const char *name, mode_t mode)
{
    REAL(mkdir);
    MAKE_FOLDER(AT_FDCWD, real(name, mode));
}

int
mkdirat(int folder, const char *name, mode_t mode)
{
    REAL(mkdirat);
    MAKE_FOLDER(folder, real(folder, name, mode));
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* `at` is where a call that succeeded wrote, `length` how much. */
#define CHANGE(operation, type, call, at, length)                                                  \
    do {                                                                                           \
        char path[SHIM_PATH];                                                                      \
        if (!shim_path_of(fd, path))                                                               \
            return call;                                                                           \
        type result = -1;                                                                          \
        if (shim_enter(operation, path)) {                                                         \
            power_before_write(fd);                                                                \
            result = call;                                                                         \
            if (result >= 0)                                                                       \
                power_written(fd, at, length);                                                     \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)
#define HERE (lseek(fd, 0, SEEK_CUR) - (off_t)result)

ssize_t
write(int fd, const void *data, size_t size)
{
    REAL(write);
    CHANGE("write", ssize_t, real(fd, data, size), HERE, (off_t)result);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
    REAL(writev);
    CHANGE("write", ssize_t, real(fd, parts, n), HERE, (off_t)result);
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite);
    CHANGE("write", ssize_t, real(fd, data, size, offset), offset, (off_t)result);
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(pwrite64);
    CHANGE("write", ssize_t, real(fd, data, size, offset), offset, (off_t)result);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    REAL(pwritev);
    CHANGE("write", ssize_t, real(fd, parts, n, offset), offset, (off_t)result);
}

ssize_t
pwritev64(int fd, const struct iovec *parts, int n, off64_t offset)
{
    REAL(pwritev64);
    CHANGE("write", ssize_t, real(fd, parts, n, offset), offset, (off_t)result);
}

int
ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    CHANGE("ftruncate", int, real(fd, size), size, 0);
}

int
ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    CHANGE("ftruncate", int, real(fd, size), size, 0);
}

int
fallocate(int fd, int how, off_t offset, off_t length)
{
    REAL(fallocate);
    CHANGE("fallocate", int, real(fd, how, offset, length), offset, length);
}

int
fallocate64(int fd, int how, off64_t offset, off64_t length)
{
    REAL(fallocate64);
    CHANGE("fallocate", int, real(fd, how, offset, length), offset, length);
}

#define SYNC(call)                                                                                 \
    do {                                                                                           \
        char path[SHIM_PATH];                                                                      \
        if (!shim_path_of(fd, path))                                                               \
            return call;                                                                           \
        int result = -1;                                                                           \
        if (shim_enter("fsync", path)) {                                                           \
            result = call;                                                                         \
            if (result == 0)                                                                       \
                power_synced(fd, path);                                                            \
        }                                                                                          \
        shim_leave();                                                                              \
        return result;                                                                             \
    } while (0)

int
fsync(int fd)
{
    REAL(fsync);
    SYNC(real(fd));
}

int
fdatasync(int fd)
{
    REAL(fdatasync);
    SYNC(real(fd));
}
