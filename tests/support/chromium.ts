/** Debian's Chromium, where it is installed, for tests that need a browser. */
import { existsSync } from "node:fs";

const PATH = "/usr/bin/chromium";

export const chromiumPath: string | undefined = existsSync(PATH) ? PATH : undefined;
