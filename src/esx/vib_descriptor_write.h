/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_descriptor_write.h: a descriptor in the vendor's style: one line, no XML declaration, the
 * elements in their order.  Only for VIBs that are made here: the descriptor of any other is
 * kept as the bytes it is, since a signature covers exactly these. */
#pragma once

#include "esx/vib.h"

/* Everything that `vib` says, without what only a depot's copy has. */
GBytes *vib_descriptor_write(const struct vib *vib);
