/** The cold files of a simulated disk, and what its log says of them. All of it survives a crash. */
export class ColdDisk {
  readonly files = new Map<string, Uint8Array>();
  /** The texts of the manifests in the log, oldest first. */
  readonly manifests: string[] = [];
  /** How often any of it, or the hot log, was changed by the archive. */
  changes = 0;
}
