/** Machines of a test: network namespaces with addresses and host names of their own, on one bridge. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: ["ignore", "pipe", "ignore"] });

/** Whether this process may make network namespaces. */
export function canMakeHosts(): boolean {
  const name = `kindling-probe-${process.pid}`;
  if (spawnSync("ip", ["netns", "add", name]).status !== 0) return false;
  const links = spawnSync("ip", ["link", "add", "kindlingprobe", "type", "bridge"]).status === 0;
  if (links) spawnSync("ip", ["link", "del", "kindlingprobe"]);
  spawnSync("ip", ["netns", "del", name]);
  return links && spawnSync("unshare", ["--uts", "true"]).status === 0;
}

export class Hosts {
  readonly #count: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "kindling-hosts-"));

  constructor(count: number) {
    this.#count = count;
    this.remove();
    ip("link", "add", "kindling0", "type", "bridge");
    ip("link", "set", "kindling0", "up");
    for (const host of this.#hosts) {
      ip("netns", "add", `kindling${host}`);
      ip(
        "link",
        "add",
        `kindlingv${host}`,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        `kindling${host}`,
      );
      ip("link", "set", `kindlingv${host}`, "master", "kindling0", "up");
      ip("-n", `kindling${host}`, "addr", "add", `10.77.0.${host}/24`, "dev", "eth0");
      ip("-n", `kindling${host}`, "link", "set", "eth0", "up");
      ip("-n", `kindling${host}`, "link", "set", "lo", "up");
    }
    writeFileSync(this.#agent, `#!/bin/sh\nhost=\${1##*.}\nshift\n${this.#enter("$host")} "$*"\n`);
    chmodSync(this.#agent, 0o755);
  }

  /** The command that runs a program on one rank of each machine, started on the first. */
  command(program: readonly string[]): string[] {
    const network = "10.77.0.0/24";
    const hosts = this.#hosts.map((host) => `10.77.0.${host}:1`).join(",");
    const options = [
      ["plm_rsh_agent", this.#agent],
      ["btl", "tcp,self"],
      ["btl_tcp_if_include", network],
      ["oob_tcp_if_include", network],
    ].flatMap(([name, value]) => `--mca ${name} ${value}`);
    const quoted = program.map((part) => `'${part}'`).join(" ");
    const mpirun = `mpirun ${options.join(" ")} --host ${hosts} -n ${this.#count} ${quoted}`;
    return ["sh", "-c", `${this.#enter("1")} "$0"`, mpirun];
  }

  /** Takes a machine, counted from 1, off the network. */
  cutOff(host: number): void {
    ip("link", "set", `kindlingv${host}`, "down");
  }

  /** Programs that run on a machine. */
  processes(host: number): number[] {
    const { stdout } = spawnSync("ip", ["netns", "pids", `kindling${host}`], { encoding: "utf8" });
    return stdout.split("\n").filter(Boolean).map(Number);
  }

  /** Takes the machines away, with whatever runs on them. */
  remove(): void {
    for (const host of this.#hosts) {
      for (const pid of this.processes(host)) process.kill(pid, "SIGKILL");
      spawnSync("ip", ["netns", "del", `kindling${host}`]);
      spawnSync("ip", ["link", "del", `kindlingv${host}`]);
    }
    spawnSync("ip", ["link", "del", "kindling0"]);
  }

  get #hosts(): number[] {
    return Array.from({ length: this.#count }, (_, i) => i + 1);
  }

  get #agent(): string {
    return join(this.#folder, "agent.sh");
  }

  /** Runs a shell's command line on a machine, under a host name of its own. */
  #enter(host: string): string {
    return `exec ip netns exec kindling${host} unshare --uts sh -c 'hostname kindling$1; eval "$2"' sh ${host}`;
  }
}
