package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

var steps = map[string]func(){
	"session":     newSession,
	"operations":  operations,
	"ephemerals":  ephemerals,
	"sequences":   sequences,
	"containers":  containers,
	"access":      accessLists,
	"transaction": transaction,
	"watches":     watches,
	"pipeline":    pipeline,
	"lock":        lock,
	"moves":       moves,
	"leader":      leader,
	"expiry":      expiry,
}

func newSession() {
	a, b := openSession(hosts, timeout), openSession(hosts, timeout)
	check(a.SessionID() != 0 && b.SessionID() != 0, "sessions have numbers")
	check(a.SessionID() != b.SessionID(), "each has its own")
	a.make(at("mine"), "", zk.FlagEphemeral)
	b.catchUp()
	_, _, gone, err := b.ExistsW(at("mine"))
	ok(err)
	a.Close()
	one(gone, zk.EventNodeDeleted, at("mine"))
	_, _, err = a.Get(root)
	gives(zk.ErrConnectionClosed, err)
	b.Close()
}

func operations() {
	a := openSession(hosts, timeout)
	node := at("node")
	same(node, a.make(node, "data", 0), "the created path")
	there, stat, err := a.Exists(node)
	ok(err)
	check(there && stat.DataLength == 4 && stat.Version == 0 && stat.EphemeralOwner == 0, "its stat")
	a.expectData(node, "data")
	changed, err := a.Set(node, []byte("more!"), 0)
	ok(err)
	check(changed.Version == 1 && changed.DataLength == 5, "the stat of a change")
	check(changed.Czxid == stat.Czxid && changed.Mzxid > stat.Mzxid, "its zxids")
	a.expectData(node, "more!")

	_, err = a.Set(node, nil, 0)
	gives(zk.ErrBadVersion, err)
	gives(zk.ErrBadVersion, a.Delete(node, 7))
	_, err = a.Create(node, nil, 0, open)
	gives(zk.ErrNodeExists, err)
	_, err = a.Create(at("no/child"), nil, 0, open)
	gives(zk.ErrNoNode, err)
	_, _, err = a.Get(at("no"))
	gives(zk.ErrNoNode, err)
	gives(zk.ErrNoNode, a.Delete(at("no"), -1))
	there, _, err = a.Exists(at("no"))
	ok(err)
	check(!there, "a missing node is not there")

	a.make(at("node/b"), "", 0)
	a.make(at("node/a"), "", 0)
	gives(zk.ErrNotEmpty, a.Delete(node, -1))
	names, stat, err := a.Children(node)
	ok(err)
	sort.Strings(names)
	same([]string{"a", "b"}, names, "names")
	check(stat.NumChildren == 2 && stat.Cversion == 2, "the stat of a parent")
	ok(a.Delete(at("node/a"), 0))
	ok(a.Delete(at("node/b"), -1))

	large := strings.Repeat("x", 1000*1000)
	_, err = a.Set(node, []byte(large), -1)
	ok(err)
	a.expectData(node, large)
	ok(a.Delete(node, -1))
	there, _, err = a.Exists(node)
	ok(err)
	check(!there, "a deleted node is gone")
	a.Close()
}

func ephemerals() {
	owner, other := openSession(hosts, timeout), openSession(hosts, timeout)
	owner.make(at("mine"), "data", zk.FlagEphemeral)
	_, err := owner.Create(at("mine/child"), nil, 0, open)
	gives(zk.ErrNoChildrenForEphemerals, err)
	other.catchUp()
	other.expectOwner(at("mine"), owner.SessionID())
	_, _, gone, err := other.ExistsW(at("mine"))
	ok(err)
	owner.Close()
	one(gone, zk.EventNodeDeleted, at("mine"))
	other.Close()
}

func sequences() {
	a := openSession(hosts, timeout)
	for i := 0; i < 4; i++ {
		flags := int32(zk.FlagSequence)
		if i%2 == 1 {
			flags = zk.FlagEphemeralSequential
		}
		same(at("s-%010d", i), a.make(at("s-"), "", flags), "a name with its number")
	}
	a.expectOwner(at("s-%010d", 3), a.SessionID())
	protected, err := a.CreateProtectedEphemeralSequential(at("p-"), nil, open)
	ok(err)
	check(strings.HasSuffix(protected, fmt.Sprintf("-p-%010d", 4)), protected)
	a.Close()
}

func containers() {
	a := openSession(hosts, timeout)
	_, err := a.CreateContainer(at("container"), nil, zk.FlagContainer, open)
	ok(err)
	a.make(at("container/child"), "", 0)
	_, _, gone, err := a.ExistsW(at("container"))
	ok(err)
	ok(a.Delete(at("container/child"), -1))
	one(gone, zk.EventNodeDeleted, at("container"))

	_, err = a.CreateTTL(at("short"), nil, zk.FlagTTL, open, 200*time.Millisecond)
	ok(err)
	there, _, gone, err := a.ExistsW(at("short"))
	ok(err)
	if there {
		one(gone, zk.EventNodeDeleted, at("short"))
	}
	a.Close()
}

func accessLists() {
	owner, other := openSession(hosts, timeout), openSession(hosts, timeout)
	node := at("mine")
	_, err := owner.Create(node, nil, 0, zk.AuthACL(zk.PermAll))
	gives(zk.ErrInvalidACL, err)
	ok(owner.AddAuth("digest", []byte("alice:secret")))
	_, err = owner.Create(node, []byte("data"), 0, zk.AuthACL(zk.PermAll))
	ok(err)
	owner.expectData(node, "data")
	list, _, err := owner.GetACL(node)
	ok(err)
	same(zk.DigestACL(zk.PermAll, "alice", "secret"), list, "the list")

	other.catchUp()
	_, _, err = other.Get(node)
	gives(zk.ErrNoAuth, err)
	_, err = other.Set(node, nil, -1)
	gives(zk.ErrNoAuth, err)
	_, err = other.SetACL(node, open, -1)
	gives(zk.ErrNoAuth, err)
	ok(other.AddAuth("digest", []byte("alice:secret")))
	other.expectData(node, "data")

	read := zk.WorldACL(zk.PermRead)
	_, err = owner.SetACL(node, read, 3)
	gives(zk.ErrBadVersion, err)
	stat, err := owner.SetACL(node, read, 0)
	ok(err)
	same(int32(1), stat.Aversion, "the version of the list")
	_, err = owner.Set(node, nil, -1)
	gives(zk.ErrNoAuth, err)
	stranger := openSession(hosts, timeout)
	stranger.expectData(node, "data")
	gives(zk.ErrAuthFailed, stranger.AddAuth("unheard", []byte("of")))
	stranger.Close()
	other.Close()
	owner.Close()
}

func transaction() {
	a := openSession(hosts, timeout)
	a.make(at("old"), "", 0)
	results, err := a.Multi(
		&zk.CreateRequest{Path: at("a"), Data: []byte("1"), Acl: open},
		&zk.CreateRequest{Path: at("a/s-"), Acl: open, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: at("a"), Data: []byte("2"), Version: 0},
		&zk.CheckVersionRequest{Path: at("a"), Version: 1},
		&zk.DeleteRequest{Path: at("old"), Version: -1},
	)
	ok(err)
	same(5, len(results), "results")
	same(at("a"), results[0].String, "the first created path")
	same(at("a/s-%010d", 0), results[1].String, "the second created path")
	same(int32(1), results[2].Stat.Version, "the version in the transaction")
	a.expectData(at("a"), "2")
	there, _, err := a.Exists(at("old"))
	ok(err)
	check(!there, "what was deleted is gone")

	results, err = a.Multi(
		&zk.SetDataRequest{Path: at("a"), Data: []byte("never"), Version: -1},
		&zk.CreateRequest{Path: at("a"), Acl: open},
		&zk.DeleteRequest{Path: at("a/s-%010d", 0), Version: -1},
	)
	gives(zk.ErrNodeExists, err)
	same(3, len(results), "results")
	gives(zk.ErrNodeExists, results[1].Error)
	check(results[2].Error != nil, "what comes after the failure is not done")
	a.expectData(at("a"), "2")
	there, _, err = a.Exists(at("a/s-%010d", 0))
	ok(err)
	check(there, "what was to be deleted is there")
	a.Close()
}

func watches() {
	a, b := openSession(hosts, timeout), openSession(hosts, timeout)
	node, child := at("node"), at("node/child")
	there, _, watch, err := a.ExistsW(node)
	ok(err)
	check(!there, "it is made later")
	b.make(node, "", 0)
	one(watch, zk.EventNodeCreated, node)
	_, _, watch, err = a.GetW(node)
	ok(err)
	_, err = b.Set(node, []byte("1"), -1)
	ok(err)
	one(watch, zk.EventNodeDataChanged, node)
	_, err = b.Set(node, []byte("2"), -1)
	ok(err)
	_, _, watch, err = a.ChildrenW(node)
	ok(err)
	b.make(child, "", 0)
	one(watch, zk.EventNodeChildrenChanged, node)
	_, _, watch, err = a.ExistsW(child)
	ok(err)
	ok(b.Delete(child, -1))
	one(watch, zk.EventNodeDeleted, child)
	// The client drops events that nobody waits for, but not before it has noted them.
	a.catchUp()
	same(1, a.told(zk.EventNodeCreated, node), "events of the creation")
	same(1, a.told(zk.EventNodeDataChanged, node), "events of changes")
	same(1, a.told(zk.EventNodeChildrenChanged, node), "events of children")
	same(1, a.toldOf(child), "events of the child")
	b.Close()
	a.Close()
}

// pipeline has many requests in flight at once, from many goroutines.
func pipeline() {
	const count = 1000
	a := openSession(hosts, timeout)
	names := make([]string, count)
	var all sync.WaitGroup
	for i := range names {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			names[i] = a.make(at("n-"), "", zk.FlagSequence)
		}(i)
	}
	all.Wait()
	sort.Strings(names)
	for i, name := range names {
		same(at("n-%010d", i), name, "each number once")
	}
	_, stat, err := a.Exists(root)
	ok(err)
	same(int32(count), stat.NumChildren, "children")
	a.Close()
}

// lock: three contend by the client's own recipe. The first gives it up, the second's session ends.
func lock() {
	folder := at("lock")
	onlooker := openSession(hosts, timeout)
	sessions := make([]*session, 3)
	locks := make([]*zk.Lock, 3)
	held := make([]chan error, 3)
	for i := range sessions {
		sessions[i] = openSession(hosts, timeout)
		locks[i] = zk.NewLock(sessions[i].Conn, folder, open)
		held[i] = make(chan error, 1)
		go func(i int) { held[i] <- locks[i].Lock() }(i)
		await("it queues", func() bool {
			names, _, err := onlooker.Children(folder)
			return err == nil && len(names) == i+1
		})
	}
	holds(held[0])
	gives(zk.ErrDeadlock, locks[0].Lock())
	sessions[2].catchUp()
	waits(held[1])
	ok(locks[0].Unlock())
	gives(zk.ErrNotLocked, locks[0].Unlock())
	holds(held[1])
	sessions[2].catchUp()
	waits(held[2])
	sessions[1].Close()
	holds(held[2])
	ok(locks[2].Unlock())
	sessions[2].Close()
	sessions[0].Close()
	onlooker.Close()
}

func holds(held chan error) {
	select {
	case err := <-held:
		ok(err)
	case <-time.After(deadline):
		fail("the lock is not handed on")
	}
}

func waits(held chan error) {
	select {
	case err := <-held:
		fail(fmt.Sprintf("a held lock is given, or %v", err))
	default:
	}
}

func moves() {
	a := openSession(hosts, timeout)
	id := a.SessionID()
	ok(a.AddAuth("digest", []byte("alice:secret")))
	_, err := a.Create(at("secret"), []byte("s"), 0, zk.AuthACL(zk.PermAll))
	ok(err)
	a.make(at("mine"), "", zk.FlagEphemeral)
	a.make(at("changed"), "0", 0)
	a.make(at("deleted"), "", 0)
	a.make(at("parent"), "", 0)
	a.make(at("untouched"), "", 0)
	_, _, changed, err := a.GetW(at("changed"))
	ok(err)
	_, _, deleted, err := a.ExistsW(at("deleted"))
	ok(err)
	_, _, created, err := a.ExistsW(at("created"))
	ok(err)
	_, _, parent, err := a.ChildrenW(at("parent"))
	ok(err)
	_, _, untouched, err := a.GetW(at("untouched"))
	ok(err)

	ask("move 0x%x %s", uint64(id), root)
	one(changed, zk.EventNodeDataChanged, at("changed"))
	one(deleted, zk.EventNodeDeleted, at("deleted"))
	one(created, zk.EventNodeCreated, at("created"))
	one(parent, zk.EventNodeChildrenChanged, at("parent"))
	await("it is connected", func() bool { return a.State() == zk.StateHasSession })
	ask("moved 0x%x", uint64(id))

	same(id, a.SessionID(), "the session")
	check(!a.wasIn(zk.StateExpired), "it has not expired")
	a.expectOwner(at("mine"), id)
	a.expectData(at("changed"), "1")
	a.expectData(at("secret"), "s")
	for _, path := range []string{"changed", "deleted", "created", "parent"} {
		same(1, a.toldOf(at("%s", path)), "events of "+path)
	}
	same(0, a.toldOf(at("untouched")), "events of what was not touched")
	_, err = a.Set(at("untouched"), nil, -1)
	ok(err)
	one(untouched, zk.EventNodeDataChanged, at("untouched"))
	ask("return")
	a.Close()
}

func leader() {
	a := openSession(hosts, timeout)
	id := a.SessionID()
	mine := zk.NewLock(a.Conn, at("lock"), open)
	ok(mine.Lock())
	a.make(at("data"), "0", 0)
	a.make(at("mine"), "", zk.FlagEphemeral)

	ask("lose-leader")
	insist(func() error {
		_, err := a.Set(at("data"), []byte("without"), -1)
		return err
	})
	same(id, a.SessionID(), "the session without the old leader")
	insist(func() error {
		_, stat, err := a.Exists(at("mine"))
		if err == nil {
			same(id, stat.EphemeralOwner, "the owner")
		}
		return err
	})

	b := openSession(ask("return"), timeout)
	b.expectData(at("data"), "without")
	next := zk.NewLock(b.Conn, at("lock"), open)
	held := make(chan error, 1)
	go func() { held <- next.Lock() }()
	await("it queues", func() bool {
		names, _, err := b.Children(at("lock"))
		return err == nil && len(names) == 2
	})
	waits(held)
	insist(func() error {
		if err := mine.Unlock(); !errors.Is(err, zk.ErrNoNode) {
			return err
		}
		return nil // it was done by an attempt that went unanswered
	})
	holds(held)
	_, err := b.Set(at("data"), []byte("back"), -1)
	ok(err)
	a.catchUp()
	a.expectData(at("data"), "back")
	same(id, a.SessionID(), "the session")
	b.Close()
	a.Close()
}

func expiry() {
	onlooker, a := openSession(hosts, timeout), openSession(hosts, shortTimeout)
	id := a.SessionID()
	a.make(at("mine"), "", zk.FlagEphemeral)
	onlooker.catchUp()
	_, _, gone, err := onlooker.ExistsW(at("mine"))
	ok(err)
	_, _, watch, err := a.GetW(root)
	ok(err)
	ask("expire %s", at("mine"))
	await("the client is told", func() bool { return a.wasIn(zk.StateExpired) })
	one(gone, zk.EventNodeDeleted, at("mine"))
	event := <-watch
	gives(zk.ErrSessionExpired, event.Err)
	same(zk.EventNotWatching, event.Type, "the end of a watch")
	// The client opens a new session by itself.
	await("a new session", func() bool { return a.State() == zk.StateHasSession })
	check(a.SessionID() != id, "it is another one")
	insist(func() error {
		_, err := a.Create(at("mine"), nil, zk.FlagEphemeral, open)
		if errors.Is(err, zk.ErrSessionExpired) {
			return zk.ErrConnectionClosed // said of what was asked for in the old session
		}
		return err
	})
	a.expectOwner(at("mine"), a.SessionID())
	a.Close()
	onlooker.Close()
}
