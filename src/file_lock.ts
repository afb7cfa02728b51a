/** Locks between processes: `flock`, which Hugging Face's Python client holds on the same files while it downloads. */
import { open } from "node:fs/promises";
import { constants } from "node:os";
import { setTimeout } from "node:timers/promises";
import koffi from "koffi";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** The pause between two tries grows from the first to the second. */
const POLL_MILLISECONDS = { first: 2, longest: 100 };

type Flock = (fd: number, operation: number) => number;
let loaded: Flock | undefined;

/**
 * Runs an action while no other holds the lock, in this process or another. The kernel lets go of the lock when its holder
 * ends, however that happens. The lock's file stays, as Python's client leaves it.
 *
 * @param path the lock's file, which is made where it is missing
 * @param action is told whether the lock is held: Windows has no `flock`, and some network file systems refuse it
 */
export async function withFileLock<Result>(
  path: string,
  action: (held: boolean) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const handle = await open(path, "a", 0o664);
  try {
    return await action(await acquire(handle.fd, signal));
  } finally {
    await handle.close();
  }
}

async function acquire(fd: number, signal: AbortSignal | undefined): Promise<boolean> {
  if (process.platform === "win32") return false;
  const flock = (loaded ??= koffi.load(null).func("flock", "int", ["int", "int"]) as Flock);
  let pause = POLL_MILLISECONDS.first;
  while (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    if (![constants.errno.EWOULDBLOCK, constants.errno.EINTR].includes(koffi.errno())) return false;
    await setTimeout(pause, undefined, signal && { signal });
    pause = Math.min(2 * pause, POLL_MILLISECONDS.longest);
  }
  return true;
}
