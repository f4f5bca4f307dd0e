// window.edgefashion: what a program that drives the page asks it. Everything is a promise of something JSON can say.
//
//   about()                        name, variant, labels, version of the runtime
//   available()                    provider → why it does not work here, empty if it does
//   open(provider)                 makes the session that the calls below use → nodes of each provider
//   run(pixels, count)             base 64 of uint8 → { logits: base 64 of float32, ms }
//   bind(pixels, count)            keeps pictures for `time` → their number
//   time(number, calls)            milliseconds of `calls` calls together
//   selftest()                     [{ name, passed, found }]

import { fromBase64, toBase64 } from "./bytes.js";
import { PROVIDERS, whyNot } from "./engine.js";
import { selftest } from "./selftest.js";

export function offer({ about, engine, packed }) {
  const bound = [];
  let session;
  const { name, variant, labels, runtime, side } = about;
  window.edgefashion = Object.freeze({
    about: async () => ({ name, variant, labels, runtime }),
    available: async () => {
      const reasons = await Promise.all(PROVIDERS.map(whyNot));
      return Object.fromEntries(PROVIDERS.map((provider, index) => [provider, reasons[index]]));
    },
    open: async (provider) => {
      session = await engine.open(provider);
      return session.nodes;
    },
    run: async (pixels, count) => {
      const bytes = fromBase64(pixels);
      const start = performance.now();
      const logits = await session.run(bytes, count, side);
      const ms = performance.now() - start;
      return { logits: toBase64(new Uint8Array(logits.buffer)), ms };
    },
    bind: async (pixels, count) => bound.push([fromBase64(pixels), count]) - 1,
    time: async (number, calls) => session.time(calls, ...bound[number], side),
    selftest: () => selftest({ about, engine, packed }),
  });
}
