/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/arguments.h"

#include "base/error.h"
#include "esx/near_name.h"

#include <string.h>

#define NUMBER_MAX 1000000

struct arguments {
    const struct noun *noun;
    const struct verb *verb;
    gboolean version;
    gboolean options_ended;
    GPtrArray *values[OPTION_N]; /* of char *, ended by NULL; NULL: not given */
    GPtrArray *operands;         /* of char *; ended by NULL when parsed */
};

/* The words that are still to be read. */
struct words {
    int count;
    char *const *all;
    int next;
};

void
arguments_free(struct arguments *arguments)
{
    if (arguments == NULL)
        return;
    for (gsize i = 0; i < OPTION_N; i++)
        g_clear_pointer(&arguments->values[i], g_ptr_array_unref);
    g_ptr_array_unref(arguments->operands);
    g_free(arguments);
}

static char *
help_command(const struct arguments *arguments)
{
    if (arguments->noun == NULL)
        return g_strdup("slipway --help");
    if (arguments->verb == NULL || arguments->verb->name == NULL)
        return g_strdup_printf("slipway %s --help", arguments->noun->name);
    return g_strdup_printf("slipway %s %s --help", arguments->noun->name, arguments->verb->name);
}

static gboolean
unknown(const struct arguments *arguments, const char *what, const char *text,
        const GPtrArray *candidates, GError **error)
{
    g_autofree char *hint = near_name_hint(text, candidates);
    g_autofree char *help = help_command(arguments);
    return error_set(error, SLIPWAY_ERROR_USAGE, "there is no %s '%s'%s%s see `%s`", what, text,
                     hint, *hint != '\0' ? "" : ";", help);
}

static gboolean
unknown_noun(const struct arguments *arguments, const char *text, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (const struct noun *const *noun = command_nouns(); *noun != NULL; noun++) {
        if (!(*noun)->hidden)
            g_ptr_array_add(names, (gpointer)(*noun)->name);
    }
    return unknown(arguments, "noun", text, names, error);
}

static gboolean
unknown_verb(const struct arguments *arguments, const char *text, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (const struct verb *const *verb = arguments->noun->verbs; *verb != NULL; verb++)
        g_ptr_array_add(names, (gpointer)(*verb)->name);
    g_autofree char *what = g_strdup_printf("verb of %s", arguments->noun->name);
    return unknown(arguments, what, text, names, error);
}

static gboolean
unknown_option(const struct arguments *arguments, const char *text, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const struct verb *verb = arguments->verb;
    for (gsize i = 0; verb != NULL && verb->options[i] != OPTION_END; i++)
        g_ptr_array_add(names, g_strconcat("--", option_row(verb->options[i])->name, NULL));
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++)
        g_ptr_array_add(names, g_strconcat("--", option_row(id)->name, NULL));
    g_autofree char *written = g_strconcat("--", text, NULL);
    return unknown(arguments, "option", written, names, error);
}

static gboolean
check_number(enum option_id id, const char *text, GError **error)
{
    guint64 number;
    if (g_ascii_string_to_unsigned(text, 10, 0, NUMBER_MAX, &number, NULL))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE, "--%s %s: a number from 0 to %d is wanted",
                     option_row(id)->name, text, NUMBER_MAX);
}

static gboolean
check_word(enum option_id id, const char *text, GError **error)
{
    const struct option *row = option_row(id);
    g_auto(GStrv) words = g_strsplit(row->words, " ", -1);
    if (g_strv_contains((const char *const *)words, text))
        return TRUE;
    g_autofree char *list = g_strjoinv(", ", words);
    return error_set(error, SLIPWAY_ERROR_USAGE, "--%s %s: one of %s is wanted", row->name, text,
                     list);
}

static gboolean
set_value(struct arguments *arguments, enum option_id id, const char *text, GError **error)
{
    const struct option *row = option_row(id);
    if (row->kind == OPTION_NUMBER && !check_number(id, text, error))
        return FALSE;
    /* Levels have more spellings than the completion offers; whoever uses them parses them. */
    if (id == OPTION_SORT && !check_word(id, text, error))
        return FALSE;
    GPtrArray *values = arguments->values[id];
    if (values == NULL)
        values = arguments->values[id] = g_ptr_array_new_with_free_func(g_free);
    if (values->len > 0)
        g_ptr_array_set_size(values, row->kind == OPTION_LIST ? (gint)values->len - 1 : 0);
    g_ptr_array_add(values, g_strdup(text));
    g_ptr_array_add(values, NULL);
    return TRUE;
}

/* The value of option `id`: `inline_value`, or the next word. */
static gboolean
take_value(struct arguments *arguments, enum option_id id, const char *inline_value,
           struct words *words, GError **error)
{
    const struct option *row = option_row(id);
    if (row->kind == OPTION_FLAG && inline_value != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--%s takes no value", row->name);
    if (row->kind == OPTION_FLAG)
        return set_value(arguments, id, "", error);
    if (inline_value == NULL && words->next >= words->count)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--%s needs a value: --%s %s", row->name,
                         row->name, row->argument);
    return set_value(arguments, id, inline_value != NULL ? inline_value : words->all[words->next++],
                     error);
}

/* Whose options a word may name: before the verb was said, of the one that is meant without. */
static const struct verb *
options_of(const struct arguments *arguments)
{
    if (arguments->verb != NULL || arguments->noun == NULL)
        return arguments->verb;
    return arguments->noun->otherwise;
}

static gboolean
take_long(struct arguments *arguments, const char *text, struct words *words, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name =
        equals != NULL ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
    if (arguments->noun == NULL && g_str_equal(name, "version")) {
        arguments->version = TRUE;
        return TRUE;
    }
    enum option_id id = command_find_option(options_of(arguments), name, 0);
    if (id == OPTION_END)
        return unknown_option(arguments, name, error);
    return take_value(arguments, id, equals != NULL ? equals + 1 : NULL, words, error);
}

/* -q, -qv, -oFILE, -o FILE */
static gboolean
take_short(struct arguments *arguments, const char *text, struct words *words, GError **error)
{
    for (; *text != '\0'; text++) {
        enum option_id id = command_find_option(options_of(arguments), NULL, *text);
        if (id == OPTION_END) {
            g_autofree char *help = help_command(arguments);
            return error_set(error, SLIPWAY_ERROR_USAGE, "there is no option '-%c'; see `%s`",
                             *text, help);
        }
        if (option_row(id)->kind != OPTION_FLAG)
            return take_value(arguments, id, text[1] != '\0' ? text + 1 : NULL, words, error);
        if (!take_value(arguments, id, NULL, words, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
take_plain(struct arguments *arguments, const char *text, GError **error)
{
    if (arguments->noun == NULL) {
        arguments->noun = command_find_noun(text);
        if (arguments->noun == NULL)
            return unknown_noun(arguments, text, error);
        arguments->verb = command_alone(arguments->noun);
        return TRUE;
    }
    if (arguments->verb == NULL) {
        arguments->verb = command_find_verb(arguments->noun, text);
        if (arguments->verb != NULL)
            return TRUE;
        if (arguments->noun->otherwise == NULL)
            return unknown_verb(arguments, text, error);
        arguments->verb = arguments->noun->otherwise;
    }
    g_ptr_array_add(arguments->operands, g_strdup(text));
    return TRUE;
}

static gboolean
take_word(struct arguments *arguments, const char *text, struct words *words, GError **error)
{
    if (arguments->options_ended || *text != '-' || text[1] == '\0')
        return take_plain(arguments, text, error);
    if (g_str_equal(text, "--")) {
        arguments->options_ended = TRUE;
        return TRUE;
    }
    if (text[1] == '-')
        return take_long(arguments, text + 2, words, error);
    return take_short(arguments, text + 1, words, error);
}

static gboolean
check_operands(const struct arguments *arguments, GError **error)
{
    guint given = arguments->operands->len, at = 0;
    const struct operand *operand = arguments->verb->operands;
    g_autofree char *synopsis = command_synopsis(arguments->noun, arguments->verb);
    for (; operand->name != NULL; operand++) {
        if (at < given)
            at = operand->repeat ? given : at + 1;
        else if (!operand->optional)
            return error_set(error, SLIPWAY_ERROR_USAGE, "%s is missing: %s", operand->name,
                             synopsis);
    }
    if (at < given)
        return error_set(error, SLIPWAY_ERROR_USAGE, "'%s' is too much: %s",
                         (const char *)arguments->operands->pdata[at], synopsis);
    return TRUE;
}

/* What was said before the verb may not be of it. */
static gboolean
check_options(const struct arguments *arguments, GError **error)
{
    const struct verb *verb = arguments->verb;
    for (enum option_id id = OPTION_GLOBAL_N; id < OPTION_N; id++) {
        gsize i = 0;
        while (verb->options[i] != OPTION_END && verb->options[i] != id)
            i++;
        if (arguments->values[id] != NULL && verb->options[i] != id)
            return unknown_option(arguments, option_row(id)->name, error);
    }
    return TRUE;
}

static gboolean
check_complete(const struct arguments *arguments, GError **error)
{
    if (arguments_flag(arguments, OPTION_HELP) || arguments->version)
        return TRUE;
    if (arguments->noun == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "nothing to do; see `slipway --help`");
    if (arguments->verb == NULL) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (const struct verb *const *verb = arguments->noun->verbs; *verb != NULL; verb++)
            g_ptr_array_add(names, (gpointer)(*verb)->name);
        g_ptr_array_add(names, NULL);
        g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s needs a verb: %s; see `slipway %s --help`",
                         arguments->noun->name, list, arguments->noun->name);
    }
    return check_options(arguments, error) && check_operands(arguments, error);
}

struct arguments *
arguments_parse(int argc, char *const *argv, GError **error)
{
    auto_ptr(arguments) arguments = g_new0(struct arguments, 1);
    arguments->operands = g_ptr_array_new_with_free_func(g_free);
    struct words words = {argc, argv, 1};
    while (words.next < words.count) {
        const char *text = words.all[words.next++];
        if (!take_word(arguments, text, &words, error))
            return NULL;
    }
    if (!check_complete(arguments, error))
        return NULL;
    g_ptr_array_add(arguments->operands, NULL);
    return g_steal_pointer(&arguments);
}

gboolean
arguments_want_json(int argc, char *const *argv)
{
    for (int i = 1; i < argc && !g_str_equal(argv[i], "--"); i++) {
        if (g_str_equal(argv[i], "--json"))
            return TRUE;
    }
    return FALSE;
}

const struct noun *
arguments_noun(const struct arguments *arguments)
{
    return arguments->noun;
}

const struct verb *
arguments_verb(const struct arguments *arguments)
{
    return arguments->verb;
}

gboolean
arguments_version(const struct arguments *arguments)
{
    return arguments->version;
}

const char *const *
arguments_operands(const struct arguments *arguments)
{
    return (const char *const *)arguments->operands->pdata;
}

const char *
arguments_operand(const struct arguments *arguments, guint index)
{
    return index + 1 < arguments->operands->len ? arguments->operands->pdata[index] : NULL;
}

gboolean
arguments_flag(const struct arguments *arguments, enum option_id id)
{
    return arguments->values[id] != NULL;
}

const char *
arguments_text(const struct arguments *arguments, enum option_id id)
{
    const GPtrArray *values = arguments->values[id];
    return values != NULL ? values->pdata[0] : NULL;
}

const char *const *
arguments_list(const struct arguments *arguments, enum option_id id)
{
    const GPtrArray *values = arguments->values[id];
    return values != NULL ? (const char *const *)values->pdata : NULL;
}

unsigned
arguments_number(const struct arguments *arguments, enum option_id id, unsigned otherwise)
{
    const char *text = arguments_text(arguments, id);
    guint64 number;
    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, NUMBER_MAX, &number, NULL))
        return otherwise;
    return (unsigned)number;
}
