/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_process.h"

#include "base/error.h"
#include "disk/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 4096u
#define WAIT_USEC (10 * 1000)
#define FD_FREE 128 /* beyond all that the program is given */
#define NOBODY 65534

struct boot_process {
    char *name;
    pid_t pid;
    gboolean ended;
    int status;    /* of waitpid() */
    int stderr_fd; /* reads without waiting */
};

/* ---- Starting -------------------------------------------------------------------------------- */

/* Who the program is to be; looked up before there is a fork. */
struct identity {
    gboolean change;
    uid_t user;
    gid_t group;
};

static struct identity
find_identity(gboolean humble)
{
    struct identity who = {.change = humble && geteuid() == 0, .user = NOBODY, .group = NOBODY};
    const struct passwd *nobody = who.change ? getpwnam("nobody") : NULL;
    if (nobody != NULL) {
        who.user = nobody->pw_uid;
        who.group = nobody->pw_gid;
    }
    const struct group *kvm = who.change ? getgrnam("kvm") : NULL;
    if (kvm != NULL)
        who.group = kvm->gr_gid;
    return who;
}

/* The system calls themselves: those of libc tell other threads, of which there are none here. */
static gboolean
take_identity(const struct identity *who)
{
    return !who->change || (syscall(SYS_setgroups, 0, NULL) == 0 &&
                            syscall(SYS_setresgid, who->group, who->group, who->group) == 0 &&
                            syscall(SYS_setresuid, who->user, who->user, who->user) == 0);
}

/* Between fork and exec of a process with threads: nothing but system calls. */
static G_NORETURN void
become(const char *const *argv, const int *fds, guint n, const struct identity *who, pid_t parent)
{
    int stderr_fd = fds[n];
    struct sigaction plain = {.sa_handler = SIG_DFL};
    const struct rlimit file = {BOOT_PROCESS_FILE_MAX, BOOT_PROCESS_FILE_MAX}, core = {0, 0};
    sigset_t none;
    int null = open("/dev/null", O_RDWR);
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &plain, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    setrlimit(RLIMIT_FSIZE, &file);
    setrlimit(RLIMIT_CORE, &core); /* it has a guest's memory */
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(stderr_fd, STDERR_FILENO) < 0)
        _exit(127);
    for (guint i = 0; i < n; i++)
        if (dup2(fds[i], BOOT_PROCESS_FD + (int)i) < 0)
            _exit(127);
    close_range(BOOT_PROCESS_FD + n, ~0u, 0);
    /* Another identity forgets what the parent's death means. */
    if (!take_identity(who) || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(127);
    /* Whoever started us may be gone already, and then nobody would end us. */
    if (getppid() == parent)
        execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void
close_all(const int *fds, guint n)
{
    for (guint i = 0; i < n; i++)
        close(fds[i]);
}

/* Copies out of the way of where they are to be. */
static gboolean
copy_all(const int *fds, guint n, int *ret)
{
    for (guint i = 0; i < n; i++) {
        ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_FREE);
        if (ret[i] < 0) {
            close_all(ret, i);
            return FALSE;
        }
    }
    return TRUE;
}

static pid_t
spawn(const char *const *argv, const int *fds, guint n, gboolean humble, int stderr_fd)
{
    struct identity who = find_identity(humble);
    int copies[BOOT_PROCESS_FDS_MAX + 1], all[BOOT_PROCESS_FDS_MAX + 1];
    for (guint i = 0; i < n; i++)
        all[i] = fds[i];
    all[n] = stderr_fd;
    if (!copy_all(all, n + 1, copies))
        return -1;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, copies, n, &who, parent);
    int number = errno;
    if (pid > 0)
        setpgid(pid, pid); /* by whoever is first of the two */
    close_all(copies, n + 1);
    errno = number;
    return pid;
}

struct boot_process *
boot_process_start(const char *const *argv, const int *fds, guint n, gboolean humble,
                   GError **error)
{
    int ends[2];
    g_autofree char *name = g_path_get_basename(argv[0]);
    g_assert(n <= BOOT_PROCESS_FDS_MAX);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        error_set_errno(error, errno, "cannot start %s", name);
        return NULL;
    }
    pid_t pid = spawn(argv, fds, n, humble, ends[1]);
    int number = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        error_set_errno(error, number, "cannot start %s", name);
        return NULL;
    }
    struct boot_process *process = g_new0(struct boot_process, 1);
    process->name = g_steal_pointer(&name);
    process->pid = pid;
    process->stderr_fd = ends[0];
    return process;
}

/* ---- What becomes of it ---------------------------------------------------------------------- */

gint64
boot_process_id(const struct boot_process *process)
{
    return process->pid;
}

static gboolean
look(struct boot_process *process)
{
    if (!process->ended)
        process->ended = waitpid(process->pid, &process->status, WNOHANG) == process->pid;
    return process->ended;
}

gboolean
boot_process_wait(struct boot_process *process, guint milliseconds)
{
    gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    while (!look(process)) {
        if (g_get_monotonic_time() >= end)
            return FALSE;
        g_usleep(WAIT_USEC);
    }
    return TRUE;
}

int
boot_process_status(const struct boot_process *process)
{
    return process->ended && WIFEXITED(process->status) ? WEXITSTATUS(process->status) : -1;
}

char *
boot_process_end_words(const struct boot_process *process)
{
    if (WIFSIGNALED(process->status))
        return g_strdup_printf("signal %d", WTERMSIG(process->status));
    return g_strdup_printf("exit status %d", WEXITSTATUS(process->status));
}

char *
boot_process_words(struct boot_process *process)
{
    char text[WORDS_MAX + 1];
    ssize_t n = read(process->stderr_fd, text, WORDS_MAX);
    if (n <= 0)
        return NULL;
    text[n] = '\0';
    return qemu_img_words(process->name, text);
}

void
boot_process_end(struct boot_process *process, guint milliseconds)
{
    if (boot_process_wait(process, milliseconds))
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
        continue;
    process->ended = TRUE;
}

void
boot_process_free(struct boot_process *process)
{
    if (process == NULL)
        return;
    boot_process_end(process, 0);
    close(process->stderr_fd);
    g_free(process->name);
    g_free(process);
}
