/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hypervisor in memory: its class, and what happens when it is called. */
#include "hyper/memory_private.h"

#include "hyper/mark.h"

#include <string.h>

#define ALL_CAPABILITIES                                                                           \
    (HYPERVISOR_CAN_TRACK | HYPERVISOR_CAN_QUIESCE | HYPERVISOR_CAN_CREATE |                       \
     HYPERVISOR_CAN_IN_PLACE | HYPERVISOR_CAN_FOLDERS | HYPERVISOR_CAN_TAGS |                      \
     HYPERVISOR_CAN_OFFLINE)

static const char *const call_names[HYPERVISOR_MEMORY_CALL_N] = {
    [HYPERVISOR_MEMORY_ABOUT] = "about",         [HYPERVISOR_MEMORY_LIST] = "list",
    [HYPERVISOR_MEMORY_DESCRIBE] = "describe",   [HYPERVISOR_MEMORY_PLACES] = "places",
    [HYPERVISOR_MEMORY_CLEAN] = "clean",         [HYPERVISOR_MEMORY_FREEZE] = "freeze",
    [HYPERVISOR_MEMORY_READ] = "read",           [HYPERVISOR_MEMORY_THAW] = "thaw",
    [HYPERVISOR_MEMORY_SETTLE] = "settle",       [HYPERVISOR_MEMORY_CREATE] = "create",
    [HYPERVISOR_MEMORY_OVERWRITE] = "overwrite", [HYPERVISOR_MEMORY_WRITE] = "write",
    [HYPERVISOR_MEMORY_IMPORT] = "import",       [HYPERVISOR_MEMORY_FINISH] = "finish",
    [HYPERVISOR_MEMORY_ABANDON] = "abandon",
};

static void
note(struct memory_state *state, const char *word)
{
    const char *last =
        state->events->len > 0 ? g_ptr_array_index(state->events, state->events->len - 1) : NULL;
    if (g_strcmp0(last, word) != 0)
        g_ptr_array_add(state->events, g_strdup(word));
}

/* TRUE when the fault of this kind of call is due. */
static gboolean
strikes(struct memory_fault *fault)
{
    if (fault->left == 0)
        return FALSE;
    if (fault->left > 1) {
        fault->left--;
        return FALSE;
    }
    if (fault->once)
        fault->left = 0;
    return TRUE;
}

gboolean
memory_call_named(struct hypervisor *hypervisor, enum hypervisor_memory_call call, const char *name,
                  GError **error)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    void (*follow)(struct hypervisor *, enum hypervisor_memory_call, gpointer) = state->follow;
    gpointer data = state->follow_data;
    g_mutex_unlock(&state->lock);
    if (follow != NULL)
        follow(hypervisor, call, data);

    g_mutex_lock(&state->lock);
    state->counts.calls[call]++;
    struct memory_fault *fault = &state->faults[call];
    enum slipway_error code = fault->code;
    gboolean fails = strikes(fault);
    g_autofree char *word = g_strconcat(name, fails ? "!" : "", NULL);
    note(state, word);
    g_mutex_unlock(&state->lock);
    return !fails ||
           error_set(error, code, "%s: cannot %s (a fault made for a test)", state->label, name);
}

gboolean
memory_call(struct hypervisor *hypervisor, enum hypervisor_memory_call call, GError **error)
{
    return memory_call_named(hypervisor, call, call_names[call], error);
}

static void
free_state(struct memory_state *state)
{
    if (!g_atomic_int_dec_and_test(&state->references))
        return;
    g_ptr_array_unref(state->machines);
    g_ptr_array_unref(state->making);
    g_ptr_array_unref(state->places);
    g_ptr_array_unref(state->events);
    g_free(state->driver);
    g_free(state->label);
    g_mutex_clear(&state->lock);
    g_free(state);
}

static void
close_session(struct hypervisor *self)
{
    free_state(memory_state(self));
    g_free(self);
}

static gboolean
say_about(struct hypervisor *self, struct hypervisor_about *ret, GError **error)
{
    struct memory_state *state = memory_state(self);
    if (!memory_call(self, HYPERVISOR_MEMORY_ABOUT, error))
        return FALSE;
    ret->product = g_strdup("Slipway's hypervisor in memory");
    ret->version = g_strdup("1.0");
    ret->api = g_strdup("1");
    ret->id = g_strdup("6d656d6f-7279-4000-8000-000000000000");
    ret->read_only = state->read_only;
    ret->words = state->read_only ? g_strdup("it was made so for a test") : NULL;
    return TRUE;
}

static GPtrArray *
list_machines(struct hypervisor *self, GError **error)
{
    struct memory_state *state = memory_state(self);
    if (!memory_call(self, HYPERVISOR_MEMORY_LIST, error))
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    g_mutex_lock(&state->lock);
    for (guint i = 0; i < state->machines->len; i++) {
        const struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        struct machine *machine = machine_copy(memory->machine);
        g_clear_pointer(&machine->native, g_free);
        g_clear_pointer(&machine->native_type, g_free);
        g_clear_pointer(&machine->firmware_type, g_free);
        g_clear_pointer(&machine->firmware_data, g_bytes_unref);
        g_ptr_array_add(list, machine);
    }
    g_mutex_unlock(&state->lock);
    return list;
}

static struct machine *
describe_machine(struct hypervisor *self, const char *ref_or_id, GError **error)
{
    struct memory_state *state = memory_state(self);
    if (!memory_call(self, HYPERVISOR_MEMORY_DESCRIBE, error))
        return NULL;
    g_mutex_lock(&state->lock);
    const struct memory_machine *memory = memory_find(state, ref_or_id);
    struct machine *machine =
        memory != NULL ? machine_copy(memory->machine) : memory_no_machine(state, ref_or_id, error);
    g_mutex_unlock(&state->lock);
    return machine;
}

static GPtrArray *
list_places(struct hypervisor *self, GError **error)
{
    struct memory_state *state = memory_state(self);
    if (!memory_call(self, HYPERVISOR_MEMORY_PLACES, error))
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    g_mutex_lock(&state->lock);
    for (guint i = 0; i < state->places->len; i++) {
        const struct place *place = g_ptr_array_index(state->places, i);
        struct place *copy = g_new(struct place, 1);
        *copy = *place;
        copy->name = g_strdup(place->name);
        copy->path = g_strdup(place->path);
        copy->words = g_strdup(place->words);
        g_ptr_array_add(list, copy);
    }
    g_mutex_unlock(&state->lock);
    return list;
}

static void
clean_machine(struct memory_machine *memory, GPtrArray *words)
{
    for (guint i = memory->snapshots->len; i-- > 0;) {
        const char *name = g_ptr_array_index(memory->snapshots, i);
        enum mark_state look = mark_look(name);
        if (look == MARK_ELSEWHERE)
            g_ptr_array_add(words,
                            g_strdup_printf("machine %s: snapshot %s is another computer's, and "
                                            "was left",
                                            memory->machine->name, name));
        if (look != MARK_LEFT)
            continue;
        g_ptr_array_add(words, g_strdup_printf("machine %s: snapshot %s was removed",
                                               memory->machine->name, name));
        g_ptr_array_remove_index(memory->snapshots, i);
    }
}

static gboolean
clean_up(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error)
{
    struct memory_state *state = memory_state(self);
    if (!memory_call(self, HYPERVISOR_MEMORY_CLEAN, error))
        return FALSE;
    g_mutex_lock(&state->lock);
    gboolean ok = ref == NULL || memory_find(state, ref) != NULL;
    for (guint i = 0; i < state->machines->len; i++) {
        struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        if (ref == NULL || memory_find(state, ref) == memory)
            clean_machine(memory, words);
    }
    if (!ok)
        memory_no_machine(state, ref, error);
    g_mutex_unlock(&state->lock);
    return ok;
}

static const struct hypervisor_class memory_class = {
    .close = close_session,
    .about = say_about,
    .list = list_machines,
    .describe = describe_machine,
    .places = list_places,
    .freeze = memory_freeze,
    .clean = clean_up,
    .create = memory_create,
    .overwrite = memory_overwrite,
};

static struct hypervisor *
new_session(struct memory_state *state, unsigned capabilities)
{
    struct memory *memory = g_new0(struct memory, 1);
    memory->class = memory_class;
    memory->class.name = state->driver;
    memory->state = state;
    hypervisor_init(&memory->base, &memory->class, capabilities, state->label, NULL);
    return &memory->base;
}

struct hypervisor *
hypervisor_memory_new(const struct hypervisor_memory_options *options)
{
    static const struct hypervisor_memory_options defaults;
    if (options == NULL)
        options = &defaults;
    struct memory_state *state = g_new0(struct memory_state, 1);
    state->references = 1;
    g_mutex_init(&state->lock);
    state->machines = memory_machines_new();
    state->making = g_ptr_array_new_with_free_func(g_free);
    state->places = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    state->events = g_ptr_array_new_with_free_func(g_free);
    state->driver = g_strdup(options->driver != NULL ? options->driver : "memory");
    state->label = g_strdup(options->label != NULL ? options->label : "memory");
    state->import = options->import;
    state->read_only = options->read_only;
    return new_session(state,
                       options->capabilities != 0 ? options->capabilities : ALL_CAPABILITIES);
}

struct hypervisor *
hypervisor_memory_again(struct hypervisor *hypervisor)
{
    struct memory_state *state = memory_state(hypervisor);
    g_atomic_int_inc(&state->references);
    return new_session(state, hypervisor->capabilities);
}

void
hypervisor_memory_fault(struct hypervisor *hypervisor, enum hypervisor_memory_call call, guint nth,
                        gboolean once, enum slipway_error code)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    state->faults[call] = (struct memory_fault){nth, once, code};
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_heal(struct hypervisor *hypervisor)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    memset(state->faults, 0, sizeof state->faults);
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_follow(struct hypervisor *hypervisor,
                         void (*follow)(struct hypervisor *hypervisor,
                                        enum hypervisor_memory_call call, gpointer data),
                         gpointer data)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    state->follow = follow;
    state->follow_data = data;
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_count(struct hypervisor *hypervisor, struct hypervisor_memory_counts *ret)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    *ret = state->counts;
    for (guint i = 0; i < state->machines->len; i++) {
        const struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        ret->snapshots += memory->snapshots->len;
    }
    g_mutex_unlock(&state->lock);
}

char *
hypervisor_memory_events(struct hypervisor *hypervisor)
{
    struct memory_state *state = memory_state(hypervisor);
    GString *text = g_string_new(NULL);
    g_mutex_lock(&state->lock);
    for (guint i = 0; i < state->events->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "",
                               (const char *)g_ptr_array_index(state->events, i));
    g_mutex_unlock(&state->lock);
    return g_string_free(text, FALSE);
}

void
hypervisor_memory_note(struct hypervisor *hypervisor, const char *word)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    note(state, word);
    g_mutex_unlock(&state->lock);
}
