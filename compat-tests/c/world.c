/* Runs steps of Apache's C client against a server or an ensemble: scenarios host:port,... step...
 *
 * Prints "ok step" after each step that passes; the first that fails says why on standard error, and the exit code is
 * 1. Steps ask the test to do something to the servers or to this process by a line of its own, and go on after a line
 * that starts with "done". Everything that waits has a deadline. */

#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

const char *hosts;
char root[PATH_MAX_BYTES];

/* One lock for all that callbacks change, and one bell that rings after each change. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
static const char *running = "start";

void fail(int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s, line %d: ", running, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void pace(void) {
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&pause, NULL);
}

/* Waits for the bell; the lock is held. Fails once the deadline is over. */
static void listen_for(const struct timespec *deadline, const char *what) {
    if (pthread_cond_timedwait(&bell, &lock, deadline) == ETIMEDOUT)
        fail(0, "not in time: %s", what);
}

static struct timespec deadline(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += DEADLINE_SECONDS;
    return now;
}

void await_flag(const bool *flag, const char *what) {
    struct timespec until = deadline();
    pthread_mutex_lock(&lock);
    while (!*flag)
        listen_for(&until, what);
    pthread_mutex_unlock(&lock);
}

void raise_flag(bool *flag) {
    pthread_mutex_lock(&lock);
    *flag = true;
    pthread_cond_broadcast(&bell);
    pthread_mutex_unlock(&lock);
}

bool is_raised(const bool *flag) {
    pthread_mutex_lock(&lock);
    bool raised = *flag;
    pthread_mutex_unlock(&lock);
    return raised;
}

static void note_state(zhandle_t *zh, int type, int state, const char *path, void *context) {
    struct session *session = context;
    (void)zh;
    (void)path;
    if (type != ZOO_SESSION_EVENT)
        return;
    pthread_mutex_lock(&lock);
    session->connected = state == ZOO_CONNECTED_STATE;
    session->expired |= state == ZOO_EXPIRED_SESSION_STATE;
    pthread_cond_broadcast(&bell);
    pthread_mutex_unlock(&lock);
}

struct session *start_session(const char *servers, int timeout_ms, const clientid_t *id) {
    struct session *session = calloc(1, sizeof *session);
    CHECK(session, "memory");
    zhandle_t *zh = zookeeper_init(servers, note_state, timeout_ms, id, session, ZOO_NO_LOG_CLIENTENV);
    CHECK(zh, "a handle is made");
    session->zh = zh;
    return session;
}

struct session *open_session(const char *servers, int timeout_ms, const clientid_t *id) {
    struct session *session = start_session(servers, timeout_ms, id);
    await_flag(&session->connected, "a client connects");
    catch_up(session);
    return session;
}

void close_session(struct session *session) {
    OK(zookeeper_close(session->zh));
    free(session);
}

int64_t session_id(const struct session *session) { return zoo_client_id(session->zh)->client_id; }

const char *at(const char *format, ...) {
    char *below, *path;
    va_list arguments;
    va_start(arguments, format);
    CHECK(vasprintf(&below, format, arguments) > 0 && asprintf(&path, "%s/%s", root, below) > 0, "memory");
    va_end(arguments);
    free(below);
    return path;
}

void make(struct session *session, const char *path, const char *data, int mode) {
    OK(zoo_create(session->zh, path, data, (int)strlen(data), &ZOO_OPEN_ACL_UNSAFE, mode, NULL, 0));
}

void make_numbered(struct session *session, const char *path, int mode, char *made) {
    OK(zoo_create(session->zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, mode, made, PATH_MAX_BYTES));
}

void expect_data(struct session *session, const char *path, const char *data) {
    char found[PATH_MAX_BYTES];
    int length = sizeof found;
    OK(zoo_get(session->zh, path, 0, found, &length, NULL));
    if (length != (int)strlen(data) || memcmp(found, data, strlen(data)) != 0)
        fail(0, "%s: expected \"%s\", found %d bytes \"%.*s\"", path, data, length, length < 0 ? 0 : length, found);
}

void expect_owner(struct session *session, const char *path, int64_t owner) {
    struct Stat stat;
    OK(zoo_exists(session->zh, path, 0, &stat));
    SAME(owner, stat.ephemeralOwner, "the owner");
}

struct answer {
    bool is_there;
    int rc;
};

static void note_sync(int rc, const char *value, const void *context) {
    struct answer *answer = (struct answer *)context;
    (void)value;
    answer->rc = rc;
    raise_flag(&answer->is_there);
}

void catch_up(struct session *session) {
    struct answer answer = {0};
    OK(zoo_async(session->zh, "/", note_sync, &answer));
    await_flag(&answer.is_there, "a sync is answered");
    OK(answer.rc);
}

void note_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
    struct events *events = context;
    (void)zh;
    (void)state;
    if (type == ZOO_SESSION_EVENT)
        return;
    pthread_mutex_lock(&lock);
    CHECK(events->count < EVENTS_MAX, "no flood of events");
    struct event *event = &events->list[events->count++];
    event->type = type;
    snprintf(event->path, sizeof event->path, "%s", path);
    pthread_cond_broadcast(&bell);
    pthread_mutex_unlock(&lock);
}

void await_events(struct events *events, int count) {
    struct timespec until = deadline();
    pthread_mutex_lock(&lock);
    while (events->count < count)
        listen_for(&until, "an event");
    pthread_mutex_unlock(&lock);
}

void expect_event(struct events *events, int type, const char *path) {
    await_events(events, 1);
    pthread_mutex_lock(&lock);
    struct event *first = &events->list[0];
    if (first->type != type || strcmp(first->path, path) != 0)
        fail(0, "expected event %d of %s, found %d of %s", type, path, first->type, first->path);
    memmove(first, first + 1, (size_t)--events->count * sizeof *first);
    pthread_mutex_unlock(&lock);
}

bool has_event(struct events *events, int type, const char *path) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < events->count; i++)
        found |= events->list[i].type == type && strcmp(events->list[i].path, path) == 0;
    pthread_mutex_unlock(&lock);
    return found;
}

int count_events(struct events *events) {
    pthread_mutex_lock(&lock);
    int count = events->count;
    pthread_mutex_unlock(&lock);
    return count;
}

const char *ask(const char *format, ...) {
    static char answer[PATH_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("");
    fflush(stdout);
    CHECK(fgets(answer, sizeof answer, stdin), "the test answers");
    answer[strcspn(answer, "\n")] = '\0';
    CHECK(strncmp(answer, "done", 4) == 0, "the test has done it");
    return answer[4] == ' ' ? answer + 5 : answer + 4;
}

static void run(const struct step *step) {
    running = step->name;
    struct session *session = open_session(hosts, TIMEOUT_MS, NULL);
    char name[PATH_MAX_BYTES];
    snprintf(name, sizeof name, "/c-%s-", step->name);
    make_numbered(session, name, ZOO_PERSISTENT_SEQUENTIAL, root);
    close_session(session);
    step->run();
    printf("ok %s\n", step->name);
    fflush(stdout);
}

int main(int count, char **arguments) {
    CHECK(count > 1, "scenarios host:port,... step...");
    hosts = arguments[1];
    zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
    for (int i = 2; i < count; i++) {
        const struct step *step = steps;
        while (step->name && strcmp(step->name, arguments[i]) != 0)
            step++;
        if (!step->name)
            fail(__LINE__, "there is no step %s", arguments[i]);
        run(step);
    }
    return 0;
}
