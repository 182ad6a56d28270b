// Shared collections: one subscription of a connection, for all parts of a program that use it.
import type { Connection, Fault, GrainsWanted, JobSummary, MasterIds, Minion } from "./index.js";

/** Objects by id that change as the server's do. */
export interface Collection<Item> {
  /** Null until the first snapshot is complete. While the connection is lost, the last content stays. */
  readonly state: ReadonlyMap<string, Item> | null;

  /**
   * Call `onChange` with the objects now, if they are known, and after each change; the result stops the calls.
   * `onFault` is called when the server ended the subscription.
   */
  subscribe(onChange: (state: ReadonlyMap<string, Item>) => void, onFault?: (fault: Fault) => void): () => void;
}

/** The minions that the user may see, with these grains; with `master` only those of one master, or of several. */
export function minions(connection: Connection, options?: { grains?: GrainsWanted; master?: MasterIds }): Collection<Minion>;

/**
 * The newest jobs that the user may see, by job id, without their returns; with `master` only those of these masters,
 * with `short_targets` only the beginning of long targets.
 */
export function jobs(connection: Connection, options?: { master?: MasterIds; short_targets?: boolean }): Collection<JobSummary>;
