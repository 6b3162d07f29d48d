/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_transmission.h"

#include "base/error.h"
#include "target/nbd_protocol.h"
#include "target/nbd_request.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX 8192u /* received at once; data of writes goes to its place from there on */
#define IDLE_MS 10000   /* then a thread gives its memory back, and leaves when it is one of many */
#define WATCHERS 2u     /* threads that stay: one works, one waits for the socket */

enum input { DRAINED, FULL, ENDED };

struct transmission {
    struct nbd_session *session;
    int epoll;
    GMutex lock; /* over what follows */
    GCond left;
    GQueue waiting; /* of struct nbd_request */
    guint taken;    /* received and not answered: waiting, and under way */
    gsize memory;   /* counted for them */
    gsize wanted;   /* by the request that there was no room for */
    guint threads, idle;
    GSList *gone;       /* of GThread, to be joined */
    gboolean waking;    /* an idle thread was woken and is on its way */
    gboolean receiving; /* somebody is */
    gboolean readable;  /* the socket may have something that nobody has looked at */
    gboolean hung_up;   /* the client sends no more than what is there */
    gboolean closing;   /* nothing more is received */
    GError *error;

    /* Of whoever is receiving. */
    guint8 input[INPUT_MAX];
    gsize begin, end;
    struct nbd_request *incoming; /* a write whose data is not complete */
    gsize filled;
};

static gpointer run_thread(gpointer data);

/* ---- Threads ----------------------------------------------------------------------------------
 */

/* Is there something to receive, and room for it? */
static gboolean
may_receive(const struct transmission *transmission)
{
    return transmission->readable && !transmission->receiving && !transmission->closing &&
           transmission->taken < NBD_REQUESTS_MAX &&
           transmission->memory + transmission->wanted <= NBD_MEMORY_MAX;
}

/* Have an idle thread, if there is one, look what there is to do.  Locked. */
static void
wake(struct transmission *transmission)
{
    if (transmission->waking || transmission->idle == 0)
        return;
    transmission->waking = TRUE;
    eventfd_write(transmission->session->wake, 1);
}

/* Threads that were too many.  They need no lock any more. */
static void
join_gone(struct transmission *transmission)
{
    for (GSList *item = transmission->gone; item != NULL; item = item->next)
        g_thread_join(item->data);
    g_slist_free(g_steal_pointer(&transmission->gone));
}

/* Before this thread goes to work: somebody is to wait for the socket meanwhile, and somebody to do
 * what else there is.  Locked. */
static void
keep_watch(struct transmission *transmission)
{
    if (transmission->idle > 0) {
        if (!g_queue_is_empty(&transmission->waiting) || may_receive(transmission))
            wake(transmission);
        return;
    }
    if (transmission->threads >= NBD_THREADS_MAX)
        return;
    /* Counted as idle from now on, so that it is not made twice.  Without it all goes on, slower.
     */
    transmission->threads++;
    transmission->idle++;
    join_gone(transmission);
    if (g_thread_try_new("nbd", run_thread, transmission, NULL) == NULL) {
        transmission->threads--;
        transmission->idle--;
    }
}

/* ---- Receiving --------------------------------------------------------------------------------
 */

static void
free_request(struct nbd_request *request)
{
    g_free(request->data);
    g_free(request);
}

static void
push(struct transmission *transmission, struct nbd_request *request)
{
    g_mutex_lock(&transmission->lock);
    g_queue_push_tail(&transmission->waiting, request);
    /* The first one is for this thread itself. */
    if (transmission->waiting.length > 1)
        wake(transmission);
    g_mutex_unlock(&transmission->lock);
}

/* What waits shall not wait for the data of another one. */
static void
hand_over(struct transmission *transmission)
{
    g_mutex_lock(&transmission->lock);
    if (!g_queue_is_empty(&transmission->waiting))
        wake(transmission);
    g_mutex_unlock(&transmission->lock);
}

/* Count the request in; FALSE: there is no room now. */
static gboolean
admit(struct transmission *transmission, gsize memory)
{
    g_mutex_lock(&transmission->lock);
    gboolean room =
        transmission->taken < NBD_REQUESTS_MAX && transmission->memory + memory <= NBD_MEMORY_MAX;
    if (room) {
        transmission->taken++;
        transmission->memory += memory;
    }
    transmission->wanted = room ? 0 : memory;
    g_mutex_unlock(&transmission->lock);
    return room;
}

static enum input
refuse(struct transmission *transmission, const char *words)
{
    error_set(&transmission->error, SLIPWAY_ERROR_CORRUPT, "%s", words);
    return ENDED;
}

/* Take a head off the input. */
static enum input
take_head(struct transmission *transmission)
{
    struct nbd_request head;
    if (!nbd_request_parse(transmission->input + transmission->begin, &head))
        return refuse(transmission, "what it sends is not a request of NBD");
    if (head.type == NBD_CMD_DISC)
        return ENDED;
    /* Its data cannot be told from what comes after it, unless it is taken. */
    if (head.type == NBD_CMD_WRITE && head.length > NBD_SERVER_REQUEST_MAX)
        return refuse(transmission, "it writes more at once than a request may have");
    head.memory = nbd_request_memory(transmission->session, &head);
    if (!admit(transmission, head.memory))
        return FULL;
    transmission->begin += NBD_REQUEST_HEAD;
    struct nbd_request *request = g_memdup2(&head, sizeof head);
    if (head.type != NBD_CMD_WRITE || head.length == 0) {
        push(transmission, request);
        return DRAINED;
    }
    gsize there = MIN(transmission->end - transmission->begin, head.length);
    request->data = g_malloc(head.length);
    memcpy(request->data, transmission->input + transmission->begin, there);
    transmission->begin += there;
    transmission->filled = there;
    transmission->incoming = request;
    if (there < head.length)
        hand_over(transmission);
    return DRAINED;
}

/* Take what is complete in the input; DRAINED: more has to be received for the next one. */
static enum input
take_input(struct transmission *transmission)
{
    for (;;) {
        struct nbd_request *incoming = transmission->incoming;
        if (incoming != NULL) {
            if (transmission->filled < incoming->length)
                return DRAINED;
            transmission->incoming = NULL;
            push(transmission, incoming);
        }
        if (transmission->end - transmission->begin < NBD_REQUEST_HEAD)
            return DRAINED;
        enum input input = take_head(transmission);
        if (input != DRAINED)
            return input;
    }
}

/* Where the next bytes go, and how many are wanted. */
static guint8 *
next_place(struct transmission *transmission, gsize *ret_length)
{
    struct nbd_request *incoming = transmission->incoming;
    if (incoming != NULL) {
        *ret_length = incoming->length - transmission->filled;
        return incoming->data + transmission->filled;
    }
    gsize left = transmission->end - transmission->begin;
    memmove(transmission->input, transmission->input + transmission->begin, left);
    transmission->begin = 0;
    transmission->end = left;
    *ret_length = INPUT_MAX - left;
    return transmission->input + left;
}

/* Until the socket has no more, or there is no room for more.  A socket that gives less than it was
 * asked for is empty, unless the other end is closed: that has to be met. */
static enum input
receive(struct transmission *transmission, gboolean hung_up)
{
    struct nbd_channel *channel = &transmission->session->channel;
    for (;;) {
        enum input input = take_input(transmission);
        if (input != DRAINED)
            return input;
        gsize wanted;
        guint8 *place = next_place(transmission, &wanted);
        gssize n = nbd_channel_receive_some(channel, place, wanted);
        if (n < 0)
            return ENDED;
        if (n == 0)
            return DRAINED;
        if (transmission->incoming != NULL)
            transmission->filled += (gsize)n;
        else
            transmission->end += (gsize)n;
        if ((gsize)n < wanted && !hung_up && channel->tls == NULL)
            return take_input(transmission);
    }
}

/* Locked, and unlocked meanwhile. */
static void
receive_now(struct transmission *transmission)
{
    gboolean hung_up = transmission->hung_up;
    transmission->receiving = TRUE;
    transmission->readable = FALSE;
    g_mutex_unlock(&transmission->lock);
    enum input input = receive(transmission, hung_up);
    g_mutex_lock(&transmission->lock);
    transmission->receiving = FALSE;
    /* Whoever makes room tries again. */
    if (input == FULL)
        transmission->readable = TRUE;
    if (input == ENDED)
        transmission->closing = TRUE;
}

/* ---- Working ----------------------------------------------------------------------------------
 */

/* Locked, and unlocked meanwhile. */
static void
work(struct transmission *transmission, struct nbd_request *request, struct nbd_scratch *scratch)
{
    keep_watch(transmission);
    g_mutex_unlock(&transmission->lock);
    gboolean there = nbd_request_do(transmission->session, request, scratch);
    gsize memory = request->memory;
    free_request(request);
    g_mutex_lock(&transmission->lock);
    transmission->taken--;
    transmission->memory -= memory;
    if (!there)
        transmission->closing = TRUE;
}

/* Wait for the socket or for a call.  Locked, and unlocked meanwhile.  FALSE: nobody needed this
 * thread for long, and there are others that wait. */
static gboolean
wait_idle(struct transmission *transmission, struct nbd_scratch *scratch)
{
    struct epoll_event event;
    gboolean spare = transmission->idle >= WATCHERS || scratch->data != NULL;
    transmission->idle++;
    g_mutex_unlock(&transmission->lock);
    int n = epoll_wait(transmission->epoll, &event, 1, spare ? IDLE_MS : -1);
    if (n == 0)
        nbd_scratch_clear(scratch);
    g_mutex_lock(&transmission->lock);
    transmission->idle--;
    if (n == 0)
        return transmission->idle < WATCHERS;
    if (n < 0)
        return TRUE;
    if (event.data.fd == transmission->session->wake) {
        transmission->waking = FALSE;
        return TRUE;
    }
    transmission->readable = TRUE;
    if (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        transmission->hung_up = TRUE;
    return TRUE;
}

/* Until the connection ends, or this thread is one too many.  Locked. */
static void
take_part(struct transmission *transmission, gboolean stay)
{
    struct nbd_scratch scratch = {0};
    for (;;) {
        if (g_atomic_int_get(&transmission->session->stopping))
            transmission->closing = TRUE;
        if (may_receive(transmission))
            receive_now(transmission);
        struct nbd_request *request = g_queue_pop_head(&transmission->waiting);
        if (request != NULL)
            work(transmission, request, &scratch);
        else if (transmission->closing && !transmission->receiving)
            break;
        else if (!may_receive(transmission) && !wait_idle(transmission, &scratch) && !stay)
            break;
    }
    nbd_scratch_clear(&scratch);
}

/* One thread after the other is told of the end.  Locked. */
static void
leave(struct transmission *transmission)
{
    transmission->threads--;
    if (transmission->closing)
        wake(transmission);
    g_cond_signal(&transmission->left);
}

static gpointer
run_thread(gpointer data)
{
    struct transmission *transmission = data;
    g_mutex_lock(&transmission->lock);
    transmission->idle--;
    take_part(transmission, FALSE);
    leave(transmission);
    transmission->gone = g_slist_prepend(transmission->gone, g_thread_self());
    g_mutex_unlock(&transmission->lock);
    return NULL;
}

static void
run_all(struct transmission *transmission)
{
    g_mutex_lock(&transmission->lock);
    transmission->threads = 1;
    take_part(transmission, TRUE);
    leave(transmission);
    while (transmission->threads > 0)
        g_cond_wait(&transmission->left, &transmission->lock);
    join_gone(transmission);
    g_mutex_unlock(&transmission->lock);
}

static gboolean
watch(struct transmission *transmission, int fd, guint32 events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    return epoll_ctl(transmission->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

gboolean
nbd_transmission_do(struct nbd_session *session, GError **error)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return error_set_errno(error, errno, "cannot wait for requests");
    struct transmission *transmission = g_new0(struct transmission, 1);
    transmission->session = session;
    transmission->epoll = epoll;
    g_mutex_init(&transmission->lock);
    g_cond_init(&transmission->left);
    g_queue_init(&transmission->waiting);
    /* From here on it is written to for other reasons as well. */
    session->channel.interrupt = -1;
    gboolean ok = watch(transmission, session->channel.fd, EPOLLIN | EPOLLRDHUP) &&
                  watch(transmission, session->wake, EPOLLIN);
    if (ok)
        run_all(transmission);
    else
        error_set_errno(&transmission->error, errno, "cannot wait for requests");
    if (transmission->incoming != NULL)
        free_request(transmission->incoming);
    GError *failure = g_steal_pointer(&transmission->error);
    g_mutex_clear(&transmission->lock);
    g_cond_clear(&transmission->left);
    g_free(transmission);
    close(epoll);
    if (failure == NULL)
        return TRUE;
    g_propagate_error(error, failure);
    return FALSE;
}
