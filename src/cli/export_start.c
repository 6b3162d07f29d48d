/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/export.h"
#include "cli/nouns.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

/* This command line with `serve` in the place of `start`: the first word of that name after
 * `export`. */
static char **
make_arguments(GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!g_file_get_contents("/proc/self/cmdline", &text, &length, NULL)) {
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  "/proc is not mounted; use `slipway export "
                  "serve`");
        return NULL;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    gboolean noun = FALSE, verb = FALSE;
    for (gsize at = 0; at < length; at += strlen(text + at) + 1) {
        const char *word = text + at;
        gboolean here = noun && !verb && g_str_equal(word, "start");
        verb = verb || here;
        noun = noun || g_str_equal(word, "export");
        g_ptr_array_add(words, g_strdup(here ? "serve" : word));
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

/* It has the same standard streams, so that it may ask for a passphrase and says what there is to
 * say itself. */
static gboolean
spawn(int ready, pid_t *ret, GError **error)
{
    g_auto(GStrv) arguments = make_arguments(error);
    if (arguments == NULL)
        return FALSE;
    g_autofree char *number = g_strdup_printf("%d", ready);
    g_auto(GStrv) environment =
        g_environ_setenv(g_get_environ(), EXPORT_READY_VARIABLE, number, TRUE);
    g_autofree char *self = g_file_read_link(SELF, NULL);
    int status = posix_spawn(ret, self != NULL ? self : SELF, NULL, NULL, arguments, environment);
    return status == 0 || error_set_errno(error, status, "cannot start the export");
}

/* Until it serves; otherwise its exit code is ours, and it has said why. */
static gboolean
wait_until_ready(int ready, pid_t child)
{
    char byte;
    ssize_t n;
    do
        n = read(ready, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return TRUE;
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    _exit(code != 0 ? code : 1);
}

static gboolean
run(struct session *session, GError **error)
{
    int ends[2];
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[1], F_SETFD, 0) != 0)
        return error_set_errno(error, errno, "cannot make a pipe");
    gboolean ok = spawn(ends[1], &child, error);
    close(ends[1]);
    ok = ok && wait_until_ready(ends[0], child);
    close(ends[0]);
    /* It has printed the result. */
    if (ok)
        ui_write(session_ui(session), "");
    return ok;
}

const struct verb verb_export_start = {
    .name = "start",
    .summary = "serve disks of a backup set to other computers",
    .description =
        "Serve disks of a set as block devices: over iSCSI (unless something else is asked for), "
        "NBD (--nbd), or as raw files in a folder (--fuse DIR). They are there at once, nothing is "
        "restored, whatever file system is in them. Without SET, --fuse shows all sets of the "
        "store.\n\n"
        "The disks can be written, as Windows and ESXi want it when they mount them, but the set "
        "never changes: what is written goes to a scratch file (--scratch, --write-limit) and is "
        "thrown away at the end. --keep-writes FILE keeps it and goes on with it the next time; "
        "--commit NAME makes a new set of it, of a machine of that name.\n\n"
        "An initiator proves itself by CHAP, with a secret that is made and shown once, or is in "
        "a file; with --mutual the target proves itself as well. Instructions for attaching the "
        "disks are printed. The export runs in the background until `slipway export stop`.",
    .operands = {EXPORT_OPERANDS},
    .options = {EXPORT_OPTIONS},
    .examples = {{"slipway export start web1", "the newest set of web1, over iSCSI"},
                 {"slipway export start db1@2026-11-24 data --read-only --mutual",
                  "one disk of an older set"},
                 {"slipway export start web1 --nbd", "on this computer: qemu-img, nbdcopy, QEMU"},
                 {"slipway export start --fuse /mnt/backups", "every disk of every set as a file"}},
    .run = run,
};
