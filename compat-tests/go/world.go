// Runs steps of the Go client against a server or an ensemble: scenarios host:port,... step...
//
// Prints "ok step" after each step that passes; the first that fails says why on standard error, and the exit code
// is 1. Steps ask the test to do something to the servers or to this process by a line of its own, and go on after a
// line that starts with "done". Everything that waits has a deadline.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	deadline     = 60 * time.Second
	timeout      = 40 * time.Second
	shortTimeout = 4 * time.Second
)

var (
	hosts   string
	root    string
	answers = bufio.NewScanner(os.Stdin)
	open    = zk.WorldACL(zk.PermAll)
)

// session is a client of its own, with all that was ever told to it.
type session struct {
	*zk.Conn
	lock   sync.Mutex
	states []zk.State
	events []zk.Event
}

type quiet struct{}

func (quiet) Printf(string, ...interface{}) {}

// openSession waits until there is a session that knows what was written before.
func openSession(servers string, within time.Duration) *session {
	s := &session{}
	conn, _, err := zk.Connect(strings.Split(servers, ","), within, zk.WithEventCallback(s.note), zk.WithLogger(quiet{}))
	ok(err)
	s.Conn = conn
	await("a client connects", func() bool { return s.State() == zk.StateHasSession })
	s.catchUp()
	return s
}

func (s *session) note(event zk.Event) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if event.Type == zk.EventSession {
		s.states = append(s.states, event.State)
	} else {
		s.events = append(s.events, event)
	}
}

// told counts how often the server sent this event.
func (s *session) told(kind zk.EventType, path string) (count int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, event := range s.events {
		if event.Type == kind && event.Path == path {
			count++
		}
	}
	return count
}

func (s *session) toldOf(path string) (count int) {
	for kind := zk.EventNodeCreated; kind <= zk.EventNodeChildrenChanged; kind++ {
		count += s.told(kind, path)
	}
	return count
}

func (s *session) wasIn(state zk.State) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, past := range s.states {
		if past == state {
			return true
		}
	}
	return false
}

// catchUp makes the session's server know what was written before, anywhere.
func (s *session) catchUp() {
	_, err := s.Sync("/")
	ok(err)
}

func (s *session) make(path, data string, flags int32) string {
	made, err := s.Create(path, []byte(data), flags, open)
	ok(err)
	return made
}

func (s *session) expectData(path, data string) {
	found, _, err := s.Get(path)
	ok(err)
	same(data, string(found), "data of "+path)
}

func (s *session) expectOwner(path string, owner int64) {
	found, stat, err := s.Exists(path)
	ok(err)
	check(found, path+" is there")
	same(owner, stat.EphemeralOwner, "the owner of "+path)
}

// one is what comes out of a one-shot watch: this event, and nothing after it.
func one(watch <-chan zk.Event, kind zk.EventType, path string) {
	select {
	case event := <-watch:
		ok(event.Err)
		same(kind, event.Type, "the kind of event of "+path)
		same(path, event.Path, "the path of the event")
	case <-time.After(deadline):
		fail("no event of " + path)
	}
	if _, more := <-watch; more {
		fail("a second event of " + path)
	}
}

func at(format string, arguments ...interface{}) string {
	return root + "/" + fmt.Sprintf(format, arguments...)
}

func await(what string, condition func() bool) {
	until := time.Now().Add(deadline)
	for !condition() {
		if time.Now().After(until) {
			fail("not in time: " + what)
		}
		pace()
	}
}

// pace spaces out what is tried over and over.
func pace() { time.Sleep(10 * time.Millisecond) }

// insist repeats an action for as long as the connection is lost.
func insist(action func() error) {
	var err error
	await("a connection", func() bool {
		err = action()
		return !errors.Is(err, zk.ErrConnectionClosed) && !errors.Is(err, zk.ErrNoServer)
	})
	ok(err)
}

// ask says a line to the test and gives its answer.
func ask(format string, arguments ...interface{}) string {
	fmt.Printf(format+"\n", arguments...)
	check(answers.Scan(), "the test answers")
	check(strings.HasPrefix(answers.Text(), "done"), "the test has done it")
	return strings.TrimPrefix(answers.Text()[len("done"):], " ")
}

func ok(err error) { gives(nil, err) }

func gives(expected, err error) {
	if !errors.Is(err, expected) {
		fail(fmt.Sprintf("expected the error %v, found %v", expected, err))
	}
}

func same(expected, found interface{}, what string) {
	if !reflect.DeepEqual(expected, found) {
		fail(fmt.Sprintf("%s: expected %v, found %v", what, expected, found))
	}
}

func check(condition bool, what string) {
	if !condition {
		fail("does not hold: " + what)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	for skip := 1; ; skip++ {
		_, file, line, there := runtime.Caller(skip)
		if !there {
			break
		}
		fmt.Fprintf(os.Stderr, "  %s:%d\n", file, line)
	}
	os.Exit(1)
}

func main() {
	hosts = os.Args[1]
	for _, name := range os.Args[2:] {
		step, known := steps[name]
		check(known, "there is a step "+name)
		maker := openSession(hosts, timeout)
		root = maker.make("/go-"+name+"-", "", zk.FlagSequence)
		maker.Close()
		step()
		fmt.Println("ok", name)
	}
}
