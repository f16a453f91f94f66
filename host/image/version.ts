/** Versions of images as MCUboot has them: major.minor.revision+build. */
export interface Version {
  /** 0 to 255. */
  major: number;
  /** 0 to 255. */
  minor: number;
  /** 0 to 65535. */
  revision: number;
  /** 0 to 2^32 - 1. */
  build: number;
}

/** Octets of a version in a file: major u8, minor u8, revision u16, build u32. */
export const VERSION_OCTETS = 8;

/** `1.2.3` or `1.2.3+45`. Throws RangeError for anything else. */
export function parseVersion(text: string): Version {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?$/.exec(text);
  const [major, minor, revision, build] = [1, 2, 3, 4].map((part) => Number(match?.[part] ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  if (!match || major > 255 || minor > 255 || revision > 65535 || build > 0xffff_ffff) {
    throw new RangeError(`'${text}' is no version: 1.2.3 or 1.2.3+4, up to 255.255.65535+4294967295`);
  }
  return { major, minor, revision, build };
}

export const renderVersion = ({ major, minor, revision, build }: Version): string =>
  `${major}.${minor}.${revision}${build === 0 ? "" : `+${build}`}`;

/** Below 0: `a` is older; 0: the same; above 0: `a` is newer. */
export const compareVersions = (a: Version, b: Version): number =>
  a.major - b.major || a.minor - b.minor || a.revision - b.revision || a.build - b.build;

export function readVersion(view: DataView, at: number): Version {
  return {
    major: view.getUint8(at),
    minor: view.getUint8(at + 1),
    revision: view.getUint16(at + 2, true),
    build: view.getUint32(at + 4, true),
  };
}

export function writeVersion(view: DataView, at: number, version: Version): void {
  view.setUint8(at, version.major);
  view.setUint8(at + 1, version.minor);
  view.setUint16(at + 2, version.revision, true);
  view.setUint32(at + 4, version.build, true);
}
