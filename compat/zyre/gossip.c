/* Gossip over inproc:// and ipc://, which libzre doesn't speak: czmq's own actor does, and
 * what it learns is given to the node. Gossip over tcp:// is libzre's.
 */

#include "node.h"

/* Publishes the node, and dials whom others publish. */
static void
s_run (zsock_t *pipe, void *argument)
{
    zyre_t *self = (zyre_t *) argument;
    zactor_t *gossip = zactor_new (zgossip, self->name);
    zpoller_t *poller = zpoller_new (pipe, NULL);
    zsock_signal (pipe, 0);
    for (;;) {
        void *which = zpoller_wait (poller, -1);
        zmsg_t *message = which ? zmsg_recv (which) : NULL;
        if (!message)
            break;
        char *command = zmsg_popstr (message);
        if (which == (void *) gossip) {
            /* DELIVER, a UUID, and its endpoint, behind which a key may stand. */
            char *uuid = zmsg_popstr (message);
            char *endpoint = zmsg_popstr (message);
            char *key = endpoint ? strchr (endpoint, '|') : NULL;
            if (key)
                *key = '#';
            if (uuid && endpoint && is_uuid (uuid) && strneq (uuid, self->uuid)
            &&  zre_node_add_peer (self->node, endpoint, uuid) != ZRE_ERROR_NONE)
                node_warn (self, endpoint);
            zstr_free (&uuid);
            zstr_free (&endpoint);
        }
        else
        if (streq (command, "$TERM")) {
            zstr_free (&command);
            zmsg_destroy (&message);
            break;
        }
        else {
            /* BIND, CONNECT or PUBLISH, as they are. The last comes when the node has
               started, and can be told of others. */
            if (streq (command, "PUBLISH"))
                zpoller_add (poller, gossip);
            zmsg_pushstr (message, command);
            zmsg_send (&message, gossip);
            zsock_signal (pipe, 0);
        }
        zstr_free (&command);
        zmsg_destroy (&message);
    }
    zpoller_destroy (&poller);
    zactor_destroy (&gossip);
}

void
gossip_open (zyre_t *self, const char *command, const char *endpoint)
{
    if (!self->gossip)
        self->gossip = zactor_new (s_run, self);
    zstr_sendx (self->gossip, command, endpoint, NULL);
    zsock_wait (self->gossip);
}

void
gossip_start (zyre_t *self)
{
    char *endpoint;
    if (!self->gossip || zre_node_endpoint (self->node, &endpoint) != ZRE_ERROR_NONE)
        return;
    zstr_sendx (self->gossip, "PUBLISH", self->uuid, endpoint, NULL);
    zsock_wait (self->gossip);
    zre_string_destroy (&endpoint);
}

void
gossip_close (zyre_t *self)
{
    zactor_destroy (&self->gossip);
}
