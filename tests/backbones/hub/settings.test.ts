/** Names of repositories, and the environment as Python's client reads it. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { looksLikeRepository, parseRepository } from "../../../src/backbones/hub/repository.js";
import { hubSettings } from "../../../src/backbones/hub/settings.js";

describe("parseRepository", () => {
  it.each([
    ["microsoft/resnet-18", undefined, { id: "microsoft/resnet-18", revision: "main" }],
    ["microsoft/resnet-18@v1.0", undefined, { id: "microsoft/resnet-18", revision: "v1.0" }],
    [
      "hf://timm/resnet18.tv_in1k@refs/pr/1",
      undefined,
      { id: "timm/resnet18.tv_in1k", revision: "refs/pr/1" },
    ],
    ["hf://models/org/name", undefined, { id: "org/name", revision: "main" }],
    ["hf://gpt2", "main", { id: "gpt2", revision: "main" }],
    ["org/name", "dev", { id: "org/name", revision: "dev" }],
    ["org/name@dev", "dev", { id: "org/name", revision: "dev" }],
  ])("%s", (text, revision, expected) => {
    expect(parseRepository(text, revision)).toEqual(expected);
  });

  it.each([
    "",
    "a/b/c",
    "org/",
    "/name",
    "org/..",
    "../name",
    "org/-name",
    "org/a--b",
    "org/na me",
    "org/name@",
    "org/name@../../x",
    "org/name@a b",
    "org\\name",
  ])("refuses %j", (text) => {
    expect(() => parseRepository(text)).toThrow(expect.objectContaining({ code: "ERR_HUB_ID" }) as Error);
  });

  it("refuses two revisions that differ", () => {
    expect(() => parseRepository("org/name@a", "b")).toThrow(/revision a, but `revision` is "b"/);
  });

  it("tells repositories from names and paths", () => {
    const texts = ["org/name", "hf://name", "org/name@v1", "resnet18", "./org/name", "/org/name", "a/b/c"];
    expect(texts.filter(looksLikeRepository)).toEqual(["org/name", "hf://name", "org/name@v1"]);
  });
});

describe("hubSettings", () => {
  const home = mkdtempSync(join(tmpdir(), "kindling-hub-"));
  writeFileSync(join(home, "token"), "hf_of_the_file\n");

  it("has the defaults of Python's client", () => {
    expect(hubSettings({}, {})).toMatchObject({
      cacheDir: join(homedir(), ".cache", "huggingface", "hub"),
      endpoint: "https://huggingface.co",
      localFilesOnly: false,
      timeoutSeconds: 10,
    });
  });

  it.each([
    [{ XDG_CACHE_HOME: "/cache" }, "/cache/huggingface/hub"],
    [{ XDG_CACHE_HOME: "/cache", HF_HOME: "/home" }, "/home/hub"],
    [{ HF_HOME: "/home", HUGGINGFACE_HUB_CACHE: "/old" }, "/old"],
    [{ HF_HOME: "/home", HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }, "/new"],
    [{ HF_HUB_CACHE: "~/models" }, join(homedir(), "models")],
  ])("puts the cache where %j says", (environment, expected) => {
    expect(hubSettings({}, environment).cacheDir).toBe(expected);
    expect(hubSettings({ cacheDir: "/option" }, environment).cacheDir).toBe("/option");
  });

  it.each([
    [{ HF_HOME: home }, "hf_of_the_file"],
    [{ HF_HOME: home, HF_TOKEN: " hf_x\n" }, "hf_x"],
    [{ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: "hf_old" }, "hf_old"],
    [{ HF_HOME: "/none", HF_TOKEN_PATH: join(home, "token") }, "hf_of_the_file"],
    [{ HF_HOME: home, HF_TOKEN: "hf_x", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }, undefined],
    [{ HF_HOME: "/none" }, undefined],
  ])("takes the token that %j gives", (environment, expected) => {
    expect(hubSettings({}, environment).token).toBe(expected);
    expect(hubSettings({ token: "hf_option" }, environment).token).toBe("hf_option");
  });

  it("knows the words for yes", () => {
    for (const HF_HUB_OFFLINE of ["1", "true", "YES", "On"])
      expect(hubSettings({}, { HF_HUB_OFFLINE }).localFilesOnly).toBe(true);
    for (const HF_HUB_OFFLINE of ["0", "false", "", "no"])
      expect(hubSettings({}, { HF_HUB_OFFLINE }).localFilesOnly).toBe(false);
    expect(hubSettings({}, { TRANSFORMERS_OFFLINE: "1" }).localFilesOnly).toBe(true);
    expect(hubSettings({ localFilesOnly: false }, { HF_HUB_OFFLINE: "1" }).localFilesOnly).toBe(false);
  });

  it("takes a mirror with a path, and refuses what is no address", () => {
    const mirror = "https://example.org/api/huggingfaceml/models/";
    expect(hubSettings({}, { HF_ENDPOINT: mirror }).endpoint).toBe(mirror.slice(0, -1));
    expect(() => hubSettings({}, { HF_ENDPOINT: "example.org" })).toThrow(
      expect.objectContaining({ code: "ERR_HUB_ENDPOINT" }) as Error,
    );
  });
});
