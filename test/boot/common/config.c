/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdbool.h>
#include <string.h>

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *
trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static bool
is_number_or_empty(const char *text)
{
    while (*text >= '0' && *text <= '9')
        text++;
    return *text == '\0';
}

/* The next `---` that stands alone between blanks or ends, or NULL. */
static char *
find_separator(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        bool dashes = at[0] == '-' && at[1] == '-' && at[2] == '-';
        if (dashes && (at == text || is_blank(at[-1])) && (at[3] == '\0' || is_blank(at[3])))
            return at;
    }
    return NULL;
}

static const char *
split_modules(char *text, struct config *config)
{
    config->modules_count = 0;
    if (*text == '\0')
        return NULL;
    for (;;) {
        char *separator = find_separator(text);
        if (separator != NULL)
            *separator = '\0';
        char *entry = trim(text);
        if (*entry == '\0')
            return "empty entry in modules";
        if (config->modules_count == CONFIG_MODULES_MAX)
            return "too many modules";
        config->modules[config->modules_count++] = entry;
        if (separator == NULL)
            return NULL;
        text = separator + 3;
    }
}

static const char *
set_value(struct config *config, const char *key, char *value)
{
    const struct {
        const char *key;
        const char **value;
        bool number;
    } keys[] = {
        {"bootstate", &config->bootstate, true}, {"title", &config->title, false},
        {"timeout", &config->timeout, true},     {"prefix", &config->prefix, false},
        {"kernel", &config->kernel, false},      {"kernelopt", &config->kernelopt, false},
        {"build", &config->build, false},        {"updated", &config->updated, true},
    };
    if (strcmp(key, "modules") == 0)
        return split_modules(value, config);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i].key) != 0)
            continue;
        if (keys[i].number && !is_number_or_empty(value))
            return "value is not a number";
        *keys[i].value = value;
    }
    return NULL;
}

static const char *
parse_line(char *line, struct config *config)
{
    line = trim(line);
    if (*line == '\0' || *line == '#')
        return NULL;
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return "no '=' in the line";
    *equals = '\0';
    return set_value(config, trim(line), trim(equals + 1));
}

const char *
config_parse(char *text, struct config *ret_config, unsigned *ret_line)
{
    memset(ret_config, 0, sizeof *ret_config);
    ret_config->bootstate = ret_config->title = ret_config->timeout = ret_config->prefix = "";
    ret_config->kernel = ret_config->kernelopt = ret_config->build = ret_config->updated = "";

    *ret_line = 0;
    for (char *line = text; line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        ++*ret_line;
        const char *wrong = parse_line(line, ret_config);
        if (wrong != NULL)
            return wrong;
        line = next;
    }
    *ret_line = 0;
    return *ret_config->kernel == '\0' ? "no kernel given" : NULL;
}

static bool
append(char *path, size_t path_size, const char *text, size_t length)
{
    size_t used = strlen(path);
    if (length >= path_size - used)
        return false;
    memcpy(path + used, text, length);
    path[used + length] = '\0';
    return true;
}

const char *
config_resolve(const struct config *config, const char *entry, const char *directory, char *path,
               size_t path_size)
{
    size_t length = 0;
    while (entry[length] != '\0' && !is_blank(entry[length]))
        length++;

    path[0] = '\0';
    bool fits = true;
    if (entry[0] != '/') {
        const char *base = *config->prefix != '\0' ? config->prefix : directory;
        size_t base_length = strlen(base);
        fits = append(path, path_size, base, base_length);
        if (fits && (base_length == 0 || base[base_length - 1] != '/'))
            fits = append(path, path_size, "/", 1);
    }
    if (!fits || !append(path, path_size, entry, length))
        return "path too long";
    return NULL;
}
