/* What the parts of libzyre share. Nothing of it is exported. */

#ifndef NODE_H_INCLUDED
#define NODE_H_INCLUDED

#define ZYRE_BUILD_DRAFT_API
#include <pthread.h>
#include <stdatomic.h>

#include "zre.h"
#include "zyre.h"

/* 32 hex digits and the NUL. */
#define UUID_TEXT 33

struct _zyre_t {
    zre_settings *settings;
    /* From its start until it is destroyed or started again. The pump reads it, and the
       name, while the program changes them. */
    zre_node *_Atomic node;
    char uuid[UUID_TEXT];
    char *_Atomic name;
    /* What it was called before. The program and the pump may still read it. */
    zlist_t *old_names;
    /* The name in this process of the endpoint that the program has set. */
    char *place;
    /* A file in memory with the keys, or -1. */
    int keys;
    /* Milliseconds of silence. */
    atomic_int evasive;
    atomic_int expired;
    /* C Zyre's own stream of EVASIVE and SILENT. */
    bool strict;

    /* Messages that were made and not yet read: of strict mode, and STOP. */
    zlist_t *pending;
    /* When strict mode looks at the peers next. */
    int64_t next_look;
    /* STOP was given. */
    bool stopped;

    /* The program's socket and the end that the pump writes, once it has asked for it. */
    zsock_t *inbox;
    zsock_t *outbox;
    pthread_t pump;
    bool pumping;
    atomic_bool closing;

    /* Gossip inside of this process or host, by czmq. */
    zactor_t *gossip;
};

/* zyre.c: writes the last failure of libzre to the log. */
void node_warn (zyre_t *self, const char *what);

/* text.c: a UUID as C Zyre writes it: 32 digits in upper case. */
void uuid_text (char to[UUID_TEXT], const char *uuid);
/* Whether text is a UUID, with or without hyphens. */
bool is_uuid (const char *text);

/* place.c: takes a name in this process; false if another node has it. */
bool place_take (const char *name);
void place_leave (const char *name);
/* tcp://HOST:PORT with the host as an address (* for all). NULL if there is none such. With
   `free_port`, the port has to be free, and one is chosen for * and 0. */
char *place_resolve (const char *endpoint, bool free_port);

/* events.c: the next event as frames, waited for up to that time; NULL if none comes.
   Negative: for ever, or until a signal interrupts. */
zmsg_t *events_next (zyre_t *self, int timeout);
/* Starts or ends the thread that writes events to the socket. */
void events_pump (zyre_t *self);
void events_end (zyre_t *self);

/* gossip.c: czmq's gossip for what isn't tcp. */
void gossip_open (zyre_t *self, const char *command, const char *endpoint);
void gossip_start (zyre_t *self);
void gossip_close (zyre_t *self);

#endif
