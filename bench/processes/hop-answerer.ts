/** A process that decides, and is asked by others: peers of its cluster, and clients of gRPC. Its log is in memory. */
import { GrpcServer, ModuleServer, ModuleService } from "../../src/platform/grpc/index.ts";
import { silentLogger } from "../../src/platform/telemetry/index.ts";
import { createGrpcGateway } from "../../src/services/gateway/grpc/index.ts";
import { inventoryMethods } from "../../src/services/inventory/index.ts";
import { serveCalls } from "../harness/child.ts";
import { caller, openInventory, secret } from "./hop.ts";

let since = process.cpuUsage();

serveCalls({
  async open() {
    const inventory = await openInventory();
    const module = new ModuleServer({
      isMember: (given) => given === secret,
      onDefect: (_, error) => console.error(error),
    });
    module.offer("inventory", { offer: inventory, methods: inventoryMethods() });
    const services = [{ description: ModuleService, implementation: module.implementation() }];
    const server = new GrpcServer({ services, messageBytesMax: 64e6 });
    const authenticator = { authenticate: () => caller, stands: () => true };
    const gateway = createGrpcGateway({ inventory, authenticator, logger: silentLogger() });
    return { cluster: await server.listen("127.0.0.1", 0), grpc: await gateway.listen("127.0.0.1", 0) };
  },
  /** Microseconds of CPU since it was asked before. */
  cpuUs() {
    const { user, system } = process.cpuUsage(since);
    since = process.cpuUsage();
    return user + system;
  },
});
