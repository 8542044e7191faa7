// What the browser's own rules for requests across origins make of the server's answers.

import { expectEqual, expectRejects, expectTrue } from "../node/cases.mjs";
import { STATE } from "../node/health-cases.mjs";
import { expectOnWire } from "../node/tap.mjs";
import { LIBRARIES, clientIn } from "./browser.mjs";

const [CONNECT_PROTO, CONNECT_JSON] = LIBRARIES;
const GET = { library: "connect", options: { useBinaryFormat: false, useHttpGet: true } };
const MANY = Object.fromEntries(
  Array.from({ length: 90 }, (_, i) => [`${"package.".repeat(10)}Service${i}`, "SERVING"]),
);

/** Fails the case unless the browser itself stopped the call, having sent only these requests. */
async function expectRefused(tap, call, methods) {
  tap.reset();
  const failure = await expectRejects(call(), "a refusal by the browser");
  expectTrue(failure.code !== undefined, `expected a refusal by the browser, got ${failure}`);
  expectEqual(methods, tap.methods, "requests on the wire");
}

/** For a page that was just opened, whose origin the server allows, and the header x-team with it. */
export async function allowedCases(cases, page, subject, tap) {
  await subject.tell({ reset: STATE });
  const client = clientIn(page, tap.url, CONNECT_JSON);

  await cases.case("a preflight goes before the first POST, and is remembered", async () => {
    tap.reset();
    expectEqual("SERVING", await client.check("up"));
    expectEqual(["OPTIONS", "POST"], tap.methods, "requests for the first Check");
    tap.reset();
    expectEqual("NOT_SERVING", await client.check("down"));
    expectEqual(["POST"], tap.methods, "requests for the second Check");
  });
  await cases.case("a Connect GET needs no preflight", async () => {
    tap.reset();
    expectEqual("SERVING", await clientIn(page, tap.url, GET).check("up"));
    expectEqual(["GET"], tap.methods);
  });
  await cases.case("a configured request header passes", async () =>
    expectEqual("SERVING", await client.check("up", { headers: { "x-team": "blue" } })),
  );
  await cases.case("another request header does not", () =>
    expectRefused(tap, () => client.check("up", { headers: { "x-other": "blue" } }), ["OPTIONS"]),
  );
  await cases.case("the page can read refusals too", async () => {
    const statusOf = (path, init) =>
      page.evaluate(async ([...request]) => (await fetch(...request)).status, [`${tap.url}${path}`, init]);
    expectEqual(404, await statusOf("/nowhere"), "an unknown path");
    expectEqual(405, await statusOf("/grpc.health.v1.Health/Watch"), "GET of Watch");
    const text = { method: "POST", body: "up", headers: { "content-type": "text/plain" } };
    expectEqual(415, await statusOf("/grpc.health.v1.Health/Check", text), "a POST of text");
  });
  await cases.case("a List of many services comes compressed", async () => {
    await subject.tell({ reset: MANY });
    tap.reset();
    expectEqual(MANY, await client.list());
    expectOnWire(true, tap.received, Object.keys(MANY).join("").length, "the reply");
  });
}

/** For a page whose origin the server does not allow: nothing but the preflight arrives. */
export async function refusedCases(cases, page, tap, why) {
  for (const library of LIBRARIES) {
    await cases.case(`${library.label}: ${why} is refused`, () =>
      expectRefused(tap, () => clientIn(page, tap.url, library).check(""), ["OPTIONS"]),
    );
  }
  await cases.case(`connect-web GET: ${why} cannot read the answer`, () =>
    expectRefused(tap, () => clientIn(page, tap.url, GET).check(""), ["GET"]),
  );
}

/** For a page of any origin where the server allows every one. */
export async function anyOriginCase(cases, page, tap) {
  await cases.case("with any origin allowed, another origin passes", async () =>
    expectEqual("SERVING", await clientIn(page, tap.url, CONNECT_PROTO).check("")),
  );
}
