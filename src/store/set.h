/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set.h: a backup set: one point in time of one machine (doc/format/store.md, "Sets").
 *
 * The document of a set never changes and is written last: a set that is listed is complete.  What
 * may change about it (archived, when it was verified) lies in its flags.  Values; one thread, but
 * a set that nobody changes any more may be read, and its references be taken and given back, by
 * several. */
#pragma once

#include "base/auto_ptr.h"
#include "store/map.h"
#include "store/seal.h"

#include <jansson.h>

#define SET_ID_SIZE 16u
#define SET_DISKS_MAX 256u
#define SET_NAME_MAX 255u         /* bytes of a machine's or disk's name */
#define SET_CONFIG_MAX (4u << 20) /* bytes of the configuration document */
#define SET_TAGS_MAX 64u          /* each of at most SET_NAME_MAX bytes */
#define SET_TEXT_MAX 4096u        /* bytes of a source, a change id, words of flags */

struct set_id {
    guint8 bytes[SET_ID_SIZE];
};
#define SET_ID_TEXT (2 * SET_ID_SIZE + 1)
char *set_id_format(const struct set_id *id, char ret[SET_ID_TEXT]);
/* Exactly 32 hex digits. */
gboolean set_id_parse(const char *text, struct set_id *ret);

/* As much of a text as `max` bytes hold, in whole characters, with what is no UTF-8 replaced: what
 * a set can keep of words from elsewhere.  NULL stays NULL; free with g_free(). */
char *set_cut_text(const char *text, gsize max);

struct set_disk {
    char *name;   /* "disk0", or what the hypervisor calls it */
    char *source; /* where it was read from, for people */
    struct map map;
    guint64 data; /* bytes that are not zero, in `chunks` chunks */
    guint64 chunks;
    char *change_id; /* of the hypervisor's change tracking; NULL */
};

struct set_stats {
    guint64 size;    /* of all disks */
    guint64 data;    /* not zero */
    guint64 read;    /* from the source */
    guint64 changed; /* in chunks that are not at this place of the previous set */
    guint64 unique;  /* plain bytes of chunks that the store did not have */
    guint64 stored;  /* bytes that were written for it, with maps and index */
    guint64 chunks, new_chunks, delta_chunks;
    gint64 duration; /* milliseconds */
};

struct set {
    gint refs;
    struct set_id id;
    char *name;     /* of the machine */
    char *identity; /* of the machine of a hypervisor, whatever it is called; NULL: the name is */
    gint64 created; /* seconds since 1970 */
    char *host;     /* that made it */
    gboolean has_parent;
    struct set_id parent;
    GPtrArray *disks;  /* of struct set_disk * */
    GPtrArray *tags;   /* of char * */
    char *config_type; /* "json", "xml", "vmx", ... NULL without a configuration */
    char *config;      /* the document kept with it, UTF-8; NULL, also in store_sets_list() */
    char *method;      /* "full", "scan" (everything read), "extents" (tracked changes) */
    /* Of a machine of a hypervisor; each may be NULL. */
    char *driver;      /* "vsphere" */
    char *hypervisor;  /* what it is called in messages */
    char *consistency; /* "powered-off", "quiesced", "crash-consistent" */
    struct set_stats stats;
};

struct set_flags {
    gboolean archived; /* retention never touches it */
    gint64 verified;   /* when it was read in full last; 0 never */
    gboolean verified_good;
    char *verified_words; /* what was wrong; NULL */
    gint64 booted;        /* when it was started for a trial last; 0 never */
    gboolean booted_good;
    char *booted_sign;  /* of life: "serial", "agent", "screen"; NULL: none */
    char *booted_words; /* what the sign was, or what there was instead; NULL */
    gint64 booted_ms;   /* until then */
};

struct set *set_new(void);       /* with a new random id */
struct set *set_new_blank(void); /* with an id of zeros, to be filled in */
struct set *set_ref(struct set *set);
void set_free(struct set *set); /* gives one reference back */
AUTO_PTR_DEFINE(set, set_free)
/* Whether both are of one machine: of one identity, or without any and of one name. */
gboolean set_same_machine(const struct set *left, const struct set *right);
struct set_disk *set_find_disk(const struct set *set, const char *name);
/* The same, or NULL with SLIPWAY_ERROR_NOT_FOUND, which lists the disks that there are. */
struct set_disk *set_need_disk(const struct set *set, const char *name, GError **error);

/* The document, without `config`; unknown members are ignored on reading, a counter of the stats
 * that is missing is 0. Names are not empty, those of disks differ, and all texts are UTF-8.
 * json_decref() it. */
json_t *set_to_json(const struct set *set);
/* With a `config` where an older slipway wrote one into the document.  SLIPWAY_ERROR_CORRUPT names
 * the member that is missing or out of its limits; SLIPWAY_ERROR_UNSUPPORTED: a newer version. */
struct set *set_from_json(const json_t *json, GError **error);

/* Longer words are cut. */
json_t *set_flags_to_json(const struct set_flags *flags);
/* SLIPWAY_ERROR_CORRUPT as above; *ret is then cleared. */
gboolean set_flags_from_json(const json_t *json, struct set_flags *ret, GError **error);
void set_flags_clear(struct set_flags *flags);

/* The object's bytes and back, sealed.  set_seal() fails as set_from_json() does when `set` could
 * not be read back, and as seal_close(); set_open() as seal_open() and set_from_json().  That the
 * id is the one in the object's name is the caller's to check. */
GBytes *set_seal(const struct set *set, const struct store_key *key, GError **error);
struct set *set_open(GBytes *object, const char *label, const struct store_key *key,
                     GError **error);
