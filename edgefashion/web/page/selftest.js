// Does this copy of the page, in this browser, still give the answers that the model gave when it was made?

import { sha256 } from "./bytes.js";
import { largest } from "./softmax.js";

/** Checks, each with `name`, `passed` (null: not checked here) and `found`. A check that throws has not passed. */
export async function selftest({ about, engine, packed, provider = "wasm" }) {
  return [
    await check("The model is the one that was exported", () => same(engine.model, about.modelSha256)),
    await check("The runtime is the one that was built in", () => same(packed, about.packedSha256)),
    await check("The golden pictures get the answers they had in ONNX Runtime", () => golden(about, engine, provider)),
  ];
}

async function check(name, work) {
  try {
    return { name, ...(await work()) };
  } catch (error) {
    return { name, passed: false, found: error.message };
  }
}

async function same(bytes, expected) {
  const found = await sha256(bytes);
  if (found === null) return { passed: null, found: "not checked: the browser computes no digests on such pages" };
  return { passed: found === expected, found: `SHA-256 ${found.slice(0, 12)}…` };
}

async function golden(about, engine, provider) {
  const { pixels, logits, tolerance } = about.golden;
  const classes = about.labels.length;
  const session = await engine.open(provider);
  let equal = 0;
  let worst = 0;
  for (const [index, expected] of logits.entries()) {
    const size = about.side * about.side;
    const found = await session.run(pixels.subarray(index * size, (index + 1) * size), 1, about.side);
    if (found.length !== classes) throw new Error(`${found.length} logits instead of ${classes}`);
    equal += largest(Array.from(found)) === largest(expected) ? 1 : 0;
    worst = Math.max(worst, ...expected.map((logit, place) => Math.abs(logit - found[place]))); // NaN stays NaN
  }
  const off = worst === 0 ? "bit for bit" : `logits differ by at most ${worst.toExponential(1)}`;
  return {
    passed: equal === logits.length && worst <= tolerance,
    found: `${equal} of ${logits.length} decisions equal, ${off}`,
  };
}
