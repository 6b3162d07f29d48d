/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/damage_print.h"

#include "cli/json_value.h"
#include "cli/set_print.h"
#include "cli/text.h"

/* Places of one damage that are worth reading; --json has all of them. */
#define RANGES_SHOWN 20u

static const char *const kinds[] = {
    [CHECKER_OBJECT] = "object", [CHECKER_INDEX] = "index",   [CHECKER_PACK] = "pack",
    [CHECKER_CHUNK] = "chunk",   [CHECKER_PARITY] = "parity",
};

static void
print_range(struct ui *ui, const struct checker_range *range)
{
    g_autofree char *time = set_print_time(range->created), *id = set_print_id(&range->set);
    g_autofree char *size = text_bytes(range->length);
    ui_print(ui, "    %s %s (%s): disk %s, %s at %" G_GUINT64_FORMAT "\n", range->machine, time, id,
             range->disk, size, range->offset);
}

void
damage_print(struct ui *ui, const GPtrArray *damage)
{
    for (guint i = 0; i < damage->len; i++) {
        const struct checker_damage *one = damage->pdata[i];
        ui_print(ui, "damaged: %s%s%s%s\n  %s\n", one->object != NULL ? one->object : "",
                 one->object != NULL && one->chunk != NULL ? ", " : "",
                 one->chunk != NULL ? "chunk " : "", one->chunk != NULL ? one->chunk : "",
                 one->words);
        if (one->ranges->len > 0)
            ui_print(ui, "  needed by:\n");
        for (guint r = 0; r < MIN(one->ranges->len, RANGES_SHOWN); r++)
            print_range(ui, one->ranges->pdata[r]);
        if (one->ranges->len > RANGES_SHOWN)
            ui_print(ui, "    and at %u more places\n", one->ranges->len - RANGES_SHOWN);
    }
}

static json_t *
ranges_json(const GPtrArray *ranges)
{
    json_t *list = json_array();
    for (guint i = 0; i < ranges->len; i++) {
        const struct checker_range *range = ranges->pdata[i];
        char id[SET_ID_TEXT];
        json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:I, s:o, s:I, s:I}", "set", set_id_format(&range->set, id),
                      "machine", json_value_text(range->machine), "created",
                      (json_int_t)range->created, "disk", json_value_text(range->disk), "offset",
                      (json_int_t)range->offset, "length", (json_int_t)range->length));
    }
    return list;
}

json_t *
damage_print_json(const GPtrArray *damage)
{
    json_t *list = json_array();
    for (guint i = 0; i < damage->len; i++) {
        const struct checker_damage *one = damage->pdata[i];
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", kinds[one->kind],
                                              "object", json_value_text(one->object), "chunk",
                                              json_value_text(one->chunk), "words",
                                              json_value_text(one->words), "needed_by",
                                              ranges_json(one->ranges)));
    }
    return list;
}
