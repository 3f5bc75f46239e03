"""Runs steps of aiozk against a server or an ensemble: aiozk_scenarios.py host:port,... step...

Prints "ok step" after each step that passes; the first that fails raises, and the exit code is 1. Steps ask the test to
do something to the servers or to this process by a line of its own, and go on after a line that starts with "done".
Everything that waits has a deadline.
"""

import asyncio
import base64
import hashlib
import logging
import sys
import time

from aiozk import ACL, WatchEvent, ZKClient, exc, protocol
from aiozk.connection import Connection
from aiozk.states import States

DEADLINE = 60.0
TIMEOUT = 40.0
SHORT_TIMEOUT = 4.0
SECRET = "alice:secret"


def notice_the_end_of_connections():
    """aiozk does not notice that its connection has ended before a heartbeat goes unanswered, and by then its session
    has ended, too. With this it does at once; what it does then is its own."""
    start = Connection.start_read_loop

    def start_and_watch(self):
        start(self)
        session = self.watch_handler.session
        self.read_loop_task.add_done_callback(
            lambda _: session.conn is self
            and session.state == States.CONNECTED
            and not session.closing
            and session.state.transition_to(States.SUSPENDED)
        )

    Connection.start_read_loop = start_and_watch


class Events:
    """Stands where a session takes its events, and keeps them all."""

    def __init__(self, session):
        self.session = session
        self.dispatch = session.event_dispatch
        self.all = []

    def __call__(self, event):
        if event.type:
            self.all.append((event.type, event.path))
        self.dispatch(event)


class World:
    """The servers, the folder of the step that runs, and its clients, which are closed at its end."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.root = "/"
        self.clients = []

    async def client(self, timeout=TIMEOUT, hosts=None):
        """A client that knows what was written before."""
        client = ZKClient(hosts or self.hosts, session_timeout=timeout)
        client.events = client.session.event_dispatch = Events(client.session)
        self.clients.append(client)
        await in_time("a client connects", client.start())
        await sync(client)
        return client

    async def close(self, client):
        self.clients.remove(client)
        await in_time("a client closes", client.close())

    def path(self, below):
        return self.root + "/" + below


async def in_time(what, awaitable):
    try:
        return await asyncio.wait_for(awaitable, DEADLINE)
    except asyncio.TimeoutError:
        raise AssertionError("not in time: " + what) from None


async def eventually(what, condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "not in time: " + what
        await asyncio.sleep(0.005)


async def insist(action):
    """Repeats an action for as long as the connection is lost."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return await in_time("an answer", action())
        except (exc.ConnectError, exc.TimeoutError, exc.SessionLost):
            assert time.monotonic() < deadline, "no connection"
            await asyncio.sleep(0.01)


async def fails(error, awaitable):
    try:
        result = await awaitable
    except error:
        return
    raise AssertionError("expected %s, found %r" % (error.__name__, result))


def same(expected, found, what):
    assert expected == found, "%s: expected %r, found %r" % (what, expected, found)


async def sync(client):
    """From here on the client's server knows what was written before, anywhere."""
    await client.send(protocol.SyncRequest(path="/"))


async def authenticate(client, identity):
    scheme, who = identity
    await client.send(protocol.AuthRequest(type=0, scheme=scheme, auth=who.encode()))


async def owner(client, path):
    return (await client.get(path))[1].ephemeral_owner


def number_of(client):
    return client.session.session_id & (2**64 - 1)


def all_to(scheme, who):
    return [ACL.make(scheme, who, read=True, write=True, create=True, delete=True, admin=True)]


def wait_for(client, path, *kinds):
    """Must be called before the read that sets the watch."""
    return client.wait_for_events(kinds, path)


async def ask(line):
    """Says a line to the test and gives its answer."""
    print(line, flush=True)
    answer = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    assert answer.startswith("done"), "the test has done it, not %r" % answer
    return answer[len("done"):].strip()


async def session(world):
    a, b = await world.client(), await world.client()
    assert number_of(a) and number_of(a) != number_of(b), "each session has its own number"
    same(TIMEOUT, a.session.timeout, "the timeout that was asked for")
    await a.create(world.path("mine"), ephemeral=True)
    await sync(b)
    gone = wait_for(b, world.path("mine"), WatchEvent.DELETED)
    assert await b.exists(world.path("mine"), watch=True), "it is there"
    await world.close(a)
    await in_time("the node goes with its session", gone)


async def operations(world):
    a, node = await world.client(), world.path("node")
    same(node, await a.create(node, b"data"), "the created path")
    data, stat = await a.get(node)
    same((b"data", 4, 0, 0), (data, stat.data_length, stat.version, stat.ephemeral_owner), "data and stat")
    changed = await a.set(node, b"more!", 0)
    same((1, 5, stat.created_zxid), (changed.version, changed.data_length, changed.created_zxid), "the next stat")
    assert changed.last_modified_zxid > stat.last_modified_zxid, "a change has a zxid of its own"
    same(b"more!", await a.get_data(node), "data")

    await fails(exc.BadVersion, a.set(node, b"", 0))
    await fails(exc.BadVersion, a.send(protocol.DeleteRequest(path=node, version=7)))
    await fails(exc.NodeExists, a.create(node))
    await fails(exc.NoNode, a.create(world.path("no/child")))
    await fails(exc.NoNode, a.get(world.path("no")))
    await fails(exc.NoNode, a.delete(world.path("no")))
    assert not await a.exists(world.path("no")), "a missing node is not there"

    await a.ensure_path(node + "/b/c")
    await a.create(node + "/a")
    await fails(exc.NotEmpty, a.delete(node, force=True))
    same(["a", "b"], sorted(await a.get_children(node)), "children")
    stat = (await a.get(node))[1]
    same((2, 2), (stat.num_children, stat.child_version), "the stat of a parent")

    await a.set_data(node, b"x" * 1_000_000, force=True)
    same(1_000_000, len(await a.get_data(node)), "the length of large data")
    await a.deleteall(node)
    assert not await a.exists(node), "a deleted node is gone"


async def ephemerals(world):
    holder, other = await world.client(), await world.client()
    await holder.create(world.path("mine"), b"data", ephemeral=True)
    await fails(exc.NoChildrenForEphemerals, holder.create(world.path("mine/child")))
    await sync(other)
    same(number_of(holder), await owner(other, world.path("mine")), "the owner")
    gone = wait_for(other, world.path("mine"), WatchEvent.DELETED)
    assert await other.exists(world.path("mine"), watch=True), "it is there"
    await world.close(holder)
    await in_time("the node goes with its session", gone)


async def sequences(world):
    a = await world.client()
    for i in range(4):
        name = await a.create(world.path("s-"), ephemeral=bool(i % 2), sequential=True)
        same(world.path("s-%010d" % i), name, "a name with its number")
    same(number_of(a), await owner(a, name), "the owner")


async def access(world):
    holder, other, node = await world.client(), await world.client(), world.path("mine")
    await fails(exc.InvalidACL, holder.create(node, b"data", acl=all_to("auth", "")))
    await authenticate(holder, ("digest", SECRET))
    await holder.create(node, b"data", acl=all_to("auth", ""))
    same(b"data", await holder.get_data(node), "data for the owner")
    digest = base64.b64encode(hashlib.sha1(SECRET.encode()).digest()).decode()
    found = [(acl.perms, acl.id.scheme, acl.id.id) for acl in await holder.get_acl(node)]
    same([(31, "digest", "alice:" + digest)], found, "the list")

    await sync(other)
    await fails(exc.NoAuth, other.get(node))
    await fails(exc.NoAuth, other.set(node, b"", -1))
    await fails(exc.NoAuth, other.set_acl(node, all_to("world", "anyone"), force=True))
    await authenticate(other, ("digest", SECRET))
    same(b"data", await other.get_data(node), "data with the same identity")

    read = [ACL.make("world", "anyone", read=True)]
    await fails(exc.BadVersion, holder.send(protocol.SetACLRequest(path=node, acl=read, version=3)))
    answer = await holder.send(protocol.SetACLRequest(path=node, acl=read, version=0))
    same(1, answer.stat.acl_version, "the version of the list")
    await fails(exc.NoAuth, holder.set(node, b"", -1))
    stranger = await world.client()
    same(b"data", await stranger.get_data(node), "data for all")
    await fails(exc.AuthFailed, authenticate(stranger, ("unheard", "of")))


async def transaction(world):
    a = await world.client()
    await a.create(world.path("old"))
    work = a.begin_transaction()
    work.create(world.path("a"), b"1")
    work.create(world.path("a/s-"), sequential=True)
    work.set_data(world.path("a"), b"2", version=0)
    work.check_version(world.path("a"), version=1)
    work.delete(world.path("old"))
    result = await work.commit()
    assert result, "it is done"
    same({world.path("old")}, result.deleted, "what was deleted")
    same({world.path("a")}, result.updated, "what was changed")
    data, stat = await a.get(world.path("a"))
    same((b"2", 1), (data, stat.version), "data and version")
    same(["s-%010d" % 0], await a.get_children(world.path("a")), "children")
    assert not await a.exists(world.path("old")), "what was deleted is gone"

    work = a.begin_transaction()
    work.set_data(world.path("a"), b"never")
    work.create(world.path("a"))
    work.delete(world.path("a/s-%010d" % 0))
    answer = await a.send(work.request)
    kinds = [type(response) for response in answer.responses]
    same([exc.RolledBack, exc.NodeExists, exc.RuntimeInconsistency], kinds, "errors of a failed transaction")
    same(b"2", await a.get_data(world.path("a")), "data after a failed transaction")
    assert await a.exists(world.path("a/s-%010d" % 0)), "what was to be deleted is there"


async def watches(world):
    a, b = await world.client(), await world.client()
    node, child = world.path("node"), world.path("node/child")
    event = wait_for(a, node, WatchEvent.CREATED)
    assert not await a.exists(node, watch=True), "it is made later"
    await b.create(node)
    await in_time("the creation", event)
    event = wait_for(a, node, WatchEvent.DATA_CHANGED)
    await a.get(node, watch=True)
    await b.set(node, b"1", -1)
    await in_time("the change", event)
    await b.set(node, b"2", -1)
    event = wait_for(a, node, WatchEvent.CHILDREN_CHANGED)
    await a.get_children(node, watch=True)
    await b.create(child)
    await in_time("the child", event)
    event = wait_for(a, child, WatchEvent.DELETED)
    assert await a.exists(child, watch=True), "it is there"
    await b.delete(child, force=True)
    await in_time("the deletion", event)
    await sync(a)
    expected = [
        (WatchEvent.CREATED, node),
        (WatchEvent.DATA_CHANGED, node),
        (WatchEvent.CHILDREN_CHANGED, node),
        (WatchEvent.DELETED, child),
    ]
    same(expected, a.events.all, "all events")

    # The client's own watchers set theirs again after each event.
    seen = asyncio.Queue()
    watcher = a.recipes.DataWatcher()
    watcher.set_client(a)
    watcher.add_callback(node, seen.put_nowait)
    for data in (b"2", b"3", b"4"):
        same(data, await in_time("the next data", seen.get()), "data")
        await b.set(node, b"%d" % (int(data) + 1), -1)
    same(b"5", await in_time("the last data", seen.get()), "data")
    watcher.remove_callback(node, seen.put_nowait)


async def pipeline(world):
    a, count = await world.client(), 1000
    creates = [a.create(world.path("n-"), sequential=True) for _ in range(count)]
    names = await in_time("all are answered", asyncio.gather(*creates))
    same([world.path("n-%010d" % i) for i in range(count)], names, "names in the order of the requests")
    same(count, (await a.get(world.root))[1].num_children, "children")


async def lock(world):
    """The first of three gives the lock up, the second's session ends."""
    path, tasks, locks, clients = world.path("lock"), [], [], []
    onlooker = await world.client()
    await onlooker.create(path)
    for i in range(3):
        clients.append(await world.client())
        locks.append(clients[i].recipes.Lock(path))
        tasks.append(asyncio.create_task(locks[i].acquire()))
        while len(await onlooker.get_children(path)) <= i:
            await asyncio.sleep(0.005)
    await in_time("the first gets the lock", tasks[0])
    await sync(clients[2])
    assert not locks[1].locked() and not locks[2].locked(), "nobody else has it"
    await locks[0].release()
    await in_time("the second gets the lock", tasks[1])
    await sync(clients[2])
    assert not locks[2].locked(), "the third has to wait"
    await world.close(clients[1])
    await in_time("the third gets the lock", tasks[2])
    await locks[2].release()


async def election(world):
    path = world.path("election")
    a, b = await world.client(), await world.client()
    first, second = a.recipes.LeaderElection(path), b.recipes.LeaderElection(path)
    await first.volunteer()
    await in_time("the first leads", first.wait_for_leadership(DEADLINE))
    await sync(b)
    await second.volunteer()
    waiting = asyncio.create_task(second.wait_for_leadership(DEADLINE))
    await sync(b)
    assert not second.has_leadership, "one leader at a time"
    await first.resign()
    await in_time("the second leads", waiting)
    assert second.has_leadership and not first.has_leadership, "one leader at a time"
    await second.resign()


async def moves(world):
    a = await world.client()
    number = number_of(a)
    await authenticate(a, ("digest", SECRET))
    await a.create(world.path("secret"), b"s", acl=all_to("auth", ""))
    await a.create(world.path("mine"), ephemeral=True)
    for name in ("changed", "deleted", "parent", "untouched"):
        await a.create(world.path(name), b"0")
    changed = wait_for(a, world.path("changed"), WatchEvent.DATA_CHANGED)
    await a.get(world.path("changed"), watch=True)
    deleted = wait_for(a, world.path("deleted"), WatchEvent.DATA_CHANGED, WatchEvent.DELETED)
    await a.get(world.path("deleted"), watch=True)
    created = wait_for(a, world.path("created"), WatchEvent.CREATED)
    assert not await a.exists(world.path("created"), watch=True), "it is made later"
    parent = wait_for(a, world.path("parent"), WatchEvent.CHILDREN_CHANGED)
    await a.get_children(world.path("parent"), watch=True)
    untouched = wait_for(a, world.path("untouched"), WatchEvent.DATA_CHANGED)
    await a.get(world.path("untouched"), watch=True)

    await ask("move 0x%x %s" % (number, world.root))
    await in_time("all that was missed", asyncio.gather(changed, deleted, created, parent))
    # When it sets its watches again the client says that it has seen nothing yet, so it is told of this, too.
    await in_time("what was not touched", untouched)
    await eventually("it is connected", lambda: a.session.state == States.CONNECTED)
    await ask("moved 0x%x" % number)

    same(number, number_of(a), "the session")
    same(number, await owner(a, world.path("mine")), "the owner")
    same(b"1", await a.get_data(world.path("changed")), "data")
    # It does not say again who it is either.
    await fails(exc.NoAuth, a.get(world.path("secret")))
    await authenticate(a, ("digest", SECRET))
    same(b"s", await a.get_data(world.path("secret")), "data for the owner")
    expected = [
        (WatchEvent.CREATED, world.path("created")),
        (WatchEvent.DATA_CHANGED, world.path("changed")),
        (WatchEvent.DATA_CHANGED, world.path("untouched")),
        (WatchEvent.DELETED, world.path("deleted")),
        (WatchEvent.CHILDREN_CHANGED, world.path("parent")),
    ]
    same(sorted(expected), sorted(a.events.all), "all events")
    await ask("return")


async def leader(world):
    a = await world.client()
    number, path = number_of(a), world.path("lock")
    await a.create(world.path("data"), b"0")
    await a.create(world.path("mine"), ephemeral=True)
    await a.create(path)
    mine = a.recipes.Lock(path)
    await in_time("a free lock is given", mine.acquire())

    # aiozk gives its session up when a server takes its connection and then does not greet it, as one that has just
    # lost its leader does; so it must not meet one.
    await ask("lose-leader-unseen")
    await insist(lambda: a.set(world.path("data"), b"without", -1))
    same(number, number_of(a), "the session without the old leader")
    same(number, await insist(lambda: owner(a, world.path("mine"))), "the owner")

    b = await world.client(hosts=await ask("return"))
    same(b"without", await b.get_data(world.path("data")), "data on the server that is back")
    next_lock = b.recipes.Lock(path)
    waiting = asyncio.create_task(next_lock.acquire())
    while len(await b.get_children(path)) < 2:
        await asyncio.sleep(0.005)
    assert not next_lock.locked(), "a held lock is not given"
    await insist(mine.release)
    await in_time("the lock is handed on", waiting)
    await b.set(world.path("data"), b"back", -1)
    await sync(a)
    same(b"back", await a.get_data(world.path("data")), "data")
    same(number, number_of(a), "the session")
    await next_lock.release()


async def expiry(world):
    onlooker, a = await world.client(), await world.client(timeout=SHORT_TIMEOUT)
    same(SHORT_TIMEOUT, a.session.timeout, "the timeout that was asked for")
    number, path = number_of(a), world.path("mine")
    await a.create(path, ephemeral=True)
    lost = a.session.state.wait_for(States.LOST)
    await sync(onlooker)
    gone = wait_for(onlooker, path, WatchEvent.DATA_CHANGED, WatchEvent.DELETED)
    await onlooker.get(path, watch=True)
    await ask("expire " + path)
    await in_time("the client is told", lost)
    await in_time("the node is gone", gone)
    # The client opens a new session by itself.
    await eventually("a new session", lambda: a.session.state == States.CONNECTED)
    assert number_of(a) != number, "it is another one"
    await insist(lambda: a.create(path, ephemeral=True))
    same(number_of(a), await owner(a, path), "the owner")


STEPS = [
    session,
    operations,
    ephemerals,
    sequences,
    access,
    transaction,
    watches,
    pipeline,
    lock,
    election,
    moves,
    leader,
    expiry,
]


async def main():
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    notice_the_end_of_connections()
    hosts, names = sys.argv[1], sys.argv[2:]
    by_name = {step.__name__: step for step in STEPS}
    for name in names:
        world = World(hosts)
        maker = await world.client()
        world.root = await maker.create("/aiozk-%s-" % name, sequential=True)
        await by_name[name](world)
        for client in list(world.clients):
            if client.session.state == States.CONNECTED:
                await world.close(client)
        print("ok", name, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
