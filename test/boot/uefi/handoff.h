/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handoff.h: the way from 64-bit UEFI to a 32-bit Multiboot kernel. */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdint.h>

/* The bytes of the code, which runs wherever below 4 GiB it is copied to. */
extern const uint8_t handoff_code[];
extern const uint8_t handoff_code_end[];

/* What a copy of the code is called as.  It does not return.  Boot services must have been
 * left.  `copy` is the address of the copy itself. */
typedef void handoff_function(uint32_t entry, uint32_t info, void *copy);

#endif
