/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/event_loop.h"

#include "hyper/libvirt/failure.h"

#include <libvirt/libvirt.h>

static GMutex lock;
static gboolean registered;
static guint users;
static GThread *thread;
static int stopping; /* atomic */

static gpointer
run(gpointer data)
{
    while (!g_atomic_int_get(&stopping))
        if (virEventRunDefaultImpl() < 0)
            g_usleep(100000); /* it would only say so again at once */
    return data;
}

static void
wake(int timer, void *data)
{
    (void)data;
    virEventUpdateTimeout(timer, -1);
}

gboolean
event_loop_hold(GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    if (!registered && virEventRegisterDefaultImpl() < 0)
        return failure_set(error, "libvirt's event loop");
    registered = TRUE;
    if (users++ == 0) {
        g_atomic_int_set(&stopping, FALSE);
        thread = g_thread_new("libvirt", run, NULL);
    }
    return TRUE;
}

void
event_loop_release(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    if (--users > 0)
        return;
    g_atomic_int_set(&stopping, TRUE);
    int timer = virEventAddTimeout(0, wake, NULL, NULL);
    g_thread_join(g_steal_pointer(&thread));
    if (timer >= 0)
        virEventRemoveTimeout(timer);
}
