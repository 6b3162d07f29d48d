/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/boot_machine_private.h"
#include "engine/boot_variables.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define QEMU "qemu-system-x86_64"
#define START_MS 60000 /* until QEMU has opened its disks and answers */
#define VARIABLES_MAX (4u << 20)

/* ---- Words ----------------------------------------------------------------------------------- */

static gboolean
find_word(const char *const *names, guint n, const char *word, guint *ret)
{
    for (*ret = 0; *ret < n; (*ret)++)
        if (g_str_equal(names[*ret], word))
            return TRUE;
    *ret = 0;
    return FALSE;
}

static const char *const accelerator_names[] = {"auto", "kvm", "tcg"};

const char *
boot_accelerator_name(enum boot_accelerator accelerator)
{
    return accelerator_names[accelerator];
}

gboolean
boot_accelerator_parse(const char *word, enum boot_accelerator *ret)
{
    guint n;
    gboolean ok = find_word(accelerator_names, G_N_ELEMENTS(accelerator_names), word, &n);
    *ret = (enum boot_accelerator)n;
    return ok;
}

gboolean
boot_display_parse(const char *word, enum boot_display *ret)
{
    static const char *const names[] = {"none", "vnc", "gtk", "sdl"};
    guint n;
    gboolean ok = find_word(names, G_N_ELEMENTS(names), word, &n);
    *ret = (enum boot_display)n;
    return ok;
}

/* ---- What it needs --------------------------------------------------------------------------- */

static char *
find_qemu(GError **error)
{
    char *path = g_find_program_in_path(QEMU);
    if (path == NULL)
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  QEMU " is not installed; install the package qemu-system-x86");
    return path;
}

/* Of one make, code and variables; those of 4 MiB are what distributions go on with. */
static gboolean
find_firmware(const char **ret_code, const char **ret_variables, GError **error)
{
    static const char *const pairs[][2] = {
        {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
        {"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
        {"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (access(pairs[i][0], R_OK) == 0 && access(pairs[i][1], R_OK) == 0) {
            *ret_code = pairs[i][0];
            *ret_variables = pairs[i][1];
            return TRUE;
        }
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "the firmware for UEFI is not installed; install the package ovmf");
}

/* A copy of its own for this machine, open in both ways. */
static gboolean
copy_variables(const char *path, int *fds, GError **error)
{
    g_autofree char *data = NULL;
    gsize length;
    g_autoptr(GError) local = NULL;
    if (!g_file_get_contents(path, &data, &length, &local) || length > VARIABLES_MAX)
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read %s: %s", path,
                         local != NULL ? local->message : "it is too large");
    /* Without them what boots is what it boots by itself. */
    boot_variables_add_loaders((guint8 *)data, length);
    int fd = memfd_create("slipway-variables", MFD_CLOEXEC);
    g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", fd);
    fds[BOOT_FD_VARIABLES] = fd;
    if (fd < 0 || write(fd, data, length) != (ssize_t)length ||
        (fds[BOOT_FD_VARIABLES_READ] = open(again, O_RDONLY | O_CLOEXEC)) < 0)
        return error_set_errno(error, errno, "cannot copy %s", path);
    return TRUE;
}

static gboolean
choose_accelerator(struct boot_machine *machine, const struct boot_hardware *hardware,
                   const char *qemu, GError **error)
{
    machine->accelerator = hardware->accelerator;
    if (hardware->accelerator == BOOT_ACCELERATOR_TCG)
        return TRUE;
    g_autofree char *why = NULL;
    gboolean works = boot_kvm_works(qemu, &why);
    if (!works && hardware->accelerator == BOOT_ACCELERATOR_KVM)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "KVM does not work here: %s", why);
    machine->accelerator = works ? BOOT_ACCELERATOR_KVM : BOOT_ACCELERATOR_TCG;
    machine->no_kvm = works ? NULL : g_steal_pointer(&why);
    return TRUE;
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* QEMU's ends, -1 for what is not open; that of the screen is ours too. */
static void
close_theirs(const int *fds)
{
    for (guint i = 0; i < BOOT_FD_N; i++)
        if (i != BOOT_FD_SCREEN)
            boot_machine_close(fds[i]);
}

static gboolean
make_channel(int *ret_ours, int *ret_theirs, GError **error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set_errno(error, errno, "cannot make a channel to QEMU");
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return TRUE;
}

/* QEMU opens what it dumps to for writing alone, and insists that the descriptor is so too. */
static gboolean
make_screen(struct boot_machine *machine, GError **error)
{
    machine->screen = memfd_create("slipway-screen", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", machine->screen);
    machine->screen_writer = machine->screen >= 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    return machine->screen_writer >= 0 ||
           error_set_errno(error, errno, "cannot make room for the screen");
}

static gboolean
open_channels(struct boot_machine *machine, int *ret_qmp, int *fds, GError **error)
{
    if (!make_channel(ret_qmp, &fds[BOOT_FD_QMP], error) ||
        !make_channel(&machine->serial, &fds[BOOT_FD_SERIAL], error) ||
        !make_channel(&machine->agent, &fds[BOOT_FD_AGENT], error) || !make_screen(machine, error))
        return FALSE;
    fds[BOOT_FD_SCREEN] = machine->screen_writer;
    return TRUE;
}

static gboolean
is_nonsense(const GError *error)
{
    return g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
           g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

/* QEMU's own words are better than that it does not answer. */
static gboolean
explain(struct boot_machine *machine, GError *why, GError **error)
{
    gboolean ended = !is_nonsense(why) && boot_process_wait(machine->process, 2000);
    g_autofree char *words = is_nonsense(why) ? NULL : boot_process_words(machine->process);
    if (words != NULL) {
        g_error_free(why);
        return error_set(error, SLIPWAY_ERROR_FAILED, "QEMU does not start: %.600s", words);
    }
    g_propagate_error(error, why);
    if (ended) {
        g_autofree char *end = boot_process_end_words(machine->process);
        g_prefix_error(error, "%s: ", end);
    }
    return FALSE;
}

/* "127.0.0.1:5901" */
static gboolean
find_vnc(struct boot_machine *machine, GError **error)
{
    json_t *answer = qmp_run(machine->qmp, "query-vnc", NULL, BOOT_COMMAND_MS, error);
    const char *host = json_string_value(json_object_get(answer, "host"));
    const char *port = json_string_value(json_object_get(answer, "service"));
    if (host != NULL && port != NULL)
        machine->vnc =
            g_strdup_printf(strchr(host, ':') != NULL ? "[%.64s]:%.8s" : "%.64s:%.8s", host, port);
    gboolean ok = answer != NULL;
    json_decref(answer);
    return ok;
}

/* The password through the channel: what is on a command line, everybody can read. */
static gboolean
open_display(struct boot_machine *machine, const struct boot_hardware *hardware, GError **error)
{
    if (hardware->display != BOOT_DISPLAY_VNC)
        return TRUE;
    if (hardware->vnc_password != NULL) {
        json_t *arguments =
            json_pack("{s:s, s:s}", "protocol", "vnc", "password", hardware->vnc_password);
        json_t *done = qmp_run(machine->qmp, "set_password", arguments, BOOT_COMMAND_MS, error);
        json_decref(done);
        if (done == NULL)
            return FALSE;
    }
    return find_vnc(machine, error);
}

static gboolean
has_window(const struct boot_hardware *hardware)
{
    return hardware->display == BOOT_DISPLAY_GTK || hardware->display == BOOT_DISPLAY_SDL;
}

/* With `sockets` behind the descriptors of ours. */
static struct boot_process *
start_process(char **argv, const struct boot_hardware *hardware, const int *fds,
              const char *const *exports, const int *sockets, GError **error)
{
    int all[BOOT_FD_N + BOOT_DISKS_MAX];
    guint n = g_strv_length((char **)exports);
    for (guint i = 0; i < BOOT_FD_N; i++) /* of what is not there, something that does no harm */
        all[i] = fds[i] >= 0 ? fds[i] : fds[BOOT_FD_SCREEN];
    for (guint i = 0; i < n; i++)
        all[BOOT_FD_N + i] = sockets[i];
    return boot_process_start((const char *const *)argv, all, BOOT_FD_N + n, !has_window(hardware),
                              error);
}

static gboolean
spawn(struct boot_machine *machine, const struct boot_hardware *hardware, const char *qemu,
      const char *const *exports, const int *sockets, int *fds, int *ret_qmp, GError **error)
{
    const char *code = NULL, *variables = NULL;
    if (hardware->firmware == BOOT_FIRMWARE_UEFI &&
        (!find_firmware(&code, &variables, error) || !copy_variables(variables, fds, error)))
        return FALSE;
    g_auto(GStrv) argv = boot_arguments(qemu, hardware, machine->accelerator, code, exports, error);
    if (argv == NULL || !open_channels(machine, ret_qmp, fds, error))
        return FALSE;
    machine->process = start_process(argv, hardware, fds, exports, sockets, error);
    return machine->process != NULL;
}

static gboolean
launch(struct boot_machine *machine, const struct boot_hardware *hardware, const char *qemu,
       const char *const *exports, const int *sockets, GError **error)
{
    int fds[BOOT_FD_N] = {-1, -1, -1, -1, -1, -1}, qmp = -1;
    gboolean ok = spawn(machine, hardware, qemu, exports, sockets, fds, &qmp, error);
    /* QEMU alone has them now: when it ends, the channels do. */
    close_theirs(fds);
    if (!ok) {
        boot_machine_close(qmp);
        return FALSE;
    }
    GError *why = NULL;
    machine->qmp = qmp_open(qmp, START_MS, &why);
    if (machine->qmp == NULL)
        return explain(machine, why, error);
    /* What it says of its own accord while it starts is nothing to remember. */
    g_free(boot_process_words(machine->process));
    return open_display(machine, hardware, error);
}

struct boot_machine *
boot_machine_start(const struct boot_hardware *hardware, const char *const *exports,
                   const int *sockets, GError **error)
{
    g_autofree char *qemu = find_qemu(error);
    if (qemu == NULL)
        return NULL;
    auto_ptr(boot_machine) machine = g_new0(struct boot_machine, 1);
    machine->serial = machine->agent = machine->screen = machine->screen_writer = -1;
    if (choose_accelerator(machine, hardware, qemu, error) &&
        launch(machine, hardware, qemu, exports, sockets, error))
        return g_steal_pointer(&machine);
    return NULL;
}
