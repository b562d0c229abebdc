/* Events, taken apart. What is read from an event lives as long as it does, unless
 * something else is said; from NULL, NULL is read.
 */

#ifndef ZYRE_EVENT_H_INCLUDED
#define ZYRE_EVENT_H_INCLUDED

#include "zyre_library.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the next event of a node. NULL if a signal interrupts it. */
ZYRE_EXPORT zyre_event_t *zyre_event_new (zyre_t *node);
ZYRE_EXPORT void zyre_event_destroy (zyre_event_t **self_p);
/* ENTER, EXIT, JOIN, LEAVE, EVASIVE, SILENT, WHISPER, SHOUT, LEADER, or STOP for the node
   itself. */
ZYRE_EXPORT const char *zyre_event_type (zyre_event_t *self);
/* Of the sender, or of the leader. */
ZYRE_EXPORT const char *zyre_event_peer_uuid (zyre_event_t *self);
ZYRE_EXPORT const char *zyre_event_peer_name (zyre_event_t *self);
/* Of ENTER only. */
ZYRE_EXPORT const char *zyre_event_peer_addr (zyre_event_t *self);
ZYRE_EXPORT zhash_t *zyre_event_headers (zyre_event_t *self);
ZYRE_EXPORT const char *zyre_event_header (zyre_event_t *self, const char *name);
/* Of JOIN, LEAVE, SHOUT and LEADER. */
ZYRE_EXPORT const char *zyre_event_group (zyre_event_t *self);
/* Of WHISPER and SHOUT: to look at, or to take over, after which it is NULL. */
ZYRE_EXPORT zmsg_t *zyre_event_msg (zyre_event_t *self);
ZYRE_EXPORT zmsg_t *zyre_event_get_msg (zyre_event_t *self);
/* Writes it to czmq's log. */
ZYRE_EXPORT void zyre_event_print (zyre_event_t *self);
/* As zyre_test(). */
ZYRE_EXPORT void zyre_event_test (bool verbose);

#ifdef __cplusplus
}
#endif

#endif
