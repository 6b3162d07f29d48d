/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 20
#define WIDTH_MAX 1000
#define ANSWER_MAX 64
#define SECRET_LINE_MAX 4096

gboolean
terminal_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

gboolean
terminal_can_draw(FILE *stream)
{
    const char *term = g_getenv("TERM");
    return terminal_is(stream) && term != NULL && *term != '\0' && !g_str_equal(term, "dumb");
}

gsize
terminal_width(FILE *stream)
{
    struct winsize size;
    guint64 width = WIDTH_DEFAULT;
    const char *columns = g_getenv("COLUMNS");
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    else if (columns == NULL ||
             !g_ascii_string_to_unsigned(columns, 10, WIDTH_MIN, WIDTH_MAX, &width, NULL))
        width = WIDTH_DEFAULT;
    return (gsize)CLAMP(width, WIDTH_MIN, WIDTH_MAX);
}

gboolean
terminal_ask(const char *question)
{
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    char answer[ANSWER_MAX];
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        fputc('\n', stderr);
        return FALSE;
    }
    g_strstrip(answer);
    return g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
}

char *
terminal_ask_secret(const char *question)
{
    struct termios before, silent;
    fprintf(stderr, "%s: ", question);
    fflush(stderr);
    gboolean can = tcgetattr(STDIN_FILENO, &before) == 0;
    if (can) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    char line[SECRET_LINE_MAX];
    char *answer = fgets(line, sizeof line, stdin) != NULL ? g_strdup(line) : NULL;
    explicit_bzero(line, sizeof line);
    if (can)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    if (answer != NULL)
        answer[strcspn(answer, "\r\n")] = '\0';
    return answer;
}
