/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fetch_queue.h: ranges that threads fetch before somebody asks for them.  What is told about a
 * place comes before what was guessed from a stream.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* Of each kind at most so many wait: more are dropped. */
#define FETCH_QUEUE_MAX 256u

enum fetch_kind { FETCH_TOLD, FETCH_GUESSED, FETCH_KINDS };

struct fetch_queue;

/* On any of the threads, several at once also for one owner. */
typedef void (*fetch_func)(gpointer owner, guint64 offset, guint64 length);

struct fetch_queue *fetch_queue_new(guint threads, fetch_func fetch);
/* Nothing may be queued any more. */
void fetch_queue_free(struct fetch_queue *queue);
AUTO_PTR_DEFINE(fetch_queue, fetch_queue_free)

/* FALSE when it was dropped. */
gboolean fetch_queue_push(struct fetch_queue *queue, enum fetch_kind kind, gpointer owner,
                          guint64 offset, guint64 length);
/* Drop what is queued for `owner`, and wait for what runs. */
void fetch_queue_forget(struct fetch_queue *queue, gpointer owner);
