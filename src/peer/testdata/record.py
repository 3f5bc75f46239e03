"""Records what an Apache server answers to a random client, and what it logs.

    record.py CLASSPATH OUT SEED COUNT [quota]

CLASSPATH holds the jars of the server. With `quota`, limits are enforced and requests go one by
one. The format of OUT is told in `tests/apache.rs`. Left out is what is known to stop the server
or to make it foretell a digest that does not come true.
"""

import glob
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

CLASSPATH, OUT, SEED, COUNT = sys.argv[1:5]
QUOTA = "quota" in sys.argv[5:]
DIR = tempfile.mkdtemp()
RANDOM = random.Random(int(SEED))
OPEN = [(31, "world", "anyone")]
ACLS = [OPEN] * 10 + [
    [(31, "auth", "")],
    [(31, "auth", ""), (1, "world", "anyone")],
    [(27, "world", "anyone")],
    [(31, "ip", "127.0.0.1")],
    [(31, "ip", "10.0.0.0/8")],
    [(31, "digest", "x:y")],
    [(31, "digest", "x")],
    [],
    None,
    [(31, "nosuch", "x")],
    [(31, "world", "x")],
    [(5, "world", "anyone"), (5, "world", "anyone"), (99, "ip", "::1/64")],
]
ODD_PATHS = [
    "/", "bad", "", "/a/", "/a//b", "//", "/a/.", "/a/../b", "/zookeeper", "/zookeeper/config",
    "/zookeeper/quota", "/zookeeper/x", "/a/c-0000000001", "/c-0000000003", "/a\x01",
    "/\U0001f600", "/zookeeper/quota/q", "/missing/x/y", "/a\x00b",
]
END = struct.pack(">i?i", -1, True, -1)


def text(value):
    if value is None:
        return struct.pack(">i", -1)
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">i", len(value)) + value


def acl(entries):
    if entries is None:
        return struct.pack(">i", -1)
    parts = (struct.pack(">i", p) + text(s) + text(i) for p, s, i in entries)
    return struct.pack(">i", len(entries)) + b"".join(parts)


def path():
    if RANDOM.random() < 0.8:
        names = (RANDOM.choice(["a", "b", "c-", "dé"]) for _ in range(RANDOM.randint(1, 3)))
        return "/" + "/".join(names)
    return RANDOM.choice(ODD_PATHS)


def version():
    return struct.pack(">i", RANDOM.choice([-1, -1, -1, 0, 1, 2]))


def data():
    some = bytes(RANDOM.randrange(256) for _ in range(RANDOM.randint(1, 30)))
    return text(RANDOM.choice([None, b"", b"x", some]))


def create(op, in_multi=False):
    lists = ACLS[:15] if in_multi else ACLS
    body = text(path()) + data() + acl(RANDOM.choice(lists))
    if op == 21:
        flags = RANDOM.choice([5, 6, 5, 6, 5, 6, 0, 7])
        times = [1, 1000, 86400000, 0xFFFFFFFFFF, 0, -1, 0x10000000000]
        if flags not in (5, 6) and not in_multi:
            times = [0, 5]  # A negative one stops the server.
        return body + struct.pack(">iq", flags, RANDOM.choice(times))
    odd = [] if in_multi else [5, 6, 7, -1]
    flags = RANDOM.choice([0, 0, 0, 0, 0, 1, 2, 1, 2, 3, 4] + odd)
    # The digest is foretold by the flags and comes by the operation.
    if op == 19 and 0 <= flags <= 4:
        flags = 4
    elif flags == 4 and not in_multi:
        flags = 0
    return body + struct.pack(">i", flags)


def part_header(op):
    return struct.pack(">i?i", op, False, -1)


def part():
    op = RANDOM.choice([1, 1, 15, 19, 21, 2, 5, 5, 13])
    if op in (1, 15, 19, 21):
        return part_header(op) + create(op, True)
    if op == 5:
        return part_header(op) + text(path()) + data() + version()
    return part_header(op) + text(path()) + version()


def bad_multi():
    flags = struct.pack(">i", RANDOM.choice([7, -1, 5, 6]))
    new = part_header(1) + text("/zz") + text(b"")
    none = struct.pack(">i", 0)
    return RANDOM.choice([
        b"",
        part(),
        part_header(7) + b"\0" * 60,
        part_header(99) + b"\0" * 60,
        part() + new + acl(OPEN) + flags + END,
        new + acl(None) + none + END,
        part_header(4) + text("/a") + b"\0" + END,
        part() + part_header(4) + text("/a") + b"\0" + END,
        part_header(1) + text(None) + text(b"") + acl(OPEN) + none + END,
        part_header(2) + text(None) + none + END,
    ])


def request():
    """Operation, body, and whether nothing else may be in flight: a list that is changed in flight
    does not hold yet for what comes behind it."""
    dice = RANDOM.random()
    if dice < 0.42:
        op = RANDOM.choice([1, 1, 1, 15, 19, 21])
        return op, create(op), False
    if dice < 0.54:
        return 2, text(path()) + version(), False
    if dice < 0.68:
        return 5, text(path()) + data() + version(), False
    if dice < 0.73:
        return 7, text(path()) + acl(RANDOM.choice(ACLS)) + version(), True
    if dice < 0.90:
        return 14, b"".join(part() for _ in range(RANDOM.randint(0, 4))) + END, False
    if dice < 0.92:
        return 9, text(RANDOM.choice([None, "/a", "whatever"])), False
    if dice < 0.93:
        return 16, text(None) * 3 + struct.pack(">q", -1), False
    if dice < 0.96:
        op = RANDOM.choice([1, 2, 5, 7, 15, 19, 21])
        bodies = [b"", text("/a"), text(None) + b"\0" * 40]
        bodies += [struct.pack(">i", length) + b"\0" * 50 for length in (-2, 500)]
        return op, RANDOM.choice(bodies), False
    return 14, bad_multi(), False


def quotas():
    for name in ("a", "b"):
        limits = b"count=-1,bytes=-1=;byteHardLimit=40;countHardLimit=6"
        for at, value in [
            (f"/{name}", b"12"),
            (f"/zookeeper/quota/{name}", b""),
            (f"/zookeeper/quota/{name}/zookeeper_limits", limits),
            (f"/zookeeper/quota/{name}/zookeeper_stats", b""),
        ]:
            yield 1, text(at) + text(value) + acl(OPEN) + struct.pack(">i", 0), True


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)

    def send(self, frame):
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def take(self, count):
        taken = b""
        while len(taken) < count:
            more = self.socket.recv(count - len(taken))
            if not more:
                raise EOFError
            taken += more
        return taken

    def receive(self):
        return self.take(struct.unpack(">i", self.take(4))[0])


def start():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = f"""tickTime=2000
dataDir={DIR}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
extendedTypesEnabled=true
maxSessionTimeout=600000
enforceQuota={str(QUOTA).lower()}
"""
    name = os.path.join(DIR, "zoo.cfg")
    with open(name, "w") as file:
        file.write(config)
    main = "org.apache.zookeeper.server.ZooKeeperServerMain"
    command = ["java", "-Xmx256m", "-cp", CLASSPATH, main, name]
    silent = subprocess.DEVNULL
    return port, subprocess.Popen(command, stdout=silent, stderr=silent)


def connect(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = Connection(port)
            connection.send(struct.pack(">iqiq", 0, 0, 600000, 0) + text(b"\0" * 16) + b"\0")
            reply = connection.receive()
            return connection, *struct.unpack(">iq", reply[4:16])
        except (EOFError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def exchange(connection):
    connection.send(struct.pack(">iii", -4, 100, 0) + text("digest") + text(b"u:p"))
    connection.receive()
    script = list(quotas()) if QUOTA else []
    script += [request() for _ in range(int(COUNT) - len(script))]
    script.append((-11, b"", False))
    waiting, done = [], []

    def settle():
        done.extend((frame, connection.receive()) for frame in waiting)
        waiting.clear()

    for xid, (op, body, alone) in enumerate(script, 1):
        alone = alone or QUOTA
        if alone:
            settle()
        waiting.append(struct.pack(">ii", xid, op) + body)
        connection.send(waiting[-1])
        if alone or len(waiting) >= RANDOM.choice([1, 2, 4, 8, 16]):
            settle()
    settle()
    return done


def logged():
    names = glob.glob(os.path.join(DIR, "version-2", "log.*"))
    for name in sorted(names, key=lambda name: int(name.rsplit(".", 1)[1], 16)):
        with open(name, "rb") as file:
            content = file.read()
        at = 16
        while at + 12 <= len(content):
            length = struct.unpack(">i", content[at + 8 : at + 12])[0]
            if length <= 0:
                break
            yield content[at + 12 : at + 12 + length]
            at += 12 + length + 1


port, server = start()
try:
    connection, timeout, session = connect(port)
    exchanges = exchange(connection)
finally:
    server.terminate()
    server.wait()
records = list(logged())
shutil.rmtree(DIR)
with open(OUT, "wb") as file:
    file.write(struct.pack(">qii", session, timeout, len(exchanges)))
    for sent, heard in exchanges:
        file.write(text(sent) + text(heard))
    file.write(struct.pack(">i", len(records)))
    for payload in records:
        file.write(text(payload))
print(len(exchanges), "requests,", len(records), "records")
