// The cases that every client must see alike, whatever its protocol; clients have the shape of client.mjs.

import { expectEqual, expectRejects, expectTrue, within } from "./cases.mjs";

export const Code = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
};

/** The registry that cases start from. */
export const STATE = { "": "SERVING", up: "SERVING", down: "NOT_SERVING", idle: "UNKNOWN" };

const MESSAGE_MS = 5_000;
const QUIET_MS = 150;

/** Fails the case unless this is the stream's next status. */
export async function expectNext(watch, status) {
  expectEqual(
    status,
    await within(MESSAGE_MS, watch.next(), `Watch's next message, ${status}`),
    "Watch's next message",
  );
}

/** Fails the case unless the stream stays open and silent for a moment. */
export async function expectQuiet(watch) {
  expectEqual(undefined, await watch.idle(QUIET_MS), "a silent, open stream");
}

/** Fails the case unless the promise rejects with this code, and this message if one is given. */
export async function expectCode(code, promise, text) {
  const failure = await expectRejects(within(MESSAGE_MS, promise, "the error"), `error code ${code}`);
  if (failure.code === undefined) throw failure;
  expectEqual(code, failure.code, `error code (message ${JSON.stringify(failure.text)})`);
  if (text !== undefined) expectEqual(text, failure.text, "error message");
}

/** Check and List. */
export async function unaryCases(cases, label, client, subject) {
  await subject.tell({ reset: STATE });
  await cases.case(`${label}: Check of every status`, async () => {
    const got = {};
    for (const service of Object.keys(STATE)) got[service] = await client.check(service);
    expectEqual(STATE, got);
  });
  await cases.case(`${label}: Check of an unknown name is NOT_FOUND`, () =>
    expectCode(Code.NOT_FOUND, client.check("nobody"), "unknown service"),
  );
  await cases.case(`${label}: List`, async () => expectEqual(STATE, await client.list()));
}

/** Watch, while the server lives. */
export async function watchCases(cases, label, client, subject) {
  const watchCase = (name, service, body) =>
    cases.case(`${label}: Watch ${name}`, async () => {
      await subject.tell({ reset: STATE });
      const watch = client.watch(service);
      try {
        await body(watch);
      } finally {
        watch.cancel();
      }
    });

  await watchCase("tells the status at once and every change", "up", async (watch) => {
    await expectNext(watch, "SERVING");
    for (const status of ["NOT_SERVING", "UNKNOWN", "SERVING"]) {
      await subject.tell({ set: { up: status } });
      await expectNext(watch, status);
    }
  });
  await watchCase("repeats no status", "up", async (watch) => {
    await expectNext(watch, "SERVING");
    await subject.tell({ set: { up: "SERVING" } });
    await subject.tell({ set: { down: "SERVING" } });
    await expectQuiet(watch);
    await subject.tell({ set: { up: "NOT_SERVING" } });
    await expectNext(watch, "NOT_SERVING");
  });
  await watchCase("of an unknown name stays open and follows it", "later", async (watch) => {
    await expectNext(watch, "SERVICE_UNKNOWN");
    await expectQuiet(watch);
    await subject.tell({ set: { later: "SERVING" } });
    await expectNext(watch, "SERVING");
    await subject.tell({ remove: "later" });
    await expectNext(watch, "SERVICE_UNKNOWN");
    await subject.tell({ set: { later: "NOT_SERVING" } });
    await expectNext(watch, "NOT_SERVING");
  });
  await watchCase("stays open under shutdown and follows resume", "up", async (watch) => {
    await expectNext(watch, "SERVING");
    await subject.tell({ shutdown: true });
    await expectNext(watch, "NOT_SERVING");
    await expectQuiet(watch);
    await subject.tell({ resume: true });
    await expectNext(watch, "SERVING");
  });
}

/**
 * Deadlines that the server must keep: sent as a header, so that the client's own timer does not run.
 * `header` is the protocol's, `unit` what follows the number of milliseconds.
 */
export async function deadlineCases(cases, label, client, subject, { header, unit }) {
  await subject.tell({ reset: STATE });
  const timeout = (value) => ({ headers: { [header]: `${value}` } });
  const byTonic = process.env.ADAPTER === "tonic" && header === "grpc-timeout";
  await cases.case(`${label}: Check past its deadline`, () => {
    const expectOverdue = byTonic ? expectOverdueInTonic : (check) => expectCode(Code.DEADLINE_EXCEEDED, check());
    return expectOverdue(() => client.check("up", timeout(`0${unit}`)), () => client.check("up"));
  });
  await cases.case(`${label}: Check with a malformed ${header}`, () =>
    expectCode(Code.INVALID_ARGUMENT, client.check("up", timeout("soon"))),
  );
  await cases.case(`${label}: Watch ends at its deadline`, async () => {
    const watch = client.watch("up", timeout(`200${unit}`));
    await expectNext(watch, "SERVING");
    await expectCode(Code.DEADLINE_EXCEEDED, watch.next());
  });
}

/**
 * tonic's transport holds every service to grpc-timeout itself: a call whose message is not there in time is cancelled
 * before health can answer. Over HTTP/1.1 its connection ends with it, which the client may see before it sees the
 * answer; of two calls that follow, the second at the latest has another one.
 */
async function expectOverdueInTonic(check, next) {
  const failure = await expectRejects(within(MESSAGE_MS, check(), "the error"), "the end of the call");
  const expected = {
    [Code.DEADLINE_EXCEEDED]: /./,
    [Code.CANCELLED]: /^Timeout expired$/,
    [Code.INTERNAL]: /^write E|^socket hang up$|ECONNRESET/,
  };
  expectTrue(expected[failure.code]?.test(failure.text), `expected a call that ended in time, got ${failure}`);
  expectEqual("SERVING", await next().catch(next), "the next Check");
}

const expectClosed = (promise) => expectCode(Code.UNAVAILABLE, promise, "health service closed");

/**
 * close() ends every stream, and for good: the server is of no use afterwards. `clients` is a list of [label, client];
 * `expectEnd` judges how a stream ends.
 */
export async function closeCases(cases, clients, subject, expectEnd = expectClosed) {
  await subject.tell({ reset: STATE });
  const open = [];
  for (const [label, client] of clients) {
    const watch = client.watch("up");
    open.push({ label, client, watch, first: watch.next() });
  }
  await Promise.allSettled(open.map(({ first }) => within(MESSAGE_MS, first, "Watch's first message")));
  await subject.tell({ close: true });
  for (const { label, client, watch, first } of open) {
    await cases.case(`${label}: Watch ends when the service closes`, async () => {
      expectEqual("SERVING", await first, "Watch's first message");
      await expectEnd(watch.next());
    });
    await cases.case(`${label}: Watch of a closed service fails without a message`, () =>
      expectEnd(client.watch("up").next()),
    );
  }
}

/** Cancelled streams are given back: with room for two, a third is refused until one of them is cancelled. */
export async function watcherCases(cases, clients, subject) {
  await subject.tell({ reset: STATE });
  for (const [label, client] of clients) {
    await cases.case(`${label}: a cancelled Watch makes room for another`, async () => {
      const watches = [await watchWithRoom(client), await watchWithRoom(client)];
      await expectCode(Code.RESOURCE_EXHAUSTED, client.watch("up").next());
      watches[0].cancel();
      watches.push(await watchWithRoom(client));
      for (const watch of watches) watch.cancel();
    });
  }
}

// A cancellation takes a moment to arrive, also that of the case before.
async function watchWithRoom(client) {
  const until = Date.now() + MESSAGE_MS;
  for (;;) {
    const watch = client.watch("up");
    try {
      expectEqual("SERVING", await watch.next(), "Watch's first message");
      return watch;
    } catch (failure) {
      if (failure.code !== Code.RESOURCE_EXHAUSTED || Date.now() > until) throw failure;
    }
  }
}
