/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/boot_cfg.h"

#include "base/error.h"

#include <string.h>

#define SEPARATOR "---"
#define BLANKS " \t\r"

struct line {
    char *text;      /* as it stands in the file, without its end */
    char *key;       /* NULL: a comment, an empty line, something that is no assignment */
    char *value;     /* trimmed; NULL likewise */
    const char *end; /* "\n", "\r\n", or "" for a last line without one */
};

struct boot_cfg {
    GPtrArray *lines; /* of struct line * */
    const char *end;  /* of new lines */
};

static void
free_line(gpointer data)
{
    struct line *line = data;
    g_free(line->text);
    g_free(line->key);
    g_free(line->value);
    g_free(line);
}

struct boot_cfg *
boot_cfg_new(void)
{
    struct boot_cfg *cfg = g_new0(struct boot_cfg, 1);
    cfg->lines = g_ptr_array_new_with_free_func(free_line);
    cfg->end = "\n";
    return cfg;
}

void
boot_cfg_free(struct boot_cfg *cfg)
{
    if (cfg == NULL)
        return;
    g_ptr_array_unref(cfg->lines);
    g_free(cfg);
}

/* Takes `text` over. */
static struct line *
new_line(char *text, const char *end)
{
    struct line *line = g_new0(struct line, 1);
    line->text = text;
    line->end = end;
    const char *start = text + strspn(text, BLANKS);
    const char *equals = strchr(start, '=');
    if (*start == '#' || equals == NULL)
        return line;
    line->key = g_strchomp(g_strndup(start, (gsize)(equals - start)));
    line->value = g_strstrip(g_strdup(equals + 1));
    return line;
}

static gboolean
is_text(const char *data, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        guchar c = (guchar)data[i];
        if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return FALSE;
    }
    return TRUE;
}

static void
take_lines(struct boot_cfg *cfg, const char *data, gsize length)
{
    const char *stop = data + length;
    while (data < stop) {
        const char *newline = memchr(data, '\n', (gsize)(stop - data));
        const char *next = newline != NULL ? newline + 1 : stop;
        const char *text_end = newline != NULL ? newline : stop;
        const char *end = newline != NULL ? "\n" : "";
        if (newline != NULL && newline > data && newline[-1] == '\r') {
            text_end--;
            end = "\r\n";
        }
        struct line *line = new_line(g_strndup(data, (gsize)(text_end - data)), end);
        g_ptr_array_add(cfg->lines, line);
        data = next;
    }
    if (cfg->lines->len > 0 && strcmp(((struct line *)cfg->lines->pdata[0])->end, "\r\n") == 0)
        cfg->end = "\r\n";
}

struct boot_cfg *
boot_cfg_parse(const void *data, gsize length, const char *label, GError **error)
{
    if (length > BOOT_CFG_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "%s: %" G_GSIZE_FORMAT " bytes of loader configuration, the limit is %u",
                          label, length, BOOT_CFG_MAX);
    if (!is_text(data, length))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: is no loader configuration: it holds binary data", label);
    auto_ptr(boot_cfg) cfg = boot_cfg_new();
    take_lines(cfg, data, length);
    const char *kernel = boot_cfg_get(cfg, "kernel");
    if (kernel == NULL || *kernel == '\0')
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: is no loader configuration: it has no kernel=", label);
    return g_steal_pointer(&cfg);
}

static struct line *
find_line(const struct boot_cfg *cfg, const char *key)
{
    for (guint i = cfg->lines->len; i > 0; i--) {
        struct line *line = cfg->lines->pdata[i - 1];
        if (line->key != NULL && strcmp(line->key, key) == 0)
            return line;
    }
    return NULL;
}

const char *
boot_cfg_get(const struct boot_cfg *cfg, const char *key)
{
    const struct line *line = find_line(cfg, key);
    return line != NULL ? line->value : NULL;
}

static char *
one_line(const char *value)
{
    char *clean = g_strdup(value);
    for (char *c = clean; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return g_strstrip(clean);
}

static void
replace_value(struct line *line, char *value)
{
    const char *old = strchr(line->text, '=') + 1;
    old += strspn(old, BLANKS);
    char *text = g_strdup_printf("%.*s%s", (int)(old - line->text), line->text, value);
    g_free(line->text);
    g_free(line->value);
    line->text = text;
    line->value = value;
}

static void
append_line(struct boot_cfg *cfg, const char *key, const char *value)
{
    if (cfg->lines->len > 0) {
        struct line *last = cfg->lines->pdata[cfg->lines->len - 1];
        if (*last->end == '\0')
            last->end = cfg->end;
    }
    struct line *line = new_line(g_strdup_printf("%s=%s", key, value), cfg->end);
    g_ptr_array_add(cfg->lines, line);
}

void
boot_cfg_set(struct boot_cfg *cfg, const char *key, const char *value)
{
    g_autofree char *clean = one_line(value);
    struct line *line = find_line(cfg, key);
    if (line != NULL)
        replace_value(line, g_steal_pointer(&clean));
    else
        append_line(cfg, key, clean);
}

/* The next separator that stands alone between blanks or ends of the text, or NULL. */
static const char *
find_separator(const char *start, const char *from)
{
    const gsize length = strlen(SEPARATOR);
    for (const char *at = strstr(from, SEPARATOR); at != NULL; at = strstr(at + 1, SEPARATOR)) {
        gboolean before = at == start || strchr(BLANKS, at[-1]) != NULL;
        gboolean after = at[length] == '\0' || strchr(BLANKS, at[length]) != NULL;
        if (before && after)
            return at;
    }
    return NULL;
}

GPtrArray *
boot_cfg_modules(const struct boot_cfg *cfg)
{
    GPtrArray *modules = g_ptr_array_new_with_free_func(g_free);
    const char *value = boot_cfg_get(cfg, "modules");
    for (const char *at = value; at != NULL;) {
        const char *separator = find_separator(value, at);
        gsize length = separator != NULL ? (gsize)(separator - at) : strlen(at);
        g_autofree char *entry = g_strstrip(g_strndup(at, length));
        if (*entry != '\0')
            g_ptr_array_add(modules, g_steal_pointer(&entry));
        at = separator != NULL ? separator + strlen(SEPARATOR) : NULL;
    }
    return modules;
}

void
boot_cfg_set_modules(struct boot_cfg *cfg, GPtrArray *modules)
{
    g_autoptr(GString) value = g_string_new(NULL);
    for (guint i = 0; i < modules->len; i++)
        g_string_append_printf(value, "%s%s", i > 0 ? " " SEPARATOR " " : "",
                               (const char *)modules->pdata[i]);
    boot_cfg_set(cfg, "modules", value->str);
}

GBytes *
boot_cfg_format(const struct boot_cfg *cfg)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < cfg->lines->len; i++) {
        const struct line *line = cfg->lines->pdata[i];
        g_string_append(text, line->text);
        g_string_append(text, line->end);
    }
    return g_string_free_to_bytes(text);
}

char *
boot_cfg_entry_name(const char *entry)
{
    entry += strspn(entry, BLANKS);
    g_autofree char *path = g_strndup(entry, strcspn(entry, BLANKS));
    const char *slash = strrchr(path, '/');
    return g_ascii_strdown(slash != NULL ? slash + 1 : path, -1);
}

struct boot_cfg *
boot_cfg_for_image(const struct generation *generation, const char *version, const char *kernel,
                   GPtrArray *modules, gboolean installer)
{
    g_autofree char *kernel_path = g_strconcat("/", kernel, NULL);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < modules->len; i++)
        g_ptr_array_add(paths, g_strconcat("/", modules->pdata[i], NULL));

    struct boot_cfg *cfg = boot_cfg_new();
    boot_cfg_set(cfg, "bootstate", "0");
    boot_cfg_set(cfg, "title", installer ? BOOT_CFG_TITLE_INSTALLER : BOOT_CFG_TITLE);
    if (generation->timeout_prefix) {
        boot_cfg_set(cfg, "timeout", "5");
        boot_cfg_set(cfg, "prefix", "");
    }
    boot_cfg_set(cfg, "kernel", kernel_path);
    boot_cfg_set(cfg, "kernelopt", installer ? generation->kernelopt : "");
    boot_cfg_set_modules(cfg, paths);
    boot_cfg_set(cfg, "build", generation->build_line ? version : "");
    boot_cfg_set(cfg, "updated", "0");
    return cfg;
}
