/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "repo/repo_driver.h"

#include <errno.h>

struct fault {
    struct repo base;
    struct repo *below;
    struct repo_fault plan;
    GMutex lock; /* over: */
    unsigned count;
    gboolean dead;
};

struct fault_writer {
    struct repo_writer base;
    struct repo_writer *below;
};

static const char *const verbs[REPO_OP_N] = {
    [REPO_OP_PUT] = "put",       [REPO_OP_REPLACE] = "replace", [REPO_OP_APPEND] = "write",
    [REPO_OP_COMMIT] = "finish", [REPO_OP_READ] = "read",       [REPO_OP_LIST] = "list",
    [REPO_OP_REMOVE] = "remove",
};

static gboolean
is_dead(struct fault *fault)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&fault->lock);
    return fault->dead;
}

static gboolean
strikes(struct fault *fault, enum repo_operation operation)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&fault->lock);
    if ((fault->plan.operations & (1u << operation)) == 0)
        return fault->dead;
    fault->count++;
    if (fault->dead)
        return TRUE;
    gboolean now = fault->plan.at != 0 && fault->count == fault->plan.at;
    fault->dead = now && !fault->plan.once;
    return now;
}

static gboolean
fail(struct repo *self, enum repo_operation operation, const char *name, GError **error)
{
    int number = ((struct fault *)self)->plan.number;
    return error_set_errno(error, number == 0 ? EIO : number, "%s: cannot %s %s", self->label,
                           verbs[operation], name);
}

static gboolean
pass(struct repo *self, enum repo_operation operation, const char *name, GError **error)
{
    return !strikes((struct fault *)self, operation) || fail(self, operation, name, error);
}

static struct repo *
below(struct repo *self)
{
    return ((struct fault *)self)->below;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static gboolean
put(struct repo *self, const char *name, const void *data, gsize length, gboolean replace,
    GError **error)
{
    return pass(self, replace ? REPO_OP_REPLACE : REPO_OP_PUT, name, error) &&
           below(self)->class->put(below(self), name, data, length, replace, error);
}

static gboolean
append(struct repo_writer *self, const void *data, gsize length, GError **error)
{
    return pass(self->repo, REPO_OP_APPEND, "an object", error) &&
           repo_writer_append(((struct fault_writer *)self)->below, data, length, error);
}

static void
leave(struct repo_writer *self)
{
    struct fault_writer *writer = (struct fault_writer *)self;
    writer->below->class->leave(writer->below);
    g_free(writer);
}

static void
abandon(struct repo_writer *self)
{
    struct fault_writer *writer = (struct fault_writer *)self;
    if (is_dead((struct fault *)self->repo)) {
        leave(self);
        return;
    }
    repo_writer_abandon(writer->below);
    g_free(writer);
}

static gboolean
commit(struct repo_writer *self, const char *name, GError **error)
{
    struct fault_writer *writer = (struct fault_writer *)self;
    if (!pass(self->repo, REPO_OP_COMMIT, name, error)) {
        abandon(self);
        return FALSE;
    }
    gboolean ok = repo_writer_commit(writer->below, name, error);
    g_free(writer);
    return ok;
}

static const struct repo_writer_class fault_writer_class = {
    .append = append,
    .commit = commit,
    .abandon = abandon,
    .leave = leave,
};

/* Not counted, but a dead program does not begin anything. */
static struct repo_writer *
create(struct repo *self, const char *owner, GError **error)
{
    if (is_dead((struct fault *)self)) {
        fail(self, REPO_OP_APPEND, "an object", error);
        return NULL;
    }
    struct repo_writer *writer_below = repo_create(below(self), owner, error);
    if (writer_below == NULL)
        return NULL;
    struct fault_writer *writer = g_new0(struct fault_writer, 1);
    repo_writer_init(&writer->base, &fault_writer_class, self);
    writer->below = writer_below;
    return &writer->base;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static gboolean
read_range(struct repo *self, const char *name, guint64 offset, void *buffer, gsize length,
           GError **error)
{
    return pass(self, REPO_OP_READ, name, error) &&
           repo_read(below(self), name, offset, buffer, length, error);
}

static GBytes *
read_all(struct repo *self, const char *name, gsize limit, GError **error)
{
    if (!pass(self, REPO_OP_READ, name, error))
        return NULL;
    return repo_read_all(below(self), name, limit, error);
}

static GBytes *
view(struct repo *self, const char *name, gsize limit, GError **error)
{
    if (!pass(self, REPO_OP_READ, name, error))
        return NULL;
    return repo_view(below(self), name, limit, error);
}

static gboolean
size_of(struct repo *self, const char *name, guint64 *ret_size, GError **error)
{
    return pass(self, REPO_OP_READ, name, error) && repo_size(below(self), name, ret_size, error);
}

/* ---- What there is --------------------------------------------------------------------------- */

static gboolean
list(struct repo *self, const char *folder, GPtrArray *entries, GError **error)
{
    return pass(self, REPO_OP_LIST, folder, error) &&
           below(self)->class->list(below(self), folder, entries, error);
}

static gboolean
remove_object(struct repo *self, const char *name, GError **error)
{
    return pass(self, REPO_OP_REMOVE, name, error) && repo_remove(below(self), name, error);
}

static gboolean
unfinished(struct repo *self, GPtrArray *owners, GError **error)
{
    return pass(self, REPO_OP_LIST, "unfinished objects", error) &&
           below(self)->class->unfinished(below(self), owners, error);
}

static gboolean
unfinished_remove(struct repo *self, const char *owner, GError **error)
{
    return pass(self, REPO_OP_REMOVE, "unfinished objects", error) &&
           repo_unfinished_remove(below(self), owner, error);
}

static guint64
free_space(struct repo *self)
{
    return repo_free_space(below(self));
}

static void
close_fault(struct repo *self)
{
    struct fault *fault = (struct fault *)self;
    repo_close(fault->below);
    g_mutex_clear(&fault->lock);
    g_free(fault);
}

static const struct repo_class fault_class = {
    .name = "fault",
    .put = put,
    .create = create,
    .read = read_range,
    .read_all = read_all,
    .view = view,
    .size = size_of,
    .list = list,
    .remove = remove_object,
    .unfinished = unfinished,
    .unfinished_remove = unfinished_remove,
    .free_space = free_space,
    .close = close_fault,
};

struct repo *
repo_fault_new(struct repo *below_repo, const struct repo_fault *plan)
{
    struct fault *fault = g_new0(struct fault, 1);
    repo_init(&fault->base, &fault_class, repo_capabilities(below_repo), repo_label(below_repo));
    fault->below = below_repo;
    fault->plan = *plan;
    g_mutex_init(&fault->lock);
    return &fault->base;
}

unsigned
repo_fault_count(struct repo *repo)
{
    struct fault *fault = (struct fault *)repo;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&fault->lock);
    return fault->count;
}
