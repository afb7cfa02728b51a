/** The release that is running: the version of package.json, as files and reports name it. */
export const VERSION = "0.1.0";
