/*  A C Zyre node that speaks the lines of lines_peer.py.

    cc -o zyre-peer zyre_peer.c -lzyre -lczmq
    zyre-peer NAME KEY=VALUE GROUP

    Fields are separated by tabs; a frame is in hexadecimal digits, and an empty
    one is a minus sign. */

#include <zyre.h>
#include <unistd.h>

static void
print_frames (zmsg_t *frames)
{
    for (zframe_t *frame = zmsg_first (frames); frame; frame = zmsg_next (frames)) {
        char *hex = zframe_strhex (frame);
        printf ("\t%s", *hex? hex: "-");
        free (hex);
    }
}

static void
print_event (zyre_event_t *event)
{
    const char *type = zyre_event_type (event);
    if (streq (type, "STOP"))
        return;
    printf ("%s\t%s\t%s", type, zyre_event_peer_uuid (event), zyre_event_peer_name (event));
    if (streq (type, "ENTER")) {
        printf ("\t%s", zyre_event_peer_addr (event));
        zhash_t *headers = zyre_event_headers (event);
        for (char *value = zhash_first (headers); value; value = zhash_next (headers))
            printf ("\t%s=%s", zhash_cursor (headers), value);
    }
    if (zyre_event_group (event))
        printf ("\t%s", zyre_event_group (event));
    if (streq (type, "WHISPER") || streq (type, "SHOUT"))
        print_frames (zyre_event_msg (event));
    printf ("\n");
}

/*  The rest of the fields as frames. */
static zmsg_t *
read_frames (char **rest)
{
    zmsg_t *frames = zmsg_new ();
    for (char *hex; (hex = strsep (rest, "\t")); ) {
        zchunk_t *bytes = zchunk_new (NULL, strlen (hex) / 2);
        for (; hex [0] && hex [1]; hex += 2) {
            unsigned int octet = 0;
            sscanf (hex, "%2x", &octet);
            byte one = (byte) octet;
            zchunk_append (bytes, &one, 1);
        }
        zmsg_addmem (frames, zchunk_data (bytes), zchunk_size (bytes));
        zchunk_destroy (&bytes);
    }
    return frames;
}

/*  Returns whether to go on. */
static bool
obey (zyre_t *node, char *line)
{
    char *rest = line;
    char *command = strsep (&rest, "\t");
    char *whom = strsep (&rest, "\t");
    if (streq (command, "stop") || !whom)
        return false;
    if (streq (command, "join"))
        zyre_join (node, whom);
    else
    if (streq (command, "leave"))
        zyre_leave (node, whom);
    else {
        zmsg_t *frames = read_frames (&rest);
        if (streq (command, "whisper"))
            zyre_whisper (node, whom, &frames);
        else
            zyre_shout (node, whom, &frames);
    }
    return true;
}

/*  Reads what has come. Returns whether to go on. */
static bool
read_commands (zyre_t *node)
{
    static char input [1 << 20];
    static size_t held = 0;
    ssize_t count = read (STDIN_FILENO, input + held, sizeof input - held - 1);
    if (count <= 0)
        return false;
    held += (size_t) count;
    input [held] = 0;
    char *line = input;
    for (char *end; (end = strchr (line, '\n')); line = end + 1) {
        *end = 0;
        if (!obey (node, line))
            return false;
    }
    held -= (size_t) (line - input);
    memmove (input, line, held);
    return true;
}

int
main (int argc, char *argv [])
{
    if (argc != 4) {
        fprintf (stderr, "usage: zyre-peer NAME KEY=VALUE GROUP\n");
        return 2;
    }
    setvbuf (stdout, NULL, _IOLBF, 0);
    zyre_t *node = zyre_new (argv [1]);
    char *value = strchr (argv [2], '=');
    if (value) {
        *value++ = 0;
        zyre_set_header (node, argv [2], "%s", value);
    }
    if (zyre_start (node)) {
        fprintf (stderr, "the node can't be started\n");
        return 1;
    }
    zyre_join (node, argv [3]);
    printf ("started\t%s\t%s\n", zyre_uuid (node), zyre_name (node));

    int input = STDIN_FILENO;
    zpoller_t *poller = zpoller_new (zyre_socket (node), &input, NULL);
    bool runs = true;
    while (runs) {
        void *ready = zpoller_wait (poller, -1);
        if (ready == zyre_socket (node)) {
            zyre_event_t *event = zyre_event_new (node);
            if (event)
                print_event (event);
            zyre_event_destroy (&event);
        }
        else
            runs = ready && read_commands (node);
    }
    zpoller_destroy (&poller);
    zyre_stop (node);
    zyre_destroy (&node);
    printf ("stopped\n");
    return 0;
}
