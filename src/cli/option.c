/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/option.h"

#define LEVELS "community partner accepted certified"

static const struct option rows[OPTION_N] = {
    [OPTION_HELP] = {"help", 'h', OPTION_FLAG, NULL, COMPLETE_NONE, NULL, "show help and stop"},
    [OPTION_WORKSPACE] = {"workspace", 'w', OPTION_TEXT, "DIR", COMPLETE_DIRECTORY, NULL,
                          "keep depots, own profiles and cache in DIR"},
    [OPTION_JSON] = {"json", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                     "print one JSON object instead of text"},
    [OPTION_QUIET] = {"quiet", 'q', OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                      "no progress, no remarks; warnings and errors only"},
    [OPTION_VERBOSE] = {"verbose", 'v', OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "say more about what is done"},
    [OPTION_NO_PROGRESS] = {"no-progress", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                            "no progress bar and no progress lines"},
    [OPTION_YES] = {"yes", 'y', OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                    "answer every question with yes"},
    [OPTION_OFFLINE] = {"offline", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "use what was fetched before and ask no server"},
    [OPTION_PROXY] = {"proxy", 0, OPTION_TEXT, "URL", COMPLETE_NONE, NULL,
                      "reach servers through this http, https or socks proxy; '' for none "
                      "(default: http_proxy, https_proxy, all_proxy)"},
    [OPTION_PROXY_USER] = {"proxy-user", 0, OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                           "user name for the proxy"},
    [OPTION_PROXY_PASSWORD_FILE] = {"proxy-password-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE,
                                    NULL,
                                    "first line of FILE is the password for the proxy; - is "
                                    "standard input (default: SLIPWAY_PROXY_PASSWORD)"},
    [OPTION_NO_PROXY] = {"no-proxy", 0, OPTION_TEXT, "LIST", COMPLETE_NONE, NULL,
                         "hosts, domains and networks that are reached without the proxy, commas "
                         "between (default: no_proxy)"},
    [OPTION_CACERT] = {"cacert", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                       "trust the authorities in this PEM file besides those of the system"},
    [OPTION_INSECURE] = {"insecure", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                         "do not check the certificates of servers"},
    [OPTION_USER] = {"user", 0, OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                     "user name for the depots that are named, else for those that were "
                     "connected with it (default: ~/.netrc)"},
    [OPTION_PASSWORD_FILE] = {"password-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                              "first line of FILE is the password for the servers; - is standard "
                              "input (default: SLIPWAY_PASSWORD)"},
    [OPTION_CONNECT_TIMEOUT] = {"connect-timeout", 0, OPTION_NUMBER, "SECONDS", COMPLETE_NONE, NULL,
                                "give up a connection that takes longer (default: 30)"},
    [OPTION_STALL_TIMEOUT] = {"stall-timeout", 0, OPTION_NUMBER, "SECONDS", COMPLETE_NONE, NULL,
                              "give up a transfer that brings nothing for so long (default: 60)"},
    [OPTION_RETRIES] = {"retries", 0, OPTION_NUMBER, "N", COMPLETE_NONE, NULL,
                        "attempts after a passing failure of the network (default: 4)"},
    [OPTION_TRUST] = {"trust", 0, OPTION_LIST, "FILE", COMPLETE_FILE, NULL,
                      "trust the certificates of this PEM file as signers of VIBs too"},
    [OPTION_NO_SIGNATURE_CHECK] = {"no-signature-check", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                                   "do not check the signatures of VIBs"},

    [OPTION_FILTER_NAME] = {"name", 'n', OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                            "only those with such a name; * and ? stand for any text and any "
                            "character"},
    [OPTION_FILTER_VERSION] = {"version", 0, OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                               "only those with such a version"},
    [OPTION_FILTER_VENDOR] = {"vendor", 0, OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                              "only those of such a vendor"},
    [OPTION_FILTER_ACCEPTANCE] = {"acceptance", 0, OPTION_LIST, "LEVEL", COMPLETE_WORDS, LEVELS,
                                  "only those of this acceptance level: community, partner, "
                                  "accepted or certified"},
    [OPTION_FILTER_TAG] = {"tag", 0, OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                           "only those with such a software tag"},
    [OPTION_FILTER_DEPOT] = {"depot", 0, OPTION_LIST, "PATTERN", COMPLETE_DEPOTS, NULL,
                             "only those of such a depot, by its name or its location"},
    [OPTION_FILTER_CHANNEL] = {"channel", 0, OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                               "only those of such a channel: NAME or VENDOR/NAME"},
    [OPTION_CREATED_AFTER] = {"created-after", 0, OPTION_TEXT, "DATE", COMPLETE_NONE, NULL,
                              "only those released at or after DATE, such as 2024-03-01 or "
                              "2024-03-01T12:00:00Z"},
    [OPTION_CREATED_BEFORE] = {"created-before", 0, OPTION_TEXT, "DATE", COMPLETE_NONE, NULL,
                               "only those released before DATE"},
    [OPTION_NEWEST] = {"newest", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                       "of each name only the highest version that passed the rest"},
    [OPTION_SORT] = {"sort", 0, OPTION_TEXT, "BY", COMPLETE_WORDS, "name version vendor date",
                     "order by name, version, vendor or date"},
    [OPTION_REVERSE] = {"reverse", 'r', OPTION_FLAG, NULL, COMPLETE_NONE, NULL, "turn the order"},

    [OPTION_DEPOT_NAME] = {"name", 'n', OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                           "call the depot NAME (default: the name of the known depot, or depot1, "
                           "depot2, ...)"},
    [OPTION_TOKEN_FILE] = {"token-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                           "first line of FILE is the download token that takes the place of "
                           "{token} in the location; - is standard input (default: SLIPWAY_TOKEN)"},
    [OPTION_NO_VERIFY] = {"no-verify", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                          "do not check the VIBs now; an export checks those that it takes"},

    [OPTION_UNPACK] = {"unpack", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                       "unpack the payloads too, each into a directory of its name"},
    [OPTION_OUTPUT] = {"output", 'o', OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                       "write to FILE; required"},
    [OPTION_VIB_NAME] = {"name", 'n', OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                         "name of the VIB; required"},
    [OPTION_VIB_VERSION] = {"version", 0, OPTION_TEXT, "VERSION", COMPLETE_NONE, NULL,
                            "version, such as 1.2.3-1; required"},
    [OPTION_VIB_VENDOR] = {"vendor", 0, OPTION_TEXT, "VENDOR", COMPLETE_NONE, NULL,
                           "vendor, without blanks; required"},
    [OPTION_SUMMARY] = {"summary", 0, OPTION_TEXT, "TEXT", COMPLETE_NONE, NULL,
                        "one line about it (default: the name)"},
    [OPTION_VIB_DESCRIPTION] = {"description", 0, OPTION_TEXT, "TEXT", COMPLETE_NONE, NULL,
                                "more about it (default: the summary)"},
    [OPTION_RELEASE_DATE] = {"release-date", 0, OPTION_TEXT, "DATE", COMPLETE_NONE, NULL,
                             "ISO 8601 (default: SOURCE_DATE_EPOCH, else 1970-01-01)"},
    [OPTION_PAYLOAD_NAME] = {"payload-name", 0, OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                             "name of the payload (default: made from the name)"},
    [OPTION_DEPENDS] = {"depends", 0, OPTION_LIST, "WISH", COMPLETE_NONE, NULL,
                        "needs this: a name, or 'name >= version'"},
    [OPTION_CONFLICTS] = {"conflicts", 0, OPTION_LIST, "WISH", COMPLETE_NONE, NULL,
                          "cannot be together with this"},
    [OPTION_REPLACES] = {"replaces", 0, OPTION_LIST, "WISH", COMPLETE_NONE, NULL,
                         "takes the place of this"},
    [OPTION_PROVIDES] = {"provides", 0, OPTION_LIST, "NAME", COMPLETE_NONE, NULL,
                         "offers this to others: a name, or 'name = version'"},
    [OPTION_TAG] = {"tag", 0, OPTION_LIST, "TAG", COMPLETE_NONE, NULL, "software tag"},
    [OPTION_PLATFORM] = {"platform", 0, OPTION_LIST, "VERSION", COMPLETE_NONE, NULL,
                         "release of ESXi that it is for, such as 8.0 (default: any)"},
    [OPTION_MAINTENANCE_MODE] = {"maintenance-mode", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                                 "installing it needs maintenance mode"},
    [OPTION_LIVE_INSTALL] = {"live-install", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                             "it can be installed without a restart"},
    [OPTION_STATELESS_READY] = {"stateless-ready", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                                "it works on hosts without a disk"},
    [OPTION_CLAIM_ACCEPTANCE] = {"acceptance", 0, OPTION_TEXT, "LEVEL", COMPLETE_WORDS, LEVELS,
                                 "level that it claims (default: community; any other needs a "
                                 "signature to be believed)"},

    [OPTION_CLONE] = {"clone", 'c', OPTION_TEXT, "PROFILE", COMPLETE_PROFILES, NULL,
                      "begin with the VIBs of this profile"},
    [OPTION_NEW_NAME] = {"name", 'n', OPTION_TEXT, "NAME", COMPLETE_NONE, NULL, "new name"},
    [OPTION_VENDOR] = {"vendor", 0, OPTION_TEXT, "VENDOR", COMPLETE_NONE, NULL,
                       "vendor of the profile"},
    [OPTION_DESCRIPTION] = {"description", 0, OPTION_TEXT, "TEXT", COMPLETE_NONE, NULL,
                            "text about the profile"},
    [OPTION_ACCEPTANCE] = {"acceptance", 'a', OPTION_TEXT, "LEVEL", COMPLETE_WORDS, LEVELS,
                           "acceptance level: community, partner, accepted or certified"},
    [OPTION_READ_ONLY] = {"read-only", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                          "allow no change from now on"},
    [OPTION_ADD_DEPOT] = {"depot", 0, OPTION_LIST, "PATTERN", COMPLETE_DEPOTS, NULL,
                          "add everything in such a depot, by its name or its location"},
    [OPTION_ADD_CHANNEL] = {"channel", 0, OPTION_LIST, "PATTERN", COMPLETE_NONE, NULL,
                            "add everything in such a channel, NAME or VENDOR/NAME (of that depot, "
                            "with --depot)"},
    [OPTION_PACKAGES] = {"package", 'p', OPTION_LIST, "PACKAGE", COMPLETE_PACKAGES, NULL,
                         "have exactly these packages in place of those that are there"},
    [OPTION_LOWER_ACCEPTANCE] = {"lower-acceptance", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                                 "lower the level of the profile as far as its VIBs need"},
    [OPTION_FORCE] = {"force", 'f', OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                      "go on although rules are broken or something is replaced"},
    [OPTION_OVERWRITE] = {"overwrite", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                          "replace what is there already"},
    [OPTION_ISO] = {"iso", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                    "write an installation ISO whatever the ending of FILE"},
    [OPTION_BUNDLE] = {"bundle", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                       "write an offline bundle whatever the ending of FILE"},
    [OPTION_NO_INSTALLER] = {"no-installer", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                             "leave the installer out"},
    [OPTION_KERNEL_OPTION] = {"kernel-option", 0, OPTION_LIST, "OPTION", COMPLETE_NONE, NULL,
                              "append OPTION to the options of the boot loader's kernel line"},
    [OPTION_KICKSTART] = {"kickstart", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                          "put this kickstart script on the ISO and start it"},
    [OPTION_BASE_ISO] = {"base-iso", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                         "take archives that no depot has from this ISO of the same release"},
    [OPTION_ADD] =
        {"add", 0, OPTION_LIST, "PACKAGE", COMPLETE_PACKAGES, NULL,
         "add this: a .vib file, a bundle .zip, a driver .tgz, a name, name=version or a "
         "VIB id"},
    [OPTION_REMOVE] = {"remove", 0, OPTION_LIST, "VIB", COMPLETE_NONE, NULL,
                       "remove this VIB, by name or id"},
    [OPTION_LOCKED] = {"locked", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                       "take exactly the VIBs of the lock file, or fail"},
    [OPTION_LOCK] = {"lock", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                     "lock file (default: the recipe's name with .lock)"},
    [OPTION_STORE] = {"store", 's', OPTION_TEXT, "DIR", COMPLETE_DIRECTORY, NULL,
                      "the store to work with (default: SLIPWAY_STORE, else slipway/store in the "
                      "user's data directory)"},
    [OPTION_PASSPHRASE_FILE] = {"passphrase-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                                "first line of FILE is the passphrase of the store; - is standard "
                                "input (default: SLIPWAY_PASSPHRASE, else a question)"},
    [OPTION_KEY_FILE] = {"key-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                         "open the store with the bytes of this key file"},
    [OPTION_RECOVERY_FILE] =
        {"recovery-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
         "open the store with the recovery key in the first line of FILE; - is "
         "standard input"},
    [OPTION_ENCRYPT] = {"encrypt", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "encrypt everything in the store, with a passphrase or a key file"},
    [OPTION_NEW_PASSPHRASE_FILE] = {"new-passphrase-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE,
                                    NULL,
                                    "first line of FILE is the new passphrase; - is standard input "
                                    "(default: SLIPWAY_NEW_PASSPHRASE, else a question)"},
    [OPTION_NEW_KEY_FILE] = {"new-key-file", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                             "add this key file"},
    [OPTION_LABEL] = {"label", 0, OPTION_TEXT, "TEXT", COMPLETE_NONE, NULL,
                      "words to recognise the key by; they are not secret"},
    [OPTION_PARITY] =
        {"parity", 0, OPTION_TEXT, "PERCENT", COMPLETE_NONE, NULL,
         "add so much redundancy to every pack, such as 2%, with which `store repair` "
         "restores damaged bytes (default: none)"},
    [OPTION_COMPRESSION] = {"compression", 0, OPTION_TEXT, "HOW", COMPLETE_WORDS,
                            "zstd zstd:3 zstd:9 lz4 off",
                            "zstd, zstd:LEVEL (-7 to 19), lz4 or off (default: that of the store, "
                            "which begins with zstd:1)"},
    [OPTION_KEEP] = {"keep", 0, OPTION_TEXT, "RULE", COMPLETE_WORDS, "all typical",
                     "which sets stay: all, typical (last=5,daily=7,weekly=4,monthly=12,yearly=5), "
                     "or such a list"},
    [OPTION_MACHINE] = {"name", 'n', OPTION_TEXT, "MACHINE", COMPLETE_MACHINES, NULL,
                        "name of the machine that the disks belong to"},
    [OPTION_MACHINES] = {"name", 'n', OPTION_LIST, "PATTERN", COMPLETE_MACHINES, NULL,
                         "only those of such a machine; * and ? stand for any text and any "
                         "character"},
    [OPTION_VERIFY] = {"verify", 0, OPTION_TEXT, "WHAT", COMPLETE_WORDS, "none new all",
                       "read back nothing, what is new, or all of the set when it is stored "
                       "(default: none)"},
    [OPTION_ARCHIVE] = {"archive", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "never let retention delete this set"},
    [OPTION_SET_TAG] = {"tag", 't', OPTION_LIST, "TEXT", COMPLETE_NONE, NULL,
                        "keep these words with the set"},
    [OPTION_CHANGED_EXTENTS] = {"changed-extents", 0, OPTION_LIST, "[DISK=]FILE", COMPLETE_FILE,
                                NULL,
                                "read only what this JSON list of {\"offset\", \"length\"} names, "
                                "which changed since the set before"},
    [OPTION_SINCE] = {"since", 0, OPTION_TEXT, "SET", COMPLETE_SETS, NULL,
                      "the set that --changed-extents is relative to (default: the newest one of "
                      "the machine)"},
    [OPTION_FULL] = {"full", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                     "compare with no older set; equal data is still stored only once"},
    [OPTION_WORKERS] = {"workers", 0, OPTION_NUMBER, "N", COMPLETE_NONE, NULL,
                        "threads (default: by the number of processors)"},
    [OPTION_BANDWIDTH_LIMIT] = {"bandwidth-limit", 0, OPTION_TEXT, "RATE", COMPLETE_NONE, NULL,
                                "read at most so many bytes a second: 50M, 1G"},
    [OPTION_CONFIG] = {"config", 0, OPTION_TEXT, "FILE", COMPLETE_FILE, NULL,
                       "keep this document with the set: the machine's configuration"},
    [OPTION_FORMAT] = {"format", 0, OPTION_TEXT, "FORMAT", COMPLETE_WORDS,
                       "raw qcow2 vmdk vhdx vpc vdi",
                       "format of the disk image (default: by its content, for a new file by its "
                       "name)"},
    [OPTION_INCREMENTAL] = {"incremental", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                            "the target holds an older state of the disk: write only what differs"},
    [OPTION_SKIP_DAMAGED] = {"skip-damaged", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                             "restore what can be restored and list what cannot"},
    [OPTION_RESTART] = {"restart", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "do not go on with an interrupted restore but begin again"},
    [OPTION_DRY_RUN] = {"dry-run", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                        "only say what would be done"},
    [OPTION_OPTIMIZE] = {"optimize", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                         "compress again, harder and in larger groups"},
    [OPTION_THRESHOLD] = {"threshold", 0, OPTION_NUMBER, "PERCENT", COMPLETE_NONE, NULL,
                          "write packs anew of which more than this is not needed any more "
                          "(default: 20)"},
    [OPTION_READ_DATA] = {"read-data", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                          "read every byte and hold it against its digest"},
    [OPTION_SAMPLE] = {"sample", 0, OPTION_TEXT, "PERCENT", COMPLETE_NONE, NULL,
                       "read the data of so many packs, chosen at random"},
    [OPTION_DISK] = {"disk", 0, OPTION_TEXT, "NAME", COMPLETE_NONE, NULL,
                     "only this disk of the sets"},
    [OPTION_ALL_LEASES] = {"all", 0, OPTION_FLAG, NULL, COMPLETE_NONE, NULL,
                           "also those that may still be alive: only when you know that nobody "
                           "writes"},
};

const struct option *
option_row(enum option_id id)
{
    g_assert(id > OPTION_END && id < OPTION_N);
    return &rows[id];
}

gboolean
option_is_global(enum option_id id)
{
    return id < OPTION_GLOBAL_N;
}

char *
option_usage(enum option_id id)
{
    const struct option *row = option_row(id);
    char letter[] = {'-', row->letter, ',', ' ', '\0'};
    return g_strdup_printf("%s--%s%s%s", row->letter != 0 ? letter : "    ", row->name,
                           row->argument != NULL ? " " : "",
                           row->argument != NULL ? row->argument : "");
}
