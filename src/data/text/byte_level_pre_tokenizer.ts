/** GPT-2's division into words as Hugging Face's tokenizers have it: what is white space is Unicode's rule, not JavaScript's. */
import { ByteLevelPreTokenizer } from "./huggingface_tokenizers.js";

/** JavaScript's `\s` takes U+FEFF for white space, and U+0085 not. */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

export class ExactByteLevelPreTokenizer extends ByteLevelPreTokenizer {
  override readonly pattern = WORD;
}
