/** Ranks that go wrong, both in one thread, whose event loop takes turns between them. */
import { describe, expect, it } from "vitest";
import { LocalGroup } from "../../src/distributed/local/local_group.js";
import { SharedWorld } from "../../src/distributed/local/shared_world.js";

function twoRanks(): [LocalGroup, LocalGroup, SharedWorld] {
  const world = SharedWorld.create(2);
  return [new LocalGroup(world, 0), new LocalGroup(world, 1), world];
}

describe("two ranks", () => {
  it("meet in the same collective", async () => {
    const [first, second] = twoRanks();
    const arrays = [Float32Array.of(1, 2), Float32Array.of(3, 4)] as const;
    await Promise.all([
      first.allReduce(arrays[0], "mean").finished(),
      second.allReduce(arrays[1], "mean").finished(),
    ]);
    expect(arrays.map((array) => [...array])).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  it("that do different things are both told what", async () => {
    const [first, second] = twoRanks();
    const ended = await Promise.allSettled([
      first.allReduce(new Float32Array(3)).finished(),
      second.barrier().finished(),
    ]);
    for (const { status, reason } of ended as PromiseRejectedResult[]) {
      expect(status).toBe("rejected");
      expect(reason).toMatchObject({ code: "ERR_COLLECTIVE_MISMATCH", rank: 1 });
      expect(String(reason)).toContain(
        "rank 0 came to allReduce (sum) of 3 elements of Float32Array, rank 1 to barrier",
      );
    }
    const [third, fourth] = twoRanks();
    const lengths = await Promise.allSettled([
      third.broadcast(new Float32Array(3)).finished(),
      fourth.broadcast(new Float32Array(4)).finished(),
    ]);
    expect(String((lengths[0] as PromiseRejectedResult).reason)).toContain("Every rank needs the same model");
  });

  it("end where one fails, with its error", async () => {
    const [first, second] = twoRanks();
    const waiting = first.barrier().finished();
    second.abort(new RangeError("no such row"));
    await expect(waiting).rejects.toMatchObject({
      code: "ERR_RANK_FAILED",
      rank: 1,
      message: "Rank 1 has failed. RangeError: no such row",
    });
    expect(() => first.checkAlive()).toThrow("no such row");
    first.abort(new Error("because of that")); // the first failure stays
    expect(() => second.checkAlive()).toThrow("no such row");
  });

  it("do not wait for one whose program has ended", async () => {
    const [first, , world] = twoRanks();
    const waiting = first.barrier().finished();
    world.end(1);
    await expect(waiting).rejects.toMatchObject({ code: "ERR_RANK_ENDED", rank: 1 });
  });

  it("wait for so long and no longer, with the event loop going on or standing still", async () => {
    const [[first], [second]] = [twoRanks(), twoRanks()];
    first.timeout = second.timeout = 150;
    await expect(first.barrier().finished()).rejects.toMatchObject({ code: "ERR_COLLECTIVE_TIMEOUT" });
    expect(() => second.barrier().wait()).toThrow("Rank 0's barrier waited 0 s for the other ranks");
  });

  it("need arrays that fit together", () => {
    const [first] = twoRanks();
    expect(() => first.allGather(new Float32Array(2), new Float32Array(3))).toThrow("2 times as long");
    expect(() => first.reduceScatter(new Float32Array(4), new Float64Array(2))).toThrow("of its kind");
    expect(() => first.broadcast(new Float32Array(1), 2)).toThrow("the ranks 0 to 1");
  });
});
