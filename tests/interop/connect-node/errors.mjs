// What the server must refuse, as this client reads it.

import { createClient } from "@connectrpc/connect";
import { compressionBrotli } from "@connectrpc/connect-node";
import { expectEqual } from "../node/cases.mjs";
import { Code, STATE, expectCode, expectNext } from "../node/health-cases.mjs";
import { Health } from "./gen/grpc/health/v1/health_pb.js";
import { NAMING, clientTo, transportTo } from "./transports.mjs";

// Over the default limit of 16 KiB for a request.
const TOO_LONG = "n".repeat(20_000);

export async function errorCases(cases, transport, subject) {
  const { label } = transport;
  const client = clientTo(subject.url, transport);
  await subject.tell({ reset: STATE });

  await cases.case(`${label}: a request over the limit is refused`, async () => {
    await expectCode(Code.RESOURCE_EXHAUSTED, client.check(TOO_LONG));
    await expectCode(Code.RESOURCE_EXHAUSTED, client.watch(TOO_LONG).next());
    expectEqual("SERVING", await client.check("up"), "the next Check");
  });
  await cases.case(`${label}: an unknown compression is refused`, async () => {
    const brotli = clientTo(subject.url, transport, { sendCompression: compressionBrotli, compressMinBytes: 0 });
    await expectCode(Code.UNIMPLEMENTED, brotli.check("up"));
    await expectCode(Code.UNIMPLEMENTED, brotli.watch("up").next());
  });
  await cases.case(`${label}: an unknown method is refused`, async () => {
    const method = { ...Health.method.check, name: "Nap" };
    const call = transportTo(subject.url, transport).unary(method, undefined, undefined, undefined, { service: "up" });
    await expectCode(
      Code.UNIMPLEMENTED,
      call.catch((error) => Promise.reject(NAMING.toFailure(error))),
    );
  });
  await cases.case(`${label}: the client's own deadline ends a Watch`, async () => {
    const watch = client.watch("up", { timeoutMs: 200 });
    await expectNext(watch, "SERVING");
    await expectCode(Code.DEADLINE_EXCEEDED, watch.next());
  });
}
