/** The command line, or a file that it names, is wrong: nothing was begun. `message` is for people. */
export class WrongUsage extends Error {}
