// A decoder for raw LZMA1: what browsers bring themselves (gzip) makes the two runtimes too large for one page.
//
// It stops after any number of bytes and goes on later, so that whoever needs only the first runtime does not wait for
// the second. The format is described in Igor Pavlov's "LZMA specification" (lzma-specification.txt of the LZMA SDK).

const START = 1024; // a probability of one half, in 1/2048
const TOP = 2 ** 24;
const RANGE = 0;
const CODE = 1;
const LITERAL_SIZE = 0x300;
const STATES = 12;
const FIRST_LENGTH = 2;
const END_OF_DISTANCES = 14; // slots below take their low bits from the models, those above directly
const ALIGN_BITS = 4;

const models = (count) => new Uint16Array(count).fill(START);

/** Bits out of a stream of bytes, each with the probability that a model gives it. */
class RangeDecoder {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 5; // the first byte is always zero; four more fill the register
    // Numbers of 32 bits as fields of an object would be allocated anew at each step.
    this.registers = new Uint32Array([0xffffffff, bytes[1] * TOP + (bytes[2] << 16) + (bytes[3] << 8) + bytes[4]]);
  }

  bit(probabilities, index) {
    const { registers } = this;
    const probability = probabilities[index];
    let range = registers[RANGE];
    let code = registers[CODE];
    const bound = Math.imul(range >>> 11, probability) >>> 0;
    let bit = 0;
    if (code < bound) {
      range = bound;
      probabilities[index] = probability + ((2048 - probability) >>> 5);
    } else {
      bit = 1;
      code -= bound;
      range -= bound;
      probabilities[index] = probability - (probability >>> 5);
    }
    if (range < TOP) {
      range <<= 8;
      code = (code << 8) | this.bytes[this.at++];
    }
    registers[RANGE] = range;
    registers[CODE] = code;
    return bit;
  }

  /** A number of `count` bits, the highest first. */
  tree(probabilities, start, count) {
    let node = 1;
    for (let left = count; left > 0; left--) node = (node << 1) | this.bit(probabilities, start + node);
    return node - (1 << count);
  }

  /** A number of `count` bits, the lowest first. */
  reversed(probabilities, start, count) {
    let node = 1;
    let number = 0;
    for (let place = 0; place < count; place++) {
      const bit = this.bit(probabilities, start + node);
      node = (node << 1) | bit;
      number |= bit << place;
    }
    return number;
  }

  /** A number of `count` bits that no model foretells. */
  direct(count) {
    const { registers } = this;
    let number = 0;
    for (let left = count; left > 0; left--) {
      registers[RANGE] >>>= 1;
      const bit = registers[CODE] >= registers[RANGE] ? 1 : 0;
      if (bit) registers[CODE] -= registers[RANGE];
      number = (number << 1) | bit;
      if (registers[RANGE] < TOP) {
        registers[RANGE] <<= 8;
        registers[CODE] = (registers[CODE] << 8) | this.bytes[this.at++];
      }
    }
    return number;
  }
}

/** Lengths of 2 to 273: eight short ones, eight of medium length, 256 long ones. */
class LengthDecoder {
  constructor() {
    this.choice = models(2);
    this.short = models(8);
    this.medium = models(8);
    this.long = models(256);
  }

  next(bits) {
    if (!bits.bit(this.choice, 0)) return FIRST_LENGTH + bits.tree(this.short, 0, 3);
    if (!bits.bit(this.choice, 1)) return FIRST_LENGTH + 8 + bits.tree(this.medium, 0, 3);
    return FIRST_LENGTH + 16 + bits.tree(this.long, 0, 8);
  }
}

/** Unpacks `bytes`, written with lp = pb = 0, into `size` bytes, as many at a time as are asked for. */
export class Lzma {
  constructor(bytes, size, contextBits) {
    this.bits = new RangeDecoder(bytes);
    this.output = new Uint8Array(size);
    this.done = 0;
    this.contextShift = 8 - contextBits;
    this.literals = models(LITERAL_SIZE << contextBits);
    this.isMatch = models(STATES);
    this.isRepeat = models(STATES);
    this.isOlder = models(STATES);
    this.isLonger = models(STATES);
    this.isSecond = models(STATES);
    this.isThird = models(STATES);
    this.slots = models(4 * 64);
    this.lowBits = models(128);
    this.alignment = models(1 << ALIGN_BITS);
    this.matchLength = new LengthDecoder();
    this.repeatLength = new LengthDecoder();
    this.state = 0;
    this.distances = [1, 1, 1, 1];
  }

  /** Decode until at least `limit` bytes are in `output`; a match may go beyond. */
  decode(limit) {
    const end = Math.min(limit, this.output.length);
    while (this.done < end) {
      if (this.bits.at > this.bits.bytes.length + 4) throw new Error("the packed data ends too early");
      if (!this.bits.bit(this.isMatch, this.state)) this.literal();
      else if (!this.bits.bit(this.isRepeat, this.state)) this.match();
      else this.repeat();
    }
  }

  literal() {
    const { bits, literals, output, done, state } = this;
    const before = done ? output[done - 1] : 0;
    const start = LITERAL_SIZE * (before >>> this.contextShift);
    let symbol = 1;
    if (state >= 7) {
      // After a match: the byte that would have continued it foretells this one until they differ.
      let expected = output[done - this.distances[0]];
      while (symbol < 0x100) {
        const bit = (expected >>> 7) & 1;
        expected <<= 1;
        const found = bits.bit(literals, start + ((1 + bit) << 8) + symbol);
        symbol = (symbol << 1) | found;
        if (found !== bit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | bits.bit(literals, start + symbol);
    output[this.done++] = symbol;
    this.state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  match() {
    const length = this.matchLength.next(this.bits);
    this.distances = [this.distance(length), this.distances[0], this.distances[1], this.distances[2]];
    this.state = this.state < 7 ? 7 : 10;
    this.copy(length);
  }

  distance(length) {
    const { bits } = this;
    const slot = bits.tree(this.slots, 64 * Math.min(length - FIRST_LENGTH, 3), 6);
    if (slot < 4) return slot + 1;
    const extra = (slot >>> 1) - 1;
    const base = ((2 | (slot & 1)) << extra) >>> 0;
    if (slot < END_OF_DISTANCES) return base + bits.reversed(this.lowBits, base - slot, extra) + 1;
    const middle = bits.direct(extra - ALIGN_BITS) * (1 << ALIGN_BITS);
    return base + middle + bits.reversed(this.alignment, 0, ALIGN_BITS) + 1;
  }

  repeat() {
    const { bits, state, distances } = this;
    if (!bits.bit(this.isOlder, state)) {
      if (!bits.bit(this.isLonger, state)) {
        this.state = state < 7 ? 9 : 11;
        this.copy(1);
        return;
      }
    } else {
      const place = !bits.bit(this.isSecond, state) ? 1 : !bits.bit(this.isThird, state) ? 2 : 3;
      distances.unshift(...distances.splice(place, 1));
    }
    const length = this.repeatLength.next(bits);
    this.state = state < 7 ? 8 : 11;
    this.copy(length);
  }

  copy(length) {
    const { output } = this;
    const from = this.done - this.distances[0];
    const end = this.done + length;
    if (from < 0 || end > output.length) throw new Error("the packed data is damaged");
    // Byte by byte: what is copied may be what this very copy writes.
    for (let to = this.done, source = from; to < end; to++, source++) output[to] = output[source];
    this.done = end;
  }
}
