/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/machine_secret.h"

#include "base/secret.h"

#include <string.h>

#define PASSWORD_MAX 256u

/* What is between `begin` and the next `end`, as it is printed: with its entities. */
static void
register_text(const char *begin, char end)
{
    const char *close = strchr(begin, end);
    if (close == NULL || close == begin || (gsize)(close - begin) > PASSWORD_MAX)
        return;
    char *text = g_strndup(begin, (gsize)(close - begin));
    secret_register(text);
    secret_free(text);
}

static void
register_attributes(const char *native)
{
    static const char name[] = "passwd=";
    for (const char *at = strstr(native, name); at != NULL; at = strstr(at, name)) {
        at += sizeof(name) - 1;
        if (*at == '\'' || *at == '"')
            register_text(at + 1, *at);
    }
}

/* <key>NAME</key><value ...>PASSWORD</value> */
static void
register_settings(const char *native)
{
    static const char name[] = "RemoteDisplay.vnc.password";
    for (const char *at = strstr(native, name); at != NULL; at = strstr(at, name)) {
        at += sizeof(name) - 1;
        const char *value = strstr(at, "<value"), *next = strstr(at, "<key");
        if (value == NULL || (next != NULL && next < value))
            continue;
        const char *begin = strchr(value, '>');
        if (begin != NULL)
            register_text(begin + 1, '<');
    }
}

void
machine_secret_register(const struct machine *machine)
{
    if (machine->native == NULL)
        return;
    register_attributes(machine->native);
    register_settings(machine->native);
}
