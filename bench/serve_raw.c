/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A raw file behind our iSCSI target, with nothing between: what bench/export holds against tgt.
 * Prints the address; ends when standard input does. */
#include "disk/disk_open.h"
#include "measure.h"
#include "target/iscsi_server.h"

#include <stdio.h>
#include <unistd.h>

static char *path = NULL;
static gboolean digests = FALSE;

static const GOptionEntry entries[] = {
    {"file", 'f', 0, G_OPTION_ARG_FILENAME, &path, "raw file to serve", "FILE"},
    {"digests", 'd', 0, G_OPTION_ARG_NONE, &digests, "demand header and data digests", NULL},
    {NULL}};

int
main(int argc, char **argv)
{
    GError *error = NULL;
    char byte;
    measure_options(argc, argv, entries, "Serve a raw file over iSCSI, read-only.");
    if (path == NULL)
        measure_fail("--file is missing");
    struct disk *disk = disk_file_open(path, FALSE, &error);
    measure_must(error);
    struct scsi_device *device = scsi_device_new();
    struct scsi_unit_options unit = {
        .disk = disk, .identity = path, .block_size = 512, .read_only = TRUE};
    scsi_device_add(device, &unit, &error);
    measure_must(error);
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    enum iscsi_digest_use use = digests ? ISCSI_DIGEST_REQUIRED : ISCSI_DIGEST_OFF;
    struct iscsi_options options = {
        .name = "iqn.2026-11.org.slipway:raw",
        .device = device,
        .listen = listen,
        .header_digest = use,
        .data_digest = use,
    };
    struct iscsi_server *server = iscsi_server_start(&options, &error);
    measure_must(error);
    printf("%s\n", iscsi_server_addresses(server)[0]);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    iscsi_server_stop(server);
    scsi_device_free(device);
    disk_close(disk);
    return 0;
}
