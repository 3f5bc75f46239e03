"""Runs steps of kazoo against a server or an ensemble: kazoo_steps.py host:port,... step...

These are those of the steps of every client that scenarios.py does not have. Prints "ok step" after each that passes;
the first that fails raises, and the exit code is 1. Steps ask the test to do something to the servers or to this
process by a line of its own, and go on after a line that starts with "done". Everything that waits has a deadline.
"""

import queue
import sys
import threading

from kazoo.client import KazooState
from kazoo.exceptions import ConnectionLoss, SessionExpiredError
from kazoo.protocol.states import EventType
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import make_digest_acl

from scenarios import DEADLINE, World, await_, in_thread, same

TIMEOUT = 40.0
SHORT_TIMEOUT = 4.0


class States:
    """What a client was told of its connection since this was made."""

    def __init__(self, client):
        self.all = []
        client.add_listener(self.all.append)


class Seen:
    """What a watcher was given, in order."""

    def __init__(self, kind, client, path):
        self.queue = queue.Queue()
        kind(client, path, lambda *found: self.queue.put(found[0]))

    def expect(self, value, what):
        same(value, self.queue.get(timeout=DEADLINE), what)


def ask(line):
    """Says a line to the test and gives its answer."""
    print(line, flush=True)
    answer = sys.stdin.readline()
    assert answer.startswith("done"), "the test has done it, not %r" % answer
    return answer[len("done"):].strip()


def session(world):
    a, b = world.client(), world.client()
    number = a.client_id[0]
    assert number and number != b.client_id[0], "each session has its own number"
    a.create(world.path("mine"), ephemeral=True)
    b.sync("/")
    gone, states = queue.Queue(), States(a)
    assert b.exists(world.path("mine"), watch=gone.put), "it is there"
    old = a.client_id
    a.stop()
    same(EventType.DELETED, gone.get(timeout=DEADLINE).type, "the node goes with its session")
    same([KazooState.LOST], states.all, "what its owner is told")
    # One who comes with its number and password gets another session.
    late = world.client(client_id=old)
    assert late.client_id[0] != number, "a closed session cannot be taken up"


def pipeline(world):
    zk, count = world.zk, 1000
    answers = [zk.create_async(world.path("n-"), sequence=True) for _ in range(count)]
    stat = zk.exists_async(world.root)
    names = [answer.get(timeout=DEADLINE) for answer in answers]
    same([world.path("n-%010d" % i) for i in range(count)], names, "names in the order of the requests")
    same(count, stat.get(timeout=DEADLINE).numChildren, "children seen by a read behind them")


def moves(world):
    client = world.client(auth_data=[("digest", "alice:secret")])
    number = client.client_id[0]
    client.create(world.path("secret"), b"s", acl=[make_digest_acl("alice", "secret", all=True)])
    client.create(world.path("mine"), ephemeral=True)
    for name in ("changed", "deleted", "parent", "untouched"):
        client.create(world.path(name), b"0")
    one_shot = queue.Queue()
    client.get(world.path("untouched"), watch=one_shot.put)
    watched = {name: Seen(DataWatch, client, world.path(name)) for name in ("changed", "deleted", "created", "untouched")}
    parent = Seen(ChildrenWatch, client, world.path("parent"))
    for name in ("changed", "deleted", "untouched"):
        watched[name].expect(b"0", "data before")
    watched["created"].expect(None, "data before the node is there")
    parent.expect([], "children before")
    states = States(client)

    ask("move 0x%x %s" % (number, world.root))
    watched["changed"].expect(b"1", "changed data")
    watched["deleted"].expect(None, "data of a deleted node")
    watched["created"].expect(b"", "data of a new node")
    parent.expect(["child"], "children")
    # kazoo drops its one-shot watches and says so; its watchers look again by themselves.
    same(EventType.NONE, one_shot.get(timeout=DEADLINE).type, "the end of a watch")
    await_("it is connected", lambda: states.all and states.all[-1] == KazooState.CONNECTED)
    ask("moved 0x%x" % number)

    same(number, client.client_id[0], "the session")
    assert KazooState.LOST not in states.all, "it has not expired"
    same(number, client.exists(world.path("mine")).ephemeralOwner, "the owner")
    same(b"s", client.get(world.path("secret"))[0], "data for the owner")
    client.set(world.path("untouched"), b"1")
    watched["untouched"].expect(b"1", "the first data that is told of what was not touched")
    for seen in watched.values():
        assert seen.queue.empty(), "nothing is told twice"
    ask("return")


def leader(world):
    client = world.client()
    number, states = client.client_id[0], States(client)
    client.create(world.path("data"), b"0")
    client.create(world.path("mine"), ephemeral=True)
    lock = client.Lock(world.path("lock"), "holder")
    assert lock.acquire(timeout=DEADLINE), "a free lock is given"

    ask("lose-leader")
    client.retry(client.set, world.path("data"), b"without")
    same(number, client.client_id[0], "the session without the old leader")
    same(number, client.retry(client.exists, world.path("mine")).ephemeralOwner, "the owner")

    other = world.client(hosts=ask("return"))
    same(b"without", other.get(world.path("data"))[0], "data on the server that is back")
    following = other.Lock(world.path("lock"), "next")
    join = in_thread(lambda: following.acquire(timeout=DEADLINE))
    await_("it queues", lambda: other.Lock(world.path("lock")).contenders() == ["holder", "next"])
    assert not following.is_acquired, "a held lock is not given"
    client.retry(lock.release)
    assert join(), "the lock is handed on"
    other.set(world.path("data"), b"back")
    client.sync("/")
    same(b"back", client.get(world.path("data"))[0], "data")
    same(number, client.client_id[0], "the session")
    assert KazooState.LOST not in states.all, "it has not expired"


def expiry(world):
    client = world.client(timeout=SHORT_TIMEOUT)
    number, path, lost = client.client_id[0], world.path("mine"), threading.Event()
    client.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
    client.create(path, ephemeral=True)
    world.zk.sync("/")
    seen = Seen(DataWatch, world.zk, path)
    seen.expect(b"", "data of the node")
    ask("expire " + path)
    assert lost.wait(DEADLINE), "the client is told"
    seen.expect(None, "data of the node that is gone")

    def create_again():
        # The client opens a new session by itself.
        try:
            return client.create(path, ephemeral=True)
        except (ConnectionLoss, SessionExpiredError):
            return None

    await_("a new session", create_again)
    assert client.client_id[0] != number, "it is another one"
    same(client.client_id[0], client.exists(path).ephemeralOwner, "the owner")


STEPS = [session, pipeline, moves, leader, expiry]


def main():
    hosts, names = sys.argv[1], sys.argv[2:]
    by_name = {step.__name__: step for step in STEPS}
    for name in names:
        world = World(hosts, name, timeout=TIMEOUT)
        try:
            by_name[name](world)
        finally:
            world.close()
        print("ok", name, flush=True)


if __name__ == "__main__":
    main()
