// Many Watch streams on the one HTTP/2 connection of a client.

import { expectEqual } from "../node/cases.mjs";
import { STATE } from "../node/health-cases.mjs";
import { Tap } from "../node/tap.mjs";
import { clientTo } from "./transports.mjs";

// Below the 1 000 streams that the server allows on a connection.
const STREAMS = 900;

export async function crowdCases(cases, transport, subject) {
  const tap = await Tap.open(subject.port);
  const client = clientTo(tap.url, transport);
  await subject.tell({ reset: STATE });

  await cases.case(`${transport.label}: ${STREAMS} Watches on a connection, all cancelled at once`, async () => {
    const watches = Array.from({ length: STREAMS }, () => client.watch("up"));
    await expectEach(watches, "SERVING");
    expectEqual("SERVING", await client.check("up"), "Check beside them");
    await subject.tell({ set: { up: "NOT_SERVING" } });
    await expectEach(watches, "NOT_SERVING");
    for (const watch of watches) watch.cancel();
    expectEqual("NOT_SERVING", await client.check("up"), "Check after them");
    expectEqual(1, tap.connections, "connections");
  });
  tap.close();
}

async function expectEach(watches, status) {
  const statuses = await Promise.all(watches.map((watch) => watch.next()));
  expectEqual([status], [...new Set(statuses)], "every stream's next status");
}
