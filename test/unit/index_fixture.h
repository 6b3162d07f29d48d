/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_fixture.h: packs that exist in an index only. */
#pragma once

#include "base/error.h"
#include "store/index.h"
#include "store/index_table.h"

#define INDEX_OWNER "00112233445566778899aabbccddeeff"

/* The id of a slot is a hash of both numbers: as ids are, uniformly distributed. */
static inline guint64
index_fixture_mix(guint64 value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static inline struct chunk_id
index_fixture_id(guint pack, guint slot)
{
    struct chunk_id id;
    for (guint i = 0; i < CHUNK_ID_SIZE / 8; i++) {
        guint64 part = index_fixture_mix((guint64)pack << 40 | (guint64)slot << 8 | i);
        part = GUINT64_TO_LE(part);
        memcpy(id.bytes + 8 * i, &part, 8);
    }
    return id;
}

static inline struct pack_name
index_fixture_pack(guint pack)
{
    struct pack_name name;
    struct chunk_id id = index_fixture_id(pack, 0xffffff);
    memcpy(name.bytes, id.bytes, sizeof name.bytes);
    return name;
}

static inline void
index_fixture_add(struct index_writer *writer, guint pack, guint n_slots)
{
    g_autofree struct pack_slot *slots = g_new0(struct pack_slot, n_slots);
    for (guint i = 0; i < n_slots; i++)
        slots[i].id = index_fixture_id(pack, i);
    struct pack_name name = index_fixture_pack(pack);
    index_writer_add(writer, &name, n_slots, slots);
}

/* An object that lists packs first ... first + n - 1. */
static inline void
index_fixture_put(struct repo *repo, guint first, guint n, guint n_slots)
{
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    for (guint i = 0; i < n; i++)
        index_fixture_add(writer, first + i, n_slots);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);
}

struct index_fixture_goal {
    struct pack_name pack;
    guint slot;
    guint candidates;
    guint hits;
};

static inline gboolean
index_fixture_look(const struct chunk_candidate *candidate, gpointer data)
{
    struct index_fixture_goal *goal = data;
    goal->candidates++;
    if (candidate->slot == goal->slot && pack_name_equal(&candidate->pack, &goal->pack))
        goal->hits++;
    return FALSE;
}

/* How often this slot is listed. */
static inline guint
index_fixture_find(struct chunk_index *index, guint pack, guint slot)
{
    struct index_fixture_goal goal = {.pack = index_fixture_pack(pack), .slot = slot};
    struct chunk_id id = index_fixture_id(pack, slot);
    g_assert_false(chunk_index_search(index, chunk_id_fingerprint(&id), index_fixture_look, &goal));
    g_assert_cmpuint(goal.hits, ==, goal.candidates);
    return goal.hits;
}

static inline void
index_fixture_expect(struct chunk_index *index, guint first, guint n, guint n_slots, guint times)
{
    for (guint pack = first; pack < first + n; pack++)
        for (guint slot = 0; slot < n_slots; slot++)
            g_assert_cmpuint(index_fixture_find(index, pack, slot), ==, times);
}

static inline struct chunk_index *
index_fixture_open(struct repo *repo)
{
    g_autoptr(GError) error = NULL;
    struct chunk_index *index = chunk_index_open(repo, &error);
    g_assert_no_error(error);
    return index;
}

static inline struct chunk_index_stats
index_fixture_stats(struct repo *repo)
{
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    return stats;
}

/* Names of the objects that are there, of char *. */
static inline GPtrArray *
index_fixture_list(struct repo *repo)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, "index", &error);
    g_assert_no_error(error);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < entries->len; i++)
        g_ptr_array_add(names, g_strdup(((struct repo_entry *)entries->pdata[i])->name));
    return names;
}

/* The bytes of the only object, and its name. */
static inline GBytes *
index_fixture_only(struct repo *repo, char **ret_name)
{
    g_autoptr(GPtrArray) names = index_fixture_list(repo);
    g_assert_cmpuint(names->len, ==, 1);
    g_autoptr(GError) error = NULL;
    GBytes *bytes = repo_read_all(repo, names->pdata[0], G_MAXUINT32, &error);
    g_assert_no_error(error);
    if (ret_name != NULL)
        *ret_name = g_strdup(names->pdata[0]);
    return bytes;
}
