/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

/* A server answers at the latest after so long; a cancel is seen in that time. */
#define WAIT_S 2
/* Without a property collector that waits. */
#define POLL_US (500 * G_TIME_SPAN_MILLISECOND)
#define LIMIT_S 3600u
/* A server that answers sooner than this with nothing new, again and again, is asked more slowly.
 */
#define HASTY_US (20 * G_TIME_SPAN_MILLISECOND)
/* A server that cannot be reached: tries, each with those of a call, and the longest pause. */
#define LOST_MAX 10u
#define LOST_PAUSE_MAX_US (30 * G_TIME_SPAN_SECOND)
/* How long a task may go on after it was asked to end. */
#define CANCEL_LIMIT_US (120 * G_TIME_SPAN_SECOND)

struct watch {
    struct vim *vim;
    const struct moref *task;
    const struct vim_wait *wait;
    struct moref collector; /* our own: others' filters would wake us; value NULL: none */
    char *version;          /* of what it has told */
    gboolean poll;          /* this server cannot wait */
    guint hasty;            /* waits in a row that were none */
    guint lost;             /* tries in a row that did not reach the server */
    guint64 progress;       /* per cent that were told */
    char *state;            /* and progress, as text: what must change in time */
    gint64 changed;         /* when that changed last */
    gint64 cancelled;       /* when the task was asked to end; 0 */
};

/* ---- Being woken ----------------------------------------------------------------------------- */

static void
stop_watching(struct watch *watch)
{
    if (watch->collector.value != NULL) { /* with its filter */
        auto_xml_doc answer =
            vim_call(watch->vim, "DestroyPropertyCollector", &watch->collector, NULL, NULL, NULL);
    }
    moref_clear(&watch->collector);
    g_clear_pointer(&watch->version, g_free);
}

static gboolean
make_filter(struct watch *watch)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_begin(arguments, "spec", NULL);
    vim_begin(arguments, "propSet", NULL);
    vim_put(arguments, "type", "Task");
    vim_put(arguments, "pathSet", "info.state");
    vim_put(arguments, "pathSet", "info.progress");
    vim_end(arguments, "propSet");
    vim_begin(arguments, "objectSet", NULL);
    vim_put_moref(arguments, "obj", watch->task);
    vim_end(arguments, "objectSet");
    vim_end(arguments, "spec");
    vim_put_bool(arguments, "partialUpdates", FALSE);
    auto_xml_doc answer =
        vim_call(watch->vim, "CreateFilter", &watch->collector, arguments->str, NULL, NULL);
    return answer != NULL;
}

static gboolean
start_watching(struct watch *watch)
{
    struct vim *vim = watch->vim;
    auto_xml_doc answer = vim_call(vim, "CreatePropertyCollector", &vim->service.property_collector,
                                   NULL, NULL, NULL);
    if (answer == NULL || !vim_get_moref(vim_returned(answer), &watch->collector))
        return FALSE;
    watch->version = g_strdup("");
    return make_filter(watch);
}

static void
ask_for_updates(struct watch *watch)
{
    g_autoptr(GString) arguments = g_string_new(NULL);
    vim_put(arguments, "version", watch->version);
    vim_begin(arguments, "options", NULL);
    vim_put_int(arguments, "maxWaitSeconds", WAIT_S);
    vim_end(arguments, "options");
    struct vim_fault fault = {0};
    auto_xml_doc answer =
        vim_call(watch->vim, "WaitForUpdatesEx", &watch->collector, arguments->str, &fault, NULL);
    char *version = xml_child_text(answer != NULL ? vim_returned(answer) : NULL, "version");
    if (answer == NULL) {
        /* One that was never good for anything will not be so the next time. */
        watch->poll = vim_fault_is(&fault, "NotSupported") ||
                      vim_fault_is(&fault, "NotImplemented") ||
                      vim_fault_is(&fault, "InvalidRequest");
        stop_watching(watch);
    } else if (version != NULL) {
        g_free(watch->version);
        watch->version = g_steal_pointer(&version);
    }
    g_free(version);
    vim_fault_clear(&fault);
}

/* Return when the task may have changed, or a little later.  What goes wrong here (the session and
 * the collector with it are gone, this server has none) is no failure: reading the task tells. */
static void
wait_for_change(struct watch *watch)
{
    gint64 begun = g_get_monotonic_time();
    if (!watch->poll && watch->collector.value == NULL && !start_watching(watch)) {
        stop_watching(watch);
        watch->poll = TRUE;
    }
    if (watch->poll) {
        g_usleep(POLL_US);
        return;
    }
    ask_for_updates(watch);
    gboolean hasty = g_get_monotonic_time() - begun < HASTY_US;
    watch->hasty = hasty ? watch->hasty + 1 : 0;
    g_usleep((gulong)MIN(watch->hasty * HASTY_US, POLL_US));
}

/* ---- How it goes ----------------------------------------------------------------------------- */

static const char *
what_of(const struct watch *watch)
{
    return watch->wait->what != NULL ? watch->wait->what : "a task";
}

/* `info`; NULL with an error, or without one when the server could not be reached this time. */
static struct vim_object *
read_info(struct watch *watch, GError **error)
{
    static const char *const paths[] = {"info", NULL};
    g_autoptr(GError) failure = NULL;
    struct vim_object *object = vim_get(watch->vim, watch->task, paths, &failure);
    if (object != NULL) {
        watch->lost = 0;
        return object;
    }
    if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK) ||
        ++watch->lost > LOST_MAX) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    progress_debug(watch->vim->progress, "%s: %s; the task goes on, asking again", what_of(watch),
                   failure->message);
    g_usleep(MIN(http_handle_pause_us(watch->vim->http, watch->lost), (guint64)LOST_PAUSE_MAX_US));
    return NULL;
}

static void
tell_progress(struct watch *watch, const xmlNode *info)
{
    guint64 progress = MIN(vim_child_number(info, "progress", 0), 100u);
    if (progress > watch->progress) {
        progress_advance(watch->wait->progress, progress - watch->progress);
        watch->progress = progress;
    }
}

static void
note_change(struct watch *watch, const char *state, const xmlNode *info)
{
    g_autofree char *progress = xml_child_text(info, "progress");
    char *now = g_strconcat(state, " ", progress, NULL);
    if (g_strcmp0(now, watch->state) != 0)
        watch->changed = g_get_monotonic_time();
    g_free(watch->state);
    watch->state = now;
}

static gboolean
check_time(const struct watch *watch, GError **error)
{
    guint limit_s = watch->wait->limit_s != 0 ? watch->wait->limit_s : LIMIT_S;
    gint64 now = g_get_monotonic_time();
    if (watch->cancelled != 0 && now - watch->cancelled > CANCEL_LIMIT_US)
        return error_set(error, SLIPWAY_ERROR_CANCELLED,
                         "%s: cancelled, but the server's task (%s) has not ended yet",
                         what_of(watch), watch->task->value);
    if (now - watch->changed <= limit_s * G_TIME_SPAN_SECOND)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_FAILED,
                     "%s: the server's task (%s) has not moved for %u seconds; it may still end: "
                     "look at the recent tasks of the host",
                     what_of(watch), watch->task->value, limit_s);
}

/* A task that cannot be cancelled ends by itself, and its result is wanted to clean up. */
static void
pass_cancel_on(struct watch *watch)
{
    if (!watch->wait->cancellable || watch->cancelled != 0 || !cancel_requested())
        return;
    auto_xml_doc answer = vim_call(watch->vim, "CancelTask", watch->task, NULL, NULL, NULL);
    watch->cancelled = g_get_monotonic_time();
}

/* ---- Its end --------------------------------------------------------------------------------- */

static gboolean
fail_task(const struct watch *watch, const xmlNode *info, struct vim_fault *ret_fault,
          GError **error)
{
    const xmlNode *failure = xml_child(info, "error");
    g_autofree char *words = xml_child_text(failure, "localizedMessage");
    struct vim_fault fault = {0};
    vim_fault_read(xml_child(failure, "fault"), words, &fault);
    g_autofree char *label = g_strdup_printf("%s: %s", watch->vim->label, what_of(watch));
    vim_fault_fail(&fault, label, NULL, NULL, error);
    if (ret_fault != NULL)
        *ret_fault = fault;
    else
        vim_fault_clear(&fault);
    return FALSE;
}

/* TRUE when the task has ended: then *ret_ok says how. */
static gboolean
has_ended(struct watch *watch, const struct vim_object *object, xmlDoc **ret_result,
          struct vim_fault *ret_fault, gboolean *ret_ok, GError **error)
{
    const xmlNode *info = vim_property(object, "info");
    g_autofree char *state = xml_child_text(info, "state");
    if (g_strcmp0(state, "success") == 0) {
        const xmlNode *result = xml_child(info, "result");
        if (ret_result != NULL && result != NULL)
            *ret_result = vim_copy_node(result);
        progress_advance(watch->wait->progress, 100 - watch->progress);
        return *ret_ok = TRUE;
    }
    *ret_ok = FALSE;
    if (g_strcmp0(state, "error") == 0) {
        fail_task(watch, info, ret_fault, error);
        return TRUE;
    }
    if (g_strcmp0(state, "queued") != 0 && g_strcmp0(state, "running") != 0) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: a task in the state \"%.60s\"", what_of(watch),
                  state != NULL ? state : "");
        return TRUE;
    }
    tell_progress(watch, info);
    note_change(watch, state, info);
    return FALSE;
}

static gboolean
watch_it(struct watch *watch, xmlDoc **ret_result, struct vim_fault *ret_fault, GError **error)
{
    for (;;) {
        g_autoptr(GError) failure = NULL;
        gboolean ok = FALSE;
        auto_ptr(vim_object) object = read_info(watch, &failure);
        if (failure != NULL) {
            g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: ", what_of(watch));
            return FALSE;
        }
        if (object != NULL && has_ended(watch, object, ret_result, ret_fault, &ok, error))
            return ok;
        if (!check_time(watch, error))
            return FALSE;
        pass_cancel_on(watch);
        if (object != NULL)
            wait_for_change(watch);
    }
}

gboolean
vim_task_wait(struct vim *vim, const struct moref *task, const struct vim_wait *wait,
              xmlDoc **ret_result, struct vim_fault *ret_fault, GError **error)
{
    struct watch watch = {
        .vim = vim, .task = task, .wait = wait, .changed = g_get_monotonic_time()};
    if (ret_result != NULL)
        *ret_result = NULL;
    progress_begin(wait->progress, 100, PROGRESS_ITEMS, "%s", what_of(&watch));
    gboolean ok = watch_it(&watch, ret_result, ret_fault, error);
    stop_watching(&watch);
    progress_end(wait->progress, ok);
    g_free(watch.state);
    return ok;
}

gboolean
vim_run(struct vim *vim, const char *method, const struct moref *self, const char *arguments,
        const struct vim_wait *wait, xmlDoc **ret_result, struct vim_fault *ret_fault,
        GError **error)
{
    struct moref task = {0};
    if (ret_result != NULL)
        *ret_result = NULL;
    auto_xml_doc answer = vim_call(vim, method, self, arguments, ret_fault, error);
    if (answer == NULL)
        return FALSE;
    if (!vim_get_moref(vim_returned(answer), &task))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: %s returned no task", vim->label,
                         method);
    gboolean ok = vim_task_wait(vim, &task, wait, ret_result, ret_fault, error);
    moref_clear(&task);
    return ok;
}
