/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/boot_machine_private.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define QUIT_MS 10000
#define PING "{\"execute\":\"guest-ping\"}\n"

void
boot_machine_free(struct boot_machine *machine)
{
    if (machine == NULL)
        return;
    boot_process_free(machine->process);
    qmp_close(machine->qmp);
    boot_machine_close(machine->serial);
    boot_machine_close(machine->agent);
    boot_machine_close(machine->screen);
    boot_machine_close(machine->screen_writer);
    g_free(machine->no_kvm);
    g_free(machine->vnc);
    g_free(machine->last_words);
    g_free(machine);
}

enum boot_accelerator
boot_machine_accelerator(const struct boot_machine *machine)
{
    return machine->accelerator;
}

const char *
boot_machine_no_kvm(const struct boot_machine *machine)
{
    return machine->no_kvm;
}

const char *
boot_machine_vnc(const struct boot_machine *machine)
{
    return machine->vnc;
}

gint64
boot_machine_pid(const struct boot_machine *machine)
{
    return boot_process_id(machine->process);
}

/* ---- Watching -------------------------------------------------------------------------------- */

/* A processor that KVM cannot go on with stops without any other event. */
static void
ask_state(struct boot_machine *machine)
{
    json_t *answer = qmp_run(machine->qmp, "query-status", NULL, BOOT_COMMAND_MS, NULL);
    const char *status = json_string_value(json_object_get(answer, "status"));
    if (g_strcmp0(status, "internal-error") == 0)
        machine->state = BOOT_FAILED;
    json_decref(answer);
}

static void
take_event(struct boot_machine *machine, const char *name)
{
    if (g_str_equal(name, "RESET"))
        machine->resets++;
    else if (g_str_equal(name, "SHUTDOWN"))
        machine->state = BOOT_OFF;
    else if (g_str_equal(name, "GUEST_PANICKED"))
        machine->state = BOOT_PANICKED;
    else if (g_str_equal(name, "STOP") && machine->state == BOOT_RUNS)
        ask_state(machine);
}

static void
take_events(struct boot_machine *machine)
{
    json_t *event;
    while ((event = qmp_event(machine->qmp)) != NULL) {
        take_event(machine, json_string_value(json_object_get(event, "event")));
        json_decref(event);
    }
}

static void
keep_words(struct boot_machine *machine)
{
    char *words = boot_process_words(machine->process);
    if (words == NULL)
        return;
    g_free(machine->last_words);
    machine->last_words = words;
}

enum boot_state
boot_machine_watch(struct boot_machine *machine, guint milliseconds)
{
    struct pollfd pollers[] = {{.fd = qmp_fd(machine->qmp), .events = POLLIN},
                               {.fd = machine->serial, .events = POLLIN},
                               {.fd = machine->agent, .events = POLLIN}};
    if (machine->state != BOOT_ENDED)
        poll(pollers, G_N_ELEMENTS(pollers), (int)milliseconds);
    gboolean talks = machine->state != BOOT_ENDED && qmp_look(machine->qmp, NULL);
    take_events(machine);
    keep_words(machine);
    /* The channel is closed a little before the process ends. */
    if (machine->state != BOOT_ENDED && boot_process_wait(machine->process, talks ? 0 : QUIT_MS))
        machine->state = BOOT_ENDED;
    else if (!talks && machine->state != BOOT_ENDED)
        machine->state = BOOT_FAILED;
    return machine->state;
}

guint
boot_machine_resets(const struct boot_machine *machine)
{
    return machine->resets;
}

int
boot_machine_status(const struct boot_machine *machine)
{
    return boot_process_status(machine->process);
}

char *
boot_machine_end_words(struct boot_machine *machine)
{
    keep_words(machine);
    g_autofree char *end = boot_process_end_words(machine->process);
    return g_strdup_printf("%s%s%.600s", end, machine->last_words != NULL ? ": " : "",
                           machine->last_words != NULL ? machine->last_words : "");
}

/* A channel whose other end is closed is not waited for any more. */
static gsize
read_some(int *fd, void *buffer, gsize length)
{
    ssize_t n = recv(*fd, buffer, length, MSG_DONTWAIT);
    if (n == 0 && length > 0) {
        boot_machine_close(*fd);
        *fd = -1;
    }
    return n > 0 ? (gsize)n : 0;
}

gsize
boot_machine_read_serial(struct boot_machine *machine, void *buffer, gsize length)
{
    return read_some(&machine->serial, buffer, length);
}

gsize
boot_machine_read_agent(struct boot_machine *machine, void *buffer, gsize length)
{
    return read_some(&machine->agent, buffer, length);
}

/* Until there is an agent nobody reads it: what does not fit any more is not needed. */
void
boot_machine_ping_agent(struct boot_machine *machine)
{
    if (send(machine->agent, PING, strlen(PING), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

/* ---- Screen ---------------------------------------------------------------------------------- */

static GBytes *
read_screen(struct boot_machine *machine, gsize limit, GError **error)
{
    off_t size = lseek(machine->screen, 0, SEEK_END);
    if (size < 0 || (guint64)size > limit)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "the screen has more than %" G_GSIZE_FORMAT " bytes", limit);
    g_autofree guint8 *data = g_malloc((gsize)size + 1);
    gsize have = 0;
    while (have < (gsize)size) {
        ssize_t n = pread(machine->screen, data + have, (gsize)size - have, (off_t)have);
        if (n <= 0)
            return error_null(error, SLIPWAY_ERROR_IO, "cannot read the screen");
        have += (gsize)n;
    }
    return g_bytes_new_take(g_steal_pointer(&data), (gsize)size);
}

GBytes *
boot_machine_screen(struct boot_machine *machine, gboolean png, gsize limit, GError **error)
{
    g_autofree char *path = g_strdup_printf("/dev/fdset/%d", BOOT_FD_SCREEN);
    json_t *arguments = json_pack("{s:s}", "filename", path);
    if (png)
        json_object_set_new(arguments, "format", json_string("png"));
    if (ftruncate(machine->screen, 0) != 0 || lseek(machine->screen_writer, 0, SEEK_SET) != 0) {
        json_decref(arguments);
        return error_null(error, SLIPWAY_ERROR_IO, "cannot make room for the screen");
    }
    json_t *done = qmp_run(machine->qmp, "screendump", arguments, BOOT_COMMAND_MS, error);
    json_decref(done);
    return done != NULL ? read_screen(machine, limit, error) : NULL;
}

/* ---- The end --------------------------------------------------------------------------------- */

void
boot_machine_stop(struct boot_machine *machine, guint milliseconds)
{
    gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    json_t *done = NULL;
    if (milliseconds > 0 && machine->state == BOOT_RUNS)
        done = qmp_run(machine->qmp, "system_powerdown", NULL, BOOT_COMMAND_MS, NULL);
    while (done != NULL && g_get_monotonic_time() < end &&
           boot_machine_watch(machine, 100) == BOOT_RUNS) {
        char rest[4096];
        boot_machine_read_serial(machine, rest, sizeof rest);
        boot_machine_read_agent(machine, rest, sizeof rest);
    }
    json_decref(done);
    if (machine->state != BOOT_ENDED)
        json_decref(qmp_run(machine->qmp, "quit", NULL, BOOT_COMMAND_MS, NULL));
    boot_process_end(machine->process, QUIT_MS);
    machine->state = BOOT_ENDED;
}
