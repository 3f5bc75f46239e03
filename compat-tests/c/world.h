/* What the steps in steps.c stand on: sessions, waiting with a deadline, checks that end the program, and a word with
 * the test that started it. */

#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <zookeeper/zookeeper.h>

#define TIMEOUT_MS 40000
#define SHORT_TIMEOUT_MS 4000
#define PATH_MAX_BYTES 256
#define EVENTS_MAX 64

struct event {
    int type;
    char path[PATH_MAX_BYTES];
};

/* The events of some watches, in the order in which they came. */
struct events {
    int count;
    struct event list[EVENTS_MAX];
};

struct session {
    zhandle_t *zh;
    bool connected;
    bool expired;
};

/* The servers as the test named them, and the folder of the step that runs. */
extern const char *hosts;
extern char root[PATH_MAX_BYTES];

/* Opens a session and waits until it is there. `id` is one to take up, or NULL. */
struct session *open_session(const char *servers, int timeout_ms, const clientid_t *id);
/* As open_session, without waiting. */
struct session *start_session(const char *servers, int timeout_ms, const clientid_t *id);
void close_session(struct session *session);
int64_t session_id(const struct session *session);

/* The path of a node in the folder of the step. Never freed: the program is short. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));
void make(struct session *session, const char *path, const char *data, int mode);
/* Creates a sequential node and copies its name to `made`. */
void make_numbered(struct session *session, const char *path, int mode, char *made);
void expect_data(struct session *session, const char *path, const char *data);
void expect_owner(struct session *session, const char *path, int64_t owner);
/* From here on the session's server knows what was written before, anywhere. */
void catch_up(struct session *session);

/* Puts an event into the `struct events` that is its context. */
void note_event(zhandle_t *zh, int type, int state, const char *path, void *context);
/* Waits for the next event and takes it; there must be no other before it. */
void expect_event(struct events *events, int type, const char *path);
/* Waits until there are so many. */
void await_events(struct events *events, int count);
bool has_event(struct events *events, int type, const char *path);
int count_events(struct events *events);

/* Waits until the flag is set by a callback, or fails saying what did not happen. */
void await_flag(const bool *flag, const char *what);
/* Sets a flag that somebody awaits. */
void raise_flag(bool *flag);
bool is_raised(const bool *flag);

/* Says a line to the test and gives its answer, without "done ", in a static buffer. */
const char *ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

void fail(int line, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

#define SAME(expected, found, what)                                                                                    \
    do {                                                                                                               \
        long long want_ = (expected), got_ = (found);                                                                  \
        if (want_ != got_)                                                                                             \
            fail(__LINE__, "%s: expected %lld, found %lld", what, want_, got_);                                        \
    } while (0)

#define CHECK(condition, what)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail(__LINE__, "%s", what);                                                                                \
    } while (0)

#define GIVES(expected, call)                                                                                          \
    do {                                                                                                               \
        int want_ = (expected), got_ = (call);                                                                         \
        if (want_ != got_)                                                                                             \
            fail(__LINE__, "%s: expected \"%s\", found \"%s\"", #call, zerror(want_), zerror(got_));                   \
    } while (0)

#define OK(call) GIVES(ZOK, call)

/* Repeats a call for as long as the connection is lost. */
#define INSIST(call)                                                                                                   \
    do {                                                                                                               \
        time_t until_ = time(NULL) + DEADLINE_SECONDS;                                                                 \
        int got_;                                                                                                      \
        while ((got_ = (call)) == ZCONNECTIONLOSS || got_ == ZOPERATIONTIMEOUT) {                                      \
            if (time(NULL) > until_)                                                                                   \
                fail(__LINE__, "%s: no connection", #call);                                                            \
            pace();                                                                                                    \
        }                                                                                                              \
        if (got_ != ZOK)                                                                                               \
            fail(__LINE__, "%s: \"%s\"", #call, zerror(got_));                                                         \
    } while (0)

#define DEADLINE_SECONDS 60
/* Spaces out what is tried over and over. */
void pace(void);

struct step {
    const char *name;
    void (*run)(void);
};

/* All steps, ended by one without a name. */
extern const struct step steps[];

#endif
