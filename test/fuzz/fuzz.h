/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz.h: what the fuzz targets share.
 *
 * A target is one file, fuzz_NAME.c, with LLVMFuzzerTestOneInput(): it reads the bytes as the
 * program would and aborts when something does not hold that must hold for any input.  libFuzzer
 * calls it with clang; replay.c calls it in every test run with any compiler. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longest message that any input may cause, in bytes. */
#define FUZZ_MESSAGE_MAX 16384

/* Holds a result against its error: a success has none; a failure has one of ours, with words of
 * reasonable length. */
void fuzz_check(gboolean ok, const GError *error);

/* The same for functions that return a pointer. */
#define fuzz_check_pointer(pointer, error) fuzz_check((pointer) != NULL, error)

/* A directory of this process alone, on a memory file system where there is one; removed at the
 * end. */
const char *fuzz_directory(void);
/* Make the file `name` in it and return its path; free with g_free(). */
char *fuzz_put_file(const char *name, const void *data, gsize length);
/* Remove the file `name` if it is there. */
void fuzz_remove_file(const char *name);

/* Inputs of several texts. */

/* Take what stands before the next byte `end` (or all) off the input; bytes after a NUL are lost.
 * Free with g_free(). */
char *fuzz_take_text(const uint8_t **data, size_t *size, char end);
/* The same with all its bytes. */
GBytes *fuzz_take_bytes(const uint8_t **data, size_t *size, char end);

/* A file inside an input that is made of lines `--- NAME` with contents between them: an archive
 * without checksums, so that mutations come through to what is inside. */
struct fuzz_part {
    char *name;
    GBytes *bytes;
};
GPtrArray *fuzz_parts(const uint8_t *data, size_t size); /* of struct fuzz_part * */
/* A zip archive of those parts for which `wanted` (NULL: all) says so; NULL when a name cannot be
 * in one. */
GBytes *fuzz_parts_zip(GPtrArray *parts, gboolean (*wanted)(const char *name));

gboolean fuzz_bytes_equal(GBytes *left, GBytes *right); /* either may be NULL */
