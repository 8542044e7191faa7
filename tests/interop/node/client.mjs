// The one shape that every client library is brought into, so that the same cases run over all of them:
//
//   check(service, options) -> status name      options: { headers, timeoutMs }
//   list(options)           -> { service: status name }
//   watch(service, options) -> Watch
//
// An error is a Failure. Nothing here needs Node: it is bundled into the browser's page as well.

/** How an RPC ended without success; code 0 is a stream that ended with OK. */
export class Failure extends Error {
  /** `code` is the gRPC number, `text` the message alone. */
  constructor(code, text) {
    super(`code ${code} ${JSON.stringify(text)}`);
    this.code = code;
    this.text = text;
  }
}

/** A Watch stream that is read one status at a time. */
export class Watch {
  #pull;
  #pending;

  /** `pull` resolves with the next status's name or rejects with a Failure; `cancel` ends the call. */
  constructor(pull, cancel) {
    this.#pull = pull;
    this.cancel = cancel;
  }

  /** The next status. */
  async next() {
    const next = this.#pending ?? this.#pull();
    this.#pending = undefined;
    return next;
  }

  /** Waits, and returns what came meanwhile, or undefined; what comes later is left for `next`. */
  async idle(milliseconds) {
    const next = (this.#pending ??= this.#pull());
    next.catch(() => {});
    let timer;
    const quiet = new Promise((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    const came = await Promise.race([next.catch((failure) => failure.message), quiet]);
    clearTimeout(timer);
    return came;
  }
}

/**
 * Brings a promise client of Connect (or Dubbo, which began as a fork of it) into that shape.
 * `statusName` names an enum value; `toFailure` turns the library's error into a Failure.
 */
export function connectClient(client, { statusName, toFailure }) {
  const convert = (error) => {
    throw error instanceof Failure ? error : toFailure(error);
  };
  return {
    async check(service, options) {
      const reply = await client.check({ service }, options).catch(convert);
      return statusName(reply.status);
    },
    async list(options) {
      const reply = await client.list({}, options).catch(convert);
      return Object.fromEntries(Object.entries(reply.statuses).map(([name, { status }]) => [name, statusName(status)]));
    },
    watch(service, options) {
      const abort = new AbortController();
      const stream = client.watch({ service }, { ...options, signal: abort.signal })[Symbol.asyncIterator]();
      const pull = async () => {
        const item = await stream.next().catch(convert);
        if (item.done) throw new Failure(0, "");
        return statusName(item.value.status);
      };
      return new Watch(pull, () => abort.abort());
    },
  };
}
