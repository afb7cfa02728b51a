/** Whether MPI's start leaves the code of the C library as it is: prints the names of the functions that it has rewritten. */
import koffi from "koffi";
import { loadMpi } from "../../../src/distributed/mpi/library.js";

const library = koffi.load("libc.so.6");
const code = (name: string) =>
  String(koffi.decode(library.symbol(name, "uint8_t"), koffi.array("uint8_t", 16)));
const names = ["mmap", "munmap", "mremap", "brk", "sbrk", "madvise"];

const before = names.map(code);
const mpi = loadMpi();
const rewritten = names.filter((name, i) => code(name) !== before[i]);
mpi.call("finalize");
process.stdout.write(JSON.stringify(rewritten));
