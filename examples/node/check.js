/** Tests the wrapper: node check.js SCENARIO URL FILE. The caller checks the server afterwards. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { BitsupError, Client, features, version } from './bitsup.js';

const [scenario, url, file] = process.argv.slice(2);
const client = new Client();

const scenarios = {
  async upload() {
    assert.match(version(), /^\d+\.\d+\.\d+/);
    assert.match(features(), /libcurl/);
    const receipt = await client.upload(file, url);
    assert.equal(receipt.url, url);
    assert.equal(receipt.size, 600_000);
    assert.ok(receipt.close_confirmed && receipt.session_id);
  },

  async progress() {
    const seen = [];
    // The loop goes on while bytes move: a timer runs between the calls.
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await client.upload(file, url, { fragment_size: 65536, onProgress: (progress) => seen.push(progress) });
    clearInterval(timer);
    assert.ok(seen.length > 2 && ticks > 0);
    seen.reduce((before, now) => {
      assert.ok(now.acknowledged >= before.acknowledged && now.sent >= now.acknowledged);
      return now;
    });
    const last = seen.at(-1);
    assert.equal(last.state, 'done');
    assert.equal(last.acknowledged, 600_000);
    assert.equal(last.total, 600_000);
  },

  async refused() {
    const error = await client.upload(file, url).catch((error) => error);
    assert.ok(error instanceof BitsupError);
    assert.equal(error.status, 'REFUSED');
    assert.equal(error.httpStatus, 403);
    assert.equal(error.hresult, 0x80070005);
    assert.ok(error.message && error.advice && !error.resumable);
    await assert.rejects(client.upload(file, url, { fragment_sise: 1 }), {
      status: 'UNSUPPORTED', message: /did you mean fragment_size\?$/,
    });
  },

  async lost() {
    const receipt = await client.upload(file, url, {
      fragment_size: 65536, retry_delay: '10ms', max_retry_delay: 50, lenient: false,
      give_up_after: 4_000_000_000, // that number of seconds is more than the library takes
      resolve: ['a.example:80:127.0.0.1', 'b.example:80:127.0.0.2'],
    });
    assert.ok(receipt.retries >= 3);
  },

  async cancel() {
    const abort = new AbortController();
    const onProgress = ({ acknowledged }) => acknowledged > 0 && abort.abort();
    const upload = client.upload(file, url, { fragment_size: 65536, signal: abort.signal, onProgress });
    await assert.rejects(upload, { status: 'CANCELLED' });
    // What a listener throws comes out of the upload.
    const thrower = () => { throw new RangeError('enough'); };
    await assert.rejects(client.upload(file, `${url}.thrown`, { onProgress: thrower }), RangeError);
  },

  async packets() {
    const data = await readFile(file);
    const session = await client.session(url, data.length);
    assert.ok(session.id);
    for (let offset = 0; offset < data.length;) {
      const part = data.subarray(offset, offset + 250_000);
      const next = await session.send(part);
      assert.equal(next, offset + part.length);
      offset = next;
    }
    await session.close();
    session.free();

    const second = await client.session(`${url}.cancelled`, 1000);
    await second.send(data.subarray(0, 500));
    await assert.rejects(second.close(), { status: 'INVALID_ARGUMENT' });
    await second.cancel();
    second.free();
  },

  async many() {
    const data = await readFile(file);
    for (let number = 0; number < 1000; number++) {
      await client.upload(Buffer.from(data.subarray(0, 32 * 1024)), `${url}.${number}`, { reply_memory: 65536, onProgress() {} });
      if ((number + 1) % 20 === 0) {
        globalThis.gc();
        console.log(number + 1);
      }
    }
  },
};

await scenarios[scenario]();
await client.close();
