/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_fixture.h: VIBs, depots and profiles made up in a few words, for unit tests. */
#pragma once

#include "esx/depot_private.h"
#include "esx/depot_set.h"

#include <string.h>

/* What is NULL or 0 is left out or as in most VIBs. */
struct vib_fixture {
    const char *name, *version;
    const char *vendor;  /* "ACME" */
    const char *type;    /* "bootbank" */
    const char *level;   /* "certified" */
    const char *depends; /* "a; b >= 1.0" */
    const char *conflicts;
    const char *replaces;
    const char *provides;  /* "a; b = 1.0" */
    const char *files;     /* "etc/a; etc/b" */
    const char *tags;      /* "driver; module" */
    const char *platforms; /* "esxio 8.0; embeddedEsx 8.0" */
    const char *date;
    const char
        *payloads; /* "boot:b; vgz:net"; each with all checksums, "-vgz:net" without gunzip */
    gboolean overlay;
};

#define FIXTURE_SHA256 "4b074453034074b074453034074b074453034074b074453034074b0744530340"

static inline GStrv
fixture_split(const char *list)
{
    GStrv words = g_strsplit(list != NULL ? list : "", ";", -1);
    for (gsize i = 0; words[i] != NULL; i++)
        g_strstrip(words[i]);
    return words;
}

static inline void
fixture_relations(GString *xml, const char *element, const char *child, const char *list)
{
    g_auto(GStrv) words = fixture_split(list);
    g_string_append_printf(xml, "<%s>", element);
    for (gsize i = 0; words[i] != NULL; i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], " ", 3);
        g_string_append_printf(xml, "<%s name=\"%s\"", child, parts[0]);
        if (parts[1] != NULL && strcmp(child, "constraint") == 0) {
            g_autofree char *relation = g_markup_escape_text(parts[1], -1);
            g_string_append_printf(xml, " relation=\"%s\"", relation);
        }
        if (parts[1] != NULL)
            g_string_append_printf(xml, " version=\"%s\"", parts[2]);
        g_string_append(xml, "/>");
    }
    g_string_append_printf(xml, "</%s>", element);
}

static inline void
fixture_texts(GString *xml, const char *element, const char *child, const char *list)
{
    g_auto(GStrv) words = fixture_split(list);
    g_string_append_printf(xml, "<%s>", element);
    for (gsize i = 0; words[i] != NULL; i++)
        g_string_append_printf(xml, "<%s>%s</%s>", child, words[i], child);
    g_string_append_printf(xml, "</%s>", element);
}

static inline void
fixture_platforms(GString *xml, const char *list)
{
    g_auto(GStrv) words = fixture_split(list);
    g_string_append(xml, "<system-requires><maintenance-mode>true</maintenance-mode>");
    for (gsize i = 0; words[i] != NULL; i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], " ", 2);
        g_string_append_printf(
            xml, "<softwarePlatform version=\"%s\" locale=\"\" productLineID=\"%s\"/>",
            parts[1] != NULL ? parts[1] : "", parts[0]);
    }
    g_string_append(xml, "</system-requires>");
}

static inline void
fixture_payloads(GString *xml, const char *list)
{
    g_auto(GStrv) words = fixture_split(list);
    g_string_append(xml, "<payloads>");
    for (gsize i = 0; words[i] != NULL; i++) {
        gboolean old = words[i][0] == '-';
        g_auto(GStrv) parts = g_strsplit(words[i] + old, ":", 2);
        g_string_append_printf(xml, "<payload name=\"%s\" type=\"%s\" size=\"10\">", parts[1],
                               parts[0]);
        if (!old)
            g_string_append(
                xml, "<checksum checksum-type=\"sha-256\" verify-process=\"gunzip\">" FIXTURE_SHA256
                     "</checksum>");
        g_string_append(xml, "<checksum checksum-type=\"sha-256\">" FIXTURE_SHA256
                             "</checksum></payload>");
    }
    g_string_append(xml, "</payloads>");
}

#define FIXTURE_OR(text, otherwise) ((text) != NULL ? (text) : (otherwise))

static inline struct vib *
fixture_vib_new(const struct vib_fixture *f)
{
    g_autoptr(GString) xml = g_string_new("<vib version=\"5.0\">");
    g_string_append_printf(xml,
                           "<type>%s</type><name>%s</name><version>%s</version>"
                           "<vendor>%s</vendor><summary>s</summary><description>d</description>"
                           "<release-date>%s</release-date><urls/><relationships>",
                           FIXTURE_OR(f->type, "bootbank"), f->name, f->version,
                           FIXTURE_OR(f->vendor, "ACME"),
                           FIXTURE_OR(f->date, "2020-01-08T12:04:19.619611+00:00"));
    fixture_relations(xml, "depends", "constraint", f->depends);
    fixture_relations(xml, "conflicts", "constraint", f->conflicts);
    fixture_relations(xml, "replaces", "constraint", f->replaces);
    fixture_relations(xml, "provides", "provide", f->provides);
    g_string_append(xml, "<compatibleWith/></relationships>");
    fixture_texts(xml, "software-tags", "tag", f->tags);
    fixture_platforms(xml, f->platforms);
    fixture_texts(xml, "file-list", "file", f->files);
    g_string_append_printf(xml,
                           "<acceptance-level>%s</acceptance-level>"
                           "<live-install-allowed>false</live-install-allowed>"
                           "<live-remove-allowed>false</live-remove-allowed>"
                           "<cimom-restart>false</cimom-restart>"
                           "<stateless-ready>true</stateless-ready><overlay>%s</overlay>",
                           FIXTURE_OR(f->level, "certified"), f->overlay ? "true" : "false");
    fixture_payloads(xml, f->payloads);
    g_string_append(xml, "</vib>");

    GError *error = NULL;
    struct vib *vib = vib_parse(xml->str, xml->len, f->name, &error);
    g_assert_no_error(error);
    return vib;
}

/* fixture_vib(.name = "net", .version = "1.0") */
#define fixture_vib(...) fixture_vib_new(&(struct vib_fixture){__VA_ARGS__})

static inline struct depot *
fixture_depot(const char *title, enum depot_kind kind)
{
    struct depot *depot = depot_new(title);
    depot->kind = kind;
    return depot;
}

/* Takes over `vib`. */
static inline struct package *
fixture_offer(struct depot *depot, struct vib *vib)
{
    struct package *package = g_new0(struct package, 1);
    package->vib = vib;
    package->depot = depot;
    package->channels = g_ptr_array_new();
    package->location = g_strdup_printf("vib20/%s/%s.vib", vib->name, vib->id);
    g_ptr_array_add(depot->packages, package);
    return package;
}

static inline GPtrArray *
fixture_vibs(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)vib_unref);
}
