/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/man.h"

#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"

#include <string.h>

/* Of the last change of what the pages say, so that the same source gives the same pages. */
#define PAGE_DATE "November 23, 2026"

/* Append `text` so that mdoc prints it as it is. */
static void
append_text(GString *out, const char *text)
{
    gboolean line_begins = out->len == 0 || out->str[out->len - 1] == '\n';
    for (; *text != '\0'; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            g_string_append(out, "\\&");
        if (*text == '\\')
            g_string_append(out, "\\e");
        else if (*text == '-')
            g_string_append(out, "\\-");
        else if (*text == '`')
            g_string_append(out, "\\(ga");
        else if (*text == '~')
            g_string_append(out, "\\(ti");
        else
            g_string_append_c(out, *text);
        line_begins = *text == '\n';
    }
}

/* An argument of a macro: words that are macros themselves or punctuation must not be seen. */
static void
append_argument(GString *out, const char *text)
{
    g_string_append(out, "\\&");
    append_text(out, text);
}

/* Paragraphs, each sentence on its own line, as mdoc wants it to space them. */
static void
append_paragraphs(GString *out, const char *text)
{
    g_auto(GStrv) paragraphs = g_strsplit(text, "\n\n", -1);
    for (char **paragraph = paragraphs; *paragraph != NULL; paragraph++) {
        if (paragraph != paragraphs)
            g_string_append(out, ".Pp\n");
        g_autoptr(GString) lines = g_string_new(*paragraph);
        g_string_replace(lines, ". ", ".\n", 0);
        append_text(out, lines->str);
        g_string_append_c(out, '\n');
    }
}

static void
append_header(GString *out, const char *name, const char *summary)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    g_string_append_printf(out, ".Dd %s\n.Dt %s 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", PAGE_DATE, upper,
                           name);
    append_text(out, summary);
    g_string_append_c(out, '\n');
}

static void
append_option(GString *out, enum option_id id)
{
    const struct option *row = option_row(id);
    g_string_append(out, ".It ");
    if (row->letter != 0)
        g_string_append_printf(out, "Fl %c , ", row->letter);
    g_string_append(out, "Fl \\-");
    append_text(out, row->name);
    if (row->argument != NULL)
        g_string_append_printf(out, " Ar %s", row->argument);
    g_string_append_c(out, '\n');
    append_text(out, row->help);
    g_string_append_c(out, '\n');
}

static void
append_list_begin(GString *out)
{
    g_string_append(out, ".Bl -tag -width Ds\n");
}

static void
append_list_end(GString *out)
{
    g_string_append(out, ".El\n");
}

static void
append_synopsis(GString *out, const struct noun *noun, const struct verb *verb)
{
    g_string_append(out, ".Nm slipway\n.Cm ");
    append_argument(out, noun->name);
    if (verb->name != NULL) {
        g_string_append_c(out, ' ');
        append_argument(out, verb->name);
    }
    g_string_append_c(out, '\n');
    for (const struct operand *operand = verb->operands; operand->name != NULL; operand++)
        g_string_append_printf(out, ".%sAr %s%s\n", operand->optional ? "Op " : "", operand->name,
                               operand->repeat ? " ..." : "");
    if (verb->options[0] != OPTION_END)
        g_string_append(out, ".Op Ar options\n");
}

static void
append_verb(GString *out, const struct noun *noun, const struct verb *verb)
{
    g_string_append(out, ".Ss ");
    append_argument(out, verb->name);
    g_string_append_c(out, '\n');
    append_synopsis(out, noun, verb);
    g_string_append(out, ".Pp\n");
    append_paragraphs(out, verb->description);
    if (verb->options[0] == OPTION_END)
        return;
    append_list_begin(out);
    for (gsize i = 0; verb->options[i] != OPTION_END; i++)
        append_option(out, verb->options[i]);
    append_list_end(out);
}

static void
append_exit_status(GString *out)
{
    g_string_append(out, ".Sh EXIT STATUS\n");
    append_list_begin(out);
    g_string_append(out, ".It 0\neverything was done\n");
    for (gsize code = 0; code < SLIPWAY_ERROR_N; code++) {
        g_string_append_printf(out, ".It %d\n", error_code_exit((enum slipway_error)code));
        append_text(out, error_code_meaning((enum slipway_error)code));
        g_string_append_printf(out, "\n.Pq Ql %s\n", error_code_name((enum slipway_error)code));
    }
    append_list_end(out);
}

struct entry {
    const char *macro;
    const char *name;
    const char *meaning;
};

static const struct entry environment[] = {
    {"Ev", "SLIPWAY_WORKSPACE", "directory of the workspace when --workspace is not given"},
    {"Ev", "SLIPWAY_TOKEN", "download token for depots that need one"},
    {"Ev", "SLIPWAY_PASSWORD", "password that belongs to --user"},
    {"Ev", "SLIPWAY_STORE", "the store when --store is not given"},
    {"Ev", "SLIPWAY_PASSPHRASE", "passphrase of an encrypted store"},
    {"Ev", "SLIPWAY_HOSTS", "file of the hypervisors that are remembered"},
    {"Ev", "SLIPWAY_PROXY_PASSWORD", "password that belongs to --proxy-user"},
    {"Ev", "SLIPWAY_DATA_DIR", "directory of known-depots.json instead of the installed one"},
    {"Ev", "SOURCE_DATE_EPOCH", "time that is written into what is made; seconds since 1970"},
    {"Ev", "http_proxy , https_proxy , all_proxy , no_proxy",
     "proxies, when --proxy and --no-proxy are not given"},
    {"Ev", "XDG_STATE_HOME , XDG_CACHE_HOME , XDG_CONFIG_HOME",
     "where workspace, cache and settings are"},
    {"Ev", "COLUMNS", "width of the output when the terminal does not tell"},
};

static const struct entry files[] = {
    {"Pa", "\\(ti/.local/state/slipway/",
     "the workspace: connected depots and the user's own image profiles; its files may hold "
     "download tokens and are readable by their owner only"},
    {"Pa", "\\(ti/.cache/slipway/", "what was fetched from servers; may be deleted at any time"},
    {"Pa", "\\(ti/.config/slipway/known\\-depots.json",
     "known depots of the user, which add to those that came with the program"},
    {"Pa", "/etc/slipway/known\\-depots.json", "known depots of the machine"},
    {"Pa", "\\(ti/.config/slipway/hosts.json",
     "hypervisors that are remembered; passwords that are kept lie in files beside it, which only "
     "their owner can read"},
    {"Pa", "\\(ti/.netrc", "user names and passwords for servers"},
};

static void
append_entries(GString *out, const char *section, const struct entry *entries, gsize n)
{
    g_string_append_printf(out, ".Sh %s\n", section);
    append_list_begin(out);
    for (gsize i = 0; i < n; i++) {
        g_string_append_printf(out, ".It %s %s\n", entries[i].macro, entries[i].name);
        append_text(out, entries[i].meaning);
        g_string_append_c(out, '\n');
    }
    append_list_end(out);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
append_see_also(GString *out, const struct noun *self)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (self != NULL)
        g_ptr_array_add(names, g_strdup("slipway"));
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if (*noun != self && !(*noun)->hidden && command_alone(*noun) == NULL)
            g_ptr_array_add(names, g_strdup_printf("slipway-%s", (*noun)->name));
    }
    g_ptr_array_sort(names, compare_names);
    g_string_append(out, ".Sh SEE ALSO\n");
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(out, ".Xr %s 1%s\n", (const char *)names->pdata[i],
                               i + 1 < names->len ? " ," : "");
}

static void
append_examples(GString *out, const struct verb *const *verbs)
{
    gboolean any = FALSE;
    for (; *verbs != NULL; verbs++) {
        for (const struct example *example = (*verbs)->examples; example->command != NULL;
             example++) {
            g_string_append(out, any ? ".Pp\n" : ".Sh EXAMPLES\n");
            any = TRUE;
            append_text(out, example->meaning);
            g_string_append(out, ":\n.Pp\n.Dl ");
            append_argument(out, example->command);
            g_string_append_c(out, '\n');
        }
    }
}

static char *
noun_page(const struct noun *noun)
{
    GString *out = g_string_new(NULL);
    g_autofree char *name = g_strdup_printf("slipway-%s", noun->name);
    append_header(out, name, noun->summary);
    g_string_append(out, ".Sh SYNOPSIS\n");
    for (const struct verb *const *verb = noun->verbs; *verb != NULL; verb++)
        append_synopsis(out, noun, *verb);
    g_string_append(out, ".Sh DESCRIPTION\n");
    append_paragraphs(out, noun->description);
    g_string_append(out, ".Pp\nOptions that every command takes are in\n.Xr slipway 1 .\n");
    for (const struct verb *const *verb = noun->verbs; *verb != NULL; verb++)
        append_verb(out, noun, *verb);
    append_entries(out, "ENVIRONMENT", environment, G_N_ELEMENTS(environment));
    append_entries(out, "FILES", files, G_N_ELEMENTS(files));
    append_exit_status(out);
    append_examples(out, noun->verbs);
    append_see_also(out, noun);
    return g_string_free(out, FALSE);
}

static void
append_nouns(GString *out)
{
    g_string_append(out, ".Bl -tag -width completion\n");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if ((*noun)->hidden)
            continue;
        g_string_append(out, ".It Cm ");
        append_argument(out, (*noun)->name);
        g_string_append_c(out, '\n');
        append_text(out, (*noun)->summary);
        g_string_append_c(out, '\n');
        if (command_alone(*noun) == NULL)
            g_string_append_printf(out, ".Pq see Xr slipway-%s 1\n", (*noun)->name);
    }
    append_list_end(out);
}

static char *
program_page(void)
{
    GString *out = g_string_new(NULL);
    append_header(out, "slipway", "build installation media of ESXi, back up virtual machines");
    g_string_append(out, ".Sh SYNOPSIS\n.Nm\n.Ar noun\n.Ar verb\n.Op Ar argument ...\n"
                         ".Op Ar options\n.Nm\n.Cm help\n.Op Ar noun Op Ar verb\n"
                         ".Nm\n.Fl \\-version\n"
                         ".Sh DESCRIPTION\n.Nm\n");
    append_paragraphs(out,
                      "reads software depots, offline bundles and VIBs, keeps image profiles, and "
                      "writes installation ISOs and offline bundles of ESXi from them. It backs up "
                      "virtual machines of vSphere, libvirt and QEMU, and disks, into a store that "
                      "keeps equal data once; restores them; and serves backed-up disks as they "
                      "are.\n\n"
                      "What is connected and which profiles are one's own stays in the workspace "
                      "between two commands. The nouns are:");
    append_nouns(out);
    g_string_append(out, ".Pp\nOptions of every command may stand anywhere:\n");
    append_list_begin(out);
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
        append_option(out, id);
    append_list_end(out);
    g_string_append(out, ".Pp\n");
    append_paragraphs(out,
                      "Passwords and tokens are read from files or from the environment, never "
                      "from the command line, where everybody on the machine can see them. They "
                      "are hidden in everything that is printed.");
    append_entries(out, "ENVIRONMENT", environment, G_N_ELEMENTS(environment));
    append_entries(out, "FILES", files, G_N_ELEMENTS(files));
    append_exit_status(out);
    g_string_append(out, ".Sh EXAMPLES\nAn ISO of a release with one driver more:\n"
                         ".Bd -literal -offset indent\n"
                         "slipway depot add VMware\\-ESXi\\-8.0U3\\-depot.zip\n"
                         "slipway profile list\n"
                         "slipway profile new mine \\-\\-clone ESXi\\-8.0U3\\-24022510\\-standard\n"
                         "slipway profile add mine net\\-driver.vib \\-\\-lower\\-acceptance\n"
                         "slipway profile export mine \\-o mine.iso\n"
                         ".Ed\n");
    append_see_also(out, NULL);
    return g_string_free(out, FALSE);
}

char *
man_page(const struct noun *noun)
{
    return noun != NULL ? noun_page(noun) : program_page();
}

static gboolean
run_man(struct session *session, GError **error)
{
    const char *name = session_operand(session, 0);
    const struct noun *noun = name != NULL ? command_find_noun(name) : NULL;
    if (name != NULL && (noun == NULL || command_alone(noun) != NULL))
        return error_set(error, SLIPWAY_ERROR_USAGE, "there is no manual page for '%s'", name);
    g_autofree char *page = man_page(noun);
    ui_write(session_ui(session), page);
    return TRUE;
}

static const struct verb verb_man = {
    .summary = "print a manual page",
    .description = "Print the manual page of a noun, or of the program, in mdoc(7).",
    .operands = {{"NOUN", TRUE, FALSE, COMPLETE_NOUNS, NULL}},
    .run = run_man,
};
static const struct verb *const man_verbs[] = {&verb_man, NULL};
const struct noun noun_man = {"man", "print a manual page", NULL, man_verbs, TRUE};
