/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/machine_nics.h"

#include "base/error.h"
#include "engine/machine_places.h"

#include <string.h>

/* Networks that a message lists. */
#define LISTED_MAX 24u

/* ---- Addresses ------------------------------------------------------------------------------- */

static const struct machine *
find_mac(const GPtrArray *machines, const char *mac)
{
    for (guint i = 0; i < machines->len; i++) {
        const struct machine *machine = machines->pdata[i];
        for (guint k = 0; k < machine->nics->len; k++) {
            const struct machine_nic *nic = machine->nics->pdata[k];
            if (nic->mac != NULL && g_ascii_strcasecmp(nic->mac, mac) == 0)
                return machine;
        }
    }
    return NULL;
}

gboolean
machine_nics_choose_macs(struct machine *machine, const GPtrArray *machines,
                         const struct machine_restore_options *options, GPtrArray *words,
                         GError **error)
{
    for (guint i = 0; i < machine->nics->len; i++) {
        struct machine_nic *nic = machine->nics->pdata[i];
        if (options->mac == RESTORE_MAC_NEW) {
            g_clear_pointer(&nic->mac, g_free);
            nic->mac_fixed = FALSE;
        }
        const struct machine *owner = nic->mac != NULL ? find_mac(machines, nic->mac) : NULL;
        if (owner == NULL)
            continue;
        g_autofree char *path = g_strconcat(owner->folder != NULL ? owner->folder : "",
                                            owner->folder != NULL ? "/" : "", owner->name, NULL);
        if (options->mac == RESTORE_MAC_AUTO)
            return error_set(error, SLIPWAY_ERROR_EXISTS,
                             "the address %s of %s is taken by machine %s: give the new machine "
                             "other addresses (--new-mac), or keep them nevertheless (--keep-mac) "
                             "and do not connect both at once",
                             nic->mac, nic->name, path);
        g_ptr_array_add(
            words,
            g_strdup_printf("%s has the address %s, as machine %s has: connect only one of them",
                            nic->name, nic->mac, path));
    }
    return TRUE;
}

/* ---- Networks -------------------------------------------------------------------------------- */

/* Short forms beside the words of machine.h. */
static gboolean
parse_kind(const char *word, enum machine_network *ret)
{
    if (g_str_equal(word, "distributed")) {
        *ret = MACHINE_DISTRIBUTED_PORT_GROUP;
        return TRUE;
    }
    return machine_network_parse(word, ret);
}

/* "KIND:NAME"; a name with a colon of its own is no kind's. */
static gboolean
split(const char *text, enum machine_network *ret_kind, const char **ret_name)
{
    const char *colon = strchr(text, ':');
    *ret_name = text;
    if (colon == NULL)
        return FALSE;
    g_autofree char *word = g_strndup(text, (gsize)(colon - text));
    if (!parse_kind(word, ret_kind))
        return FALSE;
    *ret_name = colon + 1;
    return TRUE;
}

/* The first network of that name, and (or NULL) kind; *ret_n (may be NULL): how many there are. */
static const struct place *
find_network(const GPtrArray *places, const enum machine_network *kind, const char *name,
             guint *ret_n)
{
    const struct place *found = NULL;
    guint n = 0;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        if (place->kind != PLACE_NETWORK || (kind != NULL && place->network != *kind) ||
            (g_strcmp0(place->name, name) != 0 && g_strcmp0(place->path, name) != 0))
            continue;
        found = found != NULL ? found : place;
        n++;
    }
    if (ret_n != NULL)
        *ret_n = n;
    return found;
}

static char *
list_networks(const GPtrArray *places, const char *name)
{
    GString *text = g_string_new(NULL);
    guint n = 0;
    for (guint i = 0; i < places->len; i++) {
        const struct place *place = places->pdata[i];
        if (place->kind != PLACE_NETWORK || (name != NULL && g_strcmp0(place->name, name) != 0) ||
            n++ >= LISTED_MAX)
            continue;
        g_string_append_printf(text, "%s%s:%s", text->len > 0 ? ", " : "",
                               machine_network_name(place->network), place->name);
    }
    return g_string_free(text, FALSE);
}

static const struct place *
need_network(const GPtrArray *places, const char *text, GError **error)
{
    enum machine_network kind;
    const char *name;
    guint n;
    /* A network whose name looks like another's with its kind is found by all of it. */
    const struct place *place = find_network(places, NULL, text, &n);
    if (place == NULL) {
        gboolean of_kind = split(text, &kind, &name);
        place = find_network(places, of_kind ? &kind : NULL, name, &n);
        n = of_kind && n > 0 ? 1 : n;
    }
    if (place == NULL) {
        g_autofree char *there = list_networks(places, NULL);
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no network %s; there is: %s",
                          text, *there != '\0' ? there : "none at all");
    }
    if (n > 1) {
        g_autofree char *those = list_networks(places, text);
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "more than one network is called %s; give its kind: %s", text, those);
    }
    if (place->words != NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "network %s cannot be used: %s", text,
                          place->words);
    return place;
}

static void
connect_to(struct machine_nic *nic, const struct place *place)
{
    char *name = g_strdup(place->name);
    g_free(nic->network);
    nic->network = name;
    nic->kind = place->network;
}

/* Where it was: under the same name also on a switch of another kind. */
static void
keep_network(struct machine_nic *nic, gboolean same_driver, const GPtrArray *places,
             GPtrArray *words)
{
    /* QEMU's own needs nothing of the host. */
    if (same_driver && (nic->kind == MACHINE_USER_NETWORK || nic->network == NULL))
        return;
    const struct place *place =
        same_driver ? find_network(places, &nic->kind, nic->network, NULL) : NULL;
    guint n = 0;
    if (place == NULL && same_driver) {
        place = find_network(places, NULL, nic->network, &n);
        if (n == 1)
            g_ptr_array_add(words, g_strdup_printf("%s: %s is a %s now", nic->name, nic->network,
                                                   machine_network_name(place->network)));
    }
    if (place != NULL && n <= 1 && place->words == NULL) {
        connect_to(nic, place);
        return;
    }
    g_ptr_array_add(
        words,
        g_strdup_printf(
            "%s is left disconnected: it was on %s, which is not here (--network maps it)",
            nic->name, nic->network != NULL ? nic->network : "a network of the hypervisor's own"));
    g_clear_pointer(&nic->network, g_free);
    nic->kind = MACHINE_OTHER_NETWORK;
    nic->connected = FALSE;
}

static gboolean
check_mappings(const struct machine *machine, const struct machine_restore_options *options,
               GError **error)
{
    for (guint i = 0; i < options->n_networks; i++) {
        const char *from = options->networks[i].from;
        gboolean found = from == NULL;
        g_autoptr(GString) there = g_string_new(NULL);
        for (guint k = 0; k < machine->nics->len; k++) {
            const struct machine_nic *nic = machine->nics->pdata[k];
            found = found || g_strcmp0(nic->name, from) == 0 || g_strcmp0(nic->network, from) == 0;
            g_string_append_printf(there, "%s%s", k > 0 ? ", " : "", nic->name);
            if (nic->network != NULL)
                g_string_append_printf(there, " on %s", nic->network);
        }
        if (!found)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "the machine had no NIC and no network %s; it had: %s", from,
                             there->len > 0 ? there->str : "none");
    }
    return TRUE;
}

gboolean
machine_nics_choose_networks(struct machine *machine, gboolean same_driver, const GPtrArray *places,
                             const struct machine_restore_options *options, GPtrArray *words,
                             GError **error)
{
    if (!check_mappings(machine, options, error))
        return FALSE;
    for (guint i = 0; i < machine->nics->len; i++) {
        struct machine_nic *nic = machine->nics->pdata[i];
        const char *names[3] = {nic->name, nic->network, NULL};
        const char *given = machine_places_map(options->networks, options->n_networks, names);
        const struct place *place = given != NULL ? need_network(places, given, error) : NULL;
        if (given != NULL && place == NULL) {
            g_prefix_error(error, "%s: ", nic->name);
            return FALSE;
        }
        if (place != NULL)
            connect_to(nic, place);
        else
            keep_network(nic, same_driver, places, words);
        nic->connected = nic->connected && !options->disconnect;
    }
    return TRUE;
}
