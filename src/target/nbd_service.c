/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_service.h"

#include "base/error.h"
#include "target/nbd_protocol.h"
#include "target/nbd_tls.h"

#include <string.h>

#define HANDSHAKE_SECONDS 60

static gboolean
check_text(const char *text, const char *what, GError **error)
{
    if (strlen(text) <= NBD_STRING_MAX && g_utf8_validate(text, -1, NULL))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "the %s of an export must be UTF-8 of at most %u bytes", what, NBD_STRING_MAX);
}

static gboolean
add_export(struct nbd_service *service, const struct nbd_export *export, GError **error)
{
    if (!check_text(export->name, "name", error) ||
        (export->description != NULL && !check_text(export->description, "description", error)))
        return FALSE;
    if (nbd_service_find(service, export->name) != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "two exports have the name \"%s\"",
                         export->name);
    struct nbd_export *own = &service->exports[service->n_exports++];
    *own = *export;
    own->name = g_strdup(export->name);
    own->description = g_strdup(export->description);
    own->read_only = export->read_only || !(disk_capabilities(export->disk) & DISK_CAN_WRITE);
    return TRUE;
}

struct nbd_service *
nbd_service_new(const struct nbd_options *options, GError **error)
{
    auto_ptr(nbd_service) service = g_new0(struct nbd_service, 1);
    service->log = options->log;
    service->log_data = options->log_data;
    service->handshake_seconds =
        options->handshake_seconds != 0 ? options->handshake_seconds : HANDSHAKE_SECONDS;
    if (options->n_exports == 0)
        return error_null(error, SLIPWAY_ERROR_USAGE, "there is nothing to export");
    service->exports = g_new0(struct nbd_export, options->n_exports);
    for (guint i = 0; i < options->n_exports; i++)
        if (!add_export(service, &options->exports[i], error))
            return NULL;
    if (options->tls_directory != NULL) {
        service->tls = nbd_tls_load(options->tls_directory, options->tls_verify_peer, error);
        if (service->tls == NULL)
            return NULL;
    }
    return g_steal_pointer(&service);
}

void
nbd_service_free(struct nbd_service *service)
{
    for (guint i = 0; i < service->n_exports; i++) {
        g_free((char *)service->exports[i].name);
        g_free((char *)service->exports[i].description);
    }
    g_free(service->exports);
    SSL_CTX_free(service->tls);
    g_free(service);
}

const struct nbd_export *
nbd_service_find(const struct nbd_service *service, const char *name)
{
    for (guint i = 0; i < service->n_exports; i++)
        if (strcmp(service->exports[i].name, name) == 0)
            return &service->exports[i];
    return NULL;
}

void
nbd_service_log(const struct nbd_service *service, const char *peer, const char *format, ...)
{
    if (service->log == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strconcat(peer, ": ", words, NULL);
    service->log(line, service->log_data);
}
