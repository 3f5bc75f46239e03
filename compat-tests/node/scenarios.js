'use strict';

// Runs steps of node-zookeeper-client against a server or an ensemble: scenarios.js host:port,... step...
//
// Prints "ok step" after each step that passes; the first that fails raises, and the exit code is 1. Steps ask the test
// to do something to the servers or to this process by a line of its own, and go on after a line that starts with
// "done". Everything that waits has a deadline. The client has no lock, so the one here is ours, by the published recipe.

const assert = require('assert');
const { ACL, CreateMode, Event, Exception, Id, Permission, State } = require('node-zookeeper-client');
const {
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
} = require('./world');

const open = () => Session.open(world.hosts, TIMEOUT_MS);
const numbered = (prefix, number) => prefix + String(number).padStart(10, '0');

const steps = {
  async session() {
    const [a, b] = [await open(), await open()];
    assert(a.id() !== 0n && a.id() !== b.id(), 'each session has its own number');
    assert.strictEqual(a.client.getSessionTimeout(), TIMEOUT_MS);
    await a.create(at('mine'), '', CreateMode.EPHEMERAL);
    await b.catchUp();
    const gone = watch();
    await b.call('exists', at('mine'), gone.watcher);
    const old = { sessionId: a.client.getSessionId(), sessionPassword: a.client.getSessionPassword() };
    await a.close();
    await expectEvent(gone, Event.NODE_DELETED, at('mine'));
    const late = new Session(world.hosts, TIMEOUT_MS, old);
    late.client.connect();
    await eventually('a closed session cannot be taken up', () => late.wasIn(State.EXPIRED));
    await b.close();
  },

  async operations() {
    const a = await open();
    const node = at('node');
    assert.strictEqual(await a.create(node, 'data'), node);
    const stat = await a.stat(node);
    assert.deepStrictEqual([stat.dataLength, stat.version, await a.owner(node)], [4, 0, 0n]);
    assert.strictEqual(await a.data(node), 'data');
    const changed = await a.setData(node, 'more!', 0);
    assert.deepStrictEqual([changed.version, changed.dataLength], [1, 5]);
    assert.deepStrictEqual(changed.czxid, stat.czxid);
    assert(changed.mzxid.readBigInt64BE() > stat.mzxid.readBigInt64BE(), 'a change has a zxid of its own');
    assert.strictEqual(await a.data(node), 'more!');

    await fails('BAD_VERSION', () => a.setData(node, '', 0));
    await fails('BAD_VERSION', () => a.call('remove', node, 7));
    await fails('NODE_EXISTS', () => a.create(node));
    await fails('NO_NODE', () => a.create(at('no/child')));
    await fails('NO_NODE', () => a.data(at('no')));
    await fails('NO_NODE', () => a.call('remove', at('no')));
    assert.strictEqual(await a.stat(at('no')), null);

    await a.call('mkdirp', at('node/b'));
    await a.create(at('node/a'));
    await fails('NOT_EMPTY', () => a.call('remove', node));
    const [names, parent] = await a.call('getChildren', node);
    assert.deepStrictEqual(names.sort(), ['a', 'b']);
    assert.deepStrictEqual([parent.numChildren, parent.cversion], [2, 2]);
    await a.call('remove', at('node/a'), 0);

    const large = 'x'.repeat(1000 * 1000);
    await a.setData(node, large);
    assert.strictEqual(await a.data(node), large);
    await a.call('removeRecursive', node);
    assert.strictEqual(await a.stat(node), null);
    await a.close();
  },

  async ephemerals() {
    const [owner, other] = [await open(), await open()];
    await owner.create(at('mine'), 'data', CreateMode.EPHEMERAL);
    await fails('NO_CHILDREN_FOR_EPHEMERALS', () => owner.create(at('mine/child')));
    await other.catchUp();
    assert.strictEqual(await other.owner(at('mine')), owner.id());
    const gone = watch();
    await other.call('exists', at('mine'), gone.watcher);
    await owner.close();
    await expectEvent(gone, Event.NODE_DELETED, at('mine'));
    await other.close();
  },

  async sequences() {
    const a = await open();
    for (let i = 0; i < 4; i += 1) {
      const mode = i % 2 ? CreateMode.EPHEMERAL_SEQUENTIAL : CreateMode.PERSISTENT_SEQUENTIAL;
      assert.strictEqual(await a.create(at('s-'), '', mode), at(numbered('s-', i)));
    }
    assert.strictEqual(await a.owner(at(numbered('s-', 3))), a.id());
    await a.close();
  },

  async access() {
    const [owner, other] = [await open(), await open()];
    const node = at('mine');
    const creator = () => owner.create(node, 'data', CreateMode.PERSISTENT, ACL.CREATOR_ALL_ACL);
    await fails('INVALID_ACL', creator);
    owner.client.addAuthInfo('digest', Buffer.from('alice:secret'));
    await creator();
    assert.strictEqual(await owner.data(node), 'data');
    const [list] = await owner.call('getACL', node);
    const alice = new Id('digest', 'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=');
    assert.deepStrictEqual(list, [new ACL(Permission.ALL, alice)]);

    await other.catchUp();
    await fails('NO_AUTH', () => other.data(node));
    await fails('NO_AUTH', () => other.setData(node, ''));
    await fails('NO_AUTH', () => other.call('setACL', node, ACL.OPEN_ACL_UNSAFE));
    other.client.addAuthInfo('digest', Buffer.from('alice:secret'));
    assert.strictEqual(await other.data(node), 'data');

    await fails('BAD_VERSION', () => owner.call('setACL', node, ACL.READ_ACL_UNSAFE, 3));
    const [stat] = await owner.call('setACL', node, ACL.READ_ACL_UNSAFE, 0);
    assert.strictEqual(stat.aversion, 1);
    await fails('NO_AUTH', () => owner.setData(node, ''));
    const stranger = await open();
    assert.strictEqual(await stranger.data(node), 'data');
    stranger.client.addAuthInfo('unheard', Buffer.from('of'));
    await eventually('the identity is refused', () => stranger.wasIn(State.AUTH_FAILED));
    await other.close();
    await owner.close();
  },

  async transaction() {
    const a = await open();
    await a.create(at('old'));
    const commit = (work) =>
      new Promise((resolve) => work.commit((error, results) => resolve([error, results])));
    const done = a.client
      .transaction()
      .create(at('a'), Buffer.from('1'))
      .create(at('a/s-'), CreateMode.PERSISTENT_SEQUENTIAL)
      .setData(at('a'), Buffer.from('2'), 0)
      .check(at('a'), 1)
      .remove(at('old'));
    let [error, results] = await commit(done);
    assert(!error, `${error}`);
    assert.deepStrictEqual([results[0].path, results[1].path], [at('a'), at(numbered('a/s-', 0))]);
    assert.strictEqual(results[2].stat.version, 1);
    assert.strictEqual(await a.data(at('a')), '2');
    assert.strictEqual(await a.stat(at('old')), null);

    const failed = a.client
      .transaction()
      .setData(at('a'), Buffer.from('never'))
      .create(at('a'))
      .remove(at(numbered('a/s-', 0)));
    [error, results] = await commit(failed);
    assert.strictEqual(error.getCode(), Exception.NODE_EXISTS);
    const expected = [Exception.OK, Exception.NODE_EXISTS, Exception.RUNTIME_INCONSISTENCY];
    assert.deepStrictEqual(results.map((result) => result.err), expected);
    assert.strictEqual(await a.data(at('a')), '2');
    assert(await a.stat(at(numbered('a/s-', 0))), 'what was to be removed is there');
    await a.close();
  },

  async watches() {
    const [a, b] = [await open(), await open()];
    const [node, child] = [at('node'), at('node/child')];
    const [created, changed, children, deleted] = [watch(), watch(), watch(), watch()];
    assert.strictEqual((await a.call('exists', node, created.watcher))[0], null);
    await b.create(node);
    await expectEvent(created, Event.NODE_CREATED, node);
    await a.call('getData', node, changed.watcher);
    await b.setData(node, '1');
    await expectEvent(changed, Event.NODE_DATA_CHANGED, node);
    await b.setData(node, '2');
    await a.call('getChildren', node, children.watcher);
    await b.create(child);
    await expectEvent(children, Event.NODE_CHILDREN_CHANGED, node);
    await a.call('exists', child, deleted.watcher);
    await b.call('remove', child);
    await expectEvent(deleted, Event.NODE_DELETED, child);
    await a.catchUp();
    assert.strictEqual(a.told(node, Event.NODE_CREATED), 1);
    assert.strictEqual(a.told(node, Event.NODE_DATA_CHANGED), 1);
    assert.strictEqual(a.told(node, Event.NODE_CHILDREN_CHANGED), 1);
    assert.strictEqual(a.told(child), 1);
    await b.close();
    await a.close();
  },

  async pipeline() {
    const count = 1000;
    const a = await open();
    const creates = Array.from({ length: count }, () => a.create(at('n-'), '', CreateMode.PERSISTENT_SEQUENTIAL));
    const stat = a.stat(world.root);
    const names = await Promise.all(creates);
    assert.deepStrictEqual(names, names.map((_, i) => at(numbered('n-', i))));
    assert.strictEqual((await stat).numChildren, count);
    await a.close();
  },

  // The first of three gives the lock up, the second's session ends.
  async lock() {
    const onlooker = await open();
    await onlooker.create(at('lock'));
    const all = [];
    for (let i = 0; i < 3; i += 1) all.push(await Contender.queue(at('lock')));
    const [first, second, third] = all;
    await eventually('the first gets the lock', () => first.holds);
    await third.session.catchUp();
    assert(!second.holds && !third.holds, 'nobody else has it');
    await first.session.call('remove', first.place);
    await eventually('the second gets the lock', () => second.holds);
    await third.session.catchUp();
    assert(!third.holds, 'the third has to wait');
    await second.session.close();
    await eventually('the third gets the lock', () => third.holds);
    await Promise.all(all.map((contender) => contender.waiting));
    await third.session.close();
    await first.session.close();
    await onlooker.close();
  },

  async moves() {
    const a = await open();
    const id = a.id();
    a.client.addAuthInfo('digest', Buffer.from('alice:secret'));
    await a.create(at('secret'), 's', CreateMode.PERSISTENT, ACL.CREATOR_ALL_ACL);
    await a.create(at('mine'), '', CreateMode.EPHEMERAL);
    await a.create(at('changed'), '0');
    for (const name of ['deleted', 'parent', 'untouched']) await a.create(at(name));
    const [changed, deleted, created, parent, untouched] = [watch(), watch(), watch(), watch(), watch()];
    await a.call('getData', at('changed'), changed.watcher);
    await a.call('exists', at('deleted'), deleted.watcher);
    await a.call('exists', at('created'), created.watcher);
    await a.call('getChildren', at('parent'), parent.watcher);
    await a.call('getData', at('untouched'), untouched.watcher);

    await ask(`move 0x${id.toString(16)} ${world.root}`);
    await expectEvent(changed, Event.NODE_DATA_CHANGED, at('changed'));
    await expectEvent(deleted, Event.NODE_DELETED, at('deleted'));
    await expectEvent(created, Event.NODE_CREATED, at('created'));
    await expectEvent(parent, Event.NODE_CHILDREN_CHANGED, at('parent'));
    await eventually('it is connected', () => a.isConnected());
    await ask(`moved 0x${id.toString(16)}`);

    assert.strictEqual(a.id(), id);
    assert(!a.wasIn(State.EXPIRED), 'it has not expired');
    assert.strictEqual(await a.owner(at('mine')), id);
    assert.strictEqual(await a.data(at('changed')), '1');
    assert.strictEqual(await a.data(at('secret')), 's');
    for (const name of ['changed', 'deleted', 'created', 'parent']) assert.strictEqual(a.told(at(name)), 1, name);
    assert.strictEqual(a.told(at('untouched')), 0);
    await a.setData(at('untouched'), '1');
    await expectEvent(untouched, Event.NODE_DATA_CHANGED, at('untouched'));
    await ask('return');
    await a.close();
  },

  async leader() {
    const maker = await open();
    await maker.create(at('lock'));
    await maker.create(at('data'), '0');
    await maker.close();
    const holder = await Contender.queue(at('lock'));
    const a = holder.session;
    await eventually('a free lock is given', () => holder.holds);
    const id = a.id();

    await ask('lose-leader');
    await insist(() => a.setData(at('data'), 'without'));
    assert.strictEqual(a.id(), id);
    assert.deepStrictEqual(await insist(() => a.owner(holder.place)), [id]);

    const returned = await ask('return');
    const next = await Contender.queue(at('lock'), returned);
    assert.strictEqual(await next.session.data(at('data')), 'without');
    await next.session.catchUp();
    assert(!next.holds, 'a held lock is not given');
    await insist(() => a.call('remove', holder.place));
    await eventually('the lock is handed on', () => next.holds);
    await next.session.setData(at('data'), 'back');
    await a.catchUp();
    assert.strictEqual(await a.data(at('data')), 'back');
    assert.strictEqual(a.id(), id);
    await next.session.close();
    await a.close();
  },

  async expiry() {
    const onlooker = await open();
    const a = await Session.open(world.hosts, SHORT_TIMEOUT_MS);
    assert.strictEqual(a.client.getSessionTimeout(), SHORT_TIMEOUT_MS);
    const id = a.id();
    await a.create(at('mine'), '', CreateMode.EPHEMERAL);
    await onlooker.catchUp();
    const gone = watch();
    await onlooker.call('exists', at('mine'), gone.watcher);
    let late;
    a.client.once('expired', () => {
      late = fails('SESSION_EXPIRED', () => a.stat(world.root));
    });
    await ask(`expire ${at('mine')}`);
    await eventually('the client is told', () => late !== undefined);
    await late;
    await expectEvent(gone, Event.NODE_DELETED, at('mine'));
    const next = await Session.open(world.hosts, SHORT_TIMEOUT_MS);
    assert.notStrictEqual(next.id(), id);
    await next.create(at('mine'), '', CreateMode.EPHEMERAL);
    assert.strictEqual(await next.owner(at('mine')), next.id());
    await next.close();
    await onlooker.close();
  },
};

// One who wants the lock: its place in the queue is a node of its session.
class Contender {
  static async queue(folder, servers = world.hosts) {
    const contender = new Contender();
    contender.holds = false;
    contender.session = await Session.open(servers, TIMEOUT_MS);
    contender.place = await contender.session.create(`${folder}/lock-`, '', CreateMode.EPHEMERAL_SEQUENTIAL);
    contender.waiting = contender.wait(folder);
    return contender;
  }

  // Waits for the one before it to go, until nobody is before it.
  async wait(folder) {
    for (;;) {
      const [names] = await this.session.call('getChildren', folder);
      const before = names.map((name) => `${folder}/${name}`).filter((place) => place < this.place);
      if (before.length === 0) break;
      const gone = watch();
      const previous = before.sort().pop();
      const [stat] = await this.session.call('exists', previous, gone.watcher);
      if (stat) await expectEvent(gone, Event.NODE_DELETED, previous);
    }
    this.holds = true;
  }
}

async function main() {
  const [hosts, ...names] = process.argv.slice(2);
  world.hosts = hosts;
  for (const name of names) {
    const maker = await open();
    world.root = await maker.create(`/node-${name}-`, '', CreateMode.PERSISTENT_SEQUENTIAL);
    await maker.close();
    await steps[name]();
    console.log(`ok ${name}`);
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
