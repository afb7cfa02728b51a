/** Operators that make arrays from nothing but numbers: constants, ranges, random ones. */
import * as tf from "@tensorflow/tfjs-core";
import { Generator, getGlobalGenerator } from "../../random.js";
import { typeWithNumber, type OnnxType } from "../format/element_types.js";
import { deviceType, HostValue, typeOf, type OnnxValue } from "../values.js";
import { castTo } from "./casting.js";
import type { OperatorContext } from "./context.js";
import { isSmall, makeHost } from "./host.js";
import { floatAt, floats, numberAt, numbersAt, product, range, type OperatorTable } from "./operator.js";

const notes = "Draws from the global generator, or from one of its own where the node has a seed.";

export const creation: OperatorTable = {
  Constant: { since: 1, gradient: false, run: (_inputs, context) => [constant(context)] },
  ConstantOfShape: {
    since: 9,
    gradient: false,
    run: (inputs, context) => {
      const lengths = numbersAt(inputs, 0, "the shape of ConstantOfShape")!;
      const { type, data } = context.tensor("value", new HostValue("float32", [1], [0]));
      const value = data[0]!;
      if (!isSmall(lengths)) return [tf.fill(lengths, value, deviceType(type))];
      return [new HostValue(type, lengths, new Array<number>(product(lengths)).fill(value))];
    },
  },
  Range: {
    since: 11,
    gradient: false,
    run: (inputs) => {
      const [start, limit, delta] = [0, 1, 2].map((i) => numberAt(inputs, i, "an input of Range")!) as [
        number,
        number,
        number,
      ];
      const count = Math.max(0, Math.ceil((limit - start) / delta));
      return [
        makeHost(
          typeOf(inputs[0]!),
          [count],
          range(count).map((i) => start + i * delta),
        ),
      ];
    },
  },
  EyeLike: {
    since: 9,
    gradient: false,
    run: ([like], context) => {
      const type = context.has("dtype") ? typeOfAttribute(context, "dtype") : typeOf(like!);
      const [rows, columns] = like!.shape as [number, number];
      const offset = context.int("k", 0);
      const ones = range(rows * columns).map((i) =>
        Number((i % columns) - Math.floor(i / columns) === offset),
      );
      return [new HostValue(type, like!.shape, ones)];
    },
  },
  RandomNormal: {
    since: 1,
    gradient: false,
    notes,
    run: (_inputs, context) => [drawn(context.ints("shape"), normal(context), context)],
  },
  RandomNormalLike: {
    since: 1,
    gradient: false,
    notes,
    run: ([like], context) => [drawn(like!.shape, normal(context), context)],
  },
  RandomUniform: {
    since: 1,
    gradient: false,
    notes,
    run: (_inputs, context) => [drawn(context.ints("shape"), uniform(context), context)],
  },
  RandomUniformLike: {
    since: 1,
    gradient: false,
    notes,
    run: ([like], context) => [drawn(like!.shape, uniform(context), context)],
  },
  Bernoulli: {
    since: 15,
    gradient: false,
    notes,
    run: (inputs, context) => {
      const probabilities = floatAt(inputs, 0);
      const numbers = draw(probabilities.shape, (generator) => generator.uniform(), context);
      const type = context.has("dtype") ? typeOfAttribute(context, "dtype") : typeOf(inputs[0]!);
      return [tf.cast(tf.less(numbers, probabilities), deviceType(type))];
    },
  },
  Multinomial: {
    since: 7,
    gradient: false,
    notes,
    run: (inputs, context) => {
      const logProbabilities = floatAt(inputs, 0) as tf.Tensor2D;
      const generator = generatorOf(context);
      return [
        tf.multinomial(logProbabilities, context.int("sample_size", 1), generator.integer(2 ** 31 - 1)),
      ];
    },
  },
};

/** Tensors are constants of the model already; here are the other ways in which the node may give its value. */
function constant(context: OperatorContext): HostValue {
  if (context.has("value_float")) return HostValue.scalar(context.float("value_float"), "float32");
  if (context.has("value_int")) return HostValue.scalar(context.int("value_int"), "int64");
  if (context.has("value_ints")) return HostValue.integers(context.ints("value_ints"));
  if (context.has("value_floats")) {
    const values = context.floats("value_floats");
    return new HostValue("float32", [values.length], values);
  }
  if (context.has("value")) return context.tensor("value");
  throw context.unsupported("its value is of a type that cannot be computed with");
}

/** The element type that an attribute gives by its number. */
export function typeOfAttribute(context: OperatorContext, name: string, fallback?: number): OnnxType {
  const number = context.int(name, fallback);
  const type = typeWithNumber(number);
  if (type === undefined) throw context.invalid(`there is no element type ${number}`);
  return type;
}

type Draw = (generator: Generator) => number;

function normal(context: OperatorContext): Draw {
  const [mean, scale] = [context.float("mean", 0), context.float("scale", 1)];
  return (generator) => mean + scale * generator.normal();
}

function uniform(context: OperatorContext): Draw {
  const [low, high] = [context.float("low", 0), context.float("high", 1)];
  return (generator) => generator.between(low, high);
}

function drawn(shape: readonly number[], next: Draw, context: OperatorContext): OnnxValue {
  const numbers = draw(shape, next, context);
  return context.has("dtype") ? castTo(numbers, typeOfAttribute(context, "dtype"), context) : numbers;
}

function draw(shape: readonly number[], next: Draw, context: OperatorContext): tf.Tensor {
  const generator = generatorOf(context);
  return floats(
    Float32Array.from({ length: product(shape) }, () => next(generator)),
    shape,
  );
}

function generatorOf(context: OperatorContext): Generator {
  return context.has("seed") ? new Generator(Math.floor(context.float("seed"))) : getGlobalGenerator();
}
