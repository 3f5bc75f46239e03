"""Runs kazoo against a server or an ensemble: scenarios.py host:port,... [name...]

Prints "ok name" for each scenario that passes; the first that fails raises, and the exit code is 1.
Everything that waits has a deadline. On an ensemble one client may hear of another's writes later; where that
matters, it syncs.
"""

import queue
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    ConnectionLoss,
    InvalidACLError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    ReconfigDisabledError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)
from kazoo.protocol.states import EventType
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl

DEADLINE = 20.0


class World:
    """A folder of its own on the server, and clients that are closed when the scenario ends. A new client knows what
    was written before it came."""

    def __init__(self, hosts, name, timeout=10.0):
        self.hosts = hosts
        self.timeout = timeout
        self.clients = []
        self.zk = self.client()
        self.root = self.zk.create("/kazoo-%s-" % name, sequence=True)

    def client(self, **options):
        options = {"hosts": self.hosts, "timeout": self.timeout, **options}
        client = KazooClient(connection_retry=KazooRetry(max_tries=-1, max_delay=0.2), **options)
        self.clients.append(client)
        client.start(timeout=DEADLINE)
        client.retry(client.sync, "/")
        return client

    def sync(self):
        """From here on zk knows what others have written."""
        self.zk.sync("/")

    def path(self, below):
        return self.root + "/" + below

    def close(self):
        for client in reversed(self.clients):
            client.stop()
            client.close()


def await_(what, condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "does not hold: " + what
        time.sleep(0.005)


def same(expected, found, what):
    assert expected == found, "%s: expected %r, found %r" % (what, expected, found)


def fails(error, action, *arguments, **options):
    try:
        result = action(*arguments, **options)
    except error:
        return
    raise AssertionError("expected %s, found %r" % (error.__name__, result))


def in_thread(action):
    """Starts an action; the returned function joins it and passes on what it raised or returned."""
    results = queue.Queue()

    def run():
        try:
            results.put((action(), None))
        except BaseException as error:  # handed to the one who joins
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()

    def join():
        value, error = results.get(timeout=DEADLINE)
        if error is not None:
            raise error
        return value

    return join


def kill_session(world, client):
    """A second handle attaches to the session and closes it; the first may win it back before that."""
    lost = threading.Event()

    def listen(state):
        if state == KazooState.LOST:
            lost.set()

    client.add_listener(listen)
    deadline = time.monotonic() + DEADLINE
    while not lost.is_set():
        assert time.monotonic() < deadline, "a closed session is lost to its owner"
        killer = KazooClient(hosts=world.hosts, client_id=client.client_id)
        killer.start(timeout=DEADLINE)
        killer.stop()
        killer.close()
        lost.wait(3)


def operations(world):
    zk, path = world.zk, world.path("node")
    made, stat = zk.create(path, b"data", include_data=True)
    same(path, made, "the created path")
    same((4, 0, 0), (stat.data_length, stat.version, stat.ephemeralOwner), "its stat")
    data, stat = zk.get(path)
    same(b"data", data, "data")
    same(1, zk.set(path, b"more", version=0).version, "version")
    fails(BadVersionError, zk.set, path, b"x", version=0)
    fails(NodeExistsError, zk.create, path)
    fails(NoNodeError, zk.get, world.path("no"))
    fails(NoNodeError, zk.create, world.path("no/child"))
    zk.create(path + "/child/deep", makepath=True)
    fails(NotEmptyError, zk.delete, path)
    names, stat = zk.get_children(path, include_data=True)
    same((["child"], 1, 1), (names, stat.numChildren, stat.cversion), "children")
    same(None, zk.exists(world.path("no")), "stat of a missing node")
    zk.sync(path)
    zk.delete(path, recursive=True)
    same(None, zk.exists(path), "stat of a deleted node")
    zk.create(path, b"")
    same(b"", zk.get(path)[0], "empty data")
    zk.set(path, b"x" * 1_000_000)
    same(1_000_000, len(zk.get(path)[0]), "length of large data")
    same((3, 9), world.zk.server_version()[:2], "the server's version")
    mode = "Mode: standalone" if "," not in world.hosts else "Mode: "
    assert mode in zk.command(b"srvr"), "srvr answers through kazoo"


def ephemeral_and_sequence(world):
    owner = world.client()
    path = world.path("seq-")
    names = [owner.create(path, ephemeral=True, sequence=True) for _ in range(3)]
    same([path + "%010d" % i for i in range(3)], names, "names with their numbers")
    world.sync()
    same(owner.client_id[0], world.zk.exists(names[0]).ephemeralOwner, "the owner")
    fails(NoChildrenForEphemeralsError, world.zk.create, names[0] + "/child")
    owner.stop()
    world.sync()
    same([], world.zk.get_children(world.root), "nodes after their owner closed")


def transaction(world):
    zk = world.zk
    zk.create(world.path("old"))
    work = zk.transaction()
    work.create(world.path("a"), b"1")
    work.create(world.path("a/s-"), sequence=True)
    work.set_data(world.path("a"), b"2", version=0)
    work.check(world.path("a"), version=1)
    work.delete(world.path("old"))
    results = work.commit()
    same([world.path("a"), world.path("a/s-0000000000")], results[:2], "results of both creates")
    same((1, True, True), (results[2].version, results[3], results[4]), "results of the others")

    work = zk.transaction()
    work.set_data(world.path("a"), b"never")
    work.create(world.path("a"))
    work.delete(world.path("a"))
    kinds = [type(result) for result in work.commit()]
    same([RolledBackError, NodeExistsError, RuntimeInconsistency], kinds, "errors of a failed transaction")
    same(b"2", zk.get(world.path("a"))[0], "data after a failed transaction")


def one_shot_watches(world):
    zk, other, events = world.zk, world.client(), queue.Queue()
    path = world.path("node")

    def expect(kind, at):
        event = events.get(timeout=DEADLINE)
        same((kind, at), (event.type, event.path), "the event")

    same(None, zk.exists(path, watch=events.put), "stat of a missing node")
    other.create(path)
    expect(EventType.CREATED, path)
    zk.get(path, watch=events.put)
    other.set(path, b"1")
    expect(EventType.CHANGED, path)
    other.set(path, b"2")
    zk.get_children(path, watch=events.put)
    other.create(path + "/child")
    expect(EventType.CHILD, path)
    zk.exists(path + "/child", watch=events.put)
    other.delete(path + "/child")
    expect(EventType.DELETED, path + "/child")
    zk.sync(path)
    assert events.empty(), "no event comes twice"


def data_watch(world):
    path, seen = world.path("node"), queue.Queue()
    DataWatch(world.client(), path, lambda data, stat: seen.put(data))
    same(None, seen.get(timeout=DEADLINE), "data before the node is there")
    world.zk.create(path, b"0")
    same(b"0", seen.get(timeout=DEADLINE), "data of the new node")
    for i in range(1, 20):
        world.zk.set(path, b"%d" % i)
        same(b"%d" % i, seen.get(timeout=DEADLINE), "the next data")
    world.zk.delete(path)
    same(None, seen.get(timeout=DEADLINE), "data of the deleted node")


def children_watch(world):
    seen = queue.Queue()
    ChildrenWatch(world.client(), world.root, lambda names: seen.put(sorted(names)))
    same([], seen.get(timeout=DEADLINE), "no children at first")
    for expected in (["a"], ["a", "b"]):
        world.zk.create(world.path(expected[-1]))
        same(expected, seen.get(timeout=DEADLINE), "children")
    world.zk.delete(world.path("a"))
    same(["b"], seen.get(timeout=DEADLINE), "children")


def tree_cache(world):
    path = world.path("tree")
    world.zk.create(path + "/deep", b"0", makepath=True)
    loaded = threading.Event()
    cache = TreeCache(world.client(), path)
    cache.listen(lambda event: loaded.set() if event.event_type == TreeEvent.INITIALIZED else None)
    cache.start()
    assert loaded.wait(DEADLINE), "the cache is loaded"
    same(b"0", cache.get_data(path + "/deep").data, "cached data")
    world.zk.set(path + "/deep", b"1")
    await_("the change arrives", lambda: cache.get_data(path + "/deep").data == b"1")
    world.zk.create(path + "/deep/er", b"2")
    await_("the child arrives", lambda: cache.get_children(path + "/deep") == frozenset(["er"]))
    world.zk.delete(path + "/deep", recursive=True)
    await_("the deletion arrives", lambda: cache.get_data(path + "/deep") is None)
    cache.close()


def lock(world):
    path, order, waiting = world.path("lock"), [], []
    first = world.client().Lock(path, "first")
    assert first.acquire(timeout=DEADLINE), "a free lock is given"
    assert not world.client().Lock(path, "hasty").acquire(blocking=False), "a held lock is not given"
    for i in range(3):
        contender = world.client().Lock(path, "contender %d" % i)

        def hold(contender=contender, i=i):
            with contender:
                order.append(i)

        waiting.append(in_thread(hold))
        await_("contender %d queues" % i, lambda: len(first.contenders()) == 2 + i)
    same(["first"] + ["contender %d" % i for i in range(3)], first.contenders(), "contenders")
    first.release()
    for join in waiting:
        join()
    same([0, 1, 2], order, "holders in turn")


def read_write_lock(world):
    path = world.path("lock")
    one, two, writer = world.client(), world.client(), world.client()
    readers = [client.ReadLock(path) for client in (one, two)]
    for reader in readers:
        assert reader.acquire(timeout=DEADLINE), "readers share"
    join = in_thread(lambda: writer.WriteLock(path).acquire(timeout=DEADLINE))
    await_("the writer queues", lambda: len(world.zk.get_children(path)) == 3)
    for reader in readers:
        reader.release()
    assert join(), "the writer comes in after the readers"


def semaphore(world):
    path = world.path("semaphore")
    one, two = (world.client().Semaphore(path, max_leases=1) for _ in range(2))
    assert one.acquire(), "a free lease is given"
    assert not two.acquire(blocking=False), "no second lease"
    join = in_thread(lambda: two.acquire(timeout=DEADLINE))
    one.release()
    assert join(), "the lease is handed on"


def election(world):
    path, leaders, step_down = world.path("election"), queue.Queue(), queue.Queue()
    clients = [world.client(), world.client()]

    def lead(name):
        leaders.put(name)
        step_down.get(timeout=DEADLINE)

    joins = []
    for i, client in enumerate(clients):
        candidate = client.Election(path, "candidate %d" % i)
        joins.append(in_thread(lambda candidate=candidate, i=i: candidate.run(lead, i)))
        await_("candidate %d queues" % i, lambda: len(candidate.contenders()) == i + 1)
    same(0, leaders.get(timeout=DEADLINE), "the first leader")
    assert leaders.empty(), "one leader at a time"
    step_down.put(None)
    same(1, leaders.get(timeout=DEADLINE), "the next leader")
    step_down.put(None)
    for join in joins:
        join()


def queues(world):
    plain, taking = world.client().Queue(world.path("queue")), world.client()
    other = taking.Queue(world.path("queue"))
    for i in range(10):
        plain.put(b"%d" % i)
    plain.put(b"urgent", priority=1)
    taking.sync("/")
    expected = [b"urgent"] + [b"%d" % i for i in range(10)]
    same(expected, [other.get() for _ in range(11)], "items")
    same(None, other.get(), "an item of an empty queue")

    putting = world.client()
    locking = putting.LockingQueue(world.path("locking"))
    taker = world.client().LockingQueue(world.path("locking"))
    join = in_thread(lambda: taker.get(timeout=DEADLINE))
    locking.put(b"item")
    same(b"item", join(), "an item for one who waits")
    assert taker.holds_lock() and taker.consume(), "the item is consumed"
    putting.sync("/")
    same(0, len(locking), "items left")


def counter(world):
    counters = [world.client().Counter(world.path("counter")) for _ in range(3)]

    def add(shared):
        for _ in range(10):
            shared += 2

    for join in [in_thread(lambda shared=shared: add(shared)) for shared in counters]:
        join()
    same(60, world.client().Counter(world.path("counter")).value, "the sum")


def party(world):
    a, b = world.client(), world.client()
    ours, theirs = a.Party(world.path("party"), "a"), b.Party(world.path("party"), "b")
    ours.join()
    theirs.join()
    a.sync("/")
    same(["a", "b"], sorted(ours), "members")
    theirs.leave()
    a.sync("/")
    same(["a"], list(ours), "members after one left")
    theirs.join()
    b.stop()
    a.sync("/")
    same(["a"], list(ours), "members after one's client closed")


def barriers(world):
    barrier = Barrier(world.zk, world.path("barrier"))
    barrier.create()
    waiting = Barrier(world.client(), world.path("barrier"))
    assert not waiting.wait(0.01), "the barrier is up"
    join = in_thread(lambda: waiting.wait(DEADLINE))
    barrier.remove()
    assert join(), "the barrier is gone"

    inside = []

    def pass_through(client):
        double = DoubleBarrier(client, world.path("double"), 3)
        double.enter()
        inside.append(None)
        await_("all are inside", lambda: len(inside) == 3)
        double.leave()

    joins = [in_thread(lambda client=world.client(): pass_through(client)) for _ in range(2)]
    await_("two stand before it", lambda: len(world.zk.get_children(world.path("double"))) == 2
           if world.zk.exists(world.path("double")) else False)
    same(0, len(inside), "members inside before all came")
    joins.append(in_thread(lambda client=world.client(): pass_through(client)))
    for join in joins:
        join()


def auth_digest(world):
    path = world.path("secret")
    owner = world.client(auth_data=[("digest", "alice:pw")])
    owner.create(path, b"data", acl=[make_digest_acl("alice", "pw", all=True)])
    same(b"data", owner.get(path)[0], "data for the owner")
    world.sync()
    fails(NoAuthError, world.zk.get, path)
    fails(NoAuthError, world.client(auth_data=[("digest", "alice:other")]).get, path)
    late = world.client()
    late.add_auth("digest", "alice:pw")
    same(b"data", late.get(path)[0], "data after add_auth")
    acls, stat = owner.get_acls(path)
    same([("digest", 31)], [(acl.id.scheme, acl.perms) for acl in acls], "the list")
    fails(InvalidACLError, owner.set_acls, path, [])
    same(1, owner.set_acls(path, acls, version=0).aversion, "version of the list")


def session_expiry(world):
    client = world.client()
    old, path = client.client_id[0], world.path("mine")
    client.create(path, ephemeral=True)
    kill_session(world, client)
    await_("the ephemeral node is gone", lambda: world.zk.exists(path) is None)

    def create_again():
        try:
            return client.create(path, ephemeral=True)
        except (ConnectionLoss, SessionExpiredError):
            return None

    await_("the client has a new session", create_again)
    assert client.client_id[0] != old, "it is another session"
    world.sync()
    same(client.client_id[0], world.zk.exists(path).ephemeralOwner, "the new owner")


def reconfig_is_refused(world):
    fails(ReconfigDisabledError, world.zk.reconfig, joining=None, leaving="1", new_members=None)
    assert world.zk.exists("/") is not None, "the session goes on"


def outlives_a_server(world):
    """Prints "restart" when it is ready, and goes on after a line on standard input."""
    client, path = world.client(), world.path("mine")
    connected, left, seen = threading.Event(), threading.Event(), queue.Queue()

    def listen(state):
        if state == KazooState.CONNECTED and left.is_set():
            connected.set()
        elif state != KazooState.CONNECTED:
            left.set()

    client.add_listener(listen)
    session = client.client_id[0]
    client.create(path, ephemeral=True)
    lock = client.Lock(world.path("lock"), "holder")
    assert lock.acquire(timeout=DEADLINE), "a free lock is given"
    world.zk.create(world.path("watched"), b"0")
    DataWatch(client, world.path("watched"), lambda data, stat: seen.put(data))
    await_("the watch is set", lambda: seen.get(timeout=DEADLINE) == b"0")

    print("restart", flush=True)
    sys.stdin.readline()
    assert connected.wait(DEADLINE), "the client is connected again"
    same(session, client.client_id[0], "the session")
    world.zk.retry(world.zk.set, world.path("watched"), b"1")
    await_("the watch fires", lambda: seen.get(timeout=DEADLINE) == b"1")
    other = world.client()
    same(session, other.exists(path).ephemeralOwner, "the owner")
    assert not other.Lock(world.path("lock"), "hasty").acquire(blocking=False), "a held lock is not given"
    client.retry(lock.release)
    assert other.Lock(world.path("lock"), "next").acquire(timeout=DEADLINE), "the lock comes free"


SCENARIOS = [
    operations,
    ephemeral_and_sequence,
    transaction,
    one_shot_watches,
    data_watch,
    children_watch,
    tree_cache,
    lock,
    read_write_lock,
    semaphore,
    election,
    queues,
    counter,
    party,
    barriers,
    auth_digest,
    session_expiry,
    reconfig_is_refused,
]

# What needs a hand from outside runs only when it is named.
NAMED = [outlives_a_server]


def main():
    hosts, names = sys.argv[1], sys.argv[2:]
    chosen = [s for s in SCENARIOS + NAMED if s.__name__ in names] if names else SCENARIOS
    for scenario in chosen:
        world = World(hosts, scenario.__name__)
        try:
            scenario(world)
        finally:
            world.close()
        print("ok", scenario.__name__, flush=True)


if __name__ == "__main__":
    main()
