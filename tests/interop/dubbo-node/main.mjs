// Dubbo's Node client against the server under test.

import { compressionGzip } from "@apachedubbo/dubbo-node";
import { Cases, expectEqual, expectRejects, expectTrue } from "../node/cases.mjs";
import { Code, STATE, closeCases, deadlineCases, expectCode, unaryCases, watchCases } from "../node/health-cases.mjs";
import { withSubject } from "../node/subject.mjs";
import { Tap, expectOnWire } from "../node/tap.mjs";
import { TRANSPORTS, clientTo } from "./transports.mjs";

const GRPC_TIMEOUT = { header: "grpc-timeout", unit: "m" };
const LONG_NAME = "compressible.".repeat(400);

const cases = new Cases("dubbo-node");
const isTriple = ({ protocol }) => protocol === "triple";

async function gzipCase(transport, subject) {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${LONG_NAME}${i}`, "NOT_SERVING"]));
  const tap = await Tap.open(subject.port);
  const gzip = { sendCompression: compressionGzip, compressMinBytes: 0, acceptCompression: [compressionGzip] };
  const client = clientTo(tap.url, transport, gzip);
  await subject.tell({ reset: many });
  await cases.case(`${transport.label}: gzip both ways`, async () => {
    expectEqual("NOT_SERVING", await client.check(`${LONG_NAME}7`));
    expectOnWire(true, tap.sent, LONG_NAME.length, "the request");
    expectEqual(many, await client.list());
    expectOnWire(true, tap.received, Object.keys(many).join("").length, "the reply");
  });
  tap.close();
}

// What this client calls a service's group and version; the server has neither.
async function serviceKeyCases(transport, subject) {
  await subject.tell({ reset: STATE });
  const keyed = (service) => clientTo(subject.url, transport, { service });
  await cases.case(`${transport.label}: version 0.0.0 counts as none`, async () =>
    expectEqual("SERVING", await keyed({ serviceVersion: "0.0.0" }).check("up")),
  );
  await cases.case(`${transport.label}: another version or group is refused`, async () => {
    await expectCode(Code.UNIMPLEMENTED, keyed({ serviceVersion: "2.0.0" }).check("up"));
    await expectCode(Code.UNIMPLEMENTED, keyed({ serviceGroup: "canary" }).check("up"));
  });
}

async function tooLongCase(transport, subject) {
  await cases.case(`${transport.label}: a request over the limit is refused`, async () => {
    const client = clientTo(subject.url, transport);
    await expectCode(Code.RESOURCE_EXHAUSTED, client.check("n".repeat(20_000)));
    expectEqual("SERVING", await client.check(""), "the next Check");
  });
}

await withSubject([], async (subject) => {
  for (const transport of TRANSPORTS) {
    const client = clientTo(subject.url, transport);
    await unaryCases(cases, transport.label, client, subject);
    await watchCases(cases, transport.label, client, subject);
    await tooLongCase(transport, subject);
    await gzipCase(transport, subject);
    if (isTriple(transport)) await serviceKeyCases(transport, subject);
    else await deadlineCases(cases, transport.label, client, subject, GRPC_TIMEOUT);
  }
});
// At the end of a Triple stream this client looks for an error form of its own, and takes any other for a broken frame.
async function expectError(promise) {
  const failure = await expectRejects(promise, "the end of the stream");
  expectTrue(failure.code > 0, `the end of the stream: expected an error, got ${failure}`);
}

function clientsTo(url, transports) {
  return transports.map((transport) => [transport.label, clientTo(url, transport)]);
}

await withSubject([], (subject) =>
  closeCases(
    cases,
    clientsTo(
      subject.url,
      TRANSPORTS.filter((transport) => !isTriple(transport)),
    ),
    subject,
  ),
);
await withSubject([], (subject) =>
  closeCases(cases, clientsTo(subject.url, TRANSPORTS.filter(isTriple)), subject, expectError),
);
cases.exit();
