// Browser clients in Chromium against the server under test, from pages of other origins.

import { Cases } from "../node/cases.mjs";
import { closeCases, deadlineCases, unaryCases, watchCases, watcherCases } from "../node/health-cases.mjs";
import { withSubject } from "../node/subject.mjs";
import { Tap } from "../node/tap.mjs";
import { LIBRARIES, clientIn, launch, openPage, serveOrigin } from "./browser.mjs";
import { allowedCases, anyOriginCase, refusedCases } from "./cors.mjs";

const CONNECT_TIMEOUT = { header: "connect-timeout-ms", unit: "" };
const GRPC_TIMEOUT = { header: "grpc-timeout", unit: "m" };

const cases = new Cases("chromium");
const browser = await launch();
const [home, elsewhere] = [await serveOrigin(), await serveOrigin()];
const allowHome = ["--cors-allow-origin", home];

function streamingClients(page, url) {
  return LIBRARIES.filter(({ streams }) => streams).map((library) => [library.label, clientIn(page, url, library)]);
}

// Runs `body` with a server, a relay in front of it, and a page of the origin.
function withPage(args, origin, body) {
  return withSubject(args, async (subject) => {
    const tap = await Tap.open(subject.port);
    const page = await openPage(browser, origin);
    try {
      await body(page, subject, tap);
    } finally {
      await page.context().close();
      tap.close();
    }
  });
}

await withPage([...allowHome, "--cors-allow-header", "X-Team"], home, async (page, subject, tap) => {
  await allowedCases(cases, page, subject, tap);
  for (const library of LIBRARIES) {
    const client = clientIn(page, tap.url, library);
    const timeout = library.library === "connect" ? CONNECT_TIMEOUT : GRPC_TIMEOUT;
    await unaryCases(cases, library.label, client, subject);
    if (!library.streams) continue;
    await watchCases(cases, library.label, client, subject);
    await deadlineCases(cases, library.label, client, subject, timeout);
  }
});
await withPage([...allowHome, "--max-watchers", "2"], home, (page, subject) =>
  watcherCases(cases, streamingClients(page, subject.url), subject),
);
await withPage(allowHome, home, (page, subject) => closeCases(cases, streamingClients(page, subject.url), subject));
await withPage(allowHome, elsewhere, (page, _, tap) => refusedCases(cases, page, tap, "another origin"));
await withPage([], home, (page, _, tap) => refusedCases(cases, page, tap, "every origin, where none is allowed,"));
await withPage(["--cors-allow-origin", "*"], elsewhere, (page, _, tap) => anyOriginCase(cases, page, tap));
await browser.close();
cases.exit();
