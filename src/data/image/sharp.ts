/** The one place where sharp is loaded: pictures run side by side, one thread each, and nothing is kept between them. */
import sharp from "sharp";

sharp.concurrency(1);
sharp.cache(false);

export { sharp };
