/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks that a killed run of this program has left attached, by the notes that it made before. */
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add_private.h"
#include "hyper/vsphere/patience.h"

#include <string.h>

static gboolean
clean_note(struct vsphere *vsphere, const struct hot_add_note *note, const char *path,
           GPtrArray *words, GError **error)
{
    gboolean found;
    /* What the killed run had asked for may be under way still. */
    patience_settle(vsphere, &note->self);
    if (!hot_add_take_off(vsphere, &note->self, note->file, note->uuid, note->writable, &found,
                          error))
        return FALSE;
    if (found)
        g_ptr_array_add(words, g_strdup_printf("disk %s, which a killed run had attached to this "
                                               "machine, was detached",
                                               note->file));
    hot_add_note_remove(path);
    return TRUE;
}

gboolean
hot_add_clean(struct vsphere *vsphere, GPtrArray *words, GError **error)
{
    g_autoptr(GPtrArray) paths = NULL;
    g_autoptr(GPtrArray) notes = hot_add_note_list(&paths);
    g_autofree char *server = hot_add_note_server(vsphere);
    gboolean ok = TRUE;
    for (guint i = 0; i < notes->len; i++) {
        const struct hot_add_note *note = g_ptr_array_index(notes, i);
        if (strcmp(note->server, server) != 0 || mark_look(note->mark) != MARK_LEFT)
            continue;
        /* The first failure is the one that is told; the others are tried all the same. */
        if (!clean_note(vsphere, note, g_ptr_array_index(paths, i), words, ok ? error : NULL))
            ok = FALSE;
    }
    return ok;
}
