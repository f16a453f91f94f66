/**
 * Keying material against numbers from elsewhere (RFC 7296 section 2.14, 2.17, 2.18): NIST's CAVP of IKEv2, whose key
 * stream is cut into keys here as the suite says, and the order of nonces, for which HMACs were computed apart.
 */
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { arenaResetAt } from "../../../assembly/rt/arena";
import {
  ChildSa,
  childKeymat,
  childNonce,
  childPeerNonce,
  childSasReset,
  childSuite,
  childTake,
} from "../../../assembly/ike/child_sa";
import { connectionsReset } from "../../../assembly/ike/connection";
import {
  IkeSa,
  KEY_AI,
  KEY_D,
  KEY_EI,
  KEY_ER,
  KEY_PI,
  KEY_PR,
  ikeKey,
  ikeNonce,
  ikePeerNonce,
  ikeSaTake,
  ikeSasReset,
  ikeSuite,
} from "../../../assembly/ike/ike_sa";
import {
  childKeys,
  childKeysOf,
  ikeKeys,
  ikeKeysOf,
  ikeKeysRekeyed,
  ikeKeysRekeyedOf,
} from "../../../assembly/ike/keymat";

const arena: usize = memory.data(14 << 20, 64);
const nonces: usize = memory.data(512, 8);
const shared: usize = memory.data(512, 8);
const expected: usize = memory.data(512, 8);

function digit(c: i32): u32 {
  return c <= 57 ? c - 48 : c - 87;
}

/** Writes hexadecimal digits as octets; returns how many. */
function hex(digits: string, to: usize): u32 {
  const octets = (<u32>digits.length) >>> 1;
  for (let i: u32 = 0; i < octets; i++) {
    store<u8>(to + i, <u8>((digit(digits.charCodeAt(2 * i)) << 4) | digit(digits.charCodeAt(2 * i + 1))));
  }
  return octets;
}

function hex8(digits: string): u64 {
  hex(digits, expected);
  return load<u64>(expected);
}

function same(p: usize, length: u32, digits: string): bool {
  return hex(digits, expected) >= length && memory.compare(p, expected, length) == 0;
}

function ikeSa(prf: u32, spiI: u64, spiR: u64): IkeSa {
  const sa = ikeSaTake(true)!;
  sa.spiI = spiI;
  sa.spiR = spiR;
  const suite = ikeSuite(sa);
  suite.encryption = 20;
  suite.keyBits = 128;
  suite.prf = prf;
  return sa;
}

/** SK_d, SK_e* of 16 and a salt of 4, SK_p*, with no SK_a*, as far as the stream goes. */
function keysAre(sa: IkeSa, d: u32, digits: string): bool {
  const octets = hex(digits, expected);
  let at: u32 = 0;
  for (let key: u32 = KEY_D; key <= KEY_PR; key++) {
    const length = key == KEY_EI || key == KEY_ER ? 20 : key == KEY_D || key >= KEY_PI ? d : 0;
    const known = min<u32>(length, octets - min<u32>(at, octets));
    if (memory.compare(ikeKey(sa, key), expected + at, known) != 0) return false;
    at += length;
  }
  return load<u64>(ikeKey(sa, KEY_AI)) == 0;
}

/** As initiator we send by the first key and its salt. */
function keymatIs(child: ChildSa, digits: string): bool {
  hex(digits, expected);
  return (
    memory.compare(childKeymat(child, true), expected, 36) == 0 &&
    memory.compare(childKeymat(child, false), expected + 36, 36) == 0
  );
}

function reset(): void {
  drbgSeed(nonces, 64);
  arenaResetAt(arena, arena + (14 << 20));
  assert(connectionsReset() && ikeSasReset() && childSasReset());
}

/** SK_d to SK_pr of 16 octets each, computed apart from RFC 4434 and 4615: initiator XCBC, CMAC, responder XCBC, CMAC. */
function aesKeys(i: u32): string {
  if (i == 0)
    return (
      "8952ac392e61856d74f085088667a906a24ee51c3f68e257d9da596465ff6549604745829bfa2efb22ad0db3ae236cbb" +
      "085a6927822648135bfe31e176591132aef1086b2e306072ebedfaf0d87a0503e4039f36a57fc7520c449c78782fe4c6" +
      "420217bb95017839f0218ae7ccb3f664"
    );
  if (i == 1)
    return (
      "39310a3a3a88b350126e7c8e3000a5553f038a71416eb9d1a5f788563a8ef1c4da622fe9fe68d50662c76f825cfe45e2" +
      "4252f9bcf6b43a3bb4622935b98c12a173ec34631fa7fa3aa1afee04a0e4dd55b422dd0f94b3f990f078f938c85fc4bb" +
      "e62f6f6aef0c37725c46e633b0513461"
    );
  if (i == 2)
    return (
      "470aadc1f25e1f9cbbc1f79da39f82a5614451abb52c1785c7d10652f592495e2119948381c73cd23fcb2881a3d50028" +
      "d891d47989c9a6a2a49eb7f19cb0e99ff14f2d86b4756c060de3c2e11b4b13d076155804c308ef4cdbdab650a31be214" +
      "d336b2f87a49bc4a8b28b89faeb591a5"
    );
  return (
    "a6abe5226c46b9d06d09700c8be06c5d40630c0dc7c01696c9418893a594dd3322c31ca4dbc0b3e6256c0c363941ce11" +
    "70b978523fd3e6ff4149f69edf32c4f040fcf405d73ecb941dc43275de3bb3dfe72ef127d6dfb3889db8c6db6fd43b29" +
    "63f0aa0a8a0c6fa35ab13b1ea10c4fbb"
  );
}

/** KEYMAT of a CHILD_SA with the same nonces: 32 octets a direction. */
function aesKeymat(i: u32): string {
  if (i == 0)
    return (
      "b9abec2dd081c39f11fded060bdce3f5e6dfc2d270c182cd5ade1622935b23ef1d9bcc3e8cead2dd47a1a0fe5165ac7d" +
      "295029ad6cedba5aa4421ff1c408154d"
    );
  if (i == 1)
    return (
      "e7732522baee35a52ff85fb1671ea9553f77cc7ac60dd182a2c91db4b0c81cadf8322416946bd80f044f12277810a817" +
      "5acd4fcdd1f7a97e91cc42fc99a989f3"
    );
  if (i == 2)
    return (
      "537c36316b746fd25b2a025989833d41b10e743d3735ade39d5d1fbdd59c8af94d24712e241aeb251e8b0fef07b38a98" +
      "0fb49f45b9044cabb5cf1c91fa654b62"
    );
  return (
    "ab93b6482bec9c928b251898c8ae52d2f36095d180a9f51a87fd92acc77c04248a5659ec3344181cb07652f7fe749d68" +
    "f0130c4a4ee372108d53581a8539e87d"
  );
}

/** SK_d of an IKE_SA rekeyed with the same nonces and secret. */
function aesRekeyed(i: u32): string {
  if (i == 0) return "2716386b9fe3ba1c09e06b006d87b72b";
  if (i == 1) return "89dd145ede4ba4e448befd0b4b263746";
  if (i == 2) return "8b8c5e3a4730297c197808c3400d267a";
  return "3f1e24d8597c0564e606823ad805ddbc";
}

describe("keying material", () => {
  beforeEach(reset);

  it("of PRF_HMAC_SHA2_256 is CAVP's", () => {
    const length = hex("3436def54b63cf59" + "7d780f1cb163f786", nonces);
    const secret = hex("0097c211229dd1724f153abc85a6156dc9cda148e005bbda", shared);
    const sa = ikeSa(5, hex8("eadfb5f67ef1c53e"), hex8("65a7ffb95df81c50"));
    ikeKeysOf(sa, nonces, 8, length, shared, secret);
    expect(
      keysAre(
        sa,
        32,
        "d67f925f011537bcf22eb14772f8136b2aec47d2515b5ce6b197d472b0a73ea6cf586ce6d1de65083ce8e0be26edeb01" +
          "91c06affa6fe8d4d4f37ab08d756248f5fb95c948fd0380efa499b84e0d6fee51c8a37e54ae54c31339a941e2d9470b7" +
          "224d95499658899b2e3555de1f934636224c5861a92ba63f262ff90bcbae43022d579945",
      ),
    ).toBe(true);
    const child = childTake(sa, 0, true)!;
    childSuite(child).encryption = 20;
    childSuite(child).keyBits = 256;
    childKeysOf(child, sa, nonces, length, 0, 0);
    expect(
      keymatIs(
        child,
        "5b1e1b9900dcefe7c383f1f972323a4782788c33ffab29914c73179e77885cf2f8e1fd68dfd38b1e476cd14a8c23e9d7" +
          "267754d1035b26280e44d21a2b3abe864c5a34abd903fbe147031d3b393434e4a7e2ef7f0321750136ac9f2dfc6cbbfc" +
          "4f13e905af709441e504c8ccf917ed7858b75149fb21601082dda62841737c212f8c3e9a",
      ),
    ).toBe(true);
    const fresh = hex("016deb1a4f107074a227c221858caff5201c2d9c4832f583", shared);
    childKeysOf(child, sa, nonces, length, shared, fresh);
    expect(
      keymatIs(
        child,
        "0d22aa501b4939b6492c38039578e6258d3c84c57b73e37c3108bad9f424f584b717c18b3cd77312e8d6e1effb8fafe0" +
          "294ae12a43e78dce33e7a6a1ac5a636c8978dc3164ab10fbb0570d9b16911b159fd15deaa89e50afa90d401ff36e7cd1" +
          "1b169566ff0fb69458db063de61325a69ad4b884c100fd2eb1b212b6f43b660f52def3ef",
      ),
    ).toBe(true);
    // SKEYSEED of the rekeyed IKE_SA is 3021defeb07e47ec..: by it, SK_d.
    const next = ikeSa(5, sa.spiI, sa.spiR);
    ikeKeysRekeyedOf(next, sa, nonces, length, shared, fresh);
    expect(same(ikeKey(next, KEY_D), 32, "b0e8e8c058e6d9416c388b68bacf049cdea281ed017c464d01e7d5c415922540")).toBe(
      true,
    );
  });

  it("of PRF_HMAC_SHA2_384 is CAVP's", () => {
    const length = hex("d672b0bc852829b9" + "3509f3b724706364", nonces);
    const secret = hex(
      "4df040b70978629c49437cff41a0d46cbea68c8d75b370ffc11d7b387144ea83bb5903fbb92e473df50a9b19ea43e9c2" +
        "f3da9a849c03864276c6f264ecf02a60d40ba65c06656b633f02a87427e928eb66a2dabd9dc05744717bcaf7ae78c296" +
        "872f5c48d1a8120c2155b70c565ce271998e3e44af263d487ea3ba7f56132d7d",
      shared,
    );
    const sa = ikeSa(6, hex8("0f9a016d7b22223c"), hex8("85f710daf8b982d8"));
    ikeKeysOf(sa, nonces, 8, length, shared, secret);
    expect(
      keysAre(
        sa,
        48,
        "10b00a654643b3b985764f86e23ef62431122fcc96de16e338a372bee49391db1f83a7358c080380abbf4af47cdb83b9" +
          "530343168f7dbc9221260e1546c6b383e2235d2705a727f0b41aebf6a1b4c61cb460660152a17ba74c20d5191ba68417" +
          "94945270d829587b7f3294639ea7b77149e1d07230ac16e0cd5ab236fa3212bd569ee70f",
      ),
    ).toBe(true);
    const child = childTake(sa, 0, true)!;
    childSuite(child).encryption = 20;
    childSuite(child).keyBits = 256;
    childKeysOf(child, sa, nonces, length, 0, 0);
    expect(
      keymatIs(
        child,
        "4c9ec3b05eb0cfd152d11804bd3520a6e315cf15f410af193e32a6bc99e15d5949a2666eacd9381b381820f9728357a4" +
          "ae049422fb522cfc21d49092254683ebda5069621d37d17cbb694feb8a4eb6735ecabbc4b5879d1a1d03e1ded9a5e4e7" +
          "10ef567ea761e92265a621a8a5de07e775e2271b01ae144d97afb8e5134d0cc8cd84e844",
      ),
    ).toBe(true);
    const fresh = hex(
      "33882fcf9f9d2b288ff445472460540b6c49fde58a1780e8ab9cccc9f52d7496efa6f75f6ada498a3ffe58b7041703ec" +
        "b6be3d7eb34ec0ba6a5deb2ed25084fd70c3864a51db45853a53e0b03ec70caea4d8980b7888fdaa476869dfeff8bdcf" +
        "56b674155e17f84e7e16f6a36577aeae3fc8b4628b35a9d5931a54146abeb351",
      shared,
    );
    childKeysOf(child, sa, nonces, length, shared, fresh);
    expect(
      keymatIs(
        child,
        "97763f88a28155c4d3a9743a97626802ddede20c72603b239945202d7fb0c2425db473435827655e8dd1184a4e497809" +
          "0033c4c4459d4e97c3299c22f55aea8b294c838091f7212b6645528d9c4b5cbbcac3e760e316b68da7930c816d26c297" +
          "5da5fdc8e17a11fe70e2d3e0e231e9a5895cac9b984af16049b40182175d9c1f416f87ac",
      ),
    ).toBe(true);
    // SKEYSEED of the rekeyed IKE_SA is 015828c9b1581c40..: by it, SK_d.
    const next = ikeSa(6, sa.spiI, sa.spiR);
    ikeKeysRekeyedOf(next, sa, nonces, length, shared, fresh);
    expect(
      same(
        ikeKey(next, KEY_D),
        48,
        "06c64d7e075176e0d58ee803ab9a1380f882aa01963e15c2755c18132f582a7b6fd5db18d23e8a86d6f8949f339c272c",
      ),
    ).toBe(true);
  });

  it("of the AES PRFs takes eight octets of each nonce as the first key, whole nonces and keys of 16 octets from there on", () => {
    for (let i: u32 = 0; i < 4; i++) {
      const prf: u32 = (i & 1) == 0 ? 4 : 8;
      const sa = ikeSa(prf, 0x0101010101010101, 0x0202020202020202);
      ikeSuite(sa).encryption = 12;
      ikeSuite(sa).integrity = prf == 4 ? 5 : 8;
      sa.initiator = i < 2 ? 1 : 0;
      for (let k = 0; k < 32; k++) store<u8>(ikeNonce(sa) + k, <u8>k);
      for (let k = 0; k < 16; k++) store<u8>(ikePeerNonce(sa) + k, <u8>(0x80 + k));
      sa.peerNonceLength = 16;
      memory.fill(shared, 7, 32);
      ikeKeys(sa, shared, 32);
      hex(aesKeys(i), expected);
      for (let key: u32 = KEY_D; key <= KEY_PR; key++) {
        expect(memory.compare(ikeKey(sa, key), expected + 16 * key, 16)).toBe(0);
      }
      const child = childTake(sa, 0, i < 2)!;
      childSuite(child).encryption = 12;
      childSuite(child).keyBits = 128;
      childSuite(child).integrity = prf == 4 ? 5 : 8;
      memory.copy(childNonce(child), ikeNonce(sa), 32);
      memory.copy(childPeerNonce(child), ikePeerNonce(sa), 16);
      child.peerNonceLength = 16;
      childKeys(child, sa, 0, 0);
      hex(aesKeymat(i), expected);
      expect(memory.compare(childKeymat(child, i < 2), expected, 32)).toBe(0);
      expect(memory.compare(childKeymat(child, i >= 2), expected + 32, 32)).toBe(0);
      // The same nonces and secret again, in the place of new ones.
      const next = ikeSa(prf, sa.spiI, sa.spiR);
      ikeSuite(next).encryption = 12;
      ikeSuite(next).integrity = prf == 4 ? 5 : 8;
      next.initiator = sa.initiator;
      memory.copy(ikeNonce(next), ikeNonce(sa), 32);
      memory.copy(ikePeerNonce(next), ikePeerNonce(sa), 16);
      next.peerNonceLength = 16;
      ikeKeysRekeyed(next, sa, shared, 32);
      expect(same(ikeKey(next, KEY_D), 16, aesRekeyed(i))).toBe(true);
    }
  });

  it("puts the initiator's nonce first, whoever we are", () => {
    for (let initiator = 0; initiator < 2; initiator++) {
      const sa = ikeSa(5, 0x0101010101010101, 0x0202020202020202);
      sa.initiator = initiator;
      for (let i = 0; i < 32; i++) store<u8>(ikeNonce(sa) + i, <u8>i);
      for (let i = 0; i < 16; i++) store<u8>(ikePeerNonce(sa) + i, <u8>(0x80 + i));
      sa.peerNonceLength = 16;
      memory.fill(shared, 7, 32);
      ikeKeys(sa, shared, 32);
      const child = childTake(sa, 0, initiator != 0)!;
      childSuite(child).encryption = 20;
      childSuite(child).keyBits = 128;
      memory.copy(childNonce(child), ikeNonce(sa), 32);
      memory.copy(childPeerNonce(child), ikePeerNonce(sa), 16);
      child.peerNonceLength = 16;
      childKeys(child, sa, 0, 0);
      const keys = initiator
        ? "27f59101237617e85709bcc697206953d1e3b14e60f1c55ed5f92c830318af1b460cbeaadfb7dc881f69b3b8299a2628" +
          "b4b652800f098ee6ad718fd0315876fe89db00b9df6a5e4bd3213454a2b5038966b3d43d1e0c50354f683c4364a926d2" +
          "236f00c24199132847b862df7ea46d9615b7b64a532ef2a58b1b55de4545cb1eca967cbdb029a2f9"
        : "fd5b84f01421e6ebe363648ee4b66164720aab327b7590f6f5bae983aab837f68bef60cfae9ec9df34609b00100854ea" +
          "c8d963aa89f4f1a86f87a961d122981638bd7b6eeb133e78bf706202f3a6a8887020b6c7249e3ae3cb38f5c26849a21e" +
          "9fe04d72627bcbfacf0d10decb4a87c654ad9f17525729e8772df44e52a7ec47ae83a165f7e1f16e";
      const keymat = initiator
        ? "62e57aa00cc38475b39d7faff934730dfa14ed073daf5e11f0440f9c7f912e42d2c4d802a931f571"
        : "73e30222a2f827d994d81dc353d4d44d145605a7e431cf53b31a8adf594fd4bde80e5cf9bccef5d3";
      expect(keysAre(sa, 32, keys)).toBe(true);
      hex(keymat, expected);
      expect(memory.compare(childKeymat(child, initiator != 0), expected, 20)).toBe(0);
      expect(memory.compare(childKeymat(child, initiator == 0), expected + 20, 20)).toBe(0);
    }
  });
});
