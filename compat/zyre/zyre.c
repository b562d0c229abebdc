/* zyre: C Zyre's nodes, by libzre. */

#include <sys/mman.h>
#include <sys/stat.h>

#include "node.h"

void
node_warn (zyre_t *self, const char *what)
{
    zsys_warning ("zyre %s: %s: %s", self->name, what, zre_last_error ());
}

/* The text of a call like printf's, whose last named argument is `format`. */
#define FORMATTED(text, format)                  \
    char *text;                                  \
    do {                                         \
        va_list arguments;                       \
        va_start (arguments, format);            \
        text = zsys_vprintf (format, arguments); \
        va_end (arguments);                      \
    } while (0)

/* Sets a setting, or says in the log why not. */
static int
s_set (zyre_t *self, const char *key, const char *value)
{
    if (zre_settings_set (self->settings, key, value) == ZRE_ERROR_NONE)
        return 0;
    node_warn (self, key);
    return -1;
}

/* The same for a setting that is a list, or has a default that isn't meant any more. */
static int
s_replace (zyre_t *self, const char *key, const char *value)
{
    zre_settings_reset (self->settings, key);
    return s_set (self, key, value);
}

static void
s_set_number (zyre_t *self, const char *key, long number, const char *unit)
{
    char text[32];
    snprintf (text, sizeof text, "%ld%s", number, unit);
    s_replace (self, key, text);
}

/* ---- A node's life ---------------------------------------------------------------- */

zyre_t *
zyre_new (const char *name)
{
    zyre_t *self = (zyre_t *) zmalloc (sizeof (zyre_t));
    zuuid_t *uuid = zuuid_new ();
    uuid_text (self->uuid, zuuid_str (uuid));
    zuuid_destroy (&uuid);
    self->name = name ? strdup (name) : strndup (self->uuid, 6);
    self->settings = zre_settings_new ();
    self->keys = -1;
    self->evasive = 5000;
    self->expired = 30000;
    const char *mode = getenv ("ZRE_COMPAT");
    self->strict = mode && streq (mode, "strict");
    self->pending = zlist_new ();
    self->old_names = zlist_new ();
    s_set (self, "uuid", self->uuid);
    return self;
}

void
zyre_destroy (zyre_t **self_p)
{
    if (!self_p || !*self_p)
        return;
    zyre_t *self = *self_p;
    *self_p = NULL;
    gossip_close (self);
    events_end (self);
    zre_settings_destroy (&self->settings);
    zsock_destroy (&self->outbox);
    zsock_destroy (&self->inbox);
    zmsg_t *message;
    while ((message = (zmsg_t *) zlist_pop (self->pending)))
        zmsg_destroy (&message);
    zlist_destroy (&self->pending);
    if (self->place)
        place_leave (self->place);
    zstr_free (&self->place);
    if (self->keys >= 0)
        close (self->keys);
    zlist_append (self->old_names, self->name);
    char *name;
    while ((name = (char *) zlist_pop (self->old_names)))
        zstr_free (&name);
    zlist_destroy (&self->old_names);
    free (self);
}

int
zyre_start (zyre_t *self)
{
    if (!self)
        return -1;
    events_end (self);
    self->stopped = false;
    s_replace (self, "name", self->name);
    /* czmq has the interface for the whole process; it knows ZSYS_INTERFACE, too. */
    if (strneq (zsys_interface (), ""))
        s_replace (self, "interface", zsys_interface ());
    /* What C Zyre accepts: a peer is given up before it is evasive. */
    int evasive = self->evasive < self->expired ? self->evasive : self->expired - 1;
    s_set_number (self, "evasive", evasive, "ms");
    s_set_number (self, "expired", self->expired, "ms");
    zre_node *node;
    if (zre_node_start (self->settings, &node) != ZRE_ERROR_NONE) {
        node_warn (self, "can't start");
        return -1;
    }
    self->node = node;
    gossip_start (self);
    if (self->inbox)
        events_pump (self);
    return 0;
}

void
zyre_stop (zyre_t *self)
{
    /* As long as a node that is destroyed. */
    if (self && self->node)
        zre_node_stop (self->node, 1000);
}

/* ---- What it is called ------------------------------------------------------------ */

const char *
zyre_uuid (zyre_t *self)
{
    return self ? self->uuid : "";
}

const char *
zyre_name (zyre_t *self)
{
    return self ? self->name : "";
}

void
zyre_set_name (zyre_t *self, const char *name)
{
    if (!self || !name)
        return;
    zlist_append (self->old_names, self->name);
    self->name = strdup (name);
    if (self->node && zre_node_set_name (self->node, name) != ZRE_ERROR_NONE)
        node_warn (self, "name");
}

static void
s_header (zyre_t *self, const char *name, const char *value)
{
    char *pair = zsys_sprintf ("%s=%s", name, value);
    s_set (self, "header", pair);
    zstr_free (&pair);
    if (self->node && zre_node_set_header (self->node, name, value) != ZRE_ERROR_NONE)
        node_warn (self, name);
}

void
zyre_set_header (zyre_t *self, const char *name, const char *format, ...)
{
    if (!self || !name || !format)
        return;
    FORMATTED (value, format);
    s_header (self, name, value);
    zstr_free (&value);
}

/* ---- Settings --------------------------------------------------------------------- */

void
zyre_set_verbose (zyre_t *self)
{
    (void) self;
    /* Once for a process; a second time changes nothing. */
    zre_log ("debug");
}

void
zyre_set_port (zyre_t *self, int port)
{
    if (!self)
        return;
    s_replace (self, "no_beacon", port == 0 ? "on" : "off");
    if (port != 0)
        s_set_number (self, "beacon_port", port, "");
}

void
zyre_set_beacon_peer_port (zyre_t *self, int port)
{
    if (self)
        s_set_number (self, "listen", port, "");
}

void
zyre_set_evasive_timeout (zyre_t *self, int interval)
{
    if (self && interval > 0)
        self->evasive = interval;
}

void
zyre_set_silent_timeout (zyre_t *self, int interval)
{
    zyre_set_evasive_timeout (self, interval);
}

void
zyre_set_expired_timeout (zyre_t *self, int interval)
{
    if (self && interval > 1)
        self->expired = interval;
}

void
zyre_set_interval (zyre_t *self, size_t interval)
{
    if (self)
        s_set_number (self, "interval", (long) interval, "ms");
}

void
zyre_set_interface (zyre_t *self, const char *value)
{
    (void) self;
    if (value)
        zsys_set_interface (value);
}

int
zyre_set_endpoint (zyre_t *self, const char *format, ...)
{
    if (!self || !format)
        return -1;
    FORMATTED (endpoint, format);

    int rc = -1;
    if (strncmp (endpoint, "tcp://", 6) == 0) {
        char *listen = place_resolve (endpoint, true);
        rc = listen ? s_replace (self, "listen", listen) : -1;
        zstr_free (&listen);
    }
    else
    if (strncmp (endpoint, "inproc://", 9) == 0 || strncmp (endpoint, "ipc://", 6) == 0) {
        /* Peers in this process and on this host need no address: libzre finds its own
           way. Those that gossip names it to get one on loopback. */
        if (place_take (endpoint)) {
            if (self->place)
                place_leave (self->place);
            zstr_free (&self->place);
            self->place = strdup (endpoint);
            rc = s_replace (self, "listen", "tcp://127.0.0.1:0");
        }
    }
    if (rc == 0)
        s_replace (self, "no_beacon", "on");
    zstr_free (&endpoint);
    return rc;
}

void
zyre_set_advertised_endpoint (zyre_t *self, const char *endpoint)
{
    if (self && endpoint)
        s_replace (self, "advertise", endpoint);
}

void
zyre_set_contest_in_group (zyre_t *self, const char *group)
{
    if (!self || !group)
        return;
    s_set (self, "contest", group);
    if (self->node && zre_node_contest (self->node, group) != ZRE_ERROR_NONE)
        node_warn (self, "contest");
}

void
zyre_set_zcert (zyre_t *self, zcert_t *cert)
{
    if (!self || !cert)
        return;
    /* A file in memory: the secret key goes to no disk. libzre reads it at the start. */
    if (self->keys < 0)
        self->keys = memfd_create ("zyre", MFD_CLOEXEC);
    FILE *file = self->keys < 0 ? NULL : fdopen (dup (self->keys), "w");
    if (!file || fchmod (self->keys, 0600) != 0 || ftruncate (self->keys, 0) != 0) {
        zsys_error ("zyre %s: no place for the keys: %s", self->name, strerror (errno));
        if (file)
            fclose (file);
        return;
    }
    rewind (file);
    fprintf (file, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             zcert_public_txt (cert), zcert_secret_txt (cert));
    fclose (file);
    char path[64];
    snprintf (path, sizeof path, "/proc/self/fd/%d", self->keys);
    s_replace (self, "keys", path);
    s_header (self, "X-PUBLICKEY", zcert_public_txt (cert));
}

void
zyre_set_zap_domain (zyre_t *self, const char *domain)
{
    (void) self;
    (void) domain;
}

/* ---- Gossip, and peers by address -------------------------------------------------- */

/* With the key behind it, if there is one. */
static char *
s_keyed (const char *endpoint, const char *key)
{
    return key && *key ? zsys_sprintf ("%s#%s", endpoint, key) : strdup (endpoint);
}

static void
s_gossip (zyre_t *self, const char *command, const char *endpoint, const char *key)
{
    s_replace (self, "no_beacon", "on");
    if (strncmp (endpoint, "tcp://", 6) != 0)
        gossip_open (self, command, endpoint);
    else
    if (streq (command, "BIND")) {
        char *address = place_resolve (endpoint, false);
        if (address)
            s_replace (self, "gossip_bind", address);
        else
            zsys_warning ("zyre %s: there is no %s here", self->name, endpoint);
        zstr_free (&address);
    }
    else {
        char *keyed = s_keyed (endpoint, key);
        s_set (self, "gossip_connect", keyed);
        zstr_free (&keyed);
    }
}

void
zyre_gossip_bind (zyre_t *self, const char *format, ...)
{
    if (!self || !format)
        return;
    FORMATTED (endpoint, format);
    s_gossip (self, "BIND", endpoint, NULL);
    zstr_free (&endpoint);
}

void
zyre_gossip_connect (zyre_t *self, const char *format, ...)
{
    if (!self || !format)
        return;
    FORMATTED (endpoint, format);
    s_gossip (self, "CONNECT", endpoint, NULL);
    zstr_free (&endpoint);
}

void
zyre_gossip_connect_curve (zyre_t *self, const char *public_key, const char *format, ...)
{
    if (!self || !format)
        return;
    FORMATTED (endpoint, format);
    s_gossip (self, "CONNECT", endpoint, public_key);
    zstr_free (&endpoint);
}

void
zyre_gossip_unpublish (zyre_t *self, const char *node)
{
    if (!self || !node)
        return;
    /* czmq's own gossip, beside tcp, can't forget. */
    if (self->node)
        zre_node_gossip_unpublish (self->node, node);
}

int
zyre_require_peer (zyre_t *self, const char *uuid, const char *endpoint,
                   const char *public_key)
{
    if (!self || !uuid || !endpoint || !is_uuid (uuid))
        return -1;
    char *keyed = s_keyed (endpoint, public_key);
    int rc;
    if (self->node)
        rc = zre_node_add_peer (self->node, keyed, uuid) == ZRE_ERROR_NONE ? 0 : -1;
    else
        rc = s_set (self, "peer", keyed);
    zstr_free (&keyed);
    return rc;
}

/* ---- Groups and messages ---------------------------------------------------------- */

/* The strings of a list, as czmq's list. */
static zlist_t *
s_list (zre_strings *strings)
{
    zlist_t *list = zlist_new ();
    zlist_autofree (list);
    size_t count = zre_strings_count (strings);
    for (size_t each = 0; each < count; each++)
        zlist_append (list, (void *) zre_strings_get (strings, each));
    zre_strings_destroy (&strings);
    return list;
}

/* The groups to join at a start: what was joined until now, running or not. */
static zlist_t *
s_wanted_groups (zyre_t *self)
{
    zre_strings *groups;
    zre_settings_get (self->settings, "group", &groups);
    zlist_t *list = s_list (groups);
    zlist_comparefn (list, (zlist_compare_fn *) strcmp);
    return list;
}

int
zyre_join (zyre_t *self, const char *group)
{
    if (!self || !group)
        return -1;
    zlist_t *groups = s_wanted_groups (self);
    int rc = zlist_exists (groups, (void *) group) ? 0 : s_set (self, "group", group);
    zlist_destroy (&groups);
    if (rc == 0 && self->node)
        rc = zre_node_join (self->node, group) == ZRE_ERROR_NONE ? 0 : -1;
    return rc;
}

int
zyre_leave (zyre_t *self, const char *group)
{
    if (!self || !group)
        return -1;
    zlist_t *groups = s_wanted_groups (self);
    zre_settings_reset (self->settings, "group");
    const char *each = (const char *) zlist_first (groups);
    for (; each; each = (const char *) zlist_next (groups))
        if (strneq (each, group))
            s_set (self, "group", each);
    zlist_destroy (&groups);
    return !self->node || zre_node_leave (self->node, group) == ZRE_ERROR_NONE ? 0 : -1;
}

/* Whether a message was sent, or could be dropped as C Zyre drops it. */
static int
s_sent (zre_error error)
{
    return error == ZRE_ERROR_NONE || error == ZRE_ERROR_UNKNOWN_PEER
        || error == ZRE_ERROR_GONE ? 0 : -1;
}

static int
s_send (zyre_t *self, const char *peer, const char *group, const zre_frame *frames,
        size_t count)
{
    if (!self->node)
        return 0;
    if (group)
        return s_sent (zre_node_shout (self->node, group, frames, count, NULL));
    /* Other text would be taken for a name. */
    return is_uuid (peer) ? s_sent (zre_node_whisper (self->node, peer, frames, count)) : 0;
}

/* Frees the text, too. */
static int
s_send_text (zyre_t *self, const char *peer, const char *group, char *text)
{
    zre_frame frame = zre_frame_of_text (text);
    int rc = s_send (self, peer, group, &frame, 1);
    zstr_free (&text);
    return rc;
}

static int
s_send_message (zyre_t *self, const char *peer, const char *group, zmsg_t **message_p)
{
    if (!message_p || !*message_p)
        return -1;
    int rc = -1;
    if (self && (peer || group)) {
        zre_frame few[8];
        size_t count = zmsg_size (*message_p);
        zre_frame *frames = count <= 8 ? few : (zre_frame *) zmalloc (count * sizeof *frames);
        zframe_t *frame = zmsg_first (*message_p);
        for (size_t each = 0; each < count; each++, frame = zmsg_next (*message_p)) {
            frames[each].data = zframe_data (frame);
            frames[each].size = zframe_size (frame);
        }
        rc = s_send (self, peer, group, frames, count);
        if (frames != few)
            free (frames);
    }
    zmsg_destroy (message_p);
    return rc;
}

int
zyre_whisper (zyre_t *self, const char *peer, zmsg_t **msg_p)
{
    return s_send_message (self, peer, NULL, msg_p);
}

int
zyre_shout (zyre_t *self, const char *group, zmsg_t **msg_p)
{
    return s_send_message (self, NULL, group, msg_p);
}

int
zyre_whispers (zyre_t *self, const char *peer, const char *format, ...)
{
    if (!self || !peer || !format)
        return -1;
    FORMATTED (text, format);
    return s_send_text (self, peer, NULL, text);
}

int
zyre_shouts (zyre_t *self, const char *group, const char *format, ...)
{
    if (!self || !group || !format)
        return -1;
    FORMATTED (text, format);
    return s_send_text (self, NULL, group, text);
}

/* ---- Events ----------------------------------------------------------------------- */

zmsg_t *
zyre_recv (zyre_t *self)
{
    if (!self)
        return NULL;
    /* A node that hasn't started may be started by another thread meanwhile. */
    if (!self->inbox && !self->node)
        events_pump (self);
    return self->inbox ? zmsg_recv (self->inbox) : events_next (self, -1);
}

zsock_t *
zyre_socket (zyre_t *self)
{
    if (!self)
        return NULL;
    events_pump (self);
    return self->inbox;
}

void *
zyre_socket_zmq (zyre_t *self)
{
    return self ? zsock_resolve (zyre_socket (self)) : NULL;
}

/* ---- Who is here ------------------------------------------------------------------ */

static zlist_t *
s_peers (zyre_t *self, const char *group)
{
    zlist_t *list = zlist_new ();
    zlist_autofree (list);
    zre_peers *peers;
    zre_node_peers (self->node, group, &peers);
    size_t count = zre_peers_count (peers);
    for (size_t each = 0; each < count; each++) {
        char uuid[UUID_TEXT];
        uuid_text (uuid, zre_peer_uuid (zre_peers_get (peers, each)));
        zlist_append (list, uuid);
    }
    zre_peers_destroy (&peers);
    return list;
}

zlist_t *
zyre_peers (zyre_t *self)
{
    return self ? s_peers (self, NULL) : NULL;
}

zlist_t *
zyre_peers_by_group (zyre_t *self, const char *group)
{
    if (!self || !group)
        return NULL;
    zlist_t *peers = s_peers (self, group);
    if (zlist_size (peers) == 0)
        zlist_destroy (&peers);
    return peers;
}

zlist_t *
zyre_own_groups (zyre_t *self)
{
    return self ? s_wanted_groups (self) : NULL;
}

zlist_t *
zyre_peer_groups (zyre_t *self)
{
    if (!self)
        return NULL;
    zre_strings *groups;
    zre_node_peer_groups (self->node, &groups);
    return s_list (groups);
}

/* What a call reads from a peer, or "". */
static char *
s_of_peer (zyre_t *self, const char *uuid, const char *header)
{
    zre_peers *peers = NULL;
    if (self && uuid && is_uuid (uuid))
        zre_node_peer (self->node, uuid, &peers);
    const zre_peer *peer = zre_peers_get (peers, 0);
    const char *text = header ? zre_peer_header (peer, header) : zre_peer_endpoint (peer);
    char *copy = strdup (text ? text : "");
    zre_peers_destroy (&peers);
    return copy;
}

char *
zyre_peer_address (zyre_t *self, const char *peer)
{
    return s_of_peer (self, peer, NULL);
}

char *
zyre_peer_header_value (zyre_t *self, const char *peer, const char *name)
{
    return name ? s_of_peer (self, peer, name) : strdup ("");
}

/* ---- About itself ----------------------------------------------------------------- */

static void
s_print_list (const char *what, zlist_t *list)
{
    zsys_info (" - %s: %zu", what, zlist_size (list));
    const char *each = (const char *) zlist_first (list);
    for (; each; each = (const char *) zlist_next (list))
        zsys_info ("   - %s", each);
    zlist_destroy (&list);
}

void
zyre_print (zyre_t *self)
{
    if (!self)
        return;
    zsys_info ("zyre node %s, %s", self->name, self->uuid);
    char *text;
    if (zre_node_endpoint (self->node, &text) == ZRE_ERROR_NONE)
        zsys_info (" - endpoint %s", text);
    zre_string_destroy (&text);
    zre_strings *headers;
    if (zre_settings_get (self->settings, "header", &headers) == ZRE_ERROR_NONE)
        s_print_list ("headers", s_list (headers));
    s_print_list ("own groups", zyre_own_groups (self));
    s_print_list ("groups of peers", zyre_peer_groups (self));
    zre_peers *peers;
    zre_node_peers (self->node, NULL, &peers);
    zsys_info (" - peers: %zu", zre_peers_count (peers));
    for (size_t each = 0; each < zre_peers_count (peers); each++) {
        const zre_peer *peer = zre_peers_get (peers, each);
        zsys_info ("   - %s, %s, at %s, is %s", zre_peer_name (peer), zre_peer_uuid (peer),
                   zre_peer_endpoint (peer), zre_peer_state (peer));
    }
    zre_peers_destroy (&peers);
    zsys_info (" - libzre %s", zre_version ());
}

uint64_t
zyre_version (void)
{
    return ZYRE_VERSION;
}

/* Reads events until one is of that type. */
static zmsg_t *
s_expect (zyre_t *self, const char *type)
{
    for (;;) {
        zmsg_t *message = zyre_recv (self);
        if (!message) {
            zsys_error ("zyre test: interrupted before %s", type);
            exit (1);
        }
        char *found = zmsg_popstr (message);
        bool fits = streq (found, type);
        zstr_free (&found);
        if (fits)
            return message;
        zmsg_destroy (&message);
    }
}

void
zyre_test (bool verbose)
{
    printf (" * zyre (libzre %s): ", zre_version ());
    fflush (stdout);
    zyre_t *one = zyre_new ("one"), *two = zyre_new ("two");
    if (verbose)
        zyre_set_verbose (one);
    zyre_set_header (one, "X-HELLO", "World");
    if (zyre_set_endpoint (one, "inproc://libzyre-test-1") != 0
    ||  zyre_set_endpoint (two, "inproc://libzyre-test-2") != 0) {
        zsys_error ("zyre test: another one runs");
        exit (1);
    }
    zyre_gossip_bind (one, "inproc://libzyre-test-hub");
    zyre_gossip_connect (two, "inproc://libzyre-test-hub");
    zyre_join (one, "GLOBAL");
    zyre_join (two, "GLOBAL");
    if (zyre_start (one) != 0 || zyre_start (two) != 0)
        exit (1);
    zmsg_t *message = s_expect (two, "ENTER");
    zmsg_destroy (&message);
    char *value = zyre_peer_header_value (two, zyre_uuid (one), "X-HELLO");
    message = s_expect (one, "JOIN");
    zmsg_destroy (&message);
    zyre_shouts (one, "GLOBAL", "Hello, %s", value);
    message = s_expect (two, "SHOUT");
    zframe_t *content = zmsg_last (message);
    if (!zframe_streq (content, "Hello, World")) {
        zsys_error ("zyre test: something else was heard");
        exit (1);
    }
    zmsg_destroy (&message);
    zstr_free (&value);
    zyre_destroy (&one);
    zyre_destroy (&two);
    printf ("OK\n");
}
