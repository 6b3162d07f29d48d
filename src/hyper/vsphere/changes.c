/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/changes.h"

#include "base/cancel.h"
#include "base/error.h"

#include <string.h>

/* Settled before the list may pass its limit: servers tell of areas that touch one by one. */
#define SETTLE_AT (EXTENT_LIST_MAX / 2)

static gboolean refuse(char **ret_words, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(char **ret_words, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *ret_words = g_strdup_vprintf(format, args);
    va_end(args);
    return FALSE;
}

static gboolean
read_area(const xmlNode *area, guint64 size, struct extent_list *list, char **ret_words)
{
    guint64 start = vim_child_number(area, "start", G_MAXUINT64);
    guint64 length = vim_child_number(area, "length", G_MAXUINT64);
    if (start > size || length > size - start)
        return refuse(ret_words, "the server told of a changed area that is not in the disk");
    if (length > 0)
        extent_list_add(list, start, length);
    return TRUE;
}

/* The DiskChangeInfo `info`, that was asked for from *offset on: moves it to the end of what the
 * answer covers. */
static gboolean
read_page(const xmlNode *info, guint64 size, guint64 *offset, struct extent_list *list,
          char **ret_words)
{
    guint64 start = info != NULL ? vim_child_number(info, "startOffset", G_MAXUINT64) : G_MAXUINT64;
    guint64 length = info != NULL ? vim_child_number(info, "length", 0) : 0;
    if (start != *offset || length == 0 || length > size - start)
        return refuse(ret_words,
                      "the server was asked for changes from %" G_GUINT64_FORMAT
                      " on and answered something else",
                      *offset);
    for (const xmlNode *area = xml_child(info, "changedArea"); area != NULL;
         area = xml_next(area, "changedArea"))
        if (!read_area(area, size, list, ret_words))
            return FALSE;
    *offset += length;
    if (list->extents->len > SETTLE_AT)
        extent_list_settle(list, size);
    if (list->extents->len > SETTLE_AT)
        return refuse(ret_words, "the server told of too many changed areas");
    return TRUE;
}

static char *
format_arguments(const struct changes_disk *disk, guint64 offset, const char *change_id)
{
    GString *xml = g_string_new(NULL);
    vim_put_moref(xml, "snapshot", disk->snapshot);
    vim_put_int(xml, "deviceKey", disk->device_key);
    vim_put_int(xml, "startOffset", (gint64)offset);
    vim_put(xml, "changeId", change_id);
    return g_string_free(xml, FALSE);
}

/* What a server refuses, and an answer that cannot be understood, is a reason to read everything;
 * a server that is not there any more is not, nor is the user's wish to stop. */
static gboolean
is_anomaly(const struct vim_fault *fault, const GError *error)
{
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED) ||
        g_strcmp0(fault->type, "NotAuthenticated") == 0)
        return FALSE;
    return fault->type != NULL || g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
           g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT) ||
           g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

static char *
describe_fault(const struct vim_fault *fault, const GError *failure, gboolean since)
{
    if (since && vim_fault_is(fault, "FileFault"))
        return g_strdup_printf("changes since the last backup are not known to the server any more "
                               "(%s)",
                               failure->message);
    return g_strdup_printf("the server does not say what changed (%s)", failure->message);
}

/* One page.  FALSE with *ret_words, or else with `error`. */
static gboolean
ask(struct vim *vim, const struct changes_disk *disk, const char *change_id, guint64 *offset,
    struct extent_list *list, char **ret_words, GError **error)
{
    g_autofree char *arguments = format_arguments(disk, *offset, change_id);
    struct vim_fault fault = {0};
    g_autoptr(GError) failure = NULL;
    auto_xml_doc answer =
        vim_call(vim, "QueryChangedDiskAreas", disk->machine, arguments, &fault, &failure);
    gboolean ok = FALSE;
    if (answer != NULL)
        ok = read_page(vim_returned(answer), disk->size, offset, list, ret_words);
    else if (is_anomaly(&fault, failure))
        *ret_words = describe_fault(&fault, failure, strcmp(change_id, "*") != 0);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    vim_fault_clear(&fault);
    return ok;
}

gboolean
changes_query(struct vim *vim, const struct changes_disk *disk, const char *change_id,
              struct extent_list **ret, char **ret_words, GError **error)
{
    auto_ptr(extent_list) list = extent_list_new();
    guint64 offset = 0;
    *ret = NULL;
    *ret_words = NULL;
    if (disk->size > G_MAXINT64)
        return !refuse(ret_words, "the disk is too large");
    /* Asking at the end of the disk is a fault. */
    for (guint page = 0; offset < disk->size; page++) {
        if (page == CHANGES_PAGES_MAX)
            return !refuse(ret_words, "the server's list of changes does not end");
        if (!cancel_check(error))
            return FALSE;
        if (!ask(vim, disk, change_id, &offset, list, ret_words, error))
            return *ret_words != NULL;
    }
    extent_list_settle(list, disk->size);
    *ret = g_steal_pointer(&list);
    return TRUE;
}

/* The length of the UUID in front of the number; 0 when it is no such id. */
static gsize
measure_uuid(const char *id)
{
    const char *slash = strrchr(id, '/');
    return slash != NULL && slash[1] != '\0' ? (gsize)(slash - id) : 0;
}

/* Whether the number behind the slash went back, as it does when the disk's files were put back to
 * an older state together.  Numbers that are none are not judged. */
static gboolean
went_back(const char *older, const char *newer)
{
    guint64 before, now;
    return g_ascii_string_to_unsigned(older, 10, 0, G_MAXUINT64, &before, NULL) &&
           g_ascii_string_to_unsigned(newer, 10, 0, G_MAXUINT64, &now, NULL) && now < before;
}

char *
changes_compare_ids(const char *older, const char *newer)
{
    if (older == NULL || *older == '\0')
        return g_strdup("changes were not tracked when the last backup was made");
    if (newer == NULL || *newer == '\0')
        return g_strdup("changes of this disk are not tracked");
    gsize length = measure_uuid(older);
    if (length == 0)
        return g_strdup("the change id that was kept with the last backup is none");
    if (length != measure_uuid(newer) || g_ascii_strncasecmp(older, newer, length) != 0)
        return g_strdup("the tracking of changes began anew since the last backup");
    if (went_back(older + length + 1, newer + length + 1))
        return g_strdup("the disk was put back to a state before the last backup");
    return NULL;
}
