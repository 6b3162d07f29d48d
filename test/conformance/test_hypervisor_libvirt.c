/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The suite over the driver of libvirt, with a real libvirtd: test/libvirt/conformance_peer.py,
 * whose path is in LIBVIRT_PEER. */
#include "disk/disk_open.h"
#include "hypervisor_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
    FILE *in, *out; /* of the peer; NULL: none was started */
    GPid pid;
} program;

struct peer {
    char *runs; /* directory of runs; short, as sockets have to be in it */
};

/* What it answers; fails the test when it failed. */
static char *ask(const char *format, ...) G_GNUC_PRINTF(1, 2);

static char *
hear(void)
{
    char line[8192];
    g_assert_nonnull(fgets(line, sizeof line, program.out));
    return g_strdup(g_strstrip(line));
}

static char *
ask(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(program.in, format, args);
    va_end(args);
    fputc('\n', program.in);
    fflush(program.in);
    g_autofree char *line = hear();
    if (!g_str_has_prefix(line, "ok"))
        g_error("%s", line);
    return g_strdup(g_strstrip(line + 2));
}

/* Its first line, or why there is none. */
static char *
start(void)
{
    const char *script = g_getenv("LIBVIRT_PEER");
    if (script == NULL)
        return g_strdup("LIBVIRT_PEER is not set");
    const char *argv[] = {"python3", script, NULL};
    int in = -1, out = -1;
    g_autoptr(GError) error = NULL;
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                             &program.pid, &in, &out, NULL, &error);
    g_assert_no_error(error);
    program.in = fdopen(in, "w");
    program.out = fdopen(out, "r");
    return hear();
}

static gpointer
begin(const struct hypervisor_suite *suite G_GNUC_UNUSED, const struct scratch *scratch)
{
    static char *said = NULL;
    if (said == NULL)
        said = start();
    if (strcmp(said, "ok") != 0) {
        g_test_skip(said);
        return NULL;
    }
    struct peer *peer = g_new0(struct peer, 1);
    peer->runs = g_build_filename(scratch->path, "r", NULL);
    g_assert_cmpint(g_mkdir_with_parents(peer->runs, 0700), ==, 0);
    g_free(ask("begin %s", peer->runs));
    return peer;
}

static void
end(gpointer data)
{
    struct peer *peer = data;
    g_free(ask("end"));
    g_free(peer->runs);
    g_free(peer);
}

static struct hypervisor *
open_session(gpointer data, GError **error)
{
    struct peer *peer = data;
    g_autofree char *uri = ask("uri");
    const struct hypervisor_options options = {.scratch = peer->runs};
    return hypervisor_open(uri, &options, error);
}

static void
write_disk(gpointer data G_GNUC_UNUSED, const char *disk, guint64 offset, guint64 length,
           guint8 pattern)
{
    g_free(ask("write %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %u", disk, offset, length,
               pattern));
}

static char *
tell_left(gpointer data G_GNUC_UNUSED)
{
    char *words = ask("left");
    if (words[0] == '\0')
        g_clear_pointer(&words, g_free);
    return words;
}

static void
forget_changes(gpointer data G_GNUC_UNUSED)
{
    g_free(ask("forget"));
}

static void
stop(gpointer data G_GNUC_UNUSED)
{
    g_free(ask("stop"));
}

static void
leave(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_free(ask("leave %s", mark));
}

static gboolean
has(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_autofree char *words = ask("has %s", mark);
    return words[0] != '\0';
}

static void
drop(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_free(ask("drop %s", mark));
}

static struct disk *
look(gpointer data G_GNUC_UNUSED, const char *machine, const char *disk)
{
    g_autofree char *path = ask("path %s %s", machine, disk);
    g_autoptr(GError) error = NULL;
    struct disk *found = disk_open_read(path, DISK_FORMAT_QCOW2, &error);
    g_assert_no_error(error);
    return found;
}

static void
remove_machine(gpointer data G_GNUC_UNUSED, const char *machine)
{
    g_free(ask("remove %s", machine));
}

int
main(int argc, char **argv)
{
    static const char *const disks[] = {"vda", "vdb", NULL};
    static const struct hypervisor_suite suite = {
        .name = "libvirt",
        .machine = "app01",
        .disks = disks,
        .granularity = 65536,
        .begin = begin,
        .end = end,
        .open = open_session,
        .write = write_disk,
        .left = tell_left,
        .forget_changes = forget_changes,
        .stop = stop,
        .leave = leave,
        .has = has,
        .drop = drop,
        .look = look,
        .remove = remove_machine,
    };
    g_test_init(&argc, &argv, NULL);
    hypervisor_suite_add(&suite);
    int code = g_test_run();
    if (program.in != NULL) {
        fclose(program.in);
        while (fgetc(program.out) != EOF)
            ;
        fclose(program.out);
        g_spawn_close_pid(program.pid);
    }
    return code;
}
