/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VDDK, with a program in the place of nbdkit that serves the file. */
#include "vsphere_bench.h"

#include "base/cancel.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <string.h>

static const char fake_nbdkit[] =
    "#!/bin/sh\n"
    "for word; do\n"
    "  case $word in\n"
    "    --dump-plugin) echo vddk_library_version=8; exit 0 ;;\n"
    "    password=+*) test \"$(cat \"${word#password=+}\")\" = only-for-tests || exit 9 ;;\n"
    "    *only-for-tests*) exit 8 ;;\n"
    "    thumbprint=AA:*) thumb=yes ;;\n"
    "    vm=moref=vm-*) vm=yes ;;\n"
    "    snapshot=*) snapshot=yes ;;\n"
    "    user=root) user=yes ;;\n"
    "    server=127.0.0.1) server=yes ;;\n"
    "    port=*) port=yes ;;\n"
    "  esac\n"
    "done\n"
    "echo \"$thumb$vm$snapshot$user$server$port\" >&2\n"
    "test \"$thumb$vm$snapshot$user$server$port\" = yesyesyesyesyesyes || exit 7\n"
    "shift 3\n"
    "exec \"$REAL_NBDKIT\" --foreground --readonly --exit-with-parent \"$1\" \"$2\" "
    "file \"$VDDK_IMAGE\"\n";

static void
put_program(struct vsphere_bench *bench, const char *text)
{
    g_autofree char *path = scratch_path(&bench->scratch, "bin/nbdkit");
    scratch_put(&bench->scratch, "bin/nbdkit", text);
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static void
test_vddk(void)
{
    g_autofree char *real = g_find_program_in_path("nbdkit");
    if (real == NULL) {
        g_test_skip("nbdkit is not installed");
        return;
    }
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_VDDK);
    ((struct vsphere *)bench.hypervisor)->thumbprint = g_strdup("aa:01020304050607080910111213"
                                                                "141516171819");
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    put_program(&bench, fake_nbdkit);
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    json_t *disk = json_array_get(json_object_get(machine, "disks"), 0);
    g_setenv("VDDK_IMAGE", json_string_value(json_object_get(disk, "base")), TRUE);
    g_setenv("REAL_NBDKIT", real, TRUE);
    json_decref(machine);
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    g_autofree char *directory = scratch_path(&bench.scratch, "bin");
    g_autofree char *path = g_strconcat(directory, ":", old, NULL);
    g_setenv("PATH", path, TRUE);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_read_and_thaw(frozen, truth);
    /* One that ends at once is told with its words. */
    put_program(&bench, "#!/bin/sh\ncase \"$*\" in *--dump-plugin*) echo vddk_library_version=8;; "
                        "*) echo no licence for this >&2; exit 1;; esac\n");
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_FAILED, "no licence for this");
    put_program(&bench, "#!/bin/sh\nexit 1\n");
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "plugin");
    put_program(&bench, "#!/bin/sh\nexit 0\n");
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "Virtual Disk Development Kit");
    g_setenv("PATH", directory, TRUE);
    g_autofree char *program = scratch_path(&bench.scratch, "bin/nbdkit");
    g_unlink(program);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "install nbdkit");
    g_setenv("PATH", old, TRUE);
}

/* A library that hangs does not outlast the user's patience. */
static const char slow_nbdkit[] =
    "#!/bin/sh\n"
    "case \"$*\" in *--dump-plugin*) echo vddk_library_version=8; exit 0 ;; esac\n"
    "shift 3\n"
    "exec \"$REAL_NBDKIT\" --foreground --readonly --exit-with-parent \"$1\" \"$2\" "
    "--filter=delay null 1M rdelay=600\n";

static void
test_vddk_cancelled(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *real = g_find_program_in_path("nbdkit");
    if (real == NULL) {
        g_test_skip("nbdkit is not installed");
        return;
    }
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_VDDK);
    ((struct vsphere *)bench.hypervisor)->thumbprint = g_strdup("aa:01020304050607080910111213"
                                                                "141516171819");
    put_program(&bench, slow_nbdkit);
    g_setenv("REAL_NBDKIT", real, TRUE);
    g_autofree char *old = g_strdup(g_getenv("PATH"));
    g_autofree char *directory = scratch_path(&bench.scratch, "bin");
    g_autofree char *path = g_strconcat(directory, ":", old, NULL);
    g_setenv("PATH", path, TRUE);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_setenv("PATH", old, TRUE);
    GThread *thread = vsphere_bench_cancel_soon();
    guint8 byte;
    g_assert_false(disk_read(frozen_get_disk(frozen, 0)->disk, 0, &byte, 1, &error));
    g_assert_nonnull(error);
    g_thread_join(thread);
    g_clear_error(&error);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    cancel_heard();
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/transport/vddk", test_vddk);
    g_test_add_func("/vsphere/run/transport/vddk-cancelled", test_vddk_cancelled);
    return g_test_run();
}
