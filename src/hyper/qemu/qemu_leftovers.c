/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/qemu/qemu_leftovers.h"

#include "base/digest.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/qemu/qemu_agent.h"
#include "hyper/qemu/qemu_drive.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_LENGTH 12
#define DIRECTORY_SUFFIX "_qmp"

/* What is asked to go goes as soon as the guest's requests that are under way have ended. */
#define PATIENCE_US (60 * G_USEC_PER_SEC)
#define PAUSE_US 5000

struct removal {
    struct qemu_session *session;
    const char *mark;
    char *prefix; /* MARK_ */
    char *nodes;  /* slipway-HASH- */
    GError *failure;
};

char *
qemu_leftovers_name(const char *mark, const char *suffix, guint number)
{
    return g_strdup_printf("%s_%s%u", mark, suffix, number);
}

static char *
node_prefix(const char *mark)
{
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, mark, strlen(mark));
    return g_strdup_printf("slipway-%.*s-", HASH_LENGTH, hex);
}

char *
qemu_leftovers_node(const char *mark, const char *kind, guint number)
{
    g_autofree char *prefix = node_prefix(mark);
    return g_strdup_printf("%s%s%u", prefix, kind, number);
}

/* The first failure is what is told; the rest is tried all the same. */
static void
note(struct removal *removal, GError *failure)
{
    if (failure == NULL)
        return;
    if (removal->failure == NULL)
        removal->failure = failure;
    else
        g_error_free(failure);
}

static void
run(struct removal *removal, const char *command, json_t *arguments)
{
    GError *failure = NULL;
    qemu_session_do(removal->session, command, arguments, &failure);
    note(removal, failure);
}

static const char *
text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

/* ---- Exports and jobs: asked to go, then waited for ------------------------------------------ */

typedef void (*dismiss)(struct removal *removal, const json_t *entry, const char *id);

/* One look: how many of ours are in the list that `query` gives; `act` with each. */
static guint
look_once(struct removal *removal, const char *query, dismiss act)
{
    GError *failure = NULL;
    json_t *list = qemu_session_ask(removal->session, query, NULL, &failure);
    note(removal, failure);
    guint n = 0;
    for (gsize i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *id = text_of(entry, "id");
        if (id == NULL || !g_str_has_prefix(id, removal->prefix))
            continue;
        n++;
        act(removal, entry, id);
    }
    json_decref(list);
    return n;
}

static void
wait_for_none(struct removal *removal, const char *query, dismiss act, const char *what)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    guint n = look_once(removal, query, act);
    while (n > 0 && removal->failure == NULL && g_get_monotonic_time() < end) {
        g_usleep(PAUSE_US);
        /* Some need to be told twice: that their end was seen. */
        n = look_once(removal, query, act);
    }
    if (n > 0 && removal->failure == NULL)
        error_set(&removal->failure, SLIPWAY_ERROR_FAILED, "%u %s of %s do not end", n, what,
                  removal->mark);
}

/* Whatever it is asked for here may have gone by itself meanwhile: whether it is still there is
 * looked at afterwards. */
static void
remove_export(struct removal *removal, const json_t *entry G_GNUC_UNUSED, const char *id)
{
    qemu_session_do(removal->session, "block-export-del",
                    json_pack("{s:s, s:s}", "id", id, "mode", "hard"), NULL);
}

static void
cancel_job(struct removal *removal, const json_t *entry, const char *id)
{
    const char *status = text_of(entry, "status");
    gboolean over = g_strcmp0(status, "concluded") == 0;
    if (over)
        qemu_session_do(removal->session, "job-dismiss", json_pack("{s:s}", "id", id), NULL);
    else if (g_strcmp0(text_of(entry, "type"), "create") == 0)
        qemu_session_do(removal->session, "job-cancel", json_pack("{s:s}", "id", id), NULL);
    else
        qemu_session_do(removal->session, "block-job-cancel",
                        json_pack("{s:s, s:b}", "device", id, "force", TRUE), NULL);
}

/* ---- The rest -------------------------------------------------------------------------------- */

static gboolean
has_note(struct removal *removal, const char *suffix)
{
    GError *failure = NULL;
    g_autoptr(GPtrArray) notes = qemu_session_notes(removal->session, &failure);
    g_autofree char *id = g_strconcat(removal->mark, suffix, NULL);
    gboolean found = FALSE;
    note(removal, failure);
    for (guint i = 0; notes != NULL && !found && i < notes->len; i++)
        found = strcmp(g_ptr_array_index(notes, i), id) == 0;
    return found;
}

static void
remove_note(struct removal *removal, const char *suffix)
{
    GError *failure = NULL;
    g_autofree char *id = g_strconcat(removal->mark, suffix, NULL);
    qemu_session_remove_note(removal->session, id, &failure);
    note(removal, failure);
}

/* With exports of somebody else the server is theirs by now. */
static void
stop_server(struct removal *removal)
{
    if (!has_note(removal, "_nbd"))
        return;
    json_t *exports = qemu_session_ask(removal->session, "query-block-exports", NULL, NULL);
    if (exports != NULL && json_array_size(exports) == 0)
        qemu_session_do(removal->session, "nbd-server-stop", NULL, NULL);
    json_decref(exports);
    remove_note(removal, "_nbd");
}

/* Overlays before the files they are in: the newer ones come first in the list, but nobody says
 * so. */
static void
remove_nodes(struct removal *removal)
{
    static const char *const drivers[] = {"qcow2", "file"};
    GError *failure = NULL;
    json_t *nodes = qemu_session_ask(removal->session, "query-named-block-nodes",
                                     json_pack("{s:b}", "flat", TRUE), &failure);
    note(removal, failure);
    for (gsize pass = 0; pass < G_N_ELEMENTS(drivers); pass++)
        for (gsize i = 0; i < json_array_size(nodes); i++) {
            const json_t *node = json_array_get(nodes, i);
            const char *name = text_of(node, "node-name");
            if (name != NULL && g_str_has_prefix(name, removal->nodes) &&
                g_strcmp0(text_of(node, "drv"), drivers[pass]) == 0)
                run(removal, "blockdev-del", json_pack("{s:s}", "node-name", name));
        }
    json_decref(nodes);
}

/* QEMU closes them when nothing uses them any more and the machine runs; until then they are
 * listed, and asking again does no harm. */
static void
remove_descriptors(struct removal *removal)
{
    json_t *sets = qemu_session_ask(removal->session, "query-fdsets", NULL, NULL);
    for (gsize i = 0; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        const json_t *first = json_array_get(json_object_get(set, "fds"), 0);
        if (g_strcmp0(text_of(first, "opaque"), removal->mark) == 0)
            qemu_session_do(removal->session, "remove-fd",
                            json_pack("{s:O}", "fdset-id", json_object_get(set, "fdset-id")), NULL);
    }
    json_decref(sets);
}

static void
remove_bitmap(const char *node, const struct qemu_bitmap *bitmap, gpointer data)
{
    struct removal *removal = data;
    if (g_str_has_prefix(bitmap->name, removal->prefix))
        run(removal, "block-dirty-bitmap-remove",
            json_pack("{s:s, s:s}", "node", node, "name", bitmap->name));
}

static void
thaw_guest(struct removal *removal, const char *agent)
{
    if (!has_note(removal, "_quiet"))
        return;
    GError *failure = NULL;
    gboolean ok = agent != NULL
                      ? qemu_agent_thaw(agent, &failure)
                      : error_set(&failure, SLIPWAY_ERROR_FAILED,
                                  "the guest's file systems may still be frozen; name its agent, "
                                  "which thaws them (qmp:///SOCKET?agent=/SOCKET)");
    note(removal, failure);
    if (ok)
        remove_note(removal, "_quiet");
}

gboolean
qemu_leftovers_remove(struct qemu_session *session, const char *mark, const char *agent,
                      GError **error)
{
    if (qemu_session_is_gone(session))
        return TRUE;
    struct removal removal = {.session = session, .mark = mark};
    removal.prefix = g_strconcat(mark, "_", NULL);
    removal.nodes = node_prefix(mark);
    GError *failure = NULL;
    thaw_guest(&removal, agent);
    wait_for_none(&removal, "query-block-exports", remove_export, "exports");
    stop_server(&removal);
    wait_for_none(&removal, "query-jobs", cancel_job, "jobs");
    remove_nodes(&removal);
    remove_descriptors(&removal);
    qemu_drive_visit_bitmaps(session, remove_bitmap, &removal, &failure);
    note(&removal, failure);
    if (removal.failure == NULL && has_note(&removal, ""))
        remove_note(&removal, "");
    g_free(removal.prefix);
    g_free(removal.nodes);
    if (removal.failure == NULL)
        return TRUE;
    if (qemu_session_is_gone(session)) {
        g_error_free(removal.failure);
        return TRUE;
    }
    g_propagate_prefixed_error(
        error, removal.failure,
        "QEMU at %s still has what run %s has put there: ", qemu_session_path(session), mark);
    return FALSE;
}

/* ---- Directories ----------------------------------------------------------------------------- */

char *
qemu_leftovers_directory(const char *scratch, const char *mark)
{
    return g_strdup_printf("%s/%s%s", scratch, mark, DIRECTORY_SUFFIX);
}

gboolean
qemu_leftovers_remove_directory(const char *path, GError **error)
{
    g_autofree char *socket = g_build_filename(path, QEMU_LEFTOVERS_SOCKET, NULL);
    g_unlink(socket);
    return g_rmdir(path) == 0 || errno == ENOENT ||
           error_set_errno(error, errno, "cannot remove the directory %s", path);
}

/* Others may make what they like in a directory of all: a link must not lead to theirs. */
static gboolean
is_ours(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) == 0 && S_ISDIR(stat.st_mode) && stat.st_uid == geteuid();
}

static gboolean
clean_directories(const char *scratch, GError **error)
{
    g_autoptr(GDir) directory = g_dir_open(scratch, 0, NULL);
    const char *name;
    gboolean ok = TRUE;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        if (!g_str_has_suffix(name, DIRECTORY_SUFFIX))
            continue;
        g_autofree char *mark = g_strndup(name, strlen(name) - strlen(DIRECTORY_SUFFIX));
        g_autofree char *path = g_build_filename(scratch, name, NULL);
        if (mark_look(mark) == MARK_LEFT && is_ours(path))
            ok = qemu_leftovers_remove_directory(path, ok ? error : NULL) && ok;
    }
    return ok;
}

/* ---- Runs that are gone ---------------------------------------------------------------------- */

/* The marks that are written down, each once. */
static GPtrArray *
find_marks(struct qemu_session *session, GError **error)
{
    g_autoptr(GPtrArray) notes = qemu_session_notes(session, error);
    if (notes == NULL)
        return NULL;
    GPtrArray *marks = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < notes->len; i++) {
        const char *text = g_ptr_array_index(notes, i);
        g_autofree char *mark = g_strndup(text, strcspn(text, "_"));
        if (mark_look(mark) != MARK_FOREIGN &&
            !g_ptr_array_find_with_equal_func(marks, mark, g_str_equal, NULL))
            g_ptr_array_add(marks, g_steal_pointer(&mark));
    }
    return marks;
}

char *
qemu_leftovers_find_alive(struct qemu_session *session)
{
    g_autoptr(GPtrArray) marks = find_marks(session, NULL);
    for (guint i = 0; marks != NULL && i < marks->len; i++)
        if (mark_look(g_ptr_array_index(marks, i)) == MARK_ALIVE)
            return g_strdup(g_ptr_array_index(marks, i));
    return NULL;
}

gboolean
qemu_leftovers_clean(struct qemu_session *session, const char *scratch, const char *agent,
                     GPtrArray *words, GError **error)
{
    g_autoptr(GPtrArray) marks = find_marks(session, error);
    gboolean ok = marks != NULL;
    for (guint i = 0; marks != NULL && i < marks->len; i++) {
        const char *mark = g_ptr_array_index(marks, i);
        enum mark_state state = mark_look(mark);
        if (state == MARK_LEFT && !qemu_leftovers_remove(session, mark, agent, ok ? error : NULL))
            ok = FALSE;
        else if (state == MARK_LEFT)
            g_ptr_array_add(words, g_strdup_printf("the jobs and exports that run %s had left in "
                                                   "QEMU were removed",
                                                   mark));
        else if (state == MARK_ELSEWHERE)
            g_ptr_array_add(words, g_strdup_printf("run %s of another computer has jobs in QEMU, "
                                                   "which were left alone",
                                                   mark));
    }
    return clean_directories(scratch, ok ? error : NULL) && ok;
}
