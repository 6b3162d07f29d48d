/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hypervisor_case.h: what the files of the suite share: a machine, what its disks must hold, and
 * frozen ones held against that. */
#pragma once

#include "base/error.h"
#include "disk/disk_open.h"
#include "hypervisor_suite.h"

#define KIB64 65536u
#define MIB 1048576u

struct hypervisor_case {
    const struct hypervisor_suite *suite;
    struct scratch scratch;
    gpointer peer;
    struct hypervisor *hypervisor;
    struct machine *machine;
    guint n;           /* of suite->disks */
    GPtrArray *models; /* of struct disk *: what the guest wrote */
    gboolean stopped;
};

/* FALSE: it cannot be tried here, and was skipped. */
gboolean hypervisor_case_begin(struct hypervisor_case *one, const struct hypervisor_suite *suite);
/* Checks that nothing was left on the host. */
void hypervisor_case_end(struct hypervisor_case *one);
#define auto_hypervisor_case __attribute__((cleanup(hypervisor_case_end))) struct hypervisor_case

/* TRUE when the driver can do all of `wanted`; else the test is skipped. */
gboolean hypervisor_case_can(const struct hypervisor_case *one, unsigned wanted);
gboolean hypervisor_case_tracks(const struct hypervisor_case *one);

/* As the guest, and in the model. */
void hypervisor_case_write(struct hypervisor_case *one, guint disk, guint64 offset, guint64 length,
                           guint8 pattern);
/* A copy of all models as they are. */
GPtrArray *hypervisor_case_moment(const struct hypervisor_case *one);
void hypervisor_case_nothing_left(const struct hypervisor_case *one);
/* The machine of that name in the list, or NULL. */
struct machine *hypervisor_case_find(const struct hypervisor_case *one, const char *name);

/* What was kept of a frozen machine, for the next one. */
struct hypervisor_ids {
    char **ids; /* of each disk; NULL: from scratch */
};
void hypervisor_ids_clear(struct hypervisor_ids *ids);
#define auto_ids __attribute__((cleanup(hypervisor_ids_clear))) struct hypervisor_ids

/* Freeze all disks; `ids` NULL: without change ids. */
struct frozen *hypervisor_case_try(struct hypervisor_case *one, const struct hypervisor_ids *ids,
                                   enum freeze_quiesce quiesce, GError **error);
struct frozen *hypervisor_case_freeze(struct hypervisor_case *one,
                                      const struct hypervisor_ids *ids);
struct hypervisor_ids hypervisor_case_ids(const struct frozen *frozen);
void hypervisor_case_thaw(struct frozen *frozen);
void hypervisor_case_settle(struct frozen *frozen, gboolean kept);

/* The same bytes, all of them; extents that are zeros must be. */
void hypervisor_case_same(struct disk *disk, struct disk *model);
/* All disks of `frozen` hold what `moment` (of models) says. */
void hypervisor_case_expect(const struct frozen *frozen, const GPtrArray *moment);
/* Every disk has a list of changes: with what was read at `before`, it makes what is there now; and
 * it is hardly more than what differs. */
void hypervisor_case_expect_changes(const struct frozen *frozen, const GPtrArray *before);
/* No disk has one, and each says why. */
void hypervisor_case_expect_full(const struct frozen *frozen);

void hypervisor_suite_add_test(const struct hypervisor_suite *suite, const char *name,
                               void (*test)(gconstpointer suite));
/* hypervisor_suite_freeze.c, hypervisor_suite_changes.c, hypervisor_suite_create.c */
void hypervisor_suite_add_freeze(const struct hypervisor_suite *suite);
void hypervisor_suite_add_changes(const struct hypervisor_suite *suite);
void hypervisor_suite_add_create(const struct hypervisor_suite *suite);
