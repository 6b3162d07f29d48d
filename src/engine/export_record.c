/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/export_record.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_LENGTH 6u
#define TRIES 100
#define POLL_USEC 50000
/* A lock file that is younger may be one that its process has not locked yet. */
#define NEW_SECONDS 5

struct export_record {
    char id[ID_LENGTH + 1];
    char *lock, *json, *log, *socket; /* paths */
    int fd;                           /* of the lock */
};

/* ---- Names ----------------------------------------------------------------------------------- */

static char *
folder(void)
{
    return g_build_filename(g_get_user_runtime_dir(), "slipway", "exports", NULL);
}

static char *
path_of(const char *id, const char *ending)
{
    g_autofree char *directory = folder();
    return g_strdup_printf("%s/%s%s", directory, id, ending);
}

/* Letters and digits that are not taken for each other. */
static gboolean
make_id(char ret[ID_LENGTH + 1], GError **error)
{
    static const char letters[] = "23456789abcdefghjkmnpqrstuvwxyz";
    guint8 random[ID_LENGTH];
    if (!random_fill(random, sizeof random, error))
        return FALSE;
    for (guint i = 0; i < ID_LENGTH; i++)
        ret[i] = letters[random[i] % (sizeof letters - 1)];
    ret[ID_LENGTH] = '\0';
    return TRUE;
}

static gboolean
is_id(const char *text)
{
    return strlen(text) == ID_LENGTH &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz") == ID_LENGTH;
}

/* ---- The process that serves ----------------------------------------------------------------- */

static gboolean
make_folder(GError **error)
{
    g_autofree char *directory = folder();
    if (g_mkdir_with_parents(directory, 0700) != 0)
        return error_set_errno(error, errno, "cannot make %s", directory);
    return TRUE;
}

static int
take_lock(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0)
        return fd;
    int number = errno;
    if (fd >= 0)
        close(fd);
    if (number != EEXIST)
        error_set_errno(error, number, "cannot lock %s", path);
    return -1;
}

struct export_record *
export_record_new(GError **error)
{
    g_autoptr(GError) local = NULL;
    if (!make_folder(error))
        return NULL;
    struct export_record *record = g_new0(struct export_record, 1);
    record->fd = -1;
    for (guint i = 0; i < TRIES && record->fd < 0 && local == NULL; i++) {
        if (!make_id(record->id, &local))
            break;
        g_free(record->lock);
        record->lock = path_of(record->id, ".lock");
        record->fd = take_lock(record->lock, &local);
    }
    record->json = path_of(record->id, ".json");
    record->log = path_of(record->id, ".log");
    record->socket = path_of(record->id, ".nbd");
    if (record->fd >= 0)
        return record;
    if (local != NULL)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        error_set(error, SLIPWAY_ERROR_BUSY, "no name is free for another export");
    g_clear_pointer(&record->lock, g_free);
    export_record_free(record, FALSE);
    return NULL;
}

const char *
export_record_id(const struct export_record *record)
{
    return record->id;
}

const char *
export_record_log(const struct export_record *record)
{
    return record->log;
}

const char *
export_record_socket(const struct export_record *record)
{
    return record->socket;
}

gboolean
export_record_put(struct export_record *record, const json_t *document, GError **error)
{
    char *text = json_dumps(document, JSON_COMPACT);
    if (text == NULL)
        return error_set(error, SLIPWAY_ERROR_FAILED, "the record of the export is not UTF-8");
    gboolean ok = durable_file_put(record->json, text, strlen(text), 0600, error);
    free(text);
    return ok;
}

void
export_record_free(struct export_record *record, gboolean keep_log)
{
    if (record == NULL)
        return;
    g_unlink(record->json);
    if (!keep_log)
        g_unlink(record->log);
    if (record->lock != NULL)
        g_unlink(record->lock);
    if (record->fd >= 0)
        close(record->fd);
    g_free(record->lock);
    g_free(record->json);
    g_free(record->log);
    g_free(record->socket);
    g_free(record);
}

/* ---- Everybody else -------------------------------------------------------------------------- */

void
export_running_free(struct export_running *running)
{
    if (running == NULL)
        return;
    g_free(running->id);
    json_decref(running->document);
    g_free(running);
}

/* Who holds the lock; 0: nobody. */
static pid_t
find_owner(const char *id)
{
    g_autofree char *path = path_of(id, ".lock");
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t owner = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
    close(fd);
    return owner;
}

static json_t *
read_document(const char *id)
{
    g_autofree char *path = path_of(id, ".json"), *text = NULL;
    struct stat status;
    gsize length;
    if (stat(path, &status) != 0 || status.st_size > EXPORT_RECORD_MAX ||
        !g_file_get_contents(path, &text, &length, NULL))
        return NULL;
    return json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
}

/* The log stays: it tells why it died. */
static void
remove_left_over(const char *id)
{
    static const char *const endings[] = {".json", ".nbd", ".lock"};
    g_autofree char *lock = path_of(id, ".lock");
    struct stat status;
    if (stat(lock, &status) != 0 ||
        status.st_mtime > g_get_real_time() / G_USEC_PER_SEC - NEW_SECONDS)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = path_of(id, endings[i]);
        g_unlink(path);
    }
}

static gint
compare_ids(gconstpointer left, gconstpointer right)
{
    const struct export_running *a = *(struct export_running *const *)left,
                                *b = *(struct export_running *const *)right;
    return strcmp(a->id, b->id);
}

GPtrArray *
export_record_list(GError **error)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)export_running_free);
    g_autofree char *directory = folder();
    g_autoptr(GError) local = NULL;
    GDir *dir = g_dir_open(directory, 0, &local);
    if (dir == NULL) {
        if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return list;
        g_ptr_array_unref(list);
        return error_null(error, SLIPWAY_ERROR_IO, "cannot list %s: %s", directory, local->message);
    }
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_suffix(name, ".lock"))
            continue;
        g_autofree char *id = g_strndup(name, strlen(name) - strlen(".lock"));
        pid_t owner = is_id(id) ? find_owner(id) : 0;
        if (owner <= 0) {
            if (is_id(id))
                remove_left_over(id);
            continue;
        }
        struct export_running *running = g_new0(struct export_running, 1);
        *running = (struct export_running){g_steal_pointer(&id), owner, NULL};
        running->document = read_document(running->id);
        g_ptr_array_add(list, running);
    }
    g_dir_close(dir);
    g_ptr_array_sort(list, compare_ids);
    return list;
}

struct export_running *
export_record_find(const char *id, GError **error)
{
    g_autoptr(GPtrArray) list = export_record_list(error);
    if (list == NULL)
        return NULL;
    guint at = 0, n = 0;
    for (guint i = 0; i < list->len; i++)
        if (*id != '\0' && g_str_has_prefix(((struct export_running *)list->pdata[i])->id, id)) {
            at = i;
            n++;
        }
    if (n == 1)
        return g_ptr_array_steal_index(list, at);
    if (n > 1)
        return error_null(error, SLIPWAY_ERROR_USAGE, "%s: several exports begin so", id);
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                      "there is no export %s; `slipway export list` shows those that are", id);
}

gboolean
export_record_stop(const struct export_running *running, guint seconds, GError **error)
{
    /* Asked again: between then and now its process may have ended and the number be another's. */
    if (find_owner(running->id) != running->pid)
        return TRUE;
    if (kill(running->pid, SIGTERM) != 0 && errno != ESRCH)
        return error_set_errno(error, errno, "cannot stop export %s", running->id);
    gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    while (find_owner(running->id) == running->pid) {
        if (!cancel_check(error))
            return FALSE;
        if (g_get_monotonic_time() > until)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "export %s (process %d) is still stopping after %u s", running->id,
                             (int)running->pid, seconds);
        g_usleep(POLL_USEC);
    }
    /* Only a process that failed leaves it (export_record_free()). */
    g_autofree char *log = path_of(running->id, ".log");
    return !g_file_test(log, G_FILE_TEST_EXISTS) ||
           error_set(error, SLIPWAY_ERROR_FAILED,
                     "export %s has stopped, but not all went well; %s tells what", running->id,
                     log);
}
