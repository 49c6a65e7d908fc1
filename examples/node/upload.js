/** Uploads a file: node upload.js FILE URL */
import { BitsupError, Client } from './bitsup.js';

const [file, url] = process.argv.slice(2);
if (url === undefined) {
  console.error('usage: node upload.js FILE URL');
  process.exit(2);
}
const client = new Client();
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort()); // cancels, also on the server
try {
  const receipt = await client.upload(file, url, {
    signal: interrupt.signal,
    onProgress: ({ acknowledged, total, state }) => process.stdout.write(`\r${acknowledged} of ${total} bytes, ${state}   `),
  });
  console.log(`\n${receipt.url} has ${receipt.size} bytes`);
} catch (error) {
  console.error(`upload: ${error.message}`);
  if (error instanceof BitsupError) console.error(`${error.status}, 0x${error.hresult.toString(16)}\n${error.advice}`);
  process.exitCode = 1;
} finally {
  await client.close();
}
