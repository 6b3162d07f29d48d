/* SPDX-License-Identifier: GPL-3.0-or-later */
/* open_objects.h: a few descriptors that stay open, so that reading an object piece by piece does
 * not open it for each piece.  Any thread. */
#pragma once

#include <glib.h>

struct open_objects;
struct open_object;

/* Keeps at most `n_max`; what was not used longest makes place. */
struct open_objects *open_objects_new(guint n_max);
void open_objects_free(struct open_objects *objects);

/* A reference to what is open under `name`, or NULL. */
struct open_object *open_objects_find(struct open_objects *objects, const char *name);

/* Changes with each open_objects_drop().  Ask before you open what you want to add. */
guint64 open_objects_generation(struct open_objects *objects);

/* A reference to `fd`, which is taken over; kept under `name` if `keep` and nothing was dropped
 * since `generation`. */
struct open_object *open_objects_add(struct open_objects *objects, const char *name, int fd,
                                     gboolean keep, guint64 generation);

/* What `name` means has changed: whoever looks for it from now on does not get an older one. */
void open_objects_drop(struct open_objects *objects, const char *name);

int open_objects_fd(const struct open_object *object);

/* Give back a reference; the last one closes the descriptor. */
void open_objects_release(struct open_object *object);
