/** Jobs that want a processor or namespaces of their own, a few at a time. */

/** Does `work` for each job in the order given, in `lanes` lanes (numbered from 0), each of which takes the next job when it is through with one. */
export async function inLanes<T>(
  jobs: readonly T[],
  lanes: number,
  work: (job: T, lane: number) => Promise<void>,
): Promise<void> {
  const waiting = jobs.values();
  const lane = async (_: unknown, number: number): Promise<void> => {
    for (const job of waiting) await work(job, number);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** `paths` with those in front that `long` names, in its order: one of them that began last would run alone at the end. */
export function longFirst(paths: readonly string[], long: readonly string[]): string[] {
  const named = long.flatMap((name) => paths.filter((path) => path.endsWith(`/${name}.test.ts`)));
  return [...named, ...paths.filter((path) => !named.includes(path))];
}
