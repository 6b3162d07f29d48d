/* SPDX-License-Identifier: GPL-3.0-or-later */
/* option.h: every option of every command: one row each, in one table.
 *
 * The parser, the help, the manual pages and the completion are derived from these rows.  Two rows
 * may have one name (`--name` filters a list here and names a thing there), but no verb has both.
 */
#pragma once

#include <glib.h>

enum option_kind {
    OPTION_FLAG,   /* there or not */
    OPTION_TEXT,   /* one value, the last one given counts */
    OPTION_LIST,   /* a value each time it is given */
    OPTION_NUMBER, /* 0..1000000 */
};

/* What a shell may offer for a value. */
enum complete {
    COMPLETE_NONE,
    COMPLETE_FILE,
    COMPLETE_DIRECTORY,
    COMPLETE_WORDS, /* those of the row */
    COMPLETE_DEPOTS,
    COMPLETE_KNOWN,
    COMPLETE_PROFILES,     /* all */
    COMPLETE_OWN_PROFILES, /* those of the workspace */
    COMPLETE_PACKAGES,
    COMPLETE_NOUNS,
    COMPLETE_SETS,
    COMPLETE_MACHINES,
    COMPLETE_HOSTS, /* that are remembered */
};

enum option_id {
    OPTION_END, /* ends a verb's list; no row */
    /* Of every command: */
    OPTION_HELP,
    OPTION_WORKSPACE,
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_VERBOSE,
    OPTION_NO_PROGRESS,
    OPTION_YES,
    OPTION_OFFLINE,
    OPTION_PROXY,
    OPTION_PROXY_USER,
    OPTION_PROXY_PASSWORD_FILE,
    OPTION_NO_PROXY,
    OPTION_CACERT,
    OPTION_INSECURE,
    OPTION_USER,
    OPTION_PASSWORD_FILE,
    OPTION_CONNECT_TIMEOUT,
    OPTION_STALL_TIMEOUT,
    OPTION_RETRIES,
    OPTION_TRUST,
    OPTION_NO_SIGNATURE_CHECK,
    OPTION_GLOBAL_N,
    /* Filters and order of lists: */
    OPTION_FILTER_NAME = OPTION_GLOBAL_N,
    OPTION_FILTER_VERSION,
    OPTION_FILTER_VENDOR,
    OPTION_FILTER_ACCEPTANCE,
    OPTION_FILTER_TAG,
    OPTION_FILTER_DEPOT,
    OPTION_FILTER_CHANNEL,
    OPTION_CREATED_AFTER,
    OPTION_CREATED_BEFORE,
    OPTION_NEWEST,
    OPTION_SORT,
    OPTION_REVERSE,
    /* depot */
    OPTION_DEPOT_NAME,
    OPTION_TOKEN_FILE,
    OPTION_NO_VERIFY,
    /* vib */
    OPTION_UNPACK,
    OPTION_OUTPUT,
    OPTION_VIB_NAME,
    OPTION_VIB_VERSION,
    OPTION_VIB_VENDOR,
    OPTION_SUMMARY,
    OPTION_VIB_DESCRIPTION,
    OPTION_RELEASE_DATE,
    OPTION_PAYLOAD_NAME,
    OPTION_DEPENDS,
    OPTION_CONFLICTS,
    OPTION_REPLACES,
    OPTION_PROVIDES,
    OPTION_TAG,
    OPTION_PLATFORM,
    OPTION_MAINTENANCE_MODE,
    OPTION_LIVE_INSTALL,
    OPTION_STATELESS_READY,
    OPTION_CLAIM_ACCEPTANCE,
    /* profile and image */
    OPTION_CLONE,
    OPTION_NEW_NAME,
    OPTION_VENDOR,
    OPTION_DESCRIPTION,
    OPTION_ACCEPTANCE,
    OPTION_READ_ONLY,
    OPTION_ADD_DEPOT,
    OPTION_ADD_CHANNEL,
    OPTION_PACKAGES,
    OPTION_LOWER_ACCEPTANCE,
    OPTION_FORCE,
    OPTION_OVERWRITE,
    OPTION_ISO,
    OPTION_BUNDLE,
    OPTION_NO_INSTALLER,
    OPTION_KERNEL_OPTION,
    OPTION_KICKSTART,
    OPTION_BASE_ISO,
    OPTION_ADD,
    OPTION_REMOVE,
    OPTION_LOCKED,
    OPTION_LOCK,
    /* store, backup and restore */
    OPTION_STORE,
    OPTION_PASSPHRASE_FILE,
    OPTION_KEY_FILE,
    OPTION_RECOVERY_FILE,
    OPTION_ENCRYPT,
    OPTION_NEW_PASSPHRASE_FILE,
    OPTION_NEW_KEY_FILE,
    OPTION_LABEL,
    OPTION_PARITY,
    OPTION_COMPRESSION,
    OPTION_KEEP,
    OPTION_MACHINE,
    OPTION_MACHINES,
    OPTION_VERIFY,
    OPTION_ARCHIVE,
    OPTION_SET_TAG,
    OPTION_CHANGED_EXTENTS,
    OPTION_SINCE,
    OPTION_FULL,
    OPTION_WORKERS,
    OPTION_BANDWIDTH_LIMIT,
    OPTION_CONFIG,
    OPTION_FORMAT,
    OPTION_INCREMENTAL,
    OPTION_SKIP_DAMAGED,
    OPTION_RESTART,
    OPTION_DRY_RUN,
    OPTION_OPTIMIZE,
    OPTION_THRESHOLD,
    OPTION_READ_DATA,
    OPTION_SAMPLE,
    OPTION_DISK,
    OPTION_ALL_LEASES,
    /* export */
    OPTION_ISCSI,
    OPTION_NBD,
    OPTION_FUSE,
    OPTION_EXPORT_READ_ONLY,
    OPTION_LISTEN,
    OPTION_ADVERTISE,
    OPTION_ALLOW,
    OPTION_ISCSI_NAME,
    OPTION_INITIATOR,
    OPTION_CHAP_USER,
    OPTION_CHAP_SECRET_FILE,
    OPTION_MUTUAL,
    OPTION_MUTUAL_USER,
    OPTION_MUTUAL_SECRET_FILE,
    OPTION_NO_CHAP,
    OPTION_BLOCK_SIZE,
    OPTION_NBD_LISTEN,
    OPTION_TLS,
    OPTION_TLS_VERIFY,
    OPTION_EXPORT_SINCE,
    OPTION_ALLOW_OTHER,
    OPTION_SCRATCH,
    OPTION_WRITE_LIMIT,
    OPTION_KEEP_WRITES,
    OPTION_COMMIT,
    OPTION_CACHE,
    OPTION_ATTACH,
    OPTION_ALL_EXPORTS,
    OPTION_INTO,
    /* starting a set */
    OPTION_FIRMWARE,
    OPTION_BUS,
    OPTION_ACCELERATOR,
    OPTION_MEMORY,
    OPTION_CPUS,
    OPTION_NO_NETWORK,
    OPTION_DISPLAY,
    OPTION_VNC_LISTEN,
    OPTION_SHUTDOWN_TIMEOUT,
    OPTION_BOOT,
    OPTION_BOOT_TIMEOUT,
    OPTION_BOOT_TEXT,
    OPTION_BOOT_SETTLE,
    OPTION_SCREENSHOT,
    /* hypervisors */
    OPTION_THUMBPRINT,
    OPTION_TRANSPORT,
    OPTION_OWN_VM,
    OPTION_NO_TEST,
    OPTION_VM_TAG,
    OPTION_IN_FOLDER,
    OPTION_ON_HOST,
    OPTION_IN_CLUSTER,
    OPTION_IN_POOL,
    OPTION_EXCLUDE,
    OPTION_INCLUDE,
    OPTION_QUIESCE,
    OPTION_QUIESCE_TIMEOUT,
    OPTION_ONLY_DISK,
    OPTION_WITHOUT_DISK,
    OPTION_VM_NAME,
    OPTION_SUFFIX,
    OPTION_FOLDER,
    OPTION_HOST,
    OPTION_CLUSTER,
    OPTION_POOL,
    OPTION_DATASTORE,
    OPTION_NETWORK,
    OPTION_NEW_MAC,
    OPTION_KEEP_MAC,
    OPTION_NEW_UUID,
    OPTION_DISK_BUS,
    OPTION_NIC_MODEL,
    OPTION_POWER_ON,
    OPTION_DISCONNECT,
    OPTION_IN_PLACE,
    OPTION_VM,
    OPTION_N
};

struct option {
    const char *name; /* long, without the dashes */
    char letter;      /* short; 0: none */
    enum option_kind kind;
    const char *argument; /* what its value is called; NULL for a flag */
    enum complete complete;
    const char *words; /* of COMPLETE_WORDS, blanks between */
    const char *help;  /* lower case, no full stop */
};

/* Row `id`; never OPTION_END. */
const struct option *option_row(enum option_id id);

/* TRUE for those that every command takes. */
gboolean option_is_global(enum option_id id);

/* "-o, --output FILE"; without a letter "    --json".  Free with g_free(). */
char *option_usage(enum option_id id);
