/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of disks that are made, and transfers that fail. */
#include "wanted.h"

#include "base/cancel.h"
#include "disk/disk_driver.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

/* ---- Sources --------------------------------------------------------------------------------- */

struct slow {
    struct disk base;
    guint milliseconds;
};

static gboolean
read_slowly(struct disk *self, guint64 offset, void *buffer, gsize length,
            GError **error G_GNUC_UNUSED)
{
    g_usleep(((struct slow *)self)->milliseconds * 1000ul);
    memset(buffer, (int)(offset / MIB) + 1, length);
    return TRUE;
}

static void
close_slow(struct disk *self)
{
    g_free(self);
}

static struct disk *
new_slow(guint64 size, guint milliseconds)
{
    static const struct disk_class class = {
        .name = "slow", .read = read_slowly, .close = close_slow};
    struct slow *slow = g_new0(struct slow, 1);
    disk_init(&slow->base, &class, size, 0, "slow");
    slow->milliseconds = milliseconds;
    return &slow->base;
}

/* The lease would end long before the source has given its first byte. */
static void
test_slow_source(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!wanted_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    auto_ptr(machine) wanted = wanted_new("slow");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) source = new_slow(MIB, 2500);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "HttpNfcLeaseProgress", "drop",
                      "before");
    placement_import(placement, 0, source, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vsphere_bench_count(&bench, "HttpNfcLeaseProgress"), >, 2);
    wanted_finish(placement, FALSE, NULL);
    wanted_expect_content(&bench, "slow", 0, source);
}

/* ---- Transfers that fail --------------------------------------------------------------------- */

/* Each passes, or is gone around. */
static void
test_passing(void)
{
    static const char *const rules[] = {
        "{\"method\": \"POST /nfc\", \"drop\": \"before\"}",
        "{\"method\": \"POST /nfc\", \"status\": 503, \"count\": 2}",
        "{\"method\": \"POST /nfc\", \"short\": 100000}",
        "{\"method\": \"POST /nfc\", \"status\": 411}",
    };
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strdup_printf("passing %u", (guint)i);
        auto_ptr(machine) wanted = wanted_new(name);
        wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 40 * MIB);
        auto_ptr(placement) placement = wanted_create(&bench, wanted);
        auto_ptr(disk) content = wanted_content(40 * MIB, (guint8)i);
        vsphere_bench_rule(&bench, rules[i]);
        vsphere_peer_tell(bench.peer, "counts", NULL);
        placement_import(placement, 0, content, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(vsphere_bench_count(&bench, "POST /nfc"), ==, i == 1 ? 3 : 2);
        wanted_finish(placement, FALSE, NULL);
        wanted_expect_content(&bench, name, 0, content);
        vsphere_peer_tell(bench.peer, "clear", NULL);
    }
}

static void
expect_import_failure(struct vsphere_bench *bench, const char *rule, struct disk *source,
                      enum slipway_error code, const char *word)
{
    g_autoptr(GError) error = NULL, abandoned = NULL;
    auto_ptr(machine) wanted = wanted_new("failing");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", disk_size(source));
    auto_ptr(placement) placement = wanted_create(bench, wanted);
    if (rule != NULL)
        vsphere_bench_rule(bench, rule);
    g_assert_false(placement_import(placement, 0, source, NULL, &error));
    vsphere_bench_expect_words(error, code, (const char *const[]){word, "scsi0:0", NULL});
    placement_abandon(placement, &abandoned);
    g_assert_no_error(abandoned);
    vsphere_peer_tell(bench->peer, "clear", NULL);
    wanted_expect_none(bench, "failing");
}

static void
test_failing(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(disk) content = wanted_content(40 * MIB, 3);
    expect_import_failure(&bench, "{\"method\": \"POST /nfc\", \"status\": 500, \"count\": -1}",
                          content, SLIPWAY_ERROR_NETWORK, "500");
    expect_import_failure(&bench, "{\"method\": \"POST /nfc\", \"status\": 403, \"count\": -1}",
                          content, SLIPWAY_ERROR_DENIED, "403");
    expect_import_failure(&bench,
                          "{\"method\": \"POST /nfc\", \"drop\": \"before\", \"count\": -1}",
                          content, SLIPWAY_ERROR_NETWORK, "sending");
    const struct disk_fault fault = {.offset = 10 * MIB, .length = 20 * MIB, .reads = 1};
    struct disk *below = wanted_content(40 * MIB, 3);
    auto_ptr(disk) broken = disk_fault_new(below, &fault, 1);
    expect_import_failure(&bench, NULL, broken, SLIPWAY_ERROR_IO, "what is restored");
    vsphere_peer_tell(bench.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    auto_ptr(disk) slow = new_slow(8 * MIB, 1500);
    expect_import_failure(&bench, "{\"method\": \"HttpNfcLeaseProgress\", \"fault\": \"Timedout\"}",
                          slow, SLIPWAY_ERROR_FAILED, "given up the import");
}

/* A disk of another size than was said is not sent. */
static void
test_other_size(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("size");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) content = wanted_content(2 * MIB, 3);
    g_assert_false(placement_import(placement, 0, content, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

/* The user stops it while something is sent. */
static void
test_cancelled(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL, abandoned = NULL;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("cancelled");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 400 * MIB);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) source = new_slow(400 * MIB, 100);
    GThread *thread = vsphere_bench_cancel_soon();
    g_assert_false(placement_import(placement, 0, source, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    placement_abandon(placement, &abandoned);
    g_assert_no_error(abandoned);
    cancel_heard();
    wanted_expect_none(&bench, "cancelled");
    /* Also while the server gets ready. */
    vsphere_peer_tell(bench.peer, "settings", "{s:f}", "lease_delay", 600.0);
    thread = vsphere_bench_cancel_soon();
    g_clear_error(&error);
    g_assert_null(hypervisor_create(bench.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    cancel_heard();
    wanted_expect_none(&bench, "cancelled");
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static char *
run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;
    int status = 0;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                 NULL, &out, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    return g_strstrip(out);
}

/* A certificate that nobody signed, known by its thumbprint: disks go over TLS too. */
static void
test_tls(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *cert = scratch_path(&scratch, "cert.pem");
    g_autofree char *key = scratch_path(&scratch, "key.pem");
    g_free(run((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                                     "-days", "30", "-subj", "/CN=127.0.0.1", "-addext",
                                     "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert,
                                     NULL}));
    g_autofree char *print = run((const char *const[]){"openssl", "x509", "-in", cert, "-noout",
                                                       "-fingerprint", "-sha256", NULL});
    const char *const arguments[] = {"-machines", "0", "-cert", cert, "-key", key, NULL};
    static const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    const struct hypervisor_options options = {.user = "root",
                                               .password = "only-for-tests",
                                               .network = &network,
                                               .transport = HYPERVISOR_TRANSPORT_HTTPS,
                                               .thumbprint = strchr(print, '=') + 1};
    g_autoptr(GError) error = NULL;
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin(&bench, arguments))
        return;
    g_unsetenv("SLIPWAY_VSPHERE_PLAIN");
    bench.hypervisor = hypervisor_vsphere.open(vsphere_peer_uri(bench.peer), &options, &error);
    g_assert_no_error(error);
    auto_ptr(machine) wanted = wanted_new("tls");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 5 * MIB);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) content = wanted_content(5 * MIB, 3);
    placement_import(placement, 0, content, NULL, &error);
    g_assert_no_error(error);
    wanted_finish(placement, FALSE, NULL);
    wanted_expect_content(&bench, "tls", 0, content);
    const struct folder_disk_options flat = {
        .place = {(char *)"DC0", (char *)"LocalDS_0", (char *)"tls/tls-flat.vmdk"},
        .size = 5 * MIB,
        .label = "tls scsi0:0"};
    auto_ptr(disk) back =
        folder_disk_open(((struct vsphere *)bench.hypervisor)->vim, &flat, &error);
    g_assert_no_error(error);
    g_autofree guint8 *got = g_malloc(5 * MIB), *sent = g_malloc(5 * MIB);
    g_assert_true(disk_read(back, 0, got, 5 * MIB, &error));
    g_assert_true(disk_read(content, 0, sent, 5 * MIB, &error));
    g_assert_cmpmem(got, 5 * MIB, sent, 5 * MIB);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/create/slow-source", test_slow_source);
    g_test_add_func("/vsphere/create/passing", test_passing);
    g_test_add_func("/vsphere/create/failing", test_failing);
    g_test_add_func("/vsphere/create/other-size", test_other_size);
    g_test_add_func("/vsphere/create/cancelled", test_cancelled);
    g_test_add_func("/vsphere/create/tls", test_tls);
    return g_test_run();
}
