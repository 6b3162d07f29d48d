/* SPDX-License-Identifier: GPL-3.0-or-later */
/* string.h: what memory.c has of the C library's header of this name.  Only freestanding
 * builds find this one; on the host the shared sources use the library's. */
#ifndef BOOT_STRING_H
#define BOOT_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);
char *strchr(const char *text, int c);

#endif
