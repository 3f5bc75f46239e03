'use strict';

// What the steps in scenarios.js stand on: sessions, waiting with a deadline, and a word with the test that started
// this program.

const assert = require('assert');
const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const DEADLINE_MS = 60 * 1000;
const TIMEOUT_MS = 40 * 1000;
const SHORT_TIMEOUT_MS = 4 * 1000;
// Whoever writes here is not behind any more.
const CLOCK = '/node-clock';

const world = { hosts: '', root: '' };

function at(below) {
  return `${world.root}/${below}`;
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Waits until the condition, which may be a promise, gives something.
async function eventually(what, condition) {
  const until = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert(Date.now() < until, `not in time: ${what}`);
    await delay(5);
  }
}

async function inTime(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// A client with promises, and all that it was ever told.
class Session {
  constructor(servers, timeout, options = {}) {
    this.client = zookeeper.createClient(servers, {
      sessionTimeout: timeout,
      spinDelay: 50,
      ...options,
    });
    this.states = [];
    this.client.on('state', (state) => this.states.push(state));
    // The client drops events that nobody waits for; here they are counted before.
    this.events = [];
    const watchers = this.client.connectionManager.watcherManager;
    const emit = watchers.emit.bind(watchers);
    watchers.emit = (event) => {
      this.events.push({ type: event.type, path: event.path });
      emit(event);
    };
  }

  // Waits until there is a session that knows what was written before.
  static async open(servers, timeout) {
    const session = new Session(servers, timeout);
    session.client.connect();
    await eventually('a client connects', () => session.isConnected());
    await session.catchUp();
    return session;
  }

  isConnected() {
    return this.client.getState() === zookeeper.State.SYNC_CONNECTED;
  }

  wasIn(state) {
    return this.states.includes(state);
  }

  id() {
    return this.client.getSessionId().readBigUInt64BE();
  }

  // The results of a call behind its error, which is thrown.
  call(method, ...args) {
    const answer = new Promise((resolve, reject) => {
      this.client[method](...args, (error, ...results) => (error ? reject(error) : resolve(results)));
    });
    return inTime(`an answer to ${method} ${args[0]}`, answer);
  }

  // The client has no sync, but a write is only answered by a server that has all that was written before it.
  async catchUp() {
    try {
      await this.call('create', CLOCK, Buffer.alloc(0));
    } catch (error) {
      if (error.getCode() !== zookeeper.Exception.NODE_EXISTS) throw error;
    }
    await this.call('setData', CLOCK, Buffer.alloc(0));
  }

  async create(path, data = '', mode = zookeeper.CreateMode.PERSISTENT, acl = zookeeper.ACL.OPEN_ACL_UNSAFE) {
    return (await this.call('create', path, Buffer.from(data), acl, mode))[0];
  }

  async stat(path) {
    return (await this.call('exists', path))[0];
  }

  async data(path) {
    return (await this.call('getData', path))[0].toString();
  }

  async owner(path) {
    const stat = await this.stat(path);
    assert(stat, `${path} is there`);
    return stat.ephemeralOwner.readBigUInt64BE();
  }

  async setData(path, data, version = -1) {
    return (await this.call('setData', path, Buffer.from(data), version))[0];
  }

  // How often the server sent an event of this path, of one kind or of any.
  told(path, type) {
    const fits = (event) => event.path === path && (type === undefined || event.type === type);
    return this.events.filter(fits).length;
  }

  async close() {
    this.client.close();
    await eventually('a client closes', () => this.client.getState() === zookeeper.State.DISCONNECTED);
  }
}

// A function to watch with, and the event that it gets.
function watch() {
  let watcher;
  const event = new Promise((resolve) => {
    watcher = resolve;
  });
  return { watcher, event };
}

async function expectEvent(watching, type, path) {
  const event = await inTime(`an event of ${path}`, watching.event);
  assert.deepStrictEqual([event.getType(), event.getPath()], [type, path]);
}

async function fails(name, action) {
  await assert.rejects(action, (error) => {
    assert.strictEqual(error.getCode && error.getCode(), zookeeper.Exception[name], `${name}, not ${error}`);
    return true;
  });
}

// Repeats an action for as long as the connection is lost.
function insist(action) {
  return eventually('a connection', async () => {
    try {
      return [await action()];
    } catch (error) {
      if (error.getCode && error.getCode() === zookeeper.Exception.CONNECTION_LOSS) return null;
      throw error;
    }
  });
}

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Says a line to the test and gives its answer.
async function ask(line) {
  console.log(line);
  const answer = (await answers.next()).value;
  assert(answer && answer.startsWith('done'), `the test has done it, not ${answer}`);
  return answer.slice('done '.length);
}

module.exports = {
  SHORT_TIMEOUT_MS,
  Session,
  TIMEOUT_MS,
  ask,
  at,
  eventually,
  expectEvent,
  fails,
  insist,
  watch,
  world,
};
