/** Where a backbone's files are: a folder of one's own, or the hub's cache, which they are downloaded to. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { ConfigurationError, describeChoices, HubError } from "../errors.js";
import {
  chooseBackboneFiles,
  type BackboneDtype,
  type BackboneFileOptions,
  type BackboneFiles,
} from "./backbone_files.js";
import {
  cachedSnapshot,
  downloadChosen,
  looksLikeRepository,
  type FileChoice,
  type HubDownloadOptions,
  type HubOptions,
} from "./hub/index.js";
import {
  availableBackbones,
  findAnyBackbone,
  findBackbone,
  type BackboneDomain,
  type BackboneEntry,
  type BackboneName,
} from "./registry/index.js";

/** Which of a backbone's files are wanted. */
export interface BackboneSourceOptions extends HubOptions {
  /** The type of an ONNX file's weights. Default: `fp32`. */
  dtype?: BackboneDtype;
}

/** Options of `downloadBackbone`. */
export interface DownloadBackboneOptions extends HubDownloadOptions {
  /** The type of an ONNX file's weights. Default: `fp32`. */
  dtype?: BackboneDtype;
}

/** A backbone's files on this machine. */
export interface BackboneFolder {
  /** What the backbone is called: the name or repository that was given, or the last part of a folder's path. */
  readonly name: string;
  readonly folder: string;
  readonly files: BackboneFiles;
}

/**
 * Downloads what a backbone is made of into the hub's cache: weights, configurations, and for text the tokenizer. What is
 * there is not downloaded again.
 *
 * @param backbone a name of `availableBackbones(domain)`, or a repository on the hub: `organisation/name`, with or without
 *   `@revision`
 * @returns the folder with the files, which every task takes as its `backbone`
 * @throws HubError as `hubDownload` does
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_WEIGHTS_UNAVAILABLE` for a backbone without weights,
 *   `ERR_BACKBONE_FOLDER` for a repository without weights that can be used, `ERR_BACKBONE_DTYPE`
 * @example
 * const task = new ImageClassifier({ labels: ["cat", "dog"], backbone: await downloadBackbone("dinov2_small") });
 */
export async function downloadBackbone(
  backbone: BackboneName | (string & {}),
  { dtype, ...options }: DownloadBackboneOptions = {},
): Promise<string> {
  const entry = findAnyBackbone(backbone);
  if (entry === undefined && !looksLikeRepository(backbone)) {
    const names = (["image", "text", "audio", "detection"] as const).flatMap<string>((domain) =>
      availableBackbones(domain),
    );
    throw new ConfigurationError(
      "ERR_UNKNOWN_BACKBONE",
      `There is no backbone ${JSON.stringify(backbone)}, and a repository on the hub is called "organisation/name". ` +
        describeChoices(backbone, names),
    );
  }
  const repository = entry === undefined ? backbone : sourceOf(backbone, entry);
  return downloadChosen(repository, chooser(repository, { ...entry, dtype }), options);
}

/**
 * Finds a backbone's files, in the order: a name of the registry, a folder, a repository on the hub.
 *
 * @param given what the user gave as `backbone`
 * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, and as `downloadBackbone`
 * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED` for files that are not in the hub's cache
 */
export function findBackboneFolder(
  domain: BackboneDomain,
  given: string,
  { dtype, ...options }: BackboneSourceOptions = {},
): BackboneFolder {
  const entry = findBackbone(domain, given);
  if (entry === undefined && existsSync(given) && statSync(given).isDirectory())
    return openFolder(given, { dtype });
  if (entry === undefined && !looksLikeRepository(given)) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_BACKBONE",
      `There is no ${domain} backbone ${JSON.stringify(given)}, no folder of that name, and a repository on the hub is ` +
        `called "organisation/name". ${describeChoices(given, availableBackbones(domain))}`,
    );
  }
  const repository = entry === undefined ? given : sourceOf(given, entry);
  const fileOptions = { ...entry, dtype };
  const folder = cachedSnapshot(repository, chooser(repository, fileOptions), options);
  if (folder === undefined) {
    throw new HubError(
      "ERR_BACKBONE_NOT_DOWNLOADED",
      `The weights of ${given} are not in the hub's cache. Download them first: ` +
        `\`backbone: await downloadBackbone(${JSON.stringify(given)})\`, or give a folder that has them.`,
    );
  }
  return { ...openFolder(folder, fileOptions), name: given };
}

/** The files of a folder. @throws ConfigurationError as `chooseBackboneFiles` does */
export function openFolder(folder: string, options: BackboneFileOptions): BackboneFolder {
  const path = resolve(folder);
  const entries = readdirSync(path, { recursive: true, encoding: "utf8" });
  const paths = entries.map((entry) => relative(path, resolve(path, entry)).split(sep).join("/"));
  const files = chooseBackboneFiles(paths, folder, options);
  return { name: path.split(sep).at(-1)!, folder: path, files };
}

function chooser(repository: string, options: BackboneFileOptions): FileChoice {
  return (files) => chooseBackboneFiles(files, repository, options).all;
}

function sourceOf(name: string, { source }: BackboneEntry): string {
  if (source !== undefined) return source;
  throw new ConfigurationError(
    "ERR_WEIGHTS_UNAVAILABLE",
    `The backbone ${name} comes without weights: give \`pretrained: false\` to start from random ones.`,
  );
}
