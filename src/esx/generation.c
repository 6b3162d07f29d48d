/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/generation.h"

#include "base/error.h"

#include <string.h>

#define ESX_VERSION_NAME "esx-version"

/* By release, oldest first; a row holds until the next one.  ESXi 5.1 and 5.5 are not proven by
 * files that we have seen: they are taken to be like 6.0. */
static const struct generation generations[] = {
    {.major = 5, .keeps_dashes = TRUE, .kernelopt = "runweasel"},
    {.major = 5, .minor = 1, .timeout_prefix = TRUE, .kernelopt = "runweasel"},
    {.major = 6, .minor = 7, .timeout_prefix = TRUE, .kernelopt = "cdromBoot runweasel"},
    {.major = 7, .timeout_prefix = TRUE, .build_line = TRUE, .kernelopt = "cdromBoot runweasel"},
    {.major = 7,
     .update = 2,
     .timeout_prefix = TRUE,
     .build_line = TRUE,
     .kernelopt = "cdromBoot runweasel",
     .basemisc = TRUE},
    {.major = 8,
     .timeout_prefix = TRUE,
     .build_line = TRUE,
     .kernelopt = "runweasel cdromBoot",
     .basemisc = TRUE,
     .per_platform = TRUE,
     .wants_gunzip_sha256 = TRUE},
    {.major = 8,
     .update = 2,
     .timeout_prefix = TRUE,
     .build_line = TRUE,
     .kernelopt = "runweasel cdromBoot",
     .basemisc = TRUE,
     .esxiodpt = TRUE,
     .per_platform = TRUE,
     .wants_gunzip_sha256 = TRUE},
};

/* The number at *text, which moves behind it; FALSE when there is none or it is absurd. */
static gboolean
take_number(const char **text, int *ret_number)
{
    int number = 0;
    if (!g_ascii_isdigit(**text))
        return FALSE;
    for (; g_ascii_isdigit(**text); (*text)++) {
        number = 10 * number + (**text - '0');
        if (number > 9999)
            return FALSE;
    }
    *ret_number = number;
    return TRUE;
}

/* Fields that are not there count as 0: "6.7" is 6.7.0. */
static gboolean
parse_release(const char *version, int fields[3])
{
    if (version == NULL || !take_number(&version, &fields[0]))
        return FALSE;
    for (int i = 1; i < 3 && *version == '.'; i++) {
        version++;
        if (!take_number(&version, &fields[i]))
            return FALSE;
    }
    return *version == '\0' || *version == '.' || *version == '-';
}

static gboolean
reaches(const int fields[3], const struct generation *row)
{
    const int first[3] = {row->major, row->minor, row->update};
    for (int i = 0; i < 3; i++)
        if (fields[i] != first[i])
            return fields[i] > first[i];
    return TRUE;
}

const struct generation *
generation_of_version(const char *version)
{
    int fields[3] = {0, 0, 0};
    if (!parse_release(version, fields))
        return NULL;
    const struct generation *found = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(generations); i++)
        if (reaches(fields, &generations[i]))
            found = &generations[i];
    return found;
}

static const char *
provided_version(const struct vib *vib)
{
    for (guint i = 0; vib->provides != NULL && i < vib->provides->len; i++) {
        const struct relation *provide = &g_array_index(vib->provides, struct relation, i);
        if (strcmp(provide->name, ESX_VERSION_NAME) == 0)
            return provide->version != NULL ? provide->version : vib->version;
    }
    return NULL;
}

/* From 8.0 on an image may also hold the system of the DPU, which is another product. */
static const struct vib *
find_system(GPtrArray *vibs)
{
    const struct vib *found = NULL;
    for (guint i = 0; i < vibs->len; i++) {
        const struct vib *vib = vibs->pdata[i];
        if (provided_version(vib) == NULL)
            continue;
        if (vib_for_product(vib, "embeddedEsx"))
            return vib;
        if (found == NULL)
            found = vib;
    }
    return found;
}

const struct generation *
generation_of(GPtrArray *vibs, const char **ret_version, GError **error)
{
    const struct vib *system = find_system(vibs);
    if (system == NULL)
        return error_null(error, SLIPWAY_ERROR_RULES,
                          "no VIB of the image provides " ESX_VERSION_NAME
                          "; add esx-base of the release that is wanted");
    const char *version = provided_version(system);
    const struct generation *generation = generation_of_version(version);
    if (generation == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "VIB %s provides " ESX_VERSION_NAME
                          " %s, which is no release from 5.0 on",
                          system->id, version);
    if (ret_version != NULL)
        *ret_version = version;
    return generation;
}
