/** Every command of docs/server.md runs, against a server of the page's own models. */
import { execFile, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageClassifier, TextClassificationData, TextClassifier } from "../../src/index.js";
import { startServer } from "../serve/start_server.js";
import "../support/backend.js";

const page = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");
const commands = [...page.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split("\n"));
const serving = commands.filter((line) => line.startsWith("kindling "));
const asking = commands.filter((line) => line.startsWith("curl "));
const hasCurl = process.env.PATH!.split(":").some((folder) => existsSync(join(folder, "curl")));

describe.skipIf(!hasCurl)("docs/server.md (needs curl)", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindling-docs-"));
  let server: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const train = { texts: ["lost card", "change my PIN"], targets: ["lost", "change"] };
    const data = await TextClassificationData.fromLists({ train });
    await new TextClassifier({ data }).save(join(folder, "intents.kindling"));
    await new ImageClassifier({ labels: ["a", "b"], imageSize: 32 }).save(join(folder, "photos.kindling"));
    await sharp({ create: { width: 40, height: 30, channels: 3, background: "red" } })
      .jpeg()
      .toFile(join(folder, "photo.jpg"));
    const [, , ...words] = serving[0]!.split(" ");
    const args = words.map((word) => (word.endsWith(".kindling") ? join(folder, word) : word));
    ({ child: server, url } = await startServer(...args, "--port", "0"));
  }, 120_000);

  afterAll(() => {
    server?.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  it("serves in one way", () => expect(serving).toHaveLength(1));

  it.each(asking)("%s", async (line) => {
    const command = line.replace("http://127.0.0.1:8000", url);
    expect(command).not.toBe(line);
    const { stdout } = await promisify(execFile)("sh", ["-c", `${command} --silent --show-error --fail`], {
      cwd: folder,
    });
    if (line.endsWith("/metrics")) return expect(stdout).toContain("kindling_requests_total");
    expect(JSON.parse(stdout)).not.toHaveProperty("error");
  });
});
