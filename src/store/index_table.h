/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_table.h: one index object, viewed (doc/format/store.md, "Index").
 *
 * What is looked at when it is made is its header; neither its digest nor its order is known to be
 * right, so everything here gives some answer for any bytes.  Immutable; any thread. */
#pragma once

#include "repo/repo.h"
#include "store/object_hash.h"

#define INDEX_MAGIC "SLIPINDX"
#define INDEX_VERSION 1u
#define INDEX_FOLDER "index"
#define INDEX_HEADER_SIZE 64u
#define INDEX_OWNER_SIZE 16u
#define INDEX_NAME_ROW OBJECT_HASH_SIZE
#define INDEX_ENTRY_ROW 16u
#define INDEX_SIZE_MIN (INDEX_HEADER_SIZE + OBJECT_HASH_SIZE)

/* "index/1f...": room for the name of an index object. */
#define INDEX_OBJECT_TEXT (sizeof INDEX_FOLDER + OBJECT_HASH_TEXT)
char *index_object_format(const guint8 digest[OBJECT_HASH_SIZE], char ret[INDEX_OBJECT_TEXT]);
/* FALSE when it is not the name of an index object. */
gboolean index_object_parse(const char *object, guint8 ret[OBJECT_HASH_SIZE]);

struct index_header {
    guint32 n_packs;
    guint32 n_replaced;
    guint64 n_entries;
    /* The id of the lease of whoever wrote it, so that no name is used twice: an object that once
     * replaced another must not hide a later one that lists the same. */
    guint8 owner[INDEX_OWNER_SIZE];
};

/* Check the header of an object of `size` bytes.  SLIPWAY_ERROR_CORRUPT; SLIPWAY_ERROR_UNSUPPORTED
 * for a newer version; both name `object`. */
gboolean index_header_parse(const guint8 bytes[INDEX_HEADER_SIZE], guint64 size, const char *object,
                            struct index_header *ret, GError **error);
void index_header_write(const struct index_header *header, guint8 ret[INDEX_HEADER_SIZE]);
/* Bytes of an object with these numbers; G_MAXUINT64 beyond INDEX_OBJECT_MAX. */
guint64 index_header_size(const struct index_header *header);

struct index_table {
    gatomicrefcount references;
    guint8 digest[OBJECT_HASH_SIZE]; /* of the object's name */
    GBytes *bytes;
    struct index_header header;
    const guint8 *packs;    /* INDEX_NAME_ROW bytes each */
    const guint8 *replaced; /* INDEX_NAME_ROW bytes each */
    const guint8 *entries;  /* INDEX_ENTRY_ROW bytes each */
};

/* Takes a reference of `bytes`.  Errors as index_header_parse(). */
struct index_table *index_table_new(const guint8 digest[OBJECT_HASH_SIZE], GBytes *bytes,
                                    GError **error);
struct index_table *index_table_ref(struct index_table *table);
void index_table_unref(struct index_table *table);
AUTO_PTR_DEFINE(index_table, index_table_unref)

/* The first entry whose fingerprint is not below this one, n_entries when there is none. *ret_steps
 * (may be NULL): entries looked at, at most log2(n_entries) + INDEX_STEPS_EXTRA; some 10 when
 * fingerprints are uniformly distributed. */
#define INDEX_STEPS_EXTRA 14u
guint64 index_table_find(const struct index_table *table, guint64 fingerprint, guint *ret_steps);

struct index_entry {
    guint64 fingerprint;
    guint32 pack;
    guint16 slot;
    guint16 zero;
};
/* Entry `number`, which must be there. */
struct index_entry index_table_entry(const struct index_table *table, guint64 number);
