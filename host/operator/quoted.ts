/** What somebody else said, in quotation marks that nothing within it ends: a backslash of the other's own is \\x5c by now. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
