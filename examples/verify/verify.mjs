// Receives what tickrelay sends, with nothing but Node:
//
//     WEBHOOK_SECRET=whsec_… node verify.mjs 3000
//
// Prints one line for each payload, once. Answers 401 to what is not from tickrelay.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

/** How far the sender's clock and ours may be apart; what is older may be a replay. */
const TOLERANCE_S = 5 * 60;

/** Whether `body` (a Buffer, as it came) was sent by who knows the secret, just now. */
export function verify(secret, headers, body) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!/^[0-9]+$/.test(timestamp) || age > TOLERANCE_S) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is rotated there are two signatures: ours is one of them.
  return (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const [version, text = ""] = signature.split(",");
    const given = Buffer.from(text, "base64");
    return version === "v1" && given.length === mac.length && timingSafeEqual(given, mac);
  });
}

const secret = process.env.WEBHOOK_SECRET;
if (!secret) throw new Error("set WEBHOOK_SECRET to the subscriber's secret, whsec_…");
// Yours is a table with a unique key, written in the transaction that acts on the payload.
const seen = new Set();

async function receive(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!verify(secret, request.headers, body)) {
    response.writeHead(401).end("not signed with our secret, or too old\n");
    return;
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    console.log(JSON.stringify(JSON.parse(body.toString())));
    seen.add(id);
  }
  // What was seen before is a yes too, or it would be sent again and again.
  response.writeHead(204).end();
}

const server = createServer((request, response) => {
  // Not taken: it will come again.
  receive(request, response).catch(() => response.writeHead(500).end());
});
server.listen(Number(process.argv[2] ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
