/** What the other implementation cannot do, counted by its reason and shown: nothing is left out in silence. */

export class Outside {
  private readonly reasons = new Map<string, number>();

  add(reason: string, items = 1): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + items);
  }

  lines(): string[] {
    return [...this.reasons].map(([reason, items]) => `outside: ${items} (${reason})`);
  }
}
