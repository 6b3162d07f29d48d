/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repo_suite_private.h: what the files of the suite share. */
#pragma once

#include "base/error.h"
#include "repo_suite.h"
#include "scratch_directory.h"

#define OWNER_A "0123456789abcdef0123456789abcdef"
#define OWNER_B "fedcba9876543210fedcba9876543210"

/* A repo for one test. */
struct repo_case {
    struct scratch scratch;
    struct repo *repo;
};
struct repo_case repo_case_new(const struct repo_suite *suite);
void repo_case_clear(struct repo_case *one);
#define auto_repo_case __attribute__((cleanup(repo_case_clear))) struct repo_case

/* Bytes that depend on `seed`. */
GBytes *repo_case_bytes(guint32 seed, gsize length);

void repo_case_put(struct repo *repo, const char *name, const char *text);
/* Writes `bytes` in pieces of `step` bytes. */
void repo_case_write(struct repo *repo, const char *name, GBytes *bytes, gsize step);
/* The object is there, whole. */
void repo_case_expect(struct repo *repo, const char *name, GBytes *bytes);
void repo_case_expect_text(struct repo *repo, const char *name, const char *text);
void repo_case_expect_missing(struct repo *repo, const char *name);
/* `names` with commas between them. */
void repo_case_expect_list(struct repo *repo, const char *folder, const char *names);
void repo_case_expect_unfinished(struct repo *repo, const char *owners);

/* FALSE came with this error; clears it. */
#define REPO_CASE_FAILED(ok, error, code)                                                          \
    do {                                                                                           \
        g_assert_false(ok);                                                                        \
        g_assert_error(error, SLIPWAY_ERROR, code);                                                \
        g_clear_error(&error);                                                                     \
    } while (0)

/* repo_suite_read.c, repo_suite_threads.c */
void repo_suite_add_read(const struct repo_suite *suite);
void repo_suite_add_threads(const struct repo_suite *suite);

void repo_suite_add_test(const struct repo_suite *suite, const char *name,
                         void (*test)(gconstpointer suite));
