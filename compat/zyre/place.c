/* Where nodes are: names in this process, and addresses of this host. */

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "node.h"

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static zlist_t *s_names;

bool
place_take (const char *name)
{
    pthread_mutex_lock (&s_lock);
    if (!s_names) {
        s_names = zlist_new ();
        zlist_autofree (s_names);
        zlist_comparefn (s_names, (zlist_compare_fn *) strcmp);
    }
    bool is_free = !zlist_exists (s_names, (void *) name);
    if (is_free)
        zlist_append (s_names, (void *) name);
    pthread_mutex_unlock (&s_lock);
    return is_free;
}

void
place_leave (const char *name)
{
    pthread_mutex_lock (&s_lock);
    if (s_names) {
        zlist_remove (s_names, (void *) name);
        if (zlist_size (s_names) == 0)
            zlist_destroy (&s_names);
    }
    pthread_mutex_unlock (&s_lock);
}

/* The first IPv4 address of an interface of that name. */
static bool
s_address_of_interface (const char *name, struct sockaddr_storage *address, socklen_t *size)
{
    struct ifaddrs *interfaces, *each;
    bool found = false;
    if (getifaddrs (&interfaces) != 0)
        return false;
    for (each = interfaces; each && !found; each = each->ifa_next) {
        if (!each->ifa_addr || each->ifa_addr->sa_family != AF_INET
        ||  strneq (each->ifa_name, name))
            continue;
        *size = sizeof (struct sockaddr_in);
        memcpy (address, each->ifa_addr, *size);
        found = true;
    }
    freeifaddrs (interfaces);
    return found;
}

static in_port_t *
s_port_of (struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6
        ? &((struct sockaddr_in6 *) address)->sin6_port
        : &((struct sockaddr_in *) address)->sin_port;
}

/* Binds a socket for a moment: whether the port is free, and which one is for 0. */
static bool
s_is_free (struct sockaddr_storage *address, socklen_t size)
{
    int handle = socket (address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0)
        return false;
    int on = 1;
    setsockopt (handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind (handle, (struct sockaddr *) address, size) == 0
        && listen (handle, 1) == 0
        && getsockname (handle, (struct sockaddr *) address, &size) == 0;
    close (handle);
    return is_free;
}

char *
place_resolve (const char *endpoint, bool free_port)
{
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return NULL;
    char *host = strdup (endpoint + 6);
    char *port = strrchr (host, ':');
    char *found = NULL;
    if (!port)
        goto done;
    *port++ = 0;
    if (streq (port, "*") || streq (port, "!"))
        strcpy (port, "0");

    struct sockaddr_storage address = { 0 };
    socklen_t size = 0;
    bool everywhere = streq (host, "*");
    char *name = host;
    if (*name == '[' && name[strlen (name) - 1] == ']') {
        name[strlen (name) - 1] = 0;
        name++;
    }
    if (!everywhere && s_address_of_interface (name, &address, &size))
        *s_port_of (&address) = htons ((uint16_t) atoi (port));
    else {
        struct addrinfo hints = { 0 }, *results;
        hints.ai_family = everywhere ? AF_INET : AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
        if (getaddrinfo (everywhere ? NULL : name, port, &hints, &results) != 0)
            goto done;
        size = results->ai_addrlen;
        memcpy (&address, results->ai_addr, size);
        freeaddrinfo (results);
    }
    if (free_port && !s_is_free (&address, size))
        goto done;

    char text[INET6_ADDRSTRLEN + 64];
    if (getnameinfo ((struct sockaddr *) &address, size, text, sizeof text, NULL, 0,
                     NI_NUMERICHOST) != 0)
        goto done;
    int number = ntohs (*s_port_of (&address));
    if (everywhere)
        found = zsys_sprintf ("tcp://*:%d", number);
    else
    if (address.ss_family == AF_INET6)
        found = zsys_sprintf ("tcp://[%s]:%d", text, number);
    else
        found = zsys_sprintf ("tcp://%s:%d", text, number);
done:
    free (host);
    return found;
}
