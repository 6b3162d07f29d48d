/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/object_parity.h"

#include "store/parity.h"
#include "store/seal.h"

#include <string.h>

#define PARITY_FOLDER "parity/"

/* Those of packs lie in parity/XX, two hex digits, which none of these is. */
static const char *const folders[] = {"keys/", "sets/", "flags/", "screens/", "rules/"};

gboolean
object_parity_applies(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        if (g_str_has_prefix(name, folders[i]))
            return TRUE;
    }
    return g_str_equal(name, "config");
}

char *
object_parity_name(const char *name)
{
    return g_strconcat(PARITY_FOLDER, name, NULL);
}

gboolean
object_parity_parse(const char *parity_name, char **ret_name)
{
    if (!g_str_has_prefix(parity_name, PARITY_FOLDER) ||
        !object_parity_applies(parity_name + strlen(PARITY_FOLDER)))
        return FALSE;
    *ret_name = g_strdup(parity_name + strlen(PARITY_FOLDER));
    return TRUE;
}

gboolean
object_parity_put(struct repo *repo, const char *name, const void *data, gsize length,
                  GError **error)
{
    if (!object_parity_applies(name) || length > PARITY_OBJECT_MAX)
        return TRUE;
    auto_ptr(parity_encoder) encoder = parity_encoder_new(length, OBJECT_PARITY_PERMILLE);
    parity_encoder_append(encoder, data, length);
    g_autoptr(GBytes) parity = parity_encoder_finish(encoder);
    g_autofree char *parity_name = object_parity_name(name);
    data = g_bytes_get_data(parity, &length);
    return repo_replace(repo, parity_name, data, length, error);
}

gboolean
object_parity_remove(struct repo *repo, const char *name, GError **error)
{
    g_autofree char *parity_name = object_parity_name(name);
    return !object_parity_applies(name) || repo_remove(repo, parity_name, error);
}

GBytes *
object_parity_heal(struct repo *repo, const char *name, guint64 *ret_blocks)
{
    struct parity_report report;
    g_autoptr(GBytes) healed = NULL;
    g_autofree char *parity_name = object_parity_name(name);
    if (!object_parity_applies(name) ||
        !parity_check(repo, name, parity_name, &report, &healed, NULL))
        return NULL;
    if (ret_blocks != NULL)
        *ret_blocks = report.damaged;
    parity_report_clear(&report);
    return healed != NULL && seal_check(name, healed, NULL) ? g_steal_pointer(&healed) : NULL;
}

GBytes *
object_parity_read(struct repo *repo, const char *name, gsize limit, GError **error)
{
    GBytes *object = repo_read_all(repo, name, limit, error);
    if (object == NULL || seal_check(name, object, NULL))
        return object;
    GBytes *healed = object_parity_heal(repo, name, NULL);
    if (healed == NULL)
        return object;
    g_bytes_unref(object);
    return healed;
}
