/* zyre_event: the frames of an event, taken apart. */

#include "zyre.h"

struct _zyre_event_t {
    char *type;
    char *uuid;
    char *name;
    char *address;
    char *group;
    zhash_t *headers;
    zmsg_t *message;
};

zyre_event_t *
zyre_event_new (zyre_t *node)
{
    zmsg_t *frames = zyre_recv (node);
    if (!frames)
        return NULL;
    zyre_event_t *self = (zyre_event_t *) zmalloc (sizeof (zyre_event_t));
    self->type = zmsg_popstr (frames);
    self->uuid = zmsg_popstr (frames);
    self->name = zmsg_popstr (frames);
    if (streq (self->type, "ENTER")) {
        zframe_t *packed = zmsg_pop (frames);
        if (packed)
            self->headers = zhash_unpack (packed);
        zframe_destroy (&packed);
        self->address = zmsg_popstr (frames);
    }
    else
    if (!streq (self->type, "WHISPER"))
        self->group = zmsg_popstr (frames);
    if (streq (self->type, "WHISPER") || streq (self->type, "SHOUT"))
        self->message = frames;
    else
        zmsg_destroy (&frames);
    return self;
}

void
zyre_event_destroy (zyre_event_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    zyre_event_t *self = *self_p;
    *self_p = NULL;
    zstr_free (&self->type);
    zstr_free (&self->uuid);
    zstr_free (&self->name);
    zstr_free (&self->address);
    zstr_free (&self->group);
    zhash_destroy (&self->headers);
    zmsg_destroy (&self->message);
    free (self);
}

const char *
zyre_event_type (zyre_event_t *self)
{
    return self ? self->type : NULL;
}

const char *
zyre_event_peer_uuid (zyre_event_t *self)
{
    return self ? self->uuid : NULL;
}

const char *
zyre_event_peer_name (zyre_event_t *self)
{
    return self ? self->name : NULL;
}

const char *
zyre_event_peer_addr (zyre_event_t *self)
{
    return self ? self->address : NULL;
}

zhash_t *
zyre_event_headers (zyre_event_t *self)
{
    return self ? self->headers : NULL;
}

const char *
zyre_event_header (zyre_event_t *self, const char *name)
{
    if (!self || !self->headers || !name)
        return NULL;
    return (const char *) zhash_lookup (self->headers, name);
}

const char *
zyre_event_group (zyre_event_t *self)
{
    return self ? self->group : NULL;
}

zmsg_t *
zyre_event_msg (zyre_event_t *self)
{
    return self ? self->message : NULL;
}

zmsg_t *
zyre_event_get_msg (zyre_event_t *self)
{
    if (!self)
        return NULL;
    zmsg_t *message = self->message;
    self->message = NULL;
    return message;
}

void
zyre_event_print (zyre_event_t *self)
{
    if (!self)
        return;
    zsys_info ("zyre event %s", self->type);
    zsys_info (" - from %s, %s", self->name, self->uuid);
    if (self->group)
        zsys_info (" - group %s", self->group);
    if (self->address)
        zsys_info (" - address %s", self->address);
    if (self->headers) {
        const char *value = (const char *) zhash_first (self->headers);
        for (; value; value = (const char *) zhash_next (self->headers))
            zsys_info (" - header %s: %s", zhash_cursor (self->headers), value);
    }
    if (self->message) {
        zsys_info (" - %zu frames", zmsg_size (self->message));
        zmsg_print (self->message);
    }
}

void
zyre_event_test (bool verbose)
{
    zyre_test (verbose);
}
