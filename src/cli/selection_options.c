/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/selection_options.h"

#include "base/error.h"

static gboolean
take_include(const char *word, struct selection *ret, GError **error)
{
    if (g_str_equal(word, "off"))
        ret->off = TRUE;
    else if (g_str_equal(word, "suspended"))
        ret->suspended = TRUE;
    else if (g_str_equal(word, "templates"))
        ret->templates = TRUE;
    else
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--include %s: off, suspended or templates is wanted", word);
    return TRUE;
}

gboolean
selection_options_read(struct session *session, const char *path, struct selection *ret,
                       GError **error)
{
    const char *const *include = session_list(session, OPTION_INCLUDE);
    *ret = (struct selection){
        .path = path,
        .tags = session_list(session, OPTION_VM_TAG),
        .folders = session_list(session, OPTION_IN_FOLDER),
        .hosts = session_list(session, OPTION_ON_HOST),
        .clusters = session_list(session, OPTION_IN_CLUSTER),
        .pools = session_list(session, OPTION_IN_POOL),
        .exclude = session_list(session, OPTION_EXCLUDE),
    };
    for (gsize i = 0; include != NULL && include[i] != NULL; i++) {
        if (!take_include(include[i], ret, error))
            return FALSE;
    }
    return TRUE;
}
