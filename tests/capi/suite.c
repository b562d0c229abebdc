// What C sees of libzre. `suite` runs all tests, `suite NAME` one of them; the first that
// fails ends the program with the line.
//
// ZRE_TEST_PORT has a UDP port for the beacons, which no other program uses.

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zre.h"

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf(stderr, "%s:%d: %s; the last error: %s\n", __FILE__, __LINE__,      \
                    #condition, zre_last_error());                                      \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

#define OK(call) CHECK((call) == ZRE_ERROR_NONE)
#define IS(text, wanted) CHECK((text) != NULL && strcmp((text), (wanted)) == 0)

// Long enough for a busy machine; nothing waits for it unless something is wrong.
#define DEADLINE 60000

static zre_settings *settings_named(const char *name)
{
    zre_settings *settings = zre_settings_new();
    CHECK(settings != NULL);
    OK(zre_settings_set(settings, "name", name));
    OK(zre_settings_set(settings, "interface", "lo"));
    OK(zre_settings_set(settings, "beacon_port", getenv("ZRE_TEST_PORT")));
    OK(zre_settings_set(settings, "interval", "100ms"));
    const char *sockets = getenv("ZRE_TEST_SOCKETS");
    OK(zre_settings_set(settings, "ipc", sockets != NULL ? sockets : "off"));
    return settings;
}

static zre_node *start(zre_settings *settings)
{
    zre_node *node = NULL;
    OK(zre_node_start(settings, &node));
    CHECK(node != NULL);
    zre_settings_destroy(&settings);
    CHECK(settings == NULL);
    return node;
}

static zre_node *node_named(const char *name)
{
    return start(settings_named(name));
}

// The next event of that kind; others before it are passed over.
static zre_event *next(zre_node *node, zre_kind kind)
{
    for (;;) {
        zre_event *event;
        OK(zre_events_recv(node, DEADLINE, &event));
        if (zre_event_kind(event) == kind)
            return event;
        zre_event_destroy(&event);
        CHECK(event == NULL);
    }
}

static void skip(zre_node *node, zre_kind kind)
{
    zre_event *event = next(node, kind);
    zre_event_destroy(&event);
}

static void says(zre_frame frame, const char *text)
{
    CHECK(frame.size == strlen(text) && memcmp(frame.data, text, frame.size) == 0);
}

static void test_settings(void)
{
    zre_settings *settings = zre_settings_new();
    zre_strings *values;
    OK(zre_settings_set(settings, "evasive", "2s"));
    OK(zre_settings_get(settings, "evasive", &values));
    CHECK(zre_strings_count(values) == 1);
    IS(zre_strings_get(values, 0), "2s");
    CHECK(zre_strings_get(values, 1) == NULL);
    zre_strings_destroy(&values);
    OK(zre_settings_reset(settings, "evasive"));
    OK(zre_settings_get(settings, "evasive", &values));
    IS(zre_strings_get(values, 0), "5s");
    zre_strings_destroy(&values);
    OK(zre_settings_set(settings, "group", "a"));
    OK(zre_settings_set(settings, "group", "b"));
    OK(zre_settings_get(settings, "group", &values));
    CHECK(zre_strings_count(values) == 2);
    zre_strings_destroy(&values);
    OK(zre_settings_keys(&values));
    CHECK(zre_strings_count(values) > 20);
    IS(zre_strings_get(values, 0), "name");
    zre_strings_destroy(&values);

    CHECK(zre_settings_set(settings, "evasve", "2s") == ZRE_ERROR_SETTING);
    IS(zre_last_error(), "there is no setting \"evasve\"; did you mean \"evasive\"?");
    IS(zre_last_error_code(), "setting");
    CHECK(zre_settings_set(settings, "evasive", "soon") == ZRE_ERROR_SETTING);
    CHECK(zre_settings_set(settings, "name", "\xff") == ZRE_ERROR_ARGUMENT);
    IS(zre_last_error(), "the value isn't UTF-8");
    CHECK(zre_settings_set(settings, NULL, "a") == ZRE_ERROR_ARGUMENT);
    CHECK(zre_settings_set(NULL, "name", "a") == ZRE_ERROR_HANDLE);
    CHECK(zre_settings_get(settings, "group", NULL) == ZRE_ERROR_ARGUMENT);
    values = (zre_strings *)settings;
    CHECK(zre_settings_get(settings, "grp", &values) == ZRE_ERROR_SETTING);
    CHECK(values == NULL);

    zre_settings *copy = settings;
    zre_settings_destroy(&settings);
    zre_settings_destroy(&settings);
    CHECK(zre_settings_set(copy, "name", "a") == ZRE_ERROR_HANDLE);
    IS(zre_last_error(), "the handle of settings was destroyed, or never was one");
    zre_settings_destroy(&copy);
    CHECK(copy == NULL);
    zre_settings_destroy(NULL);
}

static void test_messages(void)
{
    zre_settings *settings = settings_named("alice");
    OK(zre_settings_set(settings, "header", "role=lens"));
    OK(zre_settings_set(settings, "group", "room"));
    zre_node *alice = start(settings);
    zre_node *bob = node_named("bob");
    char *alice_uuid, *bob_uuid, *text;
    OK(zre_node_uuid(alice, &alice_uuid));
    OK(zre_node_uuid(bob, &bob_uuid));
    CHECK(strlen(alice_uuid) == 36);
    OK(zre_node_name(bob, &text));
    IS(text, "bob");
    zre_string_destroy(&text);
    CHECK(text == NULL);
    OK(zre_node_endpoint(bob, &text));
    CHECK(strncmp(text, "tcp://", 6) == 0);
    zre_string_destroy(&text);

    // Who is here.
    zre_event *event = next(bob, ZRE_KIND_ENTER);
    IS(zre_event_name(event), "enter");
    IS(zre_event_uuid(event), alice_uuid);
    CHECK(strstr(zre_event_json(event), "\"event\":\"enter\"") != NULL);
    CHECK(zre_event_group(event) == NULL && zre_event_message(event) == NULL);
    CHECK(zre_event_id(event) == 0 && !zre_event_on(event) && !zre_event_keep(event));
    const zre_peer *peer = zre_event_peer(event);
    IS(zre_peer_uuid(peer), alice_uuid);
    IS(zre_peer_name(peer), "alice");
    IS(zre_peer_state(peer), "ready");
    CHECK(strncmp(zre_peer_endpoint(peer), "tcp://", 6) == 0);
    CHECK(zre_peer_key(peer) == NULL);
    IS(zre_peer_header(peer, "role"), "lens");
    CHECK(zre_peer_header(peer, "rule") == NULL && zre_peer_header(peer, NULL) == NULL);
    CHECK(zre_peer_header_count(peer) == 1);
    IS(zre_peer_header_key(peer, 0), "role");
    IS(zre_peer_header_value(peer, 0), "lens");
    CHECK(zre_peer_header_key(peer, 1) == NULL && zre_peer_header_value(peer, 1) == NULL);
    zre_event_destroy(&event);
    event = next(bob, ZRE_KIND_JOIN);
    IS(zre_event_group(event), "room");
    IS(zre_peer_name(zre_event_peer(event)), "alice");
    zre_event_destroy(&event);
    OK(zre_node_wait_for_peers(alice, NULL, 1, DEADLINE));
    OK(zre_node_wait_for_peers(bob, "room", 1, DEADLINE));
    CHECK(zre_node_wait_for_peers(bob, "room", 2, 1) == ZRE_ERROR_ELAPSED);
    skip(alice, ZRE_KIND_ENTER);

    // Whispers and shouts, of several frames and of none.
    zre_frame frames[3] = {zre_frame_of_text("a"), {NULL, 0}, {"b\0c", 3}};
    OK(zre_node_whisper(bob, alice_uuid, frames, 3));
    event = next(alice, ZRE_KIND_WHISPER);
    const zre_message *message = zre_event_message(event);
    CHECK(zre_message_count(message) == 3);
    says(zre_message_frame(message, 0), "a");
    CHECK(zre_message_frame(message, 1).size == 0);
    CHECK(zre_message_frame(message, 2).size == 3);
    CHECK(memcmp(zre_message_frame(message, 2).data, "b\0c", 3) == 0);
    CHECK(zre_message_frame(message, 3).data == NULL);
    zre_event_destroy(&event);
    OK(zre_node_try_whisper(bob, "alice", NULL, 0));
    event = next(alice, ZRE_KIND_WHISPER);
    CHECK(zre_message_count(zre_event_message(event)) == 0);
    zre_event_destroy(&event);
    size_t accepted = 7;
    OK(zre_node_shout(bob, "room", frames, 1, &accepted));
    CHECK(accepted == 1);
    event = next(alice, ZRE_KIND_SHOUT);
    IS(zre_event_group(event), "room");
    says(zre_message_frame(zre_event_message(event), 0), "a");
    zre_event_destroy(&event);
    OK(zre_node_try_shout(bob, "nobody's", frames, 1, &accepted));
    CHECK(accepted == 0);
    OK(zre_node_shout(bob, "room", frames, 1, NULL));
    skip(alice, ZRE_KIND_SHOUT);
    OK(zre_node_shout_to(bob, "alice", "room", frames, 1));
    skip(alice, ZRE_KIND_SHOUT);
    CHECK(zre_node_whisper(bob, "carol", frames, 1) == ZRE_ERROR_UNKNOWN_PEER);
    IS(zre_last_error_code(), "unknown_peer");
    CHECK(zre_node_whisper(bob, "alice", NULL, 1) == ZRE_ERROR_ARGUMENT);
    zre_frame hole = {NULL, 1}, vast = {"a", SIZE_MAX};
    CHECK(zre_node_whisper(bob, "alice", &hole, 1) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_whisper(bob, "alice", &vast, 1) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_whisper(bob, "alice", &hole, SIZE_MAX) == ZRE_ERROR_ARGUMENT);
    size_t size = 300u << 20;
    zre_frame large = {calloc(size, 1), size};
    CHECK(zre_node_whisper(bob, "alice", &large, 1) == ZRE_ERROR_TOO_LARGE);
    free((void *)large.data);
    uint64_t took = 0;
    OK(zre_node_ping(bob, "alice", DEADLINE, &took));
    CHECK(took > 0);

    // Groups and lists.
    OK(zre_node_join(bob, "hall"));
    OK(zre_node_join(bob, "hall"));
    event = next(alice, ZRE_KIND_JOIN);
    IS(zre_event_group(event), "hall");
    zre_event_destroy(&event);
    zre_strings *strings;
    OK(zre_node_own_groups(bob, &strings));
    CHECK(zre_strings_count(strings) == 1);
    IS(zre_strings_get(strings, 0), "hall");
    zre_strings_destroy(&strings);
    OK(zre_node_peer_groups(bob, &strings));
    IS(zre_strings_get(strings, 0), "room");
    zre_strings_destroy(&strings);
    zre_peers *peers;
    OK(zre_node_peers(bob, NULL, &peers));
    CHECK(zre_peers_count(peers) == 1 && zre_peers_get(peers, 1) == NULL);
    IS(zre_peer_uuid(zre_peers_get(peers, 0)), alice_uuid);
    OK(zre_peer_groups(zre_peers_get(peers, 0), &strings));
    CHECK(zre_strings_count(strings) == 1);
    zre_strings_destroy(&strings);
    zre_peers_destroy(&peers);
    CHECK(peers == NULL);
    OK(zre_node_peers(bob, "hall", &peers));
    CHECK(zre_peers_count(peers) == 0);
    zre_peers_destroy(&peers);
    OK(zre_node_available(bob, "room", &peers));
    CHECK(zre_peers_count(peers) == 1);
    zre_peers_destroy(&peers);
    OK(zre_node_peer(bob, "alice", &peers));
    IS(zre_peer_name(zre_peers_get(peers, 0)), "alice");
    zre_peers_destroy(&peers);
    CHECK(zre_node_peer(bob, "carol", &peers) == ZRE_ERROR_UNKNOWN_PEER && peers == NULL);
    OK(zre_node_leave(bob, "hall"));
    skip(alice, ZRE_KIND_LEAVE);

    // Elections.
    CHECK(zre_node_leader(alice, "room", &text) == ZRE_ERROR_MISSING && text == NULL);
    OK(zre_node_contest(alice, "room"));
    OK(zre_node_join(bob, "room"));
    event = next(bob, ZRE_KIND_LEADER);
    IS(zre_event_uuid(event), alice_uuid);
    zre_event_destroy(&event);
    event = next(alice, ZRE_KIND_LEADER);
    CHECK(zre_event_peer(event) == NULL);
    IS(zre_event_group(event), "room");
    zre_event_destroy(&event);
    OK(zre_node_leader(bob, "room", &text));
    IS(text, alice_uuid);
    zre_string_destroy(&text);

    // States, names and headers that change.
    OK(zre_node_set_state(alice, "busy"));
    event = next(bob, ZRE_KIND_STATE);
    IS(zre_event_state(event), "busy");
    IS(zre_event_old_state(event), "ready");
    zre_event_destroy(&event);
    CHECK(zre_node_set_state(alice, "exit") == ZRE_ERROR_STATE);
    CHECK(zre_node_set_state(alice, "happy") == ZRE_ERROR_STATE);
    OK(zre_node_set_name(alice, "anna"));
    event = next(bob, ZRE_KIND_UPDATE);
    IS(zre_event_old_name(event), "alice");
    IS(zre_peer_name(zre_event_peer(event)), "anna");
    zre_event_destroy(&event);
    OK(zre_node_set_header(alice, "size", "big"));
    event = next(bob, ZRE_KIND_UPDATE);
    IS(zre_peer_header(zre_event_peer(event), "size"), "big");
    zre_event_destroy(&event);
    OK(zre_node_header(alice, "size", &text));
    IS(text, "big");
    zre_string_destroy(&text);
    CHECK(zre_node_header(alice, "seize", &text) == ZRE_ERROR_MISSING);
    OK(zre_node_header_keys(alice, &strings));
    CHECK(zre_strings_count(strings) == 2);
    zre_strings_destroy(&strings);
    OK(zre_node_remove_header(alice, "size"));
    OK(zre_node_stats(alice, &text));
    CHECK(strstr(text, "\"peers\":1") != NULL);
    zre_string_destroy(&text);
    OK(zre_node_gossip_unpublish(alice, "somebody"));

    // A peer leaves; what it was stays readable.
    OK(zre_node_stop(alice, DEADLINE));
    event = next(bob, ZRE_KIND_EXIT);
    IS(zre_event_reason(event), "goodbye");
    CHECK(zre_event_unconfirmed(event) == 0);
    zre_node_destroy(&alice);
    zre_node_destroy(&bob);
    IS(zre_peer_name(zre_event_peer(event)), "anna");
    zre_event_destroy(&event);
    zre_string_destroy(&alice_uuid);
    zre_string_destroy(&bob_uuid);
}

static void test_addresses(void)
{
    zre_settings *settings = settings_named("alice");
    OK(zre_settings_set(settings, "no_beacon", "on"));
    zre_node *alice = start(settings);
    settings = settings_named("bob");
    OK(zre_settings_set(settings, "no_beacon", "on"));
    OK(zre_settings_set(settings, "inproc", "off"));
    zre_node *bob = start(settings);
    char *endpoint, *uuid;
    OK(zre_node_endpoint(alice, &endpoint));
    OK(zre_node_uuid(alice, &uuid));
    int64_t silence;
    CHECK(zre_node_silence(bob, uuid, &silence) == ZRE_ERROR_MISSING);
    OK(zre_node_add_peer(bob, endpoint, uuid));
    skip(bob, ZRE_KIND_ENTER);
    OK(zre_node_silence(bob, uuid, &silence));
    CHECK(silence >= 0 && silence < DEADLINE);
    OK(zre_node_remove_peer(bob, endpoint));
    CHECK(zre_node_add_peer(bob, "alice", NULL) == ZRE_ERROR_SETTING);
    CHECK(zre_node_add_peer(bob, endpoint, "alice") == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_add_peer(bob, NULL, NULL) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_silence(bob, uuid, NULL) == ZRE_ERROR_ARGUMENT);
    zre_string_destroy(&endpoint);
    zre_string_destroy(&uuid);
    zre_node_destroy(&alice);
    zre_node_destroy(&bob);
}

static void *ask(void *node)
{
    zre_frame question = zre_frame_of_text("how much?");
    zre_message *answer;
    OK(zre_node_request(node, "bob", &question, 1, DEADLINE, &answer));
    says(zre_message_frame(answer, 0), "42");
    zre_message_destroy(&answer);
    CHECK(answer == NULL);
    CHECK(zre_node_request(node, "bob", &question, 1, DEADLINE, &answer) ==
          ZRE_ERROR_UNANSWERED);
    CHECK(answer == NULL);
    return NULL;
}

static void test_requests(void)
{
    zre_node *alice = node_named("alice"), *bob = node_named("bob");
    OK(zre_node_wait_for_peers(alice, NULL, 1, DEADLINE));
    pthread_t asker;
    CHECK(pthread_create(&asker, NULL, ask, alice) == 0);
    zre_event *event = next(bob, ZRE_KIND_REQUEST);
    says(zre_message_frame(zre_event_message(event), 0), "how much?");
    uint64_t id = zre_event_id(event);
    CHECK(zre_event_keep(event));
    zre_event_destroy(&event);
    zre_frame answer = zre_frame_of_text("42");
    OK(zre_node_reply(bob, id, &answer, 1));
    CHECK(zre_node_reply(bob, id, &answer, 1) == ZRE_ERROR_UNKNOWN_REQUEST);
    // The second request isn't kept.
    skip(bob, ZRE_KIND_REQUEST);
    pthread_join(asker, NULL);
    zre_node_destroy(&alice);
    zre_node_destroy(&bob);
}

// `suite peer`: a node that does nothing until it is killed.
static void be_a_peer(void)
{
    zre_node *node = node_named("peer");
    for (;;)
        skip(node, ZRE_KIND_WHISPER);
}

static const char *self_path;

// Peers die while this node writes to them. Only Rust's own programs ignore SIGPIPE, which
// must not end this one.
static void test_deaths(void)
{
    zre_frame frame = zre_frame_of_text("are you there?");
    for (int turn = 0; turn < 10; turn++) {
        pid_t child = fork();
        if (child == 0) {
            execl(self_path, self_path, "peer", NULL);
            _exit(127);
        }
        zre_node *node = node_named("writer");
        OK(zre_node_wait_for_peers(node, NULL, 1, DEADLINE));
        OK(zre_node_whisper(node, "peer", &frame, 1));
        kill(child, SIGKILL);
        zre_error error;
        do {
            error = zre_node_try_whisper(node, "peer", &frame, 1);
        } while (error == ZRE_ERROR_NONE || error == ZRE_ERROR_FULL);
        CHECK(error == ZRE_ERROR_GONE || error == ZRE_ERROR_UNKNOWN_PEER);
        waitpid(child, NULL, 0);
        zre_node_destroy(&node);
    }
}

static bool readable(int descriptor, int timeout)
{
    struct pollfd polled = {descriptor, POLLIN, 0};
    int found = poll(&polled, 1, timeout);
    CHECK(found >= 0);
    return found == 1;
}

static void drain(zre_node *node)
{
    zre_event *event;
    zre_error error;
    while ((error = zre_events_recv(node, 0, &event)) == ZRE_ERROR_NONE)
        zre_event_destroy(&event);
    CHECK(error == ZRE_ERROR_ELAPSED && event == NULL);
}

static void test_descriptor(void)
{
    zre_node *alice = node_named("alice"), *bob = node_named("bob");
    int32_t descriptor, again;
    OK(zre_events_fd(alice, &descriptor));
    OK(zre_events_fd(alice, &again));
    CHECK(descriptor == again && descriptor >= 0);
    skip(alice, ZRE_KIND_ENTER);
    OK(zre_node_wait_for_peers(bob, NULL, 1, DEADLINE));
    zre_frame frame = zre_frame_of_text("x");
    for (int turn = 0; turn < 100; turn++) {
        // The node may ring for an event that was just read, but not again and again.
        int spurious = 0;
        do {
            drain(alice);
            CHECK(spurious++ < 10);
        } while (readable(descriptor, 0));
        OK(zre_node_whisper(bob, "alice", &frame, 1));
        OK(zre_node_whisper(bob, "alice", &frame, 1));
        CHECK(readable(descriptor, DEADLINE));
        // It stays readable until nothing is left.
        skip(alice, ZRE_KIND_WHISPER);
        CHECK(readable(descriptor, DEADLINE));
        skip(alice, ZRE_KIND_WHISPER);
    }
    drain(alice);
    OK(zre_node_stop(alice, 0));
    CHECK(readable(descriptor, DEADLINE));
    zre_event *event;
    zre_error error;
    while ((error = zre_events_recv(alice, DEADLINE, &event)) == ZRE_ERROR_NONE)
        zre_event_destroy(&event);
    CHECK(error == ZRE_ERROR_STOPPED && event == NULL);
    CHECK(readable(descriptor, 0));
    zre_node_destroy(&alice);
    zre_node_destroy(&bob);
}

// All calls on that handle fail with that error.
static void refuses(zre_node *node, zre_error error, bool stopped)
{
    zre_frame frame = zre_frame_of_text("x");
    zre_message *message;
    zre_event *event;
    char *text;
    CHECK(zre_node_join(node, "a") == error);
    CHECK(zre_node_leave(node, "a") == error);
    CHECK(zre_node_contest(node, "a") == error);
    CHECK(zre_node_leader(node, "a", &text) == error && text == NULL);
    CHECK(zre_node_set_name(node, "a") == error);
    CHECK(zre_node_set_header(node, "a", "b") == error);
    CHECK(zre_node_remove_header(node, "a") == error);
    CHECK(zre_node_set_state(node, "busy") == error);
    CHECK(zre_node_shout(node, "a", &frame, 1, NULL) == error);
    CHECK(zre_node_try_shout(node, "a", &frame, 1, NULL) == error);
    CHECK(zre_node_whisper(node, "a", &frame, 1) != ZRE_ERROR_NONE);
    CHECK(zre_node_try_whisper(node, "a", &frame, 1) != ZRE_ERROR_NONE);
    CHECK(zre_node_shout_to(node, "a", "b", &frame, 1) != ZRE_ERROR_NONE);
    CHECK(zre_node_request(node, "a", &frame, 1, 1, &message) != ZRE_ERROR_NONE);
    CHECK(message == NULL);
    CHECK(zre_node_reply(node, 1, &frame, 1) != ZRE_ERROR_NONE);
    CHECK(zre_node_ping(node, "a", 1, NULL) != ZRE_ERROR_NONE);
    CHECK(zre_node_stats(node, &text) == error && text == NULL);
    CHECK(zre_node_add_peer(node, "tcp://127.0.0.1:1", NULL) == error);
    CHECK(zre_node_remove_peer(node, "tcp://127.0.0.1:1") == error);
    CHECK(zre_node_wait_for_peers(node, NULL, 1, -1) == error);
    CHECK(zre_events_recv(node, -1, &event) == error && event == NULL);
    if (stopped)
        return;
    zre_strings *strings;
    zre_peers *peers;
    int32_t descriptor;
    CHECK(zre_node_stop(node, 0) == error);
    CHECK(zre_node_uuid(node, &text) == error && text == NULL);
    CHECK(zre_node_name(node, &text) == error && text == NULL);
    CHECK(zre_node_endpoint(node, &text) == error && text == NULL);
    CHECK(zre_node_header(node, "a", &text) == error && text == NULL);
    CHECK(zre_node_header_keys(node, &strings) == error && strings == NULL);
    CHECK(zre_node_own_groups(node, &strings) == error && strings == NULL);
    CHECK(zre_node_peer_groups(node, &strings) == error && strings == NULL);
    CHECK(zre_node_peers(node, NULL, &peers) == error && peers == NULL);
    CHECK(zre_node_available(node, "a", &peers) == error && peers == NULL);
    CHECK(zre_node_peer(node, "a", &peers) == error && peers == NULL);
    CHECK(zre_node_gossip_unpublish(node, "a") == error);
    CHECK(zre_events_fd(node, &descriptor) == error && descriptor == -1);
}

static void test_misuse(void)
{
    zre_node *node = node_named("alice");
    int32_t descriptor;
    CHECK(zre_events_fd(node, NULL) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_events_recv(node, 0, NULL) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_uuid(node, NULL) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_join(node, NULL) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_join(node, "\xc3(") == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_whisper(node, NULL, NULL, 0) == ZRE_ERROR_ARGUMENT);
    CHECK(zre_node_start(NULL, NULL) == ZRE_ERROR_ARGUMENT);
    char *name = malloc(70000);
    memset(name, 'n', 69999);
    name[69999] = 0;
    CHECK(zre_node_set_name(node, name) == ZRE_ERROR_LIMIT);
    CHECK(zre_node_join(node, name) == ZRE_ERROR_LIMIT);
    zre_settings *settings = settings_named(name);
    zre_node *none = node;
    CHECK(zre_node_start(settings, &none) == ZRE_ERROR_START && none == NULL);
    zre_settings_destroy(&settings);
    free(name);

    OK(zre_node_stop(node, 0));
    OK(zre_node_stop(node, 0));
    zre_event *event;
    while (zre_events_recv(node, DEADLINE, &event) == ZRE_ERROR_NONE)
        zre_event_destroy(&event);
    refuses(node, ZRE_ERROR_STOPPED, true);
    OK(zre_events_fd(node, &descriptor));
    zre_node *copy = node;
    zre_node_destroy(&node);
    CHECK(node == NULL);
    zre_node_destroy(&node);
    refuses(copy, ZRE_ERROR_HANDLE, false);
    zre_node_destroy(&copy);
    CHECK(copy == NULL);
    refuses(NULL, ZRE_ERROR_HANDLE, false);
    zre_node_destroy(NULL);
    // A handle of something else.
    settings = zre_settings_new();
    refuses((zre_node *)settings, ZRE_ERROR_HANDLE, false);
    zre_settings_destroy(&settings);

    zre_strings *strings;
    CHECK(zre_event_kind(NULL) == ZRE_KIND_NONE && zre_event_name(NULL) == NULL);
    CHECK(zre_event_peer(NULL) == NULL && zre_event_uuid(NULL) == NULL);
    CHECK(zre_event_group(NULL) == NULL && zre_event_message(NULL) == NULL);
    CHECK(zre_event_state(NULL) == NULL && zre_event_old_state(NULL) == NULL);
    CHECK(zre_event_old_name(NULL) == NULL && zre_event_reason(NULL) == NULL);
    CHECK(zre_event_unconfirmed(NULL) == 0 && zre_event_id(NULL) == 0);
    CHECK(!zre_event_on(NULL) && !zre_event_keep(NULL) && zre_event_json(NULL) == NULL);
    CHECK(zre_peer_uuid(NULL) == NULL && zre_peer_name(NULL) == NULL);
    CHECK(zre_peer_endpoint(NULL) == NULL && zre_peer_key(NULL) == NULL);
    CHECK(zre_peer_state(NULL) == NULL && zre_peer_header_count(NULL) == 0);
    CHECK(zre_peer_header_key(NULL, 0) == NULL && zre_peer_header_value(NULL, 0) == NULL);
    CHECK(zre_peer_header(NULL, "a") == NULL);
    CHECK(zre_peer_groups(NULL, &strings) == ZRE_ERROR_ARGUMENT && strings == NULL);
    CHECK(zre_peers_count(NULL) == 0 && zre_peers_get(NULL, 0) == NULL);
    CHECK(zre_strings_count(NULL) == 0 && zre_strings_get(NULL, 0) == NULL);
    CHECK(zre_message_count(NULL) == 0 && zre_message_frame(NULL, 0).data == NULL);
    CHECK(zre_frame_of_text(NULL).size == 0);
    event = NULL;
    zre_event_destroy(&event);
    zre_event_destroy(NULL);
    zre_peers_destroy(NULL);
    zre_strings_destroy(NULL);
    zre_message_destroy(NULL);
    zre_string_destroy(NULL);
    IS(zre_version(), ZRE_TEST_VERSION);
}

#define SENDERS 4
#define EACH 500

static zre_node *alice, *bob;
static zre_node *shared;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static int received;

static void *send_some(void *unused)
{
    zre_frame frame = zre_frame_of_text("x");
    (void)unused;
    for (int sent = 0; sent < EACH; sent++)
        OK(zre_node_whisper(bob, "alice", &frame, 1));
    // The last error is this thread's own.
    IS(zre_last_error(), "");
    return NULL;
}

static void *receive_some(void *unused)
{
    (void)unused;
    for (;;) {
        zre_event *event;
        zre_error error = zre_events_recv(alice, -1, &event);
        // The node is destroyed once all is here: while this waits, or before.
        if (error == ZRE_ERROR_STOPPED || error == ZRE_ERROR_HANDLE)
            return NULL;
        OK(error);
        bool whisper = zre_event_kind(event) == ZRE_KIND_WHISPER;
        zre_event_destroy(&event);
        pthread_mutex_lock(&counting);
        received += whisper;
        bool all = received == SENDERS * EACH;
        pthread_mutex_unlock(&counting);
        if (all && whisper) {
            zre_node *copy = alice;
            zre_node_destroy(&copy);
            return NULL;
        }
    }
}

static void *destroy_it(void *unused)
{
    (void)unused;
    zre_node *copy = shared;
    zre_node_destroy(&copy);
    return NULL;
}

static void test_threads(void)
{
    alice = node_named("alice");
    bob = node_named("bob");
    OK(zre_node_wait_for_peers(bob, NULL, 1, DEADLINE));
    CHECK(zre_node_join(NULL, "a") == ZRE_ERROR_HANDLE);
    pthread_t senders[SENDERS], receivers[2], destroyers[2];
    received = 0;
    for (int each = 0; each < 2; each++)
        CHECK(pthread_create(&receivers[each], NULL, receive_some, NULL) == 0);
    for (int each = 0; each < SENDERS; each++)
        CHECK(pthread_create(&senders[each], NULL, send_some, NULL) == 0);
    for (int each = 0; each < SENDERS; each++)
        pthread_join(senders[each], NULL);
    for (int each = 0; each < 2; each++)
        pthread_join(receivers[each], NULL);
    CHECK(received == SENDERS * EACH);
    IS(zre_last_error_code(), "handle");
    zre_node_destroy(&bob);

    // Two threads destroy it while a third waits for an event.
    shared = alice = node_named("alice");
    CHECK(pthread_create(&receivers[0], NULL, receive_some, NULL) == 0);
    for (int each = 0; each < 2; each++)
        CHECK(pthread_create(&destroyers[each], NULL, destroy_it, NULL) == 0);
    for (int each = 0; each < 2; each++)
        pthread_join(destroyers[each], NULL);
    pthread_join(receivers[0], NULL);
}

static void test_log(void)
{
    CHECK(zre_log("zre=loud") == ZRE_ERROR_ARGUMENT);
    OK(zre_log("debug"));
    CHECK(zre_log(NULL) == ZRE_ERROR_OTHER);
    zre_node *node = node_named("logger");
    zre_node_destroy(&node);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"settings", test_settings}, {"messages", test_messages},
    {"addresses", test_addresses}, {"requests", test_requests},
    {"deaths", test_deaths}, {"descriptor", test_descriptor}, {"misuse", test_misuse},
    {"threads", test_threads}, {"log", test_log},
};

static const char *wanted;

static void *run_tests(void *unused)
{
    (void)unused;
    IS(zre_last_error(), "");
    IS(zre_last_error_code(), "");
    int run = 0;
    for (size_t each = 0; each < sizeof tests / sizeof *tests; each++) {
        if (wanted != NULL && strcmp(wanted, tests[each].name) != 0)
            continue;
        tests[each].run();
        printf("%s: ok\n", tests[each].name);
        fflush(stdout);
        run++;
    }
    CHECK(run > 0);
    return NULL;
}

int main(int count, char **names)
{
    self_path = names[0];
    wanted = count > 1 ? names[1] : NULL;
    if (wanted != NULL && strcmp(wanted, "peer") == 0)
        be_a_peer();
    // On a thread that ends: what Rust keeps for the first one is never freed, and a leak
    // checker can't tell it from a leak.
    pthread_t runner;
    CHECK(pthread_create(&runner, NULL, run_tests, NULL) == 0);
    CHECK(pthread_join(runner, NULL) == 0);
    return 0;
}
