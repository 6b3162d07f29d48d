/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What would be lost: names in directories, and bytes of files, that were not synced since.
 *
 * Everything that loses its name meanwhile gets a hard link in DIRECTORY.undo, so that it can have
 * it back. */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX = 65536, FILES_MAX = 256, RANGES_MAX = 65536 };

/* A change of a name. */
struct name {
    char *path;
    bool added;    /* else removed */
    bool durable;  /* its directory was synced after it */
    unsigned kept; /* what had the name before */
};

/* A file with bytes that are not synced. */
struct file {
    dev_t device;
    ino_t inode;
    int fd;     /* of our own; -1: this place is free */
    off_t size; /* when it was synced the last time */
};

struct range {
    unsigned file;
    off_t offset, length;
};

static bool active;
static enum { ALL_UNDONE, NAMES_LOST, NAMES_KEPT } how;
static char undo[PATH_MAX];
static unsigned n_kept, n_names, n_files, n_ranges;
static struct name names[NAMES_MAX];
static struct file files[FILES_MAX];
static struct range ranges[RANGES_MAX];

void
power_begin(const char *directory, const char *text)
{
    static const char *const words[] = {"all-undone", "names-lost", "names-kept"};
    for (int i = 0; text != NULL && i < 3; i++) {
        if (strcmp(words[i], text) == 0)
            how = i;
    }
    snprintf(undo, sizeof undo, "%.*s.undo", PATH_MAX - 8, directory);
    if (mkdir(undo, 0700) != 0 && errno != EEXIST)
        abort();
    active = true;
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void
kept_path(unsigned kept, char *ret)
{
    snprintf(ret, SHIM_PATH, "%s/%u", undo, kept);
}

unsigned
power_keep(const char *path)
{
    char copy[SHIM_PATH];
    int number = errno;
    if (!active)
        return 0;
    kept_path(n_kept + 1, copy);
    bool ok = link(path, copy) == 0;
    errno = number;
    return ok ? ++n_kept : 0;
}

static void
remember(const char *path, bool added, unsigned kept)
{
    if (!active)
        return;
    if (n_names == NAMES_MAX)
        abort();
    names[n_names++] = (struct name){strdup(path), added, false, kept};
}

void
power_added(const char *path, unsigned replaced)
{
    remember(path, true, replaced);
}

void
power_removed(const char *path, unsigned kept)
{
    remember(path, false, kept);
}

static bool
is_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t length = strlen(folder);
    return slash != NULL && (size_t)(slash - path) == length && strncmp(path, folder, length) == 0;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static unsigned
find_file(const struct stat *status)
{
    unsigned i = 0;
    while (i < n_files && (files[i].fd < 0 || files[i].device != status->st_dev ||
                           files[i].inode != status->st_ino))
        i++;
    return i;
}

void
power_before_write(int fd)
{
    struct stat status;
    char link[64];
    int number = errno;
    if (!active || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        find_file(&status) < n_files)
        return;
    unsigned place = 0;
    while (place < n_files && files[place].fd >= 0)
        place++;
    if (place == FILES_MAX)
        abort();
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    files[place] =
        (struct file){status.st_dev, status.st_ino, open(link, O_RDWR | O_CLOEXEC), status.st_size};
    if (place == n_files)
        n_files++;
    errno = number;
}

void
power_written(int fd, off_t offset, off_t length)
{
    struct stat status;
    if (!active || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if (n_ranges == RANGES_MAX)
        abort();
    ranges[n_ranges++] = (struct range){find_file(&status), offset, length};
}

static void
forget_file(unsigned file)
{
    unsigned left = 0;
    for (unsigned i = 0; i < n_ranges; i++) {
        if (ranges[i].file != file)
            ranges[left++] = ranges[i];
    }
    n_ranges = left;
    close(files[file].fd);
    files[file].fd = -1;
}

void
power_synced(int fd, const char *path)
{
    struct stat status;
    int number = errno;
    if (!active || fstat(fd, &status) != 0)
        return;
    unsigned file = find_file(&status);
    if (file < n_files)
        forget_file(file);
    for (unsigned i = 0; S_ISDIR(status.st_mode) && i < n_names; i++)
        names[i].durable = names[i].durable || is_in(names[i].path, path);
    errno = number;
}

/* ---- The loss -------------------------------------------------------------------------------- */

static void
remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char below[SHIM_PATH];
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        remove_tree(below);
    }
    if (dir != NULL)
        closedir(dir);
    if (remove(path) != 0 && errno != ENOENT)
        abort();
}

static void
undo_name(const struct name *name)
{
    char kept[SHIM_PATH];
    kept_path(name->kept, kept);
    if (name->added)
        remove_tree(name->path);
    else if (how == NAMES_LOST)
        return;
    if (name->kept != 0 && link(kept, name->path) != 0 && errno != EEXIST && errno != ENOENT)
        abort();
}

/* Zeros in place of what was written; what made the file longer is cut off, but for NAMES_KEPT,
 * where its length got through and its bytes did not. */
static void
lose_bytes(void)
{
    static const char zeros[65536];
    for (unsigned i = 0; i < n_ranges; i++) {
        off_t offset = ranges[i].offset, end = offset + ranges[i].length;
        while (offset < end) {
            size_t step =
                end - offset < (off_t)sizeof zeros ? (size_t)(end - offset) : sizeof zeros;
            if (pwrite(files[ranges[i].file].fd, zeros, step, offset) != (ssize_t)step)
                abort();
            offset += (off_t)step;
        }
    }
    for (unsigned i = 0; how != NAMES_KEPT && i < n_files; i++) {
        if (files[i].fd >= 0 && ftruncate(files[i].fd, files[i].size) != 0)
            abort();
    }
}

void
power_lost(void)
{
    lose_bytes();
    for (unsigned i = n_names; how != NAMES_KEPT && i > 0; i--) {
        if (!names[i - 1].durable)
            undo_name(&names[i - 1]);
    }
}
