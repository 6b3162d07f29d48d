/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session.h: one run of one command: its arguments, its voice, and the workspace, the depots and
 * the network settings it works with, each made when it is first asked for.
 *
 * What is returned is borrowed and stays until the session ends, but for what workspace.h says.
 * One thread. */
#pragma once

#include "base/auto_ptr.h"
#include "cli/arguments.h"
#include "cli/ui.h"
#include "esx/image_export.h"
#include "esx/workspace.h"
#include "hyper/hypervisor.h"
#include "store/store.h"

struct session;

/* Borrows both. */
struct session *session_new(const struct arguments *arguments, struct ui *ui);
void session_free(struct session *session);
AUTO_PTR_DEFINE(session, session_free)

const struct arguments *session_arguments(const struct session *session);
struct ui *session_ui(const struct session *session);
struct progress *session_progress(const struct session *session);

/* The options of this run. */
gboolean session_flag(const struct session *session, enum option_id id);
const char *session_text(const struct session *session, enum option_id id);
const char *const *session_list(const struct session *session, enum option_id id);
const char *session_operand(const struct session *session, guint index);
/* From operand number `first` on, ended by NULL. */
const char *const *session_operands(const struct session *session, guint first);
/* An option that must be there: NULL with SLIPWAY_ERROR_USAGE when it is not. */
const char *session_required(const struct session *session, enum option_id id, GError **error);
/* TRUE when the option was not given (*ret_level stays) or is a level; else SLIPWAY_ERROR_USAGE. */
gboolean session_acceptance(const struct session *session, enum option_id id,
                            enum acceptance *ret_level, GError **error);

/* What --user and --password-file give is for the server of `url`, and of others so named; when
 * none is named, for those of the depots that were connected with this user name; when none was,
 * for those of all connected depots.  Before the context is asked for. */
void session_entrust(struct session *session, const char *url);

/* Each NULL on failure. */
struct workspace *session_workspace(struct session *session, GError **error);
struct depot_context *session_context(struct session *session, GError **error);
/* The connected depots, loaded. */
struct depot_set *session_depots(struct session *session, GError **error);

/* *ret_store is NULL with --no-signature-check, which is warned about. */
gboolean session_trust(struct session *session, const struct trust_store **ret_store,
                       GError **error);

/* A secret: from the file that option `id` names, else from the environment variable, else NULL
 * without an error.  Kept by the session. */
gboolean session_secret(struct session *session, enum option_id id, const char *variable,
                        const char **ret_secret, GError **error);

/* A profile of the workspace, or else of a depot. */
const struct profile *session_find_profile(struct session *session, const char *text,
                                           GError **error);
/* Hold the workspace's lock and copy one of its profiles to change it.  A profile that only a
 * depot has is SLIPWAY_ERROR_READ_ONLY. */
struct profile *session_edit_profile(struct session *session, const char *text, GError **error);

/* TRUE for what can only be a file: it ends in .vib or .zip. */
gboolean session_is_file(const char *text);
/* Packages (of struct package *) that `texts` name, appended to `ret`.  A file is connected to the
 * workspace first, and all that is in it is meant. */
gboolean session_resolve(struct session *session, const char *const *texts, GPtrArray *ret,
                         GError **error);

/* May `output` be written?  *ret_overwrite: also if it is there, because of --overwrite or --force
 * or because the user was asked and said so.  SLIPWAY_ERROR_EXISTS, SLIPWAY_ERROR_CANCELLED. */
gboolean session_overwrite(struct session *session, const char *output, gboolean *ret_overwrite,
                           GError **error);

/* What every export takes from the options; `depots` as given, may be NULL. */
gboolean session_export(struct session *session, const char *output, struct depot_set *depots,
                        struct image_export *ret, GError **error);

/* ---- The backup half ------------------------------------------------------------------------- */

/* Where the store is: --store, SLIPWAY_STORE, or the default.  Free with g_free(). */
char *session_store_location(const struct session *session, gboolean *ret_default);
/* The store, opened with what the options give (a passphrase may be asked for); NULL on failure. */
struct store *session_store(struct session *session, GError **error);
/* The same; the default store is made when it is missing, and the user told. */
struct store *session_store_or_new(struct session *session, GError **error);
/* A passphrase: from the file that option `id` names, from the environment, or from the terminal,
 * where a new one (`twice`) is asked for two times.  SLIPWAY_ERROR_USAGE when there is none. */
const char *session_passphrase(struct session *session, enum option_id id, const char *variable,
                               gboolean twice, GError **error);
/* The bytes of a key file. */
GBytes *session_key_file(const char *path, GError **error);

/* The hypervisor that `location` means: the name of a remembered host, or a URI, for which what is
 * remembered of its host is used too; behind either may be a path that names machines
 * ("vc1:/DC0/vm", "vsphere://vc1/DC0/vm"), *ret_path (may be NULL; g_free()).  Options of this run
 * go before what is remembered; a password may be asked for.  Free with hypervisor_close(). */
struct hypervisor *session_hypervisor(struct session *session, const char *location,
                                      char **ret_path, GError **error);
/* The same without what is remembered: for a URI that is only just being added. */
struct hypervisor *session_hypervisor_fresh(struct session *session, const char *uri,
                                            GError **error);
/* The password that session_hypervisor() used last; NULL: none. */
const char *session_hypervisor_password(const struct session *session);
/* TRUE when `location` can only mean a hypervisor: a URI of one, or what is no file and "NAME:..."
 * of a remembered host, or "NAME:/..." of any. */
gboolean session_is_hypervisor(const char *location);

/* Values of options; TRUE when the option was not given (*ret stays) or is right; else
 * SLIPWAY_ERROR_USAGE. */
gboolean session_percent(const struct session *session, enum option_id id, unsigned *ret_tenths,
                         GError **error);
/* "500M": powers of 1000. */
gboolean session_size(const struct session *session, enum option_id id, guint64 *ret_bytes,
                      GError **error);
gboolean session_rate(const struct session *session, enum option_id id, guint64 *ret_bytes,
                      GError **error);
gboolean session_compression(const struct session *session, struct store_config *config,
                             GError **error);
