/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nouns.h: the rows of every noun and verb, for command.c and the nouns' own files. */
#pragma once

#include "cli/command.h"

extern const struct noun noun_depot, noun_package, noun_vib, noun_profile, noun_image;
extern const struct noun noun_store, noun_backup, noun_restore, noun_export, noun_files;
extern const struct noun noun_host, noun_vm;
extern const struct noun noun_help, noun_version, noun_completion, noun_man, noun_complete;

extern const struct verb verb_depot_add, verb_depot_list, verb_depot_remove, verb_depot_update,
    verb_depot_verify, verb_depot_known;
extern const struct verb verb_package_list, verb_package_show;
extern const struct verb verb_vib_show, verb_vib_verify, verb_vib_extract, verb_vib_build;
extern const struct verb verb_profile_list, verb_profile_show, verb_profile_new, verb_profile_set,
    verb_profile_add, verb_profile_remove, verb_profile_delete, verb_profile_compare,
    verb_profile_check, verb_profile_export;
extern const struct verb verb_image_show, verb_image_customize, verb_image_build;
extern const struct verb verb_store_init, verb_store_info, verb_store_check, verb_store_repair,
    verb_store_prune, verb_store_unlock, verb_store_key;
extern const struct verb verb_backup_run, verb_backup_list, verb_backup_show, verb_backup_verify,
    verb_backup_archive, verb_backup_unarchive, verb_backup_delete, verb_backup_expire,
    verb_backup_diff, verb_backup_rule;
extern const struct verb verb_restore_disk, verb_restore_vm;
extern const struct verb verb_host_add, verb_host_list, verb_host_remove, verb_host_test;
extern const struct verb verb_vm_list, verb_vm_show;
extern const struct verb verb_files_ls, verb_files_get;
extern const struct verb verb_export_start, verb_export_serve, verb_export_boot, verb_export_list,
    verb_export_stop;
