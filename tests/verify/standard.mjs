// What the standardwebhooks package of npm says of requests: a JSON array on stdin, one boolean for
// each on stdout. The argument is the folder that it is installed in.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");

function isTaken({ secret, headers, body }) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(isTaken)));
