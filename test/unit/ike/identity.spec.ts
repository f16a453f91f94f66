/** Identities and the patterns that they fit: strongSwan's rules, and what no DER may do to them. */
import { FITS_ANY, FITS_EXACTLY, FITS_NOT, identityFits, identityWildcard } from "../../../assembly/ike/identity";
import {
  ID_DER_ASN1_DN,
  ID_FQDN,
  ID_IPV4_ADDR,
  ID_RFC822_ADDR,
} from "../../../assembly/wire/ike_payload/identification";

const a: usize = memory.data(512, 16);
const b: usize = memory.data(512, 16);

function put(at: usize, type: u32, words: string): u32 {
  store<u8>(at, <u8>type);
  for (let i = 0; i < words.length; i++) store<u8>(at + 1 + <usize>i, <u8>words.charCodeAt(i));
  return 1 + words.length;
}

function fits(type: u32, pattern: string, name: string): u32 {
  const patternLength = put(a, type, pattern);
  return identityFits(a, patternLength, b, put(b, type, name));
}

/** A distinguished name: per attribute the last octet of its OID 2.5.4.x, and the value with a string tag. */
function dn(at: usize, text: string, tag: u32): u32 {
  let p = at + 3;
  store<u8>(at, <u8>ID_DER_ASN1_DN);
  const parts = text.split(",");
  for (let i = 0; i < parts.length; i++) {
    const n = parts[i].length - 1;
    store<u8>(p, 0x31);
    store<u8>(p + 1, <u8>(n + 9));
    store<u8>(p + 2, 0x30);
    store<u8>(p + 3, <u8>(n + 7));
    store<u8>(p + 4, 6);
    store<u8>(p + 5, 3);
    store<u8>(p + 6, 0x55);
    store<u8>(p + 7, 4);
    store<u8>(p + 8, <u8>(parts[i].charCodeAt(0) - 0x30));
    store<u8>(p + 9, <u8>tag);
    store<u8>(p + 10, <u8>n);
    for (let c = 0; c < n; c++) store<u8>(p + 11 + <usize>c, <u8>parts[i].charCodeAt(1 + c));
    p += 11 + n;
  }
  store<u8>(at + 1, 0x30);
  store<u8>(at + 2, <u8>(p - at - 3));
  return <u32>(p - at);
}

function names(pattern: string, name: string): u32 {
  const patternLength = dn(a, pattern, 19);
  return identityFits(a, patternLength, b, dn(b, name, 12));
}

describe("identityFits", () => {
  it("takes anything where nothing is asked for", () => {
    expect(identityFits(0, 0, b, put(b, ID_FQDN, "moon.example"))).toBe(FITS_ANY);
  });

  it("compares names without regard to case, and types with", () => {
    expect(fits(ID_FQDN, "moon.Example", "MOON.example")).toBe(FITS_EXACTLY);
    expect(fits(ID_FQDN, "moon.example", "noon.example")).toBe(FITS_NOT);
    expect(fits(ID_FQDN, "moon.example", "moon.example.org")).toBe(FITS_NOT);
    const length = put(a, ID_FQDN, "moon.example");
    expect(identityFits(a, length, b, put(b, ID_RFC822_ADDR, "moon.example"))).toBe(FITS_NOT);
    expect(fits(ID_IPV4_ADDR, "ABCD", "abcd")).toBe(FITS_NOT);
  });

  it("knows the asterisk at the head of a name, and nowhere else", () => {
    expect(fits(ID_FQDN, "*.example", "moon.example")).toBe(FITS_EXACTLY - 1);
    expect(fits(ID_FQDN, "*.example", ".example")).toBe(FITS_NOT);
    expect(fits(ID_FQDN, "*.example", "moon.example.org")).toBe(FITS_NOT);
    expect(fits(ID_RFC822_ADDR, "*@example.org", "carol@EXAMPLE.org")).toBe(FITS_EXACTLY - 1);
    expect(fits(ID_FQDN, "*", "moon.example")).toBe(FITS_ANY);
    expect(fits(ID_FQDN, "moon.*", "moon.example")).toBe(FITS_NOT);
    expect(fits(ID_FQDN, "moon.example", "*.example")).toBe(FITS_NOT);
    expect(identityWildcard(a, put(a, ID_FQDN, "*.example"))).toBe(true);
    expect(identityWildcard(a, put(a, ID_FQDN, "moon.*"))).toBe(false);
  });

  it("compares distinguished names attribute by attribute, with an asterisk for a value", () => {
    expect(names("6XX,:test,3moon", "6xx,:Test,3Moon")).toBe(FITS_EXACTLY);
    expect(names("6XX,:test,3*", "6XX,:test,3moon")).toBe(FITS_EXACTLY - 1);
    expect(names("6XX,:*,3*", "6XX,:test,3moon")).toBe(FITS_EXACTLY - 2);
    expect(names("6XX,:test,3*", "6XX,:best,3moon")).toBe(FITS_NOT);
    expect(names("6XX,:test", "6XX,:test,3moon")).toBe(FITS_NOT);
    expect(names("6XX,:test,3moon", "6XX,:test")).toBe(FITS_NOT);
    expect(names("6XX,3test,:moon", "6XX,:test,3moon")).toBe(FITS_NOT);
    expect(names("6XX,:test,3moon", "6XX,:test,3*")).toBe(FITS_NOT);
    expect(identityWildcard(a, dn(a, "6XX,3*", 19))).toBe(true);
    expect(identityWildcard(a, dn(a, "6XX,3moon*", 19))).toBe(false);
  });

  it("gives no fit to a name that is cut, or whose lengths lie", () => {
    const patternLength = dn(a, "6XX,:test,3*", 19);
    const length = dn(b, "6XX,:test,3moon", 12);
    let good: u32 = 0;
    for (let cut: u32 = 1; cut < length; cut++) if (identityFits(a, patternLength, b, cut) != FITS_NOT) good += 1;
    // The name, its first set, the pair in it and the OID: none of these eight octets may be another.
    for (let at: u32 = 1; at < 9; at++) {
      const held = load<u8>(b + at);
      for (let lie: u32 = 0; lie < 256; lie++) {
        store<u8>(b + at, <u8>lie);
        if (<u8>lie != held && identityFits(a, patternLength, b, length) != FITS_NOT) good += 1;
      }
      store<u8>(b + at, held);
    }
    expect(good).toBe(0);
    expect(identityFits(a, patternLength, b, length)).toBe(FITS_EXACTLY - 1);
  });
});
