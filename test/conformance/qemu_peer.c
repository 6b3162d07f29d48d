/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "qemu_peer.h"

#include "hyper/qemu/qemu_drive.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_US (60 * G_USEC_PER_SEC)
#define FIRMWARE_SIZE 65536u

/* ---- A guest agent --------------------------------------------------------------------------- */

struct qemu_agent_peer {
    int listener;
    char *path;
    GThread *thread;
    int works, quiet; /* atomic, as is ... */
    int silent;       /* ... how many commands get no answer */
};

static void
say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        g_test_message("the client of the agent went away");
}

/* It freezes in silence, does not thaw, and hangs up. */
static gboolean
is_silent(struct qemu_agent_peer *agent, int fd, const char *command)
{
    if (!g_str_has_prefix(command, "guest-fsfreeze-") || g_atomic_int_get(&agent->silent) == 0)
        return FALSE;
    g_atomic_int_add(&agent->silent, -1);
    if (strcmp(command, "guest-fsfreeze-freeze") == 0)
        g_atomic_int_set(&agent->quiet, TRUE);
    shutdown(fd, SHUT_RDWR);
    return TRUE;
}

static void
answer(struct qemu_agent_peer *agent, int fd, const json_t *message)
{
    const char *command = json_string_value(json_object_get(message, "execute"));
    g_autofree char *text = NULL;
    if (command == NULL || is_silent(agent, fd, command))
        return;
    if (g_strcmp0(command, "guest-sync-delimited") == 0) {
        json_int_t id =
            json_integer_value(json_object_get(json_object_get(message, "arguments"), "id"));
        /* What was said to somebody before. */
        text = g_strdup_printf("{\"return\": 1}\n\xff{\"return\": %" JSON_INTEGER_FORMAT "}\n", id);
    } else if (g_strcmp0(command, "guest-fsfreeze-freeze") == 0) {
        gboolean works = g_atomic_int_get(&agent->works);
        if (works)
            g_atomic_int_set(&agent->quiet, TRUE);
        text = g_strdup(works ? "{\"return\": 2}\n"
                              : "{\"error\": {\"class\": \"GenericError\", \"desc\": \"failed to "
                                "freeze /\"}}\n");
    } else {
        g_atomic_int_set(&agent->quiet, FALSE);
        text = g_strdup("{\"return\": 2}\n");
    }
    say(fd, text);
}

static void
serve(struct qemu_agent_peer *agent, int fd)
{
    FILE *input = fdopen(fd, "r");
    char line[4096];
    while (fgets(line, sizeof line, input) != NULL) {
        const char *begin = line[0] == '\xff' ? line + 1 : line;
        json_t *message = json_loads(begin, 0, NULL);
        if (message != NULL)
            answer(agent, fd, message);
        json_decref(message);
    }
    fclose(input);
}

static gpointer
run_agent(gpointer data)
{
    struct qemu_agent_peer *agent = data;
    int fd;
    while ((fd = accept4(agent->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        serve(agent, fd);
    return NULL;
}

static struct qemu_agent_peer *
agent_new(const struct scratch *scratch)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct qemu_agent_peer *agent = g_new0(struct qemu_agent_peer, 1);
    agent->path = scratch_path(scratch, "agent");
    agent->works = TRUE;
    g_strlcpy(address.sun_path, agent->path, sizeof address.sun_path);
    agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(agent->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(agent->listener, 4), ==, 0);
    agent->thread = g_thread_new("agent", run_agent, agent);
    return agent;
}

static void
agent_free(struct qemu_agent_peer *agent)
{
    shutdown(agent->listener, SHUT_RDWR);
    g_thread_join(agent->thread);
    close(agent->listener);
    g_free(agent->path);
    g_free(agent);
}

void
qemu_peer_set_agent(struct qemu_peer *peer, gboolean works)
{
    g_atomic_int_set(&peer->agent->works, works);
}

void
qemu_peer_silence_agent(struct qemu_peer *peer, guint n)
{
    g_atomic_int_set(&peer->agent->silent, (int)n);
}

void
qemu_peer_freeze_guest(struct qemu_peer *peer)
{
    g_atomic_int_set(&peer->agent->quiet, TRUE);
}

gboolean
qemu_peer_is_quiet(struct qemu_peer *peer)
{
    return g_atomic_int_get(&peer->agent->quiet);
}

/* ---- QEMU ------------------------------------------------------------------------------------ */

static void
die_with_us(gpointer data G_GNUC_UNUSED)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

char *
qemu_peer_socket(const struct qemu_peer *peer)
{
    return scratch_path(peer->scratch, "app01.qmp");
}

static void
connect_own(struct qemu_peer *peer)
{
    g_autofree char *path = scratch_path(peer->scratch, "test.qmp");
    g_autoptr(GError) error = NULL;
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while ((peer->session = qemu_session_open(path, &error)) == NULL) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_clear_error(&error);
        g_usleep(20000);
    }
}

/* @ stands for the scratch directory. */
static const char command_line[] =
    "qemu-system-x86_64 -accel tcg -nodefaults -no-user-config -display none -machine pc -m 32 "
    "-smp 2,sockets=1 -bios @/firmware -name app01 -uuid 6B29FC40-CA47-1067-B31D-00DD010662DA "
    "-qmp unix:@/app01.qmp,server=on,wait=off -qmp unix:@/test.qmp,server=on,wait=off "
    "-object throttle-group,id=limits "
    "-blockdev driver=file,node-name=file0,filename=@/a.qcow2 "
    "-blockdev driver=qcow2,node-name=image0,file=file0 "
    "-blockdev driver=throttle,node-name=top0,throttle-group=limits,file=image0 "
    "-device virtio-blk-pci,id=vd0,drive=top0 "
    "-drive file=@/b.raw,if=none,id=drive1,format=raw "
    "-device virtio-scsi-pci,id=scsi0 -device scsi-hd,id=sd1,drive=drive1,bus=scsi0.0,scsi-id=3 "
    "-drive file=@/b.iso,if=none,id=cd,format=raw,media=cdrom,readonly=on "
    "-device ide-cd,id=cd0,drive=cd "
    "-drive file=@/b.iso,if=none,id=drive2,format=raw,readonly=on "
    "-device virtio-blk-pci,id=vd2,drive=drive2 "
    "-netdev user,id=n0,restrict=on "
    "-device virtio-net-pci,id=net0,netdev=n0,mac=52:54:00:AB:CD:EF";

void
qemu_peer_start(struct qemu_peer *peer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *all =
        g_strconcat(command_line, peer->more != NULL ? " " : NULL, peer->more, NULL);
    g_auto(GStrv) argv = g_strsplit(all, " ", -1);
    for (char **word = argv; *word != NULL; word++) {
        g_auto(GStrv) parts = g_strsplit(*word, "@", -1);
        g_free(*word);
        *word = g_strjoinv(peer->scratch->path, parts);
    }
    g_assert_true(
        g_spawn_async(NULL, argv, NULL,
                      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
                      die_with_us, NULL, &peer->pid, &error));
    g_assert_no_error(error);
    connect_own(peer);
}

static void
reap(struct qemu_peer *peer)
{
    int status;
    g_assert_cmpint(waitpid(peer->pid, &status, 0), ==, peer->pid);
    peer->pid = 0;
    g_clear_pointer(&peer->session, qemu_session_close);
}

void
qemu_peer_quit(struct qemu_peer *peer)
{
    qemu_peer_do(peer, "quit", NULL);
    reap(peer);
}

void
qemu_peer_kill(struct qemu_peer *peer)
{
    kill(peer->pid, SIGKILL);
    reap(peer);
}

static gboolean
make_images(const struct scratch *scratch)
{
    g_autofree char *bitmapped = scratch_path(scratch, "a.qcow2");
    g_autofree char *raw = scratch_path(scratch, "b.raw"), *iso = scratch_path(scratch, "b.iso");
    g_autofree char *size = g_strdup_printf("%u", QEMU_PEER_SIZE);
    const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", bitmapped, size, NULL};
    int status = 1;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                      &status, NULL) ||
        status != 0)
        return FALSE;
    /* cli; hlt; back to hlt: at the address where a processor begins. */
    g_autofree guint8 *firmware = g_malloc0(FIRMWARE_SIZE);
    memcpy(firmware + FIRMWARE_SIZE - 16, "\xfa\xf4\xeb\xfd", 4);
    g_autoptr(GBytes) bytes = g_bytes_new(firmware, FIRMWARE_SIZE);
    scratch_put_bytes(scratch, "firmware", bytes);
    scratch_put(scratch, "b.raw", "");
    scratch_put(scratch, "b.iso", "");
    return truncate(raw, QEMU_PEER_RAW_SIZE) == 0 && truncate(iso, 65536) == 0;
}

struct qemu_peer *
qemu_peer_new(const struct scratch *scratch)
{
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");
    g_autofree char *tool = g_find_program_in_path("qemu-img");
    if (qemu == NULL || tool == NULL) {
        g_test_skip("qemu-system-x86_64 and qemu-img are not installed");
        return NULL;
    }
    g_assert_true(make_images(scratch));
    struct qemu_peer *peer = g_new0(struct qemu_peer, 1);
    peer->scratch = scratch;
    peer->agent = agent_new(scratch);
    qemu_peer_start(peer);
    return peer;
}

void
qemu_peer_free(struct qemu_peer *peer)
{
    if (peer->pid != 0)
        qemu_peer_kill(peer);
    agent_free(peer->agent);
    g_free(peer);
}

/* ---- Asking it ------------------------------------------------------------------------------- */

json_t *
qemu_peer_ask(struct qemu_peer *peer, const char *command, json_t *arguments)
{
    g_autoptr(GError) error = NULL;
    json_t *result = qemu_session_ask(peer->session, command, arguments, &error);
    g_assert_no_error(error);
    return result;
}

void
qemu_peer_do(struct qemu_peer *peer, const char *command, json_t *arguments)
{
    json_decref(qemu_peer_ask(peer, command, arguments));
}

void
qemu_peer_io(struct qemu_peer *peer, const char *disk, const char *command)
{
    g_autofree char *line =
        g_strdup_printf("qemu-io -d /machine/peripheral/%s%s \"%s\"", disk,
                        g_str_has_prefix(disk, "vd") ? "/virtio-backend" : "", command);
    json_t *said =
        qemu_peer_ask(peer, "human-monitor-command", json_pack("{s:s}", "command-line", line));
    g_assert_cmpstr(json_string_value(said), ==, "");
    json_decref(said);
}

char *
qemu_peer_node(struct qemu_peer *peer, const char *disk)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) drives = qemu_drive_list(peer->session, &error);
    g_assert_no_error(error);
    const struct qemu_drive *drive = qemu_drive_find(drives, disk);
    g_assert_nonnull(drive);
    return g_strdup(drive->node);
}

struct hypervisor *
qemu_peer_open(struct qemu_peer *peer, GError **error)
{
    g_autofree char *socket = qemu_peer_socket(peer);
    g_autofree char *uri = g_strdup_printf("qmp://%s?agent=%s", socket, peer->agent->path);
    const struct hypervisor_options options = {.scratch = peer->scratch->path};
    return hypervisor_open(uri, &options, error);
}

/* ---- What is left ---------------------------------------------------------------------------- */

static void
find_named(GString *left, struct qemu_peer *peer, const char *query, json_t *arguments,
           const char *member)
{
    json_t *list = qemu_peer_ask(peer, query, arguments);
    for (gsize i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), member));
        if (name != NULL && g_str_has_prefix(name, "slipway-"))
            g_string_append_printf(left, "%s: %s\n", query, name);
    }
    json_decref(list);
}

static void
find_bitmap(const char *node, const struct qemu_bitmap *bitmap, gpointer data)
{
    if (g_str_has_prefix(bitmap->name, "slipway-"))
        g_string_append_printf(data, "bitmap of %s: %s\n", node, bitmap->name);
}

char *
qemu_peer_left(struct qemu_peer *peer)
{
    GString *left = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    if (peer->pid != 0) {
        find_named(left, peer, "query-jobs", NULL, "id");
        find_named(left, peer, "query-block-exports", NULL, "id");
        find_named(left, peer, "query-named-block-nodes", json_pack("{s:b}", "flat", TRUE),
                   "node-name");
        find_named(left, peer, "qom-list", json_pack("{s:s}", "path", "/objects"), "name");
        json_t *sets = qemu_peer_ask(peer, "query-fdsets", NULL);
        if (json_array_size(sets) > 0)
            g_string_append(left, "descriptors\n");
        json_decref(sets);
        qemu_drive_visit_bitmaps(peer->session, find_bitmap, left, &error);
        g_assert_no_error(error);
        if (qemu_session_do(peer->session, "nbd-server-stop", NULL, NULL))
            g_string_append(left, "an NBD server\n");
    }
    if (qemu_peer_is_quiet(peer))
        g_string_append(left, "a guest at rest\n");
    g_autoptr(GDir) directory = g_dir_open(peer->scratch->path, 0, NULL);
    for (const char *name; (name = g_dir_read_name(directory)) != NULL;)
        if (g_str_has_prefix(name, "slipway-"))
            g_string_append_printf(left, "file %s\n", name);
    if (left->len > 0)
        return g_string_free(left, FALSE);
    g_string_free(left, TRUE);
    return NULL;
}
