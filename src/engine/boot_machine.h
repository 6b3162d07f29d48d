/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_machine.h: a virtual machine of ours: QEMU with disks that an NBD server of ours serves, and
 * with nothing else of this computer.
 *
 * QEMU is found in PATH.  It runs without privileges it needs not (seccomp, and as nobody when we
 * are root; but what draws a window is who we are), on a network that ends at itself or none, and
 * dies with us (boot_process.h).  No file is made for it: disks, variables of the firmware, dumps
 * of the screen and the channels to it are descriptors.  One thread, the one that started it. */
#pragma once

#include "base/auto_ptr.h"
#include "engine/boot_firmware.h"

#define BOOT_MEMORY_DEFAULT 2048u /* MiB */
#define BOOT_CPUS_DEFAULT 2u
#define BOOT_VNC_DEFAULT "127.0.0.1"

enum boot_accelerator { BOOT_ACCELERATOR_AUTO, BOOT_ACCELERATOR_KVM, BOOT_ACCELERATOR_TCG };
enum boot_display { BOOT_DISPLAY_NONE, BOOT_DISPLAY_VNC, BOOT_DISPLAY_GTK, BOOT_DISPLAY_SDL };
#define BOOT_ACCELERATOR_WORDS "auto kvm tcg"
#define BOOT_DISPLAY_WORDS "none vnc gtk sdl"
const char *boot_accelerator_name(enum boot_accelerator accelerator);
gboolean boot_accelerator_parse(const char *word, enum boot_accelerator *ret);
gboolean boot_display_parse(const char *word, enum boot_display *ret);

struct boot_hardware {
    enum boot_firmware firmware; /* not AUTO when a machine is started */
    enum boot_bus bus;           /* the same */
    enum boot_accelerator accelerator;
    guint memory; /* MiB; 0: BOOT_MEMORY_DEFAULT */
    guint cpus;   /* 0: BOOT_CPUS_DEFAULT */
    gboolean no_network;
    enum boot_display display;
    const char *vnc;          /* address that VNC listens on; NULL: BOOT_VNC_DEFAULT */
    const char *vnc_password; /* at most 8 bytes are of use; NULL: none */
    /* Stop, instead of ending, when the guest powers off or panics: its screen stays. */
    gboolean hold;
};

/* What QEMU is given as descriptors, in this order, and then a connection to an NBD server for each
 * disk. */
enum boot_fd {
    BOOT_FD_QMP,
    BOOT_FD_SERIAL,
    BOOT_FD_AGENT,
    BOOT_FD_SCREEN,
    BOOT_FD_VARIABLES, /* of UEFI; else anything */
    BOOT_FD_VARIABLES_READ,
    BOOT_FD_N
};
#define BOOT_DISKS_MAX 64u

/* The command line, ended by NULL.  `firmware_code`: a file, for UEFI; NULL.  `exports`: names at
 * the NBD servers, ended by NULL, in the order of booting.  SLIPWAY_ERROR_USAGE: more disks than
 * the bus takes. */
char **boot_arguments(const char *qemu, const struct boot_hardware *hardware,
                      enum boot_accelerator accelerator, const char *firmware_code,
                      const char *const *exports, GError **error);

/* Whether KVM runs a guest here: that there is /dev/kvm says little, so a tiny one is booted.  When
 * not, *ret_why has words (g_free()).  Takes a second or so, and at most ten. */
gboolean boot_kvm_works(const char *qemu, char **ret_why);

struct boot_machine;

/* Start it, and wait until it runs.  `exports` as above, each at the other end of the socket of the
 * same number in `sockets`, which stay the caller's.  SLIPWAY_ERROR_UNSUPPORTED: QEMU or its
 * firmware is not installed, or KVM was asked for and does not work; SLIPWAY_ERROR_USAGE;
 * SLIPWAY_ERROR_FAILED, SLIPWAY_ERROR_IO with QEMU's words. */
struct boot_machine *boot_machine_start(const struct boot_hardware *hardware,
                                        const char *const *exports, const int *sockets,
                                        GError **error);
/* End it at once. NULL is fine. */
void boot_machine_free(struct boot_machine *machine);
AUTO_PTR_DEFINE(boot_machine, boot_machine_free)

enum boot_accelerator boot_machine_accelerator(const struct boot_machine *machine);
/* Why it is not KVM although that was not ruled out; NULL. */
const char *boot_machine_no_kvm(const struct boot_machine *machine);
/* "127.0.0.1:5901"; NULL without VNC. */
const char *boot_machine_vnc(const struct boot_machine *machine);
gint64 boot_machine_pid(const struct boot_machine *machine);

enum boot_state {
    BOOT_RUNS,
    BOOT_OFF,      /* the guest powered off */
    BOOT_PANICKED, /* the guest said so */
    BOOT_FAILED,   /* its processor cannot go on */
    BOOT_ENDED,    /* QEMU is not there any more */
};
/* Wait for at most so long for anything to come from the guest, and say how it is. */
enum boot_state boot_machine_watch(struct boot_machine *machine, guint milliseconds);
/* How often the guest has been reset since it was started. */
guint boot_machine_resets(const struct boot_machine *machine);
/* When it ended: its exit status, -1 when it was killed. */
int boot_machine_status(const struct boot_machine *machine);
/* When it ended: how, with QEMU's last words.  g_free() */
char *boot_machine_end_words(struct boot_machine *machine);

/* What has come from the guest since it was asked last, at most `length` bytes. */
gsize boot_machine_read_serial(struct boot_machine *machine, void *buffer, gsize length);
gsize boot_machine_read_agent(struct boot_machine *machine, void *buffer, gsize length);
/* Ask the guest agent whether it is there. */
void boot_machine_ping_agent(struct boot_machine *machine);

/* The screen: PPM (boot_screen.h), or PNG.  Fails as qmp_run(); SLIPWAY_ERROR_LIMIT: more than
 * `limit` bytes. */
GBytes *boot_machine_screen(struct boot_machine *machine, gboolean png, gsize limit,
                            GError **error);

/* Press the power button, and give the guest so long to power off; then, or when it is 0, QEMU is
 * told to quit.  It has ended when this returns. */
void boot_machine_stop(struct boot_machine *machine, guint milliseconds);
