// Connect GET: Check and List as plain, cacheable-looking questions in the URL.

import { compressionGzip } from "@connectrpc/connect-node";
import { expectEqual } from "../node/cases.mjs";
import { Code, STATE, expectCode, unaryCases } from "../node/health-cases.mjs";
import { Tap } from "../node/tap.mjs";
import { TRANSPORTS, clientTo } from "./transports.mjs";

const LONG_NAME = "compressible.".repeat(100);

export async function getCases(cases, subject) {
  const tap = await Tap.open(subject.port);
  for (const transport of TRANSPORTS.filter(({ protocol }) => protocol === "connect")) {
    await getCasesOver(cases, transport, subject, tap);
  }
  tap.close();
}

async function getCasesOver(cases, transport, subject, tap) {
  const label = `${transport.label} GET`;
  const get = clientTo(tap.url, transport, { useHttpGet: true });
  const post = clientTo(tap.url, transport);
  const gzip = { useHttpGet: true, sendCompression: compressionGzip, compressMinBytes: 0 };

  tap.reset();
  await unaryCases(cases, label, get, subject);
  await cases.case(`${label}: these were GET requests, and without the option they are POST`, async () => {
    expectEqual(["GET"], [...new Set(tap.methods)], "methods with the option");
    tap.reset();
    await post.check("up");
    expectEqual(["POST"], tap.methods, "methods without the option");
  });
  await cases.case(`${label}: a gzip message in the URL`, async () => {
    await subject.tell({ reset: { ...STATE, [LONG_NAME]: "NOT_SERVING" } });
    tap.reset();
    expectEqual("NOT_SERVING", await clientTo(tap.url, transport, gzip).check(LONG_NAME));
    expectEqual(["GET"], tap.methods, "methods");
  });
  await cases.case(`${label}: past its deadline`, () =>
    expectCode(Code.DEADLINE_EXCEEDED, get.check("up", { headers: { "connect-timeout-ms": "0" } })),
  );
}
