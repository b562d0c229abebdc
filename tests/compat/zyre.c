// What a program of C Zyre's sees of libzyre: every function of zyre.h and zyre_event.h.
//
// `zyre` runs all tests, `zyre NAME` one of them. ZRE_TEST_PORT has a UDP port for the
// beacons. Compiled with the headers of compat/zyre, or with C Zyre's own.

#define ZYRE_BUILD_DRAFT_API
#include <sys/wait.h>

#include <zyre.h>

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);             \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

#define IS(text, wanted) CHECK((text) != NULL && streq((text), (wanted)))

static const char *self_path;

static int port(void)
{
    return atoi(getenv("ZRE_TEST_PORT"));
}

static zyre_t *node_named(const char *name)
{
    zyre_t *node = zyre_new(name);
    CHECK(node != NULL);
    zyre_set_interface(node, "lo");
    zyre_set_port(node, port());
    zyre_set_interval(node, 100);
    return node;
}

static zyre_t *started(const char *name)
{
    zyre_t *node = node_named(name);
    CHECK(zyre_start(node) == 0);
    return node;
}

// The next event of that type; others before it are passed over.
static zyre_event_t *next(zyre_t *node, const char *type)
{
    for (;;) {
        zyre_event_t *event = zyre_event_new(node);
        CHECK(event != NULL);
        if (streq(zyre_event_type(event), type))
            return event;
        zyre_event_destroy(&event);
        CHECK(event == NULL);
    }
}

static void skip(zyre_t *node, const char *type)
{
    zyre_event_t *event = next(node, type);
    zyre_event_destroy(&event);
}

static void pops(zmsg_t *message, const char *wanted)
{
    char *text = zmsg_popstr(message);
    IS(text, wanted);
    zstr_free(&text);
}

static void frees(char *text, const char *wanted)
{
    IS(text, wanted);
    zstr_free(&text);
}

static void test_talk(void)
{
    CHECK(zyre_version() == ZYRE_MAKE_VERSION(2, 0, 1));
    zyre_t *alice = node_named("alice"), *bob = node_named(NULL);
    IS(zyre_name(alice), "alice");
    CHECK(strlen(zyre_uuid(bob)) == 32 && strlen(zyre_name(bob)) == 6);
    CHECK(strncmp(zyre_uuid(bob), zyre_name(bob), 6) == 0);
    CHECK(strspn(zyre_uuid(bob), "0123456789ABCDEF") == 32);
    zyre_set_name(bob, "bob");
    IS(zyre_name(bob), "bob");
    zyre_set_header(alice, "X-ROLE", "%s %d", "lens", 7);
    zyre_set_evasive_timeout(alice, 6000);
    zyre_set_silent_timeout(alice, 5000);
    zyre_set_expired_timeout(alice, 31000);
    zyre_set_beacon_peer_port(alice, 0);
    zyre_set_zap_domain(alice, "global");
    zyre_set_contest_in_group(alice, "room");
    CHECK(zyre_join(alice, "room") == 0);
    CHECK(zyre_join(alice, "attic") == 0 && zyre_leave(alice, "attic") == 0);
    CHECK(zyre_start(alice) == 0);
    CHECK(zyre_start(bob) == 0);

    zyre_event_t *event = next(bob, "ENTER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    IS(zyre_event_peer_name(event), "alice");
    CHECK(strncmp(zyre_event_peer_addr(event), "tcp://127.0.0.1:", 16) == 0);
    IS(zyre_event_header(event, "X-ROLE"), "lens 7");
    CHECK(zyre_event_header(event, "X-RULE") == NULL);
    CHECK(zhash_size(zyre_event_headers(event)) == 1);
    CHECK(zyre_event_group(event) == NULL && zyre_event_msg(event) == NULL);
    frees(zyre_peer_address(bob, zyre_uuid(alice)), zyre_event_peer_addr(event));
    zyre_event_print(event);
    zyre_event_destroy(&event);
    event = next(bob, "JOIN");
    IS(zyre_event_group(event), "room");
    CHECK(zyre_event_headers(event) == NULL && zyre_event_peer_addr(event) == NULL);
    zyre_event_destroy(&event);
    skip(alice, "ENTER");

    // Who is here.
    zlist_t *list = zyre_peers(bob);
    CHECK(zlist_size(list) == 1);
    IS((char *)zlist_first(list), zyre_uuid(alice));
    zlist_destroy(&list);
    list = zyre_peers_by_group(bob, "room");
    CHECK(zlist_size(list) == 1);
    zlist_destroy(&list);
    CHECK(zyre_peers_by_group(bob, "attic") == NULL);
    list = zyre_peer_groups(bob);
    CHECK(zlist_size(list) == 1);
    IS((char *)zlist_first(list), "room");
    zlist_destroy(&list);
    list = zyre_own_groups(alice);
    CHECK(zlist_size(list) == 1);
    zlist_destroy(&list);
    list = zyre_own_groups(bob);
    CHECK(zlist_size(list) == 0);
    zlist_destroy(&list);
    frees(zyre_peer_header_value(bob, zyre_uuid(alice), "X-ROLE"), "lens 7");
    frees(zyre_peer_header_value(bob, zyre_uuid(alice), "X-RULE"), "");
    frees(zyre_peer_header_value(bob, zyre_uuid(bob), "X-ROLE"), "");
    frees(zyre_peer_address(bob, zyre_uuid(bob)), "");

    // Messages: of several frames, an empty one and a NUL among them.
    zmsg_t *message = zmsg_new();
    zmsg_addstr(message, "one");
    zmsg_addmem(message, "", 0);
    zmsg_addmem(message, "t\0o", 3);
    CHECK(zyre_whisper(bob, zyre_uuid(alice), &message) == 0 && message == NULL);
    event = next(alice, "WHISPER");
    IS(zyre_event_peer_name(event), "bob");
    CHECK(zyre_event_group(event) == NULL);
    CHECK(zmsg_size(zyre_event_msg(event)) == 3);
    message = zyre_event_get_msg(event);
    CHECK(zyre_event_get_msg(event) == NULL && zyre_event_msg(event) == NULL);
    zyre_event_destroy(&event);
    pops(message, "one");
    pops(message, "");
    CHECK(zframe_size(zmsg_first(message)) == 3);
    zmsg_destroy(&message);
    message = zmsg_new();
    for (int each = 0; each < 20; each++)
        zmsg_addstrf(message, "%d", each);
    CHECK(zyre_shout(bob, "room", &message) == 0 && message == NULL);
    event = next(alice, "SHOUT");
    IS(zyre_event_group(event), "room");
    CHECK(zmsg_size(zyre_event_msg(event)) == 20);
    zyre_event_print(event);
    zyre_event_destroy(&event);
    CHECK(zyre_whispers(bob, zyre_uuid(alice), "%s-%d", "w", 1) == 0);
    CHECK(zyre_shouts(bob, "room", "%s-%d", "s", 2) == 0);
    // As frames.
    message = zyre_recv(alice);
    pops(message, "WHISPER");
    pops(message, zyre_uuid(bob));
    pops(message, "bob");
    pops(message, "w-1");
    CHECK(zmsg_size(message) == 0);
    zmsg_destroy(&message);
    message = zyre_recv(alice);
    pops(message, "SHOUT");
    pops(message, zyre_uuid(bob));
    pops(message, "bob");
    pops(message, "room");
    pops(message, "s-2");
    zmsg_destroy(&message);
    // To nobody: dropped.
    CHECK(zyre_whispers(bob, zyre_uuid(bob), "x") == 0);
    CHECK(zyre_whispers(bob, "alice", "x") == 0);
    CHECK(zyre_shouts(bob, "attic", "x") == 0);

    // A leader, and what goes.
    CHECK(zyre_join(bob, "room") == 0);
    event = next(bob, "LEADER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    IS(zyre_event_peer_name(event), "alice");
    IS(zyre_event_group(event), "room");
    zyre_event_destroy(&event);
    event = next(alice, "LEADER");
    IS(zyre_event_peer_name(event), "alice");
    zyre_event_destroy(&event);
    CHECK(zyre_leave(bob, "room") == 0);
    event = next(alice, "LEAVE");
    IS(zyre_event_group(event), "room");
    zyre_event_destroy(&event);
    zyre_print(alice);
    zyre_stop(alice);
    event = next(alice, "STOP");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    IS(zyre_event_peer_name(event), "alice");
    zyre_event_destroy(&event);
    event = next(bob, "EXIT");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    zyre_event_destroy(&event);

    // Stopped and started again, it is the same node.
    CHECK(zyre_start(alice) == 0);
    event = next(bob, "ENTER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    zyre_event_destroy(&event);
    zyre_destroy(&alice);
    CHECK(alice == NULL);
    zyre_destroy(&alice);
    skip(bob, "EXIT");
    zyre_destroy(&bob);
}

static int loop_reads(zloop_t *loop, zsock_t *socket, void *argument)
{
    (void)loop;
    zmsg_t *message = zmsg_recv(socket);
    char *type = zmsg_popstr(message);
    zmsg_destroy(&message);
    bool whisper = streq(type, "WHISPER");
    zstr_free(&type);
    *(int *)argument += whisper;
    return whisper ? -1 : 0;
}

static void test_sockets(void)
{
    zyre_t *alice = node_named("alice"), *bob = started("bob");
    zsock_t *socket = zyre_socket(alice);
    CHECK(socket != NULL && zyre_socket(alice) == socket);
    CHECK(zyre_start(alice) == 0);
    CHECK(zyre_socket(alice) == socket);
    // Events that came before the socket was asked for aren't lost.
    skip(bob, "ENTER");
    CHECK(zyre_whispers(bob, zyre_uuid(alice), "one") == 0);

    zpoller_t *poller = zpoller_new(socket, NULL);
    CHECK(zpoller_wait(poller, 60000) == socket);
    zmsg_t *message = zyre_recv(alice);
    pops(message, "ENTER");
    CHECK(zmsg_size(message) == 4);
    zmsg_destroy(&message);
    CHECK(zpoller_wait(poller, 60000) == socket);
    skip(alice, "WHISPER");
    CHECK(zpoller_wait(poller, 0) == NULL);
    zpoller_destroy(&poller);

    int heard = 0;
    zloop_t *loop = zloop_new();
    CHECK(zloop_reader(loop, socket, loop_reads, &heard) == 0);
    CHECK(zyre_whispers(bob, zyre_uuid(alice), "two") == 0);
    zloop_start(loop);
    zloop_destroy(&loop);
    CHECK(heard == 1);

    void *raw = zyre_socket_zmq(alice);
    CHECK(raw == zsock_resolve(socket));
    zmq_pollitem_t item = {raw, 0, ZMQ_POLLIN, 0};
    CHECK(zyre_whispers(bob, zyre_uuid(alice), "three") == 0);
    CHECK(zmq_poll(&item, 1, 60000) == 1);
    skip(alice, "WHISPER");
    int descriptor = zsock_fd(socket);
    CHECK(descriptor >= 0);

    // Another name while the socket is written.
    zyre_set_name(alice, "alicia");
    zyre_set_contest_in_group(alice, "room");
    CHECK(zyre_join(alice, "room") == 0 && zyre_join(bob, "room") == 0);
    zyre_set_name(alice, "alison");
    zyre_event_t *event = next(alice, "LEADER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    zyre_event_destroy(&event);

    // The program doesn't read: destroying waits for nothing.
    for (int each = 0; each < 3000; each++)
        CHECK(zyre_whispers(bob, zyre_uuid(alice), "%d", each) == 0);
    zyre_destroy(&alice);
    // A socket that was asked for late.
    skip(bob, "EXIT");
    alice = started("anna");
    skip(bob, "ENTER");
    socket = zyre_socket(bob);
    CHECK(zyre_whispers(alice, zyre_uuid(bob), "x") == 0 || true);
    zyre_stop(bob);
    poller = zpoller_new(socket, NULL);
    for (bool stopped = false; !stopped;) {
        CHECK(zpoller_wait(poller, 60000) == socket);
        message = zyre_recv(bob);
        stopped = zframe_streq(zmsg_first(message), "STOP");
        zmsg_destroy(&message);
    }
    zpoller_destroy(&poller);
    zyre_destroy(&alice);
    zyre_destroy(&bob);
}

static void meet(zyre_t *one, zyre_t *two)
{
    zyre_event_t *event = next(one, "ENTER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(two));
    zyre_event_destroy(&event);
    event = next(two, "ENTER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(one));
    zyre_event_destroy(&event);
}

// A tcp port that nobody uses. czmq's `*` gives the same one to all who ask.
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(probe, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(probe, (struct sockaddr *)&address, &size) == 0);
    close(probe);
    return ntohs(address.sin_port);
}

static void test_gossip(void)
{
    // Over tcp, with keys.
    int hub = free_port();
    zyre_t *alice = node_named("alice"), *bob = node_named("bob");
    zcert_t *alices = zcert_new(), *bobs = zcert_new();
    zyre_set_zcert(alice, alices);
    zyre_set_zcert(bob, bobs);
    CHECK(zyre_set_endpoint(alice, "tcp://127.0.0.1:%s", "*") == 0);
    zyre_gossip_bind(alice, "tcp://127.0.0.1:%d", hub);
    zyre_gossip_connect_curve(bob, zcert_public_txt(alices), "tcp://127.0.0.1:%d", hub);
    CHECK(zyre_start(alice) == 0 && zyre_start(bob) == 0);
    meet(alice, bob);
    frees(zyre_peer_header_value(alice, zyre_uuid(bob), "X-PUBLICKEY"),
          zcert_public_txt(bobs));
    zyre_gossip_unpublish(alice, zyre_uuid(bob));
    zyre_destroy(&alice);
    zyre_destroy(&bob);
    zcert_destroy(&alices);
    zcert_destroy(&bobs);

    // Inside of the process, by a hub of czmq's.
    zactor_t *actor = zactor_new(zgossip, "hub");
    zstr_sendx(actor, "BIND", "inproc://hub", NULL);
    alice = node_named("alice");
    bob = node_named("bob");
    CHECK(zyre_set_endpoint(alice, "inproc://%s", "alice") == 0);
    CHECK(zyre_set_endpoint(bob, "inproc://alice") == -1);
    CHECK(zyre_set_endpoint(bob, "inproc://bob") == 0);
    zyre_gossip_connect(alice, "inproc://%s", "hub");
    zyre_gossip_connect(bob, "inproc://hub");
    CHECK(zyre_start(alice) == 0 && zyre_start(bob) == 0);
    meet(alice, bob);
    zyre_gossip_unpublish(alice, zyre_uuid(bob));
    zyre_destroy(&alice);
    CHECK(zyre_set_endpoint(bob, "inproc://alice") == 0);
    zyre_destroy(&bob);
    zactor_destroy(&actor);

    // By address, before the start and after it.
    alice = node_named("alice");
    int listen = free_port();
    CHECK(zyre_set_endpoint(alice, "tcp://127.0.0.1:%d", listen) == 0);
    CHECK(zyre_set_endpoint(alice, "tcp://192.0.2.1:5") == -1);
    CHECK(zyre_set_endpoint(alice, "carrier pigeon") == -1);
    zyre_set_advertised_endpoint(alice, "tcp://127.0.0.2:9");
    char *address = zsys_sprintf("tcp://127.0.0.1:%d", listen);
    CHECK(zyre_start(alice) == 0);
    bob = node_named("bob");
    zyre_set_port(bob, 0);
    CHECK(zyre_require_peer(bob, zyre_uuid(alice), address, "") == 0);
    CHECK(zyre_start(bob) == 0);
    zyre_event_t *event = next(bob, "ENTER");
    IS(zyre_event_peer_uuid(event), zyre_uuid(alice));
    zyre_event_destroy(&event);
    event = next(alice, "ENTER");
    zyre_event_destroy(&event);
    zyre_t *carol = node_named("carol");
    CHECK(zyre_set_endpoint(carol, "inproc://carol") == 0);
    CHECK(zyre_start(carol) == 0);
    CHECK(zyre_require_peer(carol, "nonsense", address, "") == -1);
    CHECK(zyre_require_peer(carol, zyre_uuid(alice), "nonsense", "") == -1);
    CHECK(zyre_require_peer(carol, zyre_uuid(alice), address, "") == 0);
    meet(carol, alice);
    zstr_free(&address);
    zyre_destroy(&alice);
    zyre_destroy(&bob);
    zyre_destroy(&carol);

    zyre_test(false);
    zyre_event_test(false);
}

// `zyre peer`: a node that says nothing until its input ends.
static int be_a_peer(void)
{
    zyre_t *node = started("peer");
    zyre_set_verbose(node);
    while (getchar() != EOF) {
    }
    zyre_destroy(&node);
    return 0;
}

// C Zyre's own stream: EVASIVE again and again, and SILENT.
static void test_strict(void)
{
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[0], 0);
        close(pipes[0]);
        close(pipes[1]);
        execl(self_path, self_path, "peer", NULL);
        _exit(127);
    }
    close(pipes[0]);
    setenv("ZRE_COMPAT", "strict", 1);
    zyre_t *node = node_named("strict");
    unsetenv("ZRE_COMPAT");
    zyre_set_evasive_timeout(node, 10);
    CHECK(zyre_start(node) == 0);
    for (int each = 0; each < 5; each++) {
        zyre_event_t *event = next(node, "EVASIVE");
        IS(zyre_event_peer_name(event), "peer");
        zyre_event_destroy(&event);
    }
    skip(node, "SILENT");
    zyre_socket(node);
    skip(node, "EVASIVE");
    skip(node, "SILENT");
    close(pipes[1]);
    skip(node, "EXIT");
    zyre_destroy(&node);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_misuse(void)
{
    zyre_t *node = node_named("node");
    zmsg_t *message = zmsg_new();
    CHECK(zyre_whisper(node, NULL, &message) == -1 && message == NULL);
    CHECK(zyre_whisper(node, zyre_uuid(node), NULL) == -1);
    CHECK(zyre_whisper(node, zyre_uuid(node), &message) == -1);
    CHECK(zyre_join(node, NULL) == -1 && zyre_leave(node, NULL) == -1);
    // Not started yet.
    CHECK(zyre_whispers(node, zyre_uuid(node), "x") == 0);
    CHECK(zyre_shouts(node, "room", "x") == 0);
    zlist_t *list = zyre_peers(node);
    CHECK(zlist_size(list) == 0);
    zlist_destroy(&list);
    zyre_stop(node);
    zyre_print(node);
    zyre_gossip_unpublish(node, "x");
    CHECK(zyre_require_peer(node, zyre_uuid(node), "tcp://127.0.0.1:9", NULL) == 0);
    zyre_destroy(&node);

    zyre_destroy(NULL);
    IS(zyre_uuid(NULL), "");
    IS(zyre_name(NULL), "");
    zyre_set_name(NULL, "x");
    zyre_set_header(NULL, "x", "y");
    zyre_set_port(NULL, 1);
    zyre_set_beacon_peer_port(NULL, 1);
    zyre_set_evasive_timeout(NULL, 1);
    zyre_set_silent_timeout(NULL, 1);
    zyre_set_expired_timeout(NULL, 1);
    zyre_set_interval(NULL, 1);
    CHECK(zyre_set_endpoint(NULL, "x") == -1);
    zyre_set_advertised_endpoint(NULL, "x");
    zyre_set_contest_in_group(NULL, "x");
    zyre_set_zcert(NULL, NULL);
    zyre_set_zap_domain(NULL, NULL);
    zyre_gossip_bind(NULL, "x");
    zyre_gossip_connect(NULL, "x");
    zyre_gossip_connect_curve(NULL, "x", "x");
    zyre_gossip_unpublish(NULL, "x");
    CHECK(zyre_require_peer(NULL, "x", "x", "x") == -1);
    CHECK(zyre_start(NULL) == -1);
    zyre_stop(NULL);
    CHECK(zyre_join(NULL, "x") == -1 && zyre_leave(NULL, "x") == -1);
    CHECK(zyre_recv(NULL) == NULL && zyre_socket(NULL) == NULL);
    CHECK(zyre_socket_zmq(NULL) == NULL);
    CHECK(zyre_whispers(NULL, "x", "x") == -1 && zyre_shouts(NULL, "x", "x") == -1);
    message = zmsg_new();
    CHECK(zyre_shout(NULL, "x", &message) == -1 && message == NULL);
    CHECK(zyre_peers(NULL) == NULL && zyre_peers_by_group(NULL, "x") == NULL);
    CHECK(zyre_own_groups(NULL) == NULL && zyre_peer_groups(NULL) == NULL);
    frees(zyre_peer_address(NULL, "x"), "");
    frees(zyre_peer_header_value(NULL, "x", "x"), "");
    zyre_print(NULL);
    CHECK(zyre_event_new(NULL) == NULL);
    zyre_event_destroy(NULL);
    CHECK(zyre_event_type(NULL) == NULL && zyre_event_peer_uuid(NULL) == NULL);
    CHECK(zyre_event_peer_name(NULL) == NULL && zyre_event_peer_addr(NULL) == NULL);
    CHECK(zyre_event_headers(NULL) == NULL && zyre_event_header(NULL, "x") == NULL);
    CHECK(zyre_event_group(NULL) == NULL && zyre_event_msg(NULL) == NULL);
    CHECK(zyre_event_get_msg(NULL) == NULL);
    zyre_event_print(NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"talk", test_talk},     {"sockets", test_sockets}, {"gossip", test_gossip},
    {"strict", test_strict}, {"misuse", test_misuse},
};

int main(int count, char **names)
{
    self_path = names[0];
    // The log is czmq's, which writes to stdout otherwise.
    zsys_set_logstream(stderr);
    if (count > 1 && streq(names[1], "peer"))
        return be_a_peer();
    int run = 0;
    for (size_t each = 0; each < sizeof tests / sizeof *tests; each++) {
        if (count > 1 && strneq(names[1], tests[each].name))
            continue;
        tests[each].run();
        printf("%s: ok\n", tests[each].name);
        fflush(stdout);
        run++;
    }
    return run > 0 ? 0 : 1;
}
