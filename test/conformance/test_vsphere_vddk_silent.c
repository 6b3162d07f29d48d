/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VDDK that hangs: programs in the place of nbdkit that begin, and then say nothing.  Each is given
 * up, told of, and ended. */
#include "vsphere_bench.h"

#include "hyper/vsphere/vsphere.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What all of them do first; "$1" "$2" are then --unix and the socket. */
#define BEGIN                                                                                      \
    "#!/bin/sh\n"                                                                                  \
    "case \"$*\" in *--dump-plugin*) echo vddk_library_version=8; exit 0 ;; esac\n"                \
    "echo $$ > \"$VDDK_PID\"\n"                                                                    \
    "echo waiting for the host >&2\n"                                                              \
    "shift 3\n"
#define SERVE "exec \"$REAL_NBDKIT\" --foreground --readonly --exit-with-parent \"$1\" \"$2\" "

/* A session that has little patience, and `text` as the program that PATH has first. */
static gboolean
begin(struct vsphere_bench *bench, const char *text)
{
    g_autofree char *real = g_find_program_in_path("nbdkit");
    if (!vsphere_bench_begin_run(bench))
        return FALSE;
    if (real == NULL) {
        g_test_skip("nbdkit is not installed");
        return FALSE;
    }
    vsphere_bench_add(bench, NULL, NULL);
    vsphere_bench_open(bench, HYPERVISOR_TRANSPORT_VDDK);
    struct vsphere *vsphere = (struct vsphere *)bench->hypervisor;
    vsphere->stall_s = 1;
    vsphere->thumbprint = g_strdup("aa:01020304050607080910111213141516171819");
    g_autofree char *program = scratch_path(&bench->scratch, "bin/nbdkit");
    g_autofree char *directory = scratch_path(&bench->scratch, "bin");
    g_autofree char *pid = scratch_path(&bench->scratch, "pid");
    g_autofree char *path = g_strconcat(directory, ":", g_getenv("PATH"), NULL);
    scratch_put(&bench->scratch, "bin/nbdkit", text);
    g_assert_cmpint(g_chmod(program, 0755), ==, 0);
    g_setenv("REAL_NBDKIT", real, TRUE);
    g_setenv("VDDK_PID", pid, TRUE);
    g_setenv("PATH", path, TRUE);
    return TRUE;
}

/* It was there, and is not any more. */
static void
expect_ended(struct vsphere_bench *bench)
{
    g_autofree char *path = scratch_path(&bench->scratch, "pid");
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    pid_t pid = atoi(text);
    g_assert_cmpint(pid, >, 1);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
}

static void
expect_given_up(const GError *error, const char *words)
{
    const char *const all[] = {words, "transport https", "--stall-timeout", NULL};
    vsphere_bench_expect_words(error, SLIPWAY_ERROR_NETWORK, all);
}

static void
check_freeze(const char *text, const char *words)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    if (!begin(&bench, text))
        return;
    g_assert_null(vsphere_bench_freeze_with(&bench, FREEZE_NEVER, 0, NULL, &error));
    g_setenv("PATH", old, TRUE);
    expect_given_up(error, words);
    g_assert_nonnull(strstr(error->message, "waiting for the host"));
    expect_ended(&bench);
}

/* It makes no socket. */
static void
test_start(void)
{
    check_freeze(BEGIN "exec sleep 600\n", "has not begun to serve the disk");
}

/* It takes the connection, and does not greet. */
static void
test_greeting(void)
{
    check_freeze(BEGIN SERVE "--filter=delay null 1M delay-open=600\n", "by VDDK");
}

/* It serves the disk, and then does not: the run goes on to its end. */
static void
test_read(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    if (!begin(&bench, BEGIN SERVE "--filter=delay null 1M rdelay=600\n"))
        return;
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_setenv("PATH", old, TRUE);
    for (guint i = 0; i < 2; i++) {
        guint8 byte;
        g_assert_false(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
        expect_given_up(error, "by VDDK");
        g_clear_error(&error);
    }
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    expect_ended(&bench);
    frozen_free(frozen);
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/transport/vddk-silent/start", test_start);
    g_test_add_func("/vsphere/run/transport/vddk-silent/greeting", test_greeting);
    g_test_add_func("/vsphere/run/transport/vddk-silent/read", test_read);
    return g_test_run();
}
