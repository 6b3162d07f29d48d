/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "cli/export.h"

#include <string.h>
#include <unistd.h>

#define USER_DEFAULT "slipway"
#define OWN_USER_DEFAULT "slipway-target"
/* What Windows takes at most. */
#define SECRET_LENGTH 16
#define LIMIT_DEFAULT (8ull * 1000 * 1000 * 1000)

/* ---- CHAP ------------------------------------------------------------------------------------ */

/* One account: user and secret as given, or made. */
static gboolean
read_account(struct session *session, enum option_id user, enum option_id file,
             const char *default_user, struct export_secret *ret, GError **error)
{
    const char *name = session_text(session, user), *path = session_text(session, file);
    ret->user = g_strdup(name != NULL ? name : default_user);
    ret->made = path == NULL;
    ret->secret = path == NULL ? iscsi_make_secret(SECRET_LENGTH) : secret_read_file(path, error);
    return ret->secret != NULL;
}

static gboolean
read_chap(struct session *session, struct export_wishes *ret, GError **error)
{
    gboolean mutual = session_flag(session, OPTION_MUTUAL) ||
                      session_text(session, OPTION_MUTUAL_USER) != NULL ||
                      session_text(session, OPTION_MUTUAL_SECRET_FILE) != NULL;
    gboolean given = session_text(session, OPTION_CHAP_USER) != NULL ||
                     session_text(session, OPTION_CHAP_SECRET_FILE) != NULL;
    if (session_flag(session, OPTION_NO_CHAP)) {
        if (mutual || given)
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "--no-chap and an account of CHAP exclude each other");
        return TRUE;
    }
    if (!read_account(session, OPTION_CHAP_USER, OPTION_CHAP_SECRET_FILE, USER_DEFAULT,
                      &ret->incoming, error))
        return FALSE;
    ret->account = (struct iscsi_account){ret->incoming.user, ret->incoming.secret};
    ret->iscsi.accounts = &ret->account;
    ret->iscsi.n_accounts = 1;
    if (!mutual)
        return TRUE;
    if (!read_account(session, OPTION_MUTUAL_USER, OPTION_MUTUAL_SECRET_FILE, OWN_USER_DEFAULT,
                      &ret->outgoing, error))
        return FALSE;
    ret->iscsi.own = (struct iscsi_account){ret->outgoing.user, ret->outgoing.secret};
    ret->iscsi.mutual_only = TRUE;
    return TRUE;
}

/* ---- Protocols ------------------------------------------------------------------------------- */

static void
read_protocols(struct session *session, struct export_wishes *ret)
{
    const char *const *listen = session_list(session, OPTION_LISTEN);
    gboolean nbd = session_flag(session, OPTION_NBD);
    ret->options.mount = session_text(session, OPTION_FUSE);
    ret->options.allow_other = session_flag(session, OPTION_ALLOW_OTHER);
    gboolean iscsi = session_flag(session, OPTION_ISCSI) || (!nbd && ret->options.mount == NULL);
    if (iscsi) {
        ret->options.iscsi = &ret->iscsi;
        ret->iscsi.name = session_text(session, OPTION_ISCSI_NAME);
        ret->iscsi.listen = listen;
        ret->iscsi.advertise = session_list(session, OPTION_ADVERTISE);
        ret->iscsi.initiators = session_list(session, OPTION_INITIATOR);
        ret->iscsi.addresses = session_list(session, OPTION_ALLOW);
    }
    if (nbd) {
        const char *tls = session_text(session, OPTION_TLS);
        ret->options.nbd = &ret->nbd;
        ret->nbd.tls_directory = tls;
        ret->nbd.tls_verify_peer = tls != NULL && session_flag(session, OPTION_TLS_VERIFY);
        ret->nbd.listen = session_list(session, OPTION_NBD_LISTEN);
        ret->nbd.addresses = session_list(session, OPTION_ALLOW);
    }
}

static gboolean
read_writes(struct session *session, struct export_wishes *ret, GError **error)
{
    struct export_options *options = &ret->options;
    options->read_only = session_flag(session, OPTION_EXPORT_READ_ONLY);
    options->directory = session_text(session, OPTION_SCRATCH);
    options->keep = session_text(session, OPTION_KEEP_WRITES);
    options->limit = LIMIT_DEFAULT;
    options->commit = session_text(session, OPTION_COMMIT);
    gboolean writes = options->directory != NULL || options->keep != NULL ||
                      options->commit != NULL || session_text(session, OPTION_WRITE_LIMIT) != NULL;
    if (options->read_only && writes)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--read-only leaves nothing to write, keep or make a set of");
    /* Often in memory is what a directory for temporary files is; not this one. */
    if (options->directory == NULL && access("/var/tmp", W_OK) == 0)
        options->directory = "/var/tmp";
    return session_size(session, OPTION_WRITE_LIMIT, &options->limit, error) &&
           session_size(session, OPTION_CACHE, &options->cache.bytes, error);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static gboolean
read_block_size(struct session *session, guint *ret, GError **error)
{
    *ret = arguments_number(session_arguments(session), OPTION_BLOCK_SIZE, 512);
    return *ret == 512 || *ret == 4096 ||
           error_set(error, SLIPWAY_ERROR_USAGE, "--block-size %u: 512 or 4096 is wanted", *ret);
}

gboolean
export_wishes_read(struct session *session, struct export_wishes *ret, GError **error)
{
    *ret = (struct export_wishes){0};
    struct export_options *options = &ret->options;
    const char *const *disks = session_operands(session, 1);
    options->set = session_operand(session, 0);
    options->disks = disks != NULL && disks[0] != NULL ? disks : NULL;
    options->since = session_text(session, OPTION_EXPORT_SINCE);
    options->cache.threads = arguments_number(session_arguments(session), OPTION_WORKERS, 0);
    read_protocols(session, ret);
    if (session_flag(session, OPTION_ATTACH) && options->iscsi == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--attach is for iSCSI");
    if (options->since != NULL && options->nbd == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--since is for --nbd, which can tell what changed");
    return read_block_size(session, &options->block_size, error) &&
           read_writes(session, ret, error) &&
           (options->iscsi == NULL || read_chap(session, ret, error));
}

static void
clear_secret(struct export_secret *secret)
{
    g_free(secret->user);
    secret_free(secret->secret);
}

void
export_wishes_clear(struct export_wishes *wishes)
{
    clear_secret(&wishes->incoming);
    clear_secret(&wishes->outgoing);
    g_free(wishes->socket);
    g_strfreev(wishes->devices);
}
