// How long one picture takes here.
//
// A browser's clock moves in steps of up to a tenth of a millisecond, so that nobody can spy with it. Many calls
// between two readings make the step small beside what is measured; each reading is then a mean of its calls.

const READINGS = 40;
const READING_MS = 20; // two hundred steps of the clock
const WARM_UP_MS = 300;

/** Median, 90th percentile and spread (half the distance between quartiles over the median), of one picture's time. */
export async function measure(session, pixels, side, { progress, stopped }) {
  let calls = 1;
  const start = performance.now();
  let took = await session.time(1, pixels, 1, side);
  while (performance.now() - start < WARM_UP_MS || took < READING_MS) {
    if (took < READING_MS) calls *= 2;
    took = await session.time(calls, pixels, 1, side);
    if (stopped()) return null;
  }
  calls = Math.max(1, Math.ceil((calls * READING_MS) / took));
  const readings = [];
  for (let number = 1; number <= READINGS; number++) {
    readings.push((await session.time(calls, pixels, 1, side)) / calls);
    progress(number / READINGS);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
    if (stopped()) return null;
  }
  return { calls, readings: READINGS, ...summary(readings) };
}

/** Median, 90th percentile and spread of `numbers`. */
export function summary(numbers) {
  const sorted = Float64Array.from(numbers).sort();
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  };
  return { median: at(0.5), p90: at(0.9), spread: (at(0.75) - at(0.25)) / 2 / at(0.5) };
}
