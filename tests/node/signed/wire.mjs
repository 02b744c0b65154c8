// Fields of SSH's binary form (RFC 4251, section 5), read one after another.

import { Fault, keep } from "./rules.mjs";

export class Reader {
  constructor(content) {
    this.content = content;
    this.at = 0;
  }

  raw(size) {
    if (this.at + size > this.content.length) throw new Fault("malformed");
    this.at += size;
    return this.content.subarray(this.at - size, this.at);
  }

  byte = () => this.raw(1)[0];
  uint32 = () => this.raw(4).readUInt32BE();
  uint64 = () => this.raw(8).readBigUInt64BE();
  string = () => this.raw(this.uint32());
  name = () => this.string().toString("latin1");

  mpint() {
    const found = this.string();
    keep(!(found[0] & 0x80), "mpint", "mpint: not negative");
    keep(!(found[0] === 0 && !(found[1] & 0x80)), "mpint", "mpint: fewest bytes");
    return found.length ? BigInt(`0x${found.toString("hex")}`) : 0n;
  }

  get ended() {
    return this.at === this.content.length;
  }

  end(what) {
    keep(this.ended, "trailing", `trailing: ${what}`);
  }
}

export function string(content) {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  return Buffer.concat([size, Buffer.from(content)]);
}

export const bits = (number) => (number ? number.toString(2).length : 0);
export const bytes = (number, size = Math.ceil(bits(number) / 8)) => Buffer.from(number.toString(16).padStart(2 * size, "0"), "hex");
