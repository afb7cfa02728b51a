/** Open MPI's and MPICH's library, whichever this machine has, as far as collectives need it. */
import koffi, { type LibraryHandle } from "koffi";
import { DistributedError } from "../../errors.js";

/** A communicator, data type or operation: an address in Open MPI, a number in MPICH. */
type Handle = bigint | number;

/** The reductions that are left to MPI. */
type MpiOp = "sum" | "min" | "max";

/** MPI's types by the arrays that hold them. */
export type MpiType = "Float32Array" | "Float64Array" | "Int32Array" | "Uint8Array";

interface Constants {
  world: Handle;
  types: Record<MpiType, Handle>;
  ops: Record<MpiOp, Handle>;
  inPlace: bigint;
  /** Where no status is wanted. */
  noStatus: bigint | null;
}

/** The functions that are called, each of which gives an error code. */
const FUNCTIONS = {
  init: "MPI_Init(void *, void *)",
  finalize: "MPI_Finalize()",
  rank: "MPI_Comm_rank(H, _Out_ int *)",
  size: "MPI_Comm_size(H, _Out_ int *)",
  setErrorHandler: "MPI_Comm_set_errhandler(H, H)",
  allReduce: "MPI_Iallreduce(void *, void *, int, H, H, H, void *)",
  exchange: "MPI_Ialltoallv(void *, void *, void *, H, void *, void *, void *, H, H, void *)",
  gatherParts: "MPI_Iallgatherv(void *, int, H, void *, void *, void *, H, H, void *)",
  broadcast: "MPI_Ibcast(void *, int, H, int, H, void *)",
  gather: "MPI_Igather(void *, int, H, void *, int, H, int, H, void *)",
  test: "MPI_Test(void *, _Out_ int *, void *)",
  errorString: "MPI_Error_string(int, void *, _Out_ int *)",
} as const;

type NativeFunction = (...args: unknown[]) => number;

export interface MpiLibrary {
  readonly constants: Constants;
  /** @throws DistributedError `ERR_MPI` with MPI's own words where a call fails */
  call(name: keyof typeof FUNCTIONS, ...args: unknown[]): void;
}

const OPEN_MPI = ["libmpi.so.40", "libmpi.40.dylib", "libmpi.so"];
const MPICH = ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib", "libmpich.so"];

/** The numbers of MPICH's binary interface, which Intel MPI, MVAPICH and Cray MPICH share. */
const MPICH_CONSTANTS: Constants = {
  world: 0x44000000,
  types: {
    Float32Array: 0x4c00040a,
    Float64Array: 0x4c00080b,
    Int32Array: 0x4c000405,
    Uint8Array: 0x4c00010d,
  },
  ops: { max: 0x58000001, min: 0x58000002, sum: 0x58000003 },
  inPlace: 0xffff_ffff_ffff_ffffn,
  noStatus: 1n,
};
const MPICH_ERRORS_RETURN = 0x54000001;

/**
 * @param names of the files to look for. Default: those of Open MPI and MPICH, in the order in which the program that
 *   started this process makes them likely.
 * @throws DistributedError `ERR_MPI_MISSING` with how to install it
 */
export function loadMpi(names: readonly string[] = likelyNames()): MpiLibrary {
  // UCX, which carries MPICH's messages and may carry Open MPI's, would rewrite the code of mmap, munmap and others to learn
  // what is freed. V8's threads run that code meanwhile, and now and then the process crashes or hangs.
  process.env.UCX_MEM_EVENTS ??= "n";
  for (const name of names) {
    let library: LibraryHandle;
    try {
      // Open MPI's own plugins look for its symbols among the global ones.
      library = koffi.load(name, { global: true, lazy: true });
    } catch {
      continue;
    }
    return bind(library);
  }
  throw new DistributedError(
    "ERR_MPI_MISSING",
    `Ranks on several machines, or started by mpirun, work together through MPI, and no MPI library was found (${names.join(", ")}). ` +
      "Install Open MPI: `apt-get install openmpi-bin` on Debian and Ubuntu, `dnf install openmpi` on Fedora, " +
      "`brew install open-mpi` on macOS, or `module load openmpi` on a cluster. Ranks of one machine need none: leave " +
      "mpirun out and give the Trainer `devices`. Nor do ranks that meet over TCP: set MASTER_ADDR and MASTER_PORT under srun, or " +
      "start the processes with torchrun's variables.",
  );
}

/** MPICH's launcher sets other variables than Open MPI's. */
function likelyNames(): string[] {
  const isMpich = process.env.OMPI_COMM_WORLD_SIZE === undefined && process.env.PMI_RANK !== undefined;
  return isMpich ? [...MPICH, ...OPEN_MPI] : [...OPEN_MPI, ...MPICH];
}

function bind(library: LibraryHandle): MpiLibrary {
  const isOpenMpi = hasSymbol(library, "ompi_mpi_comm_world");
  const handle = isOpenMpi ? "void *" : "int";
  const functions = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, declaration]) => [
      name,
      library.func(`int ${declaration.replace(/\bH\b/g, handle)}`) as NativeFunction,
    ]),
  ) as Record<keyof typeof FUNCTIONS, NativeFunction>;
  const call: MpiLibrary["call"] = (name, ...args) => {
    const code = functions[name](...args);
    if (code === 0) return;
    const text = Buffer.alloc(1024);
    const length = [0];
    functions.errorString(code, text, length);
    throw new DistributedError("ERR_MPI", `MPI failed in ${name}: ${text.toString("utf8", 0, length[0])}`);
  };
  const address = (name: string) => koffi.address(library.symbol(name, "int"));
  if (!isOpenMpi) {
    call("init", null, null);
    call("setErrorHandler", MPICH_CONSTANTS.world, MPICH_ERRORS_RETURN);
    return { constants: MPICH_CONSTANTS, call };
  }
  const constants: Constants = {
    world: address("ompi_mpi_comm_world"),
    types: {
      Float32Array: address("ompi_mpi_float"),
      Float64Array: address("ompi_mpi_double"),
      Int32Array: address("ompi_mpi_int"),
      Uint8Array: address("ompi_mpi_byte"),
    },
    ops: {
      max: address("ompi_mpi_op_max"),
      min: address("ompi_mpi_op_min"),
      sum: address("ompi_mpi_op_sum"),
    },
    inPlace: 1n,
    noStatus: null,
  };
  call("init", null, null);
  call("setErrorHandler", constants.world, address("ompi_mpi_errors_return"));
  return { constants, call };
}

function hasSymbol(library: LibraryHandle, name: string): boolean {
  try {
    library.symbol(name, "int");
    return true;
  } catch {
    return false;
  }
}
