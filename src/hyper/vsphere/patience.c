/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/patience.h"

#include "base/error.h"

#define FIRST_PAUSE_MS 1000u
#define LONGEST_PAUSES 60u  /* of the first one */
#define STALL_S (6u * 3600) /* others found an hour to be too short for a percent of a merge */
#define LOOKS 2u
#define TASKS_MAX 256u /* servers keep 200 */

gboolean
patience_may_help(const GError *error)
{
    static const enum slipway_error hopeless[] = {SLIPWAY_ERROR_USAGE, SLIPWAY_ERROR_DENIED,
                                                  SLIPWAY_ERROR_READ_ONLY,
                                                  SLIPWAY_ERROR_UNSUPPORTED};
    for (gsize i = 0; i < G_N_ELEMENTS(hopeless); i++)
        if (g_error_matches(error, SLIPWAY_ERROR, hopeless[i]))
            return FALSE;
    return TRUE;
}

gboolean
patience_wait(struct patience *patience, const GError *error)
{
    if (++patience->tries >= PATIENCE_TRIES || !patience_may_help(error))
        return FALSE;
    guint first = patience_pause_ms(patience->vsphere);
    guint factor = MIN(1u << (patience->tries - 1), LONGEST_PAUSES);
    g_usleep((gulong)first * factor * 1000);
    return TRUE;
}

guint
patience_pause_ms(const struct vsphere *vsphere)
{
    return vsphere->pause_ms != 0 ? vsphere->pause_ms : FIRST_PAUSE_MS;
}

guint
patience_stall(const struct vsphere *vsphere)
{
    return vsphere->stall_s != 0 ? vsphere->stall_s : STALL_S;
}

/* A single refusal is no answer to whether something is under way. */
static struct vim_object *
get(struct vsphere *vsphere, const struct moref *self, const char *const *paths)
{
    struct patience patience = {.vsphere = vsphere};
    for (;;) {
        g_autoptr(GError) failure = NULL;
        struct vim_object *object = vim_get(vsphere->vim, self, paths, &failure);
        if (object != NULL || patience.tries >= LOOKS ||
            g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
            !patience_wait(&patience, failure))
            return object;
    }
}

/* Wait for a task if it is the object's. */
static void
wait_for(struct vsphere *vsphere, const struct moref *task, const struct moref *object)
{
    static const char *const paths[] = {"info.entity", "info.state", NULL};
    struct vim_wait wait = {.what = "waiting for another task of the machine",
                            .limit_s = patience_stall(vsphere)};
    struct moref entity = {0};
    auto_ptr(vim_object) found = get(vsphere, task, paths);
    g_autofree char *state = found != NULL ? vim_property_text(found, "info.state") : NULL;
    gboolean runs = g_strcmp0(state, "running") == 0 || g_strcmp0(state, "queued") == 0;
    if (runs && vim_property_moref(found, "info.entity", &entity) && moref_equal(&entity, object))
        vim_task_wait(vsphere->vim, task, &wait, NULL, NULL, NULL);
    moref_clear(&entity);
}

/* FALSE when `from` tells of none. */
static gboolean
wait_for_recent(struct vsphere *vsphere, const struct moref *from, const struct moref *object)
{
    static const char *const paths[] = {"recentTask", NULL};
    auto_ptr(vim_object) found = get(vsphere, from, paths);
    const xmlNode *tasks = found != NULL ? vim_property(found, "recentTask") : NULL;
    guint n = 0;
    for (const xmlNode *node = tasks != NULL ? xml_child(tasks, NULL) : NULL;
         node != NULL && n < TASKS_MAX; node = xml_next(node, NULL), n++) {
        struct moref task = {0};
        if (vim_get_moref(node, &task))
            wait_for(vsphere, &task, object);
        moref_clear(&task);
    }
    return n > 0;
}

/* The server's own list has everybody's. */
void
patience_settle(struct vsphere *vsphere, const struct moref *object)
{
    const struct moref *manager = &vim_service(vsphere->vim)->task_manager;
    if (!wait_for_recent(vsphere, object, object) && manager->value != NULL)
        wait_for_recent(vsphere, manager, object);
}
