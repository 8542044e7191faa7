// Connect's Node client against the server under test.

import { Cases } from "../node/cases.mjs";
import { closeCases, deadlineCases, unaryCases, watchCases, watcherCases } from "../node/health-cases.mjs";
import { withSubject } from "../node/subject.mjs";
import { compressionCases } from "./compression.mjs";
import { crowdCases } from "./crowd.mjs";
import { errorCases } from "./errors.mjs";
import { getCases } from "./get.mjs";
import { TRANSPORTS, clientTo } from "./transports.mjs";

const cases = new Cases("connect-node");
const clientsTo = (url) => TRANSPORTS.map((transport) => [transport.label, clientTo(url, transport)]);

await withSubject([], async (subject) => {
  for (const transport of TRANSPORTS) {
    const client = clientTo(subject.url, transport);
    await unaryCases(cases, transport.label, client, subject);
    await watchCases(cases, transport.label, client, subject);
    await deadlineCases(cases, transport.label, client, subject, transport.timeout);
    await errorCases(cases, transport, subject);
    await compressionCases(cases, transport, subject);
    if (transport.httpVersion === "2") await crowdCases(cases, transport, subject);
  }
  await getCases(cases, subject);
});
await withSubject(["--max-watchers", "2"], (subject) => watcherCases(cases, clientsTo(subject.url), subject));
await withSubject([], (subject) => closeCases(cases, clientsTo(subject.url), subject));
cases.exit();
