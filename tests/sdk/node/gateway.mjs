// What all tests share: a gateway to talk to, and a look at what its providers
// have received.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const apiKey = 'client-secret';

// What the mocks say, by gateway.Caddyfile.
export const helloText = 'Hello from mock-small of the red provider.';
export const rescuedText = 'Hello from mock-small of the blue provider.';
export const greenText = 'Hello from the green provider.';

const binary = process.env.PLEXUS_BINARY;

// The option of every suite: without a gateway there is nothing to test.
export const suite = { skip: binary ? false : 'PLEXUS_BINARY is not set; it names a Caddy with Plexus inside' };

// gateway runs one for the suite around it. The object gets its `url`, without a
// version, once it is there.
export function gateway() {
  const it = {};
  let process, home;
  before(async () => {
    if (!binary) return;
    home = await mkdtemp(join(tmpdir(), 'plexus-sdk-'));
    const [port, red, blue, green] = await freePorts(4);
    process = await run({
      GATEWAY_PORT: port,
      RED_PORT: red,
      BLUE_PORT: blue,
      GREEN_PORT: green,
      CLIENT_KEY: apiKey,
      PROVIDER_KEY: 'provider-secret',
      // Caddy must not find or leave anything in the user's home.
      STORAGE: home,
      HOME: home,
      XDG_CONFIG_HOME: home,
      XDG_DATA_HOME: home,
    });
    it.url = `http://127.0.0.1:${port}`;
    it.providers = [red, blue, green].map((p) => `http://127.0.0.1:${p}`);
  });
  after(async () => {
    if (process?.exitCode === null) {
      // Node opens a connection anew after each that it breaks off, and Caddy
      // would politely wait for seconds whether a request comes on it.
      process.kill('SIGKILL');
      await once(process, 'exit');
    }
    if (home) await rm(home, { recursive: true });
  });

  // received is the last request whose body holds the prompt, which every test
  // chooses for itself.
  it.received = async (prompt) => {
    const lists = await Promise.all(
      it.providers.map(async (url) => (await fetch(`${url}/plexus_mock/requests`)).json()),
    );
    return lists.flat().findLast((r) => r.body.includes(prompt));
  };
  it.arrival = (prompt) =>
    poll(10_000, 'the provider has got no request', () => it.received(prompt));
  // A provider has to learn soon that its client left.
  it.cancellation = (prompt) =>
    poll(100, 'the provider has not seen the client leave', async () => (await it.received(prompt))?.canceled);
  return it;
}

// run starts the gateway and waits until it says that it serves.
async function run(env) {
  const config = fileURLToPath(new URL('../gateway.Caddyfile', import.meta.url));
  const child = spawn(binary, ['run', '--config', config, '--adapter', 'caddyfile'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}:\n${log}`)));
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
      if (log.includes('serving initial configuration')) resolve();
    });
  });
  return child;
}

// freePorts finds ports that nobody listens on. They are all taken before any is
// given back, so that they differ.
async function freePorts(n) {
  const servers = Array.from({ length: n }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((s) => once(s, 'listening')));
  const ports = servers.map((s) => String(s.address().port));
  await Promise.all(servers.map((s) => once(s.close(), 'close')));
  return ports;
}

// poll asks again and again: a mock has no way to call.
async function poll(limit, failure, done) {
  const deadline = performance.now() + limit;
  while (!(await done())) {
    assert.ok(performance.now() < deadline, failure);
    await wait(1);
  }
}

// An SDK's own headers, its key above all, are between it and the gateway.
export async function assertNoTrace(it, prompt) {
  const { headers } = await it.received(prompt);
  for (const [name, values] of Object.entries(headers)) {
    assert.ok(!values.join().includes(apiKey), name);
    assert.doesNotMatch(name, /^x-stainless-|^x-goog-api-client$/i);
  }
  assert.deepEqual(headers['User-Agent'], ['Plexus']);
}

// The parameters of the tool get_weather, and the arguments that the mock makes
// of them.
export const weatherSchema = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
  },
  required: ['city', 'unit'],
  additionalProperties: false,
};
export const weatherArguments = { city: 'mock', unit: 'celsius' };

// collect reads a stream of any SDK to its end or its error.
export async function collect(stream, each) {
  try {
    for await (const item of await stream) each(item);
  } catch (error) {
    return error;
  }
}
