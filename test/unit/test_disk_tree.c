/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tree of disks: what the kernel is told, first without a kernel, then with it. */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "scratch_directory.h"
#include "target/disk_tree.h"
#include "target/disk_tree_node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * KIB)
#define SIZE (8 * MIB + 100)
#define MANY 3000u

/* ---- A source: two folders, a file that cannot be read everywhere, one that cannot be opened ---
 */

struct world {
    int lists, opens, open; /* atomic; disks that are open now */
    gboolean changed;       /* other listings */
    GMutex lock;
    GString *log; /* under lock */
};

static void
keep_log(const char *line, gpointer data)
{
    struct world *world = data;
    g_mutex_lock(&world->lock);
    g_string_append_printf(world->log, "%s\n", line);
    g_mutex_unlock(&world->lock);
}

/* A disk over another one that tells when it is closed. */
struct counted {
    struct disk base;
    struct disk *below;
    struct world *world;
};

static gboolean
read_counted(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return disk_read(((struct counted *)self)->below, offset, buffer, length, error);
}

static gboolean
extent_counted(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
               GError **error)
{
    return disk_extent(((struct counted *)self)->below, offset, length, ret, error);
}

static void
close_counted(struct disk *self)
{
    struct counted *counted = (struct counted *)self;
    g_atomic_int_add(&counted->world->open, -1);
    disk_close(counted->below);
    g_free(counted);
}

static const struct disk_class counted_class = {
    .name = "counted", .read = read_counted, .extent = extent_counted, .close = close_counted};

static void
add(GPtrArray *entries, const char *name, gboolean folder, guint64 size, gint64 time)
{
    struct disk_tree_entry *entry = g_new0(struct disk_tree_entry, 1);
    *entry = (struct disk_tree_entry){g_strdup(name), folder, size, time};
    g_ptr_array_add(entries, entry);
}

static GPtrArray *
list(gpointer data, const char *path, GError **error)
{
    struct world *world = data;
    g_atomic_int_inc(&world->lists);
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)disk_tree_entry_free);
    if (*path == '\0') {
        add(entries, "vm", TRUE, 0, 1700000000);
        add(entries, "many", TRUE, 0, 1600000000);
        add(entries, "broken", TRUE, 0, 0);
        add(entries, "odd", TRUE, 0, 0);
    } else if (strcmp(path, "vm") == 0) {
        add(entries, "disk", FALSE, SIZE, 1700000001);
        add(entries, "damaged", FALSE, SIZE, 1700000002);
        add(entries, "gone", FALSE, SIZE, -5);
        add(entries, "lies", FALSE, SIZE + 1, 0);
        add(entries, "empty", FALSE, 0, 0);
        gboolean changed = g_atomic_int_get(&world->changed);
        add(entries, changed ? "new \xc3\xa4" : "old", FALSE, 1, 0);
        add(entries, "latest", FALSE, SIZE, changed ? 1700000009 : 1700000008);
    } else if (strcmp(path, "many") == 0) {
        for (guint i = 0; i < MANY; i++) {
            g_autofree char *name = g_strdup_printf("%s-%u", "a name of some length", i);
            add(entries, name, FALSE, i, i);
        }
    } else if (strcmp(path, "odd") == 0) {
        add(entries, "..", TRUE, 0, 0);
    } else {
        g_ptr_array_unref(entries);
        return error_null(error, SLIPWAY_ERROR_NETWORK, "the store does not answer");
    }
    return entries;
}

/* Data where (offset / 1 MiB) is even. */
static guint8
byte_at(guint64 offset)
{
    return offset / MIB % 2 ? 0 : (guint8)(offset % 251 + 1);
}

static struct disk *
make_disk(void)
{
    struct disk *disk = disk_memory_new(SIZE, "memory");
    g_autofree guint8 *bytes = g_malloc(MIB);
    for (guint64 at = 0; at < SIZE; at += 2 * MIB) {
        gsize n = (gsize)MIN(MIB, SIZE - at);
        for (gsize i = 0; i < n; i++)
            bytes[i] = byte_at(at + i);
        disk_write(disk, at, bytes, n, NULL);
    }
    return disk;
}

static struct disk *
open_disk(gpointer data, const char *path, GError **error)
{
    struct world *world = data;
    g_atomic_int_inc(&world->opens);
    struct disk *below = make_disk();
    if (strcmp(path, "vm/gone") == 0) {
        disk_close(below);
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "its map is damaged");
    }
    if (strcmp(path, "vm/damaged") == 0) {
        const struct disk_fault fault = {.offset = 4 * MIB, .length = 4096, .reads = 1};
        below = disk_fault_new(below, &fault, 1);
    }
    g_atomic_int_inc(&world->open);
    struct counted *counted = g_new0(struct counted, 1);
    disk_init(&counted->base, &counted_class, disk_size(below), DISK_CAN_EXTENTS, path);
    counted->below = below;
    counted->world = world;
    return &counted->base;
}

static void
begin(struct world *world, struct disk_tree_source *source)
{
    *world = (struct world){.log = g_string_new(NULL)};
    g_mutex_init(&world->lock);
    *source = (struct disk_tree_source){list, open_disk, world};
}

static void
end(struct world *world)
{
    g_assert_cmpint(g_atomic_int_get(&world->open), ==, 0);
    g_string_free(world->log, TRUE);
    g_mutex_clear(&world->lock);
}

static void
expect_log(struct world *world, const char *words)
{
    g_mutex_lock(&world->lock);
    if (strstr(world->log->str, words) == NULL)
        g_error("the log has no \"%s\": %s", words, world->log->str);
    g_mutex_unlock(&world->lock);
}

/* ---- Without a kernel -------------------------------------------------------------------------
 */

static guint64
look_up(struct disk_tree_nodes *nodes, guint64 folder, const char *name)
{
    struct disk_tree_attributes attributes;
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, folder, name, &attributes), ==, 0);
    return attributes.number;
}

static void
test_nodes(void)
{
    struct world world;
    struct disk_tree_source source;
    begin(&world, &source);
    auto_ptr(disk_tree_nodes) nodes = disk_tree_nodes_new(&source, keep_log, &world);
    struct disk_tree_attributes attributes, again;
    guint64 vm = look_up(nodes, DISK_TREE_ROOT, "vm");
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, vm, "disk", &attributes), ==, 0);
    g_assert_false(attributes.folder);
    g_assert_cmpuint(attributes.size, ==, SIZE);
    g_assert_cmpuint(attributes.data, ==, SIZE);
    g_assert_cmpint(attributes.time, ==, 1700000001);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, vm, "disk", &again), ==, 0);
    g_assert_cmpuint(again.number, ==, attributes.number);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, vm, "none", &again), ==, ENOENT);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, vm, "..", &again), ==, ENOENT);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, attributes.number, "x", &again), ==, ENOTDIR);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, 4711, "x", &again), ==, ENOENT);
    /* All of that is two listings. */
    g_assert_cmpint(world.lists, ==, 2);
    /* Forgotten as often as remembered, it is new. */
    disk_tree_nodes_forget(nodes, attributes.number, 2);
    g_assert_cmpint(disk_tree_nodes_attributes(nodes, attributes.number, &again), ==, ENOENT);
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, vm, "disk", &again), ==, 0);
    g_assert_cmpuint(again.number, !=, attributes.number);
    /* A folder lasts as long as what is in it. */
    disk_tree_nodes_forget(nodes, vm, 1);
    g_assert_cmpint(disk_tree_nodes_attributes(nodes, vm, &attributes), ==, 0);
    disk_tree_nodes_forget(nodes, again.number, 1);
    g_assert_cmpint(disk_tree_nodes_attributes(nodes, vm, &attributes), ==, ENOENT);
    guint64 broken = look_up(nodes, DISK_TREE_ROOT, "broken");
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, broken, "x", &again), ==, EIO);
    expect_log(&world, "/broken: the store does not answer\n");
    guint64 odd = look_up(nodes, DISK_TREE_ROOT, "odd");
    g_assert_cmpint(disk_tree_nodes_look_up(nodes, odd, "..", &again), ==, EIO);
    expect_log(&world, "/odd: \"..\" is no name of a file\n");
    end(&world);
}

static gboolean
never(gpointer data G_GNUC_UNUSED)
{
    return FALSE;
}

static void
expect_seek(struct disk_tree_nodes *nodes, guint64 number, guint64 offset,
            enum disk_extent_kind kind, int status, guint64 found)
{
    guint64 at = 0;
    g_assert_cmpint(disk_tree_nodes_seek(nodes, number, offset, kind, never, NULL, &at), ==,
                    status);
    if (status == 0)
        g_assert_cmpuint(at, ==, found);
}

static void
test_files(void)
{
    struct world world;
    struct disk_tree_source source;
    begin(&world, &source);
    struct disk_tree_nodes *nodes = disk_tree_nodes_new(&source, keep_log, &world);
    guint64 vm = look_up(nodes, DISK_TREE_ROOT, "vm"), disk = look_up(nodes, vm, "disk");
    struct disk_tree_attributes attributes;
    guint8 bytes[100];
    gsize length = 0;
    /* It opens when it is first read, and once. */
    g_assert_cmpint(disk_tree_nodes_open(nodes, disk), ==, 0);
    g_assert_cmpint(world.opens, ==, 0);
    for (guint i = 0; i < 3; i++) {
        length = sizeof bytes;
        g_assert_cmpint(disk_tree_nodes_read(nodes, disk, 1000, bytes, &length), ==, 0);
        g_assert_cmpuint(length, ==, sizeof bytes);
        for (guint k = 0; k < length; k++)
            g_assert_cmpuint(bytes[k], ==, byte_at(1000 + k));
    }
    g_assert_cmpint(world.opens, ==, 1);
    g_assert_cmpint(disk_tree_nodes_read(nodes, disk, SIZE - 7, bytes, &length), ==, 0);
    g_assert_cmpuint(length, ==, 7);
    g_assert_cmpint(disk_tree_nodes_read(nodes, disk, SIZE, bytes, &length), ==, 0);
    g_assert_cmpuint(length, ==, 0);
    g_assert_cmpint(disk_tree_nodes_attributes(nodes, disk, &attributes), ==, 0);
    g_assert_true(attributes.counted);
    g_assert_cmpuint(attributes.data, ==, 4 * MIB + 100);
    expect_seek(nodes, disk, 0, DISK_DATA, 0, 0);
    expect_seek(nodes, disk, 0, DISK_ZERO, 0, MIB);
    expect_seek(nodes, disk, MIB + 5, DISK_ZERO, 0, MIB + 5);
    expect_seek(nodes, disk, MIB + 5, DISK_DATA, 0, 2 * MIB);
    expect_seek(nodes, disk, 8 * MIB, DISK_ZERO, 0, SIZE);
    expect_seek(nodes, disk, SIZE, DISK_DATA, ENXIO, 0);
    expect_seek(nodes, disk, SIZE, DISK_ZERO, ENXIO, 0);
    expect_seek(nodes, disk, G_MAXUINT64, DISK_DATA, ENXIO, 0);
    /* As long as somebody has it open it stays so, also when the kernel has forgotten its name. */
    disk_tree_nodes_tidy(nodes, 0);
    g_assert_cmpint(world.open, ==, 1);
    disk_tree_nodes_forget(nodes, disk, 1);
    disk_tree_nodes_close(nodes, disk);
    disk_tree_nodes_tidy(nodes, 10 * G_TIME_SPAN_SECOND);
    g_assert_cmpint(world.open, ==, 1);
    disk_tree_nodes_tidy(nodes, 0);
    g_assert_cmpint(world.open, ==, 0);
    g_assert_cmpint(disk_tree_nodes_attributes(nodes, disk, &attributes), ==, ENOENT);
    guint64 gone = look_up(nodes, vm, "gone"), lies = look_up(nodes, vm, "lies");
    length = sizeof bytes;
    g_assert_cmpint(disk_tree_nodes_read(nodes, gone, 0, bytes, &length), ==, EIO);
    expect_log(&world, "/vm/gone: its map is damaged\n");
    length = sizeof bytes;
    g_assert_cmpint(disk_tree_nodes_read(nodes, lies, 0, bytes, &length), ==, EIO);
    expect_log(&world, "/vm/lies: it has 8388708 bytes, and 8388709 in the listing\n");
    g_assert_cmpint(disk_tree_nodes_read(nodes, vm, 0, bytes, &length), ==, EISDIR);
    /* What is still open is closed with everything. */
    length = 1;
    g_assert_cmpint(disk_tree_nodes_read(nodes, look_up(nodes, vm, "damaged"), 0, bytes, &length),
                    ==, 0);
    g_assert_cmpint(world.open, ==, 1);
    disk_tree_nodes_free(nodes);
    end(&world);
}

/* ---- With it ----------------------------------------------------------------------------------
 */

struct mounted {
    struct scratch scratch;
    struct world world;
    struct disk_tree_source source;
    struct disk_tree *tree;
};

static gboolean
mount_tree(struct mounted *mounted)
{
    g_autoptr(GError) error = NULL;
    mounted->scratch = scratch_new();
    begin(&mounted->world, &mounted->source);
    const struct disk_tree_options options = {
        .mount_point = mounted->scratch.path, .log = keep_log, .log_data = &mounted->world};
    mounted->tree = disk_tree_mount(&mounted->source, &options, &error);
    if (mounted->tree != NULL)
        return TRUE;
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_test_skip(error->message);
    end(&mounted->world);
    scratch_clear(&mounted->scratch);
    return FALSE;
}

static void
unmount_tree(struct mounted *mounted)
{
    disk_tree_unmount(mounted->tree);
    end(&mounted->world);
    /* Nothing is mounted there: the folder itself is empty, and can be removed. */
    g_assert_cmpint(rmdir(mounted->scratch.path), ==, 0);
    g_free(mounted->scratch.path);
}

static void
test_mount(void)
{
    struct mounted mounted;
    if (!mount_tree(&mounted))
        return;
    g_autofree char *vm = scratch_path(&mounted.scratch, "vm");
    g_autofree char *many = scratch_path(&mounted.scratch, "many");
    g_autofree char *disk = g_build_filename(vm, "disk", NULL);
    struct stat status;
    g_assert_cmpint(stat(vm, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFDIR | 0555);
    g_assert_cmpint(status.st_mtime, ==, 1700000000);
    g_assert_cmpint(stat(disk, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFREG | 0444);
    g_assert_cmpint(status.st_size, ==, SIZE);
    DIR *folder = opendir(many);
    gboolean seen[MANY] = {FALSE};
    guint n = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        guint number;
        if (sscanf(entry->d_name, "a name of some length-%u", &number) != 1)
            continue;
        g_assert_cmpuint(number, <, MANY);
        g_assert_false(seen[number]);
        seen[number] = TRUE;
        n++;
        g_assert_cmpint(fstatat(dirfd(folder), entry->d_name, &status, 0), ==, 0);
        g_assert_cmpint(status.st_size, ==, number);
    }
    closedir(folder);
    g_assert_cmpuint(n, ==, MANY);
    g_assert_cmpint(open(disk, O_RDWR | O_CLOEXEC), ==, -1);
    g_assert_cmpint(errno, ==, EROFS);
    int fd = open(disk, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_autofree guint8 *bytes = g_malloc(SIZE);
    g_assert_cmpint(pread(fd, bytes, SIZE, 0), ==, SIZE);
    for (guint i = 0; i < SIZE; i++)
        g_assert_true(bytes[i] == byte_at(i));
    g_assert_cmpint(lseek(fd, 0, SEEK_HOLE), ==, MIB);
    g_assert_cmpint(lseek(fd, MIB, SEEK_DATA), ==, 2 * MIB);
    g_assert_cmpint(fstat(fd, &status), ==, 0);
    g_assert_cmpint(status.st_blocks, ==, (4 * MIB + 512) / 512);
    close(fd);
    unmount_tree(&mounted);
}

static void
test_failures(void)
{
    struct mounted mounted;
    if (!mount_tree(&mounted))
        return;
    g_autofree char *damaged = scratch_path(&mounted.scratch, "vm/damaged");
    g_autofree char *gone = scratch_path(&mounted.scratch, "vm/gone");
    g_autofree char *broken = scratch_path(&mounted.scratch, "broken");
    g_autofree guint8 *bytes = g_malloc(MIB);
    int fd = open(damaged, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(pread(fd, bytes, 4096, 4 * MIB), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
    g_assert_cmpint(pread(fd, bytes, 4096, 0), ==, 4096);
    close(fd);
    expect_log(&mounted.world, "/vm/damaged: disk memory: cannot read at offset 4194304");
    fd = open(gone, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(read(fd, bytes, 1), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
    close(fd);
    g_assert_null(opendir(broken));
    g_assert_cmpint(errno, ==, EIO);
    unmount_tree(&mounted);
}

/* Listings follow the source after a moment. */
static void
test_change(void)
{
    struct mounted mounted;
    if (!mount_tree(&mounted))
        return;
    g_autofree char *latest = scratch_path(&mounted.scratch, "vm/latest");
    struct stat before, after;
    g_assert_cmpint(stat(latest, &before), ==, 0);
    g_autofree char *old = scratch_path(&mounted.scratch, "vm/old");
    g_autofree char *new = scratch_path(&mounted.scratch, "vm/new \xc3\xa4");
    g_assert_cmpint(access(old, F_OK), ==, 0);
    g_assert_cmpint(access(new, F_OK), ==, -1);
    g_atomic_int_set(&mounted.world.changed, TRUE);
    gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    while (access(new, F_OK) != 0 || access(old, F_OK) == 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(50000);
    }
    /* Another time makes it another file: nothing of the old one is in the kernel's cache for it.
     */
    while (stat(latest, &after) == 0 && after.st_mtime == before.st_mtime) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(50000);
    }
    g_assert_cmpuint(after.st_ino, !=, before.st_ino);
    unmount_tree(&mounted);
}

struct reader {
    const char *path;
    guint seed;
    int *stop;
};

static gpointer
read_on(gpointer data)
{
    const struct reader *reader = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(reader->seed);
    g_autofree guint8 *bytes = g_malloc(300000);
    int fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    guint rounds = 0;
    while (!g_atomic_int_get(reader->stop) && rounds < 2000) {
        guint32 offset = (guint32)g_rand_int_range(rand, 0, SIZE - 300000);
        /* Without the cache, so that the tree has to answer. */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        ssize_t n = pread(fd, bytes, 300000, offset);
        if (n < 0)
            break;
        for (gsize i = 0; i < (gsize)n; i += 997)
            g_assert_true(bytes[i] == byte_at(offset + i));
        rounds++;
    }
    close(fd);
    return GUINT_TO_POINTER(rounds);
}

/* Many readers, and an end while they are at it: each gets an error, none hangs. */
static void
test_unmount_while_busy(void)
{
    struct mounted mounted;
    if (!mount_tree(&mounted))
        return;
    enum { READERS = 6 };
    g_autofree char *path = scratch_path(&mounted.scratch, "vm/disk");
    int stop = FALSE;
    struct reader readers[READERS];
    GThread *threads[READERS];
    for (guint i = 0; i < READERS; i++) {
        readers[i] = (struct reader){path, i, &stop};
        threads[i] = g_thread_new("read", read_on, &readers[i]);
    }
    g_usleep(500000);
    disk_tree_unmount(g_steal_pointer(&mounted.tree));
    g_atomic_int_set(&stop, TRUE);
    guint rounds = 0;
    for (guint i = 0; i < READERS; i++)
        rounds += GPOINTER_TO_UINT(g_thread_join(threads[i]));
    g_assert_cmpuint(rounds, >, 0);
    unmount_tree(&mounted);
}

static void
test_unmounted_by_others(void)
{
    struct mounted mounted;
    if (!mount_tree(&mounted))
        return;
    g_assert_false(disk_tree_is_gone(mounted.tree));
    const char *argv[] = {"fusermount3", "-u", mounted.scratch.path, NULL};
    g_autoptr(GError) error = NULL;
    int status;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    while (!disk_tree_is_gone(mounted.tree)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(10000);
    }
    unmount_tree(&mounted);
}

static void
test_mount_point(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "file", "");
    g_autofree char *none = scratch_path(&scratch, "none");
    g_autofree char *file = scratch_path(&scratch, "file");
    struct world world;
    struct disk_tree_source source;
    begin(&world, &source);
    const struct {
        const char *path;
        enum slipway_error code;
    } cases[] = {{none, SLIPWAY_ERROR_NOT_FOUND},
                 {file, SLIPWAY_ERROR_NOT_FOUND},
                 {scratch.path, SLIPWAY_ERROR_EXISTS}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        const struct disk_tree_options options = {.mount_point = cases[i].path};
        g_assert_null(disk_tree_mount(&source, &options, &error));
        if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)) {
            g_test_skip(error->message);
            break;
        }
        g_assert_error(error, SLIPWAY_ERROR, (int)cases[i].code);
        g_assert_nonnull(strstr(error->message, cases[i].path));
    }
    end(&world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disk-tree/nodes", test_nodes);
    g_test_add_func("/disk-tree/files", test_files);
    g_test_add_func("/disk-tree/mount", test_mount);
    g_test_add_func("/disk-tree/failures", test_failures);
    g_test_add_func("/disk-tree/change", test_change);
    g_test_add_func("/disk-tree/unmount-while-busy", test_unmount_while_busy);
    g_test_add_func("/disk-tree/unmounted-by-others", test_unmounted_by_others);
    g_test_add_func("/disk-tree/mount-point", test_mount_point);
    return g_test_run();
}
