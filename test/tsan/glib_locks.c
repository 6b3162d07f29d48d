/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GLib's locks over POSIX threads, for ThreadSanitizer.
 *
 * On Linux GLib makes mutexes and conditions out of futexes, which ThreadSanitizer cannot see: it
 * would report a race for everything that they protect.  Programs of a thread-sanitized build are
 * linked with these in place of GLib's own, which have the same meaning.  Static mutexes (zeroed
 * memory) are made when they are first used. */
#include <glib.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* The lock behind `place`, made of `size` bytes by `init` when there is none. */
static gpointer
get(gpointer *place, gsize size, void (*init)(gpointer))
{
    gpointer lock = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (lock != NULL)
        return lock;
    pthread_mutex_lock(&making);
    if (*place == NULL) {
        lock = g_malloc0(size);
        init(lock);
        __atomic_store_n(place, lock, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&making);
    return *place;
}

static void
init_mutex(gpointer lock)
{
    pthread_mutex_init(lock, NULL);
}

static void
init_cond(gpointer lock)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(lock, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void
init_rwlock(gpointer lock)
{
    pthread_rwlock_init(lock, NULL);
}

static pthread_mutex_t *
mutex_of(GMutex *mutex)
{
    return get(&mutex->p, sizeof(pthread_mutex_t), init_mutex);
}

static pthread_cond_t *
cond_of(GCond *cond)
{
    return get(&cond->p, sizeof(pthread_cond_t), init_cond);
}

static pthread_rwlock_t *
rwlock_of(GRWLock *lock)
{
    return get(&lock->p, sizeof(pthread_rwlock_t), init_rwlock);
}

void
g_mutex_init(GMutex *mutex)
{
    mutex->p = NULL;
}

void
g_mutex_clear(GMutex *mutex)
{
    if (mutex->p != NULL)
        pthread_mutex_destroy(mutex->p);
    g_free(mutex->p);
    mutex->p = NULL;
}

void
g_mutex_lock(GMutex *mutex)
{
    pthread_mutex_lock(mutex_of(mutex));
}

gboolean
g_mutex_trylock(GMutex *mutex)
{
    return pthread_mutex_trylock(mutex_of(mutex)) == 0;
}

void
g_mutex_unlock(GMutex *mutex)
{
    pthread_mutex_unlock(mutex_of(mutex));
}

void
g_cond_init(GCond *cond)
{
    cond->p = NULL;
}

void
g_cond_clear(GCond *cond)
{
    if (cond->p != NULL)
        pthread_cond_destroy(cond->p);
    g_free(cond->p);
    cond->p = NULL;
}

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    pthread_cond_wait(cond_of(cond), mutex_of(mutex));
}

void
g_cond_signal(GCond *cond)
{
    pthread_cond_signal(cond_of(cond));
}

void
g_cond_broadcast(GCond *cond)
{
    pthread_cond_broadcast(cond_of(cond));
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    struct timespec until = {end_time / G_USEC_PER_SEC, end_time % G_USEC_PER_SEC * 1000};
    return pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &until) == 0;
}

void
g_rw_lock_init(GRWLock *lock)
{
    lock->p = NULL;
}

void
g_rw_lock_clear(GRWLock *lock)
{
    if (lock->p != NULL)
        pthread_rwlock_destroy(lock->p);
    g_free(lock->p);
    lock->p = NULL;
}

void
g_rw_lock_writer_lock(GRWLock *lock)
{
    pthread_rwlock_wrlock(rwlock_of(lock));
}

void
g_rw_lock_writer_unlock(GRWLock *lock)
{
    pthread_rwlock_unlock(rwlock_of(lock));
}

void
g_rw_lock_reader_lock(GRWLock *lock)
{
    pthread_rwlock_rdlock(rwlock_of(lock));
}

void
g_rw_lock_reader_unlock(GRWLock *lock)
{
    pthread_rwlock_unlock(rwlock_of(lock));
}

/* Reference counts, whose last holder frees what the others wrote. */

void(g_atomic_ref_count_init)(gatomicrefcount *count)
{
    __atomic_store_n(count, 1, __ATOMIC_SEQ_CST);
}

void(g_atomic_ref_count_inc)(gatomicrefcount *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
}

gboolean(g_atomic_ref_count_dec)(gatomicrefcount *count)
{
    return __atomic_sub_fetch(count, 1, __ATOMIC_SEQ_CST) == 0;
}
