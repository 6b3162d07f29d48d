/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "cli/run.h"

#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static void
stop(int number)
{
    cancel_request();
    /* The second time whoever presses the keys means it. */
    signal(number, SIG_DFL);
}

static void
prepare_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    /* A reader that goes away shows as EPIPE of the write. */
    signal(SIGPIPE, SIG_IGN);
}

/* A closed standard stream would be the descriptor of the next file that is opened, and what is
 * printed would land in it.  Opened the wrong way round, its use still fails. */
static void
prepare_streams(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDWR};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            _exit(1);
    }
}

int
main(int argc, char **argv)
{
    prepare_streams();
    prepare_signals();
    setlocale(LC_CTYPE, "");
    return run_command_line(argc, argv);
}
