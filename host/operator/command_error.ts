/** A command that the gateway refused or did not answer; `message` is for people. */
export class CommandError extends Error {
  readonly result: number | undefined;

  constructor(message: string, result?: number) {
    super(message);
    this.result = result;
  }
}
