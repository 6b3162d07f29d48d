/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_secret.h: passwords in a hypervisor's own description of a machine, such as that of its
 * VNC console: they are kept, since the machine is to come back with them, and never shown. */
#pragma once

#include "hyper/machine.h"

/* Register (secret.h) what the native description has as passwords: the attributes `passwd` of
 * libvirt's XML, and the value of RemoteDisplay.vnc.password among a vSphere machine's settings. */
void machine_secret_register(const struct machine *machine);
