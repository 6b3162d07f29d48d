/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index.h: which pack holds a chunk (doc/format/store.md, "Index").
 *
 * Index objects are sorted tables of 16 bytes a chunk: a 64-bit fingerprint of the id, a pack and a
 * slot in it.  They are viewed, not loaded: a search reads a few pages.  A hit is a candidate: the
 * full id must be compared in the pack's own table, which locator.h does.  Everything here can be
 * made again from the packs.
 *
 * A struct chunk_index is immutable but for chunk_index_refresh(), and may be searched from any
 * thread. */
#pragma once

#include "repo/repo.h"
#include "store/pack.h"

#define INDEX_OBJECTS_MAX 4096u
#define INDEX_OBJECT_MAX (G_GUINT64_CONSTANT(8) << 30)

struct chunk_index;

/* All index objects of the repo but those that another one replaces.  One whose header cannot be
 * right (or is of a newer version) is skipped and counted: `check` names it, what it listed is
 * found again by `store repair`.  Damage behind the header gives wrong candidates or none.
 * SLIPWAY_ERROR_LIMIT: more than INDEX_OBJECTS_MAX; SLIPWAY_ERROR_NOT_FOUND: again and again an
 * object that was listed was gone; what repo.h says. */
struct chunk_index *chunk_index_open(struct repo *repo, GError **error);
/* Look for objects that came and went since.  Any thread; after an error the index is as it was. */
gboolean chunk_index_refresh(struct chunk_index *index, GError **error);
void chunk_index_free(struct chunk_index *index);
AUTO_PTR_DEFINE(chunk_index, chunk_index_free)

struct chunk_candidate {
    struct pack_name pack;
    guint slot;
};

/* Call `function` for every entry with this fingerprint until it returns TRUE; TRUE if one did.
 * Entries of newer objects do not come before others in any particular order. */
typedef gboolean (*chunk_index_func)(const struct chunk_candidate *candidate, gpointer data);
gboolean chunk_index_search(struct chunk_index *index, guint64 fingerprint,
                            chunk_index_func function, gpointer data);

/* Call `function` for every pack that is listed, each once. */
void chunk_index_packs(struct chunk_index *index,
                       void (*function)(const struct pack_name *pack, gpointer data),
                       gpointer data);

struct chunk_index_stats {
    guint objects;
    guint damaged; /* objects that were skipped */
    guint64 packs;
    guint64 entries;
    guint64 bytes; /* of all objects: what is mapped or held */
};
void chunk_index_stats(struct chunk_index *index, struct chunk_index_stats *ret);

/* ---- Writing --------------------------------------------------------------------------------- */

struct index_writer;

/* `owner` (32 hex digits) is that of the unfinished object, as in repo_create(). */
struct index_writer *index_writer_new(const char *owner);
/* List all chunks of a pack.  `ids` gives the id of each slot. */
void index_writer_add(struct index_writer *writer, const struct pack_name *pack, guint n_slots,
                      const struct pack_slot *slots);
/* Take over all entries of the objects of `index` that have at most `entries_max` entries (all of
 * them: G_MAXUINT64), but those of packs that `drop` names (a set of struct pack_name *; may be
 * NULL); they are named as replaced.  Each is read in full first: one that is damaged, or gone, is
 * not taken.  Returns how many objects were taken.  Memory: that of new entries; those that are
 * taken over stay in the view. */
guint index_writer_merge(struct index_writer *writer, struct chunk_index *index,
                         guint64 entries_max, GHashTable *drop);
/* Put the object, then remove those that it replaces; when removing fails, the new one is there and
 * the old ones do not count any more.  Does nothing when the writer has no entry and replaces
 * nothing.  SLIPWAY_ERROR_LIMIT: more than one object may hold; what repo.h says.  Frees the writer
 * in either case. */
gboolean index_writer_finish(struct index_writer *writer, struct repo *repo, GError **error);
void index_writer_abandon(struct index_writer *writer);
AUTO_PTR_DEFINE(index_writer, index_writer_abandon)

/* Read an object ("index/1f...") in full and check its digest, order and numbers; for `check`.
 * SLIPWAY_ERROR_CORRUPT; SLIPWAY_ERROR_UNSUPPORTED for a newer version; what repo.h says. */
gboolean chunk_index_verify(struct repo *repo, const char *object, GError **error);
