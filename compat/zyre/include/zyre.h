/* The interface of C Zyre 2.0, as libzre provides it.
 *
 * A program that was compiled with C Zyre's own headers runs with this library as it is;
 * with these headers it is compiled for both. docs/compat.md tells what differs.
 *
 * Unless something else is said: text that is returned as `const char *` belongs to the
 * library and lives until the same call on the same node or event; a `char *`, list or
 * message that is returned is the caller's, to be destroyed. A node that is NULL is
 * ignored: calls return -1, NULL or "".
 */

#ifndef ZYRE_H_INCLUDED
#define ZYRE_H_INCLUDED

#include "zyre_library.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- A node's life ---------------------------------------------------------------- */

/* A node that isn't on the network yet. NULL: its name is the first six digits of its UUID. */
ZYRE_EXPORT zyre_t *zyre_new (const char *name);
/* Leaves the network if it is there, frees the node, and makes the pointer NULL. */
ZYRE_EXPORT void zyre_destroy (zyre_t **self_p);
/* Goes on the network. 0, or -1 if that isn't possible; the log says why. */
ZYRE_EXPORT int zyre_start (zyre_t *self);
/* Tells all peers that it goes; its last event is STOP. */
ZYRE_EXPORT void zyre_stop (zyre_t *self);

/* ---- What it is called ------------------------------------------------------------ */

/* 32 hex digits in upper case. */
ZYRE_EXPORT const char *zyre_uuid (zyre_t *self);
ZYRE_EXPORT const char *zyre_name (zyre_t *self);
ZYRE_EXPORT void zyre_set_name (zyre_t *self, const char *name);
ZYRE_EXPORT void zyre_set_header (zyre_t *self, const char *name, const char *format, ...)
    CHECK_PRINTF (3);

/* ---- Settings, before it starts --------------------------------------------------- */

/* Logs at debug level to stderr. For all nodes of the process, until it ends. */
ZYRE_EXPORT void zyre_set_verbose (zyre_t *self);
/* The UDP port of the beacons; 5670 otherwise, and 0 for no beacons. */
ZYRE_EXPORT void zyre_set_port (zyre_t *self, int port_nbr);
/* Milliseconds of silence until a peer is evasive (5,000), and until it is given up
   (30,000). The second call is the first by another name. */
ZYRE_EXPORT void zyre_set_evasive_timeout (zyre_t *self, int interval);
ZYRE_EXPORT void zyre_set_silent_timeout (zyre_t *self, int interval);
ZYRE_EXPORT void zyre_set_expired_timeout (zyre_t *self, int interval);
/* Milliseconds between two beacons (1,000). */
ZYRE_EXPORT void zyre_set_interval (zyre_t *self, size_t interval);
/* The network interface, by name or address, for all nodes that start later. */
ZYRE_EXPORT void zyre_set_interface (zyre_t *self, const char *value);
/* Where it listens; it sends no beacons then. 0, or -1 if it can't listen there. */
ZYRE_EXPORT int zyre_set_endpoint (zyre_t *self, const char *format, ...) CHECK_PRINTF (2);
/* The endpoint that others are told, if they can't use that one. */
ZYRE_EXPORT void zyre_set_advertised_endpoint (zyre_t *self, const char *value);
/* Wants to lead a group. */
ZYRE_EXPORT void zyre_set_contest_in_group (zyre_t *self, const char *group);
/* Keys: it talks only to nodes that have keys, too, and everything is encrypted. */
ZYRE_EXPORT void zyre_set_zcert (zyre_t *self, zcert_t *zcert);
/* Accepted, and has no effect: no ZAP handler is asked. */
ZYRE_EXPORT void zyre_set_zap_domain (zyre_t *self, const char *domain);
/* Gossip instead of beacons: one node binds, others connect. */
ZYRE_EXPORT void zyre_gossip_bind (zyre_t *self, const char *format, ...) CHECK_PRINTF (2);
ZYRE_EXPORT void zyre_gossip_connect (zyre_t *self, const char *format, ...) CHECK_PRINTF (2);
ZYRE_EXPORT void
    zyre_gossip_connect_curve (zyre_t *self, const char *public_key, const char *format, ...)
    CHECK_PRINTF (3);

/* ---- Groups and messages ---------------------------------------------------------- */

ZYRE_EXPORT int zyre_join (zyre_t *self, const char *group);
ZYRE_EXPORT int zyre_leave (zyre_t *self, const char *group);
/* To one peer, by UUID, or to all in a group. A message to a peer that isn't here is
   dropped. The message is destroyed, and the pointer becomes NULL. */
ZYRE_EXPORT int zyre_whisper (zyre_t *self, const char *peer, zmsg_t **msg_p);
ZYRE_EXPORT int zyre_shout (zyre_t *self, const char *group, zmsg_t **msg_p);
ZYRE_EXPORT int zyre_whispers (zyre_t *self, const char *peer, const char *format, ...)
    CHECK_PRINTF (3);
ZYRE_EXPORT int zyre_shouts (zyre_t *self, const char *group, const char *format, ...)
    CHECK_PRINTF (3);

/* ---- Events ----------------------------------------------------------------------- */

/* Waits for the next event. NULL if a signal interrupts it. */
ZYRE_EXPORT zmsg_t *zyre_recv (zyre_t *self);
/* A socket that is readable while events are there, for zpoller and zloop. The node owns
   it. */
ZYRE_EXPORT zsock_t *zyre_socket (zyre_t *self);

/* ---- Who is here ------------------------------------------------------------------ */

/* UUIDs of all peers, or of those in a group: NULL if nobody has ever been in it. */
ZYRE_EXPORT zlist_t *zyre_peers (zyre_t *self);
ZYRE_EXPORT zlist_t *zyre_peers_by_group (zyre_t *self, const char *name);
/* Groups that this node is in, and that peers are in. */
ZYRE_EXPORT zlist_t *zyre_own_groups (zyre_t *self);
ZYRE_EXPORT zlist_t *zyre_peer_groups (zyre_t *self);
/* "" if the peer isn't here. */
ZYRE_EXPORT char *zyre_peer_address (zyre_t *self, const char *peer);
/* "" if the peer isn't here or has no such header. */
ZYRE_EXPORT char *zyre_peer_header_value (zyre_t *self, const char *peer, const char *name);

/* ---- About itself ----------------------------------------------------------------- */

/* Writes what the node knows to czmq's log. */
ZYRE_EXPORT void zyre_print (zyre_t *self);
#define zyre_dump(z) zyre_print ((z))
/* Of C Zyre's interface: 20001. */
ZYRE_EXPORT uint64_t zyre_version (void);
/* Two nodes of this process meet; a failure ends the process. */
ZYRE_EXPORT void zyre_test (bool verbose);

/* ---- What C Zyre calls drafts ----------------------------------------------------- */

#ifdef ZYRE_BUILD_DRAFT_API
/* The TCP port that it listens on; any that is free otherwise. */
ZYRE_EXPORT void zyre_set_beacon_peer_port (zyre_t *self, int port_nbr);
/* Forgets what gossip said of a node, by UUID. */
ZYRE_EXPORT void zyre_gossip_unpublish (zyre_t *self, const char *node);
/* Dials a peer. Its key, if nodes have keys, may be NULL or "". */
ZYRE_EXPORT int zyre_require_peer (zyre_t *self, const char *uuid, const char *endpoint,
                                   const char *public_key);
/* The socket for zmq_poll. */
ZYRE_EXPORT void *zyre_socket_zmq (zyre_t *self);
#endif

#ifdef __cplusplus
}
#endif

#endif
