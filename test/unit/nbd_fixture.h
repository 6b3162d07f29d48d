/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_fixture.h: an NBD server over disks in memory, on a socket in a scratch directory. */
#pragma once

#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "scratch_directory.h"
#include "target/nbd_server.h"

#include <libnbd.h>

struct nbd_fixture {
    struct scratch scratch;
    char *socket;
    GMutex lock;
    GString *log; /* under lock */
    struct nbd_server *server;
};

static inline void
nbd_fixture_log(const char *line, gpointer data)
{
    struct nbd_fixture *fixture = data;
    g_mutex_lock(&fixture->lock);
    g_string_append_printf(fixture->log, "%s\n", line);
    g_mutex_unlock(&fixture->lock);
}

/* Wait until the log has these words; they come after what a client sees. */
static inline void
nbd_fixture_expect_log(struct nbd_fixture *fixture, const char *words)
{
    gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    for (gboolean found = FALSE; !found;) {
        g_mutex_lock(&fixture->lock);
        found = strstr(fixture->log->str, words) != NULL;
        if (!found && g_get_monotonic_time() > deadline)
            g_error("the log has no \"%s\": %s", words, fixture->log->str);
        g_mutex_unlock(&fixture->lock);
        if (!found)
            g_usleep(1000);
    }
}

static inline void
nbd_fixture_start(struct nbd_fixture *fixture, const struct nbd_export *exports, guint n,
                  guint handshake_seconds)
{
    g_autoptr(GError) error = NULL;
    fixture->scratch = scratch_new();
    fixture->socket = scratch_path(&fixture->scratch, "nbd.sock");
    g_mutex_init(&fixture->lock);
    fixture->log = g_string_new(NULL);
    g_autofree char *address = g_strconcat("unix:", fixture->socket, NULL);
    const char *const listen[] = {address, NULL};
    const struct nbd_options options = {
        .exports = exports,
        .n_exports = n,
        .listen = listen,
        .handshake_seconds = handshake_seconds,
        .log = nbd_fixture_log,
        .log_data = fixture,
    };
    fixture->server = nbd_server_start(&options, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(nbd_server_addresses(fixture->server)[0], ==, address);
    g_assert_null(nbd_server_addresses(fixture->server)[1]);
}

static inline void
nbd_fixture_stop(struct nbd_fixture *fixture)
{
    nbd_server_stop(g_steal_pointer(&fixture->server));
    g_string_free(fixture->log, TRUE);
    g_mutex_clear(&fixture->lock);
    g_free(fixture->socket);
    scratch_clear(&fixture->scratch);
}

/* A client of libnbd that has not connected. */
static inline struct nbd_handle *
nbd_fixture_handle(const char *name)
{
    struct nbd_handle *handle = nbd_create();
    g_assert_nonnull(handle);
    g_assert_cmpint(nbd_set_export_name(handle, name), ==, 0);
    /* What is not allowed is the server's to refuse here. */
    g_assert_cmpint(nbd_set_strict_mode(handle, 0), ==, 0);
    return handle;
}

static inline void
nbd_fixture_connect(const struct nbd_fixture *fixture, struct nbd_handle *handle)
{
    if (nbd_connect_unix(handle, fixture->socket) != 0)
        g_error("cannot connect: %s", nbd_get_error());
}

static inline struct nbd_handle *
nbd_fixture_client(const struct nbd_fixture *fixture, const char *name)
{
    struct nbd_handle *handle = nbd_fixture_handle(name);
    g_assert_cmpint(nbd_add_meta_context(handle, "base:allocation"), ==, 0);
    g_assert_cmpint(nbd_add_meta_context(handle, "slipway:changed"), ==, 0);
    nbd_fixture_connect(fixture, handle);
    return handle;
}

static inline void
nbd_fixture_close(struct nbd_handle *handle)
{
    nbd_shutdown(handle, 0);
    nbd_close(handle);
}

/* Bytes that tell where they are from. */
static inline void
nbd_fixture_fill(guint8 *bytes, guint64 offset, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guint64 at = offset + i;
        bytes[i] = (guint8)(1 + (at * 2654435761u >> 16) % 251);
    }
}

/* A disk with data, and holes of `hole` bytes after each as much data; 0: none. */
static inline struct disk *
nbd_fixture_disk(guint64 size, guint64 hole)
{
    struct disk *disk = disk_memory_new(size, "memory");
    guint64 step = hole > 0 ? hole : 1 << 20;
    g_autofree guint8 *bytes = g_malloc(step);
    for (guint64 at = 0; at<size; at += hole> 0 ? 2 * step : step) {
        gsize n = (gsize)MIN(step, size - at);
        nbd_fixture_fill(bytes, at, n);
        g_assert_true(disk_write(disk, at, bytes, n, NULL));
    }
    return disk;
}

static inline void
nbd_fixture_assert_bytes(struct disk *disk, guint64 offset, const guint8 *bytes, gsize length)
{
    g_autofree guint8 *expected = g_malloc(length);
    g_assert_true(disk_read(disk, offset, expected, length, NULL));
    g_assert_true(memcmp(bytes, expected, length) == 0);
}
