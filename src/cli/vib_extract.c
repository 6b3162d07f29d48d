/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_extract.h"

#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

static gboolean
run(struct session *session, GError **error)
{
    const char *path = session_operand(session, 0), *directory = session_operand(session, 1);
    const struct vib_extract options = {
        .unpack = session_flag(session, OPTION_UNPACK),
        .overwrite = session_flag(session, OPTION_OVERWRITE),
        .progress = session_progress(session),
    };
    struct stream *stream = stream_new_file(path, error);
    if (stream == NULL || !vib_extract_write(stream, directory, &options, error))
        return FALSE;
    ui_print(session_ui(session), "Extracted %s into %s\n", path, directory);
    ui_set(session_ui(session), "file", json_value_text(path));
    ui_set(session_ui(session), "directory", json_value_text(directory));
    return TRUE;
}

const struct verb verb_vib_extract = {
    .name = "extract",
    .summary = "take a VIB apart into a directory",
    .description = "Write the descriptor, the signature and the payloads of a .vib file into DIR, "
                   "byte for byte. With --unpack payloads that are archives become directories.",
    .operands = {{"FILE", FALSE, FALSE, COMPLETE_FILE, NULL},
                 {"DIR", FALSE, FALSE, COMPLETE_DIRECTORY, NULL}},
    .options = {OPTION_UNPACK, OPTION_OVERWRITE},
    .examples = {{"slipway vib extract net-driver.vib /tmp/net-driver --unpack",
                  "the driver's files too"}},
    .run = run,
};
