// libzre: programs on a network find each other and talk, with no server and no
// configuration. Made from the source of the crate zre-capi; don't edit it.
//
// Errors. A call that can fail returns zre_error: 0 (ZRE_ERROR_NONE) is success. For
// the last call on a thread that failed, zre_last_error() has a sentence and
// zre_last_error_code() a word. Any call that takes a node or settings returns
// ZRE_ERROR_HANDLE if they were destroyed or never were any, NULL included; any call on a
// node that has stopped returns ZRE_ERROR_STOPPED if it needs the network. A NULL where a
// value is needed, and text that isn't UTF-8, is ZRE_ERROR_ARGUMENT. No call aborts, and
// none unwinds.
//
// Text. Text is UTF-8 that ends with a NUL. A NUL inside of what a peer sent as text reads
// as U+FFFD; the frames of messages are bytes, with their size.
//
// Ownership.
// - What a call is given (text, frames, settings) stays the caller's. The call copies what
//   it needs, and keeps no pointer to it.
// - What a call writes to a place that it is given (zre_node **, zre_event **,
//   zre_peers **, zre_strings **, zre_message **, char **) is the caller's, who destroys
//   it with the function of that name, in any order, on any thread, before or after the
//   node. A call that fails writes NULL there.
// - What a call returns (const char *, const zre_peer *, const zre_message *, zre_frame)
//   belongs to what it was read from, and lives as long as that does.
// - Each zre_..._destroy() takes the address of the pointer and makes the pointer NULL;
//   NULL is ignored. To destroy a copy of a pointer again is an error for nodes and
//   settings, which are checked, and undefined for everything else.
//
// Threads. All calls on nodes and settings may be made by any thread at any time, together
// and while others wait. Events, lists and messages can be read by several threads, but
// while one destroys them no other may use them. The last error belongs to the thread.
//
// Processes. A child that was made by fork() mustn't call the library until exec().
// Callbacks don't exist: the library calls nothing of the program's.
//
// Signals. The library handles none, blocks none, and raises none when a peer goes.
//
// Times are milliseconds. A negative time is for ever, where nothing else is said.



#ifndef ZRE_H
#define ZRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether a call succeeded, and if not, why. 0 is success. Later versions may add
// numbers; those that are here stay.
//
// zre_last_error() has a sentence about the failure, and zre_last_error_code() a finer
// word.
typedef enum {
  // Success.
  ZRE_ERROR_NONE = 0,
  // NULL where a value is needed, text that isn't UTF-8, or a number out of range.
  ZRE_ERROR_ARGUMENT = 1,
  // A node or settings that were destroyed, or never were any. NULL is one of those.
  ZRE_ERROR_HANDLE = 2,
  // There is no such setting, or it doesn't take that value.
  ZRE_ERROR_SETTING = 3,
  // The node can't start; zre_last_error_code() tells causes apart.
  ZRE_ERROR_START = 4,
  // A name, header or group that peers wouldn't accept, or too many of them.
  ZRE_ERROR_LIMIT = 5,
  // A state that only the protocol sets, or no state at all.
  ZRE_ERROR_STATE = 6,
  // No peer of that UUID or name is here.
  ZRE_ERROR_UNKNOWN_PEER = 7,
  // Several peers have that name: use the UUID.
  ZRE_ERROR_AMBIGUOUS_PEER = 8,
  // The queue to the peer is full.
  ZRE_ERROR_FULL = 9,
  // The peer has gone.
  ZRE_ERROR_GONE = 10,
  // The message is too large.
  ZRE_ERROR_TOO_LARGE = 11,
  // The node has stopped, and all its events are read.
  ZRE_ERROR_STOPPED = 12,
  // The time is over.
  ZRE_ERROR_ELAPSED = 13,
  // Too many pings or requests wait for answers.
  ZRE_ERROR_TOO_MANY = 14,
  // The peer, or this system, can't do that.
  ZRE_ERROR_UNSUPPORTED = 15,
  // The peer's program dropped the request without an answer.
  ZRE_ERROR_UNANSWERED = 16,
  // The request is answered already.
  ZRE_ERROR_ANSWERED = 17,
  // No request of that number is open.
  ZRE_ERROR_UNKNOWN_REQUEST = 18,
  // The system refused something, as a file descriptor.
  ZRE_ERROR_SYSTEM = 19,
  // There is no such thing: no header of that name, no leader.
  ZRE_ERROR_MISSING = 20,
  // Something else; zre_last_error_code() has the word for it.
  ZRE_ERROR_OTHER = 98,
  // A bug in this library. The call had no effect, or only a part of it.
  ZRE_ERROR_INTERNAL = 99,
} zre_error;

// The kinds of events. Later versions may add some; the numbers that are here stay.
typedef enum {
  // No event (NULL), or a kind without a number: zre_event_name() has its name.
  ZRE_KIND_NONE = 0,
  // A peer is here and can receive messages.
  ZRE_KIND_ENTER = 1,
  // A peer has gone: zre_event_reason(), zre_event_unconfirmed().
  ZRE_KIND_EXIT = 2,
  // A peer joined a group.
  ZRE_KIND_JOIN = 3,
  // A peer left a group.
  ZRE_KIND_LEAVE = 4,
  // A message to this node.
  ZRE_KIND_WHISPER = 5,
  // A message to a group that this node is in.
  ZRE_KIND_SHOUT = 6,
  // A message whose sender waits for an answer: zre_node_reply(), zre_event_id().
  ZRE_KIND_REQUEST = 7,
  // A peer was silent and didn't answer a PING either.
  ZRE_KIND_EVASIVE = 8,
  // A peer has been evasive for seconds.
  ZRE_KIND_SILENT = 9,
  // An evasive or silent peer was heard again.
  ZRE_KIND_RESPONSIVE = 10,
  // A peer's state changed: zre_event_state(), zre_event_old_state().
  ZRE_KIND_STATE = 11,
  // A peer has another name or other headers: zre_event_old_name().
  ZRE_KIND_UPDATE = 12,
  // A group that this node is in has a leader: zre_event_uuid(), and zre_event_peer()
  // unless this node leads.
  ZRE_KIND_LEADER = 13,
  // An election doesn't end, because members don't take part: zre_event_json().
  ZRE_KIND_UNDECIDED = 14,
  // Two live nodes use the same UUID: zre_event_uuid().
  ZRE_KIND_CONFLICT = 15,
  // A node can't be dialled: zre_event_uuid(), zre_event_reason().
  ZRE_KIND_UNREACHABLE = 16,
  // A node can be dialled and doesn't greet back: zre_event_uuid(), zre_event_reason().
  ZRE_KIND_ONE_WAY = 17,
  // The queue to a peer is full, or has room again: zre_event_on().
  ZRE_KIND_BACKPRESSURE = 18,
  // The node uses an address of an interface, or no longer: zre_event_on(),
  // zre_event_reason(), zre_event_json().
  ZRE_KIND_DISCOVERY = 19,
  // The node ends because of a bug: zre_event_reason().
  ZRE_KIND_FAILED = 20,
} zre_kind;

// Something that happened on the network. Its receiver owns it, and everything that is
// read from it lives as long as it does.
typedef struct zre_event zre_event;

// The frames of a message that was received.
typedef struct zre_message zre_message;

// A node on the network. Any thread may use it at any time.
typedef struct zre_node zre_node;

// Another node, from its "enter" to its "exit". It stays readable after that.
//
// Its state and its groups are those that it has now; its name and its headers are those
// that it had when this was given out.
typedef struct zre_peer zre_peer;

// Peers, which the receiver of the list owns.
typedef struct zre_peers zre_peers;

// How a node is to be. Any thread may use it at any time.
typedef struct zre_settings zre_settings;

// A list of text, which its receiver owns.
typedef struct zre_strings zre_strings;

// One frame of a message: bytes that belong to somebody else.
typedef struct {
  // The bytes; may be NULL if there are none.
  const void *data;
  // How many there are.
  size_t size;
} zre_frame;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this library, as "0.1.0".
const char *zre_version(void);

// A sentence about the last call on this thread that failed; "" if none has. It lives
// until the next one fails. A call that succeeds doesn't change it.
const char *zre_last_error(void);

// A word for the same failure, as "unknown_peer" or "no_port", which stays the same in
// later versions while the sentence may change; "" if no call has failed.
const char *zre_last_error_code(void);

// Writes what the nodes of this process log to stderr from now on, once for a process.
//
// `filter` is a level, as "debug", or levels of parts, as "warn,zre=trace"; NULL stands
// for "info".
//
// Fails if it isn't a filter (ZRE_ERROR_ARGUMENT), and if something in this process logs
// already (ZRE_ERROR_OTHER).
zre_error zre_log(const char *filter);

// Frees text that a function of this library wrote to a `char **`, and makes the pointer
// NULL. NULL is ignored, there or behind it.
void zre_string_destroy(char **text);

// Settings with their defaults. Free them with zre_settings_destroy(). NULL only after a
// bug in this library.
zre_settings *zre_settings_new(void);

// Sets a value by the setting's name, as "name", "group" or "evasive": the names and
// values are those of the options of the `zre` command. A setting that is a list gets one
// value more; "header" takes "KEY=VALUE".
//
// Fails if there is no such setting or it doesn't take the value (ZRE_ERROR_SETTING),
// and then leaves the settings as they were.
zre_error zre_settings_set(zre_settings *settings, const char *key, const char *value);

// The values of a setting: one, or as many as a list has, or none where none is set and
// there is no default.
//
// Fails if there is no such setting (ZRE_ERROR_SETTING).
zre_error zre_settings_get(const zre_settings *settings,
                           const char *key,
                           zre_strings **values);

// Gives a setting its default again; a list is empty then.
//
// Fails if there is no such setting (ZRE_ERROR_SETTING).
zre_error zre_settings_reset(zre_settings *settings, const char *key);

// The names of all settings.
zre_error zre_settings_keys(zre_strings **keys);

// Frees settings, and makes the pointer NULL. Nodes that were started with them go on.
// NULL, there or behind it, and what was destroyed already are ignored.
void zre_settings_destroy(zre_settings **settings);

// Starts a node with these settings; NULL stands for the defaults. The settings still
// belong to the caller. Free the node with zre_node_destroy().
//
// Fails if the node can't start (ZRE_ERROR_START): zre_last_error() says what to do.
zre_error zre_node_start(const zre_settings *settings, zre_node **node);

// Leaves the network: tells every peer, and waits up to `patience_ms` for those that
// don't answer; not at all if it is negative. After that nothing can be sent, and events
// that came before can be read until there are no more (ZRE_ERROR_STOPPED).
//
// Stopping a node again does nothing.
zre_error zre_node_stop(zre_node *node, int64_t patience_ms);

// Leaves the network as zre_node_stop() with 1 s, frees the node, and makes the pointer
// NULL. Calls on other threads that wait for something of this node end with
// ZRE_ERROR_STOPPED. Events, peers and lists that came from it stay valid.
//
// NULL, there or behind it, and what was destroyed already are ignored.
void zre_node_destroy(zre_node **node);

// This node's UUID: 32 hex digits in lower case, with hyphens. Free it with
// zre_string_destroy(), as all text that is written to a `char **`.
zre_error zre_node_uuid(const zre_node *node, char ** uuid);

// This node's name, as it is now.
zre_error zre_node_name(const zre_node *node, char ** name);

// An endpoint at which this node can be dialled, as "tcp://10.0.0.1:49152".
zre_error zre_node_endpoint(const zre_node *node, char ** endpoint);

// Gives this node another name, and tells every peer.
//
// Fails if the name is too long (ZRE_ERROR_LIMIT) or the node has stopped.
zre_error zre_node_set_name(zre_node *node, const char *name);

// Adds a header, or gives it another value, and tells every peer. Names that begin with
// "X-ZRE-" are reserved.
//
// Fails if it is too long or there are too many (ZRE_ERROR_LIMIT), or the node has
// stopped.
zre_error zre_node_set_header(zre_node *node, const char *key, const char *value);

// Removes a header if the node has it, and tells every peer.
zre_error zre_node_remove_header(zre_node *node, const char *key);

// The value of one of this node's headers.
//
// Fails if it has none of that name (ZRE_ERROR_MISSING).
zre_error zre_node_header(const zre_node *node, const char *key, char ** value);

// The names of this node's headers.
zre_error zre_node_header_keys(const zre_node *node, zre_strings **keys);

// Sets this node's state and announces it: "init", "ready", "busy", "draining", "asleep",
// or an application's own, "128" to "255".
//
// Fails if it is another (ZRE_ERROR_STATE).
zre_error zre_node_set_state(zre_node *node, const char *state);

// Joins a group and tells every peer. To be in it already is no failure.
//
// Fails if the name is empty or too long, or this node is in too many groups
// (ZRE_ERROR_LIMIT), or the node has stopped.
zre_error zre_node_join(zre_node *node, const char *group);

// Leaves a group and tells every peer. Not to be in it is no failure.
zre_error zre_node_leave(zre_node *node, const char *group);

// Makes this node a candidate for leading a group, which it has to join, too. The event
// "leader" tells who leads.
zre_error zre_node_contest(zre_node *node, const char *group);

// The UUID of the leader of a group that this node is in, which may be this node's own.
//
// Fails if there is none yet (ZRE_ERROR_MISSING).
zre_error zre_node_leader(const zre_node *node, const char *group, char ** uuid);

// The groups that this node is in.
zre_error zre_node_own_groups(const zre_node *node, zre_strings **groups);

// The groups that any peer is in.
zre_error zre_node_peer_groups(const zre_node *node, zre_strings **groups);

// The peers that are here, by UUID: those in a group, or all of them if `group` is NULL.
zre_error zre_node_peers(const zre_node *node, const char *group, zre_peers **peers);

// The peers in a group that are ready: not busy, draining or asleep.
zre_error zre_node_available(const zre_node *node, const char *group, zre_peers **peers);

// The peer of that UUID (with or without hyphens) or name, as a list of one.
//
// Fails if none is here (ZRE_ERROR_UNKNOWN_PEER), or several have that name
// (ZRE_ERROR_AMBIGUOUS_PEER).
zre_error zre_node_peer(const zre_node *node, const char *whom, zre_peers **peers);

// Waits until that many peers are here, or in a group if `group` isn't NULL.
//
// Fails if fewer are here after `timeout_ms` (ZRE_ERROR_ELAPSED), or the node stops.
// A negative time is for ever.
zre_error zre_node_wait_for_peers(const zre_node *node,
                                  const char *group,
                                  size_t count,
                                  int64_t timeout_ms);

// The node's figures as one JSON object, as docs/json.md describes it.
zre_error zre_node_stats(const zre_node *node, char ** json);

// Adds an address at which a node should be, as the setting "peer" does before the start:
// it is dialled until a peer answers, and again when that peer has gone. For a node with
// keys, the key of the one there stands behind it: "tcp://10.0.0.1:5670#KEY". `uuid` names
// the node that should be there; it may be NULL.
//
// Fails if it is no endpoint (ZRE_ERROR_SETTING) or no UUID (ZRE_ERROR_ARGUMENT), or the
// node has stopped.
zre_error zre_node_add_peer(zre_node *node,
                            const char *endpoint,
                            const char *uuid);

// Removes an address that was set or added: it isn't dialled again. A session that leads
// there goes on.
zre_error zre_node_remove_peer(zre_node *node, const char *endpoint);

// How long ago a peer was last heard. A healthy peer is heard about every five seconds
// (setting "evasive").
//
// Fails if no peer of that UUID is here, or it is in this process, where silence means
// nothing (ZRE_ERROR_MISSING).
zre_error zre_node_silence(const zre_node *node,
                           const char *uuid,
                           int64_t *milliseconds);

// Forgets what gossip said under a key: the UUID of a node that has gone, say. If the
// node doesn't gossip, there is nothing to forget.
zre_error zre_node_gossip_unpublish(zre_node *node, const char *key);

// Sends a message of `count` frames, which are copied, to a peer: its UUID (with or without
// hyphens), or a name that only one peer has. If the queue to it is full, the setting
// "send_policy" decides; by default the call waits up to 10 s.
//
// Fails if no such peer is here (ZRE_ERROR_UNKNOWN_PEER) or several have the name
// (ZRE_ERROR_AMBIGUOUS_PEER), it has gone (ZRE_ERROR_GONE), the queue has no room
// (ZRE_ERROR_FULL), the message exceeds a limit (ZRE_ERROR_TOO_LARGE), or the node has
// stopped (ZRE_ERROR_STOPPED). Nothing was sent then.
zre_error zre_node_whisper(zre_node *node,
                           const char *peer,
                           const zre_frame *frames,
                           size_t count);

// The same, but never waits: a full queue is ZRE_ERROR_FULL.
zre_error zre_node_try_whisper(zre_node *node,
                               const char *peer,
                               const zre_frame *frames,
                               size_t count);

// Sends a message to every peer in a group; this node needn't be in it. If the queue to
// a peer is full, the setting "send_policy" decides. A peer whose queue has no room
// misses the message and is no failure: `accepted`, unless it is NULL, gets the number of
// peers for which the message was accepted, which may be 0.
//
// Fails if the group's name is too long (ZRE_ERROR_LIMIT), the message exceeds a limit
// (ZRE_ERROR_TOO_LARGE), or the node has stopped (ZRE_ERROR_STOPPED).
zre_error zre_node_shout(zre_node *node,
                         const char *group,
                         const zre_frame *frames,
                         size_t count,
                         size_t *accepted);

// The same, but never waits: peers whose queues are full miss the message.
zre_error zre_node_try_shout(zre_node *node,
                             const char *group,
                             const zre_frame *frames,
                             size_t count,
                             size_t *accepted);

// Sends a message that is for a group to one member of it.
//
// Fails as zre_node_whisper().
zre_error zre_node_shout_to(zre_node *node,
                            const char *peer,
                            const char *group,
                            const zre_frame *frames,
                            size_t count);

// Measures the round trip to a peer. `microseconds` may be NULL.
//
// Fails as zre_node_whisper(), and if no answer comes in time (ZRE_ERROR_ELAPSED) or 32
// pings to the peer aren't answered (ZRE_ERROR_TOO_MANY).
zre_error zre_node_ping(zre_node *node,
                        const char *peer,
                        int64_t timeout_ms,
                        uint64_t *microseconds);

// Sends a request to a peer and waits for the answer, which the caller frees with
// zre_message_destroy().
//
// Fails as zre_node_whisper(), and if no answer comes in time (ZRE_ERROR_ELAPSED), the
// peer's program doesn't answer (ZRE_ERROR_UNANSWERED), or the peer is no node of this
// library (ZRE_ERROR_UNSUPPORTED).
zre_error zre_node_request(zre_node *node,
                           const char *peer,
                           const zre_frame *frames,
                           size_t count,
                           int64_t timeout_ms,
                           zre_message **answer);

// Answers a request, which zre_event_id() numbers: once, while its event isn't destroyed
// or if zre_event_keep() has kept it.
//
// Fails if no such request is open (ZRE_ERROR_UNKNOWN_REQUEST), and as
// zre_node_whisper().
zre_error zre_node_reply(zre_node *node,
                         uint64_t id,
                         const zre_frame *frames,
                         size_t count);

// Waits for the next event, which the caller frees with zre_event_destroy(). A time of 0
// doesn't wait, and a negative one is for ever.
//
// Read events all the time: if 16 MiB of them wait (setting "event_queue_bytes"), the
// peers are held back. Several threads may read: each event goes to one of them.
//
// Fails if none comes in time (ZRE_ERROR_ELAPSED), and once the node has stopped and all
// events are read (ZRE_ERROR_STOPPED). The pointer is NULL then.
zre_error zre_events_recv(zre_node *node, int64_t timeout_ms, zre_event **event);

// A file descriptor to poll beside others, always the same. It is readable while an event
// may be there, and for ever once the node has stopped. Then call zre_events_recv() with a
// time of 0: until it fails with ZRE_ERROR_ELAPSED, or once, as you like, because the
// descriptor stays readable until there are no more (level-triggered). Seldom, it is
// readable and no event is there.
//
// Only poll it: don't read, write or close it. It is closed by zre_node_destroy().
//
// Fails if the system has no descriptor left (ZRE_ERROR_SYSTEM), and on Windows
// (ZRE_ERROR_UNSUPPORTED).
zre_error zre_events_fd(const zre_node *node,
                        int32_t *descriptor);

// The kind of event; ZRE_KIND_NONE for NULL.
zre_kind zre_event_kind(const zre_event *event);

// The same as a word, as "enter", which is also the `event` of its JSON form. NULL for
// NULL, here and below.
const char *zre_event_name(const zre_event *event);

// The peer that the event is about: who came, went, joined or sent. NULL if it is about
// several or none.
const zre_peer *zre_event_peer(const zre_event *event);

// The UUID of that peer; for a leader or a conflict it may be this node's own, and
// for a node that can't be met that of a node that is no peer.
const char *zre_event_uuid(const zre_event *event);

// The group that the event is about.
const char *zre_event_group(const zre_event *event);

// What a whisper, a shout or a request says. Don't destroy it.
const zre_message *zre_event_message(const zre_event *event);

// The state that a peer has from now on. The text lives for ever.
const char *zre_event_state(const zre_event *event);

// The state that it had until now. The text lives for ever.
const char *zre_event_old_state(const zre_event *event);

// The name that a peer had until now, which may be the same.
const char *zre_event_old_name(const zre_event *event);

// Why a peer has gone, as a word ("goodbye", "expired", ...); for other events a
// sentence.
const char *zre_event_reason(const zre_event *event);

// How many of the messages that were accepted for a peer that has gone may not have
// arrived; 0 for other events.
uint64_t zre_event_unconfirmed(const zre_event *event);

// Whether a queue is full, or an address used, from now on; false for other events.
bool zre_event_on(const zre_event *event);

// The number under which zre_node_reply() answers a request; 0 for other events.
uint64_t zre_event_id(const zre_event *event);

// Keeps a request open after its event is destroyed, until it is answered or its peer
// exits. Otherwise the peer learns at once that no answer will come. False if this is no
// request, or too many are kept.
bool zre_event_keep(const zre_event *event);

// The event as one JSON object, as docs/json.md describes it: everything that it has to
// say.
const char *zre_event_json(const zre_event *event);

// Frees an event, and makes the pointer NULL. NULL is ignored, there or behind it.
void zre_event_destroy(zre_event **event);

// Its UUID: 32 hex digits in lower case, with hyphens. NULL for NULL, here and below.
const char *zre_peer_uuid(const zre_peer *peer);

// Its name, which needn't be unique.
const char *zre_peer_name(const zre_peer *peer);

// The address at which it was dialled, or would be dialled if it had no nearer link, as
// "tcp://10.0.0.1:49152".
const char *zre_peer_endpoint(const zre_peer *peer);

// The public key that it has proved to hold, as 40 characters of Z85; NULL if this node
// has no keys.
const char *zre_peer_key(const zre_peer *peer);

// The state that it has now, as "ready", "busy" or "128". The text lives for ever.
const char *zre_peer_state(const zre_peer *peer);

// The number of its headers.
size_t zre_peer_header_count(const zre_peer *peer);

// The name of one of its headers, in order of the names; NULL behind the last.
const char *zre_peer_header_key(const zre_peer *peer, size_t index);

// The value of the same header; NULL behind the last.
const char *zre_peer_header_value(const zre_peer *peer, size_t index);

// The value of the header of that name; NULL if it has none.
const char *zre_peer_header(const zre_peer *peer, const char *key);

// The groups that it is in now.
//
// Fails if something is NULL (ZRE_ERROR_ARGUMENT).
zre_error zre_peer_groups(const zre_peer *peer, zre_strings **groups);

// The number of peers in a list; 0 for NULL.
size_t zre_peers_count(const zre_peers *peers);

// One of them, which lives as long as the list; NULL behind the last, and for NULL.
const zre_peer *zre_peers_get(const zre_peers *peers, size_t index);

// Frees a list with its peers, and makes the pointer NULL. NULL is ignored, there or
// behind it.
void zre_peers_destroy(zre_peers **peers);

// A frame with the characters of a text, without the NUL. It refers to the text; NULL
// gives an empty frame.
zre_frame zre_frame_of_text(const char *text);

// The number of frames; 0 for NULL.
size_t zre_message_count(const zre_message *message);

// One frame, which lives as long as the message; one without data behind the last, and
// for NULL. No NUL follows the bytes.
zre_frame zre_message_frame(const zre_message *message, size_t index);

// Frees a message, and makes the pointer NULL. NULL is ignored, there or behind it. Not
// for a message that belongs to an event.
void zre_message_destroy(zre_message **message);

// The number of texts; 0 for NULL.
size_t zre_strings_count(const zre_strings *strings);

// One of them, which lives as long as the list; NULL behind the last, and for NULL.
const char *zre_strings_get(const zre_strings *strings, size_t index);

// Frees a list, and makes the pointer NULL. NULL is ignored, there or behind it.
void zre_strings_destroy(zre_strings **strings);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ZRE_H */
