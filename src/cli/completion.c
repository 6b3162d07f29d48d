/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/completion.h"

#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "esx/known_depots.h"
#include "hyper/host_list.h"
#include "store/store_sets.h"

/* Kinds of names that the script asks the program for: `slipway complete KIND`. */
static const char *const kinds[] = {
    [COMPLETE_DEPOTS] = "depots",     [COMPLETE_KNOWN] = "known",
    [COMPLETE_PROFILES] = "profiles", [COMPLETE_OWN_PROFILES] = "own-profiles",
    [COMPLETE_PACKAGES] = "packages", [COMPLETE_SETS] = "sets",
    [COMPLETE_MACHINES] = "machines", [COMPLETE_HOSTS] = "hosts",
};

static const char script_head[] =
    "# Completion of slipway for bash; made by `slipway completion bash`.\n"
    "\n"
    "_slipway_words()\n"
    "{\n"
    "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "_slipway_files()\n"
    "{\n"
    "    local name\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    while IFS= read -r name; do\n"
    "        COMPREPLY+=(\"$name\")\n"
    "    done < <(compgen \"$1\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "# Names that only the program knows; nothing is fetched for them.\n"
    "_slipway_ask()\n"
    "{\n"
    "    local name\n"
    "    while IFS= read -r name; do\n"
    "        if [[ $name == \"$cur\"* ]]; then\n"
    "            COMPREPLY+=(\"$(printf %q \"$name\")\")\n"
    "        fi\n"
    "    done < <(\"${COMP_WORDS[0]}\" complete \"$1\" --offline --quiet \"${place[@]}\" "
    "2>/dev/null)\n"
    "}\n"
    "\n";

static const char script_walk[] =
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local noun='' verb='' word operand=0 i\n"
    "    local -a place=()\n"
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $valued == *\" $word \"* ]]; then\n"
    "            [[ ${COMP_WORDS[i+1]} == = ]] && ((i++))\n"
    "            [[ $word == -w || $word == --workspace ]] && place=(-w \"${COMP_WORDS[i+1]}\")\n"
    "            ((i++))\n"
    "        elif [[ $word == -* ]]; then\n"
    "            :\n"
    "        elif [[ -z $noun ]]; then\n"
    "            noun=$word\n"
    "            [[ $alone == *\" $noun \"* ]] && verb=-\n"
    "        elif [[ -z $verb ]]; then\n"
    "            verb=$word\n"
    "        else\n"
    "            ((operand++))\n"
    "        fi\n"
    "    done\n"
    "\n";

static const char *
verb_name(const struct verb *verb)
{
    return verb->name != NULL ? verb->name : "-";
}

static void
append_action(GString *out, enum complete complete, const char *words)
{
    switch (complete) {
    case COMPLETE_NONE:
        g_string_append(out, ":");
        break;
    case COMPLETE_FILE:
        g_string_append(out, "_slipway_files -f");
        break;
    case COMPLETE_DIRECTORY:
        g_string_append(out, "_slipway_files -d");
        break;
    case COMPLETE_WORDS:
        g_string_append_printf(out, "_slipway_words '%s'", words);
        break;
    case COMPLETE_NOUNS:
        g_string_append(out, "_slipway_words \"$nouns\"");
        break;
    case COMPLETE_KNOWN:
    case COMPLETE_PACKAGES: /* or a file */
        g_string_append_printf(out, "_slipway_ask %s; _slipway_files -f", kinds[complete]);
        break;
    default:
        g_string_append_printf(out, "_slipway_ask %s", kinds[complete]);
    }
}

/* A case for the value of an option: `place` is "NOUN VERB" or "*". */
static void
append_value_case(GString *out, const char *place, enum option_id id)
{
    const struct option *row = option_row(id);
    if (row->kind == OPTION_FLAG)
        return;
    gboolean quoted = *place != '*';
    g_string_append_printf(out, quoted ? "    '%s --%s'" : "    %s' --%s'", place, row->name);
    if (row->letter != 0)
        g_string_append_printf(out, quoted ? " | '%s -%c'" : " | %s' -%c'", place, row->letter);
    g_string_append(out, ") ");
    append_action(out, row->complete, row->words);
    g_string_append(out, "; return ;;\n");
}

static void
append_values(GString *out)
{
    g_string_append(out, "    case \"$noun $verb $prev\" in\n");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        for (const struct verb *const *verb = (*noun)->verbs; *verb != NULL; verb++) {
            g_autofree char *place = g_strdup_printf("%s %s", (*noun)->name, verb_name(*verb));
            for (gsize i = 0; (*verb)->options[i] != OPTION_END; i++)
                append_value_case(out, place, (*verb)->options[i]);
        }
    }
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
        append_value_case(out, "*", id);
    g_string_append(out, "    esac\n\n");
}

static void
append_option_words(GString *out, const struct verb *verb)
{
    for (gsize i = 0; verb->options[i] != OPTION_END; i++)
        g_string_append_printf(out, "--%s ", option_row(verb->options[i])->name);
}

static void
append_options(GString *out)
{
    g_string_append(out, "    if [[ $cur == -* ]]; then\n        case \"$noun $verb\" in\n");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        for (const struct verb *const *verb = (*noun)->verbs; *verb != NULL; verb++) {
            if ((*verb)->options[0] == OPTION_END)
                continue;
            g_string_append_printf(out, "        '%s %s') _slipway_words '", (*noun)->name,
                                   verb_name(*verb));
            append_option_words(out, *verb);
            g_string_append(out, "' ;;\n");
        }
    }
    g_string_append(out, "        esac\n        _slipway_words \"$global\"\n        return\n"
                         "    fi\n\n");
}

static void
append_operands(GString *out)
{
    g_string_append(out, "    case \"$noun $verb $operand\" in\n    ' '*) _slipway_words \"$nouns\""
                         " ;;\n");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if (command_alone(*noun) == NULL) {
            g_string_append_printf(out, "    '%s  '*) _slipway_words '", (*noun)->name);
            for (const struct verb *const *verb = (*noun)->verbs; *verb != NULL; verb++)
                g_string_append_printf(out, "%s ", (*verb)->name);
            g_string_append_c(out, '\'');
            if ((*noun)->otherwise != NULL) {
                const struct operand *first = (*noun)->otherwise->operands;
                g_string_append(out, "; ");
                append_action(out, first->complete, first->words);
            }
            g_string_append(out, " ;;\n");
        }
        for (const struct verb *const *verb = (*noun)->verbs; *verb != NULL; verb++) {
            const struct operand *operand = (*verb)->operands;
            for (guint i = 0; operand->name != NULL; operand++, i++) {
                g_autofree char *number = g_strdup_printf(" %u'", i);
                g_string_append_printf(out, "    '%s %s%s) ", (*noun)->name, verb_name(*verb),
                                       operand->repeat ? " '*" : number);
                append_action(out, operand->complete, operand->words);
                g_string_append(out, " ;;\n");
            }
        }
    }
    g_string_append(out, "    esac\n");
}

static void
append_lists(GString *out)
{
    g_string_append(out, "    local valued=' ");
    for (enum option_id id = OPTION_END + 1; id < OPTION_N; id++) {
        const struct option *row = option_row(id);
        if (row->kind == OPTION_FLAG)
            continue;
        g_string_append_printf(out, "--%s ", row->name);
        if (row->letter != 0)
            g_string_append_printf(out, "-%c ", row->letter);
    }
    g_string_append(out, "'\n    local global='");
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
        g_string_append_printf(out, "--%s ", option_row(id)->name);
    g_string_append(out, "'\n    local nouns='");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++)
        g_string_append_printf(out, "%s%s", (*noun)->hidden ? "" : (*noun)->name,
                               (*noun)->hidden ? "" : " ");
    g_string_append(out, "'\n    local alone=' ");
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if (command_alone(*noun) != NULL)
            g_string_append_printf(out, "%s ", (*noun)->name);
    }
    g_string_append(out, "'\n");
}

char *
completion_bash(void)
{
    GString *out = g_string_new(script_head);
    g_string_append(out, "_slipway()\n{\n");
    append_lists(out);
    g_string_append(out, script_walk);
    append_values(out);
    append_options(out);
    append_operands(out);
    g_string_append(out, "}\n\ncomplete -F _slipway slipway\n");
    return g_string_free(out, FALSE);
}

static gboolean
run_completion(struct session *session, GError **error)
{
    const char *shell = session_operand(session, 0);
    if (!g_str_equal(shell, "bash"))
        return error_set(error, SLIPWAY_ERROR_USAGE, "no completion for '%s', only for bash",
                         shell);
    g_autofree char *script = completion_bash();
    ui_write(session_ui(session), script);
    return TRUE;
}

static const struct verb verb_completion = {
    .summary = "print a completion script for the shell",
    .description = "Print a script that completes nouns, verbs, options, files and the names of "
                   "depots, image profiles and packages. SHELL is bash.",
    .operands = {{"SHELL", FALSE, FALSE, COMPLETE_WORDS, "bash"}},
    .examples = {{"eval \"$(slipway completion bash)\"", "use it in this shell"}},
    .run = run_completion,
};
static const struct verb *const completion_verbs[] = {&verb_completion, NULL};
const struct noun noun_completion = {"completion", "print a completion script for the shell", NULL,
                                     completion_verbs, FALSE};

static void
print_profiles(struct ui *ui, const GPtrArray *profiles)
{
    for (guint i = 0; i < profiles->len; i++)
        ui_print(ui, "%s\n", ((const struct profile *)profiles->pdata[i])->name);
}

static gboolean
print_depot_names(struct session *session, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    const GPtrArray *depots = workspace_depots(workspace);
    for (guint i = 0; i < depots->len; i++)
        ui_print(session_ui(session), "%s\n",
                 ((const struct workspace_depot *)depots->pdata[i])->name);
    return TRUE;
}

static gboolean
print_known_names(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) known = known_depots_load(error);
    if (known == NULL)
        return FALSE;
    for (guint i = 0; i < known->len; i++)
        ui_print(session_ui(session), "%s\n", ((const struct known_depot *)known->pdata[i])->name);
    return TRUE;
}

static gboolean
print_own_profiles(struct session *session, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    print_profiles(session_ui(session), workspace_profiles(workspace));
    return TRUE;
}

static gboolean
print_all_profiles(struct session *session, GError **error)
{
    struct depot_set *set = session_depots(session, error);
    if (set == NULL || !print_own_profiles(session, error))
        return FALSE;
    const GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++)
        print_profiles(session_ui(session), ((const struct depot *)depots->pdata[i])->profiles);
    return TRUE;
}

static gboolean
print_package_names(struct session *session, GError **error)
{
    struct depot_set *set = session_depots(session, error);
    if (set == NULL)
        return FALSE;
    g_autoptr(GPtrArray) packages = depot_set_packages(set);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        if (g_hash_table_add(seen, package->vib->name))
            ui_print(session_ui(session), "%s\n", package->vib->name);
    }
    return TRUE;
}

/* The sets of the store; nothing where a passphrase would have to be asked for. */
static GPtrArray *
list_sets(struct session *session, GError **error)
{
    gboolean is_default;
    g_autofree char *location = session_store_location(session, &is_default);
    struct repo *repo = repo_directory_open(location, FALSE, error);
    struct store *store = repo != NULL ? store_open(repo, NULL, error) : NULL;
    GPtrArray *damaged = NULL;
    GPtrArray *list = store != NULL ? store_sets_list(store, &damaged, error) : NULL;
    g_clear_pointer(&damaged, g_ptr_array_unref);
    store_close(store);
    return list;
}

static gboolean
print_set_ids(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) list = list_sets(session, error);
    for (guint i = 0; list != NULL && i < list->len; i++) {
        char id[SET_ID_TEXT];
        const struct set_entry *entry = list->pdata[i];
        ui_print(session_ui(session), "%.12s\n", set_id_format(&entry->set->id, id));
    }
    return list != NULL;
}

static gboolean
print_machines(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) list = list_sets(session, error);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; list != NULL && i < list->len; i++) {
        const struct set_entry *entry = list->pdata[i];
        if (g_hash_table_add(seen, entry->set->name))
            ui_print(session_ui(session), "%s\n", entry->set->name);
    }
    return list != NULL;
}

static gboolean
print_hosts(struct session *session, GError **error)
{
    auto_ptr(host_list) list = host_list_read(error);
    for (guint i = 0; list != NULL && i < list->hosts->len; i++)
        ui_print(session_ui(session), "%s\n", ((const struct host *)list->hosts->pdata[i])->name);
    return list != NULL;
}

static gboolean
run_complete(struct session *session, GError **error)
{
    static gboolean (*const print[])(struct session *, GError **) = {
        [COMPLETE_DEPOTS] = print_depot_names,     [COMPLETE_KNOWN] = print_known_names,
        [COMPLETE_PROFILES] = print_all_profiles,  [COMPLETE_OWN_PROFILES] = print_own_profiles,
        [COMPLETE_PACKAGES] = print_package_names, [COMPLETE_SETS] = print_set_ids,
        [COMPLETE_MACHINES] = print_machines,      [COMPLETE_HOSTS] = print_hosts,
    };
    const char *kind = session_operand(session, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_strcmp0(kinds[i], kind) == 0)
            return print[i](session, error);
    }
    return error_set(error, SLIPWAY_ERROR_USAGE, "no kind of names is called '%s'", kind);
}

static const struct verb verb_complete = {
    .summary = "print names for the completion",
    .description = "Print the names of KIND, one a line: depots, known, profiles, own-profiles, "
                   "packages, sets, machines or hosts.",
    .operands = {{"KIND", FALSE, FALSE, COMPLETE_WORDS,
                  "depots known profiles own-profiles packages sets machines hosts"}},
    .run = run_complete,
};
static const struct verb *const complete_verbs[] = {&verb_complete, NULL};
const struct noun noun_complete = {"complete", "print names for the completion", NULL,
                                   complete_verbs, TRUE};
