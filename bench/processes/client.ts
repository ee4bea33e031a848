/**
 * A client of few microseconds a request, by bare sockets, one request at a time on each: for arrivals at a fixed rate,
 * which wrk has not, and for machines without wrk.
 */
import { serveCalls } from "../harness/child.ts";
import { Connection } from "../harness/connection.ts";
import { type Load, load } from "../harness/load.ts";

export interface ClientRun extends Load {
  readonly url: string;
  readonly key: string;
  readonly prefix: string;
  readonly sku: string;
  /** 1 asks for `sku` itself, more for `sku` with a number behind it. */
  readonly skus: number;
}

serveCalls({
  async run({ url, key, prefix, sku, skus, ...rest }: ClientRun) {
    const { hostname, port } = new URL(url);
    const idle = await Promise.all(Array.from({ length: rest.callers }, () => Connection.open(hostname, Number(port))));
    const all = [...idle];
    const cpu = { from: process.cpuUsage() };
    const reserve = async (turn: number) => {
      const connection = idle.pop();
      if (connection === undefined) throw new Error("more calls than connections");
      const name = skus === 1 ? sku : `${sku}${(turn * 7919) % skus}`;
      const body = `{"id":"${prefix}-${turn.toString(36)}","lines":[{"sku":"${name}","quantity":1,"location":"here"}]}`;
      const head = `POST /v1/reservations HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      const { status } = await connection.ask(head + body);
      idle.push(connection);
      if (status !== 201 && status !== 409) throw new Error(`answered ${status}`);
      return status === 201;
    };
    const loaded = await load(rest, reserve, () => {
      cpu.from = process.cpuUsage();
    });
    const { user, system } = process.cpuUsage(cpu.from);
    for (const connection of all) connection.close();
    return { ...loaded, callerCpuMs: (user + system) / 1000 };
  },
  close: () => undefined,
});
