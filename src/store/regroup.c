/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/regroup.h"

/* Nodes of maps are small: so many fill a group too. */
#define GROUP_CHUNKS_MAX 4096u

struct part {
    GByteArray *plain;
    GArray *ids;     /* of struct chunk_id */
    GArray *lengths; /* of guint32 */
    struct codec *codec;
    guint8 *out;
    gsize out_room;
    gsize out_length; /* 0: stored as it is */
};

struct regroup {
    struct pack_stream *stream;
    struct regroup_options options;
    GThreadPool *pool; /* NULL: one thread is enough */
    GMutex lock;
    GCond done;
    guint busy; /* parts that are being compressed */
    guint n_parts;
    guint filled; /* parts that are complete; the next one is being filled */
    struct part *parts;
};

static void
encode(const struct regroup_options *options, struct part *part)
{
    gsize bound = codec_bound(part->plain->len);
    if (part->out_room < bound) {
        g_free(part->out);
        part->out = g_malloc(bound);
        part->out_room = bound;
    }
    part->out_length = options->codec == CODEC_NONE
                           ? 0
                           : codec_encode(part->codec, options->codec, options->level,
                                          part->plain->data, part->plain->len, NULL, 0, part->out);
}

static void
run_job(gpointer data, gpointer user_data)
{
    struct regroup *regroup = user_data;
    /* The pool hands over what was filled, but ThreadSanitizer sees only locks of our own. */
    g_mutex_lock(&regroup->lock);
    g_mutex_unlock(&regroup->lock);
    encode(&regroup->options, data);
    g_mutex_lock(&regroup->lock);
    if (--regroup->busy == 0)
        g_cond_signal(&regroup->done);
    g_mutex_unlock(&regroup->lock);
}

struct regroup *
regroup_new(struct pack_stream *stream, const struct regroup_options *options)
{
    struct regroup *regroup = g_new0(struct regroup, 1);
    guint threads = options->threads > 0 ? options->threads : g_get_num_processors();
    regroup->stream = stream;
    regroup->options = *options;
    regroup->n_parts = 2 * threads;
    regroup->parts = g_new0(struct part, regroup->n_parts);
    g_mutex_init(&regroup->lock);
    g_cond_init(&regroup->done);
    for (guint i = 0; i < regroup->n_parts; i++) {
        regroup->parts[i].plain = g_byte_array_new();
        regroup->parts[i].ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
        regroup->parts[i].lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
        regroup->parts[i].codec = codec_new();
    }
    if (threads > 1)
        regroup->pool = g_thread_pool_new(run_job, regroup, (gint)threads, FALSE, NULL);
    return regroup;
}

void
regroup_free(struct regroup *regroup)
{
    if (regroup == NULL)
        return;
    if (regroup->pool != NULL)
        g_thread_pool_free(regroup->pool, FALSE, TRUE);
    for (guint i = 0; i < regroup->n_parts; i++) {
        g_byte_array_unref(regroup->parts[i].plain);
        g_array_unref(regroup->parts[i].ids);
        g_array_unref(regroup->parts[i].lengths);
        codec_free(regroup->parts[i].codec);
        g_free(regroup->parts[i].out);
    }
    g_free(regroup->parts);
    g_mutex_clear(&regroup->lock);
    g_cond_clear(&regroup->done);
    g_free(regroup);
}

static void
encode_all(struct regroup *regroup)
{
    if (regroup->pool == NULL || regroup->filled < 2) {
        for (guint i = 0; i < regroup->filled; i++)
            encode(&regroup->options, &regroup->parts[i]);
        return;
    }
    g_mutex_lock(&regroup->lock);
    regroup->busy = regroup->filled;
    g_mutex_unlock(&regroup->lock);
    for (guint i = 0; i < regroup->filled; i++)
        g_thread_pool_push(regroup->pool, &regroup->parts[i], NULL);
    g_mutex_lock(&regroup->lock);
    while (regroup->busy > 0)
        g_cond_wait(&regroup->done, &regroup->lock);
    g_mutex_unlock(&regroup->lock);
}

static gboolean
emit(struct regroup *regroup, struct part *part, GError **error)
{
    gboolean packed = part->out_length > 0;
    struct pack_group group = {
        .codec = packed ? regroup->options.codec : CODEC_NONE,
        .plain_length = part->plain->len,
        .stored = packed ? part->out : part->plain->data,
        .stored_length = packed ? (guint32)part->out_length : part->plain->len,
        .n_chunks = part->ids->len,
        .ids = (const struct chunk_id *)part->ids->data,
        .lengths = (const guint32 *)(const void *)part->lengths->data,
    };
    gboolean ok = pack_stream_add(regroup->stream, &group, error);
    g_byte_array_set_size(part->plain, 0);
    g_array_set_size(part->ids, 0);
    g_array_set_size(part->lengths, 0);
    return ok;
}

static gboolean
emit_all(struct regroup *regroup, GError **error)
{
    gboolean ok = TRUE;
    encode_all(regroup);
    for (guint i = 0; i < regroup->filled; i++)
        ok = ok && emit(regroup, &regroup->parts[i], error);
    regroup->filled = 0;
    return ok;
}

gboolean
regroup_add(struct regroup *regroup, const struct chunk_id *id, const guint8 *data, guint32 length,
            GError **error)
{
    struct part *part = &regroup->parts[regroup->filled];
    gboolean full =
        part->ids->len > 0 && (part->plain->len + length > regroup->options.group_size ||
                               part->ids->len == GROUP_CHUNKS_MAX);
    if (full && ++regroup->filled == regroup->n_parts) {
        /* The part that is filled next is free then. */
        if (!emit_all(regroup, error))
            return FALSE;
    }
    part = &regroup->parts[regroup->filled];
    g_byte_array_append(part->plain, data, length);
    g_array_append_val(part->ids, *id);
    g_array_append_val(part->lengths, length);
    return TRUE;
}

gboolean
regroup_flush(struct regroup *regroup, GError **error)
{
    if (regroup->filled < regroup->n_parts && regroup->parts[regroup->filled].ids->len > 0)
        regroup->filled++;
    return emit_all(regroup, error);
}
