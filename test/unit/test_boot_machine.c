/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/boot_machine.h"
#include "engine/boot_process.h"
#include "engine/boot_screen.h"
#include "hyper/qmp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"

static void
assert_has(const char *line, const char *part)
{
    if (strstr(line, part) == NULL)
        g_error("\"%s\" is not in: %s", part, line);
}

/* ---- QMP against a scripted peer ------------------------------------------------------------- */

/* Has said `script` already, and says no more; it stays open in *ret_peer, or is closed. */
static struct qmp *
open_qmp(const char *script, gsize length, int *ret_peer, GError **error)
{
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    int size = 8 << 20;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    g_assert_cmpint(send(ends[1], script, length, MSG_DONTWAIT), >, 0);
    if (ret_peer == NULL)
        shutdown(ends[1], SHUT_WR);
    struct qmp *qmp = qmp_open(ends[0], 300, error);
    if (ret_peer != NULL && qmp != NULL)
        *ret_peer = ends[1];
    else
        close(ends[1]);
    return qmp;
}

/* One that answers as the commands come. */
static gpointer
answer_all(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char line[4096];
    gsize have = 0;
    g_assert_cmpint(send(fd, HELLO, strlen(HELLO), 0), >, 0);
    for (guint number = 1; number <= 4; number++) {
        while (memchr(line, '\n', have) == NULL) {
            ssize_t n = recv(fd, line + have, sizeof line - have, 0);
            if (n <= 0)
                return NULL;
            have += (gsize)n;
        }
        if (number == 2)
            g_assert_nonnull(strstr(line, "\"execute\":\"two\",\"arguments\":{\"x\":5},\"id\":2}"));
        have = 0;
        g_autofree char *answer =
            number == 3
                ? g_strdup("{\"error\":{\"class\":\"X\",\"desc\":\"no such thing\"},\"id\":3}\n")
                : g_strdup_printf("{\"event\":\"E%u\"}\n{\"return\":{\"n\":%u},\"id\":0}\n"
                                  "{\"return\":{\"n\":%u},\"id\":%u}\n",
                                  number, 99, number, number);
        for (const char *c = answer; *c != '\0'; c++)
            g_assert_cmpint(send(fd, c, 1, 0), ==, 1);
    }
    close(fd);
    return NULL;
}

static void
test_qmp_answers(void)
{
    g_autoptr(GError) error = NULL;
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    GThread *thread = g_thread_new("peer", answer_all, GINT_TO_POINTER(ends[1]));
    auto_ptr(qmp) qmp = qmp_open(ends[0], 5000, &error);
    g_assert_no_error(error);
    json_t *answer = qmp_run(qmp, "two", json_pack("{s:i}", "x", 5), 5000, &error);
    g_assert_no_error(error);
    g_assert_cmpint(json_integer_value(json_object_get(answer, "n")), ==, 2);
    json_decref(answer);
    g_assert_null(qmp_run(qmp, "three", NULL, 5000, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "QEMU refuses three: no such thing");
    g_clear_error(&error);
    answer = qmp_run(qmp, "four", NULL, 5000, &error);
    g_assert_no_error(error);
    g_assert_cmpint(json_integer_value(json_object_get(answer, "n")), ==, 4);
    json_decref(answer);
    g_assert_null(qmp_run(qmp, "five", NULL, 5000, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    static const char *const events[] = {"E1", "E2", "E4"};
    for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
        json_t *event = qmp_event(qmp);
        g_assert_cmpstr(json_string_value(json_object_get(event, "event")), ==, events[i]);
        json_decref(event);
    }
    g_assert_null(qmp_event(qmp));
    g_thread_join(thread);
}

/* Nobody fetches the events: the newest are kept. */
static void
test_qmp_events(void)
{
    g_autoptr(GError) error = NULL;
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    GThread *thread = g_thread_new("peer", answer_all, GINT_TO_POINTER(dup(ends[1])));
    auto_ptr(qmp) qmp = qmp_open(ends[0], 5000, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 5000; i++) {
        g_autofree char *event = g_strdup_printf("{\"event\":\"%u\"}\n", i);
        g_assert_cmpint(send(ends[1], event, strlen(event), 0), >, 0);
        g_assert_true(qmp_look(qmp, &error));
    }
    for (guint i = 5000 - QMP_EVENTS_MAX; i < 5000; i++) {
        json_t *event = qmp_event(qmp);
        g_autofree char *expected = g_strdup_printf("%u", i);
        g_assert_cmpstr(json_string_value(json_object_get(event, "event")), ==, expected);
        json_decref(event);
    }
    g_assert_null(qmp_event(qmp));
    shutdown(ends[1], SHUT_RDWR);
    close(ends[1]);
    g_thread_join(thread);
    g_assert_false(qmp_look(qmp, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

static void
test_qmp_bad(void)
{
    g_autofree char *flood = g_strnfill(QMP_LINE_MAX + 300000, 'x');
    const struct {
        const char *script;
        gboolean open; /* the peer stays */
        enum slipway_error code;
    } rows[] = {
        {"\n", FALSE, SLIPWAY_ERROR_IO},
        {"\n", TRUE, SLIPWAY_ERROR_FAILED},
        {"hello\n", TRUE, SLIPWAY_ERROR_CORRUPT},
        {"[1]\n", TRUE, SLIPWAY_ERROR_CORRUPT},
        {HELLO, TRUE, SLIPWAY_ERROR_FAILED},
        {HELLO, FALSE, SLIPWAY_ERROR_IO},
        {HELLO "{\"return\":{},\"id\":\"1\"}\n", TRUE, SLIPWAY_ERROR_FAILED},
        {HELLO "\377\376\n", TRUE, SLIPWAY_ERROR_CORRUPT},
        {flood, FALSE, SLIPWAY_ERROR_LIMIT},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        int peer;
        g_assert_null(
            open_qmp(rows[i].script, strlen(rows[i].script), rows[i].open ? &peer : NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, (gint)rows[i].code);
    }
}

/* ---- Processes ------------------------------------------------------------------------------- */

static void
test_process(void)
{
    g_autoptr(GError) error = NULL;
    const char *const argv[] = {"/bin/sh", "-c", "echo sh: some words >&2; cat <&4 >&3; exit 7",
                                NULL};
    int out[2], in[2];
    g_assert_true(pipe(out) == 0 && pipe(in) == 0);
    const int fds[] = {out[1], in[0]};
    auto_ptr(boot_process) process = boot_process_start(argv, fds, 2, FALSE, &error);
    g_assert_no_error(error);
    close(out[1]);
    close(in[0]);
    g_assert_false(boot_process_wait(process, 100));
    g_assert_cmpint(write(in[1], "through", 7), ==, 7);
    close(in[1]);
    g_assert_true(boot_process_wait(process, 10000));
    g_assert_cmpint(boot_process_status(process), ==, 7);
    g_autofree char *end = boot_process_end_words(process), *words = boot_process_words(process);
    g_assert_cmpstr(end, ==, "exit status 7");
    g_assert_cmpstr(words, ==, "some words");
    char back[16];
    g_assert_cmpint(read(out[0], back, sizeof back), ==, 7);
    g_assert_cmpmem(back, 7, "through", 7);
    close(out[0]);
}

/* Of root's rights nothing is left, nor of its groups; whoever is not root stays who they are. */
static void
test_process_humble(void)
{
    g_autoptr(GError) error = NULL;
    const char *const argv[] = {
        "/bin/sh", "-c", "id -u >&3; id -G | wc -w >&3; grep CapEff /proc/self/status >&3", NULL};
    int out[2];
    g_assert_cmpint(pipe(out), ==, 0);
    auto_ptr(boot_process) process = boot_process_start(argv, &out[1], 1, TRUE, &error);
    g_assert_no_error(error);
    close(out[1]);
    g_assert_true(boot_process_wait(process, 10000));
    char text[200];
    ssize_t n = read(out[0], text, sizeof text - 1);
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    guint user = (guint)strtoul(text, NULL, 10);
    if (geteuid() == 0) {
        g_assert_cmpuint(user, !=, 0);
        assert_has(text, "\n1\n");
        assert_has(text, "CapEff:\t0000000000000000");
    } else {
        g_assert_cmpuint(user, ==, geteuid());
    }
    close(out[0]);
}

static void
test_process_ends(void)
{
    g_autoptr(GError) error = NULL;
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    struct boot_process *process = boot_process_start(argv, NULL, 0, TRUE, &error);
    g_assert_no_error(error);
    pid_t pid = (pid_t)boot_process_id(process);
    g_assert_cmpint(getpgid(pid), ==, pid);
    boot_process_end(process, 50);
    g_autofree char *end = boot_process_end_words(process);
    g_assert_cmpstr(end, ==, "signal 9");
    g_assert_cmpint(boot_process_status(process), ==, -1);
    boot_process_free(process);
    g_assert_true(kill(pid, 0) != 0 && errno == ESRCH);
    const char *const missing[] = {"/nonexistent/program", NULL};
    process = boot_process_start(missing, NULL, 0, FALSE, &error);
    g_assert_no_error(error);
    g_assert_true(boot_process_wait(process, 10000));
    g_assert_cmpint(boot_process_status(process), ==, 127);
    boot_process_free(process);
}

/* Whoever started it is killed: so is it. */
static void
test_process_dies_with_us(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t middle = fork(), grandchild = 0;
    if (middle == 0) {
        const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct boot_process *process = boot_process_start(argv, NULL, 0, TRUE, NULL);
        pid_t pid = process != NULL ? (pid_t)boot_process_id(process) : 0;
        if (write(ends[1], &pid, sizeof pid) == sizeof pid)
            pause();
        _exit(1);
    }
    g_assert_cmpint(read(ends[0], &grandchild, sizeof grandchild), ==, sizeof grandchild);
    g_assert_cmpint(grandchild, >, 0);
    g_assert_cmpint(kill(grandchild, 0), ==, 0);
    kill(middle, SIGKILL);
    waitpid(middle, NULL, 0);
    g_autofree char *stat = g_strdup_printf("/proc/%d/stat", grandchild);
    gboolean gone = FALSE;
    for (guint i = 0; i < 500 && !gone; i++) {
        g_autofree char *text = NULL;
        gone = !g_file_get_contents(stat, &text, NULL, NULL) || strstr(text, ") Z ") != NULL;
        g_usleep(10000);
    }
    g_assert_true(gone);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Command lines --------------------------------------------------------------------------- */

static char *
make_line(const struct boot_hardware *hardware, const char *const *exports, GError **error)
{
    g_auto(GStrv) argv =
        boot_arguments("/usr/bin/qemu", hardware, BOOT_ACCELERATOR_TCG, NULL, exports, error);
    return argv != NULL ? g_strjoinv(" ", argv) : NULL;
}

static void
test_arguments(void)
{
    static const char *const exports[] = {"disk0", "a \"b\", {c}", "3", "4", "5", "6", "7", NULL};
    struct boot_hardware hardware = {.firmware = BOOT_FIRMWARE_BIOS,
                                     .bus = BOOT_BUS_SATA,
                                     .display = BOOT_DISPLAY_VNC,
                                     .vnc_password = "hidden77"};
    g_autoptr(GError) error = NULL;
    g_autofree char *line = make_line(&hardware, exports, &error);
    g_assert_no_error(error);
    assert_has(line, "\"server\":{\"type\":\"fd\",\"str\":\"9\"}");
    assert_has(line, "\"export\":\"a \\\"b\\\", {c}\"");
    assert_has(line, "ide-hd,drive=disk5,bootindex=6,werror=report,rerror=report,bus=ide.5");
    assert_has(line, "-device ahci,id=sata1");
    assert_has(line, "bus=sata1.0");
    assert_has(line, "-netdev user,id=net,restrict=on");
    assert_has(line, "-vnc 127.0.0.1:0,to=200,password=on");
    assert_has(line, "-sandbox on,");
    g_assert_null(strstr(line, "hidden77"));
    hardware.no_network = TRUE;
    hardware.display = BOOT_DISPLAY_NONE;
    hardware.bus = BOOT_BUS_PVSCSI;
    g_autofree char *other = make_line(&hardware, exports, &error);
    g_assert_null(strstr(other, "-netdev"));
    g_assert_null(strstr(other, "-vnc"));
    assert_has(other, "-device pvscsi,id=scsi");
    assert_has(other, "bus=scsi.0,scsi-id=6");
    hardware.bus = BOOT_BUS_IDE;
    g_assert_null(make_line(&hardware, exports, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

/* ---- QEMU without disks ---------------------------------------------------------------------- */

static const char *const no_disks[] = {NULL};

static gboolean
have_qemu(void)
{
    g_autofree char *path = g_find_program_in_path("qemu-system-x86_64");
    if (path == NULL)
        g_test_skip("qemu-system-x86_64 is not installed");
    return path != NULL;
}

/* What the firmware writes on the screen, as PPM and PNG, and how it ends. */
static void
run_machine(const struct boot_hardware *hardware)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(boot_machine) machine = boot_machine_start(hardware, no_disks, NULL, &error);
    g_assert_no_error(error);
    guint colours = 0;
    for (guint i = 0; i < 120 && colours < 2; i++) {
        struct boot_screen screen;
        g_assert_cmpint(boot_machine_watch(machine, 250), ==, BOOT_RUNS);
        boot_machine_ping_agent(machine);
        g_autoptr(GBytes) dump = boot_machine_screen(machine, FALSE, 64 << 20, &error);
        g_assert_no_error(error);
        boot_screen_parse(dump, &screen, &error);
        g_assert_no_error(error);
        colours = boot_screen_colours(&screen, 64);
    }
    g_assert_cmpuint(colours, >=, 2);
    g_autoptr(GBytes) png = boot_machine_screen(machine, TRUE, 4 << 20, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(png), >, 100);
    g_assert_cmpmem(g_bytes_get_data(png, NULL), 8, "\211PNG\r\n\032\n", 8);
    g_assert_null(boot_machine_screen(machine, TRUE, 99, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    boot_machine_stop(machine, 0);
    g_assert_cmpint(boot_machine_watch(machine, 100), ==, BOOT_ENDED);
    g_autofree char *end = boot_machine_end_words(machine);
    g_assert_cmpstr(end, ==, "exit status 0");
}

static void
test_machine_bios(void)
{
    struct boot_hardware hardware = {.firmware = BOOT_FIRMWARE_BIOS,
                                     .bus = BOOT_BUS_SATA,
                                     .accelerator = BOOT_ACCELERATOR_TCG,
                                     .memory = 128,
                                     .hold = TRUE};
    if (have_qemu())
        run_machine(&hardware);
}

static void
test_machine_uefi(void)
{
    struct boot_hardware hardware = {.firmware = BOOT_FIRMWARE_UEFI,
                                     .bus = BOOT_BUS_VIRTIO,
                                     .accelerator = BOOT_ACCELERATOR_TCG,
                                     .memory = 256,
                                     .no_network = TRUE};
    if (have_qemu() && g_file_test("/usr/share/OVMF", G_FILE_TEST_IS_DIR))
        run_machine(&hardware);
}

/* With a display for people, with its password; and killed from outside. */
static void
test_machine_vnc(void)
{
    g_autoptr(GError) error = NULL;
    struct boot_hardware hardware = {.firmware = BOOT_FIRMWARE_BIOS,
                                     .bus = BOOT_BUS_SCSI,
                                     .accelerator = BOOT_ACCELERATOR_TCG,
                                     .memory = 64,
                                     .display = BOOT_DISPLAY_VNC,
                                     .vnc_password = "secret88"};
    if (!have_qemu())
        return;
    auto_ptr(boot_machine) machine = boot_machine_start(&hardware, no_disks, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(boot_machine_vnc(machine));
    g_assert_true(g_str_has_prefix(boot_machine_vnc(machine), "127.0.0.1:59"));
    kill((pid_t)boot_machine_pid(machine), SIGKILL);
    enum boot_state state = BOOT_RUNS;
    for (gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
         state == BOOT_RUNS && g_get_monotonic_time() < end;) {
        char rest[4096];
        state = boot_machine_watch(machine, 1000);
        boot_machine_read_serial(machine, rest, sizeof rest);
        boot_machine_read_agent(machine, rest, sizeof rest);
    }
    g_assert_cmpint(state, ==, BOOT_ENDED);
    g_autofree char *end = boot_machine_end_words(machine);
    g_assert_cmpstr(end, ==, "signal 9");
    boot_machine_stop(machine, 1000);
}

/* What QEMU does not like is told in its words: a server that hangs up. */
static void
test_machine_fails(void)
{
    g_autoptr(GError) error = NULL;
    static const char *const disks[] = {"disk0", NULL};
    struct boot_hardware hardware = {
        .firmware = BOOT_FIRMWARE_BIOS, .bus = BOOT_BUS_SATA, .accelerator = BOOT_ACCELERATOR_TCG};
    int ends[2];
    if (!have_qemu())
        return;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    close(ends[1]);
    g_assert_null(boot_machine_start(&hardware, disks, ends, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    assert_has(error->message, "\"driver\":\"nbd\"");
    close(ends[0]);
}

/* Either it works, or there are words why not; and then TCG is taken. */
static void
test_kvm(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL, *qemu = g_find_program_in_path("qemu-system-x86_64");
    if (!have_qemu())
        return;
    gboolean works = boot_kvm_works(qemu, &why);
    g_assert_true(works == (why == NULL));
    g_test_message("KVM: %s", works ? "works" : why);
    struct boot_hardware hardware = {
        .firmware = BOOT_FIRMWARE_BIOS, .bus = BOOT_BUS_SATA, .memory = 64};
    auto_ptr(boot_machine) machine = boot_machine_start(&hardware, no_disks, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(boot_machine_accelerator(machine), ==,
                    works ? BOOT_ACCELERATOR_KVM : BOOT_ACCELERATOR_TCG);
    g_assert_true((boot_machine_no_kvm(machine) == NULL) == works);
    hardware.accelerator = BOOT_ACCELERATOR_KVM;
    auto_ptr(boot_machine) kvm = boot_machine_start(&hardware, no_disks, NULL, &error);
    g_assert_true((kvm != NULL) == works);
    if (!works)
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot-qmp/answers", test_qmp_answers);
    g_test_add_func("/boot-qmp/events", test_qmp_events);
    g_test_add_func("/boot-qmp/bad", test_qmp_bad);
    g_test_add_func("/boot-process/run", test_process);
    g_test_add_func("/boot-process/humble", test_process_humble);
    g_test_add_func("/boot-process/ends", test_process_ends);
    g_test_add_func("/boot-process/dies-with-us", test_process_dies_with_us);
    g_test_add_func("/boot-arguments", test_arguments);
    g_test_add_func("/boot-machine/bios", test_machine_bios);
    g_test_add_func("/boot-machine/uefi", test_machine_uefi);
    g_test_add_func("/boot-machine/vnc", test_machine_vnc);
    g_test_add_func("/boot-machine/fails", test_machine_fails);
    g_test_add_func("/boot-machine/kvm", test_kvm);
    return g_test_run();
}
