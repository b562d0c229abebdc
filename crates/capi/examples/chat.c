// A chat among all who are on the network and in the same group.
//
//     cc chat.c $(pkg-config --cflags --libs zre) -o chat
//     ./chat alice [SETTING=VALUE]...
//
// What you type goes to the group; an end of input leaves.

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "zre.h"

#define GROUP "chat"

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zre_last_error());
    return 1;
}

// Shows what has happened. False once the node has stopped.
static bool show_events(zre_node *node)
{
    zre_event *event;
    zre_error error;
    while ((error = zre_events_recv(node, 0, &event)) == ZRE_ERROR_NONE) {
        const char *name = zre_peer_name(zre_event_peer(event));
        const char *group = zre_event_group(event);
        switch (zre_event_kind(event)) {
        case ZRE_KIND_JOIN:
            if (strcmp(group, GROUP) == 0)
                printf("%s is here\n", name);
            break;
        case ZRE_KIND_EXIT:
            printf("%s has gone: %s\n", name, zre_event_reason(event));
            break;
        case ZRE_KIND_SHOUT: {
            zre_frame text = zre_message_frame(zre_event_message(event), 0);
            printf("%s: %.*s\n", name, (int)text.size, (const char *)text.data);
            break;
        }
        default:
            break;
        }
        zre_event_destroy(&event);
    }
    fflush(stdout);
    return error == ZRE_ERROR_ELAPSED;
}

int main(int count, char **args)
{
    if (count < 2) {
        fprintf(stderr, "use: chat NAME [SETTING=VALUE]...\n");
        return 2;
    }
    zre_settings *settings = zre_settings_new();
    zre_error error = zre_settings_set(settings, "name", args[1]);
    for (int each = 2; each < count && error == ZRE_ERROR_NONE; each++) {
        char *value = strchr(args[each], '=');
        if (value != NULL)
            *value++ = 0;
        error = zre_settings_set(settings, args[each], value);
    }
    if (error == ZRE_ERROR_NONE)
        error = zre_settings_set(settings, "group", GROUP);
    zre_node *node = NULL;
    if (error == ZRE_ERROR_NONE)
        error = zre_node_start(settings, &node);
    zre_settings_destroy(&settings);
    int32_t events;
    if (error != ZRE_ERROR_NONE || zre_events_fd(node, &events) != ZRE_ERROR_NONE)
        return failed("can't start");

    struct pollfd polled[] = {{events, POLLIN, 0}, {0, POLLIN, 0}};
    char line[4096];
    bool more = true;
    while (more && poll(polled, 2, -1) >= 0) {
        if (polled[0].revents != 0)
            more = show_events(node);
        if (polled[1].revents != 0) {
            more = more && fgets(line, sizeof line, stdin) != NULL;
            line[more ? strcspn(line, "\n") : 0] = 0;
            zre_frame frame = zre_frame_of_text(line);
            if (more && zre_node_shout(node, GROUP, &frame, 1, NULL) != ZRE_ERROR_NONE)
                return failed("can't shout");
        }
    }
    zre_node_destroy(&node);
    return 0;
}
