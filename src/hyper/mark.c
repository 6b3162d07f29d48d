/* SPDX-License-Identifier: GPL-3.0-or-later */
/* START is the boot, the namespace of processes and the clock ticks, in hex: a computer that was
 * started anew, or another container on it, has the same numbers of processes again. */
#include "hyper/mark.h"

#include "base/digest.h"
#include "base/random.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "slipway-"
#define OWNER_LENGTH 12u
#define BOOT_LENGTH 8u
#define SPACE_LENGTH 4u
#define RANDOM_LENGTH 8u
#define SOURCE_MAX 4096u

struct origin { /* the same for all marks of a process and its children */
    char owner[OWNER_LENGTH + 1];
    char boot[BOOT_LENGTH + 1];
    char space[SPACE_LENGTH + 1];
    gboolean certain; /* there is a machine id: no other computer has the same owner */
};

struct parts {
    char owner[OWNER_LENGTH + 1];
    guint64 pid;
    char boot[BOOT_LENGTH + 1];
    char space[SPACE_LENGTH + 1];
    guint64 ticks;
};

/* Files of the kernel have no size; "" when there is none. */
static char *
read_text(const char *path)
{
    char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    return g_strstrip(text);
}

static void
shorten(const char *text, char *ret, gsize length)
{
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, text, strlen(text));
    g_strlcpy(ret, hex, length + 1);
}

static const struct origin *
here(void)
{
    static struct origin origin;
    static gsize once;
    if (g_once_init_enter(&once)) {
        g_autofree char *machine = read_text("/etc/machine-id");
        g_autofree char *boot = read_text("/proc/sys/kernel/random/boot_id");
        g_autofree char *space = g_file_read_link("/proc/self/ns/pid", NULL);
        /* Copies of one virtual machine have the same id, but hardly the same name too. */
        g_autofree char *owner =
            g_strdup_printf("slipway mark\n%s\n%s", machine, g_get_host_name());
        origin.certain = *machine != '\0' && !g_str_equal(machine, "uninitialized");
        shorten(owner, origin.owner, OWNER_LENGTH);
        shorten(boot, origin.boot, BOOT_LENGTH);
        shorten(space != NULL ? space : "", origin.space, SPACE_LENGTH);
        g_once_init_leave(&once, 1);
    }
    return &origin;
}

/* What the kernel says of process `pid`: its state, and when it began, in clock ticks since the
 * boot: fields 3 and 22, behind a name that may hold anything.  FALSE when it does not say. */
static gboolean
look_up(guint64 pid, char *ret_state, guint64 *ret_ticks)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GUINT64_FORMAT "/stat", pid);
    g_autofree char *text = read_text(path);
    const char *rest = strrchr(text, ')');
    if (rest == NULL)
        return FALSE;
    g_auto(GStrv) fields = g_strsplit(rest + 1, " ", 24);
    if (g_strv_length(fields) < 21)
        return FALSE;
    *ret_state = *fields[1];
    return g_ascii_string_to_unsigned(fields[20], 10, 0, G_MAXUINT64, ret_ticks, NULL);
}

/* TRUE only when it is certain: /proc may be missing, or hide what is another user's, where at
 * least the number tells. */
static gboolean
is_gone(guint64 pid, guint64 began)
{
    char state;
    guint64 ticks;
    if (look_up(pid, &state, &ticks))
        return state == 'Z' || state == 'X' || (began != 0 && ticks != began);
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

char *
mark_new(void)
{
    const struct origin *origin = here();
    guint64 ticks, pid = (guint64)getpid();
    char state;
    if (!look_up(pid, &state, &ticks))
        ticks = 0;
    guint32 number;
    if (!random_fill(&number, sizeof number, NULL))
        number = g_random_int();
    return g_strdup_printf(PREFIX "%s-%" G_GUINT64_FORMAT ".%s%s%" G_GINT64_MODIFIER "x.%08x",
                           origin->owner, pid, origin->boot, origin->space, ticks, number);
}

static gboolean
is_hex(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789abcdef")] == '\0';
}

static gboolean
parse_start(const char *text, struct parts *ret)
{
    if (!is_hex(text) || strlen(text) <= BOOT_LENGTH + SPACE_LENGTH)
        return FALSE;
    g_strlcpy(ret->boot, text, BOOT_LENGTH + 1);
    g_strlcpy(ret->space, text + BOOT_LENGTH, SPACE_LENGTH + 1);
    return g_ascii_string_to_unsigned(text + BOOT_LENGTH + SPACE_LENGTH, 16, 0, G_MAXUINT64,
                                      &ret->ticks, NULL);
}

/* OWNER-PID.START.RANDOM, exactly as mark_new() makes it: of anything else it is not certain that
 * it was made here. */
static gboolean
parse(const char *text, struct parts *ret)
{
    if (text == NULL || strlen(text) > MARK_MAX || !g_str_has_prefix(text, PREFIX))
        return FALSE;
    text += strlen(PREFIX);
    if (strlen(text) <= OWNER_LENGTH || text[OWNER_LENGTH] != '-')
        return FALSE;
    g_strlcpy(ret->owner, text, OWNER_LENGTH + 1);
    g_auto(GStrv) fields = g_strsplit(text + OWNER_LENGTH + 1, ".", 4);
    return is_hex(ret->owner) && g_strv_length(fields) == 3 && fields[0][0] != '0' &&
           g_ascii_string_to_unsigned(fields[0], 10, 1, G_MAXINT32, &ret->pid, NULL) &&
           parse_start(fields[1], ret) && is_hex(fields[2]) && strlen(fields[2]) == RANDOM_LENGTH;
}

enum mark_state
mark_look(const char *text)
{
    const struct origin *origin = here();
    struct parts parts;
    if (!parse(text, &parts))
        return MARK_FOREIGN;
    if (strcmp(parts.owner, origin->owner) != 0)
        return MARK_ELSEWHERE;
    /* Containers often have no machine id, and the same name on two computers. */
    if (strcmp(parts.boot, origin->boot) != 0)
        return origin->certain ? MARK_LEFT : MARK_ELSEWHERE;
    if (strcmp(parts.space, origin->space) != 0)
        return MARK_ELSEWHERE;
    return is_gone(parts.pid, parts.ticks) ? MARK_LEFT : MARK_ALIVE;
}
