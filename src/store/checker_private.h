/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checker_private.h: one run of `store check`, which the checker_*.c files share. */
#pragma once

#include "store/checker.h"
#include "store/chunk_reader.h"
#include "store/pack_list.h"

/* Damaged chunks that get an entry of their own; further ones share one a pack. */
#define CHECKER_CHUNKS_MAX 4096u
/* Chunks of packs that no index lists which are looked for all the same: 32 bytes each. */
#define CHECKER_UNLISTED_MAX (1u << 20)
#define CHECKER_THREADS_MAX 64u

struct check_pack {
    struct pack_name name;
    guint64 size;
    gboolean present; /* in the list of packs, or its table was read */
    gboolean listed;  /* an index object lists it */
    gboolean doomed;  /* it is on a list */
    gboolean deltas;  /* it has any */
    gboolean relied;  /* chunks that sets need were found in it though no index lists it */
    struct checker_damage *damage; /* of the pack as a whole; NULL: its table is good */
    struct checker_damage *rest;   /* of chunks that have no entry of their own */
    guint n_slots;
    guint8 *needed; /* bits: chunks that a set needs, of several copies the one that is found */
    guint8 *clean;  /* bits: nodes below which nothing is damaged */
    guint8 *bad;    /* bits: chunks that cannot be read; NULL: none */
};

/* A chunk in a pack that cannot be read. */
struct bad_copy {
    struct check_pack *pack;
    guint slot;
    struct chunk_id id;
    gboolean has_base; /* because of this base */
    struct chunk_id base;
    char *words;
};

struct check {
    struct store *store;
    const struct checker_options *options;
    struct checker_report *report;
    guint threads;
    GPtrArray *sets;        /* of struct set *: those that can be read */
    GHashTable *packs;      /* struct pack_name * of the value to struct check_pack * */
    GHashTable *lost;       /* set of struct chunk_id * */
    gboolean index_damaged; /* an object of it */
    struct locator *locator;
    struct chunk_reader *reader; /* of the calling thread */
    gint64 refreshed;            /* when the index was looked at last */
    guint chunk_entries;
    GHashTable *blame; /* struct chunk_id * (of chunks_damaged) to the struct checker_damage * */
    GMutex lock;       /* of what follows, while threads run */
    GArray *bad;       /* of struct bad_copy */
};

/* ---- checker.c */

/* TRUE for an error that says that stored bytes are damaged or cannot be read, and not that reading
 * itself does not work.  What is not there is neither. */
gboolean checker_is_damage(const GError *why);
gboolean checker_is_gone(const GError *why);
/* Count `why`, which is damage, if it is an I/O error. */
void checker_count_io(struct check *check, const GError *why);
void checker_note(struct check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A new entry of the report; `object` and `chunk` may be NULL.  It is the report's. */
struct checker_damage *checker_add(struct check *check, enum checker_kind kind, const char *object,
                                   const struct chunk_id *chunk, const char *words);
/* The entry of a pack, made when there is none. */
struct check_pack *checker_pack(struct check *check, const struct pack_name *name);
/* The same with its bits. */
struct check_pack *checker_pack_of(struct check *check, const struct pack_table *table);
/* Packs by name: of struct check_pack *, borrowed. */
GPtrArray *checker_packs(struct check *check);

static inline gboolean
checker_bit(const guint8 *bits, guint slot)
{
    return bits != NULL && (bits[slot / 8] >> (slot % 8) & 1) != 0;
}

static inline void
checker_bit_set(guint8 *bits, guint slot)
{
    bits[slot / 8] |= (guint8)(1u << (slot % 8));
}

/* ---- checker_objects.c */

/* config, keys and all other sealed objects; fills check->sets and check->lost. */
gboolean checker_objects(struct check *check, GError **error);
/* Objects of the index, and opening it. */
gboolean checker_index(struct check *check, GError **error);
/* Parity of small objects, and of packs whether it is there. */
gboolean checker_parity_there(struct check *check, GError **error);

/* ---- checker_packs.c */

/* List the packs and read their tables. */
gboolean checker_tables(struct check *check, GError **error);

/* ---- checker_read.c */

/* Read the data of these packs (of struct check_pack *), and hold them against their parity. */
gboolean checker_read(struct check *check, GPtrArray *packs, GError **error);

/* ---- checker_presence.c */

/* Follow the maps of all sets: is everything there? */
gboolean checker_presence(struct check *check, GError **error);
/* A copy that can be read as far as tables tell; `whole`: no delta. */
gboolean checker_find(struct check *check, const struct chunk_id *id, gboolean whole,
                      struct location *ret);
/* This chunk has no good copy left, because of `damage`. */
void checker_blame(struct check *check, const struct chunk_id *id, struct checker_damage *damage);

/* ---- checker_blame.c */

/* From copies to chunks, from bases to deltas, from chunks to sets. */
gboolean checker_attribute(struct check *check, GError **error);
