/**
 * Two networks that train against each other, with an optimizer each: a generator learns to make points that lie on a ring,
 * and a discriminator to tell them from real ones (Goodfellow et al., 2014). With `automaticOptimization = false` the
 * module computes its gradients and steps its optimizers itself.
 *
 *   npx tsx --conditions=kindling-source examples/gan.ts
 */
import {
  Adam,
  ArrayDataset,
  binaryCrossEntropyWithLogits,
  DataLoader,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  Relu,
  seedEverything,
  Sequential,
  tf,
  Trainer,
} from "kindling";

const LATENT = 4;
const RADIUS = 2;

interface Batch {
  points: tf.Tensor2D;
}

class RingGan extends LightningModule<tf.Tensor, tf.Tensor> {
  override automaticOptimization = false;
  readonly #random = new Generator(2);
  generator = new Sequential(
    new Linear(LATENT, 64),
    new Relu(),
    new Linear(64, 64),
    new Relu(),
    new Linear(64, 2),
  );
  discriminator = new Sequential(
    new Linear(2, 64),
    new Relu(),
    new Linear(64, 64),
    new Relu(),
    new Linear(64, 1),
  );

  override forward(latent: tf.Tensor) {
    return this.generator.forward(latent);
  }

  override trainingStep({ points }: Batch) {
    const [forGenerator, forDiscriminator] = this.optimizers();
    const latent = this.latent(points.shape[0]);

    this.toggledOptimizer(forDiscriminator!, () => {
      const fake = this.forward(latent); // outside the function: a constant
      const loss = this.manualBackward(() => tf.add(this.judge(points, 1), this.judge(fake, 0)));
      forDiscriminator!.step();
      forDiscriminator!.zeroGrad();
      this.log("discriminator_loss", loss, { progBar: true });
    });

    this.toggledOptimizer(forGenerator!, () => {
      const loss = this.manualBackward(() => this.judge(this.forward(latent), 1));
      forGenerator!.step();
      forGenerator!.zeroGrad();
      this.log("generator_loss", loss, { progBar: true });
    });
  }

  override validationStep() {
    const radii = tf.norm(this.forward(this.latent(512)), "euclidean", 1);
    const near = tf.less(tf.abs(tf.sub(radii, RADIUS)), 0.25);
    this.log("near_ring", tf.mean(tf.cast(near, "float32")), { progBar: true, batchSize: 512 });
  }

  override configureOptimizers() {
    const options = { lr: 1e-3, betas: [0.5, 0.9] as const };
    return [
      new Adam(this.generator.parameters(), options),
      new Adam(this.discriminator.parameters(), options),
    ];
  }

  /** How wrong the discriminator is about points that are real (1) or made (0). */
  private judge(points: tf.Tensor, truth: 0 | 1) {
    const logits = this.discriminator.forward(points);
    return binaryCrossEntropyWithLogits(logits, tf.fill(logits.shape, truth));
  }

  private latent(count: number) {
    const numbers = Float32Array.from({ length: count * LATENT }, () => this.#random.normal());
    return tf.tensor2d(numbers, [count, LATENT]);
  }
}

function ring(count: number) {
  const random = new Generator(1);
  const points = Array.from({ length: count }, () => {
    const angle = random.between(0, 2 * Math.PI);
    const radius = RADIUS + 0.05 * random.normal();
    return {
      points: new HostTensor(Float32Array.of(radius * Math.cos(angle), radius * Math.sin(angle)), [2]),
    };
  });
  return new ArrayDataset(points);
}

seedEverything(0);
const train = new DataLoader(ring(2048), { batchSize: 128, shuffle: true });
const gan = new RingGan();
const trainer = new Trainer({ maxEpochs: 60, logger: false });
const { near_ring: before } = await trainer.validate(gan, { val: [{}] });
await trainer.fit(gan, { train, val: [{}] });
console.log(`${trainer.globalStep} optimizer steps`);
console.log(
  `near the ring: ${before!.toFixed(3)} before, ${trainer.callbackMetrics.near_ring!.toFixed(3)} after`,
);
