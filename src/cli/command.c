/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/command.h"

#include "cli/nouns.h"

static const struct noun *const nouns[] = {
    &noun_depot,  &noun_package, &noun_vib,        &noun_profile, &noun_image,    &noun_store,
    &noun_backup, &noun_restore, &noun_export,     &noun_files,   &noun_host,     &noun_vm,
    &noun_help,   &noun_version, &noun_completion, &noun_man,     &noun_complete, NULL,
};

const struct noun *const *
command_nouns(void)
{
    return nouns;
}

const struct noun *
command_find_noun(const char *name)
{
    for (gsize i = 0; nouns[i] != NULL; i++) {
        if (g_str_equal(nouns[i]->name, name))
            return nouns[i];
    }
    return NULL;
}

const struct verb *
command_find_verb(const struct noun *noun, const char *name)
{
    for (gsize i = 0; noun->verbs[i] != NULL; i++) {
        if (g_strcmp0(noun->verbs[i]->name, name) == 0)
            return noun->verbs[i];
    }
    return NULL;
}

const struct verb *
command_alone(const struct noun *noun)
{
    return noun->verbs[0]->name == NULL ? noun->verbs[0] : NULL;
}

static gboolean
is_called(enum option_id id, const char *name, char letter)
{
    const struct option *row = option_row(id);
    return name != NULL ? g_str_equal(row->name, name) : row->letter == letter;
}

enum option_id
command_find_option(const struct verb *verb, const char *name, char letter)
{
    for (gsize i = 0; verb != NULL && verb->options[i] != OPTION_END; i++) {
        if (is_called(verb->options[i], name, letter))
            return verb->options[i];
    }
    for (enum option_id id = OPTION_END + 1; id < OPTION_GLOBAL_N; id++) {
        if (is_called(id, name, letter))
            return id;
    }
    return OPTION_END;
}

char *
command_synopsis(const struct noun *noun, const struct verb *verb)
{
    GString *text = g_string_new("slipway ");
    g_string_append(text, noun->name);
    if (verb->name != NULL)
        g_string_append_printf(text, " %s", verb->name);
    for (const struct operand *operand = verb->operands; operand->name != NULL; operand++)
        g_string_append_printf(text, operand->optional ? " [%s%s]" : " %s%s", operand->name,
                               operand->repeat ? "..." : "");
    if (verb->options[0] != OPTION_END)
        g_string_append(text, " [options]");
    return g_string_free(text, FALSE);
}
