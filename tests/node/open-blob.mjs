// Opens a blob as a web client of the legacy system does: WebCrypto, and envelope B alone, whose length stands at 6.
// usage: node open-blob.mjs BLOB KEY    prints {"filename","size","sha256"}

import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [path, keyText] = process.argv.slice(2);
const blob = readFileSync(path);
const raw = Buffer.from(keyText, 'base64url');
const key = await webcrypto.subtle.importKey('raw', raw, { name: 'AES-GCM' }, false, ['decrypt']);
const opened = await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv: blob.subarray(0, 12) }, key, blob.subarray(12));
const plain = Buffer.from(opened);

let filename = null;
let content = plain;
if (plain.subarray(0, 6).toString('latin1') === 'SGMETA') {
  const end = 10 + plain.readUInt32BE(6);
  filename = JSON.parse(plain.subarray(10, end).toString('utf8')).filename;
  content = plain.subarray(end);
}
const sha256 = createHash('sha256').update(content).digest('hex');
console.log(JSON.stringify({ filename, size: content.length, sha256 }));
