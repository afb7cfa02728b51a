/** Requests that are wrong in one way each, with the status that is its due. */
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import type { Pool } from "undici";
import { sendRaw } from "./serve_clients.js";

export interface Malformed {
  what: string;
  status: number;
  /** @returns the status it got */
  send: (pool: Pool, url: string) => Promise<number>;
}

/** @param picture one that is sound */
export async function malformedRequests(picture: Buffer): Promise<Malformed[]> {
  const bomb = await sharp({ create: { width: 8000, height: 8000, channels: 3, background: "black" } })
    .png()
    .toBuffer();
  const json = "application/json";
  const base64 = picture.toString("base64");
  return [
    request("JSON that ends early", 400, json, "{"),
    request("JSON without an input", 400, json, "{}"),
    request("JSON that is a list", 400, json, "[]"),
    request("JSON with a number", 400, json, '{"input":3}'),
    request("JSON with both inputs", 400, json, `{"input":"${base64}","inputs":["${base64}"]}`),
    request("JSON with no inputs", 400, json, '{"inputs":[]}'),
    request("an option that there is not", 400, json, `{"input":"${base64}","options":{"topk":3}}`),
    request("an option's wrong value", 400, json, `{"input":"${base64}","options":{"topK":"many"}}`),
    request("a prototype", 400, json, `{"input":"${base64}","options":{"__proto__":{"topK":1}}}`),
    request("deep JSON", 400, json, `{"input":${"[".repeat(9000)}${"]".repeat(9000)}}`),
    request("no base64", 400, json, '{"input":"%%%"}'),
    request("a URL", 400, json, '{"input":"http://169.254.169.254/latest"}'),
    request("invalid UTF-8", 400, json, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])),
    request("a zipped body", 400, json, gzipSync(`{"input":"${base64}"}`), { "content-encoding": "gzip" }),
    request("1000 inputs", 413, json, JSON.stringify({ inputs: new Array(1000).fill("AAAA") })),
    request("no body", 400, "image/png", ""),
    request("a text", 415, "text/plain", "a picture, please"),
    request("no type", 415, undefined, picture),
    request("what is no picture", 422, "image/png", "no picture"),
    request("a picture that is cut off", 422, "image/png", picture.subarray(0, picture.length / 2)),
    request("64 million pixels", 413, "image/png", bomb),
    request("a form without a boundary", 400, "multipart/form-data", picture),
    request(
      "a form that ends early",
      400,
      "multipart/form-data; boundary=b",
      "--b\r\nContent-Disposition: form-",
    ),
    request("a query's wrong value", 400, "image/png", picture, {}, "/predict?topK=many"),
    request("a model that there is not", 404, "image/png", picture, {}, "/models/none/predict"),
    request("an address that there is not", 404, "image/png", picture, {}, "/none"),
    raw("no HTTP", 400, "\x16\x03\x01 hello\r\n\r\n"),
    raw("no host", 400, "POST /predict HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    raw("two lengths", 400, `${head("Content-Length: 5\r\nTransfer-Encoding: chunked")}0\r\n\r\n`),
    raw("a length that is none", 400, head("Content-Length: many")),
    raw("a body of 20 MB, by its head", 413, head("Content-Type: image/png\r\nContent-Length: 20000000")),
    raw("a head of 100 KB", 431, head(`X-Long: ${"a".repeat(100_000)}`)),
    raw("another method", 404, "PUT /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
  ];
}

function head(fields: string): string {
  return `POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${fields}\r\n\r\n`;
}

function request(
  what: string,
  status: number,
  type: string | undefined,
  body: string | Buffer,
  more: Record<string, string> = {},
  path = "/predict",
): Malformed {
  const headers = { ...more, ...(type !== undefined && { "content-type": type }) };
  const send = async (pool: Pool): Promise<number> => {
    const answer = await pool.request({ path, method: "POST", headers, body });
    await answer.body.dump();
    return answer.statusCode;
  };
  return { what, status, send };
}

function raw(what: string, status: number, bytes: string): Malformed {
  return { what, status, send: (_pool, url) => sendRaw(url, bytes) };
}
