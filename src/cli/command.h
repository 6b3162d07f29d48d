/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command.h: nouns and verbs: `slipway NOUN VERB ...`.
 *
 * A verb is one struct: what it is called, what it takes, how it is explained, and the function
 * that does it; each lies in the file of its function.  Read-only data, any thread. */
#pragma once

#include "cli/option.h"

#define OPERANDS_MAX 3
#define VERB_OPTIONS_MAX 48
#define EXAMPLES_MAX 5

struct session;

struct operand {
    const char *name; /* "PACKAGE"; NULL ends the list */
    gboolean optional;
    gboolean repeat; /* any number; the last one only */
    enum complete complete;
    const char *words; /* of COMPLETE_WORDS */
};

struct example {
    const char *command; /* NULL ends the list */
    const char *meaning;
};

struct verb {
    const char *name;        /* NULL: the noun stands alone (`slipway version`) */
    const char *summary;     /* one line, lower case, no full stop */
    const char *description; /* paragraphs with an empty line between */
    struct operand operands[OPERANDS_MAX + 1];
    enum option_id options[VERB_OPTIONS_MAX + 1]; /* besides the global ones */
    struct example examples[EXAMPLES_MAX + 1];
    gboolean (*run)(struct session *session, GError **error);
};

struct noun {
    const char *name;
    const char *summary;
    const char *description;
    const struct verb *const *verbs; /* ended by NULL; the only one may have no name */
    gboolean hidden;                 /* not in the help and without a manual page */
    /* The one that is meant when the word behind the noun is no verb; NULL: none is. */
    const struct verb *otherwise;
};

/* Every noun, ended by NULL. */
const struct noun *const *command_nouns(void);

/* NULL when there is none. */
const struct noun *command_find_noun(const char *name);
const struct verb *command_find_verb(const struct noun *noun, const char *name);

/* The verb of a noun that stands alone, or NULL. */
const struct verb *command_alone(const struct noun *noun);

/* The option `name` (without dashes) or `letter` (name NULL) of `verb`, or a global one; `verb`
 * may be NULL.  OPTION_END when there is none. */
enum option_id command_find_option(const struct verb *verb, const char *name, char letter);

/* "slipway profile add NAME PACKAGE... [options]"; free with g_free(). */
char *command_synopsis(const struct noun *noun, const struct verb *verb);
