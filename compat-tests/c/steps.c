/* What a client of the C library may count on. The library has no lock, so the one here is ours, by the published
 * recipe. */

#include "world.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Takes the session up with another handle, and closes it. The first handle wants its session back, so this may take
 * several turns. */
static void end_elsewhere(struct session *a) {
    clientid_t id = *zoo_client_id(a->zh);
    time_t until = time(NULL) + DEADLINE_SECONDS;
    struct Stat stat;
    while (!is_raised(&a->expired)) {
        CHECK(time(NULL) < until, "a session can be taken up and closed");
        struct session *b = start_session(hosts, TIMEOUT_MS, &id);
        if (zoo_exists(b->zh, at("mine"), 0, &stat) == ZOK) {
            SAME(id.client_id, session_id(b), "the session that was taken up");
            SAME(id.client_id, stat.ephemeralOwner, "its node");
        }
        zookeeper_close(b->zh);
        free(b);
        /* It is connected, or it has heard that it cannot be, or it is still looking. */
        while (zoo_exists(a->zh, root, 0, &stat) == ZCONNECTIONLOSS)
            pace();
    }
}

static void session(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    CHECK(session_id(a) != 0, "a session has a number");
    SAME(TIMEOUT_MS, zoo_recv_timeout(a->zh), "the timeout that was asked for");
    SAME(ZOO_CONNECTED_STATE, zoo_state(a->zh), "the state");
    make(a, at("mine"), "", ZOO_EPHEMERAL);

    clientid_t id = *zoo_client_id(a->zh);
    end_elsewhere(a);
    CHECK(is_unrecoverable(a->zh), "there is no way back");
    close_session(a);
    struct session *late = start_session(hosts, TIMEOUT_MS, &id);
    await_flag(&late->expired, "a closed session cannot be taken up");
    close_session(late);
    id.passwd[0] ^= 1;
    struct session *thief = start_session(hosts, TIMEOUT_MS, &id);
    await_flag(&thief->expired, "nor with another password");
    close_session(thief);
}

static void operations(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    const char *node = at("node");
    char made[PATH_MAX_BYTES];
    struct Stat stat, found;
    OK(zoo_create2(a->zh, node, "data", 4, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, made, sizeof made, &stat));
    CHECK(strcmp(made, node) == 0, "the created path");
    CHECK(stat.dataLength == 4 && stat.version == 0 && stat.ephemeralOwner == 0, "its stat");
    OK(zoo_exists(a->zh, node, 0, &found));
    CHECK(stat.czxid == found.czxid && stat.mzxid == found.mzxid && stat.pzxid == found.pzxid, "the same zxids");
    CHECK(stat.ctime == found.ctime && stat.mtime == found.mtime && stat.ctime == stat.mtime, "the same times");
    expect_data(a, node, "data");
    OK(zoo_set2(a->zh, node, "more!", 5, 0, &stat));
    CHECK(stat.version == 1 && stat.dataLength == 5 && stat.mzxid > stat.czxid, "the stat of a change");
    expect_data(a, node, "more!");

    GIVES(ZBADVERSION, zoo_set(a->zh, node, "x", 1, 0));
    GIVES(ZBADVERSION, zoo_delete(a->zh, node, 7));
    GIVES(ZNODEEXISTS, zoo_create(a->zh, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    GIVES(ZNONODE, zoo_create(a->zh, at("no/child"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    GIVES(ZNONODE, zoo_exists(a->zh, at("no"), 0, &stat));
    GIVES(ZNONODE, zoo_delete(a->zh, at("no"), -1));
    GIVES(ZBADARGUMENTS, zoo_delete(a->zh, "no/slash", -1));

    make(a, at("node/b"), "", ZOO_PERSISTENT);
    make(a, at("node/a"), "", ZOO_PERSISTENT);
    GIVES(ZNOTEMPTY, zoo_delete(a->zh, node, -1));
    struct String_vector names;
    OK(zoo_get_children2(a->zh, node, 0, &names, &stat));
    SAME(2, names.count, "names");
    CHECK(stat.numChildren == 2 && stat.cversion == 2, "the stat of a parent");
    deallocate_String_vector(&names);
    OK(zoo_delete(a->zh, at("node/a"), 0));
    OK(zoo_delete(a->zh, at("node/b"), -1));

    /* No data is not the same as empty data. */
    OK(zoo_set(a->zh, node, NULL, -1, -1));
    char buffer[8];
    int length = sizeof buffer;
    OK(zoo_get(a->zh, node, 0, buffer, &length, &stat));
    SAME(-1, length, "the length of no data");
    OK(zoo_set(a->zh, node, "", 0, -1));
    length = sizeof buffer;
    OK(zoo_get(a->zh, node, 0, buffer, &length, &stat));
    SAME(0, length, "the length of empty data");

    int large = 1000 * 1000;
    char *data = malloc((size_t)large), *back = malloc((size_t)large);
    CHECK(data && back, "memory");
    memset(data, 'x', (size_t)large);
    OK(zoo_set(a->zh, node, data, large, -1));
    length = large;
    OK(zoo_get(a->zh, node, 0, back, &length, &stat));
    CHECK(length == large && memcmp(data, back, (size_t)large) == 0, "large data");
    free(data);
    free(back);
    OK(zoo_delete(a->zh, node, -1));
    GIVES(ZNONODE, zoo_exists(a->zh, node, 0, &stat));
    close_session(a);
}

static void ephemerals(void) {
    struct session *owner = open_session(hosts, TIMEOUT_MS, NULL);
    make(owner, at("mine"), "data", ZOO_EPHEMERAL);
    GIVES(ZNOCHILDRENFOREPHEMERALS,
          zoo_create(owner->zh, at("mine/child"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    struct session *other = open_session(hosts, TIMEOUT_MS, NULL);
    expect_owner(other, at("mine"), session_id(owner));
    struct events events = {0};
    struct Stat stat;
    OK(zoo_wexists(other->zh, at("mine"), note_event, &events, &stat));
    close_session(owner);
    expect_event(&events, ZOO_DELETED_EVENT, at("mine"));
    GIVES(ZNONODE, zoo_exists(other->zh, at("mine"), 0, &stat));
    close_session(other);
}

static void sequences(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    char made[PATH_MAX_BYTES];
    for (int i = 0; i < 4; i++) {
        int mode = i % 2 ? ZOO_EPHEMERAL_SEQUENTIAL : ZOO_PERSISTENT_SEQUENTIAL;
        make_numbered(a, at("s-"), mode, made);
        CHECK(strcmp(at("s-%010d", i), made) == 0, made);
    }
    expect_owner(a, made, session_id(a));
    close_session(a);
}

static void containers(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    struct events events = {0};
    struct Stat stat;
    make(a, at("container"), "", ZOO_CONTAINER);
    make(a, at("container/child"), "", ZOO_PERSISTENT);
    OK(zoo_wexists(a->zh, at("container"), note_event, &events, &stat));
    OK(zoo_delete(a->zh, at("container/child"), -1));
    expect_event(&events, ZOO_DELETED_EVENT, at("container"));

    OK(zoo_create_ttl(a->zh, at("short"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 200, NULL, 0));
    int rc = zoo_wexists(a->zh, at("short"), note_event, &events, &stat);
    if (rc == ZOK)
        expect_event(&events, ZOO_DELETED_EVENT, at("short"));
    else
        GIVES(ZNONODE, rc);
    close_session(a);
}

struct answer {
    bool is_there;
    int rc;
};

static void note_answer(int rc, const void *context) {
    struct answer *answer = (struct answer *)context;
    answer->rc = rc;
    raise_flag(&answer->is_there);
}

static int authenticate(struct session *session, const char *scheme, const char *who) {
    struct answer answer = {0};
    OK(zoo_add_auth(session->zh, scheme, who, (int)strlen(who), note_answer, &answer));
    await_flag(&answer.is_there, "an identity is judged");
    return answer.rc;
}

static void access_lists(void) {
    struct session *owner = open_session(hosts, TIMEOUT_MS, NULL);
    struct session *other = open_session(hosts, TIMEOUT_MS, NULL);
    const char *node = at("mine");
    GIVES(ZINVALIDACL, zoo_create(owner->zh, node, "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(authenticate(owner, "digest", "alice:secret"));
    OK(zoo_create(owner->zh, node, "data", 4, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    expect_data(owner, node, "data");

    struct ACL_vector list;
    struct Stat stat;
    OK(zoo_get_acl(owner->zh, node, &list, &stat));
    SAME(1, list.count, "entries");
    SAME(ZOO_PERM_ALL, list.data[0].perms, "permissions");
    CHECK(strcmp(list.data[0].id.scheme, "digest") == 0, "the scheme");
    CHECK(strcmp(list.data[0].id.id, "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=") == 0, "the identity");
    deallocate_ACL_vector(&list);

    catch_up(other);
    char buffer[8];
    int length = sizeof buffer;
    GIVES(ZNOAUTH, zoo_get(other->zh, node, 0, buffer, &length, &stat));
    GIVES(ZNOAUTH, zoo_set(other->zh, node, "", 0, -1));
    GIVES(ZNOAUTH, zoo_set_acl(other->zh, node, -1, &ZOO_OPEN_ACL_UNSAFE));
    GIVES(ZNOAUTH, zoo_exists(other->zh, node, 0, &stat));
    struct session *same = open_session(hosts, TIMEOUT_MS, NULL);
    OK(authenticate(same, "digest", "alice:secret"));
    expect_data(same, node, "data");
    close_session(same);

    GIVES(ZBADVERSION, zoo_set_acl(owner->zh, node, 3, &ZOO_READ_ACL_UNSAFE));
    OK(zoo_set_acl(owner->zh, node, 0, &ZOO_READ_ACL_UNSAFE));
    catch_up(other);
    expect_data(other, node, "data");
    GIVES(ZNOAUTH, zoo_set(other->zh, node, "", 0, -1));
    GIVES(ZNOAUTH, zoo_set(owner->zh, node, "", 0, -1));

    GIVES(ZAUTHFAILED, authenticate(other, "unheard", "of"));
    close_session(other);
    close_session(owner);
}

static void transaction(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    make(a, at("old"), "", ZOO_PERSISTENT);
    char made[PATH_MAX_BYTES], numbered[PATH_MAX_BYTES];
    struct Stat stat;
    zoo_op_t ops[5];
    zoo_op_result_t results[5] = {0};
    zoo_create_op_init(&ops[0], at("a"), "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_create_op_init(&ops[1], at("a/s-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, numbered,
                       sizeof numbered);
    zoo_set_op_init(&ops[2], at("a"), "2", 1, 0, &stat);
    zoo_check_op_init(&ops[3], at("a"), 1);
    zoo_delete_op_init(&ops[4], at("old"), -1);
    OK(zoo_multi(a->zh, 5, ops, results));
    for (int i = 0; i < 5; i++)
        OK(results[i].err);
    CHECK(strcmp(made, at("a")) == 0, made);
    CHECK(strcmp(numbered, at("a/s-0000000000")) == 0, numbered);
    SAME(1, stat.version, "the version in the transaction");
    expect_data(a, at("a"), "2");
    GIVES(ZNONODE, zoo_exists(a->zh, at("old"), 0, &stat));

    zoo_set_op_init(&ops[0], at("a"), "never", 5, -1, &stat);
    zoo_create_op_init(&ops[1], at("a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_delete_op_init(&ops[2], at("a/s-0000000000"), -1);
    GIVES(ZNODEEXISTS, zoo_multi(a->zh, 3, ops, results));
    GIVES(ZOK, results[0].err);
    GIVES(ZNODEEXISTS, results[1].err);
    GIVES(ZRUNTIMEINCONSISTENCY, results[2].err);
    expect_data(a, at("a"), "2");
    OK(zoo_exists(a->zh, at("a/s-0000000000"), 0, &stat));
    close_session(a);
}

static void watches(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL), *b = open_session(hosts, TIMEOUT_MS, NULL);
    const char *node = at("node"), *child = at("node/child");
    struct events events = {0};
    struct Stat stat;
    char buffer[8];
    int length = sizeof buffer;
    GIVES(ZNONODE, zoo_wexists(a->zh, node, note_event, &events, &stat));
    make(b, node, "", ZOO_PERSISTENT);
    expect_event(&events, ZOO_CREATED_EVENT, node);
    OK(zoo_wget(a->zh, node, note_event, &events, buffer, &length, &stat));
    OK(zoo_set(b->zh, node, "1", 1, -1));
    expect_event(&events, ZOO_CHANGED_EVENT, node);
    OK(zoo_set(b->zh, node, "2", 1, -1));
    struct String_vector names;
    OK(zoo_wget_children(a->zh, node, note_event, &events, &names));
    SAME(0, names.count, "names");
    deallocate_String_vector(&names);
    make(b, child, "", ZOO_PERSISTENT);
    expect_event(&events, ZOO_CHILD_EVENT, node);
    OK(zoo_wexists(a->zh, child, note_event, &events, &stat));
    OK(zoo_delete(b->zh, child, -1));
    expect_event(&events, ZOO_DELETED_EVENT, child);
    catch_up(a);
    SAME(0, count_events(&events), "events that come twice");

    /* One that is taken away does not fire, the one beside it does. */
    struct events taken = {0};
    OK(zoo_wget(a->zh, node, note_event, &taken, buffer, &length, &stat));
    OK(zoo_wget(a->zh, node, note_event, &events, buffer, &length, &stat));
    OK(zoo_remove_watches(a->zh, node, ZWATCHTYPE_DATA, note_event, &taken, 0));
    OK(zoo_set(b->zh, node, "3", 1, -1));
    expect_event(&events, ZOO_CHANGED_EVENT, node);
    SAME(0, count_events(&taken), "events of a watch that was taken away");
    GIVES(ZNOWATCHER, zoo_remove_watches(a->zh, node, ZWATCHTYPE_DATA, note_event, &taken, 0));
    close_session(b);
    close_session(a);
}

#define PIPELINED 1000

struct numbers {
    int answered;
    bool all;
    bool in_order;
};

static void note_number(int rc, const char *name, const void *context) {
    struct numbers *numbers = (struct numbers *)context;
    numbers->in_order &= rc == ZOK && strtol(strrchr(name, '-') + 1, NULL, 10) == numbers->answered;
    numbers->answered++;
    if (numbers->answered == PIPELINED)
        raise_flag(&numbers->all);
}

static void pipeline(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    struct numbers numbers = {.in_order = true};
    for (int i = 0; i < PIPELINED; i++)
        OK(zoo_acreate(a->zh, at("n-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, note_number, &numbers));
    /* A read behind them sees them all. */
    struct Stat stat;
    OK(zoo_exists(a->zh, root, 0, &stat));
    SAME(PIPELINED, stat.numChildren, "children");
    await_flag(&numbers.all, "all are answered");
    CHECK(numbers.in_order, "answers come in the order of the requests");
    close_session(a);
}

/* One who wants the lock: its place in the queue is a node of its session. */
struct contender {
    struct session *session;
    char place[PATH_MAX_BYTES];
    bool queues;
    bool holds;
    pthread_t thread;
};

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void enter_queue(struct contender *it, const char *folder) {
    char prefix[PATH_MAX_BYTES];
    snprintf(prefix, sizeof prefix, "%s/lock-", folder);
    make_numbered(it->session, prefix, ZOO_EPHEMERAL_SEQUENTIAL, it->place);
    raise_flag(&it->queues);
}

/* Waits for the one before it to go, until nobody is before it. */
static void wait_in_queue(struct contender *it, const char *folder) {
    const char *name = strrchr(it->place, '/') + 1;
    for (;;) {
        struct String_vector names;
        OK(zoo_get_children(it->session->zh, folder, 0, &names));
        qsort(names.data, (size_t)names.count, sizeof *names.data, by_name);
        int mine = 0;
        while (mine < names.count && strcmp(names.data[mine], name) != 0)
            mine++;
        CHECK(mine < names.count, "its place is in the queue");
        char before[PATH_MAX_BYTES] = "";
        if (mine > 0)
            snprintf(before, sizeof before, "%s/%s", folder, names.data[mine - 1]);
        deallocate_String_vector(&names);
        if (mine == 0)
            break;
        struct events gone = {0};
        struct Stat stat;
        if (zoo_wexists(it->session->zh, before, note_event, &gone, &stat) == ZOK)
            expect_event(&gone, ZOO_DELETED_EVENT, before);
    }
    raise_flag(&it->holds);
}

static const char *lock_folder;

static void *contend(void *context) {
    enter_queue(context, lock_folder);
    wait_in_queue(context, lock_folder);
    return NULL;
}

/* Two of three hold it one after the other: the first gives it up, the second's session ends. */
static void lock(void) {
    struct contender all[3] = {0};
    lock_folder = at("lock");
    struct session *onlooker = open_session(hosts, TIMEOUT_MS, NULL);
    make(onlooker, lock_folder, "", ZOO_PERSISTENT);
    for (int i = 0; i < 3; i++) {
        all[i].session = open_session(hosts, TIMEOUT_MS, NULL);
        CHECK(pthread_create(&all[i].thread, NULL, contend, &all[i]) == 0, "a thread starts");
        await_flag(&all[i].queues, "it queues");
    }
    await_flag(&all[0].holds, "the first gets the lock");
    catch_up(all[2].session);
    CHECK(!is_raised(&all[1].holds) && !is_raised(&all[2].holds), "nobody else has it");
    OK(zoo_delete(all[0].session->zh, all[0].place, -1));
    await_flag(&all[1].holds, "the second gets the lock");
    catch_up(all[2].session);
    CHECK(!is_raised(&all[2].holds), "the third has to wait");
    pthread_join(all[1].thread, NULL);
    close_session(all[1].session);
    await_flag(&all[2].holds, "the third gets the lock");
    pthread_join(all[0].thread, NULL);
    pthread_join(all[2].thread, NULL);
    close_session(all[0].session);
    close_session(all[2].session);
    close_session(onlooker);
}

static void moves(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    struct events events = {0};
    struct Stat stat;
    char buffer[8];
    int length = sizeof buffer;
    int64_t id = session_id(a);
    OK(authenticate(a, "digest", "alice:secret"));
    OK(zoo_create(a->zh, at("secret"), "s", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    make(a, at("mine"), "", ZOO_EPHEMERAL);
    make(a, at("changed"), "0", ZOO_PERSISTENT);
    make(a, at("deleted"), "", ZOO_PERSISTENT);
    make(a, at("parent"), "", ZOO_PERSISTENT);
    make(a, at("untouched"), "", ZOO_PERSISTENT);
    OK(zoo_wget(a->zh, at("changed"), note_event, &events, buffer, &length, &stat));
    OK(zoo_wexists(a->zh, at("deleted"), note_event, &events, &stat));
    GIVES(ZNONODE, zoo_wexists(a->zh, at("created"), note_event, &events, &stat));
    struct String_vector names;
    OK(zoo_wget_children(a->zh, at("parent"), note_event, &events, &names));
    deallocate_String_vector(&names);
    struct events quiet = {0};
    OK(zoo_wget(a->zh, at("untouched"), note_event, &quiet, buffer, &length, &stat));

    ask("move 0x%" PRIx64 " %s", (uint64_t)id, root);
    await_events(&events, 4);
    CHECK(has_event(&events, ZOO_CHANGED_EVENT, at("changed")), "what was changed");
    CHECK(has_event(&events, ZOO_DELETED_EVENT, at("deleted")), "what was deleted");
    CHECK(has_event(&events, ZOO_CREATED_EVENT, at("created")), "what was created");
    CHECK(has_event(&events, ZOO_CHILD_EVENT, at("parent")), "whose child was made");
    await_flag(&a->connected, "it is connected");
    ask("moved 0x%" PRIx64, (uint64_t)id);

    SAME(id, session_id(a), "the session");
    CHECK(!is_raised(&a->expired), "it has not expired");
    expect_owner(a, at("mine"), id);
    expect_data(a, at("changed"), "1");
    expect_data(a, at("secret"), "s");
    SAME(4, count_events(&events), "events that come once");
    SAME(0, count_events(&quiet), "events of what was not touched");
    OK(zoo_set(a->zh, at("untouched"), "1", 1, -1));
    expect_event(&quiet, ZOO_CHANGED_EVENT, at("untouched"));
    ask("return");
    close_session(a);
}

static void leader(void) {
    struct session *a = open_session(hosts, TIMEOUT_MS, NULL);
    int64_t id = session_id(a);
    struct contender holder = {.session = a}, next = {0};
    lock_folder = at("lock");
    make(a, lock_folder, "", ZOO_PERSISTENT);
    make(a, at("data"), "0", ZOO_PERSISTENT);
    enter_queue(&holder, lock_folder);
    wait_in_queue(&holder, lock_folder);

    ask("lose-leader");
    INSIST(zoo_set(a->zh, at("data"), "without", 7, -1));
    SAME(id, session_id(a), "the session without the old leader");
    struct Stat stat;
    INSIST(zoo_exists(a->zh, holder.place, 0, &stat));
    SAME(id, stat.ephemeralOwner, "the holder of the lock");

    next.session = open_session(ask("return"), TIMEOUT_MS, NULL);
    expect_data(next.session, at("data"), "without");
    CHECK(pthread_create(&next.thread, NULL, contend, &next) == 0, "a thread starts");
    await_flag(&next.queues, "it queues");
    catch_up(next.session);
    CHECK(!is_raised(&next.holds), "the lock is held");
    INSIST(zoo_delete(a->zh, holder.place, -1));
    await_flag(&next.holds, "the lock is handed on");
    pthread_join(next.thread, NULL);
    OK(zoo_set(next.session->zh, at("data"), "back", 4, -1));
    catch_up(a);
    expect_data(a, at("data"), "back");
    SAME(id, session_id(a), "the session");
    close_session(next.session);
    close_session(a);
}

static void expiry(void) {
    struct session *onlooker = open_session(hosts, TIMEOUT_MS, NULL);
    struct session *a = open_session(hosts, SHORT_TIMEOUT_MS, NULL);
    SAME(SHORT_TIMEOUT_MS, zoo_recv_timeout(a->zh), "the timeout that was asked for");
    int64_t id = session_id(a);
    make(a, at("mine"), "", ZOO_EPHEMERAL);
    struct events events = {0};
    struct Stat stat;
    catch_up(onlooker);
    OK(zoo_wexists(onlooker->zh, at("mine"), note_event, &events, &stat));
    ask("expire %s", at("mine"));
    await_flag(&a->expired, "the client is told");
    expect_event(&events, ZOO_DELETED_EVENT, at("mine"));
    CHECK(is_unrecoverable(a->zh), "there is no way back");
    GIVES(ZINVALIDSTATE, zoo_exists(a->zh, root, 0, &stat));
    close_session(a);
    struct session *next = open_session(hosts, SHORT_TIMEOUT_MS, NULL);
    CHECK(session_id(next) != id, "a new session");
    make(next, at("mine"), "", ZOO_EPHEMERAL);
    expect_owner(next, at("mine"), session_id(next));
    close_session(next);
    close_session(onlooker);
}

const struct step steps[] = {
    {"session", session},
    {"operations", operations},
    {"ephemerals", ephemerals},
    {"sequences", sequences},
    {"containers", containers},
    {"access", access_lists},
    {"transaction", transaction},
    {"watches", watches},
    {"pipeline", pipeline},
    {"lock", lock},
    {"moves", moves},
    {"leader", leader},
    {"expiry", expiry},
    {NULL, NULL},
};
