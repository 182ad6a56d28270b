// The client's classes; types.d.ts has the messages of the protocol.
import type { Frame, Requests, Results, SubscribeRequest } from "./types.js";

export * from "./types.js";

/** The fields of a request; the client adds `type` and `id`. */
export type Fields<Operation extends keyof Requests> = Omit<Requests[Operation], "type" | "id">;

/** Frames of a subscription, and the client's own `begin`, which is sent each time that the subscription begins. */
export type ClientFrame =
  | Frame
  | { type: "begin"; epoch: string; seq: number; recovered: boolean | null }
  | { type: "ended"; error: Fault };

/** An error of the server, or `connection_lost`: then it is unknown whether the request took effect. */
export class Fault extends Error {
  code: string;
  details: unknown;
  retryable: boolean;
}

export interface Follow {
  /** The position of the last event, which the next connection resumes from. */
  readonly since: { epoch: string; seq: number } | null;
  stop(): void;
}

export type Credentials = { username: string; password: string; eauth?: string } | { token: string };

export class Connection {
  constructor(url: string, options?: { WebSocket?: unknown });

  readonly state: "out" | "connecting" | "open" | "waiting" | "refused";
  readonly reason: string;
  readonly latency: number | null;
  readonly reconnects: number;
  /** What happened to the connection, newest last. */
  readonly notes: Array<{ time: number; text: string }>;

  logIn(credentials: Credentials, onLogin?: (token: Results["auth"]) => void): Promise<Results["auth"]>;
  /** Close, and stay closed until the next login. The token stays valid; the request `logout` revokes it. */
  logOut(reason?: string): void;
  retry(): void;
  ping(): Promise<void>;

  request<Operation extends keyof Requests>(type: Operation, fields?: Fields<Operation>): Promise<Results[Operation]>;
  read<Operation extends keyof Requests>(type: Operation, fields?: Fields<Operation>): Promise<Results[Operation]>;
  follow(fields: Omit<SubscribeRequest, "type" | "id">, onFrame: (frame: ClientFrame, size?: number) => void): Follow;

  /** Call `listener` after each change of the fields above; the result stops the calls. */
  listen(listener: () => void): () => void;
}

/** Parse a message; whole numbers beyond JavaScript's exact range become BigInt. */
export function decode(text: string): unknown;
