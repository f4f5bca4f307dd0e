// From logits to what a person reads.

/** Probabilities of `logits`. */
export function softmax(logits) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Index of the largest number; the first of equal ones. */
export function largest(numbers) {
  return numbers.indexOf(Math.max(...numbers));
}
