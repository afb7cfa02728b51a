/**
 * Vulkan without a line on stderr. Mesa's layer for the choice of a GPU looks for a Wayland session wherever Vulkan is opened,
 * and Wayland's library prints an error where XDG_RUNTIME_DIR is not set, as in containers and services.
 */
import koffi from "koffi";

/** An absolute path is all that the library asks for; that there is no session it takes in silence. */
const NO_SESSION = "/nonexistent";

/** Calls a function that opens Vulkan. The variable is gone again when it returns. */
export function openQuietly<T>(open: () => T): T {
  if (process.platform !== "linux" || process.env.XDG_RUNTIME_DIR !== undefined) return open();
  // A worker's `process.env` is a copy, which native code does not see.
  const libc = koffi.load(null);
  libc.func("setenv", "int", ["str", "str", "int"])("XDG_RUNTIME_DIR", NO_SESSION, 0);
  try {
    return open();
  } finally {
    libc.func("unsetenv", "int", ["str"])("XDG_RUNTIME_DIR");
  }
}
