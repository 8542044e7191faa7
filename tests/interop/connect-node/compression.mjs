// gzip in both directions, counted in bytes on the wire.

import { compressionGzip } from "@connectrpc/connect-node";
import { expectEqual } from "../node/cases.mjs";
import { STATE, expectNext } from "../node/health-cases.mjs";
import { Tap, expectOnWire } from "../node/tap.mjs";
import { clientTo } from "./transports.mjs";

const LONG_NAME = "compressible.".repeat(400);
// Under the default limit of 100 entries of List, and far over the size from which a reply is compressed.
const MANY = Object.fromEntries(
  Array.from({ length: 90 }, (_, i) => [`${"package.".repeat(10)}Service${i}`, "SERVING"]),
);
const MANY_BYTES = Object.keys(MANY).join("").length;

export async function compressionCases(cases, transport, subject) {
  const { label } = transport;
  const tap = await Tap.open(subject.port);
  const gzip = { sendCompression: compressionGzip, compressMinBytes: 0, acceptCompression: [compressionGzip] };
  const packed = clientTo(tap.url, transport, gzip);
  const plain = clientTo(tap.url, transport, { acceptCompression: [] });

  for (const [client, compressed] of [
    [plain, false],
    [packed, true],
  ]) {
    const how = compressed ? "a gzip" : "a plain";
    await subject.tell({ reset: { ...STATE, [LONG_NAME]: "NOT_SERVING" } });
    await cases.case(`${label}: ${how} Check`, async () => {
      tap.reset();
      expectEqual("NOT_SERVING", await client.check(LONG_NAME));
      expectOnWire(compressed, tap.sent, LONG_NAME.length, "the request");
    });
    await cases.case(`${label}: ${how} Watch request`, async () => {
      tap.reset();
      const watch = client.watch(LONG_NAME);
      await expectNext(watch, "NOT_SERVING");
      await subject.tell({ set: { [LONG_NAME]: "SERVING" } });
      await expectNext(watch, "SERVING");
      watch.cancel();
      expectOnWire(compressed, tap.sent, LONG_NAME.length, "the request");
    });
    await subject.tell({ reset: MANY });
    await cases.case(`${label}: ${how} List of many services`, async () => {
      tap.reset();
      expectEqual(MANY, await client.list());
      expectOnWire(compressed, tap.received, MANY_BYTES, "the reply");
    });
  }
  await cases.case(`${label}: Watch replies stay plain where gzip is offered`, () => plainWatch(transport, subject));
  tap.close();
}

// gRPC C-core's health checker offers gzip on Watch and cannot read it.
async function plainWatch(transport, subject) {
  await subject.tell({ reset: STATE });
  let header;
  const keepHeader = (next) => async (request) => {
    const response = await next(request);
    header = response.header;
    return response;
  };
  const client = clientTo(subject.url, transport, { acceptCompression: [compressionGzip], interceptors: [keepHeader] });
  const watch = client.watch("up");
  await expectNext(watch, "SERVING");
  watch.cancel();
  for (const name of ["grpc-encoding", "connect-content-encoding", "content-encoding"]) {
    expectEqual(null, header.get(name), name);
  }
}
