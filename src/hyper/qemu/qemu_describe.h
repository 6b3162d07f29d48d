/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_describe.h: the machine of a QEMU in neutral terms, as far as QMP tells. */
#pragma once

#include "hyper/machine.h"
#include "hyper/qemu/qemu_session.h"

/* `complete`: with what QEMU said ("qmp-json") as the native description. */
struct machine *qemu_describe(struct qemu_session *session, gboolean complete, GError **error);
