/* Events of libzre as the frames that C Zyre's programs read.
 *
 * Until a program asks for the socket, zyre_recv reads libzre itself: no thread and no
 * socket are between. After that, a thread writes all events to the socket.
 */

#include <poll.h>

#include "node.h"

/* How long a thread waits before it looks whether it should end. */
#define PATIENCE 200

/* Where frames go. False: not now, which only the first frame of a message may hear. */
typedef bool (sink_fn) (void *to, const void *data, size_t size, bool more);

static bool
s_to_message (void *to, const void *data, size_t size, bool more)
{
    (void) more;
    return zmsg_addmem ((zmsg_t *) to, data, size) == 0;
}

static bool
s_to_socket (void *to, const void *data, size_t size, bool more)
{
    return zmq_send (to, data, size, more ? ZMQ_SNDMORE : 0) >= 0;
}

static bool
s_text (sink_fn sink, void *to, const char *text, bool more)
{
    return sink (to, text ? text : "", text ? strlen (text) : 0, more);
}

static zframe_t *
s_headers (const zre_peer *peer)
{
    zhash_t *headers = zhash_new ();
    zhash_autofree (headers);
    size_t count = zre_peer_header_count (peer);
    for (size_t each = 0; each < count; each++)
        zhash_update (headers, zre_peer_header_key (peer, each),
                      (void *) zre_peer_header_value (peer, each));
    zframe_t *packed = zhash_pack (headers);
    zhash_destroy (&headers);
    return packed;
}

/* What an event is called by C Zyre; NULL if it has no such event. */
static const char *
s_type (zyre_t *self, const zre_event *event)
{
    switch (zre_event_kind (event)) {
    case ZRE_KIND_ENTER:
        return "ENTER";
    case ZRE_KIND_EXIT:
        return "EXIT";
    case ZRE_KIND_JOIN:
        return "JOIN";
    case ZRE_KIND_LEAVE:
        return "LEAVE";
    case ZRE_KIND_WHISPER:
        return "WHISPER";
    case ZRE_KIND_SHOUT:
        return "SHOUT";
    case ZRE_KIND_LEADER:
        return "LEADER";
    case ZRE_KIND_EVASIVE:
        return self->strict ? NULL : "EVASIVE";
    case ZRE_KIND_SILENT:
        return self->strict ? NULL : "SILENT";
    default:
        return NULL;
    }
}

/* Writes an event's frames. False if the first of them wasn't taken: nothing is written. */
static bool
s_write (zyre_t *self, const zre_event *event, const char *type, sink_fn sink, void *to)
{
    char uuid[UUID_TEXT];
    uuid_text (uuid, zre_event_uuid (event));
    const zre_peer *peer = zre_event_peer (event);
    const zre_message *message = zre_event_message (event);
    const char *group = zre_event_group (event);
    bool enter = streq (type, "ENTER");
    size_t count = zre_message_count (message);

    if (!s_text (sink, to, type, true))
        return false;
    s_text (sink, to, uuid, true);
    /* Without a peer, this node leads. */
    s_text (sink, to, peer ? zre_peer_name (peer) : self->name, enter || group || count);
    if (enter) {
        zframe_t *headers = s_headers (peer);
        sink (to, zframe_data (headers), zframe_size (headers), true);
        zframe_destroy (&headers);
        s_text (sink, to, zre_peer_endpoint (peer), false);
    }
    if (group)
        s_text (sink, to, group, count > 0);
    for (size_t each = 0; each < count; each++) {
        zre_frame frame = zre_message_frame (message, each);
        sink (to, frame.data, frame.size, each + 1 < count);
    }
    return true;
}

static zmsg_t *
s_plain (const char *type, const char *uuid, const char *name)
{
    zmsg_t *message = zmsg_new ();
    zmsg_addstr (message, type);
    zmsg_addstr (message, uuid);
    zmsg_addstr (message, name);
    return message;
}

/* Strict mode: EVASIVE for every peer that has been silent for so long, and SILENT a
   period later, again each period. */
static void
s_look (zyre_t *self)
{
    int64_t period = self->evasive < self->expired ? self->evasive : self->expired;
    if (period > 1000)
        period = 1000;
    if (period < 1)
        period = 1;
    self->next_look = zclock_mono () + period;

    zre_peers *peers;
    if (zre_node_peers (self->node, NULL, &peers) != ZRE_ERROR_NONE)
        return;
    size_t count = zre_peers_count (peers);
    for (size_t each = 0; each < count; each++) {
        const zre_peer *peer = zre_peers_get (peers, each);
        int64_t silence;
        if (zre_node_silence (self->node, zre_peer_uuid (peer), &silence) != ZRE_ERROR_NONE
        ||  silence < self->evasive)
            continue;
        char uuid[UUID_TEXT];
        uuid_text (uuid, zre_peer_uuid (peer));
        zlist_append (self->pending, s_plain ("EVASIVE", uuid, zre_peer_name (peer)));
        if (silence >= self->evasive + period)
            zlist_append (self->pending, s_plain ("SILENT", uuid, zre_peer_name (peer)));
    }
    zre_peers_destroy (&peers);
}

/* The next event, or a message that was made here; both NULL if none comes in time. A
   negative time is for ever, and 0 doesn't wait. */
static zre_event *
s_next (zyre_t *self, int64_t timeout, const char **type, zmsg_t **made)
{
    int64_t deadline = zclock_mono () + timeout;
    for (;;) {
        *made = (zmsg_t *) zlist_pop (self->pending);
        if (*made || self->stopped)
            return NULL;
        int64_t now = zclock_mono ();
        int64_t wait = timeout < 0 ? -1 : deadline > now ? deadline - now : 0;
        if (self->strict) {
            int64_t look = self->next_look - now;
            if (look <= 0) {
                s_look (self);
                continue;
            }
            if (wait < 0 || wait > look)
                wait = look;
        }
        zre_event *event;
        zre_error error = zre_events_recv (self->node, wait, &event);
        if (error == ZRE_ERROR_NONE) {
            *type = s_type (self, event);
            if (*type)
                return event;
            zre_event_destroy (&event);
        }
        else
        if (error == ZRE_ERROR_ELAPSED) {
            if (timeout >= 0 && zclock_mono () >= deadline)
                return NULL;
        }
        else {
            self->stopped = true;
            if (!self->closing)
                zlist_append (self->pending, s_plain ("STOP", self->uuid, self->name));
        }
    }
}

zmsg_t *
events_next (zyre_t *self, int timeout)
{
    int64_t deadline = zclock_mono () + timeout;
    for (;;) {
        const char *type;
        zmsg_t *message;
        zre_event *event = s_next (self, 0, &type, &message);
        if (event) {
            message = zmsg_new ();
            s_write (self, event, type, s_to_message, message);
            zre_event_destroy (&event);
        }
        int64_t left = deadline - zclock_mono ();
        if (message || zsys_interrupted || (timeout >= 0 && left <= 0))
            return message;
        /* A signal may come just before the wait: it isn't long. */
        int64_t wait = timeout >= 0 && left < PATIENCE ? left : PATIENCE;
        if (self->strict && !self->stopped) {
            int64_t look = self->next_look - zclock_mono ();
            wait = look < wait ? (look > 0 ? look : 0) : wait;
        }
        struct pollfd polled = { -1, POLLIN, 0 };
        if (!self->stopped)
            zre_events_fd (self->node, &polled.fd);
        poll (&polled, 1, (int) wait);
    }
}

static void *
s_pump (void *argument)
{
    zyre_t *self = (zyre_t *) argument;
    void *socket = zsock_resolve (self->outbox);
    while (!self->closing) {
        const char *type;
        zmsg_t *made;
        zre_event *event = s_next (self, -1, &type, &made);
        if (!event && !made)
            break;
        /* A program that doesn't read holds the peers up, as it does there. */
        bool sent = false;
        while (!sent && !self->closing) {
            if (event)
                sent = s_write (self, event, type, s_to_socket, socket);
            else
                sent = zmsg_send (&made, self->outbox) == 0;
        }
        zre_event_destroy (&event);
        zmsg_destroy (&made);
    }
    return NULL;
}

void
events_pump (zyre_t *self)
{
    if (!self->inbox) {
        self->inbox = zsys_create_pipe (&self->outbox);
        zsock_set_sndtimeo (self->outbox, PATIENCE);
    }
    if (self->pumping || !self->node)
        return;
    self->pumping = pthread_create (&self->pump, NULL, s_pump, self) == 0;
}

void
events_end (zyre_t *self)
{
    self->closing = true;
    zre_node *node = atomic_exchange (&self->node, NULL);
    zre_node_destroy (&node);
    if (self->pumping)
        pthread_join (self->pump, NULL);
    self->pumping = false;
    self->closing = false;
}
